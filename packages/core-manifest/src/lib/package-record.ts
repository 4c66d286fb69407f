import { CoreError } from "./core-error.ts";
import {
  TARGET_RULE,
  VERSION_LIST_MAX,
  optional,
  readExclusiveFeatures,
  readFeatures,
  readHosts,
  readName,
  readRecordedDependency,
  type PackageKind,
  type RecordedDependency,
} from "./recorded-dependency.ts";
import { Shape, safetyProblem, type JsonObject } from "./shape.ts";
import { tryParseVersion } from "./version.ts";

export type { PackageKind, RecordedDependency } from "./recorded-dependency.ts";

/** What a published version says of itself: the normalised manifest, free of dialects. */
export interface PublishedManifest {
  readonly name: string;
  readonly version: string;
  readonly title?: string;
  readonly authors?: readonly string[];
  readonly description?: string;
  readonly license?: string;
  readonly repository?: string;
  readonly homepage?: string;
  readonly documentation?: string;
  /** Path of the readme inside the package. */
  readonly readme?: string;
  readonly keywords?: readonly string[];
  readonly categories?: readonly string[];
  readonly edition?: string;
  readonly dependencies?: readonly RecordedDependency[];
  readonly features?: Readonly<Record<string, readonly string[]>>;
  /** Groups of features of which at most one may be on. */
  readonly exclusiveFeatures?: readonly (readonly string[])[];
  readonly hosts?: Readonly<Record<string, string>>;
  readonly runtimes?: readonly { readonly runtime: string; readonly requirement?: string }[];
  /** Names of the build and chaos profiles and other tables that travel along, as the author wrote them. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

/**
 * `.lading/package.json`, the first member of every package (`docs/spec/archive.md` §record). Written as
 * canonical JSON, see `encodeCanonicalJson`.
 */
export interface PackageRecord {
  readonly format: 1;
  readonly kind: PackageKind;
  /** `any`, or a target triple such as `x86_64-linux`. */
  readonly target: string;
  /** Path of the author's own manifest inside the package. */
  readonly manifestFile: string;
  /** Sorted paths of executable members. */
  readonly executables: readonly string[];
  readonly manifest: PublishedManifest;
}

/** Deepest nesting of a record, tables of the author's included. */
const RECORD_MAX_DEPTH = 40;

function refuse(problem: string): never {
  throw new CoreError({ code: "PACKAGE_RECORD_INVALID", message: `Cannot read the package record: ${problem}` });
}

/**
 * Checks a decoded `.lading/package.json`. Keys that this release does not know are kept, so that passing a
 * record on loses nothing.
 * @throws {CoreError} `PACKAGE_RECORD_INVALID`, with the path of the wrong field, what was found and what is allowed.
 */
export function parsePackageRecord(value: unknown): PackageRecord {
  const unsafe = safetyProblem(value, RECORD_MAX_DEPTH);
  if (unsafe !== undefined) refuse(unsafe);
  const shape = new Shape(({ path, found, allowed }) => refuse(`"${path}" is ${found}, expected ${allowed}`));
  const raw = shape.object(value, "record");
  return {
    ...raw,
    format: shape.integer(raw["format"], "format", 1, 1) as 1,
    kind: shape.choice(raw["kind"], "kind", ["binary", "source"]),
    target: shape.text(raw["target"], "target", TARGET_RULE),
    manifestFile: readMemberPath(shape, raw["manifestFile"], "manifestFile"),
    executables: readExecutables(shape, raw["executables"]),
    manifest: readPublishedManifest(shape, raw["manifest"]),
  };
}

// The archive's reader checks paths of members in full; here only what could reach out of the package.
const MEMBER_PATH = {
  pattern: /^(?!\/)(?![^]*(?:^|\/)\.{0,2}(?:\/|$))[^\\\0]{1,400}$/,
  allowed: 'a relative path inside the package, without empty parts, "." or ".."',
} as const;

function readMemberPath(shape: Shape, value: unknown, path: string): string {
  return shape.text(value, path, MEMBER_PATH);
}

function readExecutables(shape: Shape, value: unknown): readonly string[] {
  const paths = shape.texts(value, "executables", 1_000_000, MEMBER_PATH);
  const unsorted = paths.findIndex((path, index) => index > 0 && paths[index - 1]! >= path);
  if (unsorted !== -1) shape.invalid(`executables[${unsorted}]`, paths[unsorted], "sorted paths, each once");
  return paths;
}

const TEXT_KEYS = ["title", "description", "license", "repository", "homepage", "documentation", "edition"] as const;
const LIST_KEYS = ["authors", "keywords", "categories"] as const;
/** A description may be long, but no book. */
const MANIFEST_TEXT_MAX = 20_000;

function readPublishedManifest(shape: Shape, value: unknown): PublishedManifest {
  const raw = shape.object(value, "manifest");
  return {
    ...raw,
    ...readTexts(shape, raw),
    name: readName(shape, raw["name"], "manifest.name"),
    version: readVersion(shape, raw["version"]),
    ...optional(raw["readme"], "readme", (path) => readMemberPath(shape, path, "manifest.readme")),
    ...optional(raw["dependencies"], "dependencies", (list) =>
      shape
        .list(list, "manifest.dependencies", VERSION_LIST_MAX)
        .map((item, index) => readRecordedDependency(shape, item, `manifest.dependencies[${index}]`)),
    ),
    ...optional(raw["features"], "features", (table) => readFeatures(shape, table, "manifest.features")),
    ...optional(raw["exclusiveFeatures"], "exclusiveFeatures", (list) =>
      readExclusiveFeatures(shape, list, "manifest.exclusiveFeatures"),
    ),
    ...optional(raw["hosts"], "hosts", (table) => readHosts(shape, table, "manifest.hosts")),
    ...optional(raw["runtimes"], "runtimes", (list) => readRuntimes(shape, list)),
    ...optional(raw["extra"], "extra", (table) => shape.object(table, "manifest.extra")),
  };
}

function readTexts(shape: Shape, raw: JsonObject): JsonObject {
  const texts: Record<string, unknown> = {};
  for (const key of TEXT_KEYS) {
    if (raw[key] !== undefined) texts[key] = shape.text(raw[key], `manifest.${key}`, { max: MANIFEST_TEXT_MAX });
  }
  for (const key of LIST_KEYS) {
    if (raw[key] !== undefined) texts[key] = shape.texts(raw[key], `manifest.${key}`, 1000);
  }
  return texts;
}

function readVersion(shape: Shape, value: unknown): string {
  const text = shape.text(value, "manifest.version");
  if (tryParseVersion(text) === undefined) shape.invalid("manifest.version", value, "MAJOR.MINOR.PATCH");
  return text;
}

function readRuntimes(shape: Shape, value: unknown): NonNullable<PublishedManifest["runtimes"]> {
  return shape.list(value, "manifest.runtimes", 100).map((item, index) => {
    const path = `manifest.runtimes[${index}]`;
    const raw = shape.object(item, path);
    return {
      ...raw,
      runtime: shape.text(raw["runtime"], `${path}.runtime`, { max: 64 }),
      ...optional(raw["requirement"], "requirement", (text) => shape.text(text, `${path}.requirement`)),
    };
  });
}
