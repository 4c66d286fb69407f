import type { Coordination } from "../ports.ts";
import { same, type ContractTest } from "./contract.ts";

const wait = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let left = 200; !holds(); left -= 1) {
    if (left === 0) throw new Error(`${what} did not happen`);
    await wait(20);
  }
}

/**
 * Checks what {@link Coordination} promises. `create` makes views of two servers over the same store, and a way to commit a
 * change to it.
 */
export function coordinationContract(
  test: ContractTest,
  create: () => Promise<{
    readonly one: Coordination;
    readonly two: Coordination;
    readonly commit: () => Promise<void>;
    readonly close: () => Promise<void>;
  }>,
): void {
  const it = (name: string, body: (servers: Awaited<ReturnType<typeof create>>) => Promise<void>): void =>
    test.it(name, async () => {
      const servers = await create();
      try {
        await body(servers);
      } finally {
        await servers.one.close();
        await servers.two.close();
        await servers.close();
      }
    });
  test.describe("Coordination contract", () => {
    it("a lease has one holder, who may prolong it and give it back", async ({ one, two }) => {
      same(await one.lease("work", 60_000), true, "first");
      same(await two.lease("work", 60_000), false, "second");
      same(await two.lease("other", 60_000), true, "another lease");
      same(await one.lease("work", 60_000), true, "again");
      await two.release("work");
      same(await two.lease("work", 60_000), false, "released by who does not have it");
      await one.release("work");
      same(await two.lease("work", 60_000), true, "released");
      same(await one.lease("work", 60_000), false, "the other way round");
    });
    it("of many who ask at once, one gets the lease", async ({ one, two }) => {
      const asked = await Promise.all(
        Array.from({ length: 10 }, (_, at) => (at % 2 === 0 ? one : two).lease("work", 60_000)),
      );
      const byOne = asked.filter((_, at) => at % 2 === 0);
      const byTwo = asked.filter((_, at) => at % 2 === 1);
      same(new Set(byOne).size + new Set(byTwo).size, 2, "each server hears one thing");
      same(byOne[0] !== byTwo[0], true, "and they hear different ones");
    });
    it("a lease that is not prolonged ends", async ({ one, two }) => {
      same(await one.lease("work", 300), true, "first");
      same(await two.lease("work", 60_000), false, "before its end");
      await wait(400);
      same(await two.lease("work", 60_000), true, "after its end");
      same(await one.lease("work", 300), false, "the former holder");
    });
    it("watch() tells every server of a commit", async ({ one, two, commit }) => {
      const calls = [0, 0];
      await one.watch(() => (calls[0]! += 1));
      await two.watch(() => (calls[1]! += 1));
      const before = [...calls];
      await commit();
      await until("a call of both", () => calls[0]! > before[0]! && calls[1]! > before[1]!);
    });
  });
}
