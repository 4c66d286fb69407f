import { CoreError } from "./core-error.ts";
import { readIndexVersions, renderIndexVersions, sortedKeys } from "./index-entries.ts";
import type { IndexDocument, IndexVersion } from "./index-model.ts";
import { isPublished } from "./index-row.ts";
import { readName } from "./recorded-dependency.ts";
import { Shape, describe, safetyProblem, unknownKeys } from "./shape.ts";
import { tryParseVersion } from "./version.ts";

export type { IndexArtifact, IndexDocument, IndexVersion, StatementPlace, VersionStatus } from "./index-model.ts";

/** Highest document and entry schema that this release reads and writes. */
export const INDEX_SCHEMA = 1;

const DOCUMENT_KEYS: ReadonlySet<string> = new Set([
  "schema",
  "name",
  "sequence",
  "channels",
  "defaults",
  "dependencies",
  "groups",
  "signers",
  "versions",
]);

/** Deepest nesting of a document, unknown fields included. */
const DOCUMENT_MAX_DEPTH = 40;
const CHANNELS_MAX = 1000;

function refuse(name: unknown, problem: string): never {
  const of = typeof name === "string" ? ` of "${name.slice(0, 140)}"` : "";
  throw new CoreError({
    code: "INDEX_DOCUMENT_INVALID",
    message: `Cannot read the index document${of}: ${problem}`,
    ...(typeof name === "string" ? { package: name.slice(0, 140) } : {}),
  });
}

/**
 * Checks a decoded index document and expands it: shared fields are written once in the document and are
 * given with every version here (`docs/spec/index.md`). Versions are sorted; entries of a newer schema
 * are left out of `versions` and kept in `newer`; unknown fields are kept in `extra`.
 * @throws {CoreError} `INDEX_DOCUMENT_INVALID`, with the path of the wrong field, what was found and what is
 * allowed; `INDEX_DOCUMENT_SCHEMA_UNSUPPORTED` where the whole document has a newer schema.
 */
export function parseIndexDocument(value: unknown): IndexDocument {
  const name: unknown = typeof value === "object" && value !== null ? (value as { name?: unknown }).name : undefined;
  const shape = new Shape(({ path, found, allowed }) => refuse(name, `"${path}" is ${found}, expected ${allowed}`));
  const unsafe = safetyProblem(value, DOCUMENT_MAX_DEPTH);
  if (unsafe !== undefined) refuse(name, unsafe);
  const raw = shape.object(value, "document");
  checkSchema(shape, raw["schema"], name);
  const { versions, newer } = readIndexVersions(shape, raw);
  const extra = unknownKeys(raw, DOCUMENT_KEYS);
  return {
    schema: 1,
    name: readName(shape, raw["name"], "name"),
    sequence: shape.integer(raw["sequence"], "sequence", 0, Number.MAX_SAFE_INTEGER),
    channels: readChannels(shape, raw["channels"]),
    versions,
    ...(newer.length === 0 ? {} : { newer }),
    ...(extra === undefined ? {} : { extra }),
  };
}

function checkSchema(shape: Shape, schema: unknown, name: unknown): void {
  if (shape.integer(schema, "schema", 1, 1_000_000) === INDEX_SCHEMA) return;
  throw new CoreError({
    code: "INDEX_DOCUMENT_SCHEMA_UNSUPPORTED",
    message: `Cannot read the index document of ${describe(name)}: its schema is ${describe(schema)}, known is ${INDEX_SCHEMA}`,
    schema,
  });
}

function readChannels(shape: Shape, value: unknown): Readonly<Record<string, string>> {
  if (value === undefined) return {};
  const channels = shape.record(value, "channels", (text, path) => {
    const version = shape.text(text, path);
    if (tryParseVersion(version) === undefined) shape.invalid(path, text, "MAJOR.MINOR.PATCH");
    return version;
  });
  if (Object.keys(channels).length > CHANNELS_MAX) shape.invalid("channels", value, `at most ${CHANNELS_MAX} channels`);
  return channels;
}

/** Versions that were looked at: a registry renders a package's document anew with every version that it gets. */
const dated = new WeakSet<IndexVersion>();

function isDated(version: IndexVersion): boolean {
  if (dated.has(version)) return true;
  if (!isPublished(version.published)) return false;
  dated.add(version);
  return true;
}

/**
 * The compact JSON text of a document, without white space: what {@link parseIndexDocument} expands again to the
 * same document. Equal documents give equal bytes.
 * @throws {CoreError} `INDEX_DOCUMENT_INVALID` where a `published` is no RFC 3339 moment in UTC and whole seconds.
 */
export function renderIndexDocument(document: IndexDocument): string {
  const wrong = document.versions.find((version) => !isDated(version));
  if (wrong !== undefined) {
    throw new CoreError({
      code: "INDEX_DOCUMENT_INVALID",
      message: `Cannot write the index document of "${document.name}": version "${wrong.version}" is published at "${wrong.published}", expected a moment such as "2025-01-31T12:00:00Z"`,
      package: document.name,
    });
  }
  return JSON.stringify({
    schema: document.schema,
    name: document.name,
    sequence: document.sequence,
    channels: sortedKeys(document.channels),
    ...renderIndexVersions(document.versions, document.newer ?? []),
    ...sortedKeys(document.extra ?? {}),
  });
}
