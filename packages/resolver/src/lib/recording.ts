import { bound } from "./lift.ts";
import { ResolverError } from "./resolver-error.ts";
import type {
  Candidate,
  Dependency,
  DependencyProvider,
  Exclusion,
  PackageKey,
  PackageMetadata,
  Resolution,
  ResolveInput,
  VersionRequirement,
} from "./types.ts";

/** Everything a resolution read, as plain JSON. */
export interface ProviderRecording {
  readonly format: "lading-provider/1";
  readonly packages: Readonly<Record<PackageKey, PackageMetadata>>;
  /** Packages that were known without loading; when something is known decides which of several proofs is told. */
  readonly known?: readonly PackageKey[];
}

/** A provider that passes everything on and remembers what it saw. */
export interface RecordedProvider {
  readonly provider: DependencyProvider;
  /** What was read so far. `data` of candidates is left out; requirement objects become their canonical text. */
  recording(): ProviderRecording;
}

/** A question to the resolver as plain JSON. */
export type RecordedInput = Omit<ResolveInput, "exclude" | "suggest" | "wording">;

/** What was read for a question, as plain JSON. */
export interface RecordedReads {
  readonly packages: Readonly<Record<PackageKey, PackageMetadata>>;
  /** Packages that were known without loading. */
  readonly known?: readonly PackageKey[];
  /** Names of packages as they are shown, where they are not the keys. */
  readonly displayNames?: Readonly<Record<PackageKey, string>>;
  /** Names that the provider knew without loading. */
  readonly names?: readonly PackageKey[];
}

/** One resolution as a file: the question, what was read for it, and the answer (`docs/spec/resolution-recording.md`). */
export interface ResolutionRecording extends RecordedReads {
  readonly format: "lading-resolution/1";
  /** The clock that ages were measured by, RFC 3339. */
  readonly clock?: string;
  /** What the caller's policies were, in words; the reasons that they gave are in the candidates. */
  readonly policies?: Readonly<Record<string, string>>;
  readonly input: RecordedInput;
  readonly answer: RecordedAnswer;
}

/** What came out, to compare a replay with. */
export type RecordedAnswer =
  | { readonly status: "solved"; readonly packages: readonly string[] }
  | { readonly status: "unsolvable"; readonly explanation: string };

/** A question under observation. */
export interface ResolutionRecorder {
  /** Asks the same as `input`; its reasons against candidates are recorded. */
  readonly input: ResolveInput;
  readonly provider: DependencyProvider;
  recording(answer: Resolution, about?: Pick<ResolutionRecording, "clock" | "policies">): ResolutionRecording;
}

/** Watches a provider, so that the resolution can be replayed elsewhere. */
export function recordProvider(inner: DependencyProvider): RecordedProvider {
  const seen = new Map<PackageKey, PackageMetadata>();
  const loaded = new Set<PackageKey>();
  const provider: DependencyProvider = {
    ...bound(inner),
    get(key) {
      const metadata = inner.get(key);
      if (metadata !== undefined) seen.set(key, metadata);
      return metadata;
    },
    load(keys, options) {
      for (const key of [...keys, ...options.speculative]) if (inner.get(key) === undefined) loaded.add(key);
      return inner.load(keys, options);
    },
  };
  const recording = (): ProviderRecording => {
    const keys = [...seen.keys()].sort();
    const known = keys.filter((key) => !loaded.has(key));
    return {
      format: "lading-provider/1",
      ...(known.length === 0 ? {} : { known }),
      packages: Object.fromEntries(keys.map((key) => [key, plain(seen.get(key)!)])),
    };
  };
  return { provider, recording };
}

/** Watches a whole question: resolve `input` with `provider`, then ask for the recording. */
export function recordResolution(input: ResolveInput, inner: DependencyProvider): ResolutionRecorder {
  const watched = recordProvider(inner);
  return {
    input,
    provider: watched.provider,
    recording: (answer, about = {}) => ({
      format: "lading-resolution/1",
      ...about,
      input: { ...plainWhole(input), ...plainInput(input), ...plainOverrides(input) },
      ...recordedReads(input, watched, inner),
      answer: answerOf(answer),
    }),
  };
}

/** Everything that a question has read, with the reasons of the caller's policy in the candidates that it spoke of. */
export function recordedReads(
  input: Pick<ResolveInput, "exclude">,
  watched: RecordedProvider,
  inner: DependencyProvider,
): RecordedReads {
  const { known, packages: read } = watched.recording();
  const packages = Object.entries(read).map(
    ([key, metadata]) => [key, withPolicy(input, key, metadata, inner.get(key))] as const,
  );
  const shown = packages.map(([key]) => [key, inner.displayName?.(key) ?? key] as const);
  const names = [...(inner.names?.() ?? [])].sort();
  const displayNames = Object.fromEntries(shown.filter(([key, name]) => key !== name));
  return {
    packages: Object.fromEntries(packages),
    ...(known === undefined ? {} : { known }),
    ...(Object.keys(displayNames).length === 0 ? {} : { displayNames }),
    ...(names.length === 0 ? {} : { names }),
  };
}

/** What of an answer a replay must give again. */
export function answerOf(resolution: Resolution): RecordedAnswer {
  if (resolution.status === "unsolvable") return { status: "unsolvable", explanation: resolution.explanation };
  return { status: "solved", packages: resolution.packages.map(({ id }) => id) };
}

/**
 * Answers as the recorded provider did. Orders versions by SemVer.
 * @throws {ResolverError} `RESOLVE_INPUT_INVALID` where the recording has another format
 */
export function replayProvider(recording: ProviderRecording): DependencyProvider {
  if (recording.format !== "lading-provider/1") {
    throw new ResolverError({
      code: "RESOLVE_INPUT_INVALID",
      message: `Cannot replay a provider: format is "${String(recording.format)}", expected "lading-provider/1"`,
    });
  }
  return recordedProvider(recording);
}

/** The question of a recording with a provider that knows what was read, and nothing else. */
export function replayResolution(recording: ResolutionRecording): {
  readonly input: ResolveInput;
  readonly provider: DependencyProvider;
} {
  return { input: recording.input, provider: recordedProviderOf(recording) };
}

/** Answers as it was recorded, and shows packages by the names that they had. */
export function recordedProviderOf(reads: RecordedReads): DependencyProvider {
  const names = new Map(Object.entries(reads.displayNames ?? {}));
  return {
    ...recordedProvider(reads),
    displayName: (key) => names.get(key) ?? key,
    names: () => reads.names ?? [],
  };
}

const UNKNOWN: PackageMetadata = { candidates: [], missing: "it is not in the recording" };

/** Knows at once what was known at once, and the rest when it is asked for, as it was recorded. */
function recordedProvider({ packages, known = [] }: Pick<ProviderRecording, "packages" | "known">): DependencyProvider {
  const all = new Map(Object.entries(packages));
  const loaded = new Set<PackageKey>(known);
  return {
    get: (key) => (loaded.has(key) ? (all.get(key) ?? UNKNOWN) : undefined),
    async load(keys, { speculative }) {
      for (const key of keys) loaded.add(key);
      for (const key of speculative) if (all.has(key)) loaded.add(key);
    },
  };
}

function plain(metadata: PackageMetadata): PackageMetadata {
  return { ...metadata, candidates: metadata.candidates.map(plainCandidate) };
}

function plainCandidate(candidate: Candidate): Candidate {
  const { data: _, hosts, ...rest } = candidate;
  return {
    ...rest,
    dependencies: candidate.dependencies.map(plainDependency),
    ...(hosts === undefined ? {} : { hosts: plainHosts(hosts) }),
  };
}

function plainDependency({ hosts, ...dependency }: Dependency): Dependency {
  const requirement = textOf(dependency.requirement);
  return { ...dependency, requirement, ...(hosts === undefined ? {} : { hosts: plainHosts(hosts) }) };
}

function plainHosts(hosts: Readonly<Record<string, string | VersionRequirement>>): Record<string, string> {
  return Object.fromEntries(Object.entries(hosts).map(([axis, one]) => [axis, textOf(one)]));
}

/** Writes the reasons of the caller's policy into the candidates that it spoke of. */
function withPolicy(
  { exclude }: Pick<ResolveInput, "exclude">,
  key: PackageKey,
  recorded: PackageMetadata,
  original: PackageMetadata | undefined,
): PackageMetadata {
  if (exclude === undefined) return recorded;
  const candidates = recorded.candidates.map((candidate, index): Candidate => {
    const reasons: readonly Exclusion[] = exclude(key, original?.candidates[index] ?? candidate);
    return reasons.length === 0 ? candidate : { ...candidate, excluded: [...(candidate.excluded ?? []), ...reasons] };
  });
  return { ...recorded, candidates };
}

function plainWhole(input: ResolveInput): Omit<ResolveInput, "exclude" | "suggest" | "wording"> {
  const { exclude: _, suggest: __, wording: ___, ...rest } = input;
  return rest;
}

/** The roots, with requirements as text. */
export function plainInput({ roots }: Pick<ResolveInput, "roots">): Pick<RecordedInput, "roots"> {
  return { roots: roots.map((root) => ({ ...root, dependencies: root.dependencies.map(plainDependency) })) };
}

/** The overrides, with requirements as text. */
export function plainOverrides({ overrides }: Pick<ResolveInput, "overrides">): Pick<RecordedInput, "overrides"> {
  if (overrides === undefined) return {};
  return { overrides: overrides.map(({ key, requirement }) => ({ key, requirement: textOf(requirement) })) };
}

function textOf(requirement: string | VersionRequirement): string {
  return typeof requirement === "string" ? requirement : requirement.canonical;
}
