import { canonicalName, parsePackageName, type IndexVersion, type RecordedDependency } from "@lading/core-manifest";
import type { Candidate, Dependency, Exclusion, PackageKey, PackageMetadata } from "@lading/resolver";
import type { RegistryClient } from "./client-types.ts";
import type {
  FoundPackage,
  RegistryCandidateData,
  RegistryProvider,
  RegistryProviderOptions,
} from "./registry-set-types.ts";

/** Entry schema that this release knows; versions with a higher one are skipped (`docs/spec/index.md`). */
const ENTRY_SCHEMA = 1;

/**
 * The resolver's view of a set of registries. A key is the canonical name, followed by `@` and the registry's URL
 * where a dependency pins one other than the default. Dependencies of a package that another registry supplied are
 * looked up in that registry, unless they name one themselves.
 */
export function registryProvider(options: RegistryProviderOptions): RegistryProvider {
  const { registries } = options;
  const loaded = new Map<PackageKey, PackageMetadata>();
  const found = new Map<PackageKey, FoundPackage>();
  const names = new Map<PackageKey, { readonly name: string; readonly registry: string | undefined }>();

  const keyOf = (name: string, registry?: string): PackageKey => {
    const canonical = canonicalName(parsePackageName(name));
    const url = registry === undefined ? undefined : urlOf(registries.clients, registry);
    const pin = url === registries.default.registry.url ? undefined : url;
    const key = pin === undefined ? canonical : `${canonical}@${pin}`;
    if (!names.has(key)) names.set(key, { name: canonical, registry: pin });
    return key;
  };

  const dependencyOf = (recorded: RecordedDependency, client: RegistryClient): Dependency => ({
    key: keyOf(recorded.package ?? recorded.name, recorded.registry ?? client.registry.url),
    name: recorded.name,
    requirement: recorded.requirement,
    kind: recorded.kind,
    ...(recorded.features === undefined ? {} : { features: recorded.features }),
    ...(recorded.defaultFeatures === undefined ? {} : { defaultFeatures: recorded.defaultFeatures }),
    ...(recorded.optional === undefined ? {} : { optional: recorded.optional }),
    ...(recorded.targets === undefined ? {} : { targets: recorded.targets }),
    ...(recorded.hosts === undefined ? {} : { hosts: recorded.hosts }),
  });

  const candidateOf = (
    entry: IndexVersion,
    from: FoundPackage,
    reviewed: ((entry: IndexVersion) => readonly Exclusion[]) | undefined,
  ): Candidate => {
    const data: RegistryCandidateData = { name: from.document.name, registry: from.client.registry.url, entry };
    return {
      version: entry.version,
      dependencies: entry.dependencies.map((item) => dependencyOf(item, from.client)),
      features: entry.features,
      ...(entry.exclusiveFeatures === undefined ? {} : { exclusiveFeatures: entry.exclusiveFeatures }),
      hosts: entry.hosts,
      excluded: [...statusExclusions(entry), ...(reviewed?.(entry) ?? []), ...(options.exclude?.(data) ?? [])],
      data,
    };
  };

  const loadOne = async (key: PackageKey, signal: AbortSignal | undefined): Promise<void> => {
    if (loaded.has(key)) return;
    const { name, registry } = names.get(key) ?? splitKey(key);
    if (registry !== undefined && !registries.clients.some((client) => client.registry.url === registry)) {
      loaded.set(key, { candidates: [], missing: `registry "${registry}" is not configured` });
      return;
    }
    const package_ = await registries.find(name, { signal, registry });
    if (package_ === undefined) {
      loaded.set(key, { candidates: [], missing: missingText(name, registry, options) });
      return;
    }
    const known = package_.document.versions.filter((entry) => entry.schema <= ENTRY_SCHEMA);
    const reviewing = options.review?.(package_, signal);
    const reviewed = reviewing === undefined ? undefined : await reviewing;
    found.set(key, package_);
    loaded.set(key, { candidates: known.map((entry) => candidateOf(entry, package_, reviewed)) });
  };

  return {
    keyOf,
    found: (key) => found.get(key),
    get: (key) => loaded.get(key),
    displayName: (key) => {
      const { name, registry } = names.get(key) ?? splitKey(key);
      const shown = found.get(key)?.document.name ?? name;
      const pinned = registries.clients.find((client) => client.registry.url === registry)?.registry.name ?? registry;
      return pinned === undefined ? shown : `${shown} (registry "${pinned}")`;
    },
    load: async (keys, load) => {
      const signal = load.signal ?? options.signal;
      // A guess that fails costs nothing: if the package is really needed, it is asked for again and then counts.
      const guesses = Promise.allSettled(load.speculative.map((key) => loadOne(key, signal)));
      await Promise.all(keys.map((key) => loadOne(key, signal)));
      await guesses;
    },
  };
}

function urlOf(clients: readonly RegistryClient[], nameOrUrl: string): string {
  return clients.find((client) => client.registry.name === nameOrUrl)?.registry.url ?? nameOrUrl;
}

function splitKey(key: PackageKey): { name: string; registry: string | undefined } {
  const at = key.indexOf("@");
  return at === -1 ? { name: key, registry: undefined } : { name: key.slice(0, at), registry: key.slice(at + 1) };
}

function statusExclusions(entry: IndexVersion): Exclusion[] {
  const because = entry.reason === undefined ? "" : `: ${entry.reason}`;
  if (entry.status === "yanked") return [{ reason: "yanked", text: `it was yanked${because}`, unlessLocked: true }];
  if (entry.status === "held") return [{ reason: "held", text: `it is held for approval${because}` }];
  if (entry.status === "removed") return [{ reason: "removed", text: `the registry has taken it down${because}` }];
  return [];
}

function missingText(name: string, registry: string | undefined, options: RegistryProviderOptions): string {
  const { registries } = options;
  const asked =
    registry === undefined
      ? [registries.default, ...registries.fallback]
      : registries.clients.filter((client) => client.registry.url === registry);
  return `"${name}" is not in registry ${asked.map((client) => `"${client.registry.name}"`).join(" or ")}`;
}
