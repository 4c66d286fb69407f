import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeRecord } from "@lading/archive";
import { inspectPackage } from "@lading/archive/node";
import { indexDocumentPath, isLadingError, parseDigest, parsePackageName, type Digest } from "@lading/core-manifest";
import { createStaticRegistry, delegateStatic, publishStatic } from "@lading/registry-static";
import { createKeyDirectory, directoryStore, readKeyDirectory } from "@lading/registry-static/node";
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
  type Verifier,
} from "@lading/signing";
import {
  createNoteKey,
  decodeEntries,
  hashLeaf,
  openCheckpoint,
  parseNoteKey,
  rootFromTiles,
} from "@lading/signing/log";
import {
  memoryMetadataStore,
  nameDelegationFor,
  openMetadataClient,
  type MetadataClient,
  type NameDelegation,
} from "@lading/signing/metadata";
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

/** Verifies each signature once: all but one of the files are the same from one flip to the next. */
function remembering(verifier: Verifier): Verifier {
  const verdicts = new Map<string, boolean>();
  return {
    verify: (key, message, signature) => {
      const id = createHash("sha256").update(key).update(signature).update(message).digest("base64");
      const known = verdicts.get(id) ?? verifier.verify(key, message, signature);
      // Flips come once; what comes again is there from the beginning.
      if (verdicts.size < 1000) verdicts.set(id, known);
      return known;
    },
  };
}

const ROOT = "metadata/1.root.json";

/** A registry's files as clients read them that have nothing but its first root. */
class Reader {
  readonly #files: ReadonlyMap<string, Uint8Array>;
  readonly #names: readonly string[];
  readonly #pin: Digest;
  readonly #verifier = remembering(nodeVerifier);
  #altered: { readonly path: string; readonly bytes: Uint8Array } = { path: "", bytes: new Uint8Array() };
  /** A client whose top-level roles are those of the honest registry, and which has read no file below them. */
  #walked: Promise<MetadataClient> | undefined;

  constructor(all: ReadonlyMap<string, Uint8Array>, names: readonly string[]) {
    this.#files = all;
    this.#names = names;
    this.#pin = parseDigest(`sha256:${createHash("sha256").update(all.get(ROOT)!).digest("hex")}`);
  }

  #served(path: string): Uint8Array | undefined {
    return path === this.#altered.path ? this.#altered.bytes : this.#files.get(path);
  }

  async #walk(): Promise<MetadataClient> {
    const client = openMetadataClient({
      root: this.#served(ROOT)!,
      rootPin: this.#pin,
      source: { fetch: async (request: { path: string }) => this.#served(`metadata/${request.path}`) },
      store: memoryMetadataStore(),
      verifier: this.#verifier,
    });
    await client.refresh(nowMs);
    return client;
  }

  /** Reads every index document; `altered` is served in place of one file. */
  async read(path: string, altered: Uint8Array): Promise<void> {
    const isBelow = /bins-|^index\//.test(path);
    if (isBelow) await this.#prepare();
    this.#altered = { path, bytes: altered };
    const client = isBelow ? await this.#walked! : await this.#walk();
    for (const name of this.#names) {
      const document = indexDocumentPath(parsePackageName(name));
      await client.download(document, async (request: { path: string }) => this.#served(request.path));
    }
    // What it has read and found good it would not ask for again.
    this.#walked = undefined;
  }

  async #prepare(): Promise<void> {
    this.#altered = { path: "", bytes: new Uint8Array() };
    this.#walked ??= this.#walk();
    await this.#walked;
  }
}

/** Flips every bit of every file that is read; the files that were. */
async function flipAll(all: ReadonlyMap<string, Uint8Array>, names: readonly string[]): Promise<readonly string[]> {
  const reader = new Reader(all, names);
  const wanted = [...all.keys()].filter((path) => /^(?:metadata|index)\//.test(path));
  expect(wanted.filter((path) => path.startsWith("index/"))).not.toHaveLength(0);
  const current: string[] = [];
  await reader.read("", new Uint8Array());
  for (const path of wanted) {
    // A superseded file is asked for by nobody, so that a reader cannot tell.
    if (await holds(() => reader.read(path, new Uint8Array([0])))) continue;
    current.push(path);
    const flips = await accepted(all.get(path)!, (altered) => holds(() => reader.read(path, altered)));
    expect([path, flips]).toEqual([path, []]);
  }
  return current;
}

function expectParts(current: readonly string[], ...parts: readonly string[]): void {
  for (const what of parts) expect(current.some((path) => path.includes(what)) ? what : "none").toBe(what);
}

it("every flipped bit of every metadata file and index document is refused", async () => {
  const current = await flipAll(files, NAMES);
  expectParts(current, "timestamp", "snapshot", "targets", "bins", "root", "tool", "gear");
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

async function acceptedArchive(packed: Packed): Promise<number[]> {
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
  return accepted(bytes, (altered) => reads(altered, { blob, tree }));
}

it("every flipped bit of an archive is refused, by its digest and tree", async () => {
  expect(await acceptedArchive(packages[0]!.packed)).toEqual([]);
});

/** A static registry whose names are delegated: to two of whom both sign, with a key that was replaced. */
async function delegatedRegistry() {
  const name = "company/gear";
  const signers = [0, 1, 2].map(() => softwareSigner(generateKey().seed));
  const [former, ann, bob] = signers as [Signer, Signer, Signer];
  const directory = join(folder, "static");
  const store = directoryStore(directory);
  const keys = join(folder, "static-keys");
  const settings = { name: "Static", signatures: "required", expiryDays: 30 } as const;
  await createKeyDirectory({ directory: keys, settings, url: "https://packages.example.com/", nowMs });
  const options = { store, trust: await readKeyDirectory({ directory: keys }), now: () => nowMs };
  await createStaticRegistry(options);
  for (const own of [
    [former, ann],
    [ann, bob],
  ])
    await delegateStatic(options, {
      pattern: "company/*",
      keys: own.map(({ publicKey }) => publicKey),
      threshold: own.length,
    });
  await mkdir(join(folder, "company"));
  const packed = await pack({ directory: folder, name, version: "1.0.0", bytes: 40 });
  const inspected = await inspectPackage(packed.path);
  const manifestDigest = parseDigest(
    `sha256:${createHash("sha256").update(encodeRecord(inspected.record)).digest("hex")}`,
  );
  const { kind, target } = inspected.record;
  const { blob, tree } = inspected;
  const facts = { name, version: "1.0.0", kind, target, blob, tree, manifestDigest };
  const statement = await encodeEnvelope(createStatement(facts), [ann, bob]);
  await publishStatic(options, [{ file: packed.path, inspected, statement }]);
  const all = new Map<string, Uint8Array>();
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath, entry.name);
    if (entry.isFile()) all.set(file.slice(directory.length + 1), new Uint8Array(await readFile(file)));
  }
  return { name, files: all, packed, statement, key: options.trust.logSigner.publicKey };
}

async function delegationOf(all: ReadonlyMap<string, Uint8Array>, name: string): Promise<NameDelegation> {
  const client = openMetadataClient({
    root: all.get(ROOT)!,
    source: { fetch: async ({ path }) => all.get(`metadata/${path}`) },
    store: memoryMetadataStore(),
    verifier: nodeVerifier,
  });
  return nameDelegationFor((await client.refresh(nowMs)).delegations ?? [], name)!;
}

it("every flipped bit of a registry whose names are delegated is refused", async () => {
  const { name, files: all, packed, statement, key } = await delegatedRegistry();
  const current = await flipAll(all, [name]);
  expectParts(current, "timestamp", "snapshot", "targets", "bins", "root", "gear");
  const delegation = await delegationOf(all, name);
  expect([delegation.threshold, delegation.former.length]).toEqual([2, 1]);
  const policy = createTrustPolicy(
    delegation.keys.map((publicKey) => ({ publicKey })),
    { threshold: delegation.threshold },
  );
  const expected = { name, version: packed.version, blob: packed.blob as Digest, tree: packed.tree as Digest };
  const judges = (altered: Uint8Array): boolean =>
    verifyEnvelope(altered, { policy, expect: expected, verifier: nodeVerifier }).ok;
  expect(Buffer.compare(all.get(`blobs/sha256/${packed.blob.slice("sha256:".length)}.sig`)!, statement)).toBe(0);
  expect(await accepted(statement, judges)).toEqual([]);
  const checkpoint = all.get("log/checkpoint")!;
  const origin = new TextDecoder().decode(checkpoint).split("\n", 1)[0]!;
  const trust = { origin, keys: [createNoteKey(origin, key)], verifier: nodeVerifier };
  expect(await accepted(checkpoint, (altered) => holds(() => openCheckpoint(altered, trust)))).toEqual([]);
  expect(await acceptedArchive(packed)).toEqual([]);
});
