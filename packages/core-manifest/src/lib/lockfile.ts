import { parse as parseToml, TomlError, type TomlTable } from "smol-toml";
import { CoreError } from "./core-error.ts";
import { tryParseDigest, type Digest } from "./digest.ts";
import { LOCK_ENVIRONMENTS_MAX, lockGrid, type LockGrid } from "./lockfile-environments.ts";
import { locateLockField } from "./lockfile-location.ts";
import {
  lockSourceString,
  type LockArtifact,
  type LockPackage,
  type LockSource,
  type Lockfile,
} from "./lockfile-model.ts";
import { lockReferenceTexts, splitReference } from "./lockfile-references.ts";
import { optional, readName, TARGET_RULE } from "./recorded-dependency.ts";
import { Shape, join, safetyProblem, unknownKeys, type JsonObject, type ShapeProblem, type TextRule } from "./shape.ts";
import { compareVersions, tryParseVersion, type Version } from "./version.ts";

/** The lock format that this release reads and writes. */
export const LOCKFILE_VERSION = 1;

/** Most packages of one lock, and most entries of any list in it. */
const PACKAGES_MAX = 200_000;
const LIST_MAX = 100_000;
const LOCK_MAX_DEPTH = 32;

const KINDS = ["dev", "build", "peer", "optional"] as const;
const TOP_KEYS: ReadonlySet<string> = new Set([
  "version",
  "root",
  "inputs",
  "environment",
  "overrides",
  "patches",
  "members",
  "packages",
]);
const PACKAGE_KEYS: ReadonlySet<string> = new Set([
  "name",
  "version",
  "source",
  "checksum",
  "tree",
  "features",
  "dependencies",
  "publisher",
  "kinds",
  "ranges",
  "environments",
  "artifacts",
]);

const PUBLISHER: TextRule = { pattern: /^ed25519:[0-9a-f]{64}$/, allowed: `"ed25519:" and 64 hexadecimal digits` };

const REGISTRY = /^registry\+([a-z][a-z0-9+.-]*:\/?\/?[^\s#]+)$/;
const GIT = /^git\+([^\s#]+)#([0-9a-f]{40}|[0-9a-f]{64})$/;
// oxlint-disable-next-line no-control-regex -- control characters are what is refused
const PATH = /^path\+([^\\\u0000-\u001f]+)$/;

const SOURCE_ALLOWED = `"registry+URL", "git+URL#COMMIT" or "path+RELATIVE"`;

function readSource(text: string): LockSource | undefined {
  const registry = REGISTRY.exec(text);
  if (registry !== null) return { type: "registry", url: registry[1]! };
  const git = GIT.exec(text);
  if (git !== null) return { type: "git", url: git[1]!, commit: git[2]! };
  const path = PATH.exec(text);
  return path === null ? undefined : { type: "path", path: path[1]! };
}

/**
 * Reads what {@link lockSourceString} writes.
 * @throws {CoreError} `LOCKFILE_INVALID`
 */
export function parseLockSource(text: string): LockSource {
  const source = readSource(text);
  if (source !== undefined) return source;
  throw new CoreError({
    code: "LOCKFILE_INVALID",
    message: `Cannot read the lock source "${text.slice(0, 200)}": expected ${SOURCE_ALLOWED}`,
    source: text.slice(0, 200),
  });
}

/** Orders packages as a lock lists them: by name, then version, then source. */
export function compareLockPackages(left: LockPackage, right: LockPackage): number {
  if (left.name !== right.name) return left.name < right.name ? -1 : 1;
  const order = compareVersions(left.version as Version, right.version as Version);
  if (order !== 0) return order;
  const [a, b] = [left, right].map(({ source }) => (source === undefined ? "" : lockSourceString(source)));
  return a === b ? 0 : a! < b! ? -1 : 1;
}

/**
 * Reads a lock file, GAL's short form (no `source`, `tree`, `inputs`) included. Packages, features, kinds and
 * references come sorted, whatever the order in the file; unknown keys are kept in `extra`.
 * @param file path as the user knows it, for the error's location.
 * @throws {CoreError} `LOCKFILE_INVALID`, with the line, what was found and what is allowed;
 * `LOCKFILE_VERSION_UNSUPPORTED` for a format version other than {@link LOCKFILE_VERSION}.
 */
export function parseLockfile(text: string, file: string): Lockfile {
  const raw = readToml(text, file);
  checkVersion(raw, text, file);
  const shape = new Shape((problem) => refuseField(problem, text, file));
  const environment =
    raw["environment"] === undefined ? undefined : readLists(shape, raw["environment"], "environment");
  const grid = readGrid(shape, environment);
  const packages = shape
    .list(raw["packages"] ?? [], "packages", PACKAGES_MAX)
    .map((item, index) => readLockPackage(shape, item, `packages[${index}]`, grid));
  const members = raw["members"] === undefined ? undefined : readLists(shape, raw["members"], "members");
  checkPackages(shape, packages, raw, grid);
  checkMembers(shape, members ?? {}, grid);
  const extra = unknownKeys(raw, TOP_KEYS);
  return {
    version: 1,
    root: shape.text(raw["root"], "root"),
    ...(raw["inputs"] === undefined ? {} : { inputs: readDigest(shape, raw["inputs"], "inputs") }),
    ...(environment === undefined ? {} : { environment }),
    ...optional(raw["overrides"], "overrides", (table) => readTexts(shape, table, "overrides")),
    ...optional(raw["patches"], "patches", (table) => readTexts(shape, table, "patches")),
    ...(members === undefined ? {} : { members }),
    packages: packages.toSorted(compareLockPackages),
    ...(extra === undefined ? {} : { extra }),
  };
}

function readTexts(shape: Shape, value: unknown, path: string): Readonly<Record<string, string>> {
  return shape.record(value, path, (text, at) => shape.text(text, at));
}

function readToml(text: string, file: string): TomlTable {
  try {
    const raw = parseToml(text, { integersAsBigInt: "asNeeded", maxDepth: LOCK_MAX_DEPTH });
    const unsafe = safetyProblem(raw, LOCK_MAX_DEPTH);
    if (unsafe !== undefined) refuse(`it is damaged: ${unsafe}`, file, 1, 1);
    return raw;
  } catch (error) {
    if (error instanceof TomlError) {
      const problem = error.message.split("\n")[0]!.replace(/^Invalid TOML document: /, "");
      refuse(`it is no TOML: ${problem}`, file, error.line, error.column);
    }
    throw error;
  }
}

function refuse(problem: string, file: string, line: number, column: number): never {
  throw new CoreError({
    code: "LOCKFILE_INVALID",
    message: `Cannot read lock file "${file}": ${problem}`,
    location: { file, line, column },
  });
}

function refuseField({ path, kind, found, allowed }: ShapeProblem, text: string, file: string): never {
  const { line, column } = locateLockField(text, path);
  refuse(`"${path}" is ${kind === "missing" ? "missing" : found}, expected ${allowed}`, file, line, column);
}

function checkVersion(raw: JsonObject, text: string, file: string): void {
  const version = raw["version"];
  if (version === LOCKFILE_VERSION) return;
  const location = { file, ...locateLockField(text, "version") };
  if (typeof version !== "number" || !Number.isInteger(version)) {
    refuse(
      `"version" is ${version === undefined ? "missing" : "no integer"}, expected ${LOCKFILE_VERSION}`,
      file,
      location.line,
      location.column,
    );
  }
  throw new CoreError({
    code: "LOCKFILE_VERSION_UNSUPPORTED",
    message: `Cannot read lock file "${file}": its format version is ${version}, known is ${LOCKFILE_VERSION}`,
    location,
    found: version,
    known: LOCKFILE_VERSION,
  });
}

function readGrid(shape: Shape, environment: Lockfile["environment"]): LockGrid {
  const grid = lockGrid(environment);
  if (grid.environments.length === 0)
    shape.invalid("environment", environment, `at most ${LOCK_ENVIRONMENTS_MAX} combinations of its axes' values`);
  return grid;
}

/** One `[[packages]]` block as smol-toml gives it; without a grid, its conditions are taken as they are. */
export function readLockPackage(shape: Shape, value: unknown, path: string, grid?: LockGrid): LockPackage {
  const raw = shape.object(value, path);
  const at = (key: string): string => join(path, key);
  const version = shape.text(raw["version"], at("version"));
  if (tryParseVersion(version) === undefined) shape.invalid(at("version"), raw["version"], "MAJOR.MINOR.PATCH");
  const extra = unknownKeys(raw, PACKAGE_KEYS);
  return {
    name: readName(shape, raw["name"], at("name")),
    version,
    ...(raw["source"] === undefined ? {} : { source: readSourceField(shape, raw["source"], at("source")) }),
    ...(raw["checksum"] === undefined ? {} : { checksum: readDigest(shape, raw["checksum"], at("checksum")) }),
    ...(raw["tree"] === undefined ? {} : { tree: readDigest(shape, raw["tree"], at("tree")) }),
    features: readSorted(shape, raw["features"], at("features")),
    dependencies: readSorted(shape, raw["dependencies"], at("dependencies")),
    ...(raw["publisher"] === undefined ? {} : { publisher: shape.text(raw["publisher"], at("publisher"), PUBLISHER) }),
    ...(raw["kinds"] === undefined ? {} : { kinds: readKinds(shape, raw["kinds"], at("kinds")) }),
    ...(raw["ranges"] === undefined ? {} : { ranges: readSorted(shape, raw["ranges"], at("ranges")) }),
    ...readConditions(shape, raw["environments"], at("environments"), grid),
    ...(raw["artifacts"] === undefined ? {} : { artifacts: readArtifacts(shape, raw["artifacts"], at("artifacts")) }),
    ...(extra === undefined ? {} : { extra }),
  };
}

/** However a set of environments is written, it is one set: it comes in the canonical form. */
function readConditions(
  shape: Shape,
  value: unknown,
  path: string,
  grid: LockGrid | undefined,
): Pick<LockPackage, "environments"> {
  if (value === undefined) return {};
  const given = shape.texts(value, path, LOCK_ENVIRONMENTS_MAX);
  if (grid === undefined) return { environments: given };
  if (given.length === 0) shape.invalid(path, value, "at least one condition");
  const cells = new Set(given.flatMap((condition) => [...readCondition(shape, condition, path, grid)]));
  const environments = grid.conditionsOf(cells);
  return environments === undefined ? {} : { environments };
}

function readCondition(shape: Shape, condition: string, path: string, grid: LockGrid): ReadonlySet<number> {
  const cells = grid.cellsOf(condition);
  if (cells === undefined)
    shape.invalid(path, condition, `conditions such as "AXIS=VALUE|VALUE & AXIS=VALUE" of axes in [environment]`);
  return cells ?? new Set();
}

function readSourceField(shape: Shape, value: unknown, path: string): LockSource {
  const source = readSource(shape.text(value, path));
  if (source === undefined) shape.invalid(path, value, SOURCE_ALLOWED);
  return source!;
}

function readDigest(shape: Shape, value: unknown, path: string): Digest {
  const digest = tryParseDigest(value);
  if (digest === undefined) shape.invalid(path, value, `"sha256:" and 64 lower-case hexadecimal digits`);
  return digest!;
}

function readSorted(shape: Shape, value: unknown, path: string): readonly string[] {
  if (value === undefined) return [];
  return shape.texts(value, path, LIST_MAX).toSorted((left, right) => (left < right ? -1 : left === right ? 0 : 1));
}

function readKinds(shape: Shape, value: unknown, path: string): NonNullable<LockPackage["kinds"]> {
  const kinds = shape
    .list(value, path, KINDS.length)
    .map((kind, index) => shape.choice(kind, `${path}[${index}]`, KINDS));
  return KINDS.filter((kind) => kinds.includes(kind));
}

function readArtifacts(shape: Shape, value: unknown, path: string): readonly LockArtifact[] {
  const artifacts = shape.list(value, path, 256).map((item, index) => {
    const at = `${path}[${index}]`;
    const raw = shape.object(item, at);
    return {
      target: shape.text(raw["target"], `${at}.target`, TARGET_RULE),
      checksum: readDigest(shape, raw["checksum"], `${at}.checksum`),
      tree: readDigest(shape, raw["tree"], `${at}.tree`),
      size: shape.integer(raw["size"], `${at}.size`, 0, Number.MAX_SAFE_INTEGER),
    };
  });
  return artifacts.toSorted((left, right) => (left.target < right.target ? -1 : left.target === right.target ? 0 : 1));
}

function readLists(shape: Shape, value: unknown, path: string): Readonly<Record<string, readonly string[]>> {
  return shape.record(value, path, (list, at) => shape.texts(list, at, LIST_MAX));
}

/** Members may name what is nowhere, which is said where it is looked for; a condition that means nothing is damage. */
function checkMembers(shape: Shape, members: Readonly<Record<string, readonly string[]>>, grid: LockGrid): void {
  for (const [name, references] of Object.entries(members)) {
    for (const { condition } of references.map(splitReference))
      if (condition !== undefined) readCondition(shape, condition, `members.${name}`, grid);
  }
}

function checkPackages(shape: Shape, packages: readonly LockPackage[], raw: JsonObject, grid: LockGrid): void {
  const ids = new Set<string>();
  const known = new Set<string>();
  for (const [index, entry] of packages.entries()) {
    const id = lockReferenceTexts(entry).at(-1)!;
    if (ids.has(id)) shape.invalid(`packages[${index}].name`, entry.name, "each package once");
    ids.add(id);
    for (const reference of lockReferenceTexts(entry)) known.add(reference);
  }
  const members = raw["members"];
  const roots = new Set([
    raw["root"],
    ...(typeof members === "object" && members !== null ? Object.keys(members) : []),
  ]);
  for (const [index, { dependencies, ranges = [] }] of packages.entries()) {
    for (const { condition } of ranges.map(splitReference))
      if (condition !== undefined) readCondition(shape, condition, `packages[${index}].ranges`, grid);
    const split = dependencies.map(splitReference);
    for (const { condition } of split)
      if (condition !== undefined) readCondition(shape, condition, `packages[${index}].dependencies`, grid);
    const dangling = split.find(({ reference }) => !known.has(reference) && !roots.has(reference))?.reference;
    if (dangling !== undefined) {
      shape.invalid(`packages[${index}].dependencies`, dangling, "references to packages of this lock");
    }
  }
}
