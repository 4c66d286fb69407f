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
const KEY_MARK = Buffer.from('"type":"key"');

/** How far a log was read, and which changes of keys it is known to have. */
interface Known {
  readonly read: { readonly size: number; readonly at: number };
  readonly changes: readonly KnownKeyChange[];
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

  constructor(store: TrustStore, registry: { readonly name: string; readonly url: string }, now: () => number) {
    this.#store = store;
    this.#registry = registry;
    this.#now = now;
  }

  /** Begins to watch a log at its present state. With `replace`, what was known of another one is forgotten. */
  async begin({ seen }: FollowedLog, options: { readonly replace?: boolean } = {}): Promise<void> {
    if (seen === undefined) return;
    const known: Known = { read: { size: seen.size, at: this.#now() }, changes: [] };
    const unless = options.replace === true ? undefined : () => true;
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
    if (this.#now() - read.at < READ_EVERY_MS || seen.size <= read.size) return;
    const to = Math.min(seen.size, read.size + READ_MAX);
    const changes = await changesIn(seen, log.readTile, read.size, to);
    await this.#change((stored) => ({
      read: { size: Math.max(to, stored?.read.size ?? 0), at: this.#now() },
      changes: merged(stored?.changes ?? [], changes),
    }));
  }

  /** Remembers changes, each of which is proven to be in the log. */
  async note(changes: readonly KnownKeyChange[]): Promise<void> {
    const known = await this.#load();
    // Where nothing was followed there is no log in which they could be.
    if (known === undefined || isSame(known.changes, merged(known.changes, changes))) return;
    await this.#change((stored) => ({ ...(stored ?? known), changes: merged((stored ?? known).changes, changes) }));
  }

  /**
   * Demands that a document lists what is known of its publishers' keys: what it listed before at once, anything else within
   * an hour.
   * @param logSize of the log that the metadata which names the document goes with; 0 for a copy of another moment
   * @throws {RegistryClientError} `REGISTRY_KEY_CHANGE_WITHHELD`, `REGISTRY_TRUST_DAMAGED`
   */
  async hold(document: IndexDocument, logSize: number): Promise<void> {
    const { changes = [] } = (await this.#load()) ?? {};
    if (changes.length === 0) return;
    const name = canonicalName(parsePackageName(document.name));
    const listed = listedEntries(document);
    const isDue = ({ entry, logged, packages }: KnownKeyChange): boolean =>
      packages.includes(name) || (entry < logSize && this.#now() >= Date.parse(logged) + SHOWN_WITHIN_MS);
    const missing = changes.find((one) => !listed.has(one.entry) && concerns(one, document) && isDue(one));
    if (missing !== undefined) throw withheld(this.#registry.name, document.name, missing);
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

  /** Another process may write at the same time: what it has learnt is kept. */
  async #change(edit: (stored: Known | undefined) => Known): Promise<void> {
    const { url } = this.#registry;
    for (let isOther = true; isOther;) {
      isOther = false;
      const stored = await this.#store.read(url, FILE);
      const next = edit(stored === undefined ? undefined : decode(stored, this.#registry));
      const unless = (now: Uint8Array): boolean => {
        isOther = stored === undefined || Buffer.compare(now, stored) !== 0;
        return isOther;
      };
      await this.#store.write(url, FILE, encode(next), { unless });
      if (!isOther) this.#known = Promise.resolve(next);
    }
  }
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

/** By entry, with the packages of both. */
function merged(known: readonly KnownKeyChange[], more: readonly KnownKeyChange[]): readonly KnownKeyChange[] {
  const all = new Map(known.map((one) => [one.entry, one]));
  for (const one of more) {
    const packages = new Set([...(all.get(one.entry)?.packages ?? []), ...one.packages]);
    all.set(one.entry, { ...one, packages: [...packages].sort() });
  }
  return [...all.values()].sort((left, right) => left.entry - right.entry);
}

function isSame(left: readonly KnownKeyChange[], right: readonly KnownKeyChange[]): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}

/** Whether a change is of a key that signed a version of the package, by the account that published it. */
function concerns({ account, key, previous }: KnownKeyChange, { versions }: IndexDocument): boolean {
  const signed = new Set([key, previous].map((print) => print?.replace(/^ed25519:/, "")));
  return versions.some(
    ({ publisher, signers }) =>
      publisher === account && signers.some((signer) => signed.has(signer.replace(/^ed25519:/, ""))),
  );
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
  const changes = value.changes.map(changeOf);
  return changes.includes(undefined) ? undefined : { read: { size, at }, changes: changes as KnownKeyChange[] };
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const CHANGES: readonly KnownKeyChange["change"][] = ["rotate", "recover", "revoke"];

function changeOf(value: unknown): KnownKeyChange | undefined {
  if (!isObject(value)) return undefined;
  const { entry, logged, account, key, previous, packages } = value;
  const change = CHANGES.find((one) => one === value.change);
  if (!isCount(entry) || change === undefined || typeof logged !== "string" || Number.isNaN(Date.parse(logged)))
    return undefined;
  if (typeof account !== "string" || typeof key !== "string" || !Array.isArray(packages)) return undefined;
  if (previous !== undefined && typeof previous !== "string") return undefined;
  const before = previous === undefined ? {} : { previous };
  return { entry, logged, account, change, key, ...before, packages: stringList(packages) };
}
