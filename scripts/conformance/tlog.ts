import { createHash } from "node:crypto";
import { readFile, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import {
  EMPTY_LOG,
  LogError,
  TILE_WIDTH,
  appendToLog,
  consistencyProof,
  hashLeaf,
  inclusionProof,
  openCheckpoint,
  parseNoteKey,
  rootFromTiles,
  tilePath,
  verifyConsistency,
  verifyInclusion,
  type ReadTile,
} from "@lading/signing/log";
import { nodeVerifier } from "@lading/signing/node";
import { UnknownFormError, fromBase64, isObject, tryParseJson, type SuiteResult } from "./suite.ts";

interface ProofCase {
  readonly desc: string;
  readonly proof: readonly string[] | null;
  readonly wantErr: boolean;
  readonly _path?: string;
}

interface InclusionCase extends ProofCase {
  readonly leafIdx: number;
  readonly treeSize: number;
  readonly root: string;
  readonly leafHash: string;
}

interface ConsistencyCase extends ProofCase {
  readonly size1: number;
  readonly size2: number;
  readonly root1: string;
  readonly root2: string;
}

interface ProofFile {
  readonly inclusion: readonly InclusionCase[];
  readonly consistency: readonly ConsistencyCase[];
}

interface SumdbFile {
  readonly vkey: string;
  readonly leaf: string;
  readonly roots: readonly { readonly size: number; readonly root: string }[];
  readonly inclusion: readonly { readonly index: number; readonly size: number; readonly proof: readonly string[] }[];
  readonly consistency: readonly { readonly old: number; readonly new: number; readonly proof: readonly string[] }[];
  readonly tiles: readonly {
    readonly level: number;
    readonly index: number;
    readonly width: number;
    readonly treeSize: number;
    readonly bytes: number;
    readonly sha256: string;
  }[];
  readonly checkpoints: readonly { readonly note: string; readonly size: number }[];
}

interface Result {
  readonly case: string;
  readonly passed: boolean;
  readonly verdict?: "accept" | "refuse";
}

const KNOWN =
  "RFC 6962 proofs {inclusion, consistency}, and roots, proofs, tiles and checkpoints {vkey, roots, tiles, ...}";
// Of an empty tree, older sumdb code says 32 zero bytes where RFC 6962 §2.1 has the SHA-256 of nothing, as we do.
const GO_EMPTY_ROOT = Buffer.alloc(32).toString("base64");
const word = (accepted: boolean): "accept" | "refuse" => (accepted ? "accept" : "refuse");
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
const hashes = (proof: readonly string[] | null): Uint8Array[] => (proof ?? []).map(fromBase64);

function judge(name: string, accepted: boolean, { wantErr }: ProofCase): Result {
  return { case: name, verdict: word(accepted), passed: accepted === !wantErr };
}

function runProofs(file: ProofFile): Result[] {
  const inclusion = file.inclusion.map((one) => {
    const { leafIdx: index, treeSize: size, proof } = one;
    const [leafHash, root] = [fromBase64(one.leafHash), fromBase64(one.root)];
    const accepted = verifyInclusion({ index, size, leafHash, proof: hashes(proof), root });
    return judge(one._path ?? `inclusion ${index}/${size} ${one.desc}`, accepted, one);
  });
  const consistency = file.consistency.map((one) => {
    const { size1: oldSize, size2: newSize, proof } = one;
    const [oldRoot, newRoot] = [fromBase64(one.root1), fromBase64(one.root2)];
    const accepted = verifyConsistency({ oldSize, newSize, oldRoot, newRoot, proof: hashes(proof) });
    return judge(one._path ?? `consistency ${oldSize}-${newSize} ${one.desc}`, accepted, one);
  });
  return [...inclusion, ...consistency];
}

/** A log of the file's leaves, with the tiles of every size that the file speaks of. */
function growLog(sizes: readonly number[]): {
  readonly read: ReadTile;
  readonly files: ReadonlyMap<string, Uint8Array>;
} {
  const files = new Map<string, Uint8Array>();
  let tree = EMPTY_LOG;
  for (const size of [...new Set(sizes)].toSorted((left, right) => left - right)) {
    const entries = Array.from({ length: size - tree.size }, (_, i) => Buffer.from(`leaf ${tree.size + i}`));
    const grown = appendToLog(tree, entries);
    for (const [path, bytes] of grown.files) files.set(path, bytes);
    ({ tree } = grown);
  }
  return { files, read: (path) => Promise.resolve(files.get(path)) };
}

function runCheckpoint({ note, size }: SumdbFile["checkpoints"][number], vkey: string): Result {
  const key = parseNoteKey(vkey);
  const bytes = new TextEncoder().encode(note);
  const trust = { origin: key.name, keys: [key], verifier: nodeVerifier };
  const altered = bytes.map((byte, i) => (i === key.name.length + 1 ? byte ^ 1 : byte));
  return { case: `checkpoint ${size}`, passed: openCheckpoint(bytes, trust).size === size && refuses(altered, trust) };
}

function refuses(bytes: Uint8Array, trust: Parameters<typeof openCheckpoint>[1]): boolean {
  try {
    openCheckpoint(bytes, trust);
    return false;
  } catch (error) {
    if (error instanceof LogError) return true;
    throw error;
  }
}

async function runSumdb(file: SumdbFile): Promise<Result[]> {
  const { roots, inclusion, consistency, tiles, checkpoints, vkey } = file;
  const sizes = [
    ...roots.map(({ size }) => size),
    ...inclusion.map(({ size }) => size),
    ...consistency.flatMap((one) => [one.old, one.new]),
    ...tiles.map(({ treeSize }) => treeSize),
    // The size at which a tile has that width.
    ...tiles.map(({ level, index, width }) => (index * TILE_WIDTH + width) * TILE_WIDTH ** level),
  ];
  const { read, files } = growLog(sizes);
  const results: Result[] = [];
  for (const { size, root } of roots) {
    const found = base64(await rootFromTiles(size, read));
    results.push({ case: `root ${size}`, passed: found === root || (size === 0 && root === GO_EMPTY_ROOT) });
  }
  for (const { index, size, proof } of inclusion) {
    const found = await inclusionProof(size, index, read);
    const leafHash = hashLeaf(Buffer.from(`leaf ${index}`));
    const holds = verifyInclusion({ index, size, leafHash, proof: found, root: await rootFromTiles(size, read) });
    results.push({ case: `inclusion ${index}/${size}`, passed: holds && found.map(base64).join() === proof.join() });
  }
  for (const one of consistency) {
    const [oldSize, newSize] = [one.old, one.new];
    const proof = await consistencyProof(oldSize, newSize, read);
    const [oldRoot, newRoot] = [await rootFromTiles(oldSize, read), await rootFromTiles(newSize, read)];
    const holds = verifyConsistency({ oldSize, newSize, oldRoot, newRoot, proof });
    const same = proof.map(base64).join() === one.proof.join();
    results.push({ case: `consistency ${oldSize}-${newSize}`, passed: same && (holds || oldSize === 0) });
  }
  for (const { level, index, width, bytes, sha256 } of tiles) {
    const found = files.get(tilePath(level, index, width));
    const digest = createHash("sha256")
      .update(found ?? "")
      .digest("hex");
    results.push({ case: `tile ${level}/${index}/${width}`, passed: found?.length === bytes && digest === sha256 });
  }
  return [...results, ...checkpoints.map((one) => runCheckpoint(one, vkey))];
}

function isProofFile(value: unknown): value is ProofFile {
  return (
    isObject(value) && Array.isArray(value["inclusion"]) && Array.isArray(value["consistency"]) && !("tiles" in value)
  );
}

function isSumdbFile(value: unknown): value is SumdbFile {
  return isObject(value) && typeof value["vkey"] === "string" && Array.isArray(value["tiles"]);
}

/** Runs a file of proofs or tiles; `undefined` for another file. */
export async function runTlog(file: string, text: string): Promise<SuiteResult | undefined> {
  const value = tryParseJson(text);
  const [form, results] = isSumdbFile(value)
    ? (["sumdb", await runSumdb(value)] as const)
    : isProofFile(value)
      ? (["rfc6962 proofs", runProofs(value)] as const)
      : ["", undefined];
  if (results === undefined) return undefined;
  const failures = results.filter(({ passed }) => !passed).map((one) => `${one.case}: ${one.verdict ?? "differs"}`);
  const passed = results.length - failures.length;
  return {
    suite: "tlog",
    form,
    file,
    passed,
    failures,
    data: { file, form, passed, failed: failures.length, failures, results },
  };
}

/** The JSON files of a folder, or the file itself. */
export async function tlogFiles(paths: readonly string[]): Promise<string[]> {
  const lists = await Promise.all(
    paths.map(async (path) => {
      if (!(await stat(path)).isDirectory()) return [path];
      const names = (await readdir(path)).filter((name) => name.endsWith(".json")).sort();
      return names.map((name) => join(path, name));
    }),
  );
  return lists.flat();
}

/** @throws {UnknownFormError} */
export async function runTlogFile(file: string): Promise<SuiteResult> {
  const result = await runTlog(file, await readFile(file, "utf8"));
  if (result === undefined) throw new UnknownFormError(file, KNOWN);
  return result;
}
