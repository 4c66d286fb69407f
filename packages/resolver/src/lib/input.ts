import { isLadingError, parseRequirement, tryParseVersion } from "@lading/core-manifest";
import { hostVersion, nameOf } from "./compile.ts";
import { ResolverError } from "./resolver-error.ts";
import type { ResolveInput, RootPackage, VersionRequirement } from "./types.ts";

/**
 * Refuses an input that contradicts itself, before any metadata is asked for.
 * @throws {ResolverError} `RESOLVE_INPUT_INVALID`
 */
export function checkInput(input: ResolveInput): void {
  if (input.roots.length === 0) throw invalid("there is no root to resolve for");
  const names = new Set<string>();
  for (const root of input.roots) {
    if (names.has(root.name)) throw invalid(`two roots are called "${root.name}"`);
    names.add(root.name);
    checkRoot(root);
  }
  const { budget } = input;
  if (budget !== undefined && !(budget >= 1))
    throw invalid(`the work budget is ${budget}, expected a number of steps, at least 1`);
  const overridden = new Set<string>();
  for (const { key, requirement } of input.overrides ?? []) {
    if (overridden.has(key)) throw invalid(`"${key}" is overridden twice`);
    overridden.add(key);
    checkRequirement(requirement, `the override of "${key}"`);
  }
  for (const [axis, versions] of Object.entries(input.hosts ?? {})) {
    const wrong = versions.find((version) => tryParseVersion(hostVersion(version)) === undefined);
    if (wrong !== undefined)
      throw invalid(`host "${axis}" has version "${wrong}", expected numbers such as "2024" or "3.11"`);
  }
}

function checkRoot(root: RootPackage): void {
  for (const dependency of root.dependencies) {
    checkRequirement(dependency.requirement, `the dependency "${nameOf(dependency)}" of "${root.name}"`);
    for (const [axis, asked] of Object.entries(dependency.hosts ?? {}))
      checkRequirement(asked, `the condition on host "${axis}" of the dependency "${nameOf(dependency)}"`);
  }
  const features = new Set(Object.keys(root.features ?? {}));
  const names = new Set(root.dependencies.map(nameOf));
  const optional = new Set(root.dependencies.filter((one) => one.optional === true).map(nameOf));
  for (const feature of root.enable ?? []) {
    if (features.has(feature) || optional.has(feature) || feature === "default") continue;
    const known = [...features, ...optional].map((one) => `"${one}"`).join(", ") || "none";
    throw invalid(`"${root.name}" has no feature "${feature}"; its features: ${known}`);
  }
  for (const [feature, entries] of Object.entries(root.features ?? {})) {
    for (const entry of entries) {
      const name = entry.replace(/^dep:/, "").replace(/\??\/.*$/s, "");
      if (features.has(entry) || names.has(name)) continue;
      throw invalid(
        `feature "${feature}" of "${root.name}" lists "${entry}", which is neither a feature nor a dependency`,
      );
    }
  }
}

function checkRequirement(requirement: string | VersionRequirement, of: string): void {
  if (typeof requirement !== "string") return;
  try {
    parseRequirement(requirement, "canonical");
  } catch (error) {
    if (!isLadingError(error) || error.code !== "REQUIREMENT_INVALID") throw error;
    throw invalid(`${of} cannot be read: ${error.message}`, error);
  }
}

function invalid(detail: string, cause?: unknown): ResolverError {
  return new ResolverError({ code: "RESOLVE_INPUT_INVALID", message: `Cannot resolve: ${detail}`, cause });
}
