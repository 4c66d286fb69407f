import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nodeVerifier } from "../node/verifier.ts";
import { testSigner } from "../testing/builders.ts";
import {
  TEST_NOW_MS,
  TEST_ROLES,
  TEST_ROOT_ROLES,
  memorySource,
  testRepository,
  testRoot,
  testTarget,
} from "../testing/test-repository.ts";
import { binIndex, chooseBitLength } from "./bins.ts";
import { memoryMetadataStore, openMetadataClient } from "./client.ts";
import { MetadataError } from "./metadata-error.ts";
import { matchesPathPattern } from "./paths.ts";
import {
  createRepository,
  loadRepository,
  repositoryTargets,
  updateRepository,
  type Repository,
  type TargetEntry,
  type UpdateOptions,
} from "./repository.ts";
import { createRoot, nextRoot, rootStatus } from "./root-ceremony.ts";
import { combineMetadata, signMetadata } from "./sign-metadata.ts";

const DAY_MS = 86_400_000;
const SIGNERS = [TEST_ROLES.targets, TEST_ROLES.snapshot, TEST_ROLES.timestamp];
const update = (repository: Repository, options: Partial<UpdateOptions> = {}) =>
  updateRepository(repository, { signers: SIGNERS, nowMs: TEST_NOW_MS + 1000, ...options });
const many = (count: number): TargetEntry[] =>
  Array.from({ length: count }, (_, i) => testTarget(`index/_/p/p${i}.json`, `${i}`));

async function code(work: Promise<unknown> | (() => unknown)): Promise<string> {
  try {
    await (typeof work === "function" ? work() : work);
    return "done";
  } catch (error) {
    if (error instanceof MetadataError) return error.code;
    throw error;
  }
}

describe("chooseBitLength()", () => {
  it("keeps 16 to 64 entries a bin, and stays as it is inside of that", () => {
    fc.assert(
      fc.property(fc.integer({ min: 64, max: 2_000_000 }), fc.integer({ min: 1, max: 16 }), (count, current) => {
        const bits = chooseBitLength(count, current);
        const average = count / 2 ** bits;
        expect(average).toBeGreaterThanOrEqual(16);
        expect(average).toBeLessThanOrEqual(64);
        const before = count / 2 ** current;
        expect(before >= 16 && before <= 64 ? bits : current).toBe(current);
        expect(chooseBitLength(count, bits)).toBe(bits);
      }),
    );
    expect(chooseBitLength(0)).toBe(1);
    expect(chooseBitLength(10_000)).toBe(8);
  });
});

describe("matchesPathPattern()", () => {
  it.each([
    ["targets/*.tgz", "targets/foo.tgz", true],
    ["targets/*.tgz", "targets/foo.txt", false],
    ["foo-version-?.tgz", "foo-version-a.tgz", true],
    ["foo-version-?.tgz", "foo-version-alpha.tgz", false],
    ["*.tgz", "targets/foo.tgz", false],
    ["*", "", true],
    ["*a*b", "xaxxb", true],
    ["*a*b", "xaxx", false],
    ["[ab]", "a", false],
    ["?", "", false],
  ])("%s and %s: %s", (pattern, path, expected) => {
    expect(matchesPathPattern(pattern, path)).toBe(expected);
  });

  it("agrees with a regular expression, and is fast for many stars", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b", "*", "?"), maxLength: 8 });
    fc.assert(
      fc.property(text, fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 8 }), (pattern, path) => {
        const expected = new RegExp(`^${pattern.replaceAll("*", "[^/]*").replaceAll("?", "[^/]")}$`).test(path);
        expect(matchesPathPattern(pattern, path)).toBe(expected);
      }),
    );
    expect(matchesPathPattern("*a".repeat(500), "a".repeat(2000).concat("b"))).toBe(false);
  });
});

describe("createRepository() and updateRepository()", () => {
  it("write only what changed, and the timestamp last", async () => {
    const first = await testRepository(Object.fromEntries(many(200).map(({ path }) => [path, path])));
    expect(first.files.size).toBe(1 + 8 + 3);
    const bin = `2.bins-${binIndex("index/_/p/new.json", 3).toString(16)}.json`;
    const second = await update(first.repository, { put: [testTarget("index/_/p/new.json", "new")] });
    expect([...second.files.keys()]).toEqual([bin, "2.snapshot.json", "timestamp.json"]);
    expect(second).toMatchObject({ rebinned: false, writtenBins: 1 });
    const same = await update(second.repository, { put: [testTarget("index/_/p/new.json", "new")] });
    expect([...same.files.keys()]).toEqual(["timestamp.json"]);
    const gone = await update(same.repository, { remove: ["index/_/p/new.json"] });
    expect([...gone.files.keys()]).toEqual([bin.replace("2.", "3."), "3.snapshot.json", "timestamp.json"]);
    expect([...repositoryTargets(gone.repository)]).toHaveLength(200);
  });

  it("make the same bytes of the same input", async () => {
    const [one, other] = [await testRepository(), await testRepository()];
    expect(one.files).toEqual(other.files);
  });

  it("change the number of bins where their average leaves 16 to 64, and clients follow", async () => {
    const first = await createRepository({
      root: await testRoot(),
      targets: many(100),
      signers: SIGNERS,
      nowMs: TEST_NOW_MS,
    });
    const served = new Map(first.files);
    const store = memoryMetadataStore();
    const open = () =>
      openMetadataClient({
        root: served.get("1.root.json")!,
        source: memorySource(served),
        store,
        verifier: nodeVerifier,
      });
    await open().refresh(TEST_NOW_MS);
    const bits: number[] = [first.repository.bitLength];
    let { repository } = first;
    for (const count of [300, 1200, 70]) {
      const now = new Set([...repositoryTargets(repository)].map(({ path }) => path));
      const wanted = many(count);
      const remove = [...now].filter((path) => !wanted.some((entry) => entry.path === path));
      const next = await update(repository, { put: wanted, remove });
      expect(next.rebinned).toBe(true);
      bits.push(next.repository.bitLength);
      for (const [path, bytes] of next.files) served.set(path, bytes);
      ({ repository } = next);
      const client = open();
      await client.refresh(TEST_NOW_MS);
      const found = await client.findAll(wanted.map(({ path }) => path));
      expect([...found.values()].filter((target) => target === undefined)).toEqual([]);
    }
    expect(bits).toEqual([2, 3, 5, 1]);
    // Bins of every former number stay listed, since a snapshot that drops a file is refused.
    expect(repository.snapshot.body.meta.size).toBe(1 + 8 + 32);
    const snapshotKey = testSigner("new snapshot");
    const root = await signMetadata(
      nextRoot(served.get("1.root.json")!, {
        roles: { snapshot: { keys: [snapshotKey.publicKey] } },
        expiresMs: TEST_NOW_MS + DAY_MS,
      }),
      "root",
      TEST_ROLES.root.slice(0, 2),
    );
    const rotated = await update(repository, { root, signers: [...SIGNERS, snapshotKey] });
    expect(rotated.repository.snapshot.body.meta.size).toBe(1 + 2);
    for (const [path, bytes] of rotated.files) served.set(path, bytes);
    expect((await open().refresh(TEST_NOW_MS)).versions.root).toBe(2);
    // Names that were forgotten come back with versions that they never had: their old paths may be cached for ever.
    const again = await update(rotated.repository, { put: many(1200), signers: [...SIGNERS, snapshotKey] });
    expect([...again.files.keys()].filter((path) => path !== "timestamp.json" && served.has(path))).toEqual([]);
  });

  it("sign again from half of a lifetime on, bins not all at once", async () => {
    const first = await createRepository({
      root: await testRoot(),
      targets: many(200),
      signers: SIGNERS,
      nowMs: TEST_NOW_MS,
    });
    const at = async (days: number): Promise<string[]> => {
      const { files } = await update(first.repository, { nowMs: TEST_NOW_MS + days * DAY_MS });
      return [...files.keys()];
    };
    expect(await at(1)).toEqual(["timestamp.json"]);
    expect(await at(4)).toEqual(["2.snapshot.json", "timestamp.json"]);
    const bins = (await at(35)).filter((path) => path.includes("bins"));
    expect(bins.length).toBeGreaterThan(0);
    expect(bins.length).toBeLessThan(8);
    expect((await at(46)).filter((path) => path.includes("bins"))).toHaveLength(8);
  });

  it("bind the log, and keep the binding until a newer one is given", async () => {
    const log = { origin: "registry.example/log", size: 7, root: new Uint8Array(32).fill(7) };
    const first = await testRepository(undefined, { log });
    const again = await update(first.repository);
    const client = openMetadataClient({
      root: first.root,
      source: memorySource(new Map([...first.files, ...again.files])),
      store: memoryMetadataStore(),
    });
    expect((await client.refresh(TEST_NOW_MS)).log).toEqual(log);
  });

  it("use keys of their own for bins, and sign all of them again when those change", async () => {
    const [one, two] = [testSigner("bins 1"), testSigner("bins 2")];
    const first = await testRepository(undefined, { binSigners: [one] });
    const second = await update(first.repository, { binSigners: [two] });
    expect([...second.files.keys()].filter((path) => path.includes("bins"))).toHaveLength(2);
    const client = openMetadataClient({
      root: first.root,
      source: memorySource(new Map([...first.files, ...second.files])),
      store: memoryMetadataStore(),
    });
    await client.refresh(TEST_NOW_MS);
    expect(await client.find("index/_/to/tool.json")).toBeDefined();
  });

  it("refuse paths, lengths and keys that cannot be meant", async () => {
    const { repository } = await testRepository();
    const put = (entry: Partial<TargetEntry>) => update(repository, { put: [{ ...testTarget("a", "a"), ...entry }] });
    for (const path of ["", "/a", "a/", "a//b", "../a", "a/./b", "a\nb", "x".repeat(1025)]) {
      expect(await code(put({ path }))).toBe("METADATA_INPUT_INVALID");
    }
    expect(await code(put({ length: -1 }))).toBe("METADATA_INPUT_INVALID");
    expect(await code(update(repository, { remove: ["none"] }))).toBe("METADATA_INPUT_INVALID");
    expect(await code(update(repository, { signers: [TEST_ROLES.timestamp] }))).toBe("METADATA_SIGNER_MISSING");
    const faulty = { ...TEST_ROLES.timestamp, sign: () => Promise.resolve(new Uint8Array(64)) };
    const signers = [TEST_ROLES.targets, TEST_ROLES.snapshot, faulty];
    expect(await code(update(repository, { signers }))).toBe("METADATA_SIGNER_MISSING");
    const unsigned = createRoot({ roles: TEST_ROOT_ROLES, expiresMs: TEST_NOW_MS });
    expect(await code(createRepository({ root: unsigned, targets: [], signers: SIGNERS, nowMs: 0 }))).toBe(
      "METADATA_ROOT_UNTRUSTED",
    );
  });

  it("take up a stored repository where it was left", async () => {
    const first = await testRepository();
    const served = first.files;
    const loaded = await loadRepository({ root: first.root, read: (path) => Promise.resolve(served.get(path)) });
    const put = [testTarget("index/_/ne/new.json", "new")];
    expect((await update(loaded, { put })).files).toEqual((await update(first.repository, { put })).files);
    const missing = loadRepository({ root: first.root, read: () => Promise.resolve(undefined) });
    expect(await code(missing)).toBe("METADATA_MISSING");
  });

  it("are read with several bins at a time, as many as were allowed, to the same result", async () => {
    const names = Array.from({ length: 300 }, (_, i) => `index/_/pa/package-${i}.json`);
    const first = await testRepository(Object.fromEntries(names.map((name) => [name, name])));
    let [running, most] = [0, 0];
    const read = async (path: string): Promise<Uint8Array | undefined> => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 1));
      running--;
      return first.files.get(path);
    };
    const loaded = await loadRepository({ root: first.root, read, concurrency: 4 });
    expect(most).toBe(4);
    expect(loaded.bins).toEqual((await loadRepository({ root: first.root, read })).bins);
    const broken = async (path: string): Promise<Uint8Array | undefined> =>
      path.includes("bins-5") ? undefined : read(path);
    expect(await code(loadRepository({ root: first.root, read: broken, concurrency: 4 }))).toBe("METADATA_MISSING");
  });
});

describe("the root's ceremony", () => {
  const [one, two, three] = TEST_ROLES.root;

  it("collects signatures from several machines, and says whose are missing", async () => {
    const draft = createRoot({ roles: TEST_ROOT_ROLES, expiresMs: TEST_NOW_MS + DAY_MS });
    const copies = [await signMetadata(draft, "root", [one!]), await signMetadata(draft, "root", [three!])];
    expect(rootStatus(copies[0]!)).toMatchObject({ complete: false, progress: [{ by: "new root", threshold: 2 }] });
    const root = combineMetadata(copies, "root");
    expect(combineMetadata(copies.toReversed(), "root")).toEqual(root);
    const status = rootStatus(root);
    expect(status).toMatchObject({ version: 1, complete: true });
    expect(status.progress[0]!.missing).toHaveLength(1);
  });

  it("rotates keys: the next root needs the thresholds of both", async () => {
    const root = await testRoot();
    const [newOne, newTwo] = [testSigner("new 1"), testSigner("new 2")];
    const keys = [one!, newOne, newTwo].map(({ publicKey }) => publicKey);
    const draft = nextRoot(root, { roles: { root: { keys, threshold: 2 } }, expiresMs: TEST_NOW_MS + DAY_MS });
    const byNew = await signMetadata(draft, "root", [newOne, newTwo]);
    expect(rootStatus(byNew, root)).toMatchObject({
      complete: false,
      progress: [
        { by: "previous root", signed: [] },
        { by: "new root", missing: [expect.any(String)] },
      ],
    });
    const both = combineMetadata([byNew, await signMetadata(draft, "root", [one!, two!])], "root");
    expect(rootStatus(both, root).complete).toBe(true);
  });

  it("refuses to combine what differs, and drafts that cannot be meant", async () => {
    const root = await testRoot();
    const other = createRoot({ roles: TEST_ROOT_ROLES, expiresMs: TEST_NOW_MS });
    expect(await code(() => combineMetadata([root, other], "root"))).toBe("METADATA_COMBINE_CONFLICT");
    expect(await code(() => combineMetadata([], "root"))).toBe("METADATA_INPUT_INVALID");
    const swap = (_all: string, digit: string): string => `"sig":"${digit === "0" ? "1" : "0"}`;
    const altered = new TextEncoder().encode(new TextDecoder().decode(root).replace(/"sig":"(.)/, swap));
    expect(await code(() => combineMetadata([root, altered], "root"))).toBe("METADATA_COMBINE_CONFLICT");
    expect(rootStatus(altered)).toMatchObject({ complete: false, progress: [{ broken: [expect.any(String)] }] });
    expect(await code(() => rootStatus(root, root))).toBe("METADATA_INPUT_INVALID");
    const key = one!.publicKey;
    for (const root of [{ keys: [key, key] }, { keys: [key], threshold: 2 }, { keys: [key], threshold: 0 }]) {
      const roles = { ...TEST_ROOT_ROLES, root };
      expect(await code(() => createRoot({ roles, expiresMs: TEST_NOW_MS }))).toBe("METADATA_INPUT_INVALID");
    }
    expect(await code(() => createRoot({ roles: TEST_ROOT_ROLES, expiresMs: Number.NaN }))).toBe(
      "METADATA_INPUT_INVALID",
    );
  });

  it("marks a development root, and takes the mark off with the next", async () => {
    const roles = { ...TEST_ROOT_ROLES, root: { keys: [one!.publicKey] } };
    const draft = createRoot({ roles, expiresMs: TEST_NOW_MS + DAY_MS, development: true });
    const root = await signMetadata(draft, "root", [one!]);
    const made = await createRepository({ root, targets: [], signers: SIGNERS, nowMs: TEST_NOW_MS });
    const refresh = async (files: ReadonlyMap<string, Uint8Array>): Promise<boolean> => {
      const source = memorySource(files);
      const client = openMetadataClient({ root, source, store: memoryMetadataStore() });
      return (await client.refresh(TEST_NOW_MS)).development;
    };
    expect(await refresh(made.files)).toBe(true);
    const next = nextRoot(root, { roles: { root: TEST_ROOT_ROLES.root }, expiresMs: TEST_NOW_MS + DAY_MS });
    const signed = await signMetadata(next, "root", [one!, two!]);
    expect(await refresh(new Map(made.files).set("2.root.json", signed))).toBe(false);
  });
});
