import { canonicalName, parsePackageName, type IndexDocument } from "@lading/core-manifest";
import {
  decodeLogEvent,
  hashLeaf,
  inclusionProof,
  LogError,
  readEntries,
  verifyInclusion,
  type Checkpoint,
  type ReadTile,
  type SubtreeHashes,
} from "@lading/signing/log";
import { isObject, stringList } from "../json.ts";
import { RegistryClientError } from "../registry-client-error.ts";
import { knownKeyChange, type KnownKeyChange } from "./known-key-change.ts";
import type { TrustStore } from "./trust-store.ts";

const FILE = "keys.json";
const FORMAT = "lading-known-keys/1";
/** How often the log is read on, milliseconds. */
const READ_EVERY_MS = 86_400_000;
/** Most entries that are read at once; of more, the oldest first. */
const READ_MAX = 2048;
/** How long a registry has to show a change in every document that it concerns, milliseconds. */
const SHOWN_WITHIN_MS = 3_600_000;
/** How old a timestamp can be that has not expired: what a server's lasts, milliseconds. */
const STATE_LASTS_MS = 86_400_000;
/** Clocks of one machine differ by no more; what is noted further ahead was noted by a clock that was wrong. */
const CLOCKS_MS = 60_000;
const KEY_MARK = Buffer.from('"type":"key"');

/** A change, with the time at which this machine learnt of it. */
interface Remembered extends KnownKeyChange {
  readonly learnt: number;
}

/** How far a log was read, and which changes of keys it is known to have. */
interface Known {
  readonly read: { readonly size: number; readonly at: number };
  readonly changes: readonly Remembered[];
}

/** The state of a registry that names a document. */
export interface HeldState {
  /** Size of the log that the timestamp is bound to. */
  readonly logSize: number;
  /** When the registry was asked for it, milliseconds since the epoch. */
  readonly checkedAt: number;
  /** How long ago its signatures may have run out, milliseconds. */
  readonly staleMs: number;
}

/** What is known of a document beside its content. */
export interface HeldDocument {
  /** Whether it is a copy of before what metadata names, in whose place no other can be read without network. */
  readonly superseded?: boolean;
  /** Fingerprints of keys whose signatures of the package were verified, whomever the document names. */
  readonly signers?: readonly string[];
}

/** A log that was followed. */
export interface FollowedLog {
  readonly seen: Checkpoint | undefined;
  readonly readTile: ReadTile;
}

/**
 * What a client knows of changes of publishers' keys, so that a registry cannot take back what it once said of one
 * (`docs/spec/registry-metadata.md` §8). It learns of them from index documents and, once a day, from the entries that the
 * log got since; from then on every document that a change concerns must list it.
 */
export class KeyMemory {
  readonly #store: TrustStore;
  readonly #registry: { readonly name: string; readonly url: string };
  readonly #now: () => number;
  #known: Promise<Known | undefined> | undefined;
  readonly #superseded = new WeakSet<IndexDocument>();

  constructor(store: TrustStore, registry: { readonly name: string; readonly url: string }, now: () => number) {
    this.#store = store;
    this.#registry = registry;
    this.#now = now;
  }

  /**
   * Begins to watch a log at its present state. With `replace`, all that was known is forgotten; without, what another
   * process has begun at the same moment stays, and what one left behind that was about to forget goes.
   */
  async begin({ seen }: FollowedLog, options: { readonly replace?: boolean } = {}): Promise<void> {
    if (seen === undefined) return;
    const known: Known = { read: { size: seen.size, at: this.#now() }, changes: [] };
    const isOfNow = (stored: Uint8Array): boolean => {
      const at = tryDecode(stored)?.read.at ?? 0;
      return Math.abs(this.#now() - at) <= CLOCKS_MS;
    };
    const unless = options.replace === true ? undefined : isOfNow;
    await this.#store.write(this.#registry.url, FILE, encode(known), { unless });
    this.#known = undefined;
  }

  /**
   * Reads the entries that a log got since it was read last, where that was a day ago.
   * @throws {LogError} `LOG_INCONSISTENT`, `LOG_TILE_MISSING`, `LOG_TILE_INVALID`; {RegistryClientError} `REGISTRY_TRUST_DAMAGED`
   */
  async readOn(log: FollowedLog): Promise<void> {
    const { seen } = log;
    if (seen === undefined) return;
    const known = await this.#load();
    if (known === undefined) return this.begin(log);
    const { read } = known;
    if (!this.#isDayOld(read.at) || seen.size <= read.size) return;
    const to = Math.min(seen.size, read.size + READ_MAX);
    const changes = await changesIn(seen, log.readTile, read.size, to);
    await this.#change((stored) => ({
      read: { size: Math.max(to, stored.read.size), at: this.#now() },
      changes: merged(stored.changes, changes, this.#now()),
    }));
  }

  #isDayOld(at: number): boolean {
    const age = this.#now() - at;
    return age >= READ_EVERY_MS || age < -CLOCKS_MS;
  }

  /** Forgets what was read of the file, which another is to take away. */
  forget(): void {
    this.#known = undefined;
  }

  /** Remembers changes, each of which is proven to be in the log. */
  async note(changes: readonly KnownKeyChange[]): Promise<void> {
    const known = await this.#load();
    // Where nothing was followed there is no log in which they could be.
    if (known === undefined || isSame(known.changes, merged(known.changes, changes, this.#now()))) return;
    await this.#change((stored) => ({ ...stored, changes: merged(stored.changes, changes, this.#now()) }));
  }

  /**
   * Demands that a document lists what is known of the keys that sign its package: what it listed before as soon as the state
   * that names it has the entry, anything else within an hour, and all of it once no older state can be in force.
   * @throws {RegistryClientError} `REGISTRY_KEY_CHANGE_WITHHELD`, `REGISTRY_TRUST_DAMAGED`; `REGISTRY_OFFLINE` of a copy that
   * is known not to be the newest, and lacks one
   */
  async hold(document: IndexDocument, state: HeldState, { superseded, signers }: HeldDocument = {}): Promise<void> {
    if (superseded === true) this.#superseded.add(document);
    const { changes = [] } = (await this.#load()) ?? {};
    if (changes.length === 0) return;
    const name = canonicalName(parsePackageName(document.name));
    const listed = listedEntries(document);
    const isOld = this.#superseded.has(document);
    const unlisted = changes.filter((one) => !listed.has(one.entry) && (isOld || isDue(one, name, state)));
    if (unlisted.length === 0) return;
    const keys = keysOf(document, signers);
    const missing = unlisted.find((one) => one.packages.includes(name) || concerns(one, keys));
    if (missing === undefined) return;
    throw (isOld ? outdated : withheld)(this.#registry.name, document.name, missing);
  }

  async #load(): Promise<Known | undefined> {
    this.#known ??= this.#read();
    try {
      return await this.#known;
    } catch (error) {
      this.#known = undefined;
      throw error;
    }
  }

  async #read(): Promise<Known | undefined> {
    const bytes = await this.#store.read(this.#registry.url, FILE);
    return bytes === undefined ? undefined : decode(bytes, this.#registry);
  }

  /** Another process may write at the same time: what it has learnt is kept, and what it has forgotten stays so. */
  async #change(edit: (stored: Known) => Known): Promise<void> {
    const { url } = this.#registry;
    for (let isOther = true; isOther;) {
      isOther = false;
      const stored = await this.#store.read(url, FILE);
      if (stored === undefined) return this.forget();
      const next = edit(decode(stored, this.#registry));
      const unless = (now: Uint8Array): boolean => {
        isOther = Buffer.compare(now, stored) !== 0;
        return isOther;
      };
      await this.#store.write(url, FILE, encode(next), { unless });
      if (!isOther) this.#known = Promise.resolve(next);
    }
  }
}

/**
 * Whether a document must list a change by now. Whoever has the registry's keys says to which log a timestamp is bound and
 * when an entry was logged: neither puts it off for longer than an older state could be in force.
 */
function isDue({ entry, logged, learnt, packages }: Remembered, name: string, state: HeldState): boolean {
  const { logSize, checkedAt, staleMs } = state;
  const shown = packages.includes(name) ? checkedAt : Math.min(Date.parse(logged), learnt) + SHOWN_WITHIN_MS;
  return (entry < logSize && checkedAt >= shown) || checkedAt >= learnt + SHOWN_WITHIN_MS + STATE_LASTS_MS + staleMs;
}

/** The changes of keys in a range of a log, each entry of which is proven to be where it is. */
async function changesIn(log: Checkpoint, tile: ReadTile, from: number, to: number): Promise<KnownKeyChange[]> {
  const read = remembering(tile);
  const subtrees: SubtreeHashes = new Map();
  const changes: KnownKeyChange[] = [];
  for await (const { index, entry } of readEntries(log.size, read, from, to)) {
    const proof = await inclusionProof(log.size, index, read, subtrees);
    const { size, root } = log;
    if (!verifyInclusion({ index, size, leafHash: hashLeaf(entry), proof, root })) throw differs(log.origin, index);
    const change = changeIn(index, entry);
    if (change !== undefined) changes.push(change);
  }
  return changes;
}

/** Entries that are proven one after the other share their tiles. */
function remembering(tile: ReadTile): ReadTile {
  const known = new Map<string, Promise<Uint8Array | undefined>>();
  return (path) => {
    const bytes = known.get(path) ?? tile(path);
    known.set(path, bytes);
    return bytes;
  };
}

function changeIn(index: number, entry: Uint8Array): KnownKeyChange | undefined {
  if (!Buffer.from(entry.buffer, entry.byteOffset, entry.length).includes(KEY_MARK)) return undefined;
  try {
    const event = decodeLogEvent(entry);
    return event.type === "key" ? knownKeyChange(index, event, []) : undefined;
  } catch (error) {
    // What this release cannot read it cannot hold a document to either.
    if (error instanceof LogError) return undefined;
    throw error;
  }
}

function differs(origin: string, index: number): LogError {
  return new LogError({
    code: "LOG_INCONSISTENT",
    message: `Cannot trust the log "${origin}": its entry ${index} is not the one that its checkpoint was signed for`,
    index,
  });
}

/** By entry, with the packages of both, and the time at which each was learnt first. */
function merged(known: readonly Remembered[], more: readonly KnownKeyChange[], now: number): readonly Remembered[] {
  const all = new Map(known.map((one) => [one.entry, one]));
  for (const one of more) {
    const { packages: before = [], learnt = now } = all.get(one.entry) ?? {};
    const packages = new Set([...before, ...one.packages]);
    all.set(one.entry, { ...one, packages: [...packages].sort(), learnt });
  }
  return [...all.values()].sort((left, right) => left.entry - right.entry);
}

function isSame(left: readonly KnownKeyChange[], right: readonly KnownKeyChange[]): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}

const bare = (print: string): string => print.replace(/^ed25519:/, "");

/** Key ids of those who signed a package: by its document, and by what was verified. */
function keysOf({ versions }: IndexDocument, verified: readonly string[] = []): ReadonlySet<string> {
  return new Set([...versions.flatMap(({ signers }) => signers), ...verified].map(bare));
}

/** Whether a change is of a key that signed the package, whoever published it. */
function concerns({ key, previous }: KnownKeyChange, keys: ReadonlySet<string>): boolean {
  return keys.has(bare(key)) || (previous !== undefined && keys.has(bare(previous)));
}

function listedEntries({ extra }: IndexDocument): ReadonlySet<unknown> {
  const keys: unknown = extra?.["keys"];
  return new Set(Array.isArray(keys) ? keys.map((item: unknown) => (isObject(item) ? item.entry : undefined)) : []);
}

function withheld(registry: string, name: string, change: KnownKeyChange): RegistryClientError {
  const { entry, account, key, previous, change: kind } = change;
  const what = { revoke: "revoked", rotate: "replaced", recover: "recovered" }[kind];
  return new RegistryClientError({
    code: "REGISTRY_KEY_CHANGE_WITHHELD",
    message: `Cannot trust the index of registry "${registry}" about "${name}": the key "${previous ?? key}" of "${account}" was ${what} in entry ${entry} of the log, and the index does not say so`,
    hint: "An attack would look like this: whoever has the registry's keys hides that a stolen key is no longer trusted. Install nothing of it that is new, and tell its operator and the package's owner",
    registry,
    package: name,
    entry,
  });
}

/** No accusation: there is a newer document, which may list it. */
function outdated(registry: string, name: string, { entry, account }: KnownKeyChange): RegistryClientError {
  const missing = `the index document of "${name}" that lists it`;
  return new RegistryClientError({
    code: "REGISTRY_OFFLINE",
    message: `Cannot use the copy of the index document of "${name}": entry ${entry} of the log changed a key of "${account}" since, and without network ${missing} of registry "${registry}" cannot be read`,
    hint: "Run the command once without --offline",
    registry,
    missing,
    superseded: true,
  });
}

function encode({ read, changes }: Known): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify({ format: FORMAT, read, changes }, undefined, 2)}\n`);
}

function decode(bytes: Uint8Array, { name, url }: { readonly name: string; readonly url: string }): Known {
  const known = tryDecode(bytes);
  if (known !== undefined) return known;
  throw new RegistryClientError({
    code: "REGISTRY_TRUST_DAMAGED",
    message: `Cannot use what is stored about the trust in ${url}: "${FILE}" cannot be read`,
    hint: "Get the registry's root from its operator and run: registry trust NAME --root FILE --replace",
    registry: name,
  });
}

function tryDecode(bytes: Uint8Array): Known | undefined {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
  if (!isObject(value) || value.format !== FORMAT || !isObject(value.read) || !Array.isArray(value.changes))
    return undefined;
  const { size, at } = value.read;
  if (!isCount(size) || typeof at !== "number") return undefined;
  const changes = value.changes.map((one) => changeOf(one, at));
  return changes.includes(undefined) ? undefined : { read: { size, at }, changes: changes as Remembered[] };
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const CHANGES: readonly KnownKeyChange["change"][] = ["rotate", "recover", "revoke"];

/** @param at when the file was written at the earliest */
function changeOf(value: unknown, at: number): Remembered | undefined {
  if (!isObject(value)) return undefined;
  const { entry, logged, account, key, previous, packages, learnt = at } = value;
  const change = CHANGES.find((one) => one === value.change);
  if (!isCount(entry) || change === undefined || typeof logged !== "string" || Number.isNaN(Date.parse(logged)))
    return undefined;
  if (typeof account !== "string" || typeof key !== "string" || !Array.isArray(packages)) return undefined;
  if (typeof learnt !== "number") return undefined;
  if (previous !== undefined && typeof previous !== "string") return undefined;
  const before = previous === undefined ? {} : { previous };
  return { entry, logged, account, change, key, ...before, packages: stringList(packages), learnt };
}
