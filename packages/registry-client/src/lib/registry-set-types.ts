import type { IndexDocument, IndexVersion } from "@lading/core-manifest";
import type { DependencyProvider, Exclusion, PackageKey } from "@lading/resolver";
import type { DocumentOptions, RegistryClient } from "./client-types.ts";

/** A package, and the registry that answers for it. */
export interface FoundPackage {
  readonly client: RegistryClient;
  readonly document: IndexDocument;
}

export interface FindOptions extends DocumentOptions {
  /** Name or canonical URL of the registry that a dependency pins: no other one is asked. */
  readonly registry?: string | undefined;
}

/**
 * Several registries, one rule: a pin decides; without one the default registry answers; only for a name that it
 * certainly does not have are the fallbacks asked, in their order. A registry that cannot be read ends the search
 * with `REGISTRY_CHOICE_CLOSED`: otherwise an outage would let another registry supply the name.
 */
export interface RegistrySet {
  readonly clients: readonly RegistryClient[];
  readonly default: RegistryClient;
  readonly fallback: readonly RegistryClient[];
  /**
   * By name or URL; without an argument the default one.
   * @throws {RegistryClientError} `REGISTRY_UNKNOWN`
   */
  client(nameOrUrl?: string): RegistryClient;
  /** @throws {RegistryClientError} `REGISTRY_UNKNOWN`, `REGISTRY_CHOICE_CLOSED`, and what reading a pinned one throws */
  find(name: string, options?: FindOptions): Promise<FoundPackage | undefined>;
  close(): Promise<void>;
}

export interface CreateRegistrySetOptions {
  readonly clients: readonly RegistryClient[];
  /** Name of the default registry. */
  readonly default: string;
  /** Names of the registries to ask after the default one, in order. Default: none. */
  readonly fallback?: readonly string[] | undefined;
}

/** What a candidate of {@link registryProvider} carries through the resolver as `data`. */
export interface RegistryCandidateData {
  /** The owner's spelling. */
  readonly name: string;
  /** Canonical URL of the registry that answered. */
  readonly registry: string;
  readonly entry: IndexVersion;
}

export interface RegistryProviderOptions {
  readonly registries: RegistrySet;
  /** Reasons against a version beyond its status: release age, advisories. */
  readonly exclude?: ((data: RegistryCandidateData) => readonly Exclusion[]) | undefined;
  /**
   * Reasons that have to be asked for, once for each package that is loaded; `undefined` where there is nothing to ask.
   * What it rejects with, the look-up rejects with.
   */
  readonly review?:
    | ((
        found: FoundPackage,
        signal: AbortSignal | undefined,
      ) => Promise<(entry: IndexVersion) => readonly Exclusion[]> | undefined)
    | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The resolver's view of a {@link RegistrySet}. */
export interface RegistryProvider extends DependencyProvider {
  /** The key of a package for the resolver; `registry` is a name or URL, absent for the default rule. */
  keyOf(name: string, registry?: string): PackageKey;
  /** Where a loaded package was found. */
  found(key: PackageKey): FoundPackage | undefined;
}
