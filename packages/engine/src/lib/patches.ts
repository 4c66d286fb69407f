import {
  canonicalName,
  compatibilitySlot,
  lockSourceString,
  parsePackageName,
  parseRequirement,
  parseVersion,
  type CanonicalName,
  type ManifestPatch,
} from "@lading/core-manifest";
import type { Candidate, PackageKey, PackageMetadata } from "@lading/resolver";
import { EngineError } from "./engine-error.ts";
import type { LocalPackage } from "./local-package.ts";
import type { Project } from "./project.ts";

/** What stands in for the versions of a package that are compatible with it. */
export interface ProjectPatch {
  readonly name: CanonicalName;
  /** Configured name of the registry whose package is replaced; absent: the default one. */
  readonly of?: string | undefined;
  /** Where it is in the manifest, for messages: `patch.foo`. */
  readonly key: string;
  readonly by:
    | { readonly type: "local"; readonly local: LocalPackage }
    | { readonly type: "registry"; readonly registry: string | undefined; readonly requirement: string };
}

/** Key of a patch in the root manifest. */
export function patchKey({ name, of }: Pick<ManifestPatch, "name" | "of">): string {
  return of === undefined ? `patch.${name}` : `patch.${of}.${name}`;
}

/**
 * The root manifest's patches that take versions of a registry; those of a directory or repository are found with the other
 * local packages.
 */
export function registryPatches(project: Project): ProjectPatch[] {
  return (project.rootFile.manifest.patches ?? []).flatMap((patch) => {
    if (patch.source.type !== "registry") return [];
    const by = { registry: patch.source.registry, requirement: patch.canonicalRequirement ?? "*" };
    return [{ ...patchOf(patch), by: { type: "registry" as const, ...by } }];
  });
}

/** What a patch replaces. */
export function patchOf(patch: ManifestPatch): Pick<ProjectPatch, "name" | "of" | "key"> {
  const name = canonicalName(parsePackageName(patch.name));
  return { name, key: patchKey(patch), ...(patch.of === undefined ? {} : { of: patch.of }) };
}

/** What a patch is replaced by, as the lock and messages say it. */
export function patchSource({ by }: ProjectPatch): string {
  if (by.type === "local") return lockSourceString(by.local.source);
  return `registry${by.registry === undefined ? "" : `+${by.registry}`} ${by.requirement}`;
}

function shownSource({ by }: ProjectPatch): string {
  if (by.type === "registry") return by.registry === undefined ? "" : ` of registry "${by.registry}"`;
  const { source } = by.local;
  return source.type === "path" ? ` (path ${source.path})` : ` (git ${source.commit.slice(0, 12)})`;
}

const slotOf = (version: string): string => compatibilitySlot(parseVersion(version));

/**
 * A package with a patch: the patch's versions, and of the registry's own those that are not compatible with any of them. The
 * others stay visible, with the reason why they cannot be chosen.
 */
export function patched(patch: ProjectPatch, own: PackageMetadata, given: readonly Candidate[]): PackageMetadata {
  const slots = new Map(given.map(({ version }) => [slotOf(version), version]));
  const versions = new Set(given.map(({ version }) => version));
  const others = own.candidates.flatMap((candidate): Candidate[] => {
    if (versions.has(candidate.version)) return [];
    const instead = slots.get(slotOf(candidate.version));
    if (instead === undefined) return [candidate];
    const text = `[${patch.key}] replaces it by ${instead}${shownSource(patch)}`;
    const reason = { reason: "policy" as const, text, unlessLocked: false };
    return [{ ...candidate, excluded: [...(candidate.excluded ?? []), reason] }];
  });
  const candidates = [...given, ...others];
  return own.missing === undefined || candidates.length > 0 ? { candidates } : { candidates, missing: own.missing };
}

/**
 * The versions of a registry that a patch takes.
 * @throws {EngineError} `PATCH_INVALID` where there is none
 */
export function takenFrom(patch: ProjectPatch, requirement: string, source: PackageMetadata): readonly Candidate[] {
  const range = parseRequirement(requirement, "canonical");
  const taken = source.candidates.filter(({ version }) => range.matches(parseVersion(version)));
  if (taken.length > 0) return taken;
  const there = source.candidates.map(({ version }) => version).slice(-6);
  const found = source.missing ?? (there.length === 0 ? "it has no version" : `there are ${there.join(", ")}`);
  throw new EngineError({
    code: "PATCH_INVALID",
    message: `Cannot apply "${patch.key}": no version of "${patch.name}"${shownSource(patch)} is ${requirement}, ${found}`,
    package: patch.name,
  });
}

/** Patches of one project by the package that they replace. */
export type PatchedKeys = ReadonlyMap<PackageKey, ProjectPatch>;

/**
 * What to say of a patch that nothing came of; `undefined` where something did.
 * @param chosen the versions of the package that were chosen
 */
export function unusedPatch(
  patch: ProjectPatch,
  chosen: readonly { readonly version: string; readonly isPatch: boolean }[],
): string | undefined {
  if (chosen.some(({ isPatch }) => isPatch)) return undefined;
  const versions =
    patch.by.type === "local" ? ` by ${patch.by.local.version}${shownSource(patch)}` : shownSource(patch);
  const why =
    chosen.length === 0
      ? "no package needs it"
      : `who needs it asks for versions that are not compatible, ${chosen.map(({ version }) => version).join(", ")} is used`;
  return `The patch of "${patch.name}"${versions} was not used: ${why}`;
}
