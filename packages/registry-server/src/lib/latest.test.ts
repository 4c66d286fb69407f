import { expect, it } from "vitest";
import { Latest, LatestByKey } from "./latest.ts";

it("Latest.get() shares a run that begins after the call, and no other", async () => {
  let runs = 0;
  const ends: (() => void)[] = [];
  const latest = new Latest(async () => {
    runs += 1;
    const number = runs;
    await new Promise<void>((resolve) => ends.push(resolve));
    return number;
  });
  const first = latest.get();
  const waiting = [latest.get(), latest.get(), latest.get()];
  expect(runs).toBe(1);
  ends[0]!();
  expect(await first).toBe(1);
  await expect.poll(() => runs, { timeout: 10_000 }).toBe(2);
  ends[1]!();
  expect(await Promise.all(waiting)).toEqual([2, 2, 2]);
  const later = latest.get();
  ends[2]!();
  expect(await later).toBe(3);
});

it("Latest.get() tells a failure to those who waited for it, and begins anew", async () => {
  let fails = true;
  const latest = new Latest(async () => {
    if (fails) throw new Error("down");
    return "up";
  });
  const [one, two] = [latest.get(), latest.get()];
  await expect(one).rejects.toThrow("down");
  await expect(two).rejects.toThrow("down");
  fails = false;
  expect(await latest.get()).toBe("up");
});

it("LatestByKey.get() shares runs of one key, and keeps nothing when nobody waits", async () => {
  const runs: string[] = [];
  const latest = new LatestByKey(async (key: string) => {
    runs.push(key);
    await Promise.resolve();
    if (key === "bad") throw new Error("down");
    return `${key} ${runs.length}`;
  });
  const asked = ["a", "b", "a", "a"].map(async (key) => latest.get(key));
  expect([runs, latest.size]).toEqual([["a", "b"], 2]);
  // Who asked second and third waits for one run that began after the first.
  expect(await Promise.all(asked)).toEqual(["a 2", "b 2", "a 3", "a 3"]);
  await expect(latest.get("bad")).rejects.toThrow("down");
  expect(latest.size).toBe(0);
  expect(await latest.get("a")).toBe("a 5");
});
