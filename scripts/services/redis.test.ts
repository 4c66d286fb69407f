import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RedisCache } from "@lading/registry-server/node";
import { FakeClock, cacheContract } from "@lading/registry-server/testing";
import { startRedis, type RedisServer } from "./redis.ts";

let redis: RedisServer;
const opened: RedisCache[] = [];
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(async () => {
  for (const cache of opened) await cache.close();
  await redis?.stop();
});

let caches = 0;
async function open(options: Partial<Parameters<typeof RedisCache.open>[0]> = {}): Promise<RedisCache> {
  caches += 1;
  const cache = await RedisCache.open({ url: redis.url, clock: new FakeClock(), prefix: `${caches}:`, ...options });
  opened.push(cache);
  return cache;
}

describe("Redis", () => {
  cacheContract({ describe, it }, (clock) => open({ clock }));

  it("RedisCache shares values and counters between servers", async () => {
    const [one, two] = [await open({ prefix: "shared:" }), await open({ prefix: "shared:" })];
    await one.set("key", "value", 60_000);
    expect(await two.get("key")).toBe("value");
    await two.delete("key");
    expect(await one.get("key")).toBeUndefined();
    const counts = await Promise.all([one, two, one, two].map((cache) => cache.count("key", 60_000)));
    expect(counts.map(({ count }) => count).toSorted((left, right) => left - right)).toEqual([1, 2, 3, 4]);
  });

  it("RedisCache goes on with its own memory while Redis is down, says so, and comes back", async () => {
    const lines: string[] = [];
    const cache = await open({ log: (level, message) => lines.push(`${level} ${message}`) });
    await cache.check();
    await redis.kill();
    await expect.poll(() => cache.check().then(String, () => "down"), { timeout: 10_000 }).toBe("down");
    await cache.set("key", "value", 60_000);
    expect([await cache.get("key"), (await cache.count("n", 60_000)).count]).toEqual(["value", 1]);
    const late = await open();
    await late.set("key", "late", 60_000);
    expect(await late.get("key")).toBe("late");
    await redis.restart();
    await expect.poll(() => cache.check().then(() => "up", String), { timeout: 10_000 }).toBe("up");
    await expect.poll(() => late.check().then(() => "up", String), { timeout: 10_000 }).toBe("up");
    await cache.set("key", "again", 60_000);
    expect(await cache.get("key")).toBe("again");
    expect(lines).toEqual([expect.stringMatching(/^warn Redis cannot be reached/), "info Redis is back"]);
  });

  it("RedisCache.open() refuses an address that is none", async () => {
    await expect(open({ url: "http://127.0.0.1" })).rejects.toMatchObject({ code: "SERVER_CONFIG_INVALID" });
  });
});
