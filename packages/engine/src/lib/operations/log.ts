import { createHash } from "node:crypto";
import path from "node:path";
import { canonicalName, parsePackageName } from "@lading/core-manifest";
import type { ApiObject, RegistryClient, RegistryLog, TrustReport } from "@lading/registry-client";
import type { Checkpoint } from "@lading/signing/log";
import type { EngineContext } from "../engine-context.ts";
import { EngineError } from "../engine-error.ts";
import { readTextIfExists, writeFileAtomic } from "../files.ts";
import { readStoredProofs, requireKnownKey, verifyStoredProof } from "../lock-proofs.ts";
import { eventWords, walkLog, type LoggedEvent } from "../log-walk.ts";
import { tryLoadProject } from "../project.ts";
import { KeyChanges, lockedNames } from "../withheld-statements.ts";

/** A log that was verified. */
export interface VerifiedLog {
  readonly registry: string;
  readonly origin: string;
  readonly key: string;
  /** Entries. */
  readonly size: number;
  readonly root: string;
  /** Whether every entry was read and hashed again. */
  readonly full: boolean;
  /** Entries by type, where all were read. */
  readonly entries?: Readonly<Record<string, number>>;
  /** Where all were read: changes of keys that concern this project's packages, all of which the index lists. */
  readonly keyChanges?: number;
  /** Proofs beside this project's lock that hold and are of the same history. */
  readonly proofs: number;
}

async function openLog(context: EngineContext): Promise<{
  readonly client: RegistryClient;
  readonly log: RegistryLog;
  readonly report: TrustReport;
}> {
  const client = (await context.registries()).default;
  const report = await client.trust.report({ signal: context.signal });
  const log = await client.trust.log({ signal: context.signal });
  if (log !== undefined && report !== undefined) return { client, log, report };
  throw new EngineError({
    code: "REGISTRY_LOG_ABSENT",
    message: `Cannot look into the log of registry "${client.registry.name}": it has none`,
    registry: client.registry.name,
  });
}

/**
 * Verifies a registry's log: its checkpoint is signed and continues what was seen before, its tiles make the checkpoint's
 * root, and what lies beside this project's lock is of the same history. With `full` every entry is hashed again, and the index
 * must list each change of a key that it has of the project's packages.
 * @throws {EngineError} `REGISTRY_LOG_ABSENT`, `PUBLISHER_STATEMENT_WITHHELD`; {LogError} what does not hold
 */
export async function logVerify(
  input: { readonly full?: boolean | undefined },
  context: EngineContext,
): Promise<VerifiedLog> {
  const { client, log, report } = await openLog(context);
  const { checkpoint } = log;
  const counts: Record<string, number> = {};
  const changes = new KeyChanges();
  if (input.full === true) {
    await walkLog(log, (logged) => {
      counts[logged.event.type] = (counts[logged.event.type] ?? 0) + 1;
      changes.note(logged);
    });
  } else await checkTiles(log);
  const keyChanges = await listedChanges(context, client, changes);
  return {
    registry: client.registry.url,
    origin: log.origin,
    key: log.key,
    size: checkpoint.size,
    root: Buffer.from(checkpoint.root).toString("base64"),
    full: input.full === true,
    ...(input.full === true ? { entries: counts, keyChanges } : {}),
    proofs: await checkStoredProofs(context, client, { log, report }),
  };
}

/** What the index leaves out is missed by every later reading of it as well. */
async function listedChanges(context: EngineContext, client: RegistryClient, changes: KeyChanges): Promise<number> {
  try {
    return await changes.requireListed(client, await lockedNames(context, client));
  } finally {
    await changes.remember(client);
  }
}

async function checkTiles({ origin, checkpoint, read }: RegistryLog): Promise<void> {
  const { LogError, rootFromTiles } = await import("@lading/signing/log");
  if (Buffer.compare(await rootFromTiles(checkpoint.size, read), checkpoint.root) === 0) return;
  throw new LogError({
    code: "LOG_INCONSISTENT",
    message: `Cannot trust the log "${origin}": its tiles do not make the root that its checkpoint states`,
  });
}

async function checkStoredProofs(
  context: EngineContext,
  client: RegistryClient,
  { log, report }: { readonly log: RegistryLog; readonly report: TrustReport },
): Promise<number> {
  const project = await tryLoadProject(context);
  if (project === undefined) return 0;
  const own = (await readStoredProofs(context, project.lockFile)).filter(
    ({ registry }) => registry === client.registry.url,
  );
  const { followLog, openCheckpoint, parseNoteKey } = await import("@lading/signing/log");
  for (const proof of own) await requireKnownKey(proof, report);
  for (const proof of own) await verifyStoredProof(proof);
  const keys = [log.key, ...(report.log?.formerKeys ?? [])];
  const trust = { origin: log.origin, keys: keys.map(parseNoteKey) };
  for (const text of new Set(own.map(({ checkpoint }) => checkpoint))) {
    const [before, now]: [Checkpoint, Checkpoint] = [
      openCheckpoint(new TextEncoder().encode(text), trust),
      log.checkpoint,
    ];
    // A proof may have come with a later state than the one that is followed here.
    if (before.size <= now.size) await followLog(before, now, log.read);
    else await followLog(now, before, log.read);
  }
  return own.length;
}

/** An entry about a package, or about the keys of those who publish it. */
export interface MonitoredEntry {
  readonly index: number;
  readonly time: string;
  readonly actor?: string;
  readonly type: string;
  /** What it says, in plain words. */
  readonly text: string;
}

/** What a log says of a package. */
export interface MonitoredPackage {
  readonly registry: string;
  readonly origin: string;
  readonly name: string;
  /** First entry that was looked at. */
  readonly from: number;
  /** Entries of the log. */
  readonly size: number;
  /** Accounts whose keys count. */
  readonly accounts: readonly string[];
  readonly entries: readonly MonitoredEntry[];
}

interface MonitorState {
  readonly size: number;
  readonly root: string;
  readonly accounts: readonly string[];
}

/**
 * Lists what a registry's log says of a package since it was asked last on this machine: publications, status, owners, keys
 * of its publishers, and policies. Every entry is read, and all of them together make the checkpoint's root, so that none is
 * left out.
 */
export async function logMonitor(
  input: { readonly name: string; readonly all?: boolean | undefined },
  context: EngineContext,
): Promise<MonitoredPackage> {
  const name = canonicalName(parsePackageName(input.name));
  const { client, log } = await openLog(context);
  const file = monitorFile(context, client.registry.url, name);
  const known = input.all === true ? undefined : await readMonitorState(file);
  const accounts = new Set(known?.accounts);
  const { checkpoint, origin } = log;
  const events: LoggedEvent[] = [];
  const changes = new KeyChanges();
  await walkLog(
    log,
    (logged) => {
      changes.note(logged);
      noteAccount(logged, name, accounts);
      if (concerns(logged, name)) events.push(logged);
    },
    known && { size: known.size, root: new Uint8Array(Buffer.from(known.root, "base64")) },
  );
  await changes.remember(client);
  const state = {
    size: checkpoint.size,
    root: Buffer.from(checkpoint.root).toString("base64"),
    accounts: [...accounts],
  };
  await writeFileAtomic(file, `${JSON.stringify(state)}\n`);
  return {
    registry: client.registry.url,
    origin,
    name,
    from: known?.size ?? 0,
    size: checkpoint.size,
    accounts: [...accounts].sort(),
    entries: events.filter((logged) => isOfPublisher(logged, accounts)).map(monitored),
  };
}

function concerns({ event }: LoggedEvent, name: string): boolean {
  if (event.type === "unknown") return event.members["name"] === name || event.members["name"] === undefined;
  if (event.type === "audit" || event.type === "configuration") return false;
  return event.type === "key" || event.type === "policy" || event.name === name;
}

function noteAccount({ event }: LoggedEvent, name: string, accounts: Set<string>): void {
  if (event.type === "publish" && event.name === name && event.actor !== undefined) accounts.add(event.actor);
  if (event.type === "owner" && event.name === name && event.change !== "remove") accounts.add(event.account);
}

/** Keys of others are others' business. */
function isOfPublisher({ event }: LoggedEvent, accounts: ReadonlySet<string>): boolean {
  return event.type !== "key" || accounts.has(event.account);
}

function monitored({ index, event }: LoggedEvent): MonitoredEntry {
  const text = eventWords(event);
  if (event.type === "unknown") return { index, time: "", type: event.found, text };
  const { time, actor, type } = event;
  return { index, time, ...(actor === undefined ? {} : { actor }), type, text };
}

function monitorFile(context: EngineContext, registry: string, name: string): string {
  const id = createHash("sha256").update(`${registry} ${name}`).digest("hex").slice(0, 32);
  return path.join(context.directories.data, "monitor", `${id}.json`);
}

async function readMonitorState(file: string): Promise<MonitorState | undefined> {
  const text = await readTextIfExists(file);
  if (text === undefined) return undefined;
  try {
    const { size, root, accounts } = JSON.parse(text) as Partial<MonitorState>;
    const whole = Number.isSafeInteger(size) && typeof root === "string" && Array.isArray(accounts);
    return whole ? { size: size!, root, accounts } : undefined;
  } catch {
    // Looking at everything again is slower, and shows more.
    return undefined;
  }
}

/** Audit records that were compared with the log. */
export interface VerifiedAudit {
  readonly registry: string;
  readonly origin: string;
  /** Entries of the log. */
  readonly size: number;
  /** Records that must have an entry, and have it. */
  readonly matched: number;
  /** Records of what is not logged: logins, tokens. */
  readonly unlogged: number;
}

/** The type of log entry that an audit record's action must have. */
function entryTypeOf(action: string): string | undefined {
  if (action === "package.publish") return "publish";
  if (/^version\.(?:un)?(?:yank|deprecate)$/.test(action)) return "status";
  if (action.startsWith("owner.")) return "owner";
  if (action.startsWith("key.")) return "key";
  if (action.startsWith("channel.")) return "channel";
  if (action.startsWith("configuration.")) return "configuration";
  return action.startsWith("policy.") ? "policy" : undefined;
}

/**
 * Compares the registry's audit records (an administrator sees all, others their own) with its log: each publication, change
 * of status, owners, keys and policies must be in the log with the same account, package and second.
 * @throws {EngineError} `AUDIT_MISMATCH` naming the records without an entry
 */
export async function auditVerify(_input: object, context: EngineContext): Promise<VerifiedAudit> {
  const { client, log } = await openLog(context);
  const records = await auditRecords(client, context);
  const logged = new Map<string, number>();
  await walkLog(log, ({ event }) => {
    if (event.type === "unknown") return;
    const [name, version] = ["name" in event ? event.name : "", "version" in event ? event.version : ""];
    const key = matchKey(event.type, event.time, event.actor, name, version);
    logged.set(key, (logged.get(key) ?? 0) + 1);
  });
  const missing: ApiObject[] = [];
  let [matched, unlogged] = [0, 0];
  for (const record of records) {
    const type = entryTypeOf(text(record["action"]));
    if (type === undefined) {
      unlogged++;
      continue;
    }
    const key = recordKey(type, record);
    const left = logged.get(key) ?? 0;
    if (left === 0) missing.push(record);
    else matched++;
    logged.set(key, left - 1);
  }
  if (missing.length > 0) throw auditMismatch(client, missing);
  return { registry: client.registry.url, origin: log.origin, size: log.checkpoint.size, matched, unlogged };
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");

function matchKey(type: string, time: string, actor: string | undefined, name: string, version: string): string {
  return [type, time, actor ?? "", name, version].join("\n");
}

function recordKey(type: string, record: ApiObject): string {
  const { at, actor, package: name, version } = record;
  // Entries about keys and policies of the whole registry name no package, those of status and publication the version.
  const named = ["publish", "status", "owner", "channel"].includes(type) || (type === "policy" && name !== undefined);
  const canonical = named && typeof name === "string" ? canonicalName(parsePackageName(name)) : "";
  const own = ["publish", "status", "channel"].includes(type) ? text(version) : "";
  return matchKey(
    type,
    text(at),
    actor === "system" ? undefined : text(actor),
    type === "policy" ? "" : canonical,
    own,
  );
}

async function auditRecords(client: RegistryClient, context: EngineContext): Promise<ApiObject[]> {
  const records: ApiObject[] = [];
  for (let page = 1; ; page++) {
    const { items, total } = await client.audit({ page, per_page: 100 }, { signal: context.signal });
    records.push(...items);
    if (items.length === 0 || records.length >= total) return records;
  }
}

function auditMismatch(client: RegistryClient, missing: readonly ApiObject[]): EngineError {
  const shown = missing
    .slice(0, 20)
    .map(({ id, at, actor, action, package: name, version }) =>
      [`record ${String(id)}`, ...[at, actor, action, name, version].map(text)].filter((part) => part !== "").join(" "),
    );
  return new EngineError({
    code: "AUDIT_MISMATCH",
    message: `Cannot vouch for the audit log of registry "${client.registry.name}": ${missing.length} of its records are not in the transparency log`,
    explanation: shown.join("\n"),
    registry: client.registry.name,
    records: missing.slice(0, 100),
  });
}
