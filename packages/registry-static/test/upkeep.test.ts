import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { parseIndexDocument } from "@lading/core-manifest";
import { fingerprint, type Signer } from "@lading/signing";
import { decodeLogEvent, readEntries, type PolicyEvent } from "@lading/signing/log";
import { memoryMetadataStore, openMetadataClient, type MetadataStore } from "@lading/signing/metadata";
import { nodeVerifier } from "@lading/signing/node";
import {
  checkStaticRegistry,
  delegateStatic,
  listDelegations,
  listSubmissions,
  pruneStatic,
  publishStatic,
  readSubmission,
  refreshStatic,
  removeSubmissions,
  submitStatic,
  type RegistryStore,
  type StaticTrust,
} from "../src/index.ts";
import { directoryStore } from "../src/node.ts";
import { memoryStore } from "../src/testing.ts";
import { cleanUp, code, newRegistry, newSigner, publication, temporary } from "./harness.ts";

afterAll(cleanUp);

const DAY_MS = 86_400_000;

/** A client that goes by what a place serves. */
function clientOf(trust: StaticTrust, read: (path: string) => Promise<Uint8Array | undefined>, store: MetadataStore) {
  return openMetadataClient({
    root: trust.roots[0]!,
    source: { fetch: ({ path }) => read(`metadata/${path}`) },
    store,
    verifier: nodeVerifier,
  });
}

describe("pruneStatic()", () => {
  async function registry(): Promise<{ directory: string; store: RegistryStore; trust: StaticTrust }> {
    const directory = await temporary();
    const store = directoryStore(directory);
    const { trust } = await newRegistry(store);
    return { directory, store, trust };
  }

  it("removes nothing that a snapshot which has not expired leads to, and everything else once it has", async () => {
    const { directory, store, trust } = await registry();
    const start = Date.now();
    for (const [day, version] of ["1.0.0", "1.1.0", "1.2.0"].entries())
      await publishStatic({ store, trust, now: () => start + day * DAY_MS }, [await publication({ version })]);
    const young = await pruneStatic({ store, trust, now: () => start + 3 * DAY_MS });
    expect(young).toMatchObject({ removed: [], bytes: 0, snapshots: 4 });
    expect(young.kept).toBeGreaterThanOrEqual(6);
    // Snapshots are good for 60 days: that of the second publication is dead, that of the third is in force.
    const later = start + 61 * DAY_MS + 1000;
    await refreshStatic({ store, trust, now: () => later });
    const before = await readdir(directory, { recursive: true });
    const dry = await pruneStatic({ store, trust, now: () => later, dryRun: true });
    expect(await readdir(directory, { recursive: true })).toEqual(before);
    const sizes = await Promise.all(dry.removed.map(async (path) => (await readFile(join(directory, path))).length));
    expect(dry.bytes).toBe(sizes.reduce((sum, size) => sum + size, 0));
    expect(dry.removed.length).toBeGreaterThanOrEqual(6);
    expect(dry.removed).toContain("metadata/1.snapshot.json");
    const done = await pruneStatic({ store, trust, now: () => later });
    expect(done).toEqual(dry);
    const after = await readdir(directory, { recursive: true });
    expect(before.filter((path) => !after.includes(path)).sort()).toEqual([...dry.removed].sort());
    expect(after).toContain("metadata/1.root.json");
    const checked = await checkStaticRegistry({ read: reader(directory), nowMs: later });
    expect(checked).toMatchObject({ problems: [], versions: 3 });
    expect((await pruneStatic({ store, trust, now: () => later })).removed).toEqual([]);
    await publishStatic({ store, trust, now: () => later }, [await publication({ version: "2.0.0" })]);
  });

  const reader = (directory: string) => (path: string) => readFile(join(directory, path)).catch(() => undefined);

  it("breaks no client that has its timestamp and comes for the rest after a publication and a pruning", async () => {
    const { directory, store, trust } = await registry();
    await publishStatic({ store, trust }, [await publication()]);
    const old = await readFile(join(directory, "metadata/timestamp.json"));
    await publishStatic({ store, trust }, [await publication({ version: "1.1.0" })]);
    await pruneStatic({ store, trust });
    const read = reader(directory);
    const client = clientOf(
      trust,
      (path) => (path === "metadata/timestamp.json" ? Promise.resolve(old) : read(path)),
      memoryMetadataStore(),
    );
    await client.refresh(Date.now());
    const bytes = await client.download("index/_/to/tool.json", ({ path }) => read(path));
    expect(Buffer.from(bytes).toString()).not.toContain("1.1.0");
  });

  it("signs and removes nothing where what is in force is damaged", async () => {
    const { directory, store, trust } = await registry();
    const { writeFile } = await import("node:fs/promises");
    const bins = (await readdir(join(directory, "metadata"))).find((name) => name.includes("bins-0"))!;
    await writeFile(join(directory, "metadata", bins), "{}");
    expect(await code(() => pruneStatic({ store, trust, now: () => Date.now() + 100 * DAY_MS }))).toBe(
      "STATIC_REGISTRY_DAMAGED",
    );
  });
});

describe("delegateStatic()", () => {
  const [ann, bob, eve]: readonly Signer[] = [newSigner(), newSigner(), newSigner()];
  const keysOf = (...signers: readonly (Signer | undefined)[]): Uint8Array[] => signers.map((one) => one!.publicKey);

  it("takes packages of the names by their keys alone, by enough of them, and of other names as before", async () => {
    const store = memoryStore();
    const { trust } = await newRegistry(store);
    const done = await delegateStatic({ store, trust }, { pattern: "company/*", keys: keysOf(ann) });
    expect(done).toMatchObject({ changed: true, delegations: [{ pattern: "company/*", threshold: 1 }] });
    const publish = async (name: string, signer?: Signer, version = "1.0.0"): Promise<string> =>
      code(async () =>
        publishStatic({ store, trust }, [
          await publication({ name, version, ...(signer === undefined ? {} : { signer }) }),
        ]),
      );
    expect(await publish("company/gear", eve)).toBe("STATIC_NOT_DELEGATED");
    expect(await publish("company/gear")).toBe("STATIC_NOT_DELEGATED");
    expect(await publish("company/gear", ann)).toBe("none");
    expect(await publish("companyx/gear", eve)).toBe("none");
    expect(await publish("tool")).toBe("none");
    // The nearer pattern decides, whichever was there first.
    await delegateStatic({ store, trust }, { pattern: "company/gear-*", keys: keysOf(bob) });
    expect(await publish("company/gear-box", ann)).toBe("STATIC_NOT_DELEGATED");
    expect(await publish("company/gear_box", bob)).toBe("none");
    await delegateStatic({ store, trust }, { pattern: "company/*", keys: keysOf(ann, bob), threshold: 2 });
    expect(await publish("company/gear", ann, "1.1.0")).toBe("STATIC_NOT_DELEGATED");
    const patterns = (await listDelegations({ store, trust })).map(({ pattern }) => pattern);
    expect(patterns).toEqual(["company/gear-*", "company/*"]);
  });

  it("tells clients who may sign, keeps it through renewals, and logs each change", async () => {
    const store = memoryStore();
    const { trust } = await newRegistry(store);
    const now = Date.parse("2030-01-01T00:00:00Z");
    await delegateStatic(
      { store, trust, now: () => now },
      { pattern: "company/*", keys: keysOf(ann), publisher: "eva" },
    );
    await delegateStatic({ store, trust, now: () => now + DAY_MS }, { pattern: "company/*", keys: keysOf(bob) });
    const again = await delegateStatic(
      { store, trust, now: () => now + DAY_MS },
      { pattern: "company/*", keys: keysOf(bob) },
    );
    expect(again).toMatchObject({ changed: false, maintained: undefined });
    // All of the metadata is signed anew.
    await refreshStatic({ store, trust, now: () => now + 80 * DAY_MS });
    const client = clientOf(trust, (path) => Promise.resolve(store.files.get(path)), memoryMetadataStore());
    const { delegations } = await client.refresh(now + 80 * DAY_MS);
    expect(delegations).toEqual([
      {
        pattern: "company/*",
        keys: keysOf(bob).map((key) => new Uint8Array(key)),
        threshold: 1,
        sinceMs: now + 1000,
        former: [{ key: new Uint8Array(ann!.publicKey), untilMs: now + DAY_MS + 1000 }],
      },
    ]);
    await delegateStatic({ store, trust, now: () => now + 80 * DAY_MS }, { pattern: "company/*", keys: [] });
    expect((await client.refresh(now + 80 * DAY_MS)).delegations).toBeUndefined();
    const entries: PolicyEvent[] = [];
    const size = 4;
    for await (const { entry } of readEntries(size, (path) => Promise.resolve(store.files.get(`log/${path}`))))
      entries.push(decodeLogEvent(entry) as PolicyEvent);
    expect(entries.map(({ type, names, actor }) => [type, names, actor])).toEqual([
      ["policy", "**", undefined],
      ["policy", "company/*", "eva"],
      ["policy", "company/*", undefined],
      ["policy", "company/*", undefined],
    ]);
    expect(new Set(entries.map(({ policy }) => policy)).size).toBe(4);
  });

  it.each([
    ["**", 1],
    ["Company/*", 1],
    ["*/gear", 1],
    ["company/*", 2],
    ["a/b/c", 1],
    ["../x", 1],
  ])("refuses %j with %i of one key", async (pattern, threshold) => {
    const store = memoryStore();
    const { trust } = await newRegistry(store);
    const files = new Map(store.files);
    const wanted = { pattern, threshold, keys: keysOf(ann) };
    expect(await code(() => delegateStatic({ store, trust }, wanted))).toBe("STATIC_DELEGATION_INVALID");
    expect(store.files).toEqual(files);
  });
});

describe("submissions", () => {
  it("wait without counting, are read by their digest, and go when they are settled", async () => {
    const store = memoryStore();
    const { trust } = await newRegistry(store);
    const signer = newSigner();
    const { file, inspected, statement } = await publication({ signer });
    await submitStatic({ store }, [{ file, inspected, statement: statement! }]);
    expect(await listSubmissions({ store })).toMatchObject([
      { digest: inspected.blob, name: "tool", version: "1.0.0" },
    ]);
    expect(
      (await checkStaticRegistry({ read: async (path) => store.files.get(path), nowMs: Date.now() })).packages,
    ).toBe(0);
    const read = await readSubmission({ store }, inspected.blob);
    expect(Buffer.from(read.statement)).toEqual(Buffer.from(statement!));
    await publishStatic({ store, trust }, [
      { file, inspected, statement: read.statement, publicKeys: [signer.publicKey] },
    ]);
    await removeSubmissions({ store }, [inspected.blob], "Settle");
    expect(await listSubmissions({ store })).toEqual([]);
    expect(await code(() => readSubmission({ store }, inspected.blob))).toBe("STATIC_SUBMISSION_MISSING");
    expect(fingerprint(signer.publicKey)).toBe(
      parseIndexDocument(JSON.parse(Buffer.from(store.files.get("index/_/to/tool.json")!).toString())).versions[0]!
        .signers[0],
    );
  });

  it("are refused where bytes or statement are others, and show no control characters of a notice", async () => {
    const store = memoryStore();
    const { file, inspected, statement } = await publication({ signer: newSigner() });
    await submitStatic({ store }, [{ file, inspected, statement: statement! }]);
    const folder = `submissions/${inspected.blob.slice(7)}/`;
    store.files.set(`${folder}submission.json`, Buffer.from(JSON.stringify({ name: "\u001b[31mtool", version: 1 })));
    expect(await listSubmissions({ store })).toMatchObject([{ name: "?[31mtool" }]);
    store.files.set(`${folder}package.sig`, Buffer.from("{}"));
    expect(await code(() => readSubmission({ store }, inspected.blob))).toBe("STATIC_SUBMISSION_INVALID");
    store.files.set(`${folder}package`, Buffer.from("other"));
    expect(await code(() => readSubmission({ store }, inspected.blob))).toBe("STATIC_SUBMISSION_INVALID");
    store.files.delete(`${folder}package`);
    expect(await code(() => readSubmission({ store }, inspected.blob))).toBe("STATIC_SUBMISSION_INVALID");
  });
});
