import { digestHex, type Digest } from "./digest.ts";
import type { IndexArtifact } from "./index-model.ts";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// Two base64url characters are twelve bits are three hexadecimal digits, so that no bytes are needed between.
const pairs: string[] = [];
const triples: string[] = [];
const sixBits = new Uint8Array(128);

function fillTables(): void {
  for (let bits = 0; bits < 4096; bits += 1) {
    pairs.push(ALPHABET[bits >> 6]! + ALPHABET[bits & 63]!);
    triples.push(bits.toString(16).padStart(3, "0"));
  }
  for (let bits = 0; bits < 64; bits += 1) sixBits[ALPHABET.charCodeAt(bits)] = bits;
}

/** Value of a lower-case hexadecimal digit by its character code; 0 beyond the end of the text. */
function nibble(code: number): number {
  if (code >= 97) return code - 87;
  return code >= 48 ? code - 48 : 0;
}

/** Base64url without padding (RFC 4648 §5) of hexadecimal digits; missing bits of the last character are zero. */
function packHex(hex: string): string {
  if (pairs.length === 0) fillTables();
  let text = "";
  for (let at = 0; at < hex.length; at += 3) {
    const bits =
      (nibble(hex.charCodeAt(at)) << 8) | (nibble(hex.charCodeAt(at + 1)) << 4) | nibble(hex.charCodeAt(at + 2));
    text += pairs[bits]!;
  }
  return text;
}

/** The first `digits` hexadecimal digits of base64url text, or `undefined` where the rest is not zero. */
function unpackHex(text: string, digits: number): string | undefined {
  if (pairs.length === 0) fillTables();
  let hex = "";
  for (let at = 0; at < text.length; at += 2)
    hex += triples[(sixBits[text.charCodeAt(at)]! << 6) | sixBits[text.charCodeAt(at + 1)]!]!;
  return /^0*$/.test(hex.slice(digits)) ? hex.slice(0, digits) : undefined;
}

/** What a row says of one version; all else is in its group. */
export interface IndexRow {
  readonly version: string;
  readonly published: string;
  readonly artifacts: readonly Omit<IndexArtifact, "target">[];
}

const PUBLISHED = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

/** Whether `text` is a moment as index documents write it: RFC 3339, UTC, whole seconds. */
export function isPublished(text: string): boolean {
  if (!PUBLISHED.test(text)) return false;
  const milliseconds = Date.parse(text);
  return milliseconds >= 0 && publishedText(milliseconds / 1000) === text;
}

function publishedText(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, -".000Z".length)}Z`;
}

/** `VERSION PUBLISHED`, then `SIZE DIGESTS` for each artefact; see `docs/spec/index.md` §rows. A `beside` is its group's to say. */
export function renderRow({ version, published, artifacts }: IndexRow): string {
  const words = [version, (Date.parse(published) / 1000).toString(36)];
  for (const { size, blob, tree, statement } of artifacts) {
    const addressed = statement === undefined || statement === "beside" ? "" : digestHex(statement);
    const digests = digestHex(blob) + digestHex(tree) + addressed;
    words.push(size.toString(36), packHex(digests));
  }
  return words.join(" ");
}

const NUMBER = /^(?:0|[1-9a-z][0-9a-z]{0,10})$/;
/** The last second of the year 9999: beyond it RFC 3339 has no text. */
const LAST_SECOND = 253_402_300_799;
const TWO_DIGESTS = /^[A-Za-z0-9_-]{86}$/;
const THREE_DIGESTS = /^[A-Za-z0-9_-]{128}$/;

/** Reads a row of a group with `artifactCount` targets; `undefined` where the text is none. The version is not checked. */
export function readRow(text: string, artifactCount: number): IndexRow | undefined {
  const words = text.split(" ");
  if (words.length !== 2 + 2 * artifactCount) return undefined;
  const seconds = readNumber(words[1]!);
  if (seconds === undefined || seconds > LAST_SECOND) return undefined;
  const artifacts: IndexRow["artifacts"][number][] = [];
  for (let at = 2; at < words.length; at += 2) {
    const artifact = readArtifact(words[at]!, words[at + 1]!);
    if (artifact === undefined) return undefined;
    artifacts.push(artifact);
  }
  return { version: words[0]!, published: publishedText(seconds), artifacts };
}

function readNumber(text: string): number | undefined {
  const number = NUMBER.test(text) ? Number.parseInt(text, 36) : Number.NaN;
  return Number.isSafeInteger(number) ? number : undefined;
}

function readArtifact(sizeText: string, digests: string): IndexRow["artifacts"][number] | undefined {
  const size = readNumber(sizeText);
  const count = THREE_DIGESTS.test(digests) ? 3 : TWO_DIGESTS.test(digests) ? 2 : 0;
  const hex = count === 0 ? undefined : unpackHex(digests, count * 64);
  if (size === undefined || hex === undefined) return undefined;
  const digest = (index: number): Digest => `sha256:${hex.slice(index * 64, (index + 1) * 64)}` as Digest;
  return { blob: digest(0), size, tree: digest(1), ...(count === 3 ? { statement: digest(2) } : {}) };
}
