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
    test.it("count() counts each of many at once, and by key; a counter is no value", async () => {
      const cache = await create(new FakeClock());
      const counts = await Promise.all(Array.from({ length: 20 }, () => cache.count("key", 60_000)));
      same(
        counts.map(({ count }) => count).sort((left, right) => left - right),
        Array.from({ length: 20 }, (_, at) => at + 1),
        "counts",
      );
      if (!counts.every(({ endsInMs }) => endsInMs > 0 && endsInMs <= 60_000)) throw new Error("endsInMs is off");
      same((await cache.count("other", 60_000)).count, 1, "another key");
      same(await cache.get("key"), undefined, "no value");
    });
    test.it("count() begins again when its window is over", async () => {
      const clock = new FakeClock();
      const cache = await create(clock);
      await cache.count("key", 30);
      // By either clock: shared caches keep their own.
      clock.advance(31);
      await new Promise((resolve) => setTimeout(resolve, 60));
      same((await cache.count("key", 30)).count, 1, "a new window");
    });
    test.it("the last value set wins", async () => {
      const cache = await create(new FakeClock());
      await cache.set("key", "one", 1000);
      await cache.set("key", "two", 1000);
      same(await cache.get("key"), "two", "last");
    });
  });
}
