// Writes test/vectors/metadata-traces.json and log.json: `node -C @lading/source packages/signing/test/make-trust-vectors.ts`.
// The forms are those of docs/spec/conformance.md (tuf, tlog). All keys are made from names, so that the files come out the same.
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import {
  EMPTY_LOG,
  appendToLog,
  consistencyProof,
  createNoteKey,
  formatNoteKey,
  inclusionProof,
  signCheckpoint,
} from "@lading/signing/log";
import { nextRoot, signMetadata, targetPath, updateRepository, type Repository } from "@lading/signing/metadata";
import { TEST_NOW_MS, TEST_ROLES, testRepository, testSigner, testTarget } from "@lading/signing/testing";

const TOOL = "index/_/to/tool.json";
const folder = new URL("vectors/", import.meta.url);
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8");
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

function write(name: string, value: unknown): void {
  writeFileSync(new URL(name, folder), `${JSON.stringify(value, undefined, 1)}\n`);
}

type Served = Readonly<Record<string, string>>;
type Versions = Readonly<Record<string, number>>;
const blobs: Record<string, string> = {};

function blob(bytes: Uint8Array): string {
  const id = sha256(bytes).slice(0, 24);
  blobs[id] = textOf(bytes);
  return id;
}

function served(files: Iterable<readonly [string, Uint8Array]>): Served {
  return Object.fromEntries([...files].map(([path, bytes]) => [`metadata/${path}`, blob(bytes)]));
}

/** The files of a repository's targets, their content being given. */
function targets({ bins }: Repository, content: string): Served {
  const all = bins.flatMap((bin) => [...bin.targets.values()]);
  return Object.fromEntries(all.map((target) => [`targets/${targetPath(target, true)}`, blob(Buffer.from(content))]));
}

function step(cmd: string, files: Served, hours: number, exit: number, versions: Versions, more: object = {}): object {
  const now = new Date(TEST_NOW_MS + hours * 3_600_000).toISOString();
  return { cmd, now, files, expectExit: exit, trustedVersionsAfter: versions, artifactsAfter: [], ...more };
}

async function writeTraces(): Promise<void> {
  const first = await testRepository({ [TOOL]: "{}" });
  const signers = [TEST_ROLES.targets, TEST_ROLES.snapshot, TEST_ROLES.timestamp];
  const fresh = testSigner("fresh timestamp");
  const nowMs = TEST_NOW_MS + 3_600_000;
  const second = await updateRepository(first.repository, { put: [testTarget(TOOL, "[]")], signers, nowMs });
  const draft = nextRoot(first.root, {
    roles: { timestamp: { keys: [fresh.publicKey] } },
    expiresMs: TEST_NOW_MS + 86_400_000 * 30,
  });
  const rooted = { signers: [...signers, fresh], nowMs };
  const root = await signMetadata(draft, "root", TEST_ROLES.root.slice(1));
  const half = await signMetadata(draft, "root", TEST_ROLES.root.slice(2));
  const third = await updateRepository(second.repository, { ...rooted, root });
  const [one, two] = [
    { root: 1, snapshot: 1, targets: 1, timestamp: 1 },
    { root: 1, snapshot: 2, targets: 1, timestamp: 2 },
  ];
  const old = { ...served(first.files), ...targets(first.repository, "{}") };
  const now = { ...old, ...served(second.files), ...targets(second.repository, "[]") };
  const init = step("init", old, 0, 0, { root: 1 }, { trustedRoot: blob(first.root) });
  const swapped = { ...now, "metadata/2.bins-1.json": old["metadata/1.bins-1.json"]! };
  const tool = { targets: [TOOL] };
  const traces = [
    {
      test: "refreshes, downloads, and follows an update",
      steps: [
        init,
        step("refresh", old, 0, 0, one),
        step("download", old, 0, 0, { ...one, "bins-1": 1 }, { ...tool, artifactsAfter: [sha256(Buffer.from("{}"))] }),
        step("download", now, 1, 0, { ...two, "bins-1": 2 }, { ...tool, artifactsAfter: [sha256(Buffer.from("[]"))] }),
      ],
    },
    {
      test: "refuses an older timestamp (rollback)",
      steps: [init, step("refresh", now, 1, 0, two), step("refresh", old, 1, 1, two)],
    },
    {
      test: "refuses what has expired (freeze)",
      steps: [init, step("refresh", old, 0, 0, one), step("refresh", old, 24, 1, one)],
    },
    {
      test: "refuses a bin of another time (mix-and-match)",
      steps: [init, step("download", swapped, 1, 1, two, tool)],
    },
    {
      test: "follows a root with a new timestamp key, and refuses one that a single key signed",
      steps: [
        init,
        step("refresh", { ...now, "metadata/2.root.json": blob(half) }, 1, 1, { root: 1 }),
        step("refresh", { ...now, ...served(third.files) }, 1, 0, { ...two, root: 2, timestamp: 3 }),
      ],
    },
  ];
  write("metadata-traces.json", { format: "lading-metadata-traces/1", traces, blobs });
}

async function writeLog(): Promise<void> {
  const sizes = [1, 2, 3, 255, 256, 257, 300];
  const origin = "registry.example/log";
  const signer = testSigner("log");
  const files = new Map<string, Uint8Array>();
  const roots: object[] = [];
  const checkpoints: object[] = [];
  const tiles: object[] = [];
  let tree = EMPTY_LOG;
  for (const size of sizes) {
    const entries = Array.from({ length: size - tree.size }, (_, i) => Buffer.from(`leaf ${tree.size + i}`));
    const grown = appendToLog(tree, entries);
    ({ tree } = grown);
    roots.push({ size, root: base64(grown.root) });
    checkpoints.push({ size, note: textOf(await signCheckpoint({ origin, size, root: grown.root }, [signer])) });
    for (const [path, bytes] of grown.files) {
      files.set(path, bytes);
      const [, level, index, , width = "256"] = /^tile\/(\d)\/(\d{3})(\.p\/(\d+))?$/.exec(path) ?? [];
      if (level === undefined) continue;
      tiles.push({
        level: Number(level),
        index: Number(index),
        width: Number(width),
        treeSize: size,
        bytes: bytes.length,
        sha256: sha256(bytes),
      });
    }
  }
  const read = (path: string): Promise<Uint8Array | undefined> => Promise.resolve(files.get(path));
  const inclusion: object[] = [];
  const consistency: object[] = [];
  for (const [i, size] of sizes.entries()) {
    for (const index of new Set([0, size >> 1, size - 1])) {
      inclusion.push({ index, size, proof: (await inclusionProof(size, index, read)).map(base64) });
    }
    for (const old of sizes.slice(0, i)) {
      consistency.push({ old, new: size, proof: (await consistencyProof(old, size, read)).map(base64) });
    }
  }
  const vkey = formatNoteKey(createNoteKey(origin, signer.publicKey));
  const leaf = "ASCII 'leaf <i>'";
  write("log.json", { format: "lading-log-vectors/1", vkey, leaf, roots, inclusion, consistency, tiles, checkpoints });
}

await writeTraces();
await writeLog();
