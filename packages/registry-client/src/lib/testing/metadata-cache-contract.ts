import type { CachedMetadata, MetadataCache } from "../ports.ts";

/** One promise of a port, as a test that any runner can run. */
export interface ContractCase<Port> {
  readonly name: string;
  /** Rejects when the promise is broken. */
  readonly run: (port: Port) => Promise<void>;
}

const ONE = "https://one.example.org/";
const TWO = "https://two.example.org/";

function entry(text: string, validator?: string): CachedMetadata {
  const bytes = new TextEncoder().encode(text);
  return { bytes, checkedAt: 1_700_000_000_000, ...(validator === undefined ? {} : { validator }) };
}

async function expectHit(cache: MetadataCache, registry: string, path: string, text: string): Promise<CachedMetadata> {
  const found = await cache.get(registry, path);
  if (found.status !== "hit") throw new Error(`get("${registry}", "${path}") is "${found.status}", expected a hit`);
  const got = new TextDecoder().decode(found.entry.bytes);
  if (got !== text) throw new Error(`get("${registry}", "${path}") gave "${got}", expected "${text}"`);
  return found.entry;
}

async function expectMiss(cache: MetadataCache, registry: string, path: string): Promise<void> {
  const found = await cache.get(registry, path);
  if (found.status !== "miss") throw new Error(`get("${registry}", "${path}") is "${found.status}", expected a miss`);
}

/** What every {@link MetadataCache} must do. Each case wants a cache of its own, empty. */
export const metadataCacheContract: readonly ContractCase<MetadataCache>[] = [
  {
    name: "get() of what was never put is a miss",
    run: (cache) => expectMiss(cache, ONE, "index/_/to/tool.json"),
  },
  {
    name: "get() gives back bytes, validator and time as they were put",
    run: async (cache) => {
      const put = entry('{"a":"\u00e9\\n"}\n\n', '"sha256:x"');
      await cache.put(ONE, "index/_/to/tool.json", put);
      const found = await expectHit(cache, ONE, "index/_/to/tool.json", '{"a":"\u00e9\\n"}\n\n');
      if (found.validator !== put.validator || found.checkedAt !== put.checkedAt)
        throw new Error("validator or time differ");
    },
  },
  {
    name: "get() of an entry without validator has none",
    run: async (cache) => {
      await cache.put(ONE, "a", entry(""));
      const found = await expectHit(cache, ONE, "a", "");
      if (found.validator !== undefined) throw new Error(`validator is "${found.validator}", expected none`);
    },
  },
  {
    name: "put() replaces, and later changes to the bytes that were given do not show",
    run: async (cache) => {
      const put = entry("second");
      await cache.put(ONE, "a", entry("first"));
      await cache.put(ONE, "a", put);
      put.bytes.fill(0);
      await expectHit(cache, ONE, "a", "second");
    },
  },
  {
    name: "registries and paths are kept apart, also where one is the beginning of another",
    run: async (cache) => {
      await cache.put(ONE, "a", entry("1"));
      await cache.put(TWO, "a", entry("2"));
      await cache.put(ONE, "a/b", entry("3"));
      await expectHit(cache, ONE, "a", "1");
      await expectHit(cache, TWO, "a", "2");
      await expectHit(cache, ONE, "a/b", "3");
      await expectMiss(cache, TWO, "a/b");
    },
  },
  {
    name: "a path cannot reach outside the cache",
    run: async (cache) => {
      await cache.put(ONE, "../../outside", entry("1"));
      await expectHit(cache, ONE, "../../outside", "1");
      await expectMiss(cache, ONE, "outside");
    },
  },
  {
    name: "delete() forgets one entry, and is quiet about an absent one",
    run: async (cache) => {
      await cache.put(ONE, "a", entry("1"));
      await cache.put(ONE, "b", entry("2"));
      await cache.delete(ONE, "a");
      await cache.delete(ONE, "a");
      await expectMiss(cache, ONE, "a");
      await expectHit(cache, ONE, "b", "2");
    },
  },
  {
    name: "clear() forgets one registry, or all",
    run: async (cache) => {
      await cache.put(ONE, "a", entry("1"));
      await cache.put(TWO, "a", entry("2"));
      await cache.clear(ONE);
      await expectMiss(cache, ONE, "a");
      await expectHit(cache, TWO, "a", "2");
      await cache.clear();
      await expectMiss(cache, TWO, "a");
    },
  },
  {
    name: "concurrent put() and get() see whole entries",
    run: async (cache) => {
      const texts = Array.from({ length: 20 }, (_, index) => `${index}`.repeat(2000));
      await cache.put(ONE, "a", entry(texts[0]!));
      await Promise.all(
        texts.map(async (text) => {
          await cache.put(ONE, "a", entry(text));
          const found = await cache.get(ONE, "a");
          if (found.status !== "hit" || !texts.includes(new TextDecoder().decode(found.entry.bytes)))
            throw new Error("a torn entry");
        }),
      );
    },
  },
];
