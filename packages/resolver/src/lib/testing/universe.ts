import type { Candidate, Dependency, DependencyProvider, PackageKey, PackageMetadata } from "../types.ts";

/** A package version as a test writes it: dependencies as `{ bar: "^1.0.0" }`, or in full. */
export interface FakeCandidate extends Omit<Candidate, "version" | "dependencies"> {
  readonly dependencies?: Readonly<Record<PackageKey, string>> | readonly Dependency[];
}

/** How a fake provider answers. */
export interface FakeProviderOptions {
  /** Resolves when one package may be delivered; absent: at once. */
  readonly latency?: (key: PackageKey) => Promise<void>;
}

/** A provider that also tells what was asked of it. */
export interface FakeProvider extends DependencyProvider {
  /** Keys of each `load`, in order. */
  readonly loads: readonly (readonly PackageKey[])[];
}

/** Packages in memory, for tests. */
export interface UniverseBuilder {
  /** With one more version; dependency requirements are canonical text. */
  package(
    key: PackageKey,
    version: string,
    candidate?: FakeCandidate | Readonly<Record<PackageKey, string>>,
  ): UniverseBuilder;
  /** All packages, as `get` answers them. */
  metadata(): ReadonlyMap<PackageKey, PackageMetadata>;
  /** A provider that knows everything from the beginning. */
  provider(): FakeProvider;
  /** A provider that knows nothing until it is asked to load. */
  lazyProvider(options?: FakeProviderOptions): FakeProvider;
}

/** Starts an empty universe. Builders are values: `package` gives a new one and leaves the old as it was. */
export function universe(): UniverseBuilder {
  return builderOf(new Map());
}

function builderOf(packages: ReadonlyMap<PackageKey, readonly Candidate[]>): UniverseBuilder {
  const metadata = (): Map<PackageKey, PackageMetadata> =>
    new Map([...packages].map(([key, candidates]) => [key, { candidates }]));
  return {
    package(key, version, given = {}) {
      const { dependencies = {}, ...rest }: FakeCandidate = isFakeCandidate(given) ? given : { dependencies: given };
      const candidate: Candidate = { version, ...rest, dependencies: dependencyList(dependencies) };
      return builderOf(new Map([...packages, [key, [...(packages.get(key) ?? []), candidate]]]));
    },
    metadata,
    provider: () => memoryProvider(metadata(), true),
    lazyProvider: (options) => memoryProvider(metadata(), false, options),
  };
}

const CANDIDATE_KEYS = new Set([
  "dependencies",
  "features",
  "exclusiveFeatures",
  "hosts",
  "excluded",
  "display",
  "data",
]);

function isFakeCandidate(given: object): given is FakeCandidate {
  return Object.entries(given).some(([key, value]) => CANDIDATE_KEYS.has(key) && typeof value !== "string");
}

/** Dependencies from a short table `{ bar: "^1.0.0" }`; a list is taken as it is. */
export function dependencyList(given: Readonly<Record<PackageKey, string>> | readonly Dependency[]): Dependency[] {
  if (Array.isArray(given)) return [...(given as readonly Dependency[])];
  return Object.entries(given as Readonly<Record<PackageKey, string>>).map(([key, requirement]) => ({
    key,
    requirement,
  }));
}

const UNKNOWN: PackageMetadata = { candidates: [], missing: "not in the fake registry" };

/** A provider over packages in memory; `eager` ones need no loading. */
export function memoryProvider(
  packages: ReadonlyMap<PackageKey, PackageMetadata>,
  eager: boolean,
  options: FakeProviderOptions = {},
): FakeProvider {
  const loaded = new Set<PackageKey>();
  const loads: PackageKey[][] = [];
  return {
    loads,
    get: (key) => (eager || loaded.has(key) ? (packages.get(key) ?? UNKNOWN) : undefined),
    async load(keys, { signal, speculative }) {
      loads.push([...keys]);
      const fetchOne = async (key: PackageKey): Promise<void> => {
        await options.latency?.(key);
        signal?.throwIfAborted();
        loaded.add(key);
      };
      await Promise.all([...keys, ...speculative].map(fetchOne));
    },
  };
}
