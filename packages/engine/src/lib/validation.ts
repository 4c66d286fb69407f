import {
  canonicalName,
  isLadingError,
  parsePackageName,
  parseRequirement,
  tryParseVersion,
  type PublishedManifest,
  type Requirement,
} from "@lading/core-manifest";
import type { Generation, PlannedPackage, Store } from "@lading/installer";
import { detectRuntime, type DetectedRuntime } from "./detect.ts";
import { counted, step, type EngineContext } from "./engine-context.ts";
import { EngineError } from "./engine-error.ts";
import { fullVersion } from "./hosts.ts";
import { manifestIn, type Project } from "./project.ts";

/** `unknown`: no way to look for it is known here, or the host's version was not given. */
export type RequirementState = "satisfied" | "missing" | "mismatch" | "unknown";

/** One thing that packages need, and what there is of it. */
export interface CheckedRequirement {
  readonly name: string;
  /** As the package wrote it; absent: any version. */
  readonly wanted?: string;
  readonly found?: string;
  readonly state: RequirementState;
  /** `name version` of the package that needs it. */
  readonly requiredBy: string;
}

/** What a validation came to; the JSON form of it is published in `docs/spec/cli.md` §validation. */
export interface ValidationResult {
  /** Whether everything that could be looked at is as it is needed. */
  readonly valid: boolean;
  /** Programs on this machine: `python3>=3.8`. */
  readonly runtimes: readonly CheckedRequirement[];
  /** Versions of the hosts that were given: Revit 2025. */
  readonly hosts: readonly CheckedRequirement[];
  /** Other packages, as the resolver chose them. */
  readonly packages: readonly CheckedRequirement[];
  readonly warnings: readonly string[];
  readonly errors: readonly string[];
}

/** A package that is about to be installed, by what its record says. */
export interface ValidatedPackage {
  readonly name: string;
  readonly version: string;
  readonly runtimes: NonNullable<PublishedManifest["runtimes"]>;
  readonly hosts: Readonly<Record<string, string>>;
  readonly dependencies: NonNullable<PublishedManifest["dependencies"]>;
}

/** What {@link validatePackages} compares with. */
export interface ValidationInput {
  readonly packages: readonly ValidatedPackage[];
  /** Axis -> version, of those that were given or found. */
  readonly hosts: Readonly<Record<string, string>>;
  /** Canonical name -> versions that will be there. */
  readonly present: ReadonlyMap<string, readonly string[]>;
}

/**
 * Compares what packages need with what there is: runtimes by asking the machine, hosts by the versions given, other
 * packages by what is to be installed. Nothing is changed, and nothing fails: the result says all of it at once.
 */
export async function validatePackages(context: EngineContext, input: ValidationInput): Promise<ValidationResult> {
  const runtimes: CheckedRequirement[] = [];
  const hosts: CheckedRequirement[] = [];
  const packages: CheckedRequirement[] = [];
  for (const one of input.packages) {
    const requiredBy = `${one.name} ${one.version}`;
    for (const { runtime, requirement } of one.runtimes) {
      const found = await detectRuntime(context, runtime);
      const version = found.state === "found" ? found.version : undefined;
      const checked = compare(
        { name: runtime, wanted: requirement, requiredBy },
        version === undefined ? [] : [version],
      );
      runtimes.push(
        version === undefined && found.state !== "missing"
          ? { ...checked, state: unversioned(found, requirement) }
          : checked,
      );
    }
    for (const [axis, wanted] of Object.entries(one.hosts)) {
      const given = input.hosts[axis];
      const checked = compare({ name: axis, wanted, requiredBy }, given === undefined ? [] : [given]);
      hosts.push(given === undefined ? { ...checked, state: "unknown" } : checked);
    }
    for (const { name, package: real, requirement, kind, optional } of one.dependencies) {
      if (optional === true || kind === "dev" || kind === "build" || kind === "peer") continue;
      const versions = input.present.get(canonicalName(parsePackageName(real ?? name))) ?? [];
      packages.push(compare({ name: real ?? name, wanted: requirement, requiredBy }, versions));
    }
  }
  const bad = (kind: string, checks: readonly CheckedRequirement[]): string[] =>
    checks.filter(({ state }) => state === "missing" || state === "mismatch").map((check) => problemOf(kind, check));
  // Which packages fit was decided by the resolver, overrides included; here they are told, not judged again.
  const errors = [...bad("runtime", runtimes), ...bad("host", hosts)];
  const warnings = runtimes
    .filter(({ state }) => state === "unknown")
    .map(({ name, requiredBy }) => `"${requiredBy}" needs runtime "${name}", which cannot be looked for here`);
  return { valid: errors.length === 0, runtimes, hosts, packages, warnings, errors };
}

/** What runs and says no version is good where any will do. */
function unversioned({ state }: DetectedRuntime, requirement: string | undefined): RequirementState {
  return state === "found" && requirement === undefined ? "satisfied" : "unknown";
}

function compare(
  check: { readonly name: string; readonly wanted: string | undefined; readonly requiredBy: string },
  found: readonly string[],
): CheckedRequirement {
  const { name, wanted, requiredBy } = check;
  const base = { name, requiredBy, ...(wanted === undefined || wanted === "*" ? {} : { wanted }) };
  if (found.length === 0) return { ...base, state: "missing" };
  const requirement = wanted === undefined ? undefined : requirementOf(wanted);
  const fitting = found.find((text) => {
    const version = tryParseVersion(fullVersion(text));
    return requirement === undefined || (version !== undefined && requirement.matchesWithPrereleases(version));
  });
  if (fitting !== undefined) return { ...base, found: fitting, state: "satisfied" };
  return { ...base, found: found.join(", "), state: "mismatch" };
}

/** Packs write both `>=3.8` and Python's `==3.8`; records have the canonical form. */
function requirementOf(text: string): Requirement | undefined {
  for (const syntax of ["canonical", "exact", "pep440"] as const) {
    try {
      return parseRequirement(text, syntax);
    } catch (error) {
      if (!isLadingError(error)) throw error;
    }
  }
  return undefined;
}

function problemOf(kind: string, { name, wanted, found, requiredBy }: CheckedRequirement): string {
  const there = found === undefined ? "it was not found" : `found is ${found}`;
  return `"${requiredBy}" needs ${kind} ${name}${wanted === undefined ? "" : ` ${wanted}`}, ${there}`;
}

/**
 * Validates everything that is about to be installed, before anything of it is registered.
 * @throws {EngineError} `REQUIREMENTS_UNMET` with the whole result
 */
export async function validateInstallation(
  context: EngineContext,
  made: {
    readonly project: Project;
    readonly store: Store;
    readonly planned: readonly PlannedPackage[];
    readonly hosts: Readonly<Record<string, string>>;
    /** What is there already was validated, or was taken without, when it came. */
    readonly installed: Generation | undefined;
  },
): Promise<ValidationResult> {
  const packages = await needsOf(context, made.project, made.store, arriving(made));
  const present = new Map<string, string[]>();
  for (const { name, version } of [...made.planned, ...packages]) {
    const key = canonicalName(parsePackageName(name));
    present.set(key, [...(present.get(key) ?? []), version]);
  }
  const asking = packages.filter(({ runtimes, hosts }) => runtimes.length > 0 || Object.keys(hosts).length > 0);
  const validate = async (): Promise<ValidationResult> => {
    const result = await validatePackages(context, { packages, hosts: made.hosts, present });
    for (const message of result.warnings) context.onEvent({ type: "warning", code: "RUNTIME_UNKNOWN", message });
    if (result.valid) return result;
    throw requirementsUnmet(result);
  };
  if (asking.length === 0) return validate();
  const what = counted(asking.length, "package");
  return step(context, "validate", `Validating ${what}`, validate, () => `Validated for this machine: ${what}`);
}

function arriving({
  planned,
  hosts,
  installed,
}: {
  readonly planned: readonly PlannedPackage[];
  readonly hosts: Readonly<Record<string, string>>;
  readonly installed: Generation | undefined;
}): readonly PlannedPackage[] {
  // For another version of a host, everything is new.
  const same = Object.entries(hosts).every(([axis, version]) => installed?.hosts[axis] === version);
  if (installed === undefined || !same) return planned;
  const known = new Set(installed.packages.map(({ name, version, tree }) => `${name} ${version} ${tree ?? ""}`));
  return planned.filter(({ name, version, tree }) => !known.has(`${name} ${version} ${tree ?? ""}`));
}

function requirementsUnmet(result: ValidationResult): EngineError {
  const [first, ...others] = result.errors;
  const more = others.length === 0 ? "" : `, and ${counted(others.length, "more problem")}`;
  const lines = others.map((line) => `\n  ${line}`).join("");
  return new EngineError({
    code: "REQUIREMENTS_UNMET",
    message: `Cannot install: ${first!}${more}${lines}`,
    hint: "Install or update what is named, or skip this validation with --skip-deps",
    validation: result,
  });
}

async function needsOf(
  context: EngineContext,
  project: Project,
  store: Store,
  planned: readonly PlannedPackage[],
): Promise<ValidatedPackage[]> {
  const own = project.members.map(({ manifest }) => ({
    name: manifest.package!.name,
    version: manifest.package!.version,
    runtimes: manifest.runtimes,
    hosts: manifest.hosts,
    dependencies: manifest.dependencies.map(({ name, package: real, canonicalRequirement, kind, optional }) => ({
      name,
      kind,
      optional,
      requirement: canonicalRequirement ?? "*",
      ...(real === undefined ? {} : { package: real }),
    })),
  }));
  const others = await Promise.all(planned.map((one) => needsOfPlanned(context, store, one)));
  return [...own, ...others.filter((one) => one !== undefined)];
}

async function needsOfPlanned(
  context: EngineContext,
  store: Store,
  { name, version, tree, directory }: PlannedPackage,
): Promise<ValidatedPackage | undefined> {
  if (tree !== undefined) {
    const { runtimes = [], hosts = {}, dependencies = [] } = store.record(tree).manifest;
    // Most packages need nothing of the machine.
    if (runtimes.length === 0 && Object.keys(hosts).length === 0) return undefined;
    return { name, version, runtimes, hosts, dependencies };
  }
  const manifest = directory === undefined ? undefined : (await manifestIn(context, directory))?.manifest;
  return manifest && { name, version, runtimes: manifest.runtimes, hosts: manifest.hosts, dependencies: [] };
}
