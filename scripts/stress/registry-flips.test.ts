import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeRecord } from "@lading/archive";
import { inspectPackage } from "@lading/archive/node";
import { indexDocumentPath, isLadingError, parseDigest, parsePackageName, type Digest } from "@lading/core-manifest";
import { createNodeRegistry, serve } from "@lading/registry-server/node";
import {
  createStatement,
  createTrustPolicy,
  encodeEnvelope,
  fingerprint,
  formatPublicKey,
  generateKey,
  softwareSigner,
  verifyEnvelope,
  type Signer,
} from "@lading/signing";
import { decodeEntries, hashLeaf, openCheckpoint, parseNoteKey, rootFromTiles } from "@lading/signing/log";
import { memoryMetadataStore, openMetadataClient } from "@lading/signing/metadata";
import { nodeVerifier } from "@lading/signing/node";
import { encodeKeyStatement, replayKeyStatements } from "@lading/signing/publisher";
import { afterAll, beforeAll, expect, it } from "vitest";
import { pack, type Packed } from "./support.ts";

// A registry as its readers see it: every file that it serves, from a server that took in signed packages and a rotation.
const NAMES = ["tool", "gear"];
const files = new Map<string, Uint8Array>();
const [oldKey, newKey] = [softwareSigner(generateKey().seed), softwareSigner(generateKey().seed)];
let folder: string;
let log: { readonly origin: string; readonly key: string };
let packages: readonly { readonly packed: Packed; readonly statement: Uint8Array }[];
let rotation: Uint8Array;
let nowMs: number;

async function signed(name: string, signer: Signer): Promise<{ packed: Packed; statement: Uint8Array }> {
  const packed = await pack({ directory: folder, name, version: "1.0.0", bytes: 40 });
  const { record } = await inspectPackage(packed.path);
  const manifestDigest = parseDigest(`sha256:${createHash("sha256").update(encodeRecord(record)).digest("hex")}`);
  const [blob, tree] = [parseDigest(packed.blob), parseDigest(packed.tree)];
  const { kind, target } = record;
  const facts = { name, version: "1.0.0", kind, target, blob, tree, manifestDigest };
  return { packed, statement: await encodeEnvelope(createStatement(facts), [signer]) };
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lading-flips-"));
  const node = await createNodeRegistry({ dataDirectory: join(folder, "data"), loginsPerMinute: 0 });
  await node.registry.start();
  const server = await serve(node.registry, { host: "127.0.0.1", port: 0 });
  log = node.registry.trust!.log;
  const headers = { authorization: `Bearer ${node.bootstrap!.token}` };
  const send = async (
    path: string,
    body: FormData | string | Uint8Array<ArrayBuffer>,
    type?: string,
  ): Promise<void> => {
    const answer = await fetch(`${server.url}/api/v1/${path}`, {
      method: "POST",
      headers: { ...headers, ...(type === undefined ? {} : { "content-type": type }) },
      body,
    });
    if (!answer.ok) throw new Error(await answer.text());
  };
  await send("keys", JSON.stringify({ public_key: formatPublicKey(oldKey.publicKey) }), "application/json");
  packages = await Promise.all(NAMES.map((name) => signed(name, oldKey)));
  for (const { packed, statement } of packages) {
    const form = new FormData();
    form.append("metadata", JSON.stringify({ blob: packed.blob, size: packed.size, tree: packed.tree }));
    form.append("statement", new Blob([statement.slice()], { type: "application/vnd.dsse+json" }), "p.sig");
    form.append("package", new Blob([await readFile(packed.path)]), "p.lpk");
    await send("packages/", form);
  }
  rotation = await encodeKeyStatement(
    {
      kind: "rotation",
      account: "admin",
      log: log.origin,
      key: newKey.publicKey,
      previous: fingerprint(oldKey.publicKey),
    },
    [oldKey, newKey],
  );
  await send("keys/statements", rotation.slice(), "application/vnd.dsse+json");
  await node.registry.signNow();
  const paths = [...(await node.metadata.signedFilePaths()), "log/checkpoint"];
  for (const path of paths) {
    const answer = await fetch(`${server.url}/${path}`);
    if (answer.ok) files.set(path, new Uint8Array(await answer.arrayBuffer()));
  }
  const { size } = openCheckpoint(files.get("log/checkpoint")!, { origin: log.origin, keys: [parseNoteKey(log.key)] });
  for (const path of [`log/tile/0/000.p/${size}`, `log/tile/entries/000.p/${size}`]) {
    files.set(path, new Uint8Array(await (await fetch(`${server.url}/${path}`)).arrayBuffer()));
  }
  nowMs = Date.now();
  await server.close(1000);
});

afterAll(async () => rm(folder, { recursive: true, force: true }));

/** Flips each bit of a file in turn; the bits whose flip is accepted. The file as it is must pass. */
async function accepted(
  bytes: Uint8Array,
  accepts: (altered: Uint8Array) => Promise<boolean> | boolean,
): Promise<number[]> {
  expect(await accepts(bytes)).toBe(true);
  const found: number[] = [];
  const copy = Uint8Array.from(bytes);
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    copy[bit >> 3]! ^= 1 << (bit & 7);
    if (await accepts(copy)) found.push(bit);
    copy[bit >> 3]! ^= 1 << (bit & 7);
  }
  return found;
}

async function holds(work: () => unknown): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    if (isLadingError(error)) return false;
    throw error;
  }
}

/** A client with nothing but the root reads every index document; `altered` is served in place of one file. */
async function read(path: string, altered: Uint8Array): Promise<void> {
  const served = (wanted: string): Uint8Array | undefined => (wanted === path ? altered : files.get(wanted));
  const root = path === "metadata/1.root.json" ? altered : files.get("metadata/1.root.json")!;
  const pin = parseDigest(`sha256:${createHash("sha256").update(files.get("metadata/1.root.json")!).digest("hex")}`);
  const client = openMetadataClient({
    root,
    rootPin: pin,
    source: { fetch: async (request: { path: string }) => served(`metadata/${request.path}`) },
    store: memoryMetadataStore(),
    verifier: nodeVerifier,
  });
  await client.refresh(nowMs);
  for (const name of NAMES) {
    const document = indexDocumentPath(parsePackageName(name));
    await client.download(document, async (request: { path: string }) => served(request.path));
  }
}

it("every flipped bit of every metadata file and index document is refused", async () => {
  const wanted = [...files.keys()].filter((path) => !path.startsWith("log/"));
  expect(wanted.filter((path) => path.startsWith("index/"))).not.toHaveLength(0);
  const current = new Set<string>();
  await read("", new Uint8Array());
  for (const path of wanted) {
    // A superseded file is asked for by nobody, so that a reader cannot tell.
    if (await holds(() => read(path, new Uint8Array([0])))) continue;
    current.add(path);
    expect([path, await accepted(files.get(path)!, (altered) => holds(() => read(path, altered)))]).toEqual([path, []]);
  }
  for (const what of ["timestamp", "snapshot", "targets", "bins", "root", "tool", "gear"]) {
    expect([...current].some((path) => path.includes(what)) ? what : "none").toBe(what);
  }
});

it("every flipped bit of the checkpoint, of tiles and of entries is refused", async () => {
  const trust = { origin: log.origin, keys: [parseNoteKey(log.key)], verifier: nodeVerifier };
  const checkpoint = files.get("log/checkpoint")!;
  expect(await accepted(checkpoint, (altered) => holds(() => openCheckpoint(altered, trust)))).toEqual([]);
  const { size, root } = openCheckpoint(checkpoint, trust);
  for (const path of [...files.keys()].filter((one) => one.startsWith("log/tile/0/"))) {
    const accepts = async (altered: Uint8Array): Promise<boolean> =>
      Buffer.compare(await rootFromTiles(size, async () => altered), root) === 0;
    expect([path, await accepted(files.get(path)!, accepts)]).toEqual([path, []]);
  }
  // Entries are held against the hashes of the tile.
  const hashes = files.get(`log/tile/0/000.p/${size}`)!;
  const bundle = files.get(`log/tile/entries/000.p/${size}`)!;
  const accepts = (altered: Uint8Array): Promise<boolean> =>
    holds(() => decodeEntries(altered, size)).then(
      (read) =>
        read && Buffer.compare(Buffer.concat(decodeEntries(altered, size).map((one) => hashLeaf(one))), hashes) === 0,
    );
  expect(await accepted(bundle, accepts)).toEqual([]);
});

it("every flipped bit of an envelope and of a statement about a key is refused", async () => {
  const policy = createTrustPolicy([{ publicKey: oldKey.publicKey }]);
  for (const { statement, packed } of packages) {
    const expected = { name: packed.name, version: packed.version, blob: packed.blob as Digest };
    const accepts = (altered: Uint8Array): boolean =>
      verifyEnvelope(altered, { policy, expect: expected, verifier: nodeVerifier }).ok;
    expect(await accepted(statement, accepts)).toEqual([]);
  }
  const accepts = (bytes: Uint8Array): boolean =>
    replayKeyStatements({
      pinned: [oldKey.publicKey],
      statements: [{ bytes, index: 5, loggedMs: nowMs }],
      log: log.origin,
      nowMs,
      verifier: nodeVerifier,
    }).keys.length === 2;
  expect(await accepted(rotation, accepts)).toEqual([]);
});

it("every flipped bit of an archive is refused, by its digest and tree", async () => {
  const { packed } = packages[0]!;
  const file = join(folder, "altered.lpk");
  const bytes = await readFile(packed.path);
  const reads = async (altered: Uint8Array, expected: { blob?: Digest; tree: Digest }): Promise<boolean> => {
    await writeFile(file, altered);
    try {
      await inspectPackage(file, { expect: expected });
      return true;
    } catch (error) {
      if (isLadingError(error)) return false;
      throw error;
    }
  };
  const [blob, tree] = [packed.blob as Digest, packed.tree as Digest];
  expect(await accepted(bytes, (altered) => reads(altered, { blob, tree }))).toEqual([]);
});
