import type { DependencyKind } from "./manifest.ts";
import { tryParsePackageName } from "./name.ts";
import { tryParseRequirement } from "./requirement.ts";
import { join, type Shape, type TextRule } from "./shape.ts";

/** Binary (`.lpk`, `.vitpkg`) or source (`.lmod`, `.vitmod`) package. */
export type PackageKind = "binary" | "source";

/** A dependency as a published package records it: registry sources only, requirement canonical. */
export interface RecordedDependency {
  readonly name: string;
  /** The package's real name where `name` is an alias. */
  readonly package?: string;
  readonly kind: DependencyKind;
  /** Canonical requirement syntax. */
  readonly requirement: string;
  readonly features?: readonly string[];
  /** Absent means true. */
  readonly defaultFeatures?: boolean;
  /** Absent means false. */
  readonly optional?: boolean;
  /** As `targetsInclude` reads them. */
  readonly targets?: readonly string[];
  /** Host axis -> canonical requirement: it counts only where all of them hold. */
  readonly hosts?: Readonly<Record<string, string>>;
  /** Canonical URL of the registry that answers for it, where it is not the one the package is in. */
  readonly registry?: string;
}

/** Most entries of any list or table that belongs to one version. */
export const VERSION_LIST_MAX = 10_000;

/** `any`, `source` or a target triple. */
export const TARGET_RULE: TextRule = {
  pattern: /^[a-z0-9][a-z0-9_.-]{0,63}$/,
  allowed: `"any", "source" or a target triple such as "x86_64-linux"`,
};

/** A target, or a pattern of them, of a dependency. */
const TARGET_PATTERN_RULE: TextRule = {
  pattern: /^!?[a-z0-9_*][a-z0-9_.*-]{0,127}$/,
  allowed: `a target such as "x86_64-linux", a pattern such as "*-linux", or one with "!" in front`,
};

const KINDS = ["normal", "dev", "build", "peer"] as const;

/** A package name that comes from outside. */
export function readName(shape: Shape, value: unknown, path: string): string {
  const text = shape.text(value, path, { max: 140 });
  if (text !== "" && tryParsePackageName(text) === undefined) shape.invalid(path, value, "a package name");
  return text;
}

/** A requirement in canonical syntax that comes from outside. */
export function readCanonicalRequirement(shape: Shape, value: unknown, path: string): string {
  const text = shape.text(value, path);
  if (text !== "" && tryParseRequirement(text, "canonical") === undefined) {
    shape.invalid(path, value, "a requirement in canonical syntax");
  }
  return text;
}

/** A dependency of an index document or package record; an absent `kind` is `normal`. */
export function readRecordedDependency(shape: Shape, value: unknown, path: string): RecordedDependency {
  const raw = shape.object(value, path);
  const at = (key: string): string => join(path, key);
  return {
    ...raw,
    name: readName(shape, raw["name"], at("name")),
    ...(raw["package"] === undefined ? {} : { package: readName(shape, raw["package"], at("package")) }),
    kind: raw["kind"] === undefined ? "normal" : shape.choice(raw["kind"], at("kind"), KINDS),
    requirement: readCanonicalRequirement(shape, raw["requirement"], at("requirement")),
    ...optional(raw["features"], "features", (list) => shape.texts(list, at("features"), VERSION_LIST_MAX)),
    ...optional(raw["defaultFeatures"], "defaultFeatures", (flag) => shape.boolean(flag, at("defaultFeatures"))),
    ...optional(raw["optional"], "optional", (flag) => shape.boolean(flag, at("optional"))),
    ...optional(raw["targets"], "targets", (list) => shape.texts(list, at("targets"), 256, TARGET_PATTERN_RULE)),
    ...optional(raw["hosts"], "hosts", (table) => readHosts(shape, table, at("hosts"))),
    ...optional(raw["registry"], "registry", (url) => shape.text(url, at("registry"))),
  };
}

/** `{ key: read(value) }`, or `{}` where there is no value. */
export function optional<K extends string, T>(
  value: unknown,
  key: K,
  read: (value: unknown) => T,
): { readonly [P in K]?: T } {
  return value === undefined ? {} : ({ [key]: read(value) } as { readonly [P in K]: T });
}

/** Feature name -> what it switches on. */
export function readFeatures(shape: Shape, value: unknown, path: string): Readonly<Record<string, readonly string[]>> {
  return shape.record(value, path, (list, at) => shape.texts(list, at, VERSION_LIST_MAX));
}

/** Groups of features that exclude each other. */
export function readExclusiveFeatures(shape: Shape, value: unknown, path: string): readonly (readonly string[])[] {
  return shape
    .list(value, path, VERSION_LIST_MAX)
    .map((group, index) => shape.texts(group, `${path}[${index}]`, VERSION_LIST_MAX));
}

/** Host axis -> canonical requirement. */
export function readHosts(shape: Shape, value: unknown, path: string): Readonly<Record<string, string>> {
  return shape.record(value, path, (text, at) => readCanonicalRequirement(shape, text, at));
}
