import {
  canonicalName,
  parsePackageName,
  parseRequirement,
  tryParsePackageName,
  tryParseVersion,
  type Lockfile,
  type ManifestDependency,
} from "@lading/core-manifest";
import type {
  Candidate,
  CoexistencePolicy,
  Dependency,
  DependencyProvider,
  LockedPackage,
  PackageKey,
  PackageMetadata,
  PrereleasePolicy,
  ResolveInput,
  RootPackage,
  SolvedResolution,
  UnsolvableResolution,
} from "@lading/resolver";
import type { RegistryCandidateData, RegistryProvider } from "@lading/registry-client";
import type { EngineContext } from "./engine-context.ts";
import { EngineError } from "./engine-error.ts";
import type { LocalPackage, LocalPackages } from "./local-packages.ts";
import type { Project } from "./project.ts";

/** Which features of the members are on. */
export interface FeatureChoice {
  readonly features?: readonly string[] | undefined;
  readonly noDefaultFeatures?: boolean | undefined;
  readonly allFeatures?: boolean | undefined;
  /** Build profile whose features count as well. */
  readonly profile?: string | undefined;
}

/** Everything that decides the answer besides what registries offer. */
export interface ResolutionRequest extends FeatureChoice {
  readonly project: Project;
  readonly locals: LocalPackages;
  readonly hosts: Readonly<Record<string, string>>;
  readonly coexistence: CoexistencePolicy;
  readonly prereleases: PrereleasePolicy;
  /** Take what the members name, and nothing of what that depends on. */
  readonly skipDependencies?: boolean | undefined;
  /** Versions to keep where possible. */
  readonly locked: readonly LockedVersion[];
}

/** A version that the previous lock has. */
export interface LockedVersion {
  readonly name: string;
  readonly version: string;
  /** Canonical URL, where a registry is its source. */
  readonly registry?: string | undefined;
}

/** What a candidate carries: a local package, or what the registry's index says. */
export type CandidateData =
  | { readonly type: "local"; readonly package: LocalPackage }
  | ({ readonly type?: undefined } & RegistryCandidateData);

/** A solution with the provider that found it. */
export interface SolvedProject {
  readonly resolution: SolvedResolution;
  readonly request: ResolutionRequest;
}

/**
 * Resolves a project.
 * @throws {EngineError} `RESOLUTION_IMPOSSIBLE` with the explanation and tested suggestions
 */
export async function resolveProject(context: EngineContext, request: ResolutionRequest): Promise<SolvedProject> {
  const [{ resolve }, registry] = await Promise.all([import("@lading/resolver"), openProvider(context, request)]);
  const keys = createKeys(registry, request.locals);
  const provider = withoutDependencies(overlay(registry, request.locals, keys), request.skipDependencies === true);
  const resolution = await resolve(resolveInput(request, keys), provider, {
    signal: context.signal,
    onEvent: context.onEvent,
  });
  if (resolution.status === "unsolvable") throw impossible(resolution);
  for (const note of resolution.notes) context.onEvent({ type: "warning", message: note.message });
  return { resolution, request };
}

/** The registries are opened only where a dependency comes from one: path dependencies need none. */
async function openProvider(context: EngineContext, request: ResolutionRequest): Promise<RegistryProvider | undefined> {
  const manifests = [...request.project.members, ...request.locals.values()].map(({ manifest }) => manifest);
  const needed = manifests.some(({ dependencies }) =>
    dependencies.some((dependency) => !isLocal(dependency, request.locals)),
  );
  if (!needed) return undefined;
  const { registryProvider } = await import("@lading/registry-client");
  const registries = await context.registries();
  return registryProvider({
    registries,
    signal: context.signal,
    exclude: (data) => untrustedPublisher(data, registries.client(data.registry).registry.trustedPublishers),
  });
}

function untrustedPublisher(
  { entry }: RegistryCandidateData,
  trusted: readonly string[],
): { reason: "policy"; text: string }[] {
  if (trusted.length === 0 || (entry.publisher !== undefined && trusted.includes(entry.publisher))) return [];
  const who = entry.publisher === undefined ? "an unknown account" : `"${entry.publisher}"`;
  return [{ reason: "policy", text: `it was published by ${who}, trusted_publishers allows ${trusted.join(", ")}` }];
}

function isLocal(dependency: ManifestDependency, locals: LocalPackages): boolean {
  if (dependency.source.type !== "registry") return true;
  const name = tryParsePackageName(dependency.package ?? dependency.name);
  return name !== undefined && dependency.source.registry === undefined && locals.has(canonicalName(name));
}

/** How packages are told apart: a local package stands for its name wherever no registry is pinned. */
interface Keys {
  of(name: string, registry: string | undefined): PackageKey;
}

function createKeys(registry: RegistryProvider | undefined, locals: LocalPackages): Keys {
  return {
    of(name, pinned) {
      const canonical = canonicalName(parsePackageName(name));
      if (pinned === undefined && locals.has(canonical)) return registry?.keyOf(name) ?? canonical;
      return registry?.keyOf(name, pinned) ?? canonical;
    },
  };
}

function overlay(registry: RegistryProvider | undefined, locals: LocalPackages, keys: Keys): DependencyProvider {
  const own = new Map<PackageKey, PackageMetadata>();
  for (const local of locals.values())
    own.set(keys.of(local.name, undefined), { candidates: [candidateOf(local, locals, keys)] });
  return {
    get: (key) => own.get(key) ?? registry?.get(key),
    async load(wanted, options) {
      const remote = wanted.filter((key) => !own.has(key));
      const speculative = options.speculative.filter((key) => !own.has(key));
      if (registry !== undefined && remote.length + speculative.length > 0) {
        await registry.load(remote, { ...options, speculative });
      }
    },
    displayName: (key) => registry?.displayName?.(key) ?? key,
  };
}

/** A view of a provider in which nothing depends on anything. */
function withoutDependencies(provider: DependencyProvider, skip: boolean): DependencyProvider {
  if (!skip) return provider;
  const known = new Map<PackageMetadata, PackageMetadata>();
  const alone = (metadata: PackageMetadata): PackageMetadata => {
    const candidates = metadata.candidates.map((candidate) => ({ ...candidate, dependencies: [], features: {} }));
    const stripped = known.get(metadata) ?? { ...metadata, candidates };
    known.set(metadata, stripped);
    return stripped;
  };
  return {
    ...provider,
    get(key) {
      const metadata = provider.get(key);
      return metadata && alone(metadata);
    },
    load: (keys, options) => provider.load(keys, options),
  };
}

function candidateOf(local: LocalPackage, locals: LocalPackages, keys: Keys): Candidate {
  const { manifest, version, source } = local;
  const data: CandidateData = { type: "local", package: local };
  return {
    version,
    dependencies: manifest.dependencies
      .filter(({ kind }) => kind !== "dev")
      .map((dependency) => toDependency(dependency, locals, keys)),
    features: manifest.features,
    hosts: manifest.hosts,
    display:
      source.type === "path" ? `${version} (path ${source.path})` : `${version} (git ${source.commit.slice(0, 12)})`,
    data,
  };
}

function toDependency(dependency: ManifestDependency, locals: LocalPackages, keys: Keys): Dependency {
  const name = dependency.package ?? dependency.name;
  const registry = dependency.source.type === "registry" ? dependency.source.registry : undefined;
  const local = locals.get(canonicalName(parsePackageName(name)));
  // A path without a version means what is there, pre-release or not.
  const requirement = dependency.canonicalRequirement ?? (local === undefined ? "*" : `=${local.version}`);
  return {
    key: keys.of(name, registry),
    name: dependency.name,
    requirement,
    kind: dependency.kind,
    features: dependency.features,
    defaultFeatures: dependency.defaultFeatures,
    optional: dependency.optional,
    ...(dependency.targets === undefined ? {} : { targets: dependency.targets }),
  };
}

function resolveInput(request: ResolutionRequest, keys: Keys): ResolveInput {
  return {
    roots: request.project.members.map((member) => rootOf(member, request, keys)),
    coexistence: request.coexistence,
    prereleases: request.prereleases,
    locked: request.locked.flatMap((locked) => lockedKeys(locked, keys)),
    hosts: Object.fromEntries(Object.entries(request.hosts).map(([axis, version]) => [axis, [version]])),
  };
}

function rootOf(member: Project["members"][number], request: ResolutionRequest, keys: Keys): RootPackage {
  return {
    name: member.name,
    version: member.manifest.package!.version,
    dependencies: member.manifest.dependencies.map((dependency) => toDependency(dependency, request.locals, keys)),
    features: member.manifest.features,
    enable: featuresOf(member, request),
    defaultFeatures: request.noDefaultFeatures !== true,
  };
}

/** The features that are on for a member; one that it does not define is somebody else's in a workspace. */
function featuresOf(member: Project["members"][number], request: ResolutionRequest): string[] {
  const known = Object.keys(member.manifest.features);
  if (request.allFeatures === true) return known;
  return requestedFeatures(request).filter((feature) => known.includes(feature));
}

/** Features asked for, those of the chosen build profile included. */
export function requestedFeatures(request: Pick<ResolutionRequest, "project" | "features" | "profile">): string[] {
  const { profile } = request;
  const ofProfile =
    profile === undefined
      ? []
      : request.project.members.flatMap(({ manifest }) => manifest.profiles[profile]?.features ?? []);
  return [...new Set([...(request.features ?? []), ...ofProfile])].sort();
}

/**
 * Refuses features and build profiles that no member defines.
 * @throws {EngineError} `FEATURE_UNKNOWN`, `BUILD_PROFILE_UNKNOWN`
 */
export function checkFeatureChoice(project: Project, choice: FeatureChoice): void {
  const features = new Set(project.members.flatMap(({ manifest }) => Object.keys(manifest.features)));
  const unknown = (choice.features ?? []).find((feature) => !features.has(feature));
  if (unknown !== undefined) {
    throw new EngineError({
      code: "FEATURE_UNKNOWN",
      message: `Cannot switch on feature "${unknown}": defined are ${
        [...features]
          .sort()
          .map((name) => `"${name}"`)
          .join(", ") || "none"
      }`,
    });
  }
  const profiles = new Set(
    [project.rootFile, ...project.members].flatMap(({ manifest }) => Object.keys(manifest.profiles)),
  );
  if (choice.profile !== undefined && !profiles.has(choice.profile)) {
    throw new EngineError({
      code: "BUILD_PROFILE_UNKNOWN",
      message: `Cannot use build profile "${choice.profile}": defined are ${
        [...profiles]
          .sort()
          .map((name) => `"${name}"`)
          .join(", ") || "none"
      }`,
    });
  }
}

/** A lock does not say whether a source was pinned: the version is preferred under both identities. */
function lockedKeys({ name, version, registry }: LockedVersion, keys: Keys): LockedPackage[] {
  const all = [keys.of(name, undefined), ...(registry === undefined ? [] : [keys.of(name, registry)])];
  return [...new Set(all)].map((key) => ({ key, version }));
}

/** The versions of a lock as preferences, without the packages named. */
export function lockedVersions(lock: Lockfile | undefined, except: ReadonlySet<string>): LockedVersion[] {
  return (lock?.packages ?? [])
    .filter(({ name }) => !except.has(canonicalName(parsePackageName(name))))
    .map(({ name, version, source }) => ({
      name,
      version,
      registry: source?.type === "registry" ? source.url : undefined,
    }));
}

function impossible({ explanation, suggestions, requirements }: UnsolvableResolution): EngineError {
  return new EngineError({
    code: "RESOLUTION_IMPOSSIBLE",
    message: "Cannot find versions that satisfy every requirement",
    explanation,
    requirements,
    suggestions,
    ...(suggestions.length === 0 ? {} : { hint: suggestions.map(({ message }) => message).join("\n      ") }),
  });
}

/**
 * Checks that the members themselves support the host versions given.
 * @throws {EngineError} `HOST_UNSUPPORTED`
 */
export function checkHosts(project: Project, hosts: Readonly<Record<string, string>>): void {
  for (const member of project.members) {
    for (const [axis, requirement] of Object.entries(member.manifest.hosts)) {
      const given = hosts[axis];
      const version = given === undefined ? undefined : tryParseVersion(fullVersion(given));
      if (version === undefined || parseRequirement(requirement, "canonical").matchesWithPrereleases(version)) continue;
      throw new EngineError({
        code: "HOST_UNSUPPORTED",
        message: `Cannot install "${member.name}" for ${axis} ${given}: it requires ${axis} ${requirement}`,
        axis,
        given,
        requirement,
      });
    }
  }
}

/** `2024` and `3.11` as SemVer versions. */
export function fullVersion(text: string): string {
  const parts = text.split(".");
  return /^\d+(?:\.\d+)?$/.test(text) ? [...parts, "0", "0"].slice(0, 3).join(".") : text;
}
