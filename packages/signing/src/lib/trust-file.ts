import { encodeBase64, tryDecodeBase64 } from "./bytes.ts";
import { fingerprint } from "./key-id.ts";
import { isNamePattern } from "./name-pattern.ts";
import { SigningError } from "./signing-error.ts";
import { checkPublicKey, type TrustedKey } from "./trust.ts";

/** `format` of the file of trusted keys (`docs/spec/signing.md` §8). */
export const TRUST_FILE_FORMAT = "lading-trust/1";

/**
 * `format` of a file with a key that is trusted in a part of a log only. Who reads the first format alone would trust it
 * everywhere, and so must refuse the file.
 */
const TRUST_FILE_FORMAT_2 = "lading-trust/2";

/** One entry of a trust file. */
export interface TrustEntry extends TrustedKey {
  readonly fingerprint: string;
  /** Members of the entry that this release does not know, kept as read. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

/** A file of trusted keys. */
export interface TrustFile {
  /** Sorted by fingerprint, each once. */
  readonly keys: readonly TrustEntry[];
  /** Members beside `format` and `keys` that this release does not know, kept as read. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

type Json = Readonly<Record<string, unknown>>;

function invalid(file: string, problem: string): SigningError {
  return new SigningError({
    code: "TRUST_FILE_INVALID",
    message: `Cannot read the trusted keys of "${file}": ${problem}`,
    file,
  });
}

/** RFC 3339 in UTC, whole seconds: `2026-01-31T00:00:00Z`. */
export function formatTime(timeMs: number): string {
  return new Date(timeMs).toISOString().replace(/\.\d{3}Z$/, "Z");
}

function tryParseTime(text: unknown): number | undefined {
  if (typeof text !== "string" || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(text)) return undefined;
  const timeMs = Date.parse(text);
  return Number.isNaN(timeMs) || formatTime(timeMs) !== text ? undefined : timeMs;
}

function knownAndExtra(value: Json, known: readonly string[]): { extra?: Json } {
  const extra = Object.entries(value).filter(([key]) => !known.includes(key));
  return extra.length === 0 ? {} : { extra: Object.fromEntries(extra) };
}

function optionalText(value: unknown, key: string, fail: (problem: string) => SigningError): object {
  if (value === undefined) return {};
  if (typeof value !== "string" || value.length > 200) throw fail(`"${key}" is not a text of at most 200 characters`);
  return { [key]: value };
}

function readKeyBytes(value: unknown, fail: (problem: string) => SigningError): Uint8Array {
  const publicKey = typeof value === "string" ? tryDecodeBase64(value) : undefined;
  if (publicKey === undefined) throw fail(`"publicKey" is not base64`);
  try {
    checkPublicKey(publicKey);
  } catch (error) {
    if (error instanceof SigningError) throw fail(error.message);
    throw error;
  }
  return publicKey;
}

function readNames(value: unknown, fail: (problem: string) => SigningError): object {
  if (value === undefined) return {};
  if (!Array.isArray(value) || !value.every((name) => typeof name === "string" && isNamePattern(name))) {
    throw fail(`"names" is not an array of name patterns`);
  }
  return { names: value };
}

function readSince(value: unknown, fail: (problem: string) => SigningError): object {
  if (value === undefined) return {};
  const sinceMs = tryParseTime(value);
  if (sinceMs === undefined) throw fail(`"since" is not a time like "2026-01-31T00:00:00Z"`);
  return { sinceMs };
}

function readIndex(value: unknown, key: "fromIndex" | "untilIndex", fail: (problem: string) => SigningError): object {
  if (value === undefined) return {};
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw fail(`"${key}" is no index of a log`);
  return { [key]: value };
}

const ENTRY_KEYS = ["fingerprint", "publicKey", "label", "publisher", "names", "since"];
const ENTRY_KEYS_2 = [...ENTRY_KEYS, "fromIndex", "untilIndex"];

function readEntry(value: unknown, index: number, file: string, format: TrustFormat): TrustEntry {
  const fail = (problem: string): SigningError => invalid(file, `key ${index + 1}: ${problem}`);
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw fail("it is not an object");
  const entry = value as Json;
  const publicKey = readKeyBytes(entry["publicKey"], fail);
  const print = fingerprint(publicKey);
  if (entry["fingerprint"] !== print) throw fail(`"fingerprint" is not that of "publicKey", which is "${print}"`);
  return {
    fingerprint: print,
    publicKey,
    ...optionalText(entry["label"], "label", fail),
    ...optionalText(entry["publisher"], "publisher", fail),
    ...readNames(entry["names"], fail),
    ...readSince(entry["since"], fail),
    ...(format === 1 ? {} : readIndex(entry["fromIndex"], "fromIndex", fail)),
    ...(format === 1 ? {} : readIndex(entry["untilIndex"], "untilIndex", fail)),
    ...knownAndExtra(entry, format === 1 ? ENTRY_KEYS : ENTRY_KEYS_2),
  };
}

function parseJson(text: string, file: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) throw invalid(file, "it is not valid JSON");
    throw error;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid(file, "it is not an object");
  return value as Json;
}

type TrustFormat = 1 | 2;

function readFormat(format: unknown, file: string): TrustFormat {
  if (format === TRUST_FILE_FORMAT) return 1;
  if (format === TRUST_FILE_FORMAT_2) return 2;
  if (typeof format !== "string" || !format.startsWith("lading-trust/")) {
    throw invalid(file, `"format" is not "${TRUST_FILE_FORMAT}"`);
  }
  throw new SigningError({
    code: "TRUST_FILE_UNSUPPORTED",
    message: `Cannot read the trusted keys of "${file}": its format is "${format.slice(0, 40)}", supported are "${TRUST_FILE_FORMAT}" and "${TRUST_FILE_FORMAT_2}"`,
    file,
  });
}

/**
 * Reads a file of trusted keys.
 * @param file its name, for messages
 * @throws {SigningError} `TRUST_FILE_INVALID`, `TRUST_FILE_UNSUPPORTED`
 */
export function parseTrustFile(text: string, file: string): TrustFile {
  const value = parseJson(text, file);
  const format = readFormat(value["format"], file);
  if (!Array.isArray(value["keys"])) throw invalid(file, `"keys" is not an array`);
  const keys = value["keys"].map((entry, index) => readEntry(entry, index, file, format));
  const twice = keys.find((key, index) => keys.findIndex((other) => other.fingerprint === key.fingerprint) !== index);
  if (twice !== undefined) throw invalid(file, `key "${twice.fingerprint}" is listed twice`);
  return { keys: sortEntries(keys), ...knownAndExtra(value, ["format", "keys"]) };
}

function sortEntries(keys: readonly TrustEntry[]): TrustEntry[] {
  return keys.toSorted((left, right) => (left.fingerprint < right.fingerprint ? -1 : 1));
}

function renderEntry(entry: TrustEntry): Json {
  const { fingerprint, publicKey, label, publisher, names, sinceMs, extra, fromIndex, untilIndex } = entry;
  return {
    fingerprint,
    publicKey: encodeBase64(publicKey),
    ...(label === undefined ? {} : { label }),
    ...(publisher === undefined ? {} : { publisher }),
    ...(names === undefined ? {} : { names }),
    ...(sinceMs === undefined ? {} : { since: formatTime(sinceMs) }),
    ...(fromIndex === undefined ? {} : { fromIndex }),
    ...(untilIndex === undefined ? {} : { untilIndex }),
    ...extra,
  };
}

/** Writes a file of trusted keys; the same keys give the same text. */
export function renderTrustFile({ keys, extra }: TrustFile): string {
  const partial = keys.some(({ fromIndex, untilIndex }) => fromIndex !== undefined || untilIndex !== undefined);
  const file = {
    format: partial ? TRUST_FILE_FORMAT_2 : TRUST_FILE_FORMAT,
    keys: sortEntries(keys).map(renderEntry),
    ...extra,
  };
  return `${JSON.stringify(file, undefined, 2)}\n`;
}
