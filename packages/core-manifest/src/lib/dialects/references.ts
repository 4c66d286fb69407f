import { BUILTIN_BUILD_PROFILES, type PackageManifest } from "../manifest.ts";
import { DIALECTS } from "./dialect.ts";
import { joinKey, type LocatedNode, type LocatedTable, type Span } from "./located.ts";
import { nearest } from "./nearest.ts";
import { shown, type Reading } from "./reading.ts";

/** A place in the tree by its keys, or the nearest one above it that exists. */
function placeOf(root: LocatedTable, keys: readonly (string | number)[]): Span {
  let node: LocatedNode = root;
  let place: Span = root;
  for (const key of keys) {
    const next: LocatedNode | undefined =
      typeof key === "number"
        ? node.kind === "array"
          ? node.items[key]
          : undefined
        : node.kind === "table"
          ? node.entries.get(key)?.node
          : undefined;
    if (next === undefined) return place;
    node = next;
    place = next;
  }
  return place;
}

function unknownReference(
  reading: Reading,
  place: Span,
  key: string,
  problem: string,
  found: string,
  candidates: readonly string[],
): void {
  const close = nearest(found, candidates);
  reading.report(place, {
    code: "MANIFEST_REFERENCE_UNKNOWN",
    key,
    problem,
    found: shown(found),
    hint:
      close === undefined
        ? candidates.length === 0 || candidates.length > 12
          ? undefined
          : `Known: ${candidates.join(", ")}`
        : `Did you mean "${close}"?`,
  });
}

/** What one item of a feature's list refers to. */
export type FeatureReference =
  | { readonly type: "name"; readonly name: string }
  | { readonly type: "dependency"; readonly name: string }
  | { readonly type: "dependency-feature"; readonly name: string; readonly feature: string; readonly weak: boolean };

/**
 * Reads an item of a feature's list: `other`, `dep:name`, `name/feature`, `name?/feature`. `isDependency` decides
 * whether `company/tool` is a dependency of that name or feature `tool` of `company`.
 */
export function parseFeatureReference(item: string, isDependency: (name: string) => boolean): FeatureReference {
  if (item.startsWith("dep:")) return { type: "dependency", name: item.slice(4) };
  const slash = item.lastIndexOf("/");
  if (slash === -1 || isDependency(item)) return { type: "name", name: item };
  const owner = item.slice(0, slash);
  const weak = owner.endsWith("?");
  return { type: "dependency-feature", name: weak ? owner.slice(0, -1) : owner, feature: item.slice(slash + 1), weak };
}

function checkFeatureItem(reading: Reading, manifest: PackageManifest, item: string, place: Span, key: string): void {
  const names = manifest.dependencies.map(({ name }) => name);
  const optionals = manifest.dependencies.filter((dependency) => dependency.optional).map(({ name }) => name);
  const reference = parseFeatureReference(item, (name) => names.includes(name));
  if (reference.type === "name") {
    if (Object.hasOwn(manifest.features, reference.name) || optionals.includes(reference.name)) return;
    const problem = names.includes(reference.name)
      ? "it names a dependency that is not optional, so nothing is left to switch on"
      : "there is no such feature or optional dependency";
    unknownReference(reading, place, key, problem, item, [...Object.keys(manifest.features), ...optionals]);
  } else if (reference.type === "dependency") {
    if (!optionals.includes(reference.name))
      unknownReference(reading, place, key, "there is no such optional dependency", reference.name, optionals);
  } else if (!names.includes(reference.name))
    unknownReference(reading, place, key, "there is no such dependency", reference.name, names);
}

function checkFeatures(reading: Reading, root: LocatedTable, manifest: PackageManifest, path: readonly string[]): void {
  for (const [feature, items] of Object.entries(manifest.features)) {
    for (const [index, item] of items.entries()) {
      const key = joinKey(joinKey(path.reduce(joinKey, ""), feature), index);
      checkFeatureItem(reading, manifest, item, placeOf(root, [...path, feature, index]), key);
    }
  }
}

function checkExclusive(reading: Reading, root: LocatedTable, manifest: PackageManifest): void {
  const optionals = manifest.dependencies.filter((dependency) => dependency.optional).map(({ name }) => name);
  const known = new Set([...Object.keys(manifest.features), ...optionals]);
  for (const [index, group] of (manifest.package?.exclusiveFeatures ?? []).entries()) {
    for (const feature of group) {
      if (known.has(feature)) continue;
      const path = [...packagePath(reading, root), "exclusive-features", index];
      const key = path.reduce<string>(joinKey, "");
      unknownReference(reading, placeOf(root, path), key, "there is no such feature", feature, [...known]);
    }
  }
}

/** Where a dialect keeps what it says of the package. */
function packagePath(reading: Reading, root: LocatedTable): readonly string[] {
  if (reading.dialect === "pyproject.toml") return sectionRoot(reading, root);
  return DIALECTS[reading.dialect].packageKeys.filter((key) => root.entries.has(key)).slice(0, 1);
}

function checkProfiles(reading: Reading, root: LocatedTable, manifest: PackageManifest, path: readonly string[]): void {
  const base = path.reduce(joinKey, "");
  for (const [name, profile] of Object.entries(manifest.profiles)) {
    const at = (key: string): Span => placeOf(root, [...path, name, key]);
    const keyOf = (key: string): string => joinKey(joinKey(base, name), key);
    if (profile.chaosProfile !== undefined && !Object.hasOwn(manifest.chaosProfiles, profile.chaosProfile)) {
      unknownReference(
        reading,
        at("chaos_profile"),
        keyOf("chaos_profile"),
        "there is no such chaos profile",
        profile.chaosProfile,
        Object.keys(manifest.chaosProfiles),
      );
    }
    const { inherits } = profile;
    if (
      inherits !== undefined &&
      !Object.hasOwn(manifest.profiles, inherits) &&
      !BUILTIN_BUILD_PROFILES.includes(inherits)
    ) {
      unknownReference(reading, at("inherits"), keyOf("inherits"), "there is no such profile", inherits, [
        ...Object.keys(manifest.profiles),
        ...BUILTIN_BUILD_PROFILES,
      ]);
    }
    if (inheritsItself(manifest, name)) {
      reading.report(at("inherits"), {
        code: "MANIFEST_INHERITANCE_CYCLE",
        key: keyOf("inherits"),
        problem: "the profile inherits from itself",
        found: shown(inherits),
      });
    }
    for (const [index, feature] of (profile.features ?? []).entries()) {
      if (Object.hasOwn(manifest.features, feature)) continue;
      unknownReference(
        reading,
        placeOf(root, [...path, name, "features", index]),
        joinKey(keyOf("features"), index),
        "there is no such feature",
        feature,
        Object.keys(manifest.features),
      );
    }
  }
}

function inheritsItself(manifest: PackageManifest, start: string): boolean {
  const seen = new Set<string>();
  let current: string | undefined = start;
  while (current !== undefined && !seen.has(current)) {
    seen.add(current);
    current = Object.hasOwn(manifest.profiles, current) ? manifest.profiles[current]!.inherits : undefined;
  }
  return current === start;
}

/** Where a dialect keeps the tables of the model: at the top, or below RevitPy's own table. */
function sectionRoot(reading: Reading, root: LocatedTable): readonly string[] {
  if (reading.dialect !== "pyproject.toml") return [];
  const tool = root.entries.get("tool")?.node;
  return tool?.kind === "table" && tool.entries.has("revitpy") ? ["tool", "revitpy"] : ["revitpy"];
}

/** Checks everything by which one part of a manifest refers to another, once all parts are read. */
export function checkReferences(reading: Reading, root: LocatedTable, manifest: PackageManifest): void {
  const base = sectionRoot(reading, root);
  checkFeatures(reading, root, manifest, [...base, "features"]);
  checkExclusive(reading, root, manifest);
  checkProfiles(reading, root, manifest, [...base, "profile"]);
}
