import { decodeEntries, encodeEntries, entriesPath, HASH_BYTES, tilePath, TILE_WIDTH } from "@lading/signing/log";
import type { Verifier } from "@lading/signing";
import { isLadingError, type Digest } from "@lading/core-manifest";
import { packageOfIndexPath } from "../index-service.ts";
import type { BlobStore, Clock, MetadataStore } from "../ports.ts";
import { immutable, type ReadAnswer, type ReadHeaders } from "../read-answer.ts";
import { answerStored } from "../reads.ts";
import { RegistryError } from "../registry-error.ts";
import { parseTilePath } from "../trust/log-service.ts";
import { ServedFile } from "../trust/served-file.ts";
import { describeRoot } from "../trust/trust-service.ts";
import { CHECKPOINT } from "./mirror-log.ts";
import { MirrorSync, digestInPath, fetchBlob, type SyncReport } from "./mirror-sync.ts";
import { readBlob } from "./upstream-files.ts";
import { isChosen, type UpstreamOptions } from "./upstream-options.ts";
import { unavailable, type UpstreamSource } from "./upstream-source.ts";
import { readState, type UpstreamState } from "./upstream-state.ts";
import type { AgeException, UpstreamFile } from "./upstream-store.ts";

/** Bytes of small files in memory. */
const MEMORY_BYTES = 32 * 2 ** 20;
/** How long a state or a list of exceptions is believed: another server may have put a newer one. */
const BELIEVED_MS = 500;
/** How long an upstream that did not give a file is not asked for it again. */
const REFUSED_MS = 10_000;
const REFUSED_MAX = 10_000;
const STATEMENT_BYTES = 1024 * 1024;

/** What a tree needs. */
export interface TreePorts {
  readonly options: UpstreamOptions;
  /** Absent where the upstream's files are only carried here. */
  readonly source: UpstreamSource | undefined;
  readonly metadata: MetadataStore;
  readonly blobs: BlobStore;
  readonly clock: Clock;
  readonly verifier: Verifier | undefined;
  readonly packageBytes: number;
  readonly readPublic: boolean;
  /** For how long signatures may have run out when files are taken up: those that are carried take their time. */
  readonly allowedStaleMs?: number;
  /** Whether this registry has packages of that canonical name, or keeps the name for private ones. */
  readonly isOwn: (canonical: string) => Promise<boolean>;
}

/** How an upstream is, for people and programs. */
export interface TreeStatus {
  readonly name: string;
  readonly url: string | undefined;
  /** Nothing is served before the first look succeeded. */
  readonly state: UpstreamState | undefined;
  /** Entries of the upstream's feed that are not held, as of the last look. */
  readonly behind: number;
  /** Why the last look failed; absent where it did not. */
  readonly failure: { readonly code: string; readonly message: string; readonly at: number } | undefined;
  /** Fetched by this process. */
  readonly fetched: { readonly blobs: number; readonly bytes: number };
}

interface Believed<Value> {
  readonly value: Value;
  readonly until: number;
}

function absent(path: string): RegistryError {
  const code = path.startsWith("blobs/") ? "BLOB_NOT_FOUND" : "NOT_FOUND";
  const isPackage = packageOfIndexPath(path) !== undefined;
  return new RegistryError({
    code: isPackage ? "PACKAGE_NOT_FOUND" : code,
    message: `Cannot find "/${path.slice(0, 200)}": the upstream has no such file`,
  });
}

/** Whether a file may have other bytes at the next look. */
function isMutable(path: string): boolean {
  return (
    path === CHECKPOINT ||
    path === "metadata/timestamp.json" ||
    path.startsWith("feed/") ||
    packageOfIndexPath(path) !== undefined
  );
}

function typeOf(path: string): string {
  if (path.endsWith(".json")) return "application/json";
  return path === CHECKPOINT ? "text/plain; charset=utf-8" : "application/octet-stream";
}

/** The files of one upstream as this server gives them out: the upstream's own bytes, with its signatures and its log. */
export class UpstreamTree {
  readonly options: UpstreamOptions;
  readonly #ports: TreePorts;
  readonly #memory = new Map<Digest, ServedFile>();
  readonly #pulling = new Map<string, Promise<void>>();
  readonly #refused = new Map<string, { readonly until: number; readonly error: unknown }>();
  readonly #fetched = { blobs: 0, bytes: 0 };
  #used = 0;
  #state: Believed<UpstreamState | undefined> | undefined;
  #exceptions: Believed<readonly AgeException[]> | undefined;
  #latestFeed = 0;
  #failure: TreeStatus["failure"];
  #syncing: Promise<SyncReport> | undefined;

  constructor(ports: TreePorts) {
    this.#ports = ports;
    this.options = ports.options;
  }

  /** Whether a package's name belongs to the upstream, by its canonical form. */
  owns(canonical: string): boolean {
    return isChosen(this.options, canonical);
  }

  /** What is known of the upstream; `undefined` before the first look succeeded. */
  async state(): Promise<UpstreamState | undefined> {
    const now = performance.now();
    if (this.#state === undefined || this.#state.until < now) {
      const text = await this.#ports.metadata.upstreams.state(this.options.name);
      const value = text === undefined ? undefined : readState(text, this.options.name);
      this.#state = { value, until: now + BELIEVED_MS };
    }
    return this.#state.value;
  }

  async status(): Promise<TreeStatus> {
    const state = await this.state();
    return {
      name: this.options.name,
      url: this.options.url,
      state,
      behind: Math.max(0, this.#latestFeed - (state?.feed ?? 0)),
      failure: this.#failure,
      fetched: { ...this.#fetched },
    };
  }

  /**
   * Looks at the upstream now; one look at a time. What it served before is served on where this fails.
   * @throws {RegistryError} `UPSTREAM_UNAVAILABLE`, `UPSTREAM_REFUSED`
   */
  async sync(source: UpstreamSource | undefined = this.#ports.source, signal?: AbortSignal): Promise<SyncReport> {
    this.#syncing ??= this.#sync(source, signal).finally(() => {
      this.#syncing = undefined;
    });
    return this.#syncing;
  }

  async #sync(source: UpstreamSource | undefined, signal: AbortSignal | undefined): Promise<SyncReport> {
    const { options, metadata, blobs, clock, verifier, packageBytes, allowedStaleMs = 0 } = this.#ports;
    try {
      if (source === undefined) throw unavailable(options.name, "its files are carried here, it has no address");
      const sync = new MirrorSync({
        options,
        source,
        store: metadata.upstreams,
        blobs,
        clock,
        verifier,
        packageBytes,
        allowedStaleMs,
        signal,
        onFeed: (latest) => {
          this.#latestFeed = latest;
        },
      });
      const report = await sync.run();
      this.#failure = undefined;
      this.#fetched.blobs += report.blobs;
      this.#fetched.bytes += report.bytes;
      return report;
    } catch (error) {
      const code = isLadingError(error) ? error.code : "INTERNAL";
      this.#failure = { code, message: error instanceof Error ? error.message : "it failed", at: clock.now() };
      throw error;
    } finally {
      this.#state = undefined;
    }
  }

  /** What the tree says of itself, with addresses below `base`, which has no slash at its end. */
  async describe(base: string, more: Readonly<Record<string, unknown>>): Promise<Readonly<Record<string, unknown>>> {
    const state = await this.#requireState();
    const bytes = await this.file(`metadata/${state.root}.root.json`);
    if (bytes === undefined) throw absent(`metadata/${state.root}.root.json`);
    const { keys, ...root } = describeRoot(bytes);
    const { minimumAgeMs, url } = this.options;
    return {
      protocol: 1,
      name: state.title,
      mode: root.development ? "development" : "production",
      index: `${base}/`,
      blobs: `${base}/blobs/sha256/`,
      metadata: `${base}/metadata/`,
      feed: `${base}/feed/`,
      log: { origin: state.log.origin, key: state.log.key, url: `${base}/log/` },
      root,
      keys,
      mirror: {
        // What was carried here came without an address; then it is the one that the operator names.
        of: state.url === "" ? (url ?? "") : state.url,
        checked: new Date(state.checked).toISOString(),
        ...(minimumAgeMs === 0
          ? {}
          : { minimumReleaseAge: Math.ceil(minimumAgeMs / 1000), exceptions: await this.#exceptedVersions() }),
      },
      ...more,
    };
  }

  /** Bytes of a small file, as it is served; `undefined` where there is none. */
  async file(path: string): Promise<Uint8Array | undefined> {
    const found = await this.#find(path);
    if (found === undefined) return undefined;
    if (found.cut !== undefined) return found.cut;
    const served = await this.#served(found.file);
    return served?.bytes;
  }

  /**
   * Answers a read below the tree's address.
   * @throws {RegistryError} `NOT_FOUND`, `PACKAGE_NOT_FOUND`, `BLOB_NOT_FOUND`, `NOT_MIRRORED`, `RELEASE_TOO_YOUNG`,
   * `UPSTREAM_UNAVAILABLE`, `UPSTREAM_REFUSED`, `RANGE_NOT_SATISFIABLE`
   */
  async answer(path: string, headers: ReadHeaders): Promise<ReadAnswer> {
    const state = await this.#requireState();
    const found = await this.#find(path);
    if (found === undefined) throw absent(path);
    if (found.cut !== undefined) return this.#small(path, found.cut).answer(headers);
    if (path.startsWith("blobs/")) return this.#blob(found.file, headers);
    const served = await this.#served(found.file);
    if (served === undefined) throw absent(path);
    const answer = served.answer(headers);
    if (!isMutable(path)) return answer;
    // How long ago the upstream said so last (RFC 9111 §5.1).
    const age = Math.max(0, Math.floor((this.#ports.clock.now() - state.checked) / 1000));
    return { ...answer, headers: { ...answer.headers, age: String(age) } };
  }

  async #requireState(): Promise<UpstreamState> {
    const state = await this.state();
    if (state !== undefined) return state;
    throw unavailable(this.options.name, "nothing of it was fetched and verified yet");
  }

  async #find(path: string): Promise<{ readonly file: UpstreamFile; readonly cut?: Uint8Array } | undefined> {
    const file = await this.#ports.metadata.upstreams.file(this.options.name, path);
    if (file === undefined) return path.startsWith("log/tile/") ? this.#cutTile(path) : undefined;
    await this.#requireGiven(file);
    return { file };
  }

  /** A tile that was partial before: what is asked for is the beginning of a wider one. */
  async #cutTile(path: string): Promise<{ readonly file: UpstreamFile; readonly cut: Uint8Array } | undefined> {
    const place = parseTilePath(path.slice("log/".length));
    if (place === undefined || place.width === TILE_WIDTH) return undefined;
    const { level, index, width } = place;
    const pathOf = (wide: number): string =>
      `log/${level === undefined ? entriesPath(index, wide) : tilePath(level, index, wide)}`;
    const { upstreams } = this.#ports.metadata;
    const full = await upstreams.file(this.options.name, pathOf(TILE_WIDTH));
    const partial = full === undefined ? await upstreams.files(this.options.name, `${pathOf(TILE_WIDTH)}.p/`) : [];
    const file = full ?? partial.at(-1);
    const wide = file === undefined ? undefined : (parseTilePath(file.path.slice("log/".length))?.width ?? 0);
    if (file === undefined || wide === undefined || wide < width) return undefined;
    const bytes = await readBlob(this.#ports.blobs, file.digest);
    if (bytes === undefined) return undefined;
    if (level !== undefined) return { file, cut: bytes.slice(0, width * HASH_BYTES) };
    return { file, cut: encodeEntries(decodeEntries(bytes, wide).slice(0, width)) };
  }

  /** Refuses files of packages that this server does not give out. Signed metadata and log are of no package. */
  async #requireGiven(file: UpstreamFile): Promise<void> {
    if (file.package === undefined) return;
    const isBlob = file.path.startsWith("blobs/");
    const { isWholeServer } = this.options;
    // A mirror has the whole index: without it nothing that its signatures speak of could be verified.
    if (isWholeServer && !isBlob) return;
    if (!isWholeServer && !isChosen(this.options, file.package)) throw this.#notGiven(file);
    // Whoever has a name here has it alone: the upstream must not be able to slip in another package of it.
    if (!isWholeServer && (await this.#ports.isOwn(file.package))) throw this.#notGiven(file);
    if (isBlob) await this.#requireOldEnough(file);
  }

  #notGiven({ package: name }: UpstreamFile): RegistryError {
    return new RegistryError({
      code: "NOT_MIRRORED",
      message: `Cannot give out "${name}" of upstream "${this.options.name}": its packages here are ${this.options.packages.map((one) => `"${one}"`).join(", ")}, and no names that this registry has itself`,
    });
  }

  async #requireOldEnough(file: UpstreamFile): Promise<void> {
    const { minimumAgeMs, name } = this.options;
    const { package: of, version, published } = file;
    if (minimumAgeMs === 0 || version === undefined) return;
    const now = this.#ports.clock.now();
    const ready = published + minimumAgeMs;
    if (ready <= now) return;
    const excepted = (await this.#granted()).some(
      (one) => one.upstream === name && one.package === of && one.version === version && one.expires > now,
    );
    if (excepted) return;
    throw new RegistryError({
      code: "RELEASE_TOO_YOUNG",
      message: `Cannot give out "${of}" ${version} of upstream "${name}": it was published on ${new Date(published).toISOString()}, and is given out from ${new Date(ready).toISOString()} on`,
      hint: "Use an older version until then, or ask an administrator for an exception for this version",
      retryAfter: Math.ceil((ready - now) / 1000),
    });
  }

  /** `name@version` of what is given out though it is younger. */
  async #exceptedVersions(): Promise<readonly string[]> {
    const now = this.#ports.clock.now();
    const granted = await this.#granted();
    return granted
      .filter(({ upstream, expires }) => upstream === this.options.name && expires > now)
      .map(({ package: name, version }) => `${name}@${version}`)
      .sort();
  }

  async #granted(): Promise<readonly AgeException[]> {
    const now = performance.now();
    if (this.#exceptions === undefined || this.#exceptions.until < now)
      this.#exceptions = { value: await this.#ports.metadata.upstreams.exceptions(), until: now + BELIEVED_MS };
    return this.#exceptions.value;
  }

  async #blob(file: UpstreamFile, headers: ReadHeaders): Promise<ReadAnswer> {
    if (!file.held && this.options.fetch !== "on-demand") return this.#elsewhere(file);
    if (!file.held) await this.#pull(file, this.#ports.packageBytes);
    const stored = await this.#ports.blobs.open(file.digest);
    if (stored === undefined) throw absent(file.path);
    return answerStored(stored, file.digest, headers, {
      cacheControl: immutable(this.#ports.readPublic),
      blobs: this.#ports.blobs,
    });
  }

  #elsewhere(file: UpstreamFile): ReadAnswer {
    const { url, others, name } = this.options;
    if (others === "redirect" && url !== undefined) {
      const location = new URL(file.path, url.endsWith("/") ? url : `${url}/`).href;
      return { status: 307, headers: { location, "cache-control": "no-store", "content-length": "0" } };
    }
    const what = file.package === undefined ? `"/${file.path}"` : `"${file.package}" ${file.version ?? ""}`.trim();
    throw new RegistryError({
      code: "NOT_MIRRORED",
      message: `Cannot give out ${what}: this mirror holds files of ${this.options.packages.map((one) => `"${one}"`).join(", ")} only`,
      hint: `The upstream has it${url === undefined ? "" : `: ${url}`}`,
      upstream: name,
    });
  }

  async #served(file: UpstreamFile): Promise<ServedFile | undefined> {
    const known = this.#memory.get(file.digest);
    if (known !== undefined) return known;
    if (!file.held && this.options.fetch !== "on-demand") return undefined;
    if (!file.held) await this.#pull(file, 64 * 2 ** 20);
    const bytes = await readBlob(this.#ports.blobs, file.digest);
    if (bytes === undefined) return undefined;
    const served = this.#small(file.path, bytes);
    this.#memory.set(file.digest, served);
    this.#used += bytes.length;
    for (const [digest, oldest] of this.#memory) {
      if (this.#used <= MEMORY_BYTES) break;
      this.#memory.delete(digest);
      this.#used -= oldest.bytes.length;
    }
    return served;
  }

  #small(path: string, bytes: Uint8Array): ServedFile {
    const cacheControl = isMutable(path) ? "no-cache" : immutable(this.#ports.readPublic);
    return new ServedFile(bytes, { type: typeOf(path), cacheControl, compress: path.endsWith(".json") });
  }

  /** Fetches what somebody asks for first; whoever asks meanwhile waits for the same. */
  async #pull(file: UpstreamFile, maxBytes: number): Promise<void> {
    const refused = this.#refused.get(file.path);
    if (refused !== undefined && refused.until > performance.now()) throw refused.error;
    const running = this.#pulling.get(file.path) ?? this.#pullOnce(file, maxBytes);
    this.#pulling.set(file.path, running);
    try {
      await running;
    } finally {
      if (this.#pulling.get(file.path) === running) this.#pulling.delete(file.path);
    }
  }

  async #pullOnce(file: UpstreamFile, maxBytes: number): Promise<void> {
    const { source, blobs, options, metadata, clock } = this.#ports;
    if (source === undefined) throw unavailable(options.name, "its files are carried here, it has no address");
    const { path, digest } = file;
    // By its digest, where it has one: the plain path may have newer bytes by now.
    const asked = packageOfIndexPath(path) === undefined ? path : hashedPath(path, digest);
    const limit = digestInPath(path) !== digest && path.startsWith("blobs/") ? STATEMENT_BYTES : maxBytes;
    try {
      const bytes = await fetchBlob({ source, blobs, options }, { path: asked, digest, maxBytes: limit });
      await metadata.upstreams.update({ upstream: options.name, put: [{ ...file, held: true }], at: clock.now() });
      this.#fetched.blobs += 1;
      this.#fetched.bytes += bytes;
      this.#refused.delete(path);
    } catch (error) {
      if (this.#refused.size >= REFUSED_MAX) this.#refused.clear();
      this.#refused.set(path, { until: performance.now() + REFUSED_MS, error });
      throw error;
    }
  }
}

function hashedPath(path: string, digest: Digest): string {
  const slash = path.lastIndexOf("/") + 1;
  return `${path.slice(0, slash)}${digest.slice("sha256:".length)}.${path.slice(slash)}`;
}
