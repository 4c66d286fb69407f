import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { canonicalName, parsePackageName } from "@lading/core-manifest";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fakeAccount, fakeAudit, fakePublication } from "../testing/fixtures.ts";
import { SqliteMetadataStore } from "./sqlite-metadata-store.ts";
import { GROUP_MAX, WriteQueue, type QueuedWrite } from "./write-queue.ts";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "lading-writes-"));
});
afterAll(async () => rm(directory, { recursive: true, force: true }));

describe("WriteQueue", () => {
  const runAll = async (group: readonly QueuedWrite<string>[]): Promise<void> => {
    for (const { work, resolve } of group) resolve(await work("session"));
  };

  it("hands what came in during one commit to the next, in order and together", async () => {
    const groups: number[] = [];
    const order: number[] = [];
    const queue = new WriteQueue<string>(async (group) => {
      groups.push(group.length);
      await new Promise((resolve) => setTimeout(resolve, 5));
      await runAll(group);
    });
    const add = (number: number): Promise<number> =>
      queue.add(async () => {
        order.push(number);
        return number;
      });
    const first = add(0);
    await new Promise((resolve) => setTimeout(resolve, 2));
    const rest = Array.from({ length: 100 }, (_, index) => add(index + 1));
    expect(await first).toBe(0);
    expect(await Promise.all(rest)).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
    expect(order).toEqual(Array.from({ length: 101 }, (_, index) => index));
    expect(groups).toEqual([1, GROUP_MAX, 100 - GROUP_MAX]);
  });

  it.each([0, 1, 2, 3, 4, 5, 6])(
    "takes a write that comes %i turns of the microtask queue after the last one",
    async (turns) => {
      const queue = new WriteQueue<string>(runAll);
      await queue.add(async () => {});
      for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
      const late = new Promise((resolve) => setTimeout(resolve, 500, "still waiting"));
      expect(await Promise.race([queue.add(async () => "done"), late])).toBe("done");
    },
  );

  it("is idle when everything is settled, and works again afterwards", async () => {
    const queue = new WriteQueue<string>(runAll);
    await queue.idle();
    let done = false;
    void queue.add(async () => {
      done = true;
    });
    await queue.idle();
    expect(done).toBe(true);
    expect(await queue.add(async (session) => session)).toBe("session");
  });
});

describe("SqliteMetadataStore", () => {
  it("commits a group without the write in it that fails, and tells that one alone", async () => {
    const file = join(directory, "group.db");
    const store = new SqliteMetadataStore(file);
    const ada = fakeAccount("ada");
    await store.createAccount(ada, fakeAudit());
    await store.publish(fakePublication(ada, "tool", "1.0.0"));
    const tool = canonicalName(parsePackageName("tool"));
    const bo = fakeAccount("bo");
    await store.createAccount(bo, fakeAudit());
    const outcomes = await Promise.allSettled([
      store.publish(fakePublication(ada, "tool", "1.1.0")),
      store.addOwner(tool, bo, fakeAudit(), () => {
        throw new Error("objection");
      }),
      store.createAccount(ada, fakeAudit()),
      store.publish(fakePublication(ada, "tool", "1.2.0")),
      store.close(),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual([
      "fulfilled",
      "rejected",
      "fulfilled",
      "fulfilled",
      "fulfilled",
    ]);
    const again = new SqliteMetadataStore(file);
    expect((await again.versions(tool)).map(({ version }) => version)).toEqual(["1.0.0", "1.1.0", "1.2.0"]);
    expect([await again.owners(tool), (await again.package(tool))?.sequence]).toEqual([["ada"], 3]);
    await again.close();
  });

  it("tells every write of a group that the disk was full for it, keeps none, and goes on afterwards", async () => {
    const file = join(directory, "full.db");
    const store = new SqliteMetadataStore(file, { maxPages: 200 });
    const ada = fakeAccount("ada");
    await store.createAccount(ada, fakeAudit());
    const huge = { ...fakeAudit(), details: { text: "x".repeat(2_000_000) } };
    const outcomes = await Promise.allSettled([
      store.publish(fakePublication(ada, "tool", "1.0.0")),
      store.setPassword(ada.id, "hash", huge),
      store.publish(fakePublication(ada, "tool", "1.1.0")),
    ]);
    const failures = outcomes.map((outcome) => (outcome.status === "rejected" ? String(outcome.reason) : "kept"));
    const tool = canonicalName(parsePackageName("tool"));
    const kept = (await store.versions(tool)).map(({ version }) => version);
    expect(failures[1]).toMatch(/full/);
    expect(kept).toEqual(["1.0.0", "1.1.0"].filter((_, index) => failures[index * 2] === "kept"));
    expect((await store.publish(fakePublication(ada, "tool", "1.2.0"))).status).toBe("created");
    await store.close();
  });
});
