import { ResolverError } from "../resolver-error.ts";
import type {
  Candidate,
  Dependency,
  DependencyProvider,
  PackageKey,
  PackageMetadata,
  VersionRequirement,
} from "../types.ts";
import { memoryProvider } from "./universe.ts";

/** Everything a resolution read, as plain JSON: what a bug report needs. */
export interface ProviderRecording {
  readonly format: "lading-provider/1";
  readonly packages: Readonly<Record<PackageKey, PackageMetadata>>;
}

/** A provider that passes everything on and remembers what it saw. */
export interface RecordedProvider {
  readonly provider: DependencyProvider;
  /** What was read so far. `data` of candidates is left out; requirement objects become their canonical text. */
  recording(): ProviderRecording;
}

/** Watches a provider, so that the resolution can be replayed elsewhere. */
export function recordProvider(inner: DependencyProvider): RecordedProvider {
  const seen = new Map<PackageKey, PackageMetadata>();
  const provider: DependencyProvider = {
    get(key) {
      const metadata = inner.get(key);
      if (metadata !== undefined) seen.set(key, metadata);
      return metadata;
    },
    load: (keys, options) => inner.load(keys, options),
    ...(inner.displayName === undefined ? {} : { displayName: inner.displayName.bind(inner) }),
    ...(inner.compareVersions === undefined ? {} : { compareVersions: inner.compareVersions.bind(inner) }),
    ...(inner.isPrerelease === undefined ? {} : { isPrerelease: inner.isPrerelease.bind(inner) }),
    ...(inner.slotOf === undefined ? {} : { slotOf: inner.slotOf.bind(inner) }),
  };
  const recording = (): ProviderRecording => {
    const keys = [...seen.keys()].sort();
    return {
      format: "lading-provider/1",
      packages: Object.fromEntries(keys.map((key) => [key, plain(seen.get(key)!)])),
    };
  };
  return { provider, recording };
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
  return memoryProvider(new Map(Object.entries(recording.packages)), true);
}

function plain(metadata: PackageMetadata): PackageMetadata {
  return { ...metadata, candidates: metadata.candidates.map(plainCandidate) };
}

function plainCandidate(candidate: Candidate): Candidate {
  const { data: _, hosts, ...rest } = candidate;
  return {
    ...rest,
    dependencies: candidate.dependencies.map((one): Dependency => ({ ...one, requirement: textOf(one.requirement) })),
    ...(hosts === undefined
      ? {}
      : { hosts: Object.fromEntries(Object.entries(hosts).map(([axis, one]) => [axis, textOf(one)])) }),
  };
}

function textOf(requirement: string | VersionRequirement): string {
  return typeof requirement === "string" ? requirement : requirement.canonical;
}
