import { CoreError } from "./core-error.ts";
import type { Digest } from "./digest.ts";
import { Shape, describe, join, safetyProblem, type JsonObject, type ShapeProblem, type TextRule } from "./shape.ts";
import { compareVersions, tryParseVersion, type Version } from "./version.ts";

/** The only format version of a flat index. */
export const PACK_INDEX_VERSION = "1.0";

/** Where a pack can be had from; the checksum of a Git source is that of its directory. */
export type PackInstallSource =
  | { readonly type: "git"; readonly url: string; readonly ref: string; readonly checksum: Digest }
  | { readonly type: "archive"; readonly url: string; readonly checksum: Digest };

/** One action, sensor, trigger, rule or workflow of a pack. */
export interface PackComponent {
  readonly name: string;
  readonly description: string;
}

/** The kinds of components, in the order in which they are written. */
export const PACK_COMPONENTS = ["actions", "sensors", "triggers", "rules", "workflows"] as const;

/** One pack in a flat index; keys beyond these are kept. */
export interface PackIndexEntry {
  readonly ref: string;
  readonly label: string;
  readonly description: string;
  readonly version: string;
  readonly author: string;
  readonly license: string;
  readonly keywords: readonly string[];
  readonly runtime_deps: readonly string[];
  readonly install_sources: readonly PackInstallSource[];
  readonly contents: Readonly<Record<(typeof PACK_COMPONENTS)[number], readonly PackComponent[]>>;
  readonly [key: string]: unknown;
}

/** A flat index: every pack of a static registry in one file (docs/spec/pack-index.md). */
export interface PackIndex {
  readonly registry_name: string;
  readonly registry_url: string;
  readonly version: typeof PACK_INDEX_VERSION;
  /** RFC 3339, UTC. */
  readonly last_updated: string;
  readonly packs: readonly PackIndexEntry[];
  readonly [key: string]: unknown;
}

/** One thing that is wrong with a flat index. */
export interface PackIndexProblem {
  /** `error`: it cannot be used. `warning`: the published schema refuses it, other tools may too. */
  readonly severity: "error" | "warning";
  /** `packs[3].install_sources[0].checksum`. */
  readonly path: string;
  /** What was found and what is allowed. */
  readonly message: string;
}

/** What reading a flat index came to; without errors the index is there. */
export interface CheckedPackIndex {
  readonly index: PackIndex | undefined;
  readonly problems: readonly PackIndexProblem[];
}

const PACKS_MAX = 100_000;
const LIST_MAX = 10_000;
const INDEX_MAX_DEPTH = 40;

const REF: TextRule = { pattern: /^[a-z][a-z0-9_-]*$/, max: 200, allowed: "a-z first, then a-z, 0-9, _ and -" };
const TEXT: TextRule = { pattern: /\S/, allowed: "text" };
const ANY_TEXT: TextRule = { max: 100_000 };
const CHECKSUM: TextRule = { pattern: /^sha256:[0-9a-f]{64}$/, allowed: "sha256: and 64 hexadecimal digits" };
const TIME: TextRule = {
  pattern: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/,
  allowed: "a time such as 2026-01-31T12:00:00Z",
};

const INDEX_KEYS = ["registry_name", "registry_url", "version", "last_updated", "packs"];
const ENTRY_KEYS = [
  "ref",
  "label",
  "description",
  "use_case",
  "version",
  "author",
  "email",
  "homepage",
  "repository",
  "license",
  "keywords",
  "runtime_deps",
  "install_sources",
  "contents",
  "dependencies",
  "meta",
];
const DEPENDENCY_KEYS = ["attune_version", "python_version", "nodejs_version", "packs"];

/** Reads a flat index and reports everything that is wrong with it, at once. */
export function checkPackIndex(text: string): CheckedPackIndex {
  const problems: PackIndexProblem[] = [];
  const value = parseJson(text, problems);
  if (problems.length > 0) return { index: undefined, problems };
  const unsafe = safetyProblem(value, INDEX_MAX_DEPTH);
  if (unsafe !== undefined) return { index: undefined, problems: [{ severity: "error", path: "", message: unsafe }] };
  const reading = new Shape((problem) => problems.push(wordProblem(problem)));
  const raw = reading.object(value, "");
  readHead(reading, raw);
  const packs = reading.list(raw["packs"], "packs", PACKS_MAX);
  packs.forEach((pack, i) => checkEntry(reading, pack, `packs[${i}]`));
  checkTwins(reading, packs);
  const broken = problems.some(({ severity }) => severity === "error");
  return { index: broken ? undefined : (value as PackIndex), problems };
}

function parseJson(text: string, problems: PackIndexProblem[]): unknown {
  try {
    return JSON.parse(text.startsWith("\u{feff}") ? text.slice(1) : text);
  } catch (error) {
    const message = `it is no JSON: ${error instanceof Error ? error.message : String(error)}`;
    problems.push({ severity: "error", path: "", message });
    return undefined;
  }
}

function wordProblem({ kind, path, found, allowed }: ShapeProblem): PackIndexProblem {
  const what = kind === "missing" ? "it is not there" : kind === "unknown" ? "it is unknown" : `it is ${found}`;
  return { severity: kind === "unknown" ? "warning" : "error", path, message: `${what}, allowed is ${allowed}` };
}

function readHead(reading: Shape, raw: JsonObject): void {
  reading.closed(raw, "", INDEX_KEYS);
  reading.text(raw["registry_name"], "registry_name", TEXT);
  checkUrl(reading, raw["registry_url"], "registry_url");
  if (raw["version"] !== PACK_INDEX_VERSION) reading.invalid("version", raw["version"], `"${PACK_INDEX_VERSION}"`);
  const time = reading.text(raw["last_updated"], "last_updated", TIME);
  if (time !== "" && Number.isNaN(Date.parse(time))) reading.invalid("last_updated", time, TIME.allowed!);
}

/** https:, or http: to this machine for development. */
function checkUrl(reading: Shape, value: unknown, path: string): void {
  const text = reading.text(value, path, { allowed: "an https: address" });
  if (text !== "" && !isPackUrl(text)) reading.invalid(path, text, "an https: address");
}

/** Whether an address may stand in a flat index: https:, or http: to a loopback address, without credentials. */
export function isPackUrl(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || url.username !== "" || url.password !== "") return false;
  if (url.protocol === "https:") return true;
  return url.protocol === "http:" && /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname);
}

function checkEntry(reading: Shape, value: unknown, path: string): void {
  const raw = reading.object(value, path);
  reading.closed(raw, path, ENTRY_KEYS);
  reading.text(raw["ref"], join(path, "ref"), REF);
  for (const key of ["label", "author", "license"]) reading.text(raw[key], join(path, key), TEXT);
  reading.text(raw["description"], join(path, "description"), ANY_TEXT);
  checkVersion(reading, raw["version"], join(path, "version"));
  for (const key of ["keywords", "runtime_deps"]) checkUnique(reading, raw[key], join(path, key));
  for (const key of ["use_case", "email"]) {
    if (raw[key] !== undefined) reading.text(raw[key], join(path, key), ANY_TEXT);
  }
  for (const key of ["homepage", "repository"]) {
    if (raw[key] !== undefined) checkUrl(reading, raw[key], join(path, key));
  }
  checkSources(reading, raw["install_sources"], join(path, "install_sources"));
  checkContents(reading, raw["contents"], join(path, "contents"));
  checkDependencies(reading, raw["dependencies"], join(path, "dependencies"));
  if (raw["meta"] !== undefined) reading.object(raw["meta"], join(path, "meta"));
}

function checkVersion(reading: Shape, value: unknown, path: string): void {
  const version = reading.text(value, path, { allowed: "MAJOR.MINOR.PATCH" });
  if (version !== "" && tryParseVersion(version) === undefined) reading.invalid(path, value, "MAJOR.MINOR.PATCH");
}

function checkUnique(reading: Shape, value: unknown, path: string): void {
  const texts = reading.texts(value, path, LIST_MAX, ANY_TEXT);
  const twin = texts.findIndex((text, i) => texts.indexOf(text) < i);
  if (twin !== -1) reading.invalid(`${path}[${twin}]`, texts[twin], "each text once");
}

function checkSources(reading: Shape, value: unknown, path: string): void {
  const sources = reading.list(value, path, LIST_MAX);
  if (Array.isArray(value) && sources.length === 0) reading.invalid(path, value, "at least one source");
  sources.forEach((source, i) => {
    const at = `${path}[${i}]`;
    const raw = reading.object(source, at);
    const type = reading.choice(raw["type"], join(at, "type"), ["git", "archive"]);
    reading.closed(raw, at, type === "git" ? ["type", "url", "ref", "checksum"] : ["type", "url", "checksum"]);
    checkUrl(reading, raw["url"], join(at, "url"));
    if (type === "git") reading.text(raw["ref"], join(at, "ref"), TEXT);
    reading.text(raw["checksum"], join(at, "checksum"), CHECKSUM);
  });
}

function checkContents(reading: Shape, value: unknown, path: string): void {
  const raw = reading.object(value, path);
  reading.closed(raw, path, PACK_COMPONENTS);
  for (const kind of PACK_COMPONENTS) {
    if (value === undefined) return;
    reading.list(raw[kind], join(path, kind), LIST_MAX).forEach((item, i) => {
      const at = `${join(path, kind)}[${i}]`;
      const component = reading.object(item, at);
      reading.closed(component, at, ["name", "description"]);
      reading.text(component["name"], join(at, "name"), TEXT);
      reading.text(component["description"], join(at, "description"), ANY_TEXT);
    });
  }
}

function checkDependencies(reading: Shape, value: unknown, path: string): void {
  if (value === undefined) return;
  const raw = reading.object(value, path);
  reading.closed(raw, path, DEPENDENCY_KEYS);
  for (const key of DEPENDENCY_KEYS.slice(0, 3)) {
    if (raw[key] !== undefined) reading.text(raw[key], join(path, key), TEXT);
  }
  if (raw["packs"] !== undefined) reading.texts(raw["packs"], join(path, "packs"), LIST_MAX, TEXT);
}

function checkTwins(reading: Shape, packs: readonly unknown[]): void {
  const seen = new Set<unknown>();
  packs.forEach((pack, i) => {
    const ref = (pack as JsonObject | null)?.["ref"];
    if (typeof ref === "string" && seen.has(ref)) reading.invalid(`packs[${i}].ref`, ref, "each ref once");
    seen.add(ref);
  });
}

/**
 * Reads a flat index that is to be changed or merged: what the published schema merely does not know is kept.
 * @throws {CoreError} `PACK_INDEX_INVALID` with every mistake
 */
export function parsePackIndex(text: string, file: string): PackIndex {
  const { index, problems } = checkPackIndex(text);
  if (index !== undefined) return index;
  const errors = problems.filter(({ severity }) => severity === "error");
  const shown = errors.slice(0, 5).map(({ path, message }) => (path === "" ? message : `"${path}": ${message}`));
  const more = errors.length > shown.length ? `; and ${errors.length - shown.length} more` : "";
  throw new CoreError({
    code: "PACK_INDEX_INVALID",
    message: `Cannot read the index "${file}": ${shown.join("; ")}${more}`,
    file,
    problems: errors,
  });
}

/**
 * Checks one entry as {@link checkPackIndex} checks it inside an index.
 * @throws {CoreError} `PACK_INDEX_INVALID` with every mistake
 */
export function checkPackEntry(entry: unknown): PackIndexEntry {
  const problems: PackIndexProblem[] = [];
  checkEntry(new Shape((problem) => problems.push(wordProblem(problem))), entry, "entry");
  const errors = problems.filter(({ severity }) => severity === "error");
  if (errors.length === 0) return entry as PackIndexEntry;
  const shown = errors.map(({ path, message }) => `"${path}": ${message}`);
  const name = describe((entry as JsonObject | null)?.["ref"]);
  throw new CoreError({
    code: "PACK_INDEX_INVALID",
    message: `Cannot make an index entry for ${name}: ${shown.join("; ")}`,
    problems: errors,
  });
}

/** The text of a flat index: packs in their order, known keys first in the order of the schema, two spaces, one final line feed. */
export function renderPackIndex(index: PackIndex): string {
  const packs = index.packs.map(orderPackEntry);
  return `${JSON.stringify(ordered({ ...index, packs }, INDEX_KEYS), undefined, 2)}\n`;
}

/** An entry with its keys in the order of the schema. */
export function orderPackEntry(entry: PackIndexEntry): PackIndexEntry {
  return ordered(entry, ENTRY_KEYS) as PackIndexEntry;
}

function ordered(value: JsonObject, keys: readonly string[]): JsonObject {
  const rest = Object.keys(value)
    .filter((key) => !keys.includes(key))
    .sort();
  const all = [...keys, ...rest].filter((key) => value[key] !== undefined);
  return Object.fromEntries(all.map((key) => [key, value[key]]));
}

/** What came of putting an entry into an index. */
export interface UpdatedPackIndex {
  readonly index: PackIndex;
  readonly change: "added" | "updated" | "unchanged";
  /** Version that the entry had before. */
  readonly before: string | undefined;
}

/**
 * Puts an entry into an index: a new ref is added, a known one replaced where `update` allows it. An entry that
 * says what the index says already changes nothing, not even the time.
 * @throws {CoreError} `PACK_INDEX_DUPLICATE`
 */
export function updatePackIndex(
  index: PackIndex,
  entry: PackIndexEntry,
  options: { readonly update: boolean; readonly now: Date },
): UpdatedPackIndex {
  const known = index.packs.find(({ ref }) => ref === entry.ref);
  if (known !== undefined && !options.update) {
    throw new CoreError({
      code: "PACK_INDEX_DUPLICATE",
      message: `Cannot add "${entry.ref}" ${entry.version} to the index: it has "${known.ref}" ${known.version} already`,
      hint: "Give --update to replace the entry",
      ref: entry.ref,
      known: known.version,
    });
  }
  const before = known?.version;
  if (known !== undefined && JSON.stringify(orderPackEntry(known)) === JSON.stringify(orderPackEntry(entry))) {
    return { index, change: "unchanged", before };
  }
  const packs =
    known === undefined ? withNew(index.packs, entry) : index.packs.map((one) => (one === known ? entry : one));
  const last_updated = packIndexTime(options.now);
  return { index: { ...index, packs, last_updated }, change: known === undefined ? "added" : "updated", before };
}

/** Others keep their places, so that a change of one pack is a change of one block; in a sorted index it stays sorted. */
function withNew(packs: readonly PackIndexEntry[], entry: PackIndexEntry): PackIndexEntry[] {
  const after = packs.findIndex(({ ref }) => ref > entry.ref);
  return after === -1 ? [...packs, entry] : packs.toSpliced(after, 0, entry);
}

/** A time as flat indexes write it, in whole seconds. */
export function packIndexTime(now: Date): string {
  return now.toISOString().replace(/\.\d+Z$/, "Z");
}

/** A merged index and what was counted on the way. */
export interface MergedPackIndex {
  readonly index: PackIndex;
  /** Entries of all inputs. */
  readonly loaded: number;
  readonly unique: number;
  /** Entries that lost against another of the same ref. */
  readonly duplicates: number;
}

/**
 * Merges indexes: one entry a ref, the one of the highest version by SemVer precedence; of equal versions the
 * one of the earlier input. The head is that of the first input; packs come sorted by ref.
 * @throws {CoreError} `PACK_INDEX_CONFLICT` where two inputs have one version of a pack with different checksums
 */
export function mergePackIndexes(inputs: readonly PackIndex[], now: Date): MergedPackIndex {
  const best = new Map<string, PackIndexEntry>();
  const all = inputs.flatMap(({ packs }) => packs);
  for (const entry of all) {
    const known = best.get(entry.ref);
    const order = known === undefined ? 1 : compareVersions(entry.version as Version, known.version as Version);
    if (order === 0) refuseOtherBytes(known!, entry);
    if (order > 0) best.set(entry.ref, entry);
  }
  const packs = [...best.values()].sort((left, right) => (left.ref < right.ref ? -1 : 1));
  const index: PackIndex = { ...inputs[0]!, last_updated: packIndexTime(now), packs };
  return { index, loaded: all.length, unique: best.size, duplicates: all.length - best.size };
}

/** One version has one content: where two registries disagree, somebody must look. */
function refuseOtherBytes(left: PackIndexEntry, right: PackIndexEntry): void {
  const checksums = (entry: PackIndexEntry): Map<string, Digest> =>
    new Map(entry.install_sources.map((source) => [sourceKey(source), source.checksum]));
  const known = checksums(left);
  for (const [source, checksum] of checksums(right)) {
    const other = known.get(source);
    if (other === undefined || other === checksum) continue;
    throw new CoreError({
      code: "PACK_INDEX_CONFLICT",
      message: `Cannot merge "${left.ref}" ${left.version}: ${source} has checksum ${other} in one index and ${checksum} in another`,
      ref: left.ref,
      version: left.version,
    });
  }
}

function sourceKey(source: PackInstallSource): string {
  return source.type === "git" ? `${source.url} at ${source.ref}` : source.url;
}
