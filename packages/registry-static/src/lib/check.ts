import {
  LATEST_CHANNEL,
  LadingError,
  canonicalName,
  digestHex,
  parseIndexDocument,
  parsePackageName,
  type Digest,
  type IndexArtifact,
  type IndexDocument,
  type IndexVersion,
} from "@lading/core-manifest";
import { PUBLIC_KEY_BYTES, createTrustPolicy, fingerprint, verifyEnvelope, type Verifier } from "@lading/signing";
import {
  EMPTY_LOG,
  EMPTY_ROOT,
  appendToLog,
  decodeLogEvent,
  openCheckpoint,
  parseNoteKey,
  readEntries,
  rootFromTiles,
} from "@lading/signing/log";
import {
  checkRootPin,
  loadRepository,
  memoryMetadataStore,
  metadataPath,
  openMetadataClient,
  targetPath,
  type Repository,
} from "@lading/signing/metadata";
import { CHECKPOINT, DESCRIPTION, LOG, METADATA, READS, blobPath, boundLog, damaged, sha256 } from "./state.ts";
import { StaticRegistryError } from "./static-error.ts";
import type { ReadRegistryFile } from "./store.ts";

/** Something of a registry that is not as it must be. */
export interface StaticProblem {
  /** `warning`: to be done soon. */
  readonly severity: "error" | "warning";
  readonly path: string;
  readonly message: string;
}

/** What a check found. */
export interface CheckedRegistry {
  readonly packages: number;
  readonly versions: number;
  readonly logSize: number;
  /** When the first of root, timestamp, snapshot and targets expires, in milliseconds since the epoch. */
  readonly expiresMs: number | undefined;
  readonly development: boolean;
  readonly problems: readonly StaticProblem[];
}

/** How a registry is checked. */
export interface CheckOptions {
  readonly read: ReadRegistryFile;
  readonly nowMs: number;
  /** Digest of the first root, where it is known from elsewhere. */
  readonly root?: Digest | undefined;
  readonly verifier?: Verifier | undefined;
}

function readJson(path: string, bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw damaged(path, "it is not JSON", cause);
  }
}

/** The log as the description names it. */
function logOf(description: Uint8Array): { readonly origin: string; readonly key: string } {
  try {
    const { log } = JSON.parse(new TextDecoder().decode(description)) as { log?: { origin?: unknown; key?: unknown } };
    if (typeof log?.origin === "string" && typeof log.key === "string") return { origin: log.origin, key: log.key };
  } catch (cause) {
    throw damaged(DESCRIPTION, "it is not JSON", cause);
  }
  throw damaged(DESCRIPTION, "it names no log");
}

/** Below this a renewal is called for. */
const SOON_MS = 7 * 86_400_000;

class Check {
  readonly problems: StaticProblem[] = [];
  readonly #options: CheckOptions;
  versions = 0;

  constructor(options: CheckOptions) {
    this.#options = options;
  }

  #say(path: string, message: string, severity: StaticProblem["severity"] = "error"): void {
    this.problems.push({ severity, path, message });
  }

  /** Runs a part; what it refuses is a problem of the path, anything else is thrown on. */
  async part<T>(path: string, run: () => Promise<T>): Promise<T | undefined> {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof LadingError)) throw error;
      this.#say(path, `${error.message} (${error.code})`);
      return undefined;
    }
  }

  async #need(path: string): Promise<Uint8Array> {
    const bytes = await this.#options.read(path);
    if (bytes !== undefined) return bytes;
    throw new StaticRegistryError({ code: "STATIC_REGISTRY_DAMAGED", message: `"${path}" is missing` });
  }

  /** The client's walk, from the first root on. */
  async metadata(): Promise<{ expiresMs: number; development: boolean } | undefined> {
    const { read, nowMs, root: pin, verifier } = this.#options;
    return this.part("metadata", async () => {
      const root = await this.#need(`${METADATA}${metadataPath("root", 1)}`);
      if (pin !== undefined) checkRootPin(root, pin);
      const client = openMetadataClient({
        root,
        source: { fetch: ({ path }) => read(`${METADATA}${path}`) },
        store: memoryMetadataStore(),
        verifier,
      });
      const { expiresMs, development } = await client.refresh(nowMs);
      if (expiresMs - nowMs < SOON_MS) {
        const days = Math.floor((expiresMs - nowMs) / 86_400_000);
        this.#say("metadata", `the signatures expire in ${days} days; renew them with index-refresh`, "warning");
      }
      return { expiresMs, development };
    });
  }

  repository(): Promise<Repository | undefined> {
    const { read, verifier } = this.#options;
    return this.part("metadata", async () => {
      let root = await this.#need(`${METADATA}${metadataPath("root", 1)}`);
      for (let version = 2; ; version++) {
        const next = await read(`${METADATA}${metadataPath("root", version)}`);
        if (next === undefined) break;
        root = next;
      }
      return loadRepository({ root, read: (path) => read(`${METADATA}${path}`), verifier, concurrency: READS });
    });
  }

  async document(target: {
    readonly path: string;
    readonly hashes: Readonly<Record<string, string>>;
    readonly length: number;
  }): Promise<IndexDocument | undefined> {
    const served = targetPath(target, true);
    return this.part(served, async () => {
      const bytes = await this.#need(served);
      if (digestHex(sha256(bytes)) !== target.hashes["sha256"]) {
        this.#say(served, "it is not what was signed for");
        return undefined;
      }
      const plain = await this.#options.read(target.path);
      if (plain === undefined || Buffer.compare(plain, bytes) !== 0)
        this.#say(target.path, "it is not what signed metadata names; renew it with index-refresh", "warning");
      return parseIndexDocument(readJson(served, bytes));
    });
  }

  async version(document: IndexDocument, entry: IndexVersion): Promise<void> {
    this.versions += 1;
    for (const artifact of entry.artifacts)
      await this.part(blobPath(artifact.blob), () => this.#artifact(document, entry, artifact));
  }

  async #artifact({ name }: IndexDocument, entry: IndexVersion, artifact: IndexArtifact): Promise<void> {
    const path = blobPath(artifact.blob);
    const bytes = await this.#need(path);
    if (bytes.length !== artifact.size || sha256(bytes) !== artifact.blob)
      return this.#say(path, `it is not the file of ${name} ${entry.version}`);
    if (artifact.statement === undefined) return;
    const statement = await this.#need(artifact.statement === "beside" ? `${path}.sig` : blobPath(artifact.statement));
    const keys: Uint8Array[] = [];
    for (const signer of entry.signers) {
      const spki = await this.#need(`blobs/sha256/${signer.replace("ed25519:", "")}`);
      const key = spki.subarray(spki.length - PUBLIC_KEY_BYTES);
      if (fingerprint(key) === signer) keys.push(key);
      else this.#say(`blobs/sha256/${signer.replace("ed25519:", "")}`, "it is not the key of that id");
    }
    if (keys.length === 0) return this.#say(path, "its signer's key is not there");
    const policy = createTrustPolicy(keys.map((publicKey) => ({ publicKey })));
    const { blob, tree, target } = artifact;
    const expect = { name, version: entry.version, kind: entry.kind, target, blob, tree };
    const verdict = verifyEnvelope(statement, { policy, expect, verifier: this.#options.verifier });
    if (!verdict.ok) this.#say(`${path}.sig`, verdict.reason);
  }

  /** Every entry hashed again, and what was published found in it. */
  async log(repository: Repository, documents: readonly IndexDocument[]): Promise<number | undefined> {
    return this.part(CHECKPOINT, async () => {
      const { origin, key } = logOf(await this.#need(DESCRIPTION));
      const keys = [parseNoteKey(key)];
      const read: ReadRegistryFile = (path) => this.#options.read(`${LOG}${path}`);
      const checkpoint = openCheckpoint(await this.#need(CHECKPOINT), {
        origin,
        keys,
        verifier: this.#options.verifier,
      });
      const same = (left: Uint8Array, right: Uint8Array): boolean => Buffer.compare(left, right) === 0;
      if (!same(await rootFromTiles(checkpoint.size, read), checkpoint.root))
        this.#say("log/tile", "the tiles do not lead to the root of the checkpoint");
      const bound = boundLog(repository);
      const published = new Set<string>();
      const named = new Map<string, string | undefined>();
      let tree = EMPTY_LOG;
      let root = EMPTY_ROOT;
      for await (const { entry } of readEntries(checkpoint.size, read)) {
        ({ tree, root } = appendToLog(tree, [entry]));
        if (tree.size === bound.size && !same(root, bound.root))
          this.#say("metadata/timestamp.json", "the log that it binds is another one");
        const event = decodeLogEvent(entry);
        if (event.type === "publish")
          for (const { blob } of event.artifacts) published.add(`${event.name} ${event.version} ${blob}`);
        if (event.type === "channel") named.set(`${event.name} ${event.channel}`, event.version);
      }
      if (!same(root, checkpoint.root)) this.#say("log/tile/entries", "an entry was removed, replaced or moved");
      if (bound.size > checkpoint.size) this.#say(CHECKPOINT, "it is older than the timestamp");
      this.#unlogged(documents, published);
      this.#unloggedChannels(documents, named);
      return checkpoint.size;
    });
  }

  #unlogged(documents: readonly IndexDocument[], published: ReadonlySet<string>): void {
    for (const { name, versions } of documents) {
      const canonical = canonicalName(parsePackageName(name));
      for (const { version, artifacts } of versions)
        for (const { blob } of artifacts)
          if (!published.has(`${canonical} ${version} ${blob}`))
            this.#say("log/tile/entries", `the publication of ${name} ${version} is not in it`);
    }
  }

  /** `latest` moves with publications and yanks, which have entries of their own. */
  #unloggedChannels(documents: readonly IndexDocument[], named: ReadonlyMap<string, string | undefined>): void {
    for (const { name, channels } of documents) {
      const canonical = canonicalName(parsePackageName(name));
      for (const [channel, version] of Object.entries(channels))
        if (channel !== LATEST_CHANNEL && named.get(`${canonical} ${channel}`) !== version)
          this.#say("log/tile/entries", `that channel "${channel}" of ${name} names ${version} is not in it`);
    }
  }
}

/**
 * Checks all of a registry: the client's walk, every document, package file, signature and entry of the log. Nothing of it
 * is trusted but the first root, where it is pinned.
 */
export async function checkStaticRegistry(options: CheckOptions): Promise<CheckedRegistry> {
  const check = new Check(options);
  const walked = await check.metadata();
  const repository = await check.repository();
  const documents: IndexDocument[] = [];
  for (const { targets } of repository?.bins ?? [])
    for (const target of targets.values()) {
      const document = await check.document(target);
      if (document !== undefined) documents.push(document);
    }
  for (const document of documents) for (const entry of document.versions) await check.version(document, entry);
  const logSize = repository && (await check.log(repository, documents));
  return {
    packages: documents.length,
    versions: check.versions,
    logSize: logSize ?? 0,
    expiresMs: walked?.expiresMs,
    development: walked?.development === true,
    problems: check.problems,
  };
}
