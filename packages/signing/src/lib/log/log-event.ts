import {
  tryParseDigest,
  tryParsePackageName,
  tryParseVersion,
  type Digest,
  type PackageKind,
  type VersionStatus,
} from "@lading/core-manifest";
import { decodeUtf8, encodeUtf8 } from "../bytes.ts";
import { tryDecodeCanonical, tryEncodeCanonical } from "../canonical-json.ts";
import { isFingerprint } from "../key-id.ts";
import { isNamePattern } from "../name-pattern.ts";
import { LogError } from "./log-error.ts";

/** `format` of the entries that this release writes. */
export const LOG_EVENT_FORMAT = "lading-log/1";

interface Common {
  /** When the registry took it in: UTC, whole seconds, `2030-01-31T00:00:00Z`. */
  readonly time: string;
  /** Account that did it; absent where the registry itself did. */
  readonly actor?: string;
}

/** A file of a published version. */
export interface LoggedArtifact {
  readonly target: string;
  readonly blob: Digest;
  readonly tree: Digest;
  /** Digest of the signature envelope; absent for an unsigned one. */
  readonly envelope?: Digest;
  /** Fingerprints of the keys that signed, sorted. */
  readonly signers?: readonly string[];
}

/** A version was published, or an artefact was added to it. */
export interface PublishEvent extends Common {
  readonly type: "publish";
  readonly name: string;
  readonly version: string;
  readonly kind: PackageKind;
  readonly artifacts: readonly LoggedArtifact[];
}

/** A version was yanked, deprecated, held or made active again. */
export interface StatusEvent extends Common {
  readonly type: "status";
  readonly name: string;
  readonly version: string;
  readonly status: VersionStatus;
  readonly reason?: string;
}

/** Who may publish a package changed. */
export interface OwnerEvent extends Common {
  readonly type: "owner";
  readonly name: string;
  readonly change: "add" | "remove" | "transfer";
  readonly account: string;
  readonly role?: string;
}

/** A publisher's keys changed; or those that may sign a package. */
export interface KeyEvent extends Common {
  readonly type: "key";
  readonly change: "add" | "rotate" | "revoke" | "recover";
  readonly account: string;
  /** Fingerprint of the key. */
  readonly key: string;
  /** Fingerprint of the key before, of a rotation or recovery. */
  readonly previous?: string;
  /** Digest of the envelope that states it, of a rotation, revocation or recovery. */
  readonly statement?: Digest;
  /** From when a recovery holds: the end of its waiting period. */
  readonly effective?: string;
}

/** A channel of a package names another version, or with none nothing any more. */
export interface ChannelEvent extends Common {
  readonly type: "channel";
  readonly name: string;
  readonly channel: string;
  readonly version?: string;
}

/** What the registry demands of packages changed. */
export interface PolicyEvent extends Common {
  readonly type: "policy";
  /** Names that it is about; `**` for all. */
  readonly names: string;
  /** Digest of the policy in canonical JSON, as the registry serves it. */
  readonly policy: Digest;
}

/** How far the registry's audit trail, which is not public, went: nothing before it can be changed unseen any more. */
export interface AuditEvent extends Common {
  readonly type: "audit";
  /** Number of the trail's last record. */
  readonly record: number;
  /** Hash of that record, which covers all before it. */
  readonly head: Digest;
}

/** A configuration that an organisation shares with its projects is another one, or without digest shared no more. */
export interface ConfigurationEvent extends Common {
  readonly type: "configuration";
  readonly organisation: string;
  readonly configuration: string;
  readonly revision: number;
  /** Digest of its text, which is not in the log. */
  readonly digest?: Digest;
}

/** What a registry logs. */
export type LogEvent =
  | PublishEvent
  | StatusEvent
  | OwnerEvent
  | KeyEvent
  | ChannelEvent
  | PolicyEvent
  | AuditEvent
  | ConfigurationEvent;

/** An entry of a type that this release does not know: shown as it is, never taken for another. */
export interface UnknownLogEvent {
  readonly type: "unknown";
  readonly found: string;
  readonly members: Readonly<Record<string, unknown>>;
}

type Members = Readonly<Record<string, unknown>>;
type Check = (value: unknown) => boolean;

function isText(maximum: number): Check {
  return (value) => typeof value === "string" && value.length > 0 && value.length <= maximum;
}

const oneOf =
  (...allowed: readonly string[]): Check =>
  (value) =>
    allowed.includes(value as string);
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);
const isDigest: Check = (value) => typeof value === "string" && tryParseDigest(value) !== undefined;
const isKey: Check = (value) => typeof value === "string" && isFingerprint(value);
const isCounted: Check = (value) => Number.isSafeInteger(value) && (value as number) > 0;
const isName: Check = (value) => typeof value === "string" && tryParsePackageName(value) !== undefined;
const isVersion: Check = (value) => typeof value === "string" && tryParseVersion(value) !== undefined;

const isTime: Check = (value) => {
  if (typeof value !== "string" || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(value)) return false;
  const timeMs = Date.parse(value);
  return !Number.isNaN(timeMs) && new Date(timeMs).toISOString() === value.replace("Z", ".000Z");
};

const isSigners: Check = (value) =>
  Array.isArray(value) && value.length <= 16 && value.every((key, i) => isKey(key) && (i === 0 || value[i - 1] < key));

const ARTIFACT: Readonly<Record<string, Check>> = {
  target: isText(64),
  blob: isDigest,
  tree: isDigest,
  envelope: optional(isDigest),
  signers: optional(isSigners),
};

const isArtifacts: Check = (value) =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.every((item) => isObject(item) && Object.entries(ARTIFACT).every(([name, check]) => check(item[name])));

const COMMON: Readonly<Record<string, Check>> = { time: isTime, actor: optional(isText(200)) };
const TYPES: Readonly<Record<string, Readonly<Record<string, Check>>>> = {
  publish: { name: isName, version: isVersion, kind: oneOf("binary", "source"), artifacts: isArtifacts },
  status: {
    name: isName,
    version: isVersion,
    status: oneOf("active", "yanked", "deprecated", "held", "removed"),
    reason: optional(isText(2000)),
  },
  owner: {
    name: isName,
    change: oneOf("add", "remove", "transfer"),
    account: isText(200),
    role: optional(isText(60)),
  },
  key: {
    change: oneOf("add", "rotate", "revoke", "recover"),
    account: isText(200),
    key: isKey,
    previous: optional(isKey),
    statement: optional(isDigest),
    effective: optional(isTime),
  },
  channel: { name: isName, channel: isText(64), version: optional(isVersion) },
  policy: { names: (value) => typeof value === "string" && isNamePattern(value), policy: isDigest },
  audit: { record: isCounted, head: isDigest },
  configuration: {
    organisation: isText(64),
    configuration: isText(64),
    revision: isCounted,
    digest: optional(isDigest),
  },
};

function isObject(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(problem: string): LogError {
  return new LogError({ code: "LOG_EVENT_INVALID", message: `Cannot use the entry of the log: ${problem}` });
}

function check(event: Members): void {
  const type = event["type"];
  const members = typeof type === "string" && Object.hasOwn(TYPES, type) ? TYPES[type]! : {};
  for (const [name, holds] of Object.entries({ ...COMMON, ...members })) {
    if (!holds(event[name])) throw invalid(`"${name}" is missing or cannot be meant`);
  }
}

/**
 * The bytes of an entry: canonical JSON with its format.
 * @throws {LogError} `LOG_EVENT_INVALID`
 */
export function encodeLogEvent(event: LogEvent): Uint8Array {
  check(event as unknown as Members);
  const text = tryEncodeCanonical({ format: LOG_EVENT_FORMAT, ...event });
  if (text === undefined) throw invalid("it holds something that canonical JSON cannot say");
  return encodeUtf8(text);
}

/**
 * Reads an entry, byte-exactly. Unknown members are kept and have no effect; an unknown type is told as such.
 * @throws {LogError} `LOG_EVENT_INVALID`, `LOG_EVENT_UNSUPPORTED` for another format
 */
export function decodeLogEvent(bytes: Uint8Array): LogEvent | UnknownLogEvent {
  const text = decodeUtf8(bytes);
  const value = text === undefined ? undefined : tryDecodeCanonical(text);
  if (!isObject(value)) throw invalid("it is not an object in canonical JSON");
  const { format, ...members } = value;
  if (typeof format !== "string") throw invalid(`"format" is missing`);
  if (format !== LOG_EVENT_FORMAT) {
    throw new LogError({
      code: "LOG_EVENT_UNSUPPORTED",
      message: `Cannot read the entry of the log: its format is "${format.slice(0, 40)}", supported is "${LOG_EVENT_FORMAT}"`,
    });
  }
  const { type } = members;
  if (typeof type !== "string") throw invalid(`"type" is missing`);
  check(members);
  return Object.hasOwn(TYPES, type) ? (members as unknown as LogEvent) : { type: "unknown", found: type, members };
}

/** Whether an event is about a package, by its canonical name or a pattern over names; for monitors. */
export function concernsPackage(event: LogEvent | UnknownLogEvent, name: string): boolean {
  if (event.type === "unknown") return event.members["name"] === name;
  return "name" in event && event.name === name;
}
