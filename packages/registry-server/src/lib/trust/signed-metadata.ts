import { createHash } from "node:crypto";
import { indexDocumentPath, parseDigest, type CanonicalName } from "@lading/core-manifest";
import {
  METADATA_ERRORS,
  MetadataError,
  SERVER_LIFETIMES,
  readLogBinding,
  binIndex,
  binName,
  createRepository,
  loadRepository,
  metadataPath,
  parseMetadata,
  updateRepository,
  type FormerRepository,
  type LogBinding,
  type Repository,
  type RepositoryUpdate,
  type TargetEntry,
} from "@lading/signing/metadata";
import type { IndexService } from "../index-service.ts";
import type { Clock, LogListener, MetadataStore, PendingIndexUpdate, SignedFile } from "../ports.ts";
import { immutable } from "../read-answer.ts";
import { damaged, type LogService } from "./log-service.ts";
import type { RegistryTrust } from "./registry-trust.ts";
import { ServedFile } from "./served-file.ts";
import { Latest } from "../latest.ts";
import type { Turn } from "../turn.ts";

/** How long changes are collected after an update, in milliseconds: what came in is signed half a second later at most. */
const COLLECT_MS = 500;
const RETRY_MS = 5000;
const HOUR_MS = 3_600_000;
/** How long a file is served after another took its place. */
const KEPT_MS = 48 * HOUR_MS;
const PENDING_MAX = 100_000;
const CACHE_BYTES = 32 * 2 ** 20;
const BASE = "metadata/";
const TIMESTAMP = `${BASE}timestamp.json`;
/** Path of the log's checkpoint; the one that is stored beside metadata is of the log that its timestamp states. */
export const CHECKPOINT = "log/checkpoint";

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Path under which a version of an index document is a target: `index/_/to/<sha256>.tool.json`. */
function targetPathOf(path: string, hex: string): string {
  const slash = path.lastIndexOf("/") + 1;
  return `${path.slice(0, slash)}${hex}.${path.slice(slash)}`;
}

/** Whether a path is that of a version of an index document, or of a metadata file. */
export function isSignedPath(path: string): boolean {
  return path.startsWith(BASE) || /^index\/[^/]+\/[^/]+\/[0-9a-f]{64}\.[^/.]+\.json$/.test(path);
}

/** Paths of what a repository consists of, but for its roots. */
function filesOf({ snapshot, targets, bins, bitLength }: Repository): Set<string> {
  return new Set([
    TIMESTAMP,
    `${BASE}${metadataPath("snapshot", snapshot.body.version)}`,
    `${BASE}${metadataPath("targets", targets.body.version)}`,
    ...bins.map(({ version }, i) => `${BASE}${metadataPath(binName("bins", bitLength, i), version)}`),
  ]);
}

function targetOf(repository: Repository, path: string): string | undefined {
  return repository.bins[binIndex(path, repository.bitLength)]?.targets.get(path)?.hashes["sha256"];
}

interface Documents {
  readonly entries: readonly TargetEntry[];
  readonly files: readonly SignedFile[];
}

/**
 * The registry's signed metadata. Changes are signed for together, soon after they were committed, and stored in one
 * transaction, so that what is served never mixes two states, and a crash leaves the last whole one.
 */
export class SignedMetadata {
  readonly #metadata: MetadataStore;
  readonly #index: IndexService;
  readonly #log: LogService;
  readonly #trust: RegistryTrust;
  readonly #clock: Clock;
  readonly #tell: LogListener;
  readonly #immutable: string;
  #repository: Repository | undefined;
  #former: FormerRepository | undefined;
  readonly #files = new Map<string, ServedFile>();
  readonly #cache = new Map<string, ServedFile>();
  #cached = 0;
  /** Files that are being read from the store, so that many who ask at once cost one reading. */
  readonly #reading = new Map<string, Promise<ServedFile | undefined>>();
  #signedAt = 0;
  #endedAt = Number.NEGATIVE_INFINITY;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running: Promise<void> | undefined;
  #again = false;
  /** SHA-256 of the timestamp that is stored, as far as this server knows. */
  #stored: string | undefined;
  #served: string | undefined;
  readonly #turn: Turn | undefined;
  readonly #newest: Latest<ServedFile | undefined> = new Latest(() => this.#readTimestamp());

  constructor(options: {
    readonly metadata: MetadataStore;
    readonly index: IndexService;
    readonly log: LogService;
    readonly trust: RegistryTrust;
    readonly clock: Clock;
    readonly tell: LogListener;
    readonly readPublic: boolean;
    readonly turn?: Turn | undefined;
  }) {
    this.#turn = options.turn;
    this.#metadata = options.metadata;
    this.#index = options.index;
    this.#log = options.log;
    this.#trust = options.trust;
    this.#clock = options.clock;
    this.#tell = options.tell;
    this.#immutable = immutable(options.readPublic);
  }

  /**
   * Checks what is stored, byte for byte, signs for what was committed since, and moves the timestamp.
   * @throws {RegistryError} `METADATA_DAMAGED`
   */
  async start(): Promise<void> {
    const paths = await this.#metadata.signedFilePaths();
    for (const path of paths) await this.#checkStored(path);
    if (paths.includes(TIMESTAMP)) await this.#load(paths);
    await this.flush();
  }

  async #checkStored(path: string): Promise<void> {
    // Another server may have forgotten a file since it was listed.
    if (this.#turn !== undefined && (await this.#metadata.signedFile(path)) === undefined) return;
    await this.#checked(path);
  }

  async #checked(path: string): Promise<Uint8Array> {
    const file = await this.#metadata.signedFile(path);
    if (file === undefined) throw damaged(path, "it is missing");
    if (sha256(file.bytes) !== file.sha256) throw damaged(path, "its bytes are not those that were stored");
    return file.bytes;
  }

  async #load(paths: readonly string[]): Promise<void> {
    const roots = paths.map((path) => Number(/^metadata\/(\d+)\.root\.json$/.exec(path)?.[1] ?? 0));
    const root = await this.#checked(`${BASE}${metadataPath("root", Math.max(...roots))}`);
    let last = TIMESTAMP;
    let timestamp: string | undefined;
    const read = async (name: string): Promise<Uint8Array | undefined> => {
      last = `${BASE}${name}`;
      const file = await this.#metadata.signedFile(last);
      if (last === TIMESTAMP) timestamp = file?.sha256;
      return file?.bytes;
    };
    try {
      const { verifier } = this.#trust;
      this.#repository = await loadRepository({ root, read, ...(verifier === undefined ? {} : { verifier }) });
      this.#stored = timestamp;
    } catch (error) {
      if (!(error instanceof MetadataError)) throw error;
      throw damaged(last, `${METADATA_ERRORS[error.code].summary} (${error.code})`, error);
    }
    for (const path of paths) if (path.endsWith(".root.json")) this.#serve({ path, bytes: await this.#checked(path) });
    if (this.#turn !== undefined) return;
    for (const path of filesOf(this.#repository)) this.#serve({ path, bytes: await this.#checked(path) });
  }

  #serve({ path, bytes }: SignedFile): void {
    this.#files.set(path, this.#prepared(path, bytes));
  }

  #prepared(path: string, bytes: Uint8Array): ServedFile {
    const cacheControl = path === TIMESTAMP ? "no-cache" : this.#immutable;
    return new ServedFile(bytes, { type: "application/json", cacheControl, compress: true });
  }

  /** The metadata file or version of an index document at a path. */
  async file(path: string): Promise<ServedFile | undefined> {
    if (this.#turn !== undefined && path === TIMESTAMP) return this.#newest.get();
    const known = this.#files.get(path) ?? this.#cache.get(path);
    if (known !== undefined) return known;
    // Who begins to read says so before anybody else can ask.
    const begun = this.#reading.get(path);
    const shared = begun && (await begun);
    if (shared !== undefined) return shared;
    const reading = this.#read(path).finally(() => this.#reading.delete(path));
    this.#reading.set(path, reading);
    return reading;
  }

  async #read(path: string): Promise<ServedFile | undefined> {
    const stored = await this.#metadata.signedFile(path);
    if (stored === undefined) return undefined;
    // A state that is being stored at this moment is not served before it is whole.
    if (this.#turn === undefined && path.startsWith(BASE) && stored.superseded === undefined)
      return this.#files.get(path);
    const file = this.#prepared(path, stored.bytes);
    this.#cache.set(path, file);
    this.#cached += file.size;
    for (const [oldest, { size }] of this.#cache) {
      if (this.#cached <= CACHE_BYTES) break;
      this.#cache.delete(oldest);
      this.#cached -= size;
    }
    return file;
  }

  /** Whether the metadata that is served names these bytes of a package's index document. */
  async shows(canonical: CanonicalName, etag: string): Promise<boolean> {
    const path = indexDocumentPath(canonical);
    if (this.#turn !== undefined) {
      // Stored in the transaction of the timestamp that leads to it, by whichever server.
      const [, named] = /^"sha256:([0-9a-f]{64})"$/.exec(etag) ?? [];
      const file = named === undefined ? undefined : await this.#metadata.signedFile(targetPathOf(path, named));
      return file !== undefined && file.superseded === undefined;
    }
    const hex = this.#repository && targetOf(this.#repository, path);
    return hex !== undefined && etag === `"sha256:${hex}"`;
  }

  /** Sees to it that what was committed is signed for soon. */
  changed(): void {
    if (this.#running !== undefined) this.#again = true;
    else this.#schedule(Math.max(0, this.#endedAt + COLLECT_MS - performance.now()));
  }

  /** Signs again what is due: the timestamp every hour. */
  refreshIfDue(): void {
    if (this.#clock.now() - this.#signedAt >= HOUR_MS) this.changed();
  }

  #schedule(delayMs: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.flush().catch((error: unknown) => {
        this.#tell("error", "signing the metadata failed; what is committed is signed for in a moment", {
          error: String(error),
        });
        this.#schedule(RETRY_MS);
      });
    }, delayMs);
    (this.#timer as { unref?: () => void }).unref?.();
  }

  /** Signs now for all that was committed, and waits for it. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    // One that runs already may have begun before the caller's change was committed.
    await this.#running?.catch(() => {});
    this.#running ??= this.#update().finally(() => {
      this.#running = undefined;
      this.#endedAt = performance.now();
      if (this.#again) {
        this.#again = false;
        this.changed();
      }
    });
    await this.#running;
  }

  /** Ends background work; what is pending is signed for at the next start. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#running?.catch(() => {});
    clearTimeout(this.#timer);
  }

  async #update(): Promise<void> {
    for (;;) {
      if (this.#turn !== undefined && !(await this.#turn.mayWork())) return;
      const pending = await this.#metadata.pendingMetadataUpdates(PENDING_MAX);
      const names = [...new Set(pending.map(({ canonical }) => canonical))];
      if (this.#turn !== undefined && pending.length === 0 && !(await this.#hasMore())) return;
      if (await this.#sign(names, pending)) return;
      // Another server signed since: its turn ended, and this one goes on from what it left.
      await this.#load(await this.#metadata.signedFilePaths());
    }
  }

  /** Whether there is anything to sign for besides changes of packages. */
  async #hasMore(): Promise<boolean> {
    if (this.#repository === undefined || this.#newRoots().length > 0) return true;
    await this.#log.advance();
    const { raw, expiresMs } = this.#repository.timestamp.body;
    if (this.#log.state.size > (readLogBinding(raw)?.size ?? 0)) return true;
    return this.#clock.now() >= expiresMs - SERVER_LIFETIMES.timestampMs + HOUR_MS;
  }

  async #readTimestamp(): Promise<ServedFile | undefined> {
    const stored = await this.#metadata.signedFile(TIMESTAMP);
    if (stored === undefined) return undefined;
    const known = this.#files.get(TIMESTAMP);
    if (known !== undefined && this.#served === stored.sha256) return known;
    this.#serve(stored);
    this.#served = stored.sha256;
    return this.#files.get(TIMESTAMP);
  }

  async #documents(names: readonly CanonicalName[]): Promise<Documents> {
    const entries: TargetEntry[] = [];
    const files: SignedFile[] = [];
    for (const canonical of names) {
      const document = await this.#index.current(canonical);
      if (document === undefined) continue;
      const path = indexDocumentPath(canonical);
      const hex = sha256(document.bytes);
      entries.push({ path, length: document.bytes.length, digest: parseDigest(`sha256:${hex}`) });
      files.push({ path: targetPathOf(path, hex), bytes: document.bytes });
    }
    return { entries, files };
  }

  /** Signs and stores; `false` where another server stored something else meanwhile. */
  async #sign(names: readonly CanonicalName[], pending: readonly PendingIndexUpdate[]): Promise<boolean> {
    const documents = await this.#documents(names);
    // After the documents, so that the log that the timestamp states has every entry of what they show.
    await this.#log.advance();
    const { checkpoint, state } = this.#log;
    const now = this.#clock.now();
    const before = this.#repository;
    const update = await this.#write(documents.entries, state, now);
    const put = [
      ...this.#newRoots(),
      ...[...update.files].map(([path, bytes]) => ({ path: `${BASE}${path}`, bytes })),
      ...documents.files,
      { path: CHECKPOINT, bytes: checkpoint },
    ];
    const fresh = new Set(put.map(({ path }) => path));
    const superseded = this.#superseded(before, update.repository, documents.entries).filter(
      (path) => !fresh.has(path),
    );
    const completed = pending.map(({ id }) => id);
    const stored = await this.#metadata.putSignedFiles({
      put,
      superseded,
      completed,
      ...(this.#turn === undefined ? {} : { follows: { path: TIMESTAMP, sha256: this.#stored } }),
      at: now,
      forgetBefore: now - KEPT_MS,
    });
    if (!stored) return false;
    this.#stored = sha256(put.find(({ path }) => path === TIMESTAMP)!.bytes);
    for (const file of put) if (file.path.startsWith(BASE)) this.#serve(file);
    for (const path of superseded) this.#files.delete(path);
    this.#repository = update.repository;
    this.#former = undefined;
    this.#signedAt = now;
    return true;
  }

  #write(put: readonly TargetEntry[], log: LogBinding, nowMs: number): Promise<RepositoryUpdate> {
    const { signers, verifier, roots } = this.#trust;
    const root = roots.at(-1)!;
    const options = { signers, nowMs, lifetimes: SERVER_LIFETIMES, log, verifier };
    const before = this.#repository;
    if (before === undefined) return createRepository({ ...options, root, targets: put, former: this.#former });
    const version = parseMetadata(root, "root").body.version;
    return updateRepository(before, { ...options, put, root: version > before.root.body.version ? root : undefined });
  }

  /** Roots that are not served yet: clients go from one to the next. */
  #newRoots(): SignedFile[] {
    const files = this.#trust.roots.map((bytes, i) => ({ path: `${BASE}${metadataPath("root", i + 1)}`, bytes }));
    return files.filter(({ path }) => !this.#files.has(path));
  }

  #superseded(before: Repository | undefined, now: Repository, entries: readonly TargetEntry[]): string[] {
    if (before === undefined) return [];
    const current = filesOf(now);
    const metadata = [...filesOf(before)].filter((path) => !current.has(path));
    const targets = entries.flatMap(({ path }) => {
      const old = targetOf(before, path);
      return old === undefined || old === targetOf(now, path) ? [] : [targetPathOf(path, old)];
    });
    return [...metadata, ...targets];
  }

  /**
   * Makes the metadata of every package anew, in place of what is damaged or lost. Versions go above all that were ever
   * served: above those that are stored, and above the seconds since 1970, which no two signatures a second can overtake.
   */
  async rebuild(): Promise<void> {
    const paths = (await this.#metadata.signedFilePaths()).filter((path) => !path.endsWith(".root.json"));
    this.#former = await this.#formerOf(paths.filter((path) => path.startsWith(BASE)));
    this.#repository = undefined;
    this.#files.clear();
    this.#cache.clear();
    await this.#metadata.dropSignedFiles(await this.#metadata.signedFilePaths());
    await this.#sign(await this.#metadata.packageNames(), await this.#metadata.pendingMetadataUpdates(PENDING_MAX));
  }

  async #formerOf(paths: readonly string[]): Promise<FormerRepository | undefined> {
    if (paths.length === 0) return undefined;
    let version = Math.floor(this.#clock.now() / 1000);
    const files = new Set<string>();
    for (const path of paths) {
      const [, number, name] = /^metadata\/(?:(\d+)\.)?(.+\.json)$/.exec(path) ?? [];
      version = Math.max(version, Number(number ?? 0));
      if (name !== undefined && name.startsWith("bins-")) files.add(name);
      if (name === "snapshot.json") for (const listed of await this.#listedBy(path)) files.add(listed);
    }
    return { version, files: [...files] };
  }

  async #listedBy(path: string): Promise<readonly string[]> {
    const file = await this.#metadata.signedFile(path);
    if (file === undefined || sha256(file.bytes) !== file.sha256) return [];
    return [...parseMetadata(file.bytes, "snapshot").body.meta.keys()].filter((name) => name !== "targets.json");
  }
}
