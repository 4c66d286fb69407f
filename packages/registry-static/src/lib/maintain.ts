import {
  digestHex,
  indexDocumentPath,
  parsePackageName,
  renderIndexDocument,
  type Digest,
  type IndexDocument,
} from "@lading/core-manifest";
import {
  EMPTY_LOG,
  EMPTY_ROOT,
  appendToLog,
  createNoteKey,
  decodeLogEvent,
  encodeLogEvent,
  formatNoteKey,
  readEntries,
  signCheckpoint,
  type LogEvent,
  type LogTree,
  type PolicyEvent,
} from "@lading/signing/log";
import {
  createRepository,
  metadataPath,
  parseMetadata,
  updateRepository,
  type NameDelegation,
  type RepositoryUpdate,
  type TargetEntry,
} from "@lading/signing/metadata";
import { retried } from "./retried.ts";
import { lifetimesOf, policyText, type StaticSettings } from "./settings.ts";
import {
  CHECKPOINT,
  DESCRIPTION,
  LOG,
  METADATA,
  TIMESTAMP,
  loadState,
  rootVersion,
  sha256,
  type RegistryState,
  type StaticTrust,
} from "./state.ts";
import { StaticRegistryError } from "./static-error.ts";
import type { PlacedFile, RegistryStore, StoreSession } from "./store.ts";

/** A static registry: where it is kept, and what it is signed with. */
export interface StaticRegistryOptions {
  readonly store: RegistryStore;
  readonly trust: StaticTrust;
  /** Milliseconds since the epoch; the system's clock unless given. */
  readonly now?: () => number;
  readonly signal?: AbortSignal | undefined;
}

/** What one change of a registry consists of. */
export interface RegistryChange {
  /** Package files, statements and keys, which no metadata names by path. */
  readonly files: readonly PlacedFile[];
  /** Index documents as they are to be. */
  readonly documents: readonly IndexDocument[];
  /** Who may sign packages of some names from now on; what was delegated stays unless given. */
  readonly delegations?: readonly NameDelegation[] | undefined;
  /** What is logged of it, in order. */
  readonly events: readonly LogEvent[];
  /** For the history of a Git repository. */
  readonly message: string;
}

/** What {@link maintain} came to. */
export interface Maintained {
  /** Version of the timestamp. */
  readonly timestamp: number;
  /** When the first of the signed files expires, in milliseconds since the epoch. */
  readonly expiresMs: number;
  /** Entries of the log. */
  readonly logSize: number;
  /** Files of metadata that were signed. */
  readonly signed: number;
  /** How often another writer was first. */
  readonly conflicts: number;
}

/** RFC 3339, UTC, whole seconds. */
export function timeText(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;
}

const encoder = new TextEncoder();

function logKeyOf({ logOrigin, logSigner }: StaticTrust): string {
  return formatNoteKey(createNoteKey(logOrigin, logSigner.publicKey));
}

/** `/.well-known/lading.json`: addresses count from the registry's own, so that a copy elsewhere describes itself. */
export function describeRegistry(trust: StaticTrust): Uint8Array {
  const root = trust.roots.at(-1)!;
  const { body } = parseMetadata(root, "root");
  const { settings, logOrigin } = trust;
  const description = {
    protocol: 1,
    name: settings.name,
    mode: "static",
    index: "./",
    blobs: "./blobs/sha256/",
    metadata: "./metadata/",
    auth: [],
    limits: {},
    signatures: settings.signatures,
    keys: body.roles.root.keyIds,
    root: { version: body.version, digest: sha256(root), development: body.raw["x-lading-development"] === true },
    log: {
      origin: logOrigin,
      key: logKeyOf(trust),
      url: "./log/",
    },
    policy: { signatures: settings.signatures },
  };
  return encoder.encode(`${JSON.stringify(description, undefined, 2)}\n`);
}

interface Documents {
  readonly entries: readonly TargetEntry[];
  readonly signed: readonly PlacedFile[];
  readonly plain: readonly PlacedFile[];
}

function placeDocuments(documents: readonly IndexDocument[]): Documents {
  const placed = documents.map((document) => {
    const path = indexDocumentPath(parsePackageName(document.name));
    const content = encoder.encode(renderIndexDocument(document));
    const digest = sha256(content);
    const slash = path.lastIndexOf("/") + 1;
    const prefixed = `${path.slice(0, slash)}${digestHex(digest)}.${path.slice(slash)}`;
    return { path, prefixed, content, digest };
  });
  return {
    entries: placed.map(({ path, content, digest }) => ({ path, length: content.length, digest })),
    signed: placed.map(({ prefixed, content }) => ({ path: prefixed, content })),
    plain: placed.map(({ path, content }) => ({ path, content })),
  };
}

interface Written {
  readonly files: readonly PlacedFile[];
  readonly timestamp: Uint8Array;
  readonly update: RepositoryUpdate;
  readonly logSize: number;
}

interface Before {
  readonly state: RegistryState | undefined;
  readonly tree: LogTree;
  readonly root: Uint8Array;
}

/** Everything that a change writes, in the order in which it must be stored. */
async function write(
  { trust, nowMs }: { readonly trust: StaticTrust; readonly nowMs: number },
  before: Before,
  change: RegistryChange,
): Promise<Written> {
  const { logOrigin, logSigner, logCosigners = [], signers, verifier, roots } = trust;
  const documents = placeDocuments(change.documents);
  const grown = appendToLog(before.tree, change.events.map(encodeLogEvent));
  const hash = change.events.length === 0 ? before.root : grown.root;
  const log = { origin: logOrigin, size: grown.tree.size, root: hash, key: logKeyOf(trust) };
  const options = { signers, verifier, nowMs, lifetimes: lifetimesOf(trust.settings), log };
  const root = roots.at(-1)!;
  const old = before.state?.repository;
  const update =
    old === undefined
      ? await createRepository({ ...options, root, targets: documents.entries })
      : await updateRepository(old, {
          ...options,
          put: documents.entries,
          delegations: change.delegations,
          root: rootVersion(root) > old.root.body.version ? root : undefined,
        });
  const checkpoint = await signCheckpoint(log, [logSigner, ...logCosigners]);
  const timestamp = update.files.get("timestamp.json")!;
  const metadata = [...update.files].filter(([path]) => path !== "timestamp.json");
  const first = old === undefined ? 1 : old.root.body.version + 1;
  const newRoots = roots
    .slice(first - 1)
    .map((content, i) => ({ path: `${METADATA}${metadataPath("root", first + i)}`, content }));
  const files = [
    ...change.files,
    ...documents.signed,
    ...[...grown.files].map(([path, content]) => ({ path: `${LOG}${path}`, content })),
    ...metadata.map(([path, content]) => ({ path: `${METADATA}${path}`, content })),
    { path: CHECKPOINT, content: checkpoint },
    ...documents.plain,
    { path: DESCRIPTION, content: describeRegistry(trust) },
    // Roots that lead to the new one, where several were made between two runs; a client takes one after the other.
    ...newRoots.filter(({ path }) => !update.files.has(path.slice(METADATA.length))),
  ];
  return { files, timestamp, update, logSize: log.size };
}

function expiryOf({ repository: { root, timestamp, snapshot, targets, bins } }: RepositoryUpdate): number {
  const files = [root, timestamp, snapshot, targets].map(({ body }) => body.expiresMs);
  return Math.min(...files, ...bins.map(({ expiresMs }) => expiresMs));
}

async function attempt<T>(
  options: StaticRegistryOptions,
  session: StoreSession,
  change: (state: RegistryState, nowMs: number) => Promise<{ readonly change: RegistryChange | undefined; result: T }>,
): Promise<{ readonly result: T; readonly written?: Written; readonly conflict?: boolean }> {
  const { trust, store, now = Date.now } = options;
  const state = await loadState(trust, (path) => session.read(path), store.location);
  const nowMs = now();
  const made = await change(state, nowMs);
  if (made.change === undefined) return { result: made.result };
  const policy = await policyEvents(trust, state, nowMs);
  const whole = { ...made.change, events: [...policy, ...made.change.events] };
  const before = { state, tree: state.tree, root: state.checkpoint.root };
  const written = await write({ trust, nowMs }, before, whole);
  await session.put(written.files);
  const pointer = { path: TIMESTAMP, content: written.timestamp };
  const outcome = await session.commit(pointer, whole.message);
  return outcome === "conflict" ? { result: made.result, conflict: true } : { result: made.result, written };
}

/** Names that the registry's own policy is about. */
const ALL_NAMES = "**";

function policyEvent(settings: StaticSettings, nowMs: number): PolicyEvent {
  return { type: "policy", time: timeText(nowMs), names: ALL_NAMES, policy: sha256(policyText(settings)) };
}

/**
 * The entry of a changed policy. A description as we would write it says that the policy is logged; only where it differs is
 * the log read through, since it is what counts.
 */
async function policyEvents(trust: StaticTrust, state: RegistryState, nowMs: number): Promise<readonly LogEvent[]> {
  const served = await state.read(DESCRIPTION);
  if (served !== undefined && Buffer.compare(served, describeRegistry(trust)) === 0) return [];
  const wanted = policyEvent(trust.settings, nowMs);
  let last: Digest | undefined;
  for await (const { entry } of readEntries(state.tree.size, (path) => state.read(`${LOG}${path}`))) {
    const event = decodeLogEvent(entry);
    if (event.type === "policy" && event.names === ALL_NAMES) last = event.policy;
  }
  return last === wanted.policy ? [] : [wanted];
}

/**
 * Changes a registry: reads it, verifies it, asks what is to change, signs, stores, and makes it count by the timestamp.
 * Where another writer was first, all of it is done again on what that one has written.
 * @param change what is to be done to the state that was read; without `change`, nothing is written
 * @throws {StaticRegistryError} `STATIC_REGISTRY_MISSING`, `STATIC_REGISTRY_DAMAGED`, `STATIC_REGISTRY_BUSY`,
 * `STATIC_KEYS_UNUSABLE`, `STATIC_STORE_FAILED`, `STATIC_STORE_REFUSED`
 */
export async function maintain<T>(
  options: StaticRegistryOptions,
  change: (
    state: RegistryState,
    nowMs: number,
  ) => Promise<{ readonly change: RegistryChange | undefined; readonly result: T }>,
): Promise<{ readonly result: T; readonly maintained: Maintained | undefined }> {
  return retried(options, async (session, conflicts) => {
    const { result, written, conflict } = await attempt(options, session, change);
    return conflict === true ? "conflict" : { result, maintained: written && summary(written, conflicts) };
  });
}

function summary({ update, logSize }: Written, conflicts: number): Maintained {
  const timestamp = update.repository.timestamp.body.version;
  return { timestamp, expiresMs: expiryOf(update), logSize, signed: update.files.size, conflicts };
}

/**
 * Makes an empty registry: metadata, and a log whose first entry is its policy.
 * @throws {StaticRegistryError} `STATIC_REGISTRY_EXISTS`, and those of the store
 */
export async function createStaticRegistry(
  options: StaticRegistryOptions & { readonly files?: readonly PlacedFile[] },
): Promise<Maintained> {
  const { store, trust, now = Date.now, files = [] } = options;
  const session = await store.open({ signal: options.signal });
  const exists = (): StaticRegistryError =>
    new StaticRegistryError({
      code: "STATIC_REGISTRY_EXISTS",
      message: `Cannot make a registry at "${store.location}": there is one already`,
      place: store.location,
    });
  try {
    if ((await session.read(TIMESTAMP)) !== undefined) throw exists();
    const nowMs = now();
    const events = [policyEvent(trust.settings, nowMs)];
    const before = { state: undefined, tree: EMPTY_LOG, root: EMPTY_ROOT };
    const change = { files, documents: [], events, message: "Make the registry" };
    const written = await write({ trust, nowMs }, before, change);
    await session.put(written.files);
    const pointer = { path: TIMESTAMP, content: written.timestamp };
    if ((await session.commit(pointer, change.message)) === "conflict") throw exists();
    return summary(written, 0);
  } finally {
    await session.close();
  }
}
