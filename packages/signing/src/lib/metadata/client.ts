import { digestFromBytes, type Digest } from "@lading/core-manifest";
import { sha256 } from "../hashes.ts";
import { portableDigests, type DigestFunctions } from "../digests.ts";
import { portableVerifier, type Verifier } from "../signer.ts";
import { readLogBinding, type LogBinding } from "./log-binding.ts";
import { MetadataError } from "./metadata-error.ts";
import type { MetadataForm, TargetFile } from "./metadata-file.ts";
import { readNameDelegations, type NameDelegation } from "./name-delegations.ts";
import { delegationsFor, metadataPath, targetPath } from "./paths.ts";
import {
  checkNotExpired,
  checkTarget,
  metaOf,
  readLocalSnapshot,
  readLocalTimestamp,
  readTrustedRoot,
  rotatesOnlineKeys,
  verifyNextRoot,
  verifySnapshot,
  verifyTargets,
  verifyTimestamp,
  type RootFile,
  type Rules,
  type SnapshotFile,
  type TargetsFile,
  type TimestampFile,
} from "./workflow.ts";

/** One file that the client asks for. */
export interface MetadataRequest {
  /** Below the metadata base: `timestamp.json`, `7.bins-0f.json`; percent-encoded where needed. */
  readonly path: string;
  /** The client refuses more; stop reading after one byte above it. */
  readonly maxBytes: number;
}

/** Where metadata comes from. Nothing that it returns is trusted. */
export interface MetadataSource {
  /** The bytes; `undefined` where there is no such file. Throws where it cannot say. */
  fetch(request: MetadataRequest): Promise<Uint8Array | undefined>;
  /** Several files at once, in the order asked for, where the registry offers it. */
  fetchMany?(requests: readonly MetadataRequest[]): Promise<readonly (Uint8Array | undefined)[]>;
}

/**
 * Where verified files stay between updates. Names are roles: `root`, `timestamp`, `snapshot`, `targets`, and delegated
 * ones percent-encoded. What is kept is verified again each time, so that a damaged store costs a download; yet who can
 * remove files from it can undo the memory that rollbacks are seen by.
 */
export interface MetadataStore {
  /** The bytes last written; `undefined` where there are none. */
  read(role: string): Promise<Uint8Array | undefined>;
  /** Replaces in one step: a reader sees the old bytes or the new. */
  write(role: string, bytes: Uint8Array): Promise<void>;
  /** Removes, where it is there. */
  remove(role: string): Promise<void>;
}

/** A store that lasts as long as the process. */
export function memoryMetadataStore(files: ReadonlyMap<string, Uint8Array> = new Map()): MetadataStore {
  const kept = new Map(files);
  return {
    read: (role) => Promise.resolve(kept.get(role)),
    write: (role, bytes) => Promise.resolve(void kept.set(role, bytes)),
    remove: (role) => Promise.resolve(void kept.delete(role)),
  };
}

/** Most bytes of a file whose length nothing states, and most steps. */
export interface MetadataLimits {
  readonly rootBytes: number;
  readonly timestampBytes: number;
  readonly snapshotBytes: number;
  readonly targetsBytes: number;
  /** Roots that are walked in one update. */
  readonly roots: number;
  /** Delegated roles that are visited for one path. */
  readonly roles: number;
}

export const METADATA_LIMITS: MetadataLimits = {
  rootBytes: 512_000,
  timestampBytes: 16_384,
  snapshotBytes: 4_000_000,
  targetsBytes: 5_000_000,
  roots: 1024,
  roles: 32,
};

/** What {@link openMetadataClient} needs. */
export interface MetadataClientOptions {
  /** The root that trust starts from, where the store has none yet: from the profile, a bundle, or first use. */
  readonly root: Uint8Array;
  /** The digest of that root's file, where it is pinned. */
  readonly rootPin?: Digest | undefined;
  readonly source: MetadataSource;
  readonly store: MetadataStore;
  /** `exact` unless given. */
  readonly form?: MetadataForm | undefined;
  readonly limits?: Partial<MetadataLimits> | undefined;
  /** The portable one unless given; `nodeVerifier` is many times faster. */
  readonly verifier?: Verifier | undefined;
  /** The portable ones unless given; `nodeDigests` is faster. */
  readonly digests?: DigestFunctions | undefined;
}

/** What an update established. */
export interface RefreshedMetadata {
  readonly versions: {
    readonly root: number;
    readonly timestamp: number;
    readonly snapshot: number;
    readonly targets: number;
  };
  /** Whether the registry has a newer timestamp than before. */
  readonly changed: boolean;
  /** When the first of root, timestamp, snapshot and targets expires, in milliseconds since the epoch. */
  readonly expiresMs: number;
  /** Whether the root says that its keys are for development only. */
  readonly development: boolean;
  /** Size and root of the log that the timestamp binds, where it does. */
  readonly log?: LogBinding;
  /** Who may sign packages of some names, where the targets role delegates any. */
  readonly delegations?: readonly NameDelegation[];
}

/** The client's side of TUF 1.0. */
export interface MetadataClient {
  /**
   * Brings the top-level roles up to date, in the order of the specification (§5.1 to §5.6). What was verified before a
   * failure is kept.
   * @param nowMs start of the update in milliseconds since the epoch; every expiry is compared with it (§5.1)
   * @throws {MetadataError} with the step's code, and `attack` where it would be one
   */
  refresh(nowMs: number): Promise<RefreshedMetadata>;
  /**
   * What signed metadata states of a path, fetching delegated roles as needed (§5.6.7); `undefined` where no role knows it.
   * @throws {MetadataError} `METADATA_NOT_REFRESHED`, and those of the roles on the way
   */
  find(path: string): Promise<TargetFile | undefined>;
  /** As {@link find} for many paths, fetching the roles that they need together. */
  findAll(paths: readonly string[]): Promise<ReadonlyMap<string, TargetFile | undefined>>;
  /** Where a target is served, below the targets base; not percent-encoded. */
  pathOf(target: TargetFile): string;
  /**
   * Fetches a target by a callback and compares it (§5.7).
   * @throws {MetadataError} `TARGET_UNKNOWN`, `TARGET_MISSING`, `TARGET_TOO_LARGE`, `TARGET_LENGTH_MISMATCH`,
   * `TARGET_DIGEST_MISMATCH`
   */
  download(path: string, fetch: MetadataSource["fetch"]): Promise<Uint8Array>;
}

/** @throws {MetadataError} `METADATA_ROOT_PIN_MISMATCH` */
export function checkRootPin(root: Uint8Array, pin: Digest): void {
  const found = digestFromBytes(sha256(root));
  if (found === pin) return;
  throw new MetadataError({
    code: "METADATA_ROOT_PIN_MISMATCH",
    message: `Cannot trust the root of the registry: its digest is "${found}", pinned is "${pin}"`,
    found,
    pinned: pin,
  });
}

/** Whether a file that was kept is of no use any more; a fault of another kind is thrown on. */
function isRefusal(error: unknown): boolean {
  return error instanceof MetadataError;
}

interface Trusted {
  readonly nowMs: number;
  readonly root: RootFile;
  readonly timestamp: TimestampFile;
  readonly snapshot: SnapshotFile;
  readonly targets: TargetsFile;
}

interface Visit {
  readonly role: string;
  readonly delegator: RootFile | TargetsFile;
}

class Client implements MetadataClient {
  readonly #options: MetadataClientOptions;
  readonly #rules: Rules;
  readonly #limits: MetadataLimits;
  #trusted: Trusted | undefined;
  /** Delegated roles verified since the last refresh, with who delegated: another delegator verifies anew. */
  readonly #delegated = new Map<string, { readonly delegator: TargetsFile; readonly file: TargetsFile }>();

  constructor(options: MetadataClientOptions) {
    this.#options = options;
    this.#rules = {
      verifier: options.verifier ?? portableVerifier,
      digests: options.digests ?? portableDigests,
      form: options.form ?? "exact",
    };
    this.#limits = { ...METADATA_LIMITS, ...options.limits };
  }

  async refresh(nowMs: number): Promise<RefreshedMetadata> {
    // A failed update must not leave yesterday's answers standing as today's; expiry is against the new time.
    this.#trusted = undefined;
    this.#delegated.clear();
    const root = await this.#updateRoot(nowMs);
    const { timestamp, changed } = await this.#updateTimestamp(root, nowMs);
    const snapshot = await this.#updateSnapshot(root, timestamp, nowMs);
    const targets = await this.#updateTargets({ role: "targets", delegator: root }, snapshot, nowMs);
    const trusted = { nowMs, root, timestamp, snapshot, targets };
    const refreshed = summary(trusted, changed);
    this.#trusted = trusted;
    return refreshed;
  }

  async #fetch(path: string, maxBytes: number): Promise<Uint8Array | undefined> {
    return this.#checkSize(path, maxBytes, await this.#options.source.fetch({ path, maxBytes }));
  }

  #checkSize(path: string, maxBytes: number, bytes: Uint8Array | undefined): Uint8Array | undefined {
    if (bytes === undefined || bytes.length <= maxBytes) return bytes;
    throw new MetadataError({
      code: "METADATA_TOO_LARGE",
      message: `Cannot read "${path}": it has more than the ${maxBytes} bytes that are allowed`,
      file: path,
      limit: maxBytes,
    });
  }

  async #initialRoot(): Promise<RootFile> {
    // A damaged one costs walking the chain again, and must not lock the user out.
    const kept = await this.#kept("root", (bytes) => readTrustedRoot(bytes, this.#rules));
    if (kept !== undefined) return kept;
    const { root, rootPin, store } = this.#options;
    if (rootPin !== undefined) checkRootPin(root, rootPin);
    const file = readTrustedRoot(root, this.#rules);
    await store.write("root", root);
    return file;
  }

  /** TUF 1.0 §5.2 and §5.3. */
  async #updateRoot(nowMs: number): Promise<RootFile> {
    const initial = await this.#initialRoot();
    let root = initial;
    for (let step = 0; step < this.#limits.roots; step++) {
      const bytes = await this.#fetch(metadataPath("root", root.body.version + 1), this.#limits.rootBytes);
      if (bytes === undefined) break;
      const next = verifyNextRoot(root, bytes, this.#rules);
      // Before the new root is kept: a crash between the two must not leave fast-forwarded files under it (§5.3.11).
      if (rotatesOnlineKeys(root, next)) await this.#dropOnlineFiles();
      await this.#options.store.write("root", bytes);
      root = next;
    }
    checkNotExpired("root.json", root, nowMs);
    return root;
  }

  async #dropOnlineFiles(): Promise<void> {
    await this.#options.store.remove("timestamp");
    await this.#options.store.remove("snapshot");
  }

  async #kept<File>(role: string, read: (bytes: Uint8Array) => File): Promise<File | undefined> {
    const bytes = await this.#options.store.read(metadataName(role));
    if (bytes === undefined) return undefined;
    try {
      return read(bytes);
    } catch (error) {
      if (isRefusal(error)) return undefined;
      throw error;
    }
  }

  /** TUF 1.0 §5.4. */
  async #updateTimestamp(
    root: RootFile,
    nowMs: number,
  ): Promise<{ readonly timestamp: TimestampFile; readonly changed: boolean }> {
    const trusted = await this.#kept("timestamp", (bytes) => readLocalTimestamp(bytes, root, this.#rules));
    const bytes = await this.#fetch("timestamp.json", this.#limits.timestampBytes);
    if (bytes === undefined) throw missing("timestamp.json");
    const next = verifyTimestamp(bytes, root, trusted, nowMs, this.#rules);
    if (next !== undefined) {
      await this.#options.store.write("timestamp", bytes);
      return { timestamp: next, changed: true };
    }
    // The same version again is no news; but who serves it for ever is holding updates back.
    checkNotExpired("timestamp.json", trusted!, nowMs);
    return { timestamp: trusted!, changed: false };
  }

  /** TUF 1.0 §5.5. */
  async #updateSnapshot(root: RootFile, timestamp: TimestampFile, nowMs: number): Promise<SnapshotFile> {
    const above = { root, timestamp };
    const current = await this.#kept("snapshot", (bytes) =>
      verifySnapshot(bytes, above, undefined, nowMs, this.#rules),
    );
    if (current !== undefined) return current;
    // Its age, digest and version do not matter here: it is what the new one must not fall behind (§5.5.5).
    const trusted = await this.#kept("snapshot", (bytes) => readLocalSnapshot(bytes, root, this.#rules));
    const meta = timestamp.body.snapshot;
    const path = metadataPath("snapshot", root.body.consistentSnapshot ? meta.version : undefined);
    const bytes = await this.#fetch(path, meta.length ?? this.#limits.snapshotBytes);
    if (bytes === undefined) throw missing(path);
    const snapshot = verifySnapshot(bytes, above, trusted, nowMs, this.#rules);
    await this.#options.store.write("snapshot", bytes);
    return snapshot;
  }

  #requestFor(role: string, snapshot: SnapshotFile, consistent: boolean): MetadataRequest {
    const meta = metaOf(snapshot, role);
    return {
      path: metadataPath(role, consistent ? meta.version : undefined),
      maxBytes: meta.length ?? this.#limits.targetsBytes,
    };
  }

  /** TUF 1.0 §5.6.1 to §5.6.6, for the top level and for delegated roles. */
  async #updateTargets(
    { role, delegator }: Visit,
    snapshot: SnapshotFile,
    nowMs: number,
    consistent: boolean = (delegator as RootFile).body.consistentSnapshot,
  ): Promise<TargetsFile> {
    const kept = await this.#keptTargets({ role, delegator }, snapshot, nowMs);
    if (kept !== undefined) return kept;
    const { path, maxBytes } = this.#requestFor(role, snapshot, consistent);
    return this.#acceptTargets({ role, delegator }, snapshot, nowMs, path, await this.#fetch(path, maxBytes));
  }

  #keptTargets({ role, delegator }: Visit, snapshot: SnapshotFile, nowMs: number): Promise<TargetsFile | undefined> {
    return this.#kept(role, (bytes) => verifyTargets(bytes, role, { delegator, snapshot }, nowMs, this.#rules));
  }

  async #acceptTargets(
    { role, delegator }: Visit,
    snapshot: SnapshotFile,
    nowMs: number,
    path: string,
    bytes: Uint8Array | undefined,
  ): Promise<TargetsFile> {
    if (bytes === undefined) throw missing(path);
    const file = verifyTargets(bytes, role, { delegator, snapshot }, nowMs, this.#rules);
    await this.#options.store.write(metadataName(role), bytes);
    return file;
  }

  #current(): Trusted {
    if (this.#trusted !== undefined) return this.#trusted;
    throw new MetadataError({
      code: "METADATA_NOT_REFRESHED",
      message: "Cannot look a target up: the metadata was not refreshed, or its last refresh failed",
    });
  }

  async #delegatedRole(role: string, delegator: TargetsFile): Promise<TargetsFile> {
    const known = this.#delegated.get(role);
    if (known?.delegator === delegator) return known.file;
    const { root, snapshot, nowMs } = this.#current();
    const file = await this.#updateTargets({ role, delegator }, snapshot, nowMs, root.body.consistentSnapshot);
    this.#delegated.set(role, { delegator, file });
    return file;
  }

  /** The pre-order depth-first search of TUF 1.0 §5.6.7. */
  async find(path: string): Promise<TargetFile | undefined> {
    const visited = new Set<string>();
    const search = async (role: string, file: TargetsFile): Promise<TargetFile | "stop" | undefined> => {
      visited.add(role);
      const target = file.body.targets.get(path);
      if (target !== undefined || file.body.delegations === undefined) return target;
      for (const { name, terminating } of delegationsFor(file.body.delegations, path)) {
        if (visited.size > this.#limits.roles) return "stop";
        const found = visited.has(name) ? undefined : await search(name, await this.#delegatedRole(name, file));
        if (found !== undefined) return found;
        // Nobody after a terminating delegation may speak about the path, in this role or above it.
        if (terminating) return "stop";
      }
      return undefined;
    };
    const found = await search("targets", this.#current().targets);
    return found === "stop" ? undefined : found;
  }

  async findAll(paths: readonly string[]): Promise<ReadonlyMap<string, TargetFile | undefined>> {
    await this.#prefetchBins(paths);
    const found = new Map<string, TargetFile | undefined>();
    for (const path of paths) found.set(path, await this.find(path));
    return found;
  }

  /** Fetches the bins of many paths at once; each is verified as if it had come alone. */
  async #prefetchBins(paths: readonly string[]): Promise<void> {
    const { targets, snapshot, root, nowMs } = this.#current();
    const { delegations } = targets.body;
    if (delegations?.succinct === undefined) return;
    const bins = new Set(paths.flatMap((path) => delegationsFor(delegations, path).map(({ name }) => name)));
    const wanted: Visit[] = [];
    for (const role of bins) {
      if (this.#delegated.get(role)?.delegator === targets) continue;
      const file = await this.#keptTargets({ role, delegator: targets }, snapshot, nowMs);
      if (file === undefined) wanted.push({ role, delegator: targets });
      else this.#delegated.set(role, { delegator: targets, file });
    }
    const requests = wanted.map(({ role }) => this.#requestFor(role, snapshot, root.body.consistentSnapshot));
    const files = await this.#fetchMany(requests);
    for (const [i, visit] of wanted.entries()) {
      const file = await this.#acceptTargets(visit, snapshot, nowMs, requests[i]!.path, files[i]);
      this.#delegated.set(visit.role, { delegator: targets, file });
    }
  }

  async #fetchMany(requests: readonly MetadataRequest[]): Promise<readonly (Uint8Array | undefined)[]> {
    const { source } = this.#options;
    if (requests.length === 0) return [];
    const files = await (source.fetchMany?.(requests) ?? Promise.all(requests.map((request) => source.fetch(request))));
    return requests.map(({ path, maxBytes }, i) => this.#checkSize(path, maxBytes, files[i]));
  }

  pathOf(target: TargetFile): string {
    return targetPath(target, this.#current().root.body.consistentSnapshot);
  }

  async download(path: string, fetch: MetadataSource["fetch"]): Promise<Uint8Array> {
    const target = await this.find(path);
    if (target === undefined) {
      throw new MetadataError({
        code: "TARGET_UNKNOWN",
        message: `Cannot download "${path}": signed metadata knows no such file`,
        path,
      });
    }
    const bytes = await fetch({ path: this.pathOf(target), maxBytes: target.length });
    if (bytes === undefined) {
      throw new MetadataError({
        code: "TARGET_MISSING",
        message: `Cannot download "${path}": signed metadata promises it, but it is not served`,
        path,
      });
    }
    checkTarget(target, bytes, this.#rules.digests);
    return bytes;
  }
}

function metadataName(role: string): string {
  return metadataPath(role).slice(0, -".json".length);
}

function missing(path: string): MetadataError {
  return new MetadataError({
    code: "METADATA_MISSING",
    message: `Cannot update the registry's metadata: "${path}" is not served`,
    file: path,
  });
}

function summary({ root, timestamp, snapshot, targets }: Trusted, changed: boolean): RefreshedMetadata {
  const files = { root, timestamp, snapshot, targets };
  const log = readLogBinding(timestamp.body.raw);
  const delegations = readNameDelegations(targets.body.raw);
  return {
    versions: {
      root: root.body.version,
      timestamp: timestamp.body.version,
      snapshot: snapshot.body.version,
      targets: targets.body.version,
    },
    changed,
    expiresMs: Math.min(...Object.values(files).map(({ body }) => body.expiresMs)),
    development: root.body.raw["x-lading-development"] === true,
    ...(log === undefined ? {} : { log }),
    ...(delegations.length === 0 ? {} : { delegations }),
  };
}

/** Makes a client of signed registry metadata. It fetches nothing until {@link MetadataClient.refresh}. */
export function openMetadataClient(options: MetadataClientOptions): MetadataClient {
  return new Client(options);
}
