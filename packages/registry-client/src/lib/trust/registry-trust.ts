import type { Digest, IndexDocument } from "@lading/core-manifest";
import {
  openMetadataClient,
  parseMetadata,
  MetadataError,
  type MetadataClient,
  type RefreshedMetadata,
  type TargetFile,
} from "@lading/signing/metadata";
import { nodeDigests, nodeVerifier } from "@lading/signing/node";
import type { Checkpoint } from "@lading/signing/log";
import type { CallOptions } from "../client-types.ts";
import type { RegistryDescription } from "../ports.ts";
import { RegistryClientError } from "../registry-client-error.ts";
import type { TrustPorts } from "./trust-ports.ts";
import type { TrustSettings, TrustView, TrustWalk } from "./trust-types.ts";
import { explained } from "./attacks.ts";
import { findAnchor } from "./anchor.ts";
import { gathered } from "./gathered.ts";
import { KeyMemory, type HeldDocument } from "./key-memory.ts";
import { noteUnsigned, RECORD } from "./lazy-walk.ts";
import { CHECKPOINT_BYTES, CHECKPOINT_PATH, LogFollower, type WitnessDemand } from "./log-follower.ts";
import { digestOf, knownRootOf, TrustFiles } from "./trust-files.ts";
import {
  decodeTrustRecord,
  encodeTrustRecord,
  type AnchorSource,
  type KnownRoot,
  type TrustRecord,
} from "./trust-record.ts";
import type { BeginOptions } from "./trust-client-types.ts";
import { TrustSource, type TrustLocation } from "./trust-source.ts";

/** The root that trust began with, where the one in force is damaged. */
const ANCHOR = "anchor.root.json";
const CHECKPOINT = "checkpoint";
const CONTACT = "contact.json";
const TIMESTAMP_BYTES = 16_384;
const ROOT_BYTES = 512_000;
/** Files that were put together at another moment: a mirror in the middle of an update looks so for a second. */
const TORN: ReadonlySet<string> = new Set([
  "METADATA_VERSION_MISMATCH",
  "METADATA_LENGTH_MISMATCH",
  "METADATA_DIGEST_MISMATCH",
  "METADATA_MISSING",
]);
const TORN_PAUSE_MS = 500;
const CRYPTO = { verifier: nodeVerifier, digests: nodeDigests };

/** What a walk came to. */
interface Walked {
  readonly record: TrustRecord;
  readonly refreshed: RefreshedMetadata;
  readonly client: MetadataClient;
  readonly files: TrustFiles;
  readonly source: TrustSource;
  readonly log: LogFollower | undefined;
  readonly checkedAt: number;
}

/** One registry's signed metadata and log, walked in the order of `docs/spec/registry-metadata.md` §6 once per process. */
export class RegistryTrust implements TrustWalk {
  readonly #session: TrustPorts;
  readonly #settings: TrustSettings;
  readonly #keys: KeyMemory;
  #view: Promise<TrustView | undefined> | undefined;
  #noted = false;

  constructor(session: TrustPorts, settings: TrustSettings) {
    this.#session = session;
    this.#settings = settings;
    this.#keys = new KeyMemory(settings.store, session.registry, () => session.clock.now());
  }

  /**
   * The verified state of the registry, asked for at the first call of this process; `undefined` where the registry has no
   * signed metadata, never had any, and nobody demands it.
   * @throws {MetadataError} {LogError} what is wrong, with the attack it would be; {RegistryClientError}
   * `REGISTRY_TRUST_WITHDRAWN`, `REGISTRY_METADATA_REQUIRED`, `REGISTRY_TRUST_DAMAGED`, `REGISTRY_TRUST_STALE`
   */
  async view(options: CallOptions): Promise<TrustView | undefined> {
    const pending = (this.#view ??= this.#walk(options));
    try {
      return await pending;
    } catch (error) {
      if (this.#view === pending) this.#view = undefined;
      throw error;
    }
  }

  /** Asks the registry again. */
  async refresh(options: CallOptions): Promise<TrustView | undefined> {
    await this.#view?.catch(() => undefined);
    this.#view = undefined;
    return this.view(options);
  }

  get #url(): string {
    return this.#session.registry.url;
  }

  /** What is demanded of the log beside the registry's own word. */
  get #demand(): WitnessDemand | undefined {
    const { witnesses, witnessThreshold = witnesses.length } = this.#session.registry;
    return witnesses.length === 0 ? undefined : { witnesses, threshold: witnessThreshold };
  }

  /** Whether nothing may be asked over a network. */
  get #closed(): boolean {
    return this.#session.offline && !this.#url.startsWith("file:");
  }

  async #walk(options: CallOptions): Promise<TrustView | undefined> {
    try {
      const stored = await this.#settings.store.read(this.#url, RECORD);
      const record = stored === undefined ? undefined : decodeTrustRecord(stored, this.#url);
      if (this.#closed) return await this.#fromStore(record);
      const known = await this.#session.describe(options);
      // What trust begins with is not an hour old.
      const begins = record === undefined && known.metadata !== undefined;
      const description = begins ? await this.#session.describeAgain(options) : known;
      const location = this.#locate(description, record);
      if (location === undefined) return undefined;
      return await this.#whole(() =>
        record === undefined
          ? this.#firstContact(description, location, options)
          : this.#contact(record, description, location, options),
      );
    } catch (error) {
      throw explained(error, this.#session.registry.name);
    }
  }

  async #whole(walk: () => Promise<TrustView>): Promise<TrustView> {
    try {
      return await walk();
    } catch (error) {
      if (!(error instanceof MetadataError) || !TORN.has(error.code)) throw error;
      await this.#session.clock.sleep(TORN_PAUSE_MS);
      return walk();
    }
  }

  /** @throws {RegistryClientError} where a registry that must have signed metadata offers none */
  #locate(description: RegistryDescription, record: TrustRecord | undefined): TrustLocation | undefined {
    const { metadata, index, files, log } = description;
    if (metadata !== undefined) return { metadata, index, files, log: log?.url };
    const { name, root } = this.#session.registry;
    if (record !== undefined) {
      throw new RegistryClientError({
        code: "REGISTRY_TRUST_WITHDRAWN",
        message: `Cannot trust registry "${name}": it had signed metadata since ${record.anchor.at}, and offers none now`,
        hint: "An attack would look like this: somebody without the registry's keys answers in its place. Ask the operator; if the registry gave its keys up on purpose, run: registry trust NAME --forget",
        registry: name,
      });
    }
    if (root !== undefined) throw metadataRequired(name, `its root is pinned as "${root}"`);
    if (this.#demand !== undefined) throw metadataRequired(name, "witnesses of its log are demanded");
    this.#note();
    return undefined;
  }

  #note(): void {
    if (this.#noted) return;
    this.#noted = true;
    noteUnsigned(this.#session);
  }

  async #firstContact(
    description: RegistryDescription,
    location: TrustLocation,
    options: CallOptions,
  ): Promise<TrustView> {
    const source = new TrustSource(this.#session, location, options);
    const pin = this.#session.registry.root;
    const newest = description.root?.version ?? 1;
    await this.#prefetch(source, newest, { also: newest });
    const root = await findAnchor({ description, pin, registry: this.#session.registry.name, source });
    const how: AnchorSource = pin === undefined ? "first-use" : "configured";
    return this.#begin(root, { how, keys: "begun" }, source, description);
  }

  async begin(root: Uint8Array, options: BeginOptions): Promise<TrustView> {
    const { name } = this.#session.registry;
    try {
      const anchor = knownRootOf(root);
      this.#session.requireOnline(`begin to trust registry "${name}"`, "its signed metadata");
      const replaces = options.replace === true;
      const isKnown = !replaces && (await this.#isKnown(anchor));
      const description = await this.#session.describeAgain(options);
      const { metadata, index, files, log } = description;
      if (metadata === undefined) throw metadataRequired(name, `its root is pinned as "${anchor.digest}"`);
      const source = new TrustSource(this.#session, { metadata, index, files, log: log?.url }, options);
      // By a root that was followed already nothing begins anew: what is known of keys stays.
      const keys = isKnown ? "kept" : replaces ? "replaced" : "begun";
      const view = await this.#begin(root, { how: "file", keys }, source, description);
      this.#view = Promise.resolve(view);
      return view;
    } catch (error) {
      throw explained(error, name);
    }
  }

  /** Whether a root is one by which the registry is trusted. @throws {RegistryClientError} where it is by others */
  async #isKnown(anchor: KnownRoot): Promise<boolean> {
    const stored = await this.#settings.store.read(this.#url, RECORD);
    if (stored === undefined) return false;
    const { roots } = decodeTrustRecord(stored, this.#url);
    if (roots.some(({ digest }) => digest === anchor.digest)) return true;
    const { name } = this.#session.registry;
    throw new RegistryClientError({
      code: "REGISTRY_TRUST_EXISTS",
      message: `Cannot trust registry "${name}" by the root "${anchor.digest}": it is trusted by "${roots.at(-1)!.digest}" already`,
      hint: "If the operator confirms the new root over another channel, give --replace",
      registry: name,
    });
  }

  async remember(): Promise<void> {
    const view = await this.#view;
    const seen = view?.log?.seen;
    if (seen !== undefined) await this.#put(CHECKPOINT, seen.bytes, false, isLongerLog(seen));
  }

  async forget(): Promise<boolean> {
    const known = (await this.#settings.store.read(this.#url, RECORD)) !== undefined;
    await this.#settings.store.clear(this.#url);
    this.#view = undefined;
    this.#keys.forget();
    return known;
  }

  /** Begins to trust a registry by a root; nothing is kept unless everything holds. */
  async #begin(
    root: Uint8Array,
    { how, keys }: { readonly how: AnchorSource; readonly keys: "begun" | "replaced" | "kept" },
    source: TrustSource,
    description: RegistryDescription,
  ): Promise<TrustView> {
    const now = this.#session.clock.now();
    const anchor = { ...knownRootOf(root), how, at: new Date(now).toISOString() };
    const files = new TrustFiles(this.#settings.store, this.#url, true);
    const client = openMetadataClient({ root, source, store: files, ...CRYPTO });
    const refreshed = await this.#refreshed(client, now);
    const log = await this.#follow(undefined, refreshed, description, source);
    const record = {
      registry: this.#url,
      anchor,
      roots: uniqueRoots([{ version: anchor.version, digest: anchor.digest }, ...files.roots]),
      ...(log === undefined ? {} : { log: { key: log.key } }),
    };
    // Who gives a root begins anew; two that meet a registry for the first time at once may not.
    const replace = how === "file";
    await files.commit({ replace });
    await this.#keep(log, now, replace);
    if (log !== undefined && keys !== "kept") await this.#keys.begin(log, { replace: keys === "replaced" });
    await this.#put(ANCHOR, root, true);
    await this.#put(RECORD, encodeTrustRecord(record), true);
    if (how === "first-use") this.#announce(record, refreshed);
    return this.#viewOf({ record, refreshed, client, files, source, log, checkedAt: now });
  }

  #announce({ anchor }: TrustRecord, { development }: RefreshedMetadata): void {
    const { name } = this.#session.registry;
    this.#session.onEvent({
      type: "info",
      message: `Registry "${name}" is trusted from now on by its root ${anchor.digest} (version ${anchor.version}${development ? ", development keys that lie on the server" : ""}); compare it with what its operator publishes`,
    });
  }

  async #contact(
    record: TrustRecord,
    description: RegistryDescription,
    location: TrustLocation,
    options: CallOptions,
  ): Promise<TrustView> {
    const source = new TrustSource(this.#session, location, options);
    const files = new TrustFiles(this.#settings.store, this.#url, false);
    const root = await this.#anchorOf(record);
    await this.#checkPin(record, source);
    const now = this.#session.clock.now();
    const client = openMetadataClient({ root, source, store: files, ...CRYPTO });
    await this.#prefetch(source, await versionOf(files, root), {
      timestamp: await files.read("timestamp"),
      checkpoint: await this.#settings.store.read(this.#url, CHECKPOINT),
    });
    const refreshed = await this.#refreshed(client, now);
    const log = await this.#follow(record, refreshed, description, source);
    await this.#keep(log, now);
    // A part of a registry has the hashes of its log, and no entries.
    if (log !== undefined && this.#session.transport.partial !== true) await this.#keys.readOn(log);
    const next = await this.#advanced(record, files, log);
    return this.#viewOf({ record: next, refreshed, client, files, source, log, checkedAt: now });
  }

  get #staleMs(): number {
    return this.#session.registry.staleMs ?? 0;
  }

  /** Up to date by the time from which on signatures must hold, which may be a while ago where the registry is cut off. */
  async #refreshed(client: MetadataClient, now: number): Promise<RefreshedMetadata> {
    const refreshed = await client.refresh(now - this.#staleMs);
    if (refreshed.expiresMs <= now) {
      const { name } = this.#session.registry;
      this.#session.onEvent({
        type: "warning",
        code: "REGISTRY_STATE_OLD",
        message: `The signatures of registry "${name}" ran out ${days(now - refreshed.expiresMs)} ago, allowed are ${days(this.#staleMs)}; newer versions, yanks and revocations are not seen`,
      });
    }
    return refreshed;
  }

  /** What every contact begins with, in one request where the registry offers it. */
  async #prefetch(
    source: TrustSource,
    version: number,
    known: {
      readonly also?: number;
      readonly timestamp?: Uint8Array | undefined;
      readonly checkpoint?: Uint8Array | undefined;
    },
  ): Promise<void> {
    const { also, timestamp, checkpoint } = known;
    await source.prefetch([
      ...(also === undefined ? [] : [{ path: `metadata/${also}.root.json`, maxBytes: ROOT_BYTES }]),
      { path: `metadata/${version + 1}.root.json`, maxBytes: ROOT_BYTES },
      { path: "metadata/timestamp.json", maxBytes: TIMESTAMP_BYTES, known: timestamp },
      { path: CHECKPOINT_PATH, maxBytes: CHECKPOINT_BYTES, known: checkpoint },
    ]);
  }

  async #follow(
    record: TrustRecord | undefined,
    { log: binding }: RefreshedMetadata,
    description: RegistryDescription,
    source: TrustSource,
  ): Promise<LogFollower | undefined> {
    // Signed metadata says which key the log has now; a description only where nothing better does.
    const key = binding?.key ?? record?.log?.key ?? description.log?.key;
    if (binding === undefined && record?.log === undefined && this.#demand === undefined) return undefined;
    if (binding === undefined || key === undefined) {
      const { name } = this.#session.registry;
      throw new RegistryClientError({
        code: "REGISTRY_TRUST_WITHDRAWN",
        message: `Cannot trust registry "${name}": ${binding === undefined ? "its timestamp no longer states a log" : "it names no key of the log that its timestamp states"}`,
        hint: "An attack would look like this: somebody hides what the registry published. Ask the operator",
        registry: name,
      });
    }
    const seen = record?.log === undefined ? undefined : await this.#settings.store.read(this.#url, CHECKPOINT);
    const follower = new LogFollower(source, key, seen, { former: record?.log?.key, demand: this.#demand });
    await follower.follow(binding);
    return follower;
  }

  async #keep(log: LogFollower | undefined, now: number, replace = false): Promise<void> {
    const seen = log?.seen;
    if (seen !== undefined) await this.#put(CHECKPOINT, seen.bytes, false, replace ? undefined : isLongerLog(seen));
    const contact = new TextEncoder().encode(`${JSON.stringify({ checkedAt: now })}\n`);
    await this.#put(CONTACT, contact, false, (stored) => isLaterContact(stored, now));
  }

  #put(name: string, bytes: Uint8Array, durable = false, unless?: (stored: Uint8Array) => boolean): Promise<void> {
    return this.#settings.store.write(this.#url, name, bytes, { durable, unless });
  }

  async #advanced(record: TrustRecord, files: TrustFiles, log: LogFollower | undefined): Promise<TrustRecord> {
    const roots = uniqueRoots([...record.roots, ...files.roots]);
    const next = { ...record, roots, ...(log === undefined ? {} : { log: logRecord(record, log.key) }) };
    if (roots.length === record.roots.length && record.log?.key === log?.key) return record;
    await this.#put(RECORD, encodeTrustRecord(next), true, (stored) => hasMoreRoots(stored, next));
    return next;
  }

  /** The root that trust began with. */
  async #anchorOf({ anchor }: TrustRecord): Promise<Uint8Array> {
    const bytes = await this.#settings.store.read(this.#url, ANCHOR);
    if (bytes !== undefined && digestOf(bytes) === anchor.digest) return bytes;
    throw new RegistryClientError({
      code: "REGISTRY_TRUST_DAMAGED",
      message: `Cannot use what is stored about the trust in ${this.#url}: its first root is ${bytes === undefined ? "missing" : "not the one that was stored"}`,
      hint: "Get the registry's root from its operator and run: registry trust NAME --root FILE --replace",
      registry: this.#session.registry.name,
    });
  }

  /** A root that is pinned later than trust began must be one of those that were followed, or lead to them. */
  async #checkPin({ roots }: TrustRecord, source: TrustSource): Promise<void> {
    const pin = this.#session.registry.root;
    if (pin === undefined || roots.some(({ digest }) => digest === pin)) return;
    const { name } = this.#session.registry;
    const older = await findAnchor({
      description: { root: { version: roots[0]!.version } },
      pin,
      registry: name,
      source,
    });
    const memory = new TrustFiles(this.#settings.store, this.#url, true);
    const client = openMetadataClient({ root: older, rootPin: pin, source, store: memory, ...CRYPTO });
    await client.refresh(this.#session.clock.now() - this.#staleMs);
    if (memory.roots.some(({ digest }) => roots.some((known) => known.digest === digest))) return;
    throw new MetadataError({
      code: "METADATA_ROOT_PIN_MISMATCH",
      message: `Cannot trust the root of the registry: it was trusted by "${roots[0]!.digest}", pinned is "${pin}", and one does not lead to the other`,
      found: roots[0]!.digest,
      pinned: pin,
    });
  }

  async #viewOf({ record, refreshed, client, files, source, log, checkedAt }: Walked): Promise<TrustView> {
    source.endCall();
    const find = gathered((paths: readonly string[]) =>
      this.#explaining(async () => {
        const found = await client.findAll(paths);
        return paths.map((path) => found.get(path));
      }),
    );
    const read = gathered((targets: readonly TargetFile[], options) =>
      source.get(
        targets.map((target) => ({ path: client.pathOf(target), maxBytes: target.length, length: target.length })),
        options,
      ),
    );
    const bytes = (await files.read("root"))!;
    const root = { bytes, digest: digestOf(bytes) };
    const keys = this.#keys;
    const state = { logSize: refreshed.log?.size ?? 0, checkedAt, staleMs: this.#staleMs };
    const hold = (document: IndexDocument, found?: HeldDocument): Promise<void> => keys.hold(document, state, found);
    return { record, refreshed, root, checkedAt, log, keys, hold, find, read };
  }

  async #explaining<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw explained(error, this.#session.registry.name);
    }
  }

  /** The state of the last contact, without network. */
  async #fromStore(record: TrustRecord | undefined): Promise<TrustView | undefined> {
    const { registry } = this.#session;
    if (record === undefined) {
      if (registry.root !== undefined) {
        this.#session.requireOnline(`trust registry "${registry.name}"`, "its signed metadata");
      }
      return undefined;
    }
    const checkedAt = await this.#lastContact();
    const files = new TrustFiles(this.#settings.store, this.#url, false);
    const timestamp = await files.read("timestamp");
    const client = openMetadataClient({
      root: await this.#anchorOf(record),
      source: { fetch: ({ path }) => Promise.resolve(path === "timestamp.json" ? timestamp : undefined) },
      store: files,
      ...CRYPTO,
    });
    // As it was then: what it is worth today is the caller's to judge, by its age.
    const refreshed = await client.refresh(checkedAt - this.#staleMs);
    this.#judgeAge(checkedAt, refreshed.expiresMs);
    const offline = new TrustSource(this.#session, { metadata: this.#url, index: this.#url }, {});
    const seen = await this.#settings.store.read(this.#url, CHECKPOINT);
    const log = record.log === undefined ? undefined : new LogFollower(offline, record.log.key, seen);
    return this.#viewOf({ record, refreshed, client, files, source: offline, log, checkedAt });
  }

  async #lastContact(): Promise<number> {
    const bytes = await this.#settings.store.read(this.#url, CONTACT);
    const checkedAt = bytes === undefined ? undefined : checkedAtIn(bytes);
    if (checkedAt !== undefined) return checkedAt;
    this.#session.requireOnline(`trust registry "${this.#session.registry.name}"`, "when it was asked last");
    return 0;
  }

  #judgeAge(checkedAt: number, expiresMs: number): void {
    const { name } = this.#session.registry;
    const { offlineMaxAgeMs } = this.#settings;
    const now = this.#session.clock.now();
    const age = now - checkedAt;
    const shown = new Date(checkedAt).toISOString().slice(0, 16).replace("T", " ");
    if (age > offlineMaxAgeMs) {
      throw new RegistryClientError({
        code: "REGISTRY_TRUST_STALE",
        message: `Cannot work offline from registry "${name}": it was asked last on ${shown} UTC, ${days(age)} ago, allowed are ${days(offlineMaxAgeMs)}`,
        hint: "Run the command once without --offline: a state that is never renewed hides every fix and every revocation",
        registry: name,
        ageMs: age,
        allowedMs: offlineMaxAgeMs,
      });
    }
    if (expiresMs > now) return;
    this.#session.onEvent({
      type: "warning",
      code: "REGISTRY_STATE_OLD",
      message: `Working offline from what registry "${name}" stated on ${shown} UTC, ${days(age)} ago; newer versions, yanks and revocations are not seen`,
    });
  }
}

/** Clocks of one machine differ by no more; a contact that is further ahead was recorded by a clock that was wrong. */
const CLOCKS_MS = 60_000;

/** Whether another process has been in contact since, as far as that can be. */
function isLaterContact(stored: Uint8Array, now: number): boolean {
  const at = checkedAtIn(stored);
  return at !== undefined && at > now && at <= now + CLOCKS_MS;
}

/** Whether a stored checkpoint is of a longer log of the same origin; both were followed from what was seen before. */
function isLongerLog(seen: Checkpoint): (stored: Uint8Array) => boolean {
  return (stored) => {
    const [origin, size] = new TextDecoder().decode(stored).split("\n", 2);
    return origin === seen.origin && /^\d{1,15}$/.test(size ?? "") && Number(size) > seen.size;
  };
}

/** Whether a stored record knows all the roots of this one, and further ones. */
function hasMoreRoots(stored: Uint8Array, next: TrustRecord): boolean {
  try {
    const { roots } = decodeTrustRecord(stored, next.registry);
    const isKnown = (digest: Digest): boolean => roots.some((root) => root.digest === digest);
    return roots.length > next.roots.length && next.roots.every(({ digest }) => isKnown(digest));
  } catch {
    // What is damaged is replaced.
    return false;
  }
}

function checkedAtIn(bytes: Uint8Array): number | undefined {
  try {
    const { checkedAt } = JSON.parse(new TextDecoder().decode(bytes)) as { checkedAt?: unknown };
    return typeof checkedAt === "number" && Number.isSafeInteger(checkedAt) ? checkedAt : undefined;
  } catch {
    return undefined;
  }
}

function metadataRequired(name: string, demand: string): RegistryClientError {
  return new RegistryClientError({
    code: "REGISTRY_METADATA_REQUIRED",
    message: `Cannot trust registry "${name}": ${demand}, and it offers no signed metadata`,
    hint: "An attack would look like this: somebody without the registry's keys answers in its place. Ask the operator",
    registry: name,
  });
}

function days(ms: number): string {
  const count = Math.floor(ms / 86_400_000);
  return count === 1 ? "1 day" : `${count} days`;
}

function logRecord({ log }: TrustRecord, key: string): NonNullable<TrustRecord["log"]> {
  const former = [...(log?.former ?? []), ...(log === undefined || log.key === key ? [] : [log.key])];
  return { key, ...(former.length === 0 ? {} : { former }) };
}

function uniqueRoots(roots: readonly KnownRoot[]): KnownRoot[] {
  return roots.filter((root, i) => roots.findIndex(({ digest }) => digest === root.digest) === i);
}

async function versionOf(files: TrustFiles, anchor: Uint8Array): Promise<number> {
  try {
    return parseMetadata((await files.read("root")) ?? anchor, "root").body.version;
  } catch {
    // A damaged one: the walk begins with the anchor again.
    return parseMetadata(anchor, "root").body.version;
  }
}
