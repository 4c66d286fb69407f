import { createMemoryTrustStore, type TrustStore } from "@lading/registry-client";
import { createTrustDirectory } from "@lading/registry-client/node";
import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { TrustFiles } from "../src/lib/trust/trust-files.ts";
import { temporaryDirectory } from "./helpers.ts";

const REGISTRY = "https://r.example/";
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const version = (number: number): Uint8Array => encode(JSON.stringify({ signed: { version: number } }));
const shown = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);

describe.each<[string, () => { store: TrustStore; other: TrustStore; directory?: string }]>([
  [
    "createMemoryTrustStore()",
    () => {
      const store = createMemoryTrustStore();
      return { store, other: store };
    },
  ],
  [
    "createTrustDirectory()",
    () => {
      const directory = temporaryDirectory();
      return { store: createTrustDirectory(directory), other: createTrustDirectory(directory), directory };
    },
  ],
])("%s, used by two at once", (_, open) => {
  it("asks of what is there by then whether it is to be replaced", async () => {
    const { store, other, directory } = open();
    await store.write(REGISTRY, "a", encode("1"));
    await other.write(REGISTRY, "a", encode("3"));
    await store.write(REGISTRY, "a", encode("2"), { unless: (stored) => shown(stored) > "2" });
    expect(shown(await store.read(REGISTRY, "a"))).toBe("3");
    await store.write(REGISTRY, "a", encode("4"), { unless: (stored) => shown(stored) > "4" });
    expect(shown(await other.read(REGISTRY, "a"))).toBe("4");
    if (directory === undefined) return;
    const left = readdirSync(directory, { recursive: true, encoding: "utf8" });
    expect(left.filter((name) => /\.(?:lock|tmp)$/.test(name))).toEqual([]);
  });

  it("keeps the latest of many writes, whatever their order", async () => {
    const { store, other } = open();
    const writes = Array.from({ length: 40 }, (_unused, i) => ((i * 17) % 40) + 1);
    await Promise.all(
      writes.map(async (number, i) => {
        const files = new TrustFiles(i % 2 === 0 ? store : other, REGISTRY, false);
        await files.write("timestamp", version(number));
      }),
    );
    expect(shown(await store.read(REGISTRY, "tuf.timestamp"))).toBe(shown(version(40)));
  });

  it("lets versions fall only where trust begins anew", async () => {
    const { store } = open();
    await new TrustFiles(store, REGISTRY, false).write("timestamp", version(9));
    const first = new TrustFiles(store, REGISTRY, true);
    await first.write("timestamp", version(3));
    await first.commit();
    expect(shown(await store.read(REGISTRY, "tuf.timestamp"))).toBe(shown(version(9)));
    const again = new TrustFiles(store, REGISTRY, true);
    await again.write("timestamp", version(3));
    await again.commit({ replace: true });
    expect(shown(await store.read(REGISTRY, "tuf.timestamp"))).toBe(shown(version(3)));
  });
});
