import {
  canonicalName,
  parsePackageName,
  tryParseDigest,
  type Digest,
  type IndexDocument,
  type IndexVersion,
} from "@lading/core-manifest";
import { knownKeyChange, type KnownKeyChange, type RegistryClient, type RegistryLog } from "@lading/registry-client";
import type { TrustedKey } from "@lading/signing";
import type { KeyEvent } from "@lading/signing/log";
import type { KeyLedger, LoggedKeyStatement } from "@lading/signing/publisher";
import type { EngineContext } from "./engine-context.ts";
import { EngineError } from "./engine-error.ts";
import { asFingerprint } from "./signer-text.ts";

/** A change of a publisher's keys, as a signed index document lists it (`docs/spec/index.md` §Keys). */
interface KeyChange {
  /** Index of its entry in the log. */
  readonly entry: number;
  readonly loggedMs: number;
  /** End of a recovery's waiting period. */
  readonly effectiveMs: number | undefined;
  /** Digest of the statement's envelope. */
  readonly statement: Digest;
}

/** A registry, as far as it says what became of keys. */
export type HistorySource = Pick<RegistryClient, "packageDocument" | "trust" | "offline" | "statement">;

/** What became of the keys that sign a package. */
export interface PublisherHistory {
  /**
   * The part of the log for which each key is trusted, and the keys that followed them.
   * @param keys public keys that trust begins with
   * @param known fingerprint to public key of other keys of the publishers, whose revocations count too
   */
  ledger(keys: readonly Uint8Array[], known: readonly Uint8Array[]): Promise<KeyLedger>;
  /** Index of the log entry that published an artefact; `undefined` where the document does not say. */
  entryOf(version: string, artifact: number): number | undefined;
  /** Origin of the log. */
  readonly log: string;
  /** Fingerprints of the package's signers that no change brought: the chain begins with them. */
  readonly first: readonly string[];
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function invalid(name: string, problem: string): EngineError {
  return new EngineError({
    code: "PUBLISHER_HISTORY_INVALID",
    message: `Cannot tell what became of the keys of "${name}": ${problem}`,
    package: name,
  });
}

/**
 * Holds a document to what is known of the keys whose signatures of a version were verified, where it names none of them: an
 * honest index names who has signed, and one that must hide a change of a key names others, or nobody. One that it does name
 * was looked at when it was read; a further signature is not the registry's to know of.
 * @param signers fingerprints
 * @throws {RegistryClientError} `REGISTRY_KEY_CHANGE_WITHHELD`, `REGISTRY_OFFLINE`
 */
export async function holdSigners(
  { trust }: Pick<HistorySource, "trust">,
  { document, entry }: { readonly document: IndexDocument; readonly entry: IndexVersion },
  signers: readonly string[],
): Promise<void> {
  const named = new Set(entry.signers.map(asFingerprint));
  if (signers.length > 0 && !signers.some((signer) => named.has(signer))) await trust.holdSigners(document, signers);
}

/** Whether the signed index lists changes of a package's keys at all. */
export function hasKeyChanges({ extra }: IndexDocument): boolean {
  return extra?.["keys"] !== undefined;
}

/** A time that may be absent; one that is none is `NaN`, which no waiting period takes. */
function timeOf(text: unknown): number | undefined {
  if (text === undefined) return undefined;
  return typeof text === "string" ? Date.parse(text) : Number.NaN;
}

function changesOf({ name, extra = {} }: IndexDocument): KeyChange[] {
  const { keys } = extra;
  if (keys === undefined) return [];
  if (!Array.isArray(keys)) throw invalid(name, `"keys" of its index document is no list`);
  return keys.map((item: unknown) => {
    const { entry, logged, effective, statement } = isObject(item) ? item : {};
    const digest = tryParseDigest(statement);
    const loggedMs = typeof logged === "string" ? Date.parse(logged) : Number.NaN;
    if (!Number.isSafeInteger(entry) || digest === undefined || Number.isNaN(loggedMs)) {
      throw invalid(name, `an entry of "keys" of its index document needs "entry", "logged" and "statement"`);
    }
    return { entry: entry as number, loggedMs, effectiveMs: timeOf(effective), statement: digest };
  });
}

/**
 * What the signed index says of changes of a package's keys; `undefined` where there were none. Each change must be in the
 * registry's log where the document says, which every monitor sees.
 */
export async function publisherHistory(
  context: EngineContext,
  client: HistorySource,
  name: string,
): Promise<PublisherHistory | undefined> {
  const document = await client.packageDocument(name, { signal: context.signal });
  const changes = document === undefined ? [] : changesOf(document);
  if (document === undefined || changes.length === 0) return undefined;
  const log = await client.trust.log({ signal: context.signal });
  if (log === undefined) throw invalid(name, "its registry has no log in which changes of keys could count");
  let statements: Promise<LoggedKeyStatement[]> | undefined;
  return {
    log: log.origin,
    first: firstSigners(document),
    ledger: async (keys, known) => {
      statements ??= readStatements(context, client, { document, log, changes });
      return replay(context, log.origin, await statements, keys, known);
    },
    entryOf: (version, artifact) => entryOf(document, version, artifact),
  };
}

function entryOf({ extra }: IndexDocument, version: string, artifact: number): number | undefined {
  const entries = isObject(extra?.["entries"]) ? extra["entries"] : {};
  const leaves = Object.hasOwn(entries, version) ? entries[version] : undefined;
  const leaf: unknown = Array.isArray(leaves) ? leaves[artifact] : undefined;
  return typeof leaf === "number" && Number.isSafeInteger(leaf) ? leaf : undefined;
}

/**
 * Index of the log entry that published a file, as the signed index says; `undefined` where it does not, or does not have
 * the file.
 */
export async function listedEntry(
  client: Pick<HistorySource, "packageDocument">,
  file: { readonly name: string; readonly version: string; readonly checksum: Digest | undefined },
): Promise<number | undefined> {
  const document = await client.packageDocument(file.name);
  const entry = document?.versions.find(({ version }) => version === file.version);
  const at = entry?.artifacts.findIndex(({ blob }) => blob === file.checksum) ?? -1;
  return document === undefined || at === -1 ? undefined : entryOf(document, file.version, at);
}

function firstSigners({ versions, extra }: IndexDocument): string[] {
  const brought = new Set(
    ((extra?.["keys"] ?? []) as readonly unknown[]).flatMap((item) =>
      isObject(item) && item["change"] !== "revoke" && typeof item["key"] === "string" ? [item["key"]] : [],
    ),
  );
  const signers = versions.flatMap((version) => version.signers.map(asFingerprint));
  return [...new Set(signers)].filter((signer) => !brought.has(signer));
}

/** The statements of changes, each at its place in the log; what was proven there is remembered of the registry. */
async function readStatements(
  context: EngineContext,
  client: HistorySource,
  {
    document,
    log,
    changes,
  }: { readonly document: IndexDocument; readonly log: RegistryLog; readonly changes: readonly KeyChange[] },
): Promise<LoggedKeyStatement[]> {
  const { name } = document;
  const proven: KnownKeyChange[] = [];
  const prove = (index: number, event: KeyEvent): void => {
    const packages = isListedForGood(event, document) ? [canonicalName(parsePackageName(name))] : [];
    proven.push(...[knownKeyChange(index, event, packages)].filter((one) => one !== undefined));
  };
  const read = changes.map((change) => readStatement(context, client, { name, log, change, prove }));
  const statements = await Promise.all(read);
  if (proven.length > 0) await client.trust.noteKeyChanges(proven);
  return statements;
}

/**
 * Whether a document will list a change for ever: versions stay, with their publishers, and so do keys that a statement speaks
 * of. A change of an account that is known by another of its keys goes where that one is removed by hand.
 */
function isListedForGood({ account, key, previous }: KeyEvent, { versions }: IndexDocument): boolean {
  return versions.some(
    ({ publisher, signers }) =>
      publisher === account || signers.map(asFingerprint).some((signer) => signer === key || signer === previous),
  );
}

interface WantedStatement {
  readonly name: string;
  readonly log: RegistryLog;
  readonly change: KeyChange;
  readonly prove: (index: number, event: KeyEvent) => void;
}

async function readStatement(
  context: EngineContext,
  client: HistorySource,
  { name, log, change, prove }: WantedStatement,
): Promise<LoggedKeyStatement> {
  const { entry, statement, loggedMs, effectiveMs } = change;
  const bytes = await client.statement(statement, { signal: context.signal });
  // Offline it is what signed metadata said when the document was fetched.
  if (client.offline) return { bytes, index: entry, loggedMs, effectiveMs };
  const { decodeLogEvent } = await import("@lading/signing/log");
  const event = decodeLogEvent(await log.entry(entry));
  if (event.type !== "key" || event.statement !== statement) {
    throw invalid(name, `entry ${entry} of the log "${log.origin}" is not the change that its index document names`);
  }
  prove(entry, event);
  return { bytes, index: entry, loggedMs: Date.parse(event.time), effectiveMs: timeOf(event.effective) };
}

async function replay(
  context: EngineContext,
  log: string,
  statements: readonly LoggedKeyStatement[],
  keys: readonly Uint8Array[],
  known: readonly Uint8Array[],
): Promise<KeyLedger> {
  const { replayKeyStatements } = await import("@lading/signing/publisher");
  const { nodeVerifier } = await import("@lading/signing/node");
  const options = { statements, log, nowMs: context.now(), verifier: nodeVerifier };
  const own = replayKeyStatements({ ...options, pinned: keys });
  // A revocation that another key of the publisher signed refuses, and can let nothing in: it counts too.
  const all = replayKeyStatements({ ...options, pinned: [...keys, ...known] });
  const ends = new Map(all.keys.map(({ fingerprint, untilIndex }) => [fingerprint, untilIndex]));
  return {
    ...own,
    keys: own.keys.map((key) => {
      const end = Math.min(
        key.untilIndex ?? Number.POSITIVE_INFINITY,
        ends.get(key.fingerprint) ?? Number.POSITIVE_INFINITY,
      );
      return end === Number.POSITIVE_INFINITY ? key : { ...key, untilIndex: end };
    }),
  };
}

/** Fingerprints of a key and of those that took its place. */
export function successorsOf(ledger: KeyLedger, fingerprint: string): ReadonlySet<string> {
  const found = new Set([fingerprint]);
  for (let size = 0; size < found.size;) {
    size = found.size;
    for (const { fingerprint: own, previous } of ledger.keys) {
      if (previous !== undefined && found.has(previous)) found.add(own);
    }
  }
  return found;
}

/** Fingerprints of the keys whose place a key took, the nearest first. */
export function predecessorsOf(ledger: KeyLedger, fingerprint: string): readonly string[] {
  const previous = ledger.keys.find((key) => key.fingerprint === fingerprint)?.previous;
  return previous === undefined ? [] : [previous, ...predecessorsOf(ledger, previous)];
}

/** The keys of a ledger as a policy's; what is said of the key that they follow holds for them too. */
export function ledgerKeys(
  ledger: KeyLedger,
  begun: readonly TrustedKey[],
  fingerprints: readonly string[],
): TrustedKey[] {
  const origin = (print: string): TrustedKey | undefined => {
    const at = fingerprints.indexOf(print);
    if (at !== -1) return begun[at];
    const previous = ledger.keys.find(({ fingerprint }) => fingerprint === print)?.previous;
    return previous === undefined ? undefined : origin(previous);
  };
  return ledger.keys.map(({ fingerprint, publicKey, fromIndex, untilIndex, sinceMs }) => ({
    ...origin(fingerprint),
    publicKey,
    ...(fromIndex === 0 ? {} : { fromIndex }),
    ...(untilIndex === undefined ? {} : { untilIndex }),
    ...(sinceMs === undefined ? {} : { sinceMs }),
  }));
}
