import type { Cache } from "../ports.ts";
import { same, type ContractTest } from "./contract.ts";
import { FakeClock } from "./fixtures.ts";

/** Checks what {@link Cache} promises; `create` makes an empty one that goes by `clock`. */
export function cacheContract(test: ContractTest, create: (clock: FakeClock) => Promise<Cache>): void {
  test.describe("Cache contract", () => {
    test.it("returns what was set until its time is over", async () => {
      const clock = new FakeClock();
      const cache = await create(clock);
      await cache.set("key", "value", 1000);
      same(await cache.get("key"), "value", "at once");
      clock.advance(999);
      same(await cache.get("key"), "value", "just before");
      clock.advance(1);
      same(await cache.get("key"), undefined, "after its time");
    });
    test.it("forgets what is deleted; absence is no error", async () => {
      const cache = await create(new FakeClock());
      await cache.set("key", "value", 1000);
      await cache.delete("key");
      await cache.delete("other");
      same(await cache.get("key"), undefined, "deleted");
      await cache.check();
    });
    test.it("the last value set wins", async () => {
      const cache = await create(new FakeClock());
      await cache.set("key", "one", 1000);
      await cache.set("key", "two", 1000);
      same(await cache.get("key"), "two", "last");
    });
  });
}
