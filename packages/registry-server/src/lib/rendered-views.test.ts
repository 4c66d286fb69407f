import { describe, expect, it } from "vitest";
import { RenderedViews } from "./rendered-views.ts";

const text = (bytes: Uint8Array): unknown => JSON.parse(new TextDecoder().decode(bytes));

/** Counts how often a view is made. */
function counted(): { made: number; make: (value: unknown) => () => Promise<unknown> } {
  const counter = {
    made: 0,
    make: (value: unknown) => async () => {
      counter.made += 1;
      return value;
    },
  };
  return counter;
}

describe("RenderedViews.get()", () => {
  it("makes a view once for each stamp", async () => {
    const views = new RenderedViews();
    const counter = counted();
    expect(text(await views.get("a", "1", counter.make({ n: 1 })))).toEqual({ n: 1 });
    expect(text(await views.get("a", "1", counter.make({ n: 2 })))).toEqual({ n: 1 });
    expect(text(await views.get("a", "2", counter.make({ n: 3 })))).toEqual({ n: 3 });
    expect(text(await views.get("b", "2", counter.make({ n: 4 })))).toEqual({ n: 4 });
    expect(counter.made).toBe(3);
  });

  it("is shared by those who ask while it is made, and not by those who name another stamp", async () => {
    const views = new RenderedViews();
    const ends: ((value: unknown) => void)[] = [];
    const make = async (): Promise<unknown> => new Promise((resolve) => ends.push(resolve));
    const first = [views.get("a", "1", make), views.get("a", "1", make)];
    const other = views.get("a", "2", make);
    expect(ends.length).toBe(2);
    ends[1]!("new");
    expect(text(await other)).toBe("new");
    ends[0]!("old");
    expect((await Promise.all(first)).map(text)).toEqual(["old", "old"]);
  });

  it("throws what making throws, and keeps nothing of it", async () => {
    const views = new RenderedViews();
    const fails = async (): Promise<never> => {
      throw new Error("down");
    };
    const asked = [views.get("a", "1", fails), views.get("a", "1", fails)];
    for (const one of await Promise.allSettled(asked)) expect(one).toMatchObject({ reason: { message: "down" } });
    expect(views.used).toBe(0);
    expect(text(await views.get("a", "1", async () => "up"))).toBe("up");
  });

  it("keeps no more bytes than it may, and forgets first what was asked for longest ago", async () => {
    // A view of ten bytes.
    const views = new RenderedViews(30);
    const counter = counted();
    const ask = async (key: string, stamp = "1"): Promise<unknown> =>
      views.get(key, stamp, counter.make(`${key}1234567`));
    for (const key of ["a", "b", "c"]) await ask(key);
    await ask("a");
    await ask("d");
    expect([views.used, counter.made]).toEqual([30, 4]);
    await ask("a");
    expect(counter.made).toBe(4);
    await ask("b");
    expect(counter.made).toBe(5);
    // A newer one takes the place of the older one.
    await ask("b", "2");
    expect(views.used).toBe(30);
    await views.get("large", "1", async () => "x".repeat(100));
    expect(views.used).toBe(30);
  });
});
