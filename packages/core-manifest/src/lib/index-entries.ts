import { tryParseDigest, type Digest } from "./digest.ts";
import type { IndexArtifact, IndexVersion } from "./index-model.ts";
import { isPublished, readRow, renderRow } from "./index-row.ts";
import {
  TARGET_RULE,
  VERSION_LIST_MAX,
  optional,
  readExclusiveFeatures,
  readFeatures,
  readHosts,
  readRecordedDependency,
  type RecordedDependency,
} from "./recorded-dependency.ts";
import { Shape, join, unknownKeys, type JsonObject } from "./shape.ts";
import { compareVersions, tryParseVersion, type Version } from "./version.ts";

/** Most versions of one document. */
const VERSIONS_MAX = 100_000;
/** Most entries of the table of distinct dependencies. */
const DEPENDENCIES_MAX = 100_000;
const ARTIFACTS_MAX = 256;
/** Most entries of the table of distinct signers. */
const SIGNERS_MAX = 100_000;
const VERSION_SIGNERS_MAX = 64;
const SIGNER_RULE = { max: 200 };

const STATUSES = ["active", "yanked", "deprecated", "held", "removed"] as const;

/** Fields of a version that many versions have in common. */
type Shared = Omit<IndexVersion, "version" | "artifacts" | "published">;

const SHARED_KEYS = [
  "kind",
  "dependencies",
  "features",
  "exclusiveFeatures",
  "hosts",
  "status",
  "reason",
  "replacement",
  "license",
  "signers",
  "publisher",
] as const;
const GROUP_KEYS: ReadonlySet<string> = new Set([...SHARED_KEYS, "beside", "targets", "versions"]);
const ENTRY_KEYS: ReadonlySet<string> = new Set([...SHARED_KEYS, "schema", "version", "artifacts", "published"]);

/** What a document's groups point into. */
interface Tables {
  readonly dependencies: readonly RecordedDependency[];
  readonly signers: readonly string[];
}

/** The versions of a raw document, expanded and sorted, and the entries of a newer schema. */
export function readIndexVersions(
  shape: Shape,
  raw: JsonObject,
): { versions: readonly IndexVersion[]; newer: readonly unknown[] } {
  const tables: Tables = {
    dependencies: readDependencyTable(shape, raw["dependencies"]),
    signers: optionalList(raw["signers"], (list) => shape.texts(list, "signers", SIGNERS_MAX, SIGNER_RULE)),
  };
  const defaults = raw["defaults"] === undefined ? {} : shape.object(raw["defaults"], "defaults");
  const versions: IndexVersion[] = [];
  const groups = raw["groups"] === undefined ? [] : shape.list(raw["groups"], "groups", VERSIONS_MAX);
  for (const [index, group] of groups.entries()) {
    readGroup(shape, { ...defaults, ...shape.object(group, `groups[${index}]`) }, `groups[${index}]`, tables, versions);
  }
  const newer = readEntries(shape, raw["versions"], versions);
  versions.sort((left, right) => compareVersions(left.version as Version, right.version as Version));
  checkVersions(shape, versions);
  return { versions, newer };
}

function readDependencyTable(shape: Shape, value: unknown): readonly RecordedDependency[] {
  if (value === undefined) return [];
  return shape
    .list(value, "dependencies", DEPENDENCIES_MAX)
    .map((item, index) => readRecordedDependency(shape, item, `dependencies[${index}]`));
}

function checkVersions(shape: Shape, versions: readonly IndexVersion[]): void {
  if (versions.length > VERSIONS_MAX) shape.invalid("versions", versions, `at most ${VERSIONS_MAX} versions`);
  const double = versions.findIndex((entry, index) => index > 0 && versions[index - 1]!.version === entry.version);
  if (double !== -1) shape.invalid("versions", versions[double]!.version, "each version once");
}

// A group's `null` takes a default back.
function readGroup(shape: Shape, merged: JsonObject, path: string, tables: Tables, versions: IndexVersion[]): void {
  const group = Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== null));
  const at = (key: string): string => join(path, key);
  const lists = {
    dependencies: optionalList(group["dependencies"], (list) =>
      readReferences(shape, list, at("dependencies"), tables.dependencies, VERSION_LIST_MAX),
    ),
    signers: optionalList(group["signers"], (list) => readGroupSigners(shape, list, at("signers"), tables.signers)),
  };
  const shared = readShared(shape, group, path, lists, GROUP_KEYS);
  const targets =
    group["targets"] === undefined ? ["any"] : shape.texts(group["targets"], at("targets"), ARTIFACTS_MAX, TARGET_RULE);
  const beside = readBeside(shape, group["beside"], at("beside"), targets);
  for (const [index, text] of shape.list(group["versions"], at("versions"), VERSIONS_MAX).entries()) {
    versions.push(readGroupRow(shape, text, `${path}.versions[${index}]`, shared, targets, beside));
  }
}

// Written out in full before there was the table; both are read.
function readGroupSigners(shape: Shape, value: unknown, path: string, table: readonly string[]): readonly string[] {
  const written = Array.isArray(value) && value.every((item) => typeof item === "string");
  if (written) return shape.texts(value, path, VERSION_SIGNERS_MAX, SIGNER_RULE);
  return readReferences(shape, value, path, table, VERSION_SIGNERS_MAX);
}

/** Targets of the artefacts whose statement is beside the file. */
function readBeside(shape: Shape, value: unknown, path: string, targets: readonly string[]): ReadonlySet<string> {
  if (value === undefined) return new Set();
  if (value === true) return new Set(targets);
  const named = shape.texts(value, path, ARTIFACTS_MAX, TARGET_RULE);
  const unknown = named.find((target) => !targets.includes(target));
  if (unknown !== undefined) shape.invalid(path, unknown, "targets of the group");
  return new Set(named);
}

function readGroupRow(
  shape: Shape,
  text: unknown,
  path: string,
  shared: Shared,
  targets: readonly string[],
  beside: ReadonlySet<string>,
): IndexVersion {
  const row = readRow(shape.text(text, path, { max: 300 + 160 * targets.length }), targets.length);
  if (row === undefined || tryParseVersion(row.version) === undefined) {
    shape.invalid(path, text, `a row of version, time and ${targets.length} times size and digests`);
    return { ...shared, version: "", published: "", artifacts: [] };
  }
  const artifacts = row.artifacts.map((artifact, index): IndexArtifact => {
    const target = targets[index]!;
    return { target, ...artifact, ...(beside.has(target) ? { statement: "beside" } : {}) };
  });
  return { ...shared, version: row.version, published: row.published, artifacts };
}

function readReferences<Item>(
  shape: Shape,
  value: unknown,
  path: string,
  table: readonly Item[],
  max: number,
): readonly Item[] {
  return shape.list(value, path, max).map((reference, index) => {
    const found = typeof reference === "number" ? table[reference] : undefined;
    if (found === undefined) shape.invalid(`${path}[${index}]`, reference, `an index below ${table.length}`);
    return found!;
  });
}

function optionalList<T>(value: unknown, read: (value: unknown) => readonly T[]): readonly T[] {
  return value === undefined ? [] : read(value);
}

function readShared(
  shape: Shape,
  raw: JsonObject,
  path: string,
  lists: Pick<Shared, "dependencies" | "signers">,
  known: ReadonlySet<string>,
): Shared {
  const at = (key: string): string => join(path, key);
  const extra = unknownKeys(raw, known);
  return {
    schema: 1,
    kind: shape.choice(raw["kind"], at("kind"), ["binary", "source"]),
    ...lists,
    features: raw["features"] === undefined ? {} : readFeatures(shape, raw["features"], at("features")),
    ...optional(raw["exclusiveFeatures"], "exclusiveFeatures", (list) =>
      readExclusiveFeatures(shape, list, at("exclusiveFeatures")),
    ),
    hosts: raw["hosts"] === undefined ? {} : readHosts(shape, raw["hosts"], at("hosts")),
    status: raw["status"] === undefined ? "active" : shape.choice(raw["status"], at("status"), STATUSES),
    ...optional(raw["reason"], "reason", (text) => shape.text(text, at("reason"))),
    ...optional(raw["replacement"], "replacement", (text) => shape.text(text, at("replacement"))),
    ...optional(raw["license"], "license", (text) => shape.text(text, at("license"))),
    ...optional(raw["publisher"], "publisher", (text) => shape.text(text, at("publisher"), { max: 200 })),
    ...(extra === undefined ? {} : { extra }),
  };
}

/** Reads the self-contained entries into `versions`; the answer is those of a newer schema. */
function readEntries(shape: Shape, value: unknown, versions: IndexVersion[]): readonly unknown[] {
  if (value === undefined) return [];
  const newer: unknown[] = [];
  for (const [index, item] of shape.list(value, "versions", VERSIONS_MAX).entries()) {
    const path = `versions[${index}]`;
    const raw = shape.object(item, path);
    const schema = raw["schema"] === undefined ? 1 : shape.integer(raw["schema"], join(path, "schema"), 1, 1_000_000);
    if (schema === 1) versions.push(readEntry(shape, raw, path));
    else newer.push(item);
  }
  return newer;
}

function readEntry(shape: Shape, raw: JsonObject, path: string): IndexVersion {
  const version = shape.text(raw["version"], join(path, "version"));
  if (tryParseVersion(version) === undefined) {
    shape.invalid(join(path, "version"), raw["version"], "MAJOR.MINOR.PATCH");
  }
  const published = shape.text(raw["published"], join(path, "published"));
  if (!isPublished(published)) {
    shape.invalid(join(path, "published"), raw["published"], `a moment such as "2025-01-31T12:00:00Z"`);
  }
  const dependencies = optionalList(raw["dependencies"], (list) =>
    shape
      .list(list, join(path, "dependencies"), VERSION_LIST_MAX)
      .map((item, index) => readRecordedDependency(shape, item, `${path}.dependencies[${index}]`)),
  );
  const signers = optionalList(raw["signers"], (list) =>
    shape.texts(list, join(path, "signers"), VERSION_SIGNERS_MAX, SIGNER_RULE),
  );
  return {
    ...readShared(shape, raw, path, { dependencies, signers }, ENTRY_KEYS),
    version,
    published,
    artifacts: shape
      .list(raw["artifacts"], join(path, "artifacts"), ARTIFACTS_MAX)
      .map((item, index) => readArtifact(shape, item, `${path}.artifacts[${index}]`)),
  };
}

function readArtifact(shape: Shape, value: unknown, path: string): IndexArtifact {
  const raw = shape.object(value, path);
  return {
    target: shape.text(raw["target"], join(path, "target"), TARGET_RULE),
    blob: readDigest(shape, raw["blob"], join(path, "blob")),
    size: shape.integer(raw["size"], join(path, "size"), 0, Number.MAX_SAFE_INTEGER),
    tree: readDigest(shape, raw["tree"], join(path, "tree")),
    ...optional(raw["statement"], "statement", (place) =>
      place === "beside" ? place : readDigest(shape, place, join(path, "statement")),
    ),
  };
}

function readDigest(shape: Shape, value: unknown, path: string): Digest {
  const digest = tryParseDigest(value);
  if (digest === undefined) shape.invalid(path, value, `"sha256:" and 64 lower-case hexadecimal digits`);
  return digest!;
}

/** Distinct values in the order of their first use. */
class Table<Item> {
  readonly items: Item[] = [];
  readonly #known = new Map<string, number>();

  indexOf(item: Item): number {
    const text = JSON.stringify(item);
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    this.#known.set(text, this.items.length);
    return this.items.push(item) - 1;
  }
}

interface References {
  readonly dependency: (dependency: RecordedDependency) => number;
  readonly signer: (signer: string) => number;
}

/** The keys of a raw document that hold its versions. */
export function renderIndexVersions(versions: readonly IndexVersion[], newer: readonly unknown[]): JsonObject {
  const dependencies = new Table<unknown>();
  const signers = new Table<string>();
  const references: References = {
    dependency: ({ kind, ...rest }) => dependencies.indexOf(sortedKeys(kind === "normal" ? rest : { ...rest, kind })),
    signer: (signer) => signers.indexOf(signer),
  };
  const grouped = versions.filter(fitsGroup);
  const sorted = grouped.toSorted((left, right) => compareVersions(left.version as Version, right.version as Version));
  // Most versions of a package share all of their fields.
  const shared = new Map<string, JsonObject>();
  const fields = sorted.map((version) => {
    const text = sharedText(version);
    const known = shared.get(text) ?? sharedFields(version, references);
    shared.set(text, known);
    return known;
  });
  const defaults = commonFields(fields);
  return {
    ...(Object.keys(defaults).length === 0 ? {} : { defaults }),
    ...(dependencies.items.length === 0 ? {} : { dependencies: dependencies.items }),
    ...(signers.items.length === 0 ? {} : { signers: signers.items }),
    ...(sorted.length === 0 ? {} : { groups: renderGroups(sorted, fields, defaults) }),
    ...renderEntries(versions, newer),
  };
}

// What a group's own keys or its `null` would be mistaken for has to be written out in full.
function fitsGroup({ extra = {} }: IndexVersion): boolean {
  return !Object.entries(extra).some(([key, value]) => value === null || GROUP_KEYS.has(key));
}

/** A copy with all keys in one order, so that equal documents give equal bytes. */
export function sortedKeys(value: JsonObject): JsonObject {
  const entries = Object.entries(value).toSorted(([left], [right]) => (left < right ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, sortedDeep(item)]));
}

function sortedDeep(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortedDeep);
  return typeof value === "object" && value !== null ? sortedKeys(value as JsonObject) : value;
}

/** What is derived from a version alone. A registry renders a package's document anew with every version that it gets. */
const texts = new WeakMap<IndexVersion, string>();
const rows = new WeakMap<IndexVersion, string>();

/** All that {@link sharedFields} reads of a version. */
function sharedText(version: IndexVersion): string {
  const known = texts.get(version);
  if (known !== undefined) return known;
  const { version: _version, published: _published, artifacts, ...rest } = version;
  const places = artifacts.map(({ target, statement }) => [target, statement === "beside"]);
  const text = JSON.stringify([rest, places]);
  texts.set(version, text);
  return text;
}

function rowOf(version: IndexVersion): string {
  const known = rows.get(version) ?? renderRow(version);
  rows.set(version, known);
  return known;
}

/** The fields that a version shares with others, without those that say what their absence says. */
function sharedFields(version: IndexVersion, references: References): JsonObject {
  const beside = version.artifacts.filter(({ statement }) => statement === "beside").map(({ target }) => target);
  const targets = version.artifacts.map((artifact) => artifact.target);
  const { kind, status, reason, replacement, license, publisher, signers, extra } = version;
  const fields: Record<string, unknown> = { ...extra, kind, reason, replacement, license, publisher };
  if (version.dependencies.length > 0) fields["dependencies"] = version.dependencies.map(references.dependency);
  if (Object.keys(version.features).length > 0) fields["features"] = version.features;
  if ((version.exclusiveFeatures ?? []).length > 0) fields["exclusiveFeatures"] = version.exclusiveFeatures;
  if (Object.keys(version.hosts).length > 0) fields["hosts"] = version.hosts;
  if (status !== "active") fields["status"] = status;
  if (signers.length > 0) fields["signers"] = signers.map(references.signer);
  if (beside.length > 0) fields["beside"] = beside.length === targets.length ? true : beside;
  if (targets.length !== 1 || targets[0] !== "any") fields["targets"] = targets;
  return sortedKeys(Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)));
}

/** Of every field the value that most versions have, where more have it than have none or another. */
function commonFields(fields: readonly JsonObject[]): JsonObject {
  const counts = new Map<string, Map<string, { value: unknown; count: number }>>();
  for (const [field, times] of timesEach(fields)) {
    for (const [key, value] of Object.entries(field)) {
      const values = counts.get(key) ?? new Map<string, { value: unknown; count: number }>();
      counts.set(key, values);
      const text = JSON.stringify(value);
      const entry = values.get(text) ?? { value, count: 0 };
      values.set(text, { value, count: entry.count + times });
    }
  }
  const common: Record<string, unknown> = {};
  for (const [key, values] of counts) {
    const all = [...values.values()];
    const best = all.reduce((left, right) => (right.count > left.count ? right : left));
    const absent = fields.length - all.reduce((sum, { count }) => sum + count, 0);
    if (best.count > absent && (best.count > 1 || fields.length === 1)) common[key] = best.value;
  }
  return sortedKeys(common);
}

function timesEach(fields: readonly JsonObject[]): ReadonlyMap<JsonObject, number> {
  const times = new Map<JsonObject, number>();
  for (const field of fields) times.set(field, (times.get(field) ?? 0) + 1);
  return times;
}

function renderGroups(
  versions: readonly IndexVersion[],
  fields: readonly JsonObject[],
  defaults: JsonObject,
): JsonObject[] {
  const groups = new Map<string, { own: JsonObject; rows: string[] }>();
  const groupOf = new Map<JsonObject, { own: JsonObject; rows: string[] }>();
  for (const [index, version] of versions.entries()) {
    const field = fields[index]!;
    const group = groupOf.get(field) ?? groupFor(withoutDefaults(field, defaults), groups);
    groupOf.set(field, group);
    group.rows.push(rowOf(version));
  }
  return [...groups.values()].map(({ own, rows }) => ({ ...own, versions: rows }));
}

function groupFor(
  own: JsonObject,
  groups: Map<string, { own: JsonObject; rows: string[] }>,
): { own: JsonObject; rows: string[] } {
  const key = JSON.stringify(own);
  const group = groups.get(key) ?? { own, rows: [] };
  groups.set(key, group);
  return group;
}

function withoutDefaults(field: JsonObject, defaults: JsonObject): JsonObject {
  const own = Object.entries(field).filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(defaults[key]));
  const taken = Object.keys(defaults).filter((key) => field[key] === undefined);
  return sortedKeys({ ...Object.fromEntries(own), ...Object.fromEntries(taken.map((key) => [key, null])) });
}

function renderEntries(versions: readonly IndexVersion[], newer: readonly unknown[]): JsonObject {
  const entries = versions
    .filter((version) => !fitsGroup(version))
    .map(({ extra, ...known }) => sortedKeys({ ...known, ...extra }));
  return entries.length + newer.length === 0 ? {} : { versions: [...entries, ...newer] };
}
