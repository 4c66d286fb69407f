import { MANIFEST_DIAGNOSTICS, ManifestError } from "./manifest-error.ts";
import type { Diagnostic, ManifestDependency, PackageInfo, PackageManifest } from "./manifest.ts";
import type { PublishedManifest, RecordedDependency } from "./package-record.ts";

/** What publishing needs to know beyond the manifest. */
export interface PublishOptions {
  /** Path of the manifest, for messages. */
  readonly file: string;
  /**
   * Canonical requirement for a path, Git or workspace dependency that has none of its own, such as the version
   * in the manifest that the path leads to; `undefined` where there is none.
   */
  readonly requirementOf?: (dependency: ManifestDependency) => string | undefined;
  /** Canonical URL of a configured registry by its name; `undefined` where it is unknown. */
  readonly registryUrl?: (name: string) => string | undefined;
}

function problem(file: string, dependency: ManifestDependency, what: string, hint: string): Diagnostic {
  const code = "MANIFEST_DEPENDENCY_UNPUBLISHABLE";
  return {
    code,
    severity: MANIFEST_DIAGNOSTICS[code].severity,
    message: `Cannot publish "${dependency.name}" of "${file}": ${what}`,
    location: dependency.location ?? { file, line: 1, column: 1 },
    key: `dependencies.${dependency.name}`,
    hint,
  };
}

function record(
  dependency: ManifestDependency,
  options: PublishOptions,
  problems: Diagnostic[],
): RecordedDependency | undefined {
  const requirement = dependency.canonicalRequirement ?? options.requirementOf?.(dependency);
  const { source } = dependency;
  if (requirement === undefined) {
    const place = dependency.workspace
      ? "the workspace's value is not known"
      : `it has a ${source.type === "git" ? "Git address" : source.type} and no version`;
    problems.push(
      problem(
        options.file,
        dependency,
        place,
        `Add a version: ${dependency.name} = { version = "1.0", ${source.type === "path" ? `path = "${source.path}"` : "..."} }`,
      ),
    );
    return undefined;
  }
  const named = source.type === "registry" ? source.registry : undefined;
  const registry = named === undefined ? undefined : options.registryUrl?.(named);
  if (named !== undefined && registry === undefined) {
    problems.push(
      problem(
        options.file,
        dependency,
        `the registry "${named}" is not configured, so its address cannot be recorded`,
        `Configure the registry "${named}"`,
      ),
    );
    return undefined;
  }
  return {
    name: dependency.name,
    ...(dependency.package === undefined ? {} : { package: dependency.package }),
    kind: dependency.kind,
    requirement,
    ...(dependency.features.length === 0 ? {} : { features: dependency.features }),
    ...(dependency.defaultFeatures ? {} : { defaultFeatures: false }),
    ...(dependency.optional ? { optional: true } : {}),
    ...(dependency.targets === undefined ? {} : { targets: dependency.targets }),
    ...(dependency.hosts === undefined ? {} : { hosts: dependency.hosts }),
    ...(registry === undefined ? {} : { registry }),
  };
}

/** Only JSON's own values can go into the record; numbers beyond it go as text. */
function recordable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(recordable);
  if (typeof value === "bigint") return String(value);
  if (typeof value === "number") return Number.isSafeInteger(value) ? value : String(value);
  if (typeof value !== "object" || value === null) return value;
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON === "function") return recordable((toJSON as () => unknown).call(value));
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== undefined)
      .map(([key, inner]) => [key, recordable(inner)]),
  );
}

function isEmpty(value: object): boolean {
  return Object.keys(value).length === 0;
}

/** What travels along besides what resolution needs. */
function extraOf(manifest: PackageManifest, info: PackageInfo): PublishedManifest["extra"] {
  const parts = {
    ...manifest.extra,
    ...(info.extra === undefined ? {} : { package: info.extra }),
    ...(info.licenseFile === undefined ? {} : { "license-file": info.licenseFile }),
    ...(info.selfModifying === undefined ? {} : { "self-modifying": info.selfModifying }),
    ...(isEmpty(manifest.profiles) ? {} : { profile: manifest.profiles }),
    ...(isEmpty(manifest.chaosProfiles) ? {} : { "chaos-profile": manifest.chaosProfiles }),
    ...(manifest.security === undefined ? {} : { security: manifest.security }),
  };
  return isEmpty(parts) ? undefined : (recordable(parts) as PublishedManifest["extra"]);
}

const OPTIONAL_TEXTS = [
  "title",
  "description",
  "license",
  "repository",
  "homepage",
  "documentation",
  "readme",
  "edition",
] as const;

function describe(info: PackageInfo): Partial<PublishedManifest> {
  const texts = Object.fromEntries(
    OPTIONAL_TEXTS.filter((key) => info[key] !== undefined).map((key) => [key, info[key]]),
  );
  return {
    ...texts,
    ...(info.authors.length === 0 ? {} : { authors: info.authors }),
    ...(info.keywords.length === 0 ? {} : { keywords: info.keywords }),
    ...(info.categories.length === 0 ? {} : { categories: info.categories }),
  };
}

function notPublishable(
  options: PublishOptions,
  problems: readonly Diagnostic[],
  message: string,
  hint: string | undefined,
): ManifestError {
  return new ManifestError({
    code: "MANIFEST_NOT_PUBLISHABLE",
    message,
    hint,
    location: problems[0]?.location,
    file: options.file,
    diagnostics: problems,
  });
}

/**
 * The manifest as others will see it: requirements canonical, path and Git dependencies by their version, values
 * of the workspace expanded (read the member with its `workspace`), development dependencies left out, registries
 * by address. What resolution does not need travels in `extra`.
 * @throws {ManifestError} `MANIFEST_NOT_PUBLISHABLE` with a diagnostic per dependency that nobody else could resolve,
 * and where there is no package or it says `publish = false`.
 */
export function publishedManifest(manifest: PackageManifest, options: PublishOptions): PublishedManifest {
  const info = manifest.package;
  if (info === undefined)
    throw notPublishable(
      options,
      [],
      `Cannot publish "${options.file}": it has no package`,
      "Publish one of the workspace's members",
    );
  if (info.publish === false)
    throw notPublishable(
      options,
      [],
      `Cannot publish "${info.name}": "${options.file}" says publish = false`,
      "Remove publish = false",
    );
  const problems: Diagnostic[] = [];
  const wanted = manifest.dependencies.filter(({ kind }) => kind !== "dev");
  const dependencies = wanted
    .map((dependency) => record(dependency, options, problems))
    .filter((dependency) => dependency !== undefined);
  if (problems.length > 0)
    throw notPublishable(
      options,
      problems,
      `${problems[0]!.message}${problems.length === 1 ? "" : ` (and ${problems.length - 1} more)`}`,
      problems[0]!.hint,
    );
  const extra = extraOf(manifest, info);
  return {
    name: info.name,
    version: info.version,
    ...describe(info),
    ...(dependencies.length === 0 ? {} : { dependencies }),
    ...(isEmpty(manifest.features) ? {} : { features: { ...manifest.features } }),
    ...(info.exclusiveFeatures === undefined ? {} : { exclusiveFeatures: info.exclusiveFeatures }),
    ...(isEmpty(manifest.hosts) ? {} : { hosts: { ...manifest.hosts } }),
    ...(manifest.runtimes.length === 0 ? {} : { runtimes: manifest.runtimes }),
    ...(extra === undefined ? {} : { extra }),
  };
}
