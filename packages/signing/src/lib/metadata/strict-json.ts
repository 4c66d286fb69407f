import { isPlainlyCanonical } from "./canonical-scan.ts";
import { MetadataError } from "./metadata-error.ts";

/** A JSON value whose numbers are integers. Objects have no prototype, so that `__proto__` is a name like others. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: Json;
}

const MAX_DEPTH = 32;
const INTEGER = /-?(?:0|[1-9]\d{0,15})(?![\d.eE])/y;
// Everything up to the closing quote, an escape, or a character that JSON does not allow in strings.
// oxlint-disable-next-line no-control-regex
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};
const LONE_SURROGATE = /\p{Surrogate}/u;

class Reader {
  readonly text: string;
  position = 0;

  constructor(text: string) {
    this.text = text;
  }

  fail(problem: string): never {
    throw new MetadataError({
      code: "METADATA_MALFORMED",
      message: `Cannot read the metadata: ${problem} at character ${this.position + 1}`,
    });
  }

  skipSpace(): void {
    let code = this.text.charCodeAt(this.position);
    while (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) {
      code = this.text.charCodeAt(++this.position);
    }
  }

  take(character: string): boolean {
    if (this.text[this.position] !== character) return false;
    this.position++;
    return true;
  }

  match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.position;
    const found = pattern.exec(this.text)?.[0];
    if (found !== undefined) this.position += found.length;
    return found;
  }
}

function readEscape(reader: Reader): string {
  const letter = reader.text[reader.position++] ?? "";
  if (letter !== "u") return ESCAPES[letter] ?? reader.fail("an unknown escape");
  const hex = reader.text.slice(reader.position, reader.position + 4);
  if (!/^[0-9a-fA-F]{4}$/.test(hex)) return reader.fail("a broken escape");
  reader.position += 4;
  return String.fromCharCode(Number.parseInt(hex, 16));
}

function readString(reader: Reader): string {
  let text = "";
  for (;;) {
    text += reader.match(PLAIN) ?? "";
    if (reader.take('"')) break;
    if (!reader.take("\\")) reader.fail("a string that does not end, or holds a control character,");
    text += readEscape(reader);
  }
  if (LONE_SURROGATE.test(text)) reader.fail("half of a surrogate pair");
  return text;
}

function readNumber(reader: Reader): number {
  const digits = reader.match(INTEGER);
  const value = Number(digits);
  // A float, an exponent, -0 or a number beyond 2^53: canonical JSON has none, and readers differ about each.
  if (digits === undefined || !Number.isSafeInteger(value) || Object.is(value, -0)) {
    return reader.fail("something that is neither a JSON value nor an integer of at most 2^53 - 1");
  }
  return value;
}

function readArray(reader: Reader, depth: number): Json[] {
  const items: Json[] = [];
  reader.skipSpace();
  if (reader.take("]")) return items;
  for (;;) {
    items.push(readValue(reader, depth));
    if (reader.take("]")) return items;
    if (!reader.take(",")) reader.fail("an array without comma or end");
  }
}

function readObject(reader: Reader, depth: number): JsonObject {
  const members = Object.create(null) as Record<string, Json>;
  reader.skipSpace();
  if (reader.take("}")) return members;
  for (;;) {
    reader.skipSpace();
    if (!reader.take('"')) reader.fail("an object whose member has no name");
    const name = readString(reader);
    // Two readers would take different ones of two members.
    if (name in members) reader.fail(`the member "${name.slice(0, 60)}" a second time`);
    reader.skipSpace();
    if (!reader.take(":")) reader.fail("a member without colon");
    members[name] = readValue(reader, depth);
    if (reader.take("}")) return members;
    if (!reader.take(",")) reader.fail("an object without comma or end");
  }
}

function readWord(reader: Reader): Json {
  if (reader.match(/true/y) !== undefined) return true;
  if (reader.match(/false/y) !== undefined) return false;
  if (reader.match(/null/y) !== undefined) return null;
  return readNumber(reader);
}

function readValue(reader: Reader, depth: number): Json {
  if (depth > MAX_DEPTH) reader.fail(`nesting deeper than ${MAX_DEPTH}`);
  reader.skipSpace();
  const value = reader.take('"')
    ? readString(reader)
    : reader.take("{")
      ? readObject(reader, depth + 1)
      : reader.take("[")
        ? readArray(reader, depth + 1)
        : readWord(reader);
  reader.skipSpace();
  return value;
}

/**
 * Reads JSON strictly: each member once, integers only, no lone surrogates, nothing after the value.
 * @throws {MetadataError} `METADATA_MALFORMED` with the place
 */
export function parseStrictJson(text: string): Json {
  const reader = new Reader(text);
  const value = readValue(reader, 0);
  if (reader.position !== text.length) reader.fail("something after the value");
  return value;
}

function compareCodePoints(left: string, right: string): number {
  // UTF-16 order differs from code point order only where a surrogate meets U+E000 to U+FFFF.
  const length = Math.min(left.length, right.length);
  for (let i = 0; i < length; i++) {
    const [a, b] = [left.charCodeAt(i), right.charCodeAt(i)];
    if (a === b) continue;
    const surrogates = [a, b].map((unit) => unit >= 0xd800 && unit <= 0xdfff);
    return surrogates[0] === surrogates[1] ? a - b : surrogates[0] ? 1 : -1;
  }
  return left.length - right.length;
}

function quote(text: string): string {
  // Hardly any text needs it, and a search is many times faster than a replacement.
  return /["\\]/.test(text) ? `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"` : `"${text}"`;
}

function sortedNames(object: JsonObject): string[] {
  const names = Object.keys(object);
  for (let i = 1; i < names.length; i++) {
    if (compareCodePoints(names[i - 1]!, names[i]!) > 0) return names.sort(compareCodePoints);
  }
  return names;
}

function refuseValue(problem: string): never {
  throw new MetadataError({ code: "METADATA_MALFORMED", message: `Cannot read the metadata: ${problem}` });
}

function encode(value: Json, depth: number): string {
  if (typeof value === "string") return quote(value);
  if (typeof value === "number") {
    return Number.isSafeInteger(value) ? String(value) : refuseValue(`${value} is no integer of at most 2^53 - 1`);
  }
  if (typeof value !== "object" || value === null) return String(value);
  if (depth > MAX_DEPTH) refuseValue(`nesting deeper than ${MAX_DEPTH}`);
  if (Array.isArray(value)) return `[${(value as readonly Json[]).map((item) => encode(item, depth + 1)).join(",")}]`;
  const object = value as JsonObject;
  let text = "";
  for (const name of sortedNames(object)) {
    text += `${text === "" ? "{" : ","}${quote(name)}:${encode(object[name]!, depth + 1)}`;
  }
  return text === "" ? "{}" : `${text}}`;
}

/**
 * Canonical JSON as TUF means it (OLPC's): members sorted by code point, no white space, and only `"` and `\` escaped.
 * It is the form that is signed and of which key ids are digests; a control character makes it no JSON.
 * @throws {MetadataError} `METADATA_MALFORMED` for a number that is no safe integer, or nesting beyond 32
 */
export function encodeTufCanonical(value: Json): string {
  return encode(value, 1);
}

/**
 * Reads JSON that must be in its canonical form; `undefined` where it is good JSON in another one. The comparison finds
 * whatever a lenient parser passes over (a member twice, other escapes), so that the runtime's fast one will do.
 * @throws {MetadataError} `METADATA_MALFORMED`
 */
export function parseCanonicalJson(text: string): Json | undefined {
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return refuseValue("it is not valid JSON");
  }
  if (isPlainlyCanonical(text) || encodeTufCanonical(value) === text) return value;
  parseStrictJson(text);
  return undefined;
}
