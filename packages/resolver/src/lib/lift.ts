import type {
  Candidate,
  DependencyProvider,
  Exclusion,
  ExclusionReason,
  PackageKey,
  PackageMetadata,
  ResolveInput,
} from "./types.ts";

/** Exclusions that are not to count: of one package or of all, for one reason, for some versions. */
export interface Lift {
  /** Absent: of every package. */
  readonly key?: PackageKey;
  readonly reason: ExclusionReason;
  readonly which: (version: string) => boolean;
}

/** The same question in a world in which an exclusion does not count. */
export function lifting(
  input: ResolveInput,
  provider: DependencyProvider,
  lift: Lift,
): { readonly input: ResolveInput; readonly provider: DependencyProvider } {
  const remaining = (version: string, given: readonly Exclusion[]): readonly Exclusion[] =>
    lift.which(version) ? given.filter(({ reason }) => reason !== lift.reason) : given;
  const lifted = (candidate: Candidate): Candidate =>
    candidate.excluded === undefined
      ? candidate
      : { ...candidate, excluded: remaining(candidate.version, candidate.excluded) };
  const isMeant = (key: PackageKey): boolean => lift.key === undefined || key === lift.key;
  const { exclude } = input;
  const made = new Map<PackageMetadata, PackageMetadata>();
  return {
    input:
      exclude === undefined
        ? input
        : {
            ...input,
            exclude: (key, candidate) => {
              const given = exclude(key, candidate);
              return isMeant(key) ? remaining(candidate.version, given) : given;
            },
          },
    provider: {
      ...bound(provider),
      get(key) {
        const metadata = provider.get(key);
        if (!isMeant(key) || metadata === undefined) return metadata;
        const known = made.get(metadata) ?? { ...metadata, candidates: metadata.candidates.map(lifted) };
        made.set(metadata, known);
        return known;
      },
    },
  };
}

/** A provider's methods as a plain object, so that one of them can be replaced. */
export function bound(provider: DependencyProvider): DependencyProvider {
  return {
    get: (key) => provider.get(key),
    load: (keys, options) => provider.load(keys, options),
    ...(provider.displayName === undefined ? {} : { displayName: provider.displayName.bind(provider) }),
    ...(provider.names === undefined ? {} : { names: provider.names.bind(provider) }),
    ...(provider.compareVersions === undefined ? {} : { compareVersions: provider.compareVersions.bind(provider) }),
    ...(provider.isPrerelease === undefined ? {} : { isPrerelease: provider.isPrerelease.bind(provider) }),
    ...(provider.slotOf === undefined ? {} : { slotOf: provider.slotOf.bind(provider) }),
  };
}
