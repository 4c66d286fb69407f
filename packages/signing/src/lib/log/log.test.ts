import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeBase64, encodeUtf8 } from "../bytes.ts";
import { nodeVerifier } from "../node/verifier.ts";
import { acceptedFlips } from "../testing/bit-flips.ts";
import { testSigner } from "../testing/builders.ts";
import {
  checkConsistency,
  checkpointText,
  followLog,
  openCheckpoint,
  parseCheckpointText,
  signCheckpoint,
} from "./checkpoint.ts";
import { LogError } from "./log-error.ts";
import { concernsPackage, decodeLogEvent, encodeLogEvent, type LogEvent } from "./log-event.ts";
import { checkInclusion, encodeLogProof, parseLogProof, verifyLogProof } from "./log-proof.ts";
import { hashLeaf, rootOf, verifyConsistency, verifyInclusion } from "./merkle.ts";
import { cosignNote, createNoteKey, encodeNote, formatNoteKey, parseNote, parseNoteKey } from "./note.ts";
import {
  EMPTY_LOG,
  appendToLog,
  consistencyProof,
  decodeEntries,
  encodeEntries,
  entriesPath,
  inclusionProof,
  loadLogTree,
  readEntries,
  rootFromTiles,
  tilePath,
  type LogTree,
  type SubtreeHashes,
} from "./tiles.ts";

const ORIGIN = "registry.example/log";
const LOG = testSigner("log");
const KEY = createNoteKey(ORIGIN, LOG.publicKey);
const TRUST = { origin: ORIGIN, keys: [KEY], verifier: nodeVerifier };

const entry = (i: number): Uint8Array => encodeUtf8(`entry ${i}`);
const entries = (from: number, to: number): Uint8Array[] =>
  Array.from({ length: to - from }, (_, i) => entry(from + i));

/** A log that publishes after each of these sizes. */
function grow(sizes: readonly number[]) {
  const files = new Map<string, Uint8Array>();
  const roots = new Map<number, Uint8Array>();
  let tree: LogTree = EMPTY_LOG;
  for (const size of sizes) {
    const grown = appendToLog(tree, entries(tree.size, size));
    ({ tree } = grown);
    for (const [path, bytes] of grown.files) files.set(path, bytes);
    roots.set(size, grown.root);
  }
  return { tree, files, roots, read: (path: string) => Promise.resolve(files.get(path)) };
}

/** A log of 70,000 entries, made once. */
let madeBig: ReturnType<typeof grow> | undefined;
const big = (): ReturnType<typeof grow> => (madeBig ??= grow([70_000]));

async function code(work: Promise<unknown> | (() => unknown)): Promise<string> {
  try {
    await (typeof work === "function" ? work() : work);
    return "done";
  } catch (error) {
    if (error instanceof LogError) return error.code;
    throw error;
  }
}

function codeOf(work: () => unknown): string {
  try {
    work();
    return "done";
  } catch (error) {
    if (error instanceof LogError) return error.code;
    throw error;
  }
}

describe("tilePath() and entriesPath()", () => {
  it("write indices in groups of three digits", () => {
    expect(tilePath(0, 1_234_067)).toBe("tile/0/x001/x234/067");
    expect(tilePath(2, 5, 17)).toBe("tile/2/005.p/17");
    expect(entriesPath(273, 112)).toBe("tile/entries/273.p/112");
  });
});

describe("appendToLog()", () => {
  it("makes the tiles of the C2SP example: 70,000 leaves", () => {
    const { files, roots } = big();
    const tiles = [...files.keys()].filter((path) => !path.includes("entries"));
    expect(tiles.filter((path) => path.startsWith("tile/0/")).length).toBe(274);
    expect(tiles).toContain("tile/0/273.p/112");
    expect(tiles).toContain("tile/1/000");
    expect(tiles).toContain("tile/1/001.p/17");
    expect(tiles).toContain("tile/2/000.p/1");
    expect(encodeBase64(roots.get(70_000)!)).toBe("o5IPun8jmgcam9EHIfE0Gt3vuu3ttBx+JEN6nRa98Ao=");
  });

  it("gives the same tiles and root however a log grew, also after it was stored", async () => {
    const sizes = fc.uniqueArray(fc.integer({ min: 1, max: 1200 }), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(sizes, async (unsorted) => {
        const steps = unsorted.toSorted((a, b) => a - b);
        const last = steps.at(-1)!;
        const [slow, quick] = [grow(steps), grow([last])];
        for (const [path, bytes] of quick.files) expect(slow.files.get(path)).toEqual(bytes);
        expect(slow.roots.get(last)).toEqual(quick.roots.get(last));
        expect(await loadLogTree(last, slow.read)).toEqual(slow.tree);
        expect(await rootFromTiles(last, quick.read)).toEqual(quick.roots.get(last));
      }),
      { numRuns: 15 },
    );
  });

  it("refuses an entry that no bundle can hold, and appends nothing for nothing", async () => {
    expect(await code(() => appendToLog(EMPTY_LOG, [new Uint8Array(65_536)]))).toBe("LOG_ENTRY_TOO_LARGE");
    expect(appendToLog(EMPTY_LOG, []).files.size).toBe(0);
  });
});

describe("proofs from tiles", () => {
  it("keep hashes of subtrees in memory of their own, whatever the tiles were cut from", async () => {
    const { read } = grow([600]);
    const pooled = async (path: string): Promise<Uint8Array | undefined> => {
      const bytes = await read(path);
      return bytes === undefined ? undefined : Buffer.concat([Buffer.alloc(10), bytes]).subarray(10);
    };
    const subtrees: SubtreeHashes = new Map();
    await inclusionProof(600, 300, pooled, subtrees);
    expect(subtrees.size).toBeGreaterThan(5);
    expect([...subtrees.values()].map(({ buffer }) => buffer.byteLength)).toEqual(
      Array.from({ length: subtrees.size }, () => 32),
    );
    for await (const { entry } of readEntries(600, pooled)) expect(entry.buffer.byteLength).toBe(entry.length);
  });

  it("hold for every leaf and every pair of sizes, and for nothing else", async () => {
    const sizes = [1, 2, 3, 7, 8, 255, 256, 257, 511, 600];
    const { read, roots } = grow(sizes);
    const subtrees: SubtreeHashes = new Map();
    for (const size of sizes) {
      const root = roots.get(size)!;
      for (const index of new Set([0, 1, size >> 1, size - 2, size - 1].filter((i) => i >= 0 && i < size))) {
        const proof = await inclusionProof(size, index, read);
        // What was computed for proofs in shorter logs serves those in longer ones.
        expect(await inclusionProof(size, index, read, subtrees)).toEqual(proof);
        const one = { index, size, leafHash: hashLeaf(entry(index)), proof, root };
        expect(verifyInclusion(one)).toBe(true);
        expect(verifyInclusion({ ...one, leafHash: hashLeaf(entry(size)) })).toBe(false);
        expect(verifyInclusion({ ...one, proof: [...proof, root] })).toBe(false);
        expect(verifyInclusion({ ...one, index: size })).toBe(false);
        expect(size === 1 || !verifyInclusion({ ...one, proof: proof.slice(1) })).toBe(true);
      }
      for (const oldSize of sizes.filter((other) => other <= size)) {
        const proof = await consistencyProof(oldSize, size, read);
        const one = { oldSize, newSize: size, oldRoot: roots.get(oldSize)!, newRoot: root, proof };
        expect(verifyConsistency(one)).toBe(true);
        expect(verifyConsistency({ ...one, oldRoot: hashLeaf(root) })).toBe(false);
        expect(verifyConsistency({ ...one, newRoot: hashLeaf(root) })).toBe(false);
        expect(verifyConsistency({ ...one, proof: [...proof, root] })).toBe(false);
      }
    }
  });

  it("agree with the definition over all leaves, for any sizes", async () => {
    const { read } = grow(Array.from({ length: 26 }, (_, i) => i + 1));
    for (let size = 1; size <= 26; size++) {
      const hashes = entries(0, size).map(hashLeaf);
      for (let index = 0; index < size; index++) {
        const proof = await inclusionProof(size, index, read);
        expect(verifyInclusion({ index, size, leafHash: hashes[index]!, proof, root: rootOf(hashes) })).toBe(true);
      }
      for (let oldSize = 1; oldSize <= size; oldSize++) {
        const proof = await consistencyProof(oldSize, size, read);
        const [oldRoot, newRoot] = [rootOf(hashes.slice(0, oldSize)), rootOf(hashes)];
        expect(verifyConsistency({ oldSize, newSize: size, oldRoot, newRoot, proof })).toBe(true);
      }
    }
  });

  it("never throw, whatever they are given", () => {
    const hash = fc.uint8Array({ maxLength: 33 });
    const size = fc.oneof(fc.integer({ min: -2, max: 300 }), fc.double());
    fc.assert(
      fc.property(size, size, hash, hash, fc.array(hash, { maxLength: 5 }), (a, b, one, two, proof) => {
        verifyInclusion({ index: a, size: b, leafHash: one, proof, root: two });
        verifyConsistency({ oldSize: a, newSize: b, oldRoot: one, newRoot: two, proof });
      }),
    );
  });

  it("take a full tile for a partial one that is gone, and name what is missing or damaged", async () => {
    const { files, roots } = grow([300, 512]);
    files.delete("tile/0/001.p/44");
    const read = (path: string) => Promise.resolve(files.get(path));
    expect(await rootFromTiles(300, read)).toEqual(roots.get(300));
    const without = (path: string) => Promise.resolve(path.startsWith("tile/0/000") ? undefined : files.get(path));
    expect(await code(inclusionProof(512, 3, without))).toBe("LOG_TILE_MISSING");
    const short = (path: string) => Promise.resolve(files.get(path)?.subarray(1));
    expect(await code(inclusionProof(512, 3, short))).toBe("LOG_TILE_INVALID");
    expect(await code(inclusionProof(5, 5, read))).toBe("LOG_RANGE_INVALID");
    expect(await code(consistencyProof(6, 5, read))).toBe("LOG_RANGE_INVALID");
    expect(await code(rootFromTiles(-1, read))).toBe("LOG_RANGE_INVALID");
  });
});

describe("readEntries()", () => {
  it("gives the entries of a range", async () => {
    const { read } = grow([600]);
    const found: string[] = [];
    for await (const { index, entry } of readEntries(600, read, 254, 258))
      found.push(`${index}:${Buffer.from(entry).toString()}`);
    expect(found).toEqual(["254:entry 254", "255:entry 255", "256:entry 256", "257:entry 257"]);
  });

  it("reads back any bundle, and refuses others with its own error", () => {
    const list = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 });
    fc.assert(
      fc.property(list, (all) => {
        expect(decodeEntries(encodeEntries(all), all.length)).toEqual(all);
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 50 }), fc.nat(5), (bytes, width) => {
        const found = codeOf(() => expect(encodeEntries(decodeEntries(bytes, width))).toEqual(bytes));
        expect(["done", "LOG_TILE_INVALID"]).toContain(found);
      }),
    );
  });
});

describe("notes and their keys", () => {
  it("read and verify the example of C2SP signed-note", async () => {
    const key = parseNoteKey("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k");
    expect(formatNoteKey(key)).toBe("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k");
    const note = encodeUtf8(
      "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n",
    );
    expect(encodeNote(parseNote(note))).toEqual(note);
    // It is signed, but no checkpoint.
    const trust = { origin: "This is an example message.", keys: [key] };
    expect(await code(() => openCheckpoint(note, trust))).toBe("LOG_CHECKPOINT_MALFORMED");
  });

  it("refuse a key under another id, of another type or with an impossible name", async () => {
    const [name, id, body] = formatNoteKey(KEY).split("+");
    expect(await code(() => parseNoteKey(`${name}+00000000+${body}`))).toBe("LOG_KEY_INVALID");
    expect(await code(() => parseNoteKey(`${name}+${id}+${encodeBase64(new Uint8Array(33))}`))).toBe("LOG_KEY_INVALID");
    expect(await code(() => parseNoteKey("nothing"))).toBe("LOG_KEY_INVALID");
    expect(await code(() => createNoteKey("a b", LOG.publicKey))).toBe("LOG_KEY_INVALID");
    expect(await code(() => createNoteKey("a", new Uint8Array(32)))).toBe("LOG_KEY_INVALID");
  });

  it("throw nothing but their error, and read back what they read", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "\n", "— ", "x ", "AAAAAAA=", "\u0001", "é"), maxLength: 12 });
    fc.assert(
      fc.property(text, (whole) => {
        const bytes = encodeUtf8(whole);
        const found = codeOf(() => expect(encodeNote(parseNote(bytes))).toEqual(bytes));
        expect(["done", "LOG_NOTE_MALFORMED"]).toContain(found);
      }),
    );
  });
});

describe("openCheckpoint()", () => {
  const state = { origin: ORIGIN, size: 7, root: hashLeaf(entry(7)) };

  it("reads what signCheckpoint() wrote, and keeps lines of unknown keys", async () => {
    const bytes = await signCheckpoint(state, [LOG, testSigner("next log key")]);
    const checkpoint = openCheckpoint(bytes, TRUST);
    expect(checkpoint).toMatchObject({ ...state, extensions: [] });
    expect(checkpoint.note.signatures).toHaveLength(2);
    expect(checkpoint.verified).toHaveLength(1);
  });

  it("refuses every flipped bit", async () => {
    const bytes = await signCheckpoint(state, [LOG]);
    const opens = (altered: Uint8Array): boolean => {
      try {
        openCheckpoint(altered, TRUST);
        return true;
      } catch (error) {
        if (error instanceof LogError) return false;
        throw error;
      }
    };
    expect(opens(bytes)).toBe(true);
    expect(acceptedFlips(bytes, opens)).toEqual([]);
  });

  it("says why: unknown key, broken signature, other log, not the form", async () => {
    const bytes = await signCheckpoint(state, [LOG]);
    const open = (one: Uint8Array, trust: Partial<typeof TRUST> = {}) =>
      code(() => openCheckpoint(one, { ...TRUST, ...trust }));
    expect(await open(await signCheckpoint(state, [testSigner("thief")]))).toBe("LOG_CHECKPOINT_UNTRUSTED");
    const text = new TextDecoder().decode(bytes);
    expect(await open(encodeUtf8(text.replace("\n7\n", "\n8\n")))).toBe("LOG_CHECKPOINT_ALTERED");
    const other = createNoteKey("other.example/log", LOG.publicKey);
    const foreign = await signCheckpoint({ ...state, origin: "other.example/log" }, [LOG]);
    expect(await open(foreign, { keys: [other] })).toBe("LOG_ORIGIN_MISMATCH");
    for (const broken of [
      text.trimEnd(),
      text.replace("\n\n", "\n"),
      `${text}x\n`,
      text.replace("—", "-"),
      text + text.split("\n\n")[1]!,
      "\u0000",
    ]) {
      expect(await open(encodeUtf8(broken))).toBe("LOG_NOTE_MALFORMED");
    }
    for (const wrong of [
      "a\n07\n",
      "a\n7\nAA==\n",
      "a\n",
      `a\n0\n${encodeBase64(state.root)}\n`,
      checkpointText(state).replace("\n7", "\n\n7"),
    ]) {
      expect(await code(() => parseCheckpointText(wrong))).toBe("LOG_CHECKPOINT_MALFORMED");
    }
    expect(await code(() => checkpointText({ ...state, origin: "a\nb" }))).toBe("LOG_CHECKPOINT_MALFORMED");
    expect(await code(() => checkpointText({ ...state, size: 1.5 }))).toBe("LOG_CHECKPOINT_MALFORMED");
    const faulty = { ...LOG, sign: () => Promise.resolve(new Uint8Array(64)) };
    expect(await code(signCheckpoint(state, [faulty]))).toBe("LOG_SIGNER_FAULTY");
  });

  it("counts witnesses and tells when they saw it", async () => {
    const witness = testSigner("witness");
    const note = parseNote(await signCheckpoint(state, [LOG]));
    const bytes = encodeNote(
      await cosignNote(note, { name: "witness.example", signer: witness, timeS: 1_893_456_000 }),
    );
    const trust = { ...TRUST, witnesses: [createNoteKey("witness.example", witness.publicKey, "witness")] };
    const checkpoint = openCheckpoint(bytes, { ...trust, witnessThreshold: 1 });
    expect(checkpoint.verified.find(({ key }) => key.type === "witness")).toMatchObject({ timeS: 1_893_456_000 });
    expect(await code(() => openCheckpoint(encodeNote(note), { ...trust, witnessThreshold: 1 }))).toBe(
      "LOG_WITNESSES_MISSING",
    );
    // A witness's signature is not one of the log.
    const alone = encodeNote({ ...note, signatures: parseNote(bytes).signatures.slice(1) });
    expect(await code(() => openCheckpoint(alone, trust))).toBe("LOG_CHECKPOINT_UNTRUSTED");
    const altered = Uint8Array.from(bytes);
    altered[altered.length - 20]! ^= 1;
    expect(await code(() => openCheckpoint(altered, trust))).toBe("LOG_CHECKPOINT_ALTERED");
  });
});

describe("followLog() and checkConsistency()", () => {
  it("find a removed, replaced or reordered entry, a shorter log and a split view", async () => {
    const sizes = [300, 600];
    const { roots, read } = grow(sizes);
    const state = (size: number, root = roots.get(size)!) => ({ origin: ORIGIN, size, root });
    const before = state(300);
    expect(await code(followLog(before, state(600), read))).toBe("done");
    expect(await code(followLog(state(0, hashLeaf(entry(0))), state(600), read))).toBe("done");
    const rewritten = async (change: (all: Uint8Array[]) => Uint8Array[]): Promise<string> => {
      const { root, files, tree } = appendToLog(EMPTY_LOG, change(entries(0, 600)));
      return code(followLog(before, state(tree.size, root), (path) => Promise.resolve(files.get(path))));
    };
    expect(await rewritten((all) => all)).toBe("done");
    expect(await rewritten((all) => all.toSpliced(7, 1))).toBe("LOG_INCONSISTENT");
    expect(await rewritten((all) => all.with(7, entry(9999)))).toBe("LOG_INCONSISTENT");
    expect(await rewritten((all) => all.with(7, all[8]!).with(8, all[7]!))).toBe("LOG_INCONSISTENT");
    expect(await rewritten((all) => all.with(500, entry(9999)))).toBe("done");
    expect(await code(followLog(state(600), before, read))).toBe("LOG_ROLLBACK");
    expect(await code(() => checkConsistency(before, state(300, roots.get(600)), []))).toBe("LOG_SPLIT_VIEW");
    expect(await code(() => checkConsistency(before, { ...before, origin: "other" }, []))).toBe("LOG_ORIGIN_MISMATCH");
    expect(await code(() => checkConsistency(before, state(600), []))).toBe("LOG_INCONSISTENT");
  });
});

describe("verifyLogProof()", () => {
  it("checks an entry without the network, in about a kilobyte", async () => {
    const { read, roots } = big();
    const checkpoint = await signCheckpoint({ origin: ORIGIN, size: 70_000, root: roots.get(70_000)! }, [LOG]);
    const proof = await inclusionProof(70_000, 4711, read);
    const bytes = encodeLogProof({ index: 4711, proof, checkpoint, entry: entry(4711) });
    expect(bytes.length).toBeLessThan(1200);
    expect(encodeLogProof(parseLogProof(bytes))).toEqual(bytes);
    expect(verifyLogProof(bytes, TRUST)).toMatchObject({ size: 70_000 });
    expect(verifyLogProof(encodeLogProof({ index: 4711, proof, checkpoint }), TRUST, entry(4711)).size).toBe(70_000);
    expect(await code(() => verifyLogProof(bytes, TRUST, entry(4712)))).toBe("LOG_INCLUSION_INVALID");
    expect(
      await code(() =>
        checkInclusion({ origin: ORIGIN, size: 70_000, root: roots.get(70_000)! }, 1, entry(4711), proof),
      ),
    ).toBe("LOG_INCLUSION_INVALID");
    const without = encodeLogProof({ index: 4711, proof, checkpoint });
    expect(await code(() => verifyLogProof(without, TRUST))).toBe("LOG_PROOF_MALFORMED");
    const opens = (altered: Uint8Array): boolean => {
      try {
        verifyLogProof(altered, TRUST);
        return true;
      } catch (error) {
        if (error instanceof LogError) return false;
        throw error;
      }
    };
    expect(acceptedFlips(bytes, opens, (bit) => bit % 5 === 0)).toEqual([]);
  });
});

describe("log events", () => {
  const digest = `sha256:${"a".repeat(64)}` as const;
  const key = `ed25519:${"b".repeat(64)}`;
  const time = "2030-01-31T00:00:00Z";
  const events = [
    {
      type: "publish",
      time,
      actor: "ann",
      name: "company/tool",
      version: "1.0.0",
      kind: "binary",
      artifacts: [{ target: "any", blob: digest, tree: digest, envelope: digest, signers: [key] }],
    },
    { type: "status", time, name: "tool", version: "1.0.0", status: "yanked", reason: "broken" },
    { type: "owner", time, name: "tool", change: "add", account: "bob", role: "maintainer" },
    { type: "key", time, change: "rotate", account: "ann", key, previous: key, statement: digest, effective: time },
    { type: "policy", time, names: "company/**", policy: digest },
    { type: "audit", time, record: 12, head: digest },
    { type: "configuration", time, organisation: "acme", configuration: "default", revision: 3, digest },
  ] as unknown as readonly LogEvent[];

  it.each(events)("read back: $type", (event) => {
    expect(decodeLogEvent(encodeLogEvent(event))).toEqual(event);
  });

  it("keep unknown members, tell unknown types, refuse other formats and spellings", async () => {
    const text = new TextDecoder().decode(encodeLogEvent(events[1]!));
    const extended = text.replace('"name"', '"more":1,"name"');
    expect(decodeLogEvent(encodeUtf8(extended))).toEqual({ ...events[1]!, more: 1 });
    const strange = decodeLogEvent(encodeUtf8(text.replace('"type":"status"', '"type":"strange"')));
    expect(strange).toMatchObject({ type: "unknown", found: "strange" });
    expect([
      concernsPackage(strange, "tool"),
      concernsPackage(events[1]!, "tool"),
      concernsPackage(events[4]!, "tool"),
    ]).toEqual([true, true, false]);
    expect(await code(() => decodeLogEvent(encodeUtf8(text.replace("log/1", "log/2"))))).toBe("LOG_EVENT_UNSUPPORTED");
    expect(await code(() => decodeLogEvent(encodeUtf8(` ${text}`)))).toBe("LOG_EVENT_INVALID");
    expect(await code(() => decodeLogEvent(encodeUtf8(text.replace("yanked", "gone"))))).toBe("LOG_EVENT_INVALID");
    expect(await code(() => decodeLogEvent(encodeUtf8(text.replace("01-31", "02-31"))))).toBe("LOG_EVENT_INVALID");
    expect(await code(() => encodeLogEvent({ ...events[0]!, name: "No Name" } as LogEvent))).toBe("LOG_EVENT_INVALID");
    expect(await code(() => decodeLogEvent(encodeUtf8("[]")))).toBe("LOG_EVENT_INVALID");
  });

  it("throw nothing but their error", () => {
    fc.assert(
      fc.property(
        fc.jsonValue({ maxDepth: 3 }),
        fc.constantFrom("publish", "status", "owner", "key", "policy"),
        (value, type) => {
          const event = { format: "lading-log/1", type, time, name: value, artifacts: value, names: value, key: value };
          const read = () => decodeLogEvent(encodeUtf8(JSON.stringify(event, Object.keys(event).sort())));
          expect(["done", "LOG_EVENT_INVALID"]).toContain(codeOf(read));
        },
      ),
    );
  });
});
