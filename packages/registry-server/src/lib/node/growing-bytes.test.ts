import { describe, expect, it } from "vitest";
import { GrowingBytes } from "./growing-bytes.ts";

describe("GrowingBytes", () => {
  it("holds what comes byte by byte in less than twice the memory, and never in more than the most", () => {
    const held = new GrowingBytes(1000);
    const part = new Uint8Array(1);
    for (let count = 1; count <= 1000; count += 1) {
      part[0] = count % 256;
      expect(held.add(part)).toBe(true);
      expect(held.capacity).toBeLessThanOrEqual(Math.min(1000, 2 * count));
    }
    expect(held.add(part)).toBe(false);
    expect([...held.bytes]).toEqual(Array.from({ length: 1000 }, (_, at) => (at + 1) % 256));
  });

  it("takes parts of every size, and refuses one that is too much without keeping any of it", () => {
    const held = new GrowingBytes(10);
    expect(held.add(new Uint8Array())).toBe(true);
    expect(held.add(Uint8Array.of(1, 2, 3))).toBe(true);
    expect(held.capacity).toBe(3);
    expect(held.add(new Uint8Array(8))).toBe(false);
    expect(held.add(Uint8Array.of(4))).toBe(true);
    expect([...held.bytes]).toEqual([1, 2, 3, 4]);
    held.clear();
    expect([held.capacity, held.bytes.length]).toEqual([0, 0]);
  });
});
