import {
  BUILTIN_BUILD_PROFILES,
  canonicalName,
  compatibilitySlot,
  lockGrid,
  parsePackageName,
  parseRequirement,
  parseVersion,
  splitReference,
  tryParsePackageName,
  tryParseVersion,
  type IndexVersion,
  type LockEnvironment,
  type Lockfile,
  type ManifestDependency,
  type PackageManifest,
  type RequirementSyntax,
} from "@lading/core-manifest";
import type {
  Candidate,
  Dependency,
  DependencyProvider,
  EnvironmentSuggestion,
  Exclusion,
  LockedInEnvironments,
  LockedSlotInEnvironments,
  MetSlot,
  PackageKey,
  PackageMetadata,
  ResolutionNote,
  ResolvedPackage,
  ResolveInput,
  RootPackage,
  SolvedResolution,
  Suggestion,
  UniversalFailure,
  UniversalInput,
  UniversalResolution,
  UniversalSolution,
  UnsolvableResolution,
} from "@lading/resolver";
import type { FoundPackage, RegistryCandidateData, RegistryProvider } from "@lading/registry-client";
import type { EngineContext } from "./engine-context.ts";
import { EngineError } from "./engine-error.ts";
import type { DeclaredGrid, Grid } from "./environments.ts";
import type { LocalPackage, LocalPackages } from "./local-packages.ts";
import { patched, takenFrom, unusedPatch, type ProjectPatch } from "./patches.ts";
import type { Project } from "./project.ts";
import { writeFileAtomic } from "./files.ts";
import { fullVersion } from "./hosts.ts";
import { policyWords, releaseExclusions } from "./release-rules.ts";
import type { ResolverPolicy } from "./resolver-policy.ts";
import { similarNames } from "./similar-names.ts";

/** Which features of the members are on. */
export interface FeatureChoice {
  readonly features?: readonly string[] | undefined;
  readonly noDefaultFeatures?: boolean | undefined;
  readonly allFeatures?: boolean | undefined;
  /** Build profile whose features count as well. */
  readonly profile?: string | undefined;
}

/** Everything that decides the answer besides what registries offer. */
export interface ResolutionRequest extends FeatureChoice, ResolverPolicy {
  readonly project: Project;
  readonly locals: LocalPackages;
  /** What stands in for packages of registries. */
  readonly patches: readonly ProjectPatch[];
  /** Host versions, for questions about one environment. */
  readonly hosts: Readonly<Record<string, string>>;
  /** Targets, for questions about one environment; absent: dependencies of every target count. */
  readonly targets?: readonly string[] | undefined;
  /** The environments that the lock is for. */
  readonly grid: DeclaredGrid;
  /** Take what the members name, and nothing of what that depends on. */
  readonly skipDependencies?: boolean | undefined;
  /** Versions to keep where possible. */
  readonly locked: readonly LockedVersion[];
  /** Versions that are taken wherever the package is needed: no other compatible one counts. */
  readonly precise?: readonly AskedVersion[] | undefined;
  /** Absolute path of a file that the resolution is recorded in, whatever comes of it. */
  readonly record?: string | undefined;
}

/** One version of a package, asked for by name. */
export interface AskedVersion {
  readonly name: string;
  readonly version: string;
}

/** A version that the previous lock has. */
export interface LockedVersion {
  readonly name: string;
  readonly version: string;
  /** Canonical URL, where a registry is its source. */
  readonly registry?: string | undefined;
  /** Requirements that it meets though other locked versions would meet them as well, and where. */
  readonly ranges?: readonly Pick<LockedSlotInEnvironments, "requirement" | "appliesTo">[];
  /** Whether the lock has it in an environment. Absent: in every one. */
  readonly appliesTo?: (environment: LockEnvironment) => boolean;
}

/** What a candidate carries: a local package, or what the registry's index says. */
export type CandidateData =
  | { readonly type: "local"; readonly package: LocalPackage }
  | ({ readonly type?: undefined } & RegistryCandidateData);

/** A solution for one environment with the question and the provider that found it. */
export interface SolvedProject {
  readonly resolution: SolvedResolution;
  readonly request: ResolutionRequest;
  readonly asked: AskedQuestion;
}

/** A solution for every environment of a lock, with the request. */
export interface LockSolution {
  readonly resolution: UniversalSolution;
  /** Requirements that several versions of it meet, with the one that does. */
  readonly slots: readonly MetSlot[];
  readonly request: ResolutionRequest;
}

/** What is asked: of one environment as it is, of a grid each thing of the lock where the lock has it. */
type AskedInput = ResolveInput & Pick<UniversalInput, "locked" | "lockedSlots">;

/** A request in the resolver's terms. */
export interface AskedQuestion {
  /** For one environment. */
  readonly input: AskedInput;
  readonly provider: DependencyProvider;
  readonly keyOf: (name: string, registry?: string) => PackageKey;
  /** Every key of a name, whatever registry is pinned. */
  readonly keysOf: (name: string) => readonly PackageKey[];
  /** Looks for names like those that do not exist; whether there are any. */
  readonly learnNames: () => Promise<boolean>;
}

/**
 * Resolves a project for one environment.
 * @throws {EngineError} `RESOLUTION_IMPOSSIBLE` with the explanation and tested suggestions
 */
export async function resolveProject(context: EngineContext, request: ResolutionRequest): Promise<SolvedProject> {
  const asked = await questionOf(context, request);
  const resolution = await answerQuestion(context, asked, request);
  if (resolution.status === "unsolvable") throw impossible(resolution);
  warn(context, request, asked, resolution);
  return { resolution, request, asked };
}

/**
 * Resolves a project for every environment that its lock is for. What is recorded, where the request says so, is the
 * question and answer of all of them.
 * @throws {EngineError} `RESOLUTION_IMPOSSIBLE` with the environment that has none, the explanation and tested suggestions
 */
export async function resolveForLock(context: EngineContext, request: ResolutionRequest): Promise<LockSolution> {
  const asked = await questionOf(context, request);
  const { lockedSlotsOf, resolveUniversal } = await import("./lock-resolver.ts");
  const input = universalInput(asked.input, request);
  const options = { signal: context.signal, onEvent: context.onEvent };
  const record = await universalRecorder(request, input, asked.provider);
  let resolution = await resolveUniversal(input, record.provider(), options);
  if (resolution.status === "unsolvable" && (await asked.learnNames()))
    resolution = await resolveUniversal(input, record.provider(), options);
  await record.write(resolution);
  if (resolution.status === "unsolvable") throw impossible(resolution);
  const notes = resolution.answers.flatMap((answer) => answer.resolution.notes);
  warn(context, request, asked, { packages: resolution.packages, notes });
  return { resolution, request, slots: lockedSlotsOf(resolution) };
}

/** Watches what a resolution for a grid reads, where that is to be recorded. */
async function universalRecorder(
  { record, release }: ResolutionRequest,
  input: UniversalInput,
  provider: DependencyProvider,
): Promise<{
  readonly provider: () => DependencyProvider;
  readonly write: (answer: UniversalResolution) => Promise<void>;
}> {
  if (record === undefined) return { provider: () => provider, write: () => Promise.resolve() };
  const { recordUniversal, renderResolutionRecording } = await import("@lading/resolver");
  let recorder = recordUniversal(input, provider);
  return {
    provider: () => (recorder = recordUniversal(input, provider)).provider,
    write: (answer) =>
      writeFileAtomic(record, renderResolutionRecording(recorder.recording(answer, recordedAbout(release)))),
  };
}

function recordedAbout(release: ResolverPolicy["release"]): { clock: string; policies: Record<string, string> } {
  return { clock: new Date(release.now).toISOString(), policies: policyWords(release) };
}

/** The same question for every environment of the lock. */
function universalInput(input: AskedInput, { grid }: ResolutionRequest): UniversalInput {
  const { hosts: _hosts, targets: _targets, ...rest } = input;
  const { target, ...hosts } = grid.axes;
  return { ...rest, mode: grid.mode, environments: { hosts, ...(target === undefined ? {} : { targets: target }) } };
}

/** The question that a request puts to the resolver; opens the registries where one is needed. */
export async function questionOf(context: EngineContext, request: ResolutionRequest): Promise<AskedQuestion> {
  const registry = await openProvider(context, request);
  const keys = createKeys(registry, request.locals, registry === undefined ? [] : await otherRegistries(context));
  const everything = withPatches(overlay(registry, request.locals, keys), request, keys);
  const allowed = withAllowed(withoutDependencies(everything, request.skipDependencies === true), request.allowed);
  const wording = wordingOf(context.profile.manifest.requirements);
  const input = { ...resolveInput(request, keys), ...(wording === undefined ? {} : { wording }) };
  const keyOf = (name: string, pinned?: string): PackageKey => keys.of(name, pinned);
  const names = { keyOf, keysOf: (name: string): readonly PackageKey[] => keys.all(name) };
  if (registry === undefined) return { input, ...names, provider: allowed, learnNames: async () => false };
  return { input, ...names, ...nameFinder(context, input, allowed) };
}

/** Solves a question with the context's signal and events; records it where the request says so. */
async function answerQuestion(
  context: EngineContext,
  { input, provider, learnNames }: AskedQuestion,
  { record, release }: ResolutionRequest,
): Promise<SolvedResolution | UnsolvableResolution> {
  const { recordResolution, renderResolutionRecording, resolve } = await import("@lading/resolver");
  const options = { signal: context.signal, onEvent: context.onEvent };
  let recorder = recordResolution(input, provider);
  let resolution = await resolve(input, recorder.provider, options);
  // Only a failure is worth asking a registry for names; with them, what was meant may be among the suggestions.
  if (resolution.status === "unsolvable" && (await learnNames())) {
    recorder = recordResolution(input, provider);
    resolution = await resolve(input, recorder.provider, options);
  }
  if (record !== undefined) {
    await writeFileAtomic(record, renderResolutionRecording(recorder.recording(resolution, recordedAbout(release))));
  }
  return resolution;
}

function warn(
  context: EngineContext,
  request: ResolutionRequest,
  asked: AskedQuestion,
  {
    packages,
    notes,
  }: {
    readonly packages: readonly Pick<ResolvedPackage, "candidate" | "version" | "key">[];
    readonly notes: readonly ResolutionNote[];
  },
): void {
  const say = (message: string): void => context.onEvent({ type: "warning", message });
  for (const message of new Set(notes.map((note) => note.message))) say(message);
  for (const { candidate, version, key } of packages) {
    const data = candidate.data as CandidateData;
    if (data.type === "local") continue;
    const because = data.entry.reason === undefined ? "" : `: ${data.entry.reason}`;
    const instead = data.entry.replacement === undefined ? "" : `; use "${data.entry.replacement}" instead`;
    const name = asked.provider.displayName?.(key) ?? data.name;
    if (data.entry.status === "deprecated") say(`"${name}" ${version} is deprecated${because}${instead}`);
    if (data.entry.status === "yanked")
      say(`"${name}" ${version} was yanked${because}; it is kept because ${keptBy(request, data.name, version)}`);
  }
  const used = new Set(packages.map(({ key }) => key));
  for (const { name } of request.overrides) {
    if (!asked.keysOf(name).some((key) => used.has(key)))
      say(`The override of "${name}" changes nothing: no package needs it`);
  }
  for (const patch of request.patches) {
    const key = asked.keyOf(patch.name, patch.of);
    const chosen = packages
      .filter((one) => one.key === key)
      .map(({ version, candidate }) => ({ version, isPatch: isFromPatch(patch, candidate) }));
    const message = unusedPatch(patch, chosen);
    if (message !== undefined) say(message);
  }
}

/** Whether a version that was chosen for a patched package is the patch's. */
function isFromPatch({ by }: ProjectPatch, { data, version }: Candidate): boolean {
  const from = data as CandidateData;
  if (by.type === "local") return from.type === "local" && from.package === by.local;
  return parseRequirement(by.requirement, "canonical").matches(parseVersion(version));
}

function keptBy(request: ResolutionRequest, name: string, version: string): string {
  const canonical = canonicalName(parsePackageName(name));
  return request.allowed.has(`${canonical}@${version}`) ? "resolver.allow names it" : "the lock has it";
}

/** The registries are opened only where a dependency comes from one: path dependencies need none. */
async function openProvider(context: EngineContext, request: ResolutionRequest): Promise<RegistryProvider | undefined> {
  const patching = request.patches.flatMap(({ by }) => (by.type === "local" ? [by.local] : []));
  const manifests = [...request.project.members, ...request.locals.values(), ...patching].map(
    ({ manifest }) => manifest,
  );
  const needed = manifests.some(({ dependencies }) =>
    dependencies.some((dependency) => !isLocal(dependency, request.locals)),
  );
  if (!needed) return undefined;
  const { registryProvider } = await import("./registry-client.ts");
  const { RegistryReleaseAges } = await import("./registry-release-age.ts");
  const registries = await context.registries();
  const ages = new RegistryReleaseAges(context);
  return registryProvider({
    registries,
    signal: context.signal,
    review: (found) => reviewOf(ages.review(found), revokedKeys(context, found)),
    exclude: (data) => [
      ...untrustedPublisher(data, registries.client(data.registry).registry.trustedPublishers),
      ...releaseExclusions(request.release, data.name, data.entry),
    ],
  });
}

type Review = (entry: IndexVersion) => readonly Exclusion[];

/** What both reviews say; asks nothing where neither has anything to ask. */
function reviewOf(
  age: Review | Promise<Review> | undefined,
  keys: Promise<Review> | undefined,
): Promise<Review> | undefined {
  if (age === undefined) return keys;
  return (async () => {
    const reviews = [await age, ...(keys === undefined ? [] : [await keys])];
    return (entry) => reviews.flatMap((review) => review(entry));
  })();
}

/** Versions that ended keys have signed. Most packages' keys never changed: of those nobody is asked anything. */
function revokedKeys(
  context: EngineContext,
  { client, document }: FoundPackage,
): Promise<(entry: IndexVersion) => readonly Exclusion[]> | undefined {
  if (document.extra?.["keys"] === undefined) return undefined;
  return (async () => {
    const { endedKeyText, revocationsOf } = await import("./revocations.ts");
    const endedKey = await revocationsOf(context, client, document);
    return (entry) => {
      const ended = endedKey(entry);
      return ended === undefined ? [] : [{ reason: "revoked", text: endedKeyText(ended) }];
    };
  })();
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
  /** Every key that a package of this name may have, whatever registry a dependency pins. */
  all(name: string): PackageKey[];
}

function createKeys(registry: RegistryProvider | undefined, locals: LocalPackages, others: readonly string[]): Keys {
  const of = (name: string, pinned: string | undefined): PackageKey => {
    const canonical = canonicalName(parsePackageName(name));
    if (pinned === undefined && locals.has(canonical)) return registry?.keyOf(name) ?? canonical;
    return registry?.keyOf(name, pinned) ?? canonical;
  };
  return { of, all: (name) => [...new Set([undefined, ...others].map((pinned) => of(name, pinned)))] };
}

async function otherRegistries(context: EngineContext): Promise<string[]> {
  const { clients, default: first } = await context.registries();
  return clients.filter((client) => client !== first).map((client) => client.registry.name);
}

/** A view of a provider in which the root manifest's patches stand in for packages of registries. */
function withPatches(
  provider: DependencyProvider,
  { patches, locals }: ResolutionRequest,
  keys: Keys,
): DependencyProvider {
  if (patches.length === 0) return provider;
  const byKey = new Map(patches.map((patch) => [keys.of(patch.name, patch.of), patch]));
  const sourceOf = ({ by, name }: ProjectPatch): PackageKey | undefined =>
    by.type === "registry" ? keys.of(name, by.registry) : undefined;
  const known = new Map<PackageKey, PackageMetadata>();
  const merge = (key: PackageKey, patch: ProjectPatch): PackageMetadata | undefined => {
    const made = known.get(key);
    if (made !== undefined) return made;
    const own = provider.get(key);
    const from = sourceOf(patch);
    const source = from === undefined ? own : provider.get(from);
    if (own === undefined || source === undefined) return undefined;
    const given =
      patch.by.type === "local"
        ? [candidateOf(patch.by.local, locals, keys)]
        : takenFrom(patch, patch.by.requirement, source);
    const whole = patched(patch, own, given);
    known.set(key, whole);
    return whole;
  };
  const withSources = (wanted: readonly PackageKey[]): PackageKey[] => {
    const sources = wanted.flatMap((key) => {
      const patch = byKey.get(key);
      return (patch && sourceOf(patch)) ?? [];
    });
    return [...new Set([...wanted, ...sources])].filter((key) => provider.get(key) === undefined);
  };
  return {
    ...provider,
    get(key) {
      const patch = byKey.get(key);
      return patch === undefined ? provider.get(key) : merge(key, patch);
    },
    load: (wanted, options) => provider.load(withSources(wanted), options),
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

/** Reasons that naming a version in `resolver.allow` lifts. */
const LIFTED_BY_NAME: ReadonlySet<string> = new Set(["yanked", "cooldown", "exclude-newer"]);

/** A view of a provider in which versions that are allowed by name are neither too new nor yanked. */
function withAllowed(provider: DependencyProvider, allowed: ReadonlySet<string>): DependencyProvider {
  if (allowed.size === 0) return provider;
  const known = new Map<PackageMetadata, PackageMetadata>();
  const lift = (candidate: Candidate): Candidate => {
    const data = candidate.data as CandidateData;
    if (data.type === "local" || !allowed.has(`${canonicalName(parsePackageName(data.name))}@${candidate.version}`))
      return candidate;
    return { ...candidate, excluded: (candidate.excluded ?? []).filter(({ reason }) => !LIFTED_BY_NAME.has(reason)) };
  };
  return {
    ...provider,
    get(key) {
      const metadata = provider.get(key);
      if (metadata === undefined) return undefined;
      const lifted = known.get(metadata) ?? { ...metadata, candidates: metadata.candidates.map(lift) };
      known.set(metadata, lifted);
      return lifted;
    },
  };
}

/** Names that are like those of root dependencies which do not exist; empty until they are looked for. */
function nameFinder(
  context: EngineContext,
  input: ResolveInput,
  provider: DependencyProvider,
): { readonly provider: DependencyProvider; readonly learnNames: () => Promise<boolean> } {
  const names = new Set<PackageKey>();
  const look = async (key: PackageKey): Promise<void> => {
    const { default: client } = await context.registries();
    for (const name of await similarNames(client, key, context.signal)) names.add(name);
  };
  return {
    provider: { ...provider, names: () => names },
    async learnNames() {
      const wanted = new Set(input.roots.flatMap((root) => root.dependencies.map(({ key }) => key)));
      const missing = [...wanted].filter((key) => provider.get(key)?.candidates.length === 0 && !key.includes("@"));
      if (!context.offline) await Promise.all(missing.map(look));
      return names.size > 0;
    },
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
    ...exclusiveOf(manifest),
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
    ...(dependency.hosts === undefined ? {} : { hosts: dependency.hosts }),
  };
}

function exclusiveOf({ package: info }: PackageManifest): Pick<Candidate, "exclusiveFeatures"> {
  return info?.exclusiveFeatures === undefined ? {} : { exclusiveFeatures: info.exclusiveFeatures };
}

function resolveInput(request: ResolutionRequest, keys: Keys): AskedInput {
  const { precise = [] } = request;
  const pinned = new Map(precise.map(({ name, version }) => [keys.of(name, undefined), version]));
  return {
    roots: request.project.members.map((member) => rootOf(member, request, keys)),
    coexistence: request.coexistence,
    prefer: request.prefer,
    prereleases: request.prereleases,
    locked: [...request.locked, ...precise].flatMap((locked) => lockedKeys(locked, keys)),
    ...lockedSlots(request, keys),
    overrides: request.overrides.flatMap(({ name, requirement }) =>
      keys.all(name).map((key) => ({ key, requirement })),
    ),
    hosts: Object.fromEntries(Object.entries(request.hosts).map(([axis, version]) => [axis, [version]])),
    ...(request.targets === undefined ? {} : { targets: request.targets }),
    ...(pinned.size === 0 ? {} : { exclude: (key, candidate) => otherThan(pinned.get(key), candidate, request) }),
  };
}

function otherThan(
  pinned: string | undefined,
  { version }: Candidate,
  { coexistence }: ResolutionRequest,
): readonly Exclusion[] {
  if (pinned === undefined || version === pinned) return [];
  const slot = (text: string): string => compatibilitySlot(parseVersion(text));
  if (coexistence === "per-major" && slot(version) !== slot(pinned)) return [];
  return [{ reason: "policy", text: `exactly ${pinned} is asked for` }];
}

function rootOf(member: Project["members"][number], request: ResolutionRequest, keys: Keys): RootPackage {
  return {
    name: member.name,
    version: member.manifest.package!.version,
    // Which package is met first decides; sorting a table must not change the lock.
    dependencies: member.manifest.dependencies
      .map((dependency) => toDependency(dependency, request.locals, keys))
      .sort(byNameAndKind),
    features: member.manifest.features,
    ...exclusiveOf(member.manifest),
    enable: featuresOf(member, request),
    defaultFeatures: request.noDefaultFeatures !== true,
  };
}

function byNameAndKind(left: Dependency, right: Dependency): number {
  const [a, b] = [left, right].map(({ name, key, kind }) => `${name ?? key}\0${key}\0${kind ?? ""}`) as [
    string,
    string,
  ];
  return a < b ? -1 : a > b ? 1 : 0;
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
  const own = [project.rootFile, ...project.members].flatMap(({ manifest }) => Object.keys(manifest.profiles));
  const profiles = new Set([...BUILTIN_BUILD_PROFILES, ...own]);
  if (choice.profile !== undefined && !profiles.has(choice.profile)) {
    throw new EngineError({
      code: "BUILD_PROFILE_UNKNOWN",
      message: `Cannot use build profile "${choice.profile}": there are ${[...profiles]
        .sort()
        .map((name) => `"${name}"`)
        .join(", ")}`,
    });
  }
}

/** A lock does not say whether a source was pinned: the version is preferred under both identities. */
function lockedKeys(locked: LockedVersion, keys: Keys): LockedInEnvironments[] {
  const { name, version, registry, appliesTo } = locked;
  const all = [keys.of(name, undefined), ...(registry === undefined ? [] : [keys.of(name, registry)])];
  return [...new Set(all)].map((key) => ({ key, version, ...(appliesTo === undefined ? {} : { appliesTo }) }));
}

function lockedSlots({ locked }: ResolutionRequest, keys: Keys): Pick<UniversalInput, "lockedSlots"> {
  const slots = locked.flatMap((one) =>
    lockedKeys(one, keys).flatMap(({ key, version }) =>
      (one.ranges ?? []).map((range) => ({ key, version, ...range })),
    ),
  );
  return slots.length === 0 ? {} : { lockedSlots: slots };
}

/** The versions of a lock as preferences, each where the lock has it, without the packages named. */
export function lockedVersions(lock: Lockfile | undefined, except: ReadonlySet<string>): LockedVersion[] {
  const grid = lockGrid(lock?.environment);
  const appliesTo = (conditions: readonly string[]) => {
    const cells = new Set(conditions.flatMap((condition) => [...(grid.cellsOf(condition) ?? [])]));
    return (environment: LockEnvironment): boolean => {
      const cell = grid.indexOf(environment);
      return cell !== undefined && cells.has(cell);
    };
  };
  // What holds in some environments holds where the version is, too.
  const readRange = (text: string, own: readonly string[] | undefined) => {
    const { condition, reference: requirement } = splitReference(text);
    const conditions = condition === undefined ? own : [condition];
    return { requirement, ...(conditions === undefined ? {} : { appliesTo: appliesTo(conditions) }) };
  };
  return (lock?.packages ?? [])
    .filter(({ name }) => !except.has(canonicalName(parsePackageName(name))))
    .map(({ name, version, source, ranges, environments }) => ({
      name,
      version,
      ...(ranges === undefined ? {} : { ranges: ranges.map((text) => readRange(text, environments)) }),
      registry: source?.type === "registry" ? source.url : undefined,
      ...(environments === undefined ? {} : { appliesTo: appliesTo(environments) }),
    }));
}

/** Most suggestions that are worth reading. */
const MOST_SUGGESTIONS = 6;

/** The error of a question that has no answer. */
export function impossible(resolution: UnsolvableResolution | UniversalFailure): EngineError {
  const { explanation, suggestions, requirements } = resolution;
  const hint = hintOf(suggestions.slice(0, MOST_SUGGESTIONS).map(adviceOf));
  return new EngineError({
    code: "RESOLUTION_IMPOSSIBLE",
    message: "Cannot find versions that satisfy every requirement",
    explanation,
    requirements,
    suggestions,
    ...(hint === undefined ? {} : { hint }),
  });
}

/** A suggestion with where to write it down. */
export function adviceOf(suggestion: Suggestion | EnvironmentSuggestion): string {
  if (suggestion.type === "drop-environment") return suggestion.message;
  const { message, type, reason, key, version } = suggestion;
  const name = key?.split("@", 1)[0];
  if (type === "allow-excluded" && reason !== undefined && LIFTED_BY_NAME.has(reason))
    return `${message}: add "${name}@${version}" to [resolver] allow`;
  if (type === "allow-reason" && reason === "cooldown") return `${message}: --minimum-release-age 0s`;
  if (type === "allow-reason" && reason === "exclude-newer") return `${message}: name a later --exclude-newer`;
  if (type === "add-override") return `${message}: write it into [overrides]`;
  return message;
}

function hintOf(messages: readonly string[]): string | undefined {
  if (messages.length < 2) return messages[0];
  return ["any one of these was tried and helps:", ...messages.map((message) => `  - ${message}`)].join("\n");
}

/** How a requirement reads in a dialect's own syntax. */
function wordingOf(syntax: RequirementSyntax): ((canonical: string) => string) | undefined {
  if (syntax !== "pep440") return undefined;
  return (canonical) => {
    if (canonical === "*") return "any version";
    return canonical
      .replaceAll(/-0(?=$| )/g, "")
      .replaceAll(" <", ",<")
      .replaceAll(/(^| )=(?=\d)/g, "$1==");
  };
}

/**
 * Checks that the members themselves support every environment.
 * @throws {EngineError} `HOST_UNSUPPORTED`
 */
export function checkGrid(project: Project, axes: Grid): void {
  for (const [axis, values] of Object.entries(axes)) for (const value of values) checkHosts(project, { [axis]: value });
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
