import {
  LadingError,
  canonicalName,
  digestHex,
  parseDigest,
  parseIndexDocument,
  parsePackageName,
  tryParseDigest,
  tryParsePackageName,
  type Digest,
  type IndexDocument,
} from "@lading/core-manifest";
import type { Verifier } from "@lading/signing";
import { decodeLogEvent, readEntries, type LogEvent, type UnknownLogEvent } from "@lading/signing/log";
import { checkTarget, targetPath, type TargetFile } from "@lading/signing/metadata";
import { packageOfIndexPath } from "../index-service.ts";
import type { BlobStore, Clock } from "../ports.ts";
import { RegistryError } from "../registry-error.ts";
import { inParallel } from "./http-source.ts";
import { heldTiles, mirrorLog, type MirroredLog } from "./mirror-log.ts";
import { mirrorMetadata, type MirroredMetadata, type WholeMetadata } from "./mirror-metadata.ts";
import { UpstreamFiles, plainFile, storeBytes } from "./upstream-files.ts";
import { isChosen, type UpstreamOptions } from "./upstream-options.ts";
import { refusedUpstream, unavailable, type UpstreamSource } from "./upstream-source.ts";
import { readState, type UpstreamState } from "./upstream-state.ts";
import type { UpstreamFile, UpstreamStore } from "./upstream-store.ts";

const PARALLEL = 6;
/** Documents that are fetched, and whose files are, before what was done is kept. */
const PART = 50;
/** How long readers of a moment ago find what they were told of. */
const KEPT_MS = 48 * 3_600_000;
const FEED_PAGE_BYTES = 1024 * 1024;
const FEED_ENTRIES = 1000;
/** Largest statement, key or statement about a key. */
const STATEMENT_BYTES = 1024 * 1024;

/** What a look at an upstream came to. */
export interface SyncReport {
  /** Whether the upstream had anything new. */
  readonly changed: boolean;
  /** Packages whose documents are new or changed. */
  readonly packages: number;
  /** Files fetched: packages, statements, keys. */
  readonly blobs: number;
  /** Their bytes. */
  readonly bytes: number;
  readonly state: UpstreamState;
}

/** What a look at an upstream needs. */
export interface SyncPorts {
  readonly options: UpstreamOptions;
  readonly source: UpstreamSource;
  readonly store: UpstreamStore;
  readonly blobs: BlobStore;
  readonly clock: Clock;
  readonly verifier: Verifier | undefined;
  /** Largest package file, in bytes. */
  readonly packageBytes: number;
  /** For how long signatures may have run out. */
  readonly allowedStaleMs?: number;
  /** Told how far it is, and how far the upstream's feed goes. */
  readonly onFeed?: (latest: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** A blob that an index document names. */
interface NamedBlob {
  readonly path: string;
  readonly digest: Digest;
  readonly maxBytes: number;
  /** Exact length, where the document states it. */
  readonly size?: number;
  /** Absent for keys, which are of several packages. */
  readonly package?: string;
  readonly version?: string;
  readonly published: number;
}

interface Work {
  readonly target: TargetFile;
  readonly name: string;
}

/** The path of a blob. */
export function blobPath(digest: Digest, side = ""): string {
  return `blobs/sha256/${digestHex(digest)}${side}`;
}

/** One look at an upstream: everything is verified and durable before any of it is served. */
export class MirrorSync {
  readonly #ports: SyncPorts;
  readonly #files: UpstreamFiles;
  readonly #nowMs: number;
  /** Digests of statements by the blob that they speak of. */
  readonly #statements = new Map<string, Digest>();
  /** Rows of what the log says was published since. */
  readonly #published: UpstreamFile[] = [];
  #wholeLog = false;
  #fetched = { blobs: 0, bytes: 0 };

  constructor(ports: SyncPorts) {
    this.#ports = ports;
    const { options, store, blobs, clock } = ports;
    this.#files = new UpstreamFiles(options.name, store, blobs);
    this.#nowMs = clock.now();
  }

  /**
   * Brings what is held up to date. What was fetched before a failure is kept and not fetched again; what is served changes
   * in one step at the end.
   * @throws {RegistryError} `UPSTREAM_UNAVAILABLE`; `UPSTREAM_REFUSED`, with the code of what does not hold as `reason`
   */
  async run(): Promise<SyncReport> {
    try {
      return await this.#run();
    } catch (error) {
      if (error instanceof RegistryError || !(error instanceof LadingError)) throw error;
      throw refusedUpstream(this.#name, error.message, error);
    }
  }

  get #name(): string {
    return this.#ports.options.name;
  }

  async #run(): Promise<SyncReport> {
    const { store, source, options, verifier } = this.#ports;
    const text = await store.state(this.#name);
    const before = text === undefined ? undefined : readState(text, this.#name);
    this.#requireSame(before);
    const description = await source.describe();
    // Before the metadata: what the feed told of by now is in it, or the upstream is hiding it.
    const feed = await this.#feed(before);
    const walk = { name: this.#name, source, files: this.#files, verifier };
    const metadata = await mirrorMetadata({
      ...walk,
      before,
      pin: options.root,
      nowMs: this.#nowMs - (this.#ports.allowedStaleMs ?? 0),
    });
    if (before !== undefined && !metadata.refreshed.changed && this.#isSameChoice(before)) {
      return this.#nothingNew({ ...before, feed, checked: this.#nowMs }, text);
    }
    const log = await this.#log(metadata, before, description.logKey);
    const whole = await metadata.whole();
    const work = await this.#work(whole.targets, before);
    for (let at = 0; at < work.length; at += PART) await this.#part(work.slice(at, at + PART));
    const state: UpstreamState = {
      url: options.url ?? before?.url ?? "",
      title: description.name ?? this.#name,
      anchor: metadata.anchor,
      root: metadata.refreshed.versions.root,
      timestamp: metadata.refreshed.versions.timestamp,
      expires: metadata.refreshed.expiresMs,
      log: {
        key: log.key,
        origin: log.checkpoint.origin,
        size: log.checkpoint.size,
        root: Buffer.from(log.checkpoint.root).toString("base64"),
      },
      feed,
      checked: this.#nowMs,
      changed: work.length > 0 || before === undefined ? this.#nowMs : before.changed,
      ...(options.fetch === "on-demand" ? {} : { packages: options.packages }),
    };
    await this.#switch(state, text, { whole, log });
    return { changed: work.length > 0 || before === undefined, packages: work.length, ...this.#fetched, state };
  }

  #isSameChoice(before: UpstreamState): boolean {
    const { fetch, packages } = this.#ports.options;
    return JSON.stringify(before.packages) === JSON.stringify(fetch === "on-demand" ? undefined : packages);
  }

  async #nothingNew(state: UpstreamState, follows: string | undefined): Promise<SyncReport> {
    await this.#ports.store.update({
      upstream: this.#name,
      put: await this.#files.store(),
      state: { text: JSON.stringify(state), follows },
      at: this.#nowMs,
    });
    return { changed: false, packages: 0, ...this.#fetched, state };
  }

  /** What is held of one registry must not become that of another because a line of the configuration changed. */
  #requireSame(before: UpstreamState | undefined): void {
    const { root, url } = this.#ports.options;
    if (before === undefined || url === undefined || before.url === "" || before.url === url || root !== undefined)
      return;
    throw refusedUpstream(
      this.#name,
      `it is "${url}" now and was "${before.url}", and no root says that both are one registry`,
    );
  }

  /** Follows the feed, and keeps its pages: whoever mirrors this mirror follows them. */
  async #feed(before: UpstreamState | undefined): Promise<number> {
    const { source, onFeed } = this.#ports;
    let latest = before?.feed ?? 0;
    for (let page = Math.floor(latest / FEED_ENTRIES); ; page += 1) {
      const path = `feed/${page}.json`;
      const [bytes] = await source.read([{ path, maxBytes: FEED_PAGE_BYTES }]);
      if (bytes === undefined) break;
      const { full, last } = readFeedPage(bytes, path, this.#name);
      this.#files.add(path, bytes);
      latest = Math.max(latest, last);
      if (!full) break;
    }
    onFeed?.(latest);
    return latest;
  }

  async #log(
    { refreshed }: MirroredMetadata,
    before: UpstreamState | undefined,
    described: string | undefined,
  ): Promise<MirroredLog> {
    const { source, verifier } = this.#ports;
    const binding = refreshed.log;
    const key = binding?.key ?? before?.log.key ?? described;
    if (binding === undefined || key === undefined) throw refusedUpstream(this.#name, "its timestamp states no log");
    this.#wholeLog = before === undefined;
    return mirrorLog({
      name: this.#name,
      source,
      files: this.#files,
      verifier,
      before,
      binding,
      key,
      onEntry: (_index, entry) => this.#noteEntry(entry),
    });
  }

  #noteEntry(entry: Uint8Array): void {
    const event = tryDecode(entry);
    if (event?.type === "key" && event.statement !== undefined) this.#published.push(unheld(event.statement));
    if (event?.type !== "publish") return;
    const name = tryParsePackageName(event.name);
    for (const { blob, envelope, signers = [] } of event.artifacts) {
      if (envelope !== undefined) this.#statements.set(blob, envelope);
      for (const signer of signers) this.#published.push(unheld(parseDigest(signer.replace("ed25519:", "sha256:"))));
      if (name === undefined) continue;
      const of = {
        package: canonicalName(name),
        version: event.version,
        published: Date.parse(event.time),
        held: false,
      };
      this.#published.push({ ...of, path: blobPath(blob), digest: blob });
      if (envelope !== undefined) this.#published.push({ ...of, path: blobPath(blob, ".sig"), digest: envelope });
    }
  }

  /** Documents that are new, changed, or of packages that were not chosen before. */
  async #work(targets: readonly TargetFile[], before: UpstreamState | undefined): Promise<Work[]> {
    const { options, store } = this.#ports;
    const held = new Map((await store.files(this.#name, "index/")).map(({ path, digest }) => [path, digest]));
    const isSameChoice = before !== undefined && this.#isSameChoice(before);
    const all = targets.flatMap((target) => {
      const name = packageOfIndexPath(target.path);
      return name === undefined ? [] : [{ target, name }];
    });
    return all.filter(({ target, name }) => {
      if (held.get(target.path) !== `sha256:${target.hashes["sha256"] ?? ""}`) return true;
      return options.fetch !== "on-demand" && !isSameChoice && isChosen(options, name);
    });
  }

  /** Fetches documents and what they name, and keeps it: where this ends early, the next look goes on after it. */
  async #part(work: readonly Work[]): Promise<void> {
    const { options, store, blobs, source, signal } = this.#ports;
    signal?.throwIfAborted();
    // What comes on demand is known by its digest until somebody asks.
    if (options.fetch === "on-demand") return;
    const missing: Work[] = [];
    const documents: { readonly work: Work; readonly bytes: Uint8Array }[] = [];
    for (const one of work) {
      const bytes = await this.#files.held(targetPath(one.target, true));
      if (bytes === undefined) missing.push(one);
      else documents.push({ work: one, bytes });
    }
    const found = await source.read(
      missing.map(({ target }) => ({ path: targetPath(target, true), maxBytes: target.length })),
    );
    const put: UpstreamFile[] = [];
    for (const [i, one] of missing.entries()) {
      const bytes = found[i];
      const path = targetPath(one.target, true);
      if (bytes === undefined) throw refusedUpstream(this.#name, `"${path}" is promised by its metadata and missing`);
      checkTarget(one.target, bytes);
      put.push({ ...plainFile(path, await storeBytes(blobs, bytes)), package: one.name });
      documents.push({ work: one, bytes });
    }
    const chosen = documents.filter(({ work: { name } }) => isChosen(options, name));
    const named = chosen.flatMap(({ work: { name }, bytes }) =>
      blobsOf(readDocument(bytes, this.#name), name, this.#ports),
    );
    await this.#noteStatements(named);
    put.push(...(await this.#fetchAll(named)));
    await store.update({ upstream: this.#name, put, at: this.#nowMs });
  }

  /** Statements are known by the log; of what was published before the last look, the log that is held tells. */
  async #noteStatements(named: readonly NamedBlob[]): Promise<void> {
    if (this.#wholeLog) return;
    const wanted = named.filter(({ path }) => path.endsWith(".sig"));
    const unknown = wanted.some(
      ({ path }) => !this.#statements.has(`sha256:${path.slice("blobs/sha256/".length, -4)}`),
    );
    if (!unknown) return;
    this.#wholeLog = true;
    const checkpoint = JSON.parse((await this.#ports.store.state(this.#name))!) as UpstreamState;
    const entries = readEntries(checkpoint.log.size, heldTiles({ read: (path) => this.#files.held(path) }));
    for await (const { entry } of entries) {
      const event = tryDecode(entry);
      if (event?.type !== "publish") continue;
      for (const { blob, envelope } of event.artifacts)
        if (envelope !== undefined && !this.#statements.has(blob)) this.#statements.set(blob, envelope);
    }
  }

  async #fetchAll(named: readonly NamedBlob[]): Promise<UpstreamFile[]> {
    const { store } = this.#ports;
    const unique = [...new Map(named.map((blob) => [blob.path, blob])).values()];
    const rows = await inParallel(unique, PARALLEL, async (blob) => {
      const known = await store.file(this.#name, blob.path);
      if (known?.held === true) return undefined;
      const side = blob.path.endsWith(".sig");
      const digest = side ? this.#statements.get(`sha256:${blob.path.slice("blobs/sha256/".length, -4)}`) : blob.digest;
      if (digest === undefined) {
        throw refusedUpstream(
          this.#name,
          `"${blob.path}" is promised by the index, and the log knows no such statement`,
        );
      }
      this.#fetched.bytes += await fetchBlob(this.#ports, { ...blob, digest });
      this.#fetched.blobs += 1;
      const { path, package: of, version, published } = blob;
      return {
        path,
        digest,
        held: true,
        ...(of === undefined ? {} : { package: of }),
        ...(version === undefined ? {} : { version }),
        published,
      };
    });
    return rows.filter((row) => row !== undefined);
  }

  /** Makes what was verified what is served, in one step. */
  async #switch(
    state: UpstreamState,
    follows: string | undefined,
    { whole, log }: { readonly whole: WholeMetadata; readonly log: MirroredLog },
  ): Promise<void> {
    const { store, options } = this.#ports;
    const index = whole.targets.flatMap((target): UpstreamFile[] => {
      const name = packageOfIndexPath(target.path);
      const digest = tryParseDigest(`sha256:${target.hashes["sha256"] ?? ""}`);
      if (name === undefined || digest === undefined) return [];
      const common = { digest, held: options.fetch !== "on-demand", package: name, published: 0 };
      return [target.path, targetPath(target, true)].map((path) => ({ ...common, path }));
    });
    const known = new Map((await store.files(this.#name, "index/")).map((file) => [file.path, file.digest]));
    const current = new Set(index.map(({ path }) => path));
    const stale = [...known.keys()].filter((path) => !current.has(path));
    const old = (await store.files(this.#name, "metadata/")).map(({ path }) => path);
    const stored = await store.update({
      upstream: this.#name,
      put: [
        ...this.#published,
        ...(await this.#files.store()),
        ...index.filter(({ path, digest }) => known.get(path) !== digest),
      ],
      // A document that is no more must not be found by its name; by its digest it may be for a while.
      removed: stale.filter((path) => packageOfIndexPath(path) !== undefined),
      superseded: [
        ...stale.filter((path) => packageOfIndexPath(path) === undefined),
        ...old.filter((path) => !whole.current.has(path)),
        ...log.superseded,
      ],
      state: { text: JSON.stringify(state), follows },
      at: this.#nowMs,
      forgetBefore: this.#nowMs - KEPT_MS,
    });
    if (!stored) throw unavailable(this.#name, "another server brought it up to date meanwhile");
  }
}

function unheld(digest: Digest): UpstreamFile {
  return { path: blobPath(digest), digest, held: false, published: 0 };
}

function tryDecode(entry: Uint8Array): LogEvent | UnknownLogEvent | undefined {
  try {
    return decodeLogEvent(entry);
  } catch (error) {
    // An entry of a later release is hashed like any other; what it says is not needed here.
    if (error instanceof LadingError) return undefined;
    throw error;
  }
}

/** @throws {RegistryError} `UPSTREAM_REFUSED` */
function readFeedPage(
  bytes: Uint8Array,
  path: string,
  upstream: string,
): { readonly full: boolean; readonly last: number } {
  try {
    const { full, entries } = JSON.parse(new TextDecoder().decode(bytes)) as {
      full: unknown;
      entries: { id: unknown }[];
    };
    const last = entries.at(-1)?.id ?? 0;
    if (typeof full === "boolean" && Number.isSafeInteger(last)) return { full, last: Number(last) };
  } catch {
    // Told below.
  }
  throw refusedUpstream(upstream, `"${path}" is no page of a feed`);
}

/** @throws {CoreError} `INDEX_DOCUMENT_INVALID`; {RegistryError} `UPSTREAM_REFUSED` for what is not JSON */
export function readDocument(bytes: Uint8Array, upstream: string): IndexDocument {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw refusedUpstream(upstream, "an index document is not JSON", cause);
  }
  return parseIndexDocument(value);
}

function keyStatements(document: IndexDocument): Digest[] {
  const keys = (document.extra as { keys?: unknown } | undefined)?.keys;
  const all = Array.isArray(keys) ? keys : [];
  return all.flatMap((one: unknown) => tryParseDigest((one as { statement?: unknown } | null)?.statement) ?? []);
}

/** Every blob that a client of a package asks for: its files, statements about them, keys, statements about keys. */
function blobsOf(
  document: IndexDocument,
  name: string,
  { packageBytes }: Pick<SyncPorts, "packageBytes">,
): NamedBlob[] {
  const of = canonicalName(parsePackageName(name));
  const small = (digest: Digest): NamedBlob => ({
    path: blobPath(digest),
    digest,
    maxBytes: STATEMENT_BYTES,
    published: 0,
  });
  const versions = document.versions.flatMap(({ version, artifacts, signers, published }): NamedBlob[] => {
    const common = { package: of, version, published: Date.parse(published) };
    const files = artifacts.flatMap(({ blob, size, statement }): NamedBlob[] => [
      { ...common, path: blobPath(blob), digest: blob, maxBytes: Math.min(size, packageBytes), size },
      ...(statement === undefined
        ? []
        : statement === "beside"
          ? [{ ...common, path: blobPath(blob, ".sig"), digest: blob, maxBytes: STATEMENT_BYTES }]
          : [{ ...small(statement), ...common }]),
    ]);
    // A signer's public key is a blob under its id.
    const keys = signers.flatMap((signer) => tryParseDigest(signer.replace(/^ed25519:/, "sha256:")) ?? []);
    return [...files, ...keys.map(small)];
  });
  return [...versions, ...keyStatements(document).map(small)];
}

/**
 * Fetches a blob and makes it durable; its bytes are compared with the digest before anybody can read them.
 * @returns its size
 * @throws {RegistryError} `UPSTREAM_REFUSED`, `UPSTREAM_UNAVAILABLE`
 */
export async function fetchBlob(
  { source, blobs, options }: Pick<SyncPorts, "source" | "blobs" | "options">,
  wanted: Pick<NamedBlob, "path" | "digest" | "maxBytes" | "size">,
): Promise<number> {
  const { path, digest, maxBytes, size } = wanted;
  // Also where the blob store has it: who names the digest of a private file has not shown that it has the file.
  const chunks = await source.open(path);
  if (chunks === undefined) throw refusedUpstream(options.name, `"${path}" is promised and missing`);
  const staged = await blobs.stage();
  try {
    let length = 0;
    for await (const chunk of chunks) {
      length += chunk.length;
      if (length > maxBytes)
        throw refusedUpstream(options.name, `"${path}" has more than the ${maxBytes} bytes that are allowed`);
      await staged.write(chunk);
    }
    const sealed = await staged.seal();
    if (sealed.digest !== digest || (size !== undefined && sealed.size !== size)) {
      throw refusedUpstream(options.name, `"${path}" has the digest "${sealed.digest}", stated is "${digest}"`);
    }
    await staged.commit();
    return sealed.size;
  } finally {
    await staged.discard();
  }
}

/** The digest that a blob's path is made of. */
export function digestInPath(path: string): Digest | undefined {
  const hex = /^blobs\/sha256\/([0-9a-f]{64})(?:\.sig)?$/.exec(path)?.[1];
  return hex === undefined ? undefined : parseDigest(`sha256:${hex}`);
}
