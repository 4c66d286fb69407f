import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Lockfile } from "@lading/core-manifest";
import type { RegistryClient, RegistryLog, TrustReport } from "@lading/registry-client";
import {
  appendToLog,
  createNoteKey,
  EMPTY_LOG,
  encodeLogEvent,
  formatNoteKey,
  inclusionProof,
  openCheckpoint,
  parseNoteKey,
  signCheckpoint,
  type LogEvent,
  type PublishEvent,
} from "@lading/signing/log";
import { testSigner } from "@lading/signing/testing";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EngineContext } from "../src/lib/engine-context.ts";
import {
  parseProofs,
  renderProofs,
  requireKnownKey,
  updateLockProofs,
  verifyStoredProof,
  type StoredProof,
} from "../src/lib/lock-proofs.ts";
import { walkLog } from "../src/lib/log-walk.ts";
import { auditVerify, logMonitor, logVerify } from "../src/lib/operations/log.ts";
import { publisherHistory, type HistorySource } from "../src/lib/publisher-history.ts";

const ORIGIN = "test.example/log";
const signer = testSigner("log");
const KEY = formatNoteKey(createNoteKey(ORIGIN, signer.publicKey));
const digest = (letter: string): `sha256:${string}` => `sha256:${letter.repeat(64)}`;
const at = (second: number): string => `2030-01-01T00:00:0${second}Z`;
const publication = (version: string, second: number): PublishEvent => ({
  type: "publish",
  time: at(second),
  actor: "ann",
  name: "tool",
  version,
  kind: "binary",
  artifacts: [{ target: "any", blob: digest("a") as never, tree: digest("b") as never }],
});
const EVENTS: readonly LogEvent[] = [
  { type: "policy", time: at(0), names: "**", policy: digest("c") as never },
  publication("1.0.0", 1),
  { type: "key", time: at(2), actor: "bob", change: "add", account: "bob", key: `ed25519:${"d".repeat(64)}` },
  { type: "status", time: at(3), actor: "ann", name: "tool", version: "1.0.0", status: "yanked", reason: "broken" },
];

async function logOf(entries: readonly Uint8Array[], served: readonly Uint8Array[] = entries): Promise<RegistryLog> {
  const [grown, shown] = [appendToLog(EMPTY_LOG, entries), appendToLog(EMPTY_LOG, served)];
  const bytes = await signCheckpoint({ origin: ORIGIN, size: entries.length, root: grown.root }, [signer]);
  return {
    origin: ORIGIN,
    key: KEY,
    checkpoint: openCheckpoint(bytes, { origin: ORIGIN, keys: [parseNoteKey(KEY)] }),
    read: (file) => Promise.resolve(shown.files.get(file)),
    entry: (index) => Promise.resolve(entries[index]!),
  };
}

const ENTRIES = EVENTS.map(encodeLogEvent);
let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "lading-log-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** As much of a context as looking into a log needs. */
async function contextOf(log: RegistryLog | undefined, records: readonly object[] = []): Promise<EngineContext> {
  const registry = { name: "test", url: "https://r.example/" };
  const client = {
    registry,
    trust: { report: () => Promise.resolve(log && {}), log: () => Promise.resolve(log) },
    audit: ({ page }: { page: number }) =>
      Promise.resolve({ items: page === 1 ? records : [], total: records.length, page, perPage: 100 }),
  } as unknown as RegistryClient;
  return {
    registries: () => Promise.resolve({ default: client, clients: [client] }),
    directories: { data: directory },
    signal: new AbortController().signal,
    cwd: directory,
    manifestsSeen: new Map(),
    profile: { manifest: { files: [] } },
  } as unknown as EngineContext;
}

describe("walkLog()", () => {
  it("reads every entry of the log that was signed for", async () => {
    const seen: string[] = [];
    await walkLog(await logOf(ENTRIES), ({ event }) => seen.push(event.type));
    expect(seen).toEqual(["policy", "publish", "key", "status"]);
  });

  it.each([
    ["replaced", [ENTRIES[0]!, encodeLogEvent(publication("9.9.9", 1)), ENTRIES[2]!, ENTRIES[3]!]],
    ["reordered", [ENTRIES[0]!, ENTRIES[2]!, ENTRIES[1]!, ENTRIES[3]!]],
  ])("finds an entry that was %s", async (_, served) => {
    await expect(walkLog(await logOf(ENTRIES, served), () => {})).rejects.toMatchObject({ code: "LOG_INCONSISTENT" });
  });

  it("finds that an entry was removed", async () => {
    const log = await logOf(ENTRIES, ENTRIES.slice(1));
    await expect(walkLog(log, () => {})).rejects.toMatchObject({ code: "LOG_TILE_MISSING" });
  });

  it("goes on from a state that was verified, and refuses one that is no beginning of the log", async () => {
    const before = await logOf(ENTRIES.slice(0, 2));
    const seen: number[] = [];
    // A log keeps the tiles that an older state needs, or the full ones in their place.
    const all = new Map([
      ...appendToLog(EMPTY_LOG, ENTRIES.slice(0, 2)).files,
      ...appendToLog(EMPTY_LOG, ENTRIES).files,
    ]);
    const log = { ...(await logOf(ENTRIES)), read: (file: string) => Promise.resolve(all.get(file)) };
    await walkLog(log, ({ index }) => seen.push(index), before.checkpoint);
    expect(seen).toEqual([2, 3]);
    const foreign = { size: 2, root: new Uint8Array(32) };
    await expect(walkLog(log, () => {}, foreign)).rejects.toMatchObject({ code: "LOG_INCONSISTENT" });
  });
});

describe("logVerify(), logMonitor()", () => {
  it("are refused where there is no log", async () => {
    const context = await contextOf(undefined);
    for (const run of [logVerify({}, context), logMonitor({ name: "tool" }, context), auditVerify({}, context)]) {
      await expect(run).rejects.toMatchObject({ code: "REGISTRY_LOG_ABSENT" });
    }
  });

  it("show what is about a package and the keys of its publishers, and nothing else", async () => {
    const context = await contextOf(await logOf(ENTRIES));
    const found = await logMonitor({ name: "tool" }, context);
    expect(found.entries.map(({ type }) => type)).toEqual(["policy", "publish", "status"]);
    expect(found.accounts).toEqual(["ann"]);
    expect((await logMonitor({ name: "tool", all: true }, context)).entries).toHaveLength(3);
  });
});

describe("auditVerify()", () => {
  const records = [
    { id: 4, at: at(3), actor: "ann", action: "version.yank", package: "tool", version: "1.0.0", details: {} },
    { id: 3, at: at(2), actor: "bob", action: "key.add", details: {} },
    { id: 2, at: at(2), actor: "bob", action: "session.create", details: {} },
    { id: 1, at: at(1), actor: "ann", action: "package.publish", package: "tool", version: "1.0.0", details: {} },
  ];

  it("finds every record in the log", async () => {
    const context = await contextOf(await logOf(ENTRIES), records);
    expect(await auditVerify({}, context)).toMatchObject({ matched: 3, unlogged: 1, size: 4 });
  });

  it.each([
    ["another time", { at: at(4) }],
    ["another account", { actor: "mallory" }],
    ["another version", { version: "1.0.1" }],
  ])("names a record with %s than the log has", async (_, change) => {
    const context = await contextOf(await logOf(ENTRIES), [{ ...records[0]!, ...change }]);
    await expect(auditVerify({}, context)).rejects.toMatchObject({ code: "AUDIT_MISMATCH" });
  });

  it("counts an entry for one record only", async () => {
    const context = await contextOf(await logOf(ENTRIES), [records[0]!, records[0]!]);
    await expect(auditVerify({}, context)).rejects.toMatchObject({ code: "AUDIT_MISMATCH" });
  });
});

async function storedProof(): Promise<StoredProof> {
  const { checkpoint } = await logOf(ENTRIES);
  const { files } = appendToLog(EMPTY_LOG, ENTRIES);
  const hashes = await inclusionProof(4, 1, (file) => Promise.resolve(files.get(file)));
  return {
    name: "tool",
    version: "1.0.0",
    target: "any",
    checksum: digest("a") as never,
    registry: "https://r.example/",
    key: KEY,
    checkpoint: new TextDecoder().decode(checkpoint.bytes),
    index: 1,
    entry: new TextDecoder().decode(ENTRIES[1]),
    hashes: hashes.map((hash) => Buffer.from(hash).toString("base64")),
  };
}

describe("proofs beside a lock", () => {
  it("read back as they were written, sorted", async () => {
    const proof = await storedProof();
    const other = { ...proof, name: "another" };
    expect(parseProofs(renderProofs([proof, other]), "lading.lock.proofs")).toEqual([other, proof]);
    expect(renderProofs([proof, other])).toBe(renderProofs([other, proof]));
  });

  it("hold, and no changed character of one does", async () => {
    const proof = await storedProof();
    expect(await verifyStoredProof(proof)).toMatchObject({ size: 4, origin: ORIGIN, event: { actor: "ann" } });
    const text = renderProofs([proof]);
    const accepted: string[] = [];
    for (let i = text.indexOf('"packages"'); i < text.length; i += 7) {
      const changed = text.slice(0, i) + (text[i] === "1" ? "2" : "1") + text.slice(i + 1);
      for (const one of outcome(() => parseProofs(changed, "f"))) {
        const holds = await verifyStoredProof(one).then(
          () => true,
          () => false,
        );
        if (holds && JSON.stringify(one) !== JSON.stringify(proof)) accepted.push(changed);
      }
    }
    expect(accepted).toEqual([]);
  });

  it("are held to the keys that the log is known to have or have had", async () => {
    const proof = await storedProof();
    const other = formatNoteKey(createNoteKey(ORIGIN, testSigner("another").publicKey));
    const report = (key: string, formerKeys: readonly string[]): TrustReport =>
      ({ log: { origin: ORIGIN, key, formerKeys, size: 4, root: "" } }) as unknown as TrustReport;
    await requireKnownKey(proof, undefined);
    await requireKnownKey(proof, report(KEY, []));
    await requireKnownKey(proof, report(other, [KEY]));
    await expect(requireKnownKey(proof, report(other, []))).rejects.toMatchObject({ code: "LOG_CHECKPOINT_UNTRUSTED" });
  });

  it("are of the entry that the index names, by which keys are judged, and of no other", async () => {
    const log = await logOf(ENTRIES);
    const lockFile = path.join(directory, "lading.lock");
    const lock = { packages: [{ name: "tool", version: "1.0.0", checksum: digest("a"), tree: digest("b") }] };
    const update = async (entries: object): Promise<void> => {
      const artifacts = [{ target: "any", blob: digest("a"), tree: digest("b"), size: 1 }];
      const client = {
        registry: { name: "test", url: "https://r.example/" },
        packageDocument: () => Promise.resolve({ versions: [{ version: "1.0.0", artifacts }], extra: { entries } }),
        trust: {
          proofs: () =>
            Promise.resolve({ ...log, proofs: [{ index: 1, entry: ENTRIES[1], hashes: [], event: EVENTS[1] }] }),
        },
      };
      const context = {
        registries: () => Promise.resolve({ default: client, clients: [client] }),
        cwd: directory,
      } as unknown as EngineContext;
      await updateLockProofs(context, lockFile, lock as unknown as Lockfile);
    };
    // An entry before that of a revocation, where the publication came after it.
    await expect(update({ "1.0.0": [0] })).rejects.toMatchObject({ code: "LOG_INCLUSION_INVALID" });
    await update({ "1.0.0": [1] });
    expect(parseProofs(await readFile(`${lockFile}.proofs`, "utf8"), "f")).toMatchObject([{ index: 1 }]);
    await rm(`${lockFile}.proofs`);
  });

  it("are refused as damaged, whatever else is there", () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(() => parseProofs(text, "f")).toThrow(expect.objectContaining({ code: "LOCK_PROOFS_INVALID" }) as Error);
      }),
    );
  });
});

function outcome(read: () => StoredProof[]): StoredProof[] {
  try {
    return read();
  } catch {
    return [];
  }
}

describe("publisherHistory()", () => {
  const source = (keys: unknown, log: RegistryLog | undefined): HistorySource =>
    ({
      offline: false,
      packageDocument: () => Promise.resolve({ name: "tool", versions: [], extra: { keys, entries: {} } }),
      statement: () => Promise.resolve(new Uint8Array()),
      trust: { log: () => Promise.resolve(log) },
    }) as unknown as HistorySource;
  const change = { entry: 1, logged: at(1), statement: digest("e") };

  it("is refused where it cannot be read, has no log, or is not in it", async () => {
    const [context, log] = [await contextOf(undefined), await logOf(ENTRIES)];
    const invalid = { code: "PUBLISHER_HISTORY_INVALID" };
    await expect(publisherHistory(context, source("x", log), "tool")).rejects.toMatchObject(invalid);
    await expect(publisherHistory(context, source([{ entry: 1 }], log), "tool")).rejects.toMatchObject(invalid);
    await expect(publisherHistory(context, source([change], undefined), "tool")).rejects.toMatchObject(invalid);
    const history = await publisherHistory(context, source([change], log), "tool");
    await expect(history!.ledger([], [])).rejects.toMatchObject(invalid);
    expect(await publisherHistory(context, source(undefined, log), "tool")).toBeUndefined();
  });
});

describe("what a monitor keeps", () => {
  it("is where it goes on, and is looked at anew where it is damaged", async () => {
    const context = await contextOf(await logOf(ENTRIES));
    await logMonitor({ name: "tool", all: true }, context);
    expect((await logMonitor({ name: "tool" }, context)).from).toBe(4);
    const [file] = await readdir(path.join(directory, "monitor"));
    await writeFile(path.join(directory, "monitor", file!), "{");
    expect((await logMonitor({ name: "tool" }, context)).from).toBe(0);
  });
});
