import type { SourceLocation } from "./source-location.ts";

/** The manifest dialects that are read and written. */
export type DialectId = "lading.toml" | "vitte.toml" | "gal.toml" | "pack.yaml" | "pyproject.toml" | "revitpy.toml";

/** When a dependency is needed. */
export type DependencyKind = "normal" | "dev" | "build" | "peer";

/** Where a dependency comes from. */
export type DependencySource =
  | {
      readonly type: "registry";
      /** Name of a configured registry; absent: the default one. */
      readonly registry?: string;
    }
  | { readonly type: "path"; readonly path: string }
  | {
      readonly type: "git";
      readonly url: string;
      /** At most one of the three; none means the default branch. */
      readonly tag?: string;
      readonly branch?: string;
      readonly rev?: string;
    };

/** One dependency of a manifest, in the canonical model. */
export interface ManifestDependency {
  /** The key it has in the manifest: the package's name, unless `package` says otherwise. */
  readonly name: string;
  /** The package's real name where the key is an alias. */
  readonly package?: string;
  readonly kind: DependencyKind;
  /** Requirement as the author wrote it, in the dialect's syntax; absent for a path or git source without one. */
  readonly requirement?: string;
  /** The same in canonical syntax. */
  readonly canonicalRequirement?: string;
  readonly source: DependencySource;
  readonly features: readonly string[];
  /** Whether the dependency's own default features are wanted; true unless said otherwise. */
  readonly defaultFeatures: boolean;
  /** Installed only when a feature asks for it (or, for peers, only checked if present). */
  readonly optional: boolean;
  /** Taken from the workspace's table (`workspace = true`). */
  readonly workspace: boolean;
  /** Only for these targets, as `targetsInclude` reads them; absent: for all. */
  readonly targets?: readonly string[];
  /** Only where every host axis named is in range (canonical syntax); absent: everywhere. */
  readonly hosts?: Readonly<Record<string, string>>;
  /** Key of the `[target.KEY]` table that it stands in, as written. What it means is in `targets` and `hosts`. */
  readonly condition?: string;
  readonly location?: SourceLocation;
}

/** A package that stands in for another of the same name, wherever that comes from its registry. */
export interface ManifestPatch {
  readonly name: string;
  /** Name of the registry whose package is replaced; absent: the default one. */
  readonly of?: string;
  /** Requirement as the author wrote it, in the dialect's syntax. */
  readonly requirement?: string;
  /** The same in canonical syntax. */
  readonly canonicalRequirement?: string;
  readonly source: DependencySource;
  readonly location?: SourceLocation;
}

/** Who made the package and what it is. */
export interface PackageInfo {
  readonly name: string;
  readonly version: string;
  readonly title?: string;
  readonly authors: readonly string[];
  readonly description?: string;
  /** SPDX expression, or what the author wrote instead. */
  readonly license?: string;
  readonly licenseFile?: string;
  readonly repository?: string;
  readonly homepage?: string;
  readonly documentation?: string;
  readonly readme?: string;
  readonly keywords: readonly string[];
  readonly categories: readonly string[];
  readonly edition?: string;
  /** Glob patterns of what goes into the package; empty: everything that is not ignored. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** Paths of files that are executable on systems whose disks do not say so. */
  readonly executables: readonly string[];
  /** `false`: never publish; a list: only to these registries. */
  readonly publish?: boolean | readonly string[];
  /** Whether the package changes its own code while it runs, which a policy can refuse. */
  readonly selfModifying?: boolean;
  /** Groups of features of which at most one may be on. */
  readonly exclusiveFeatures?: readonly (readonly string[])[];
  /** Keys whose values were taken from the workspace (`version.workspace = true`). */
  readonly inherited?: readonly string[];
  /** Keys that the model does not know, as read. Kept by every write. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

/** Build profiles that there are without being written down; nothing is set in them then. */
export const BUILTIN_BUILD_PROFILES: readonly string[] = ["dev", "release", "test", "bench"];

/** A build profile; keys beyond the named ones are kept in `extra`. */
export interface BuildProfile {
  readonly optimizationLevel?: number | string;
  readonly debug?: boolean;
  readonly lto?: string | boolean;
  readonly chaosProfile?: string;
  readonly inherits?: string;
  /** Features that the profile switches on. */
  readonly features?: readonly string[];
  readonly extra: Readonly<Record<string, unknown>>;
}

/** One planned fault of a chaos profile. */
export interface FaultScheduleEntry {
  readonly faultType: string;
  /** `on_send` and the like, or `cron:` and six fields (seconds first). */
  readonly trigger: string;
  /** 0 to 1. */
  readonly probability: number;
  readonly durationMs?: number;
}

/** A chaos profile, handed to a runner as data. */
export interface ChaosProfile {
  /** 0 to 1. */
  readonly faultInjectionRate?: number;
  /** Names of faults, `all` already expanded. */
  readonly allowedFaults: readonly string[];
  readonly chaosSeed?: number;
  readonly maxFaultDurationMs?: number;
  /** 0 to 1. */
  readonly networkPartitionProbability?: number;
  /** 0 to 1. */
  readonly messageDropRate?: number;
  readonly faultSchedule: readonly FaultScheduleEntry[];
  readonly extra: Readonly<Record<string, unknown>>;
}

/** Ordered from harmless to worst. */
export type RiskLevel = "info" | "low" | "medium" | "high" | "critical";

/** The `[security]` table. */
export interface SecurityPolicy {
  readonly requireSignatures?: boolean;
  readonly maxRiskLevel?: RiskLevel;
  readonly vulnerabilityScan?: boolean;
  readonly dependencyAudit?: boolean;
  readonly allowedLicenses?: readonly string[];
  /** `false` refuses packages that declare themselves `self-modifying`. */
  readonly allowSelfModifying?: boolean;
  readonly extra: Readonly<Record<string, unknown>>;
}

/** A program that must be on the machine: `python3>=3.8`. */
export interface RuntimeDependency {
  readonly runtime: string;
  readonly requirement?: string;
}

/** The `[workspace]` table. */
export interface WorkspaceTable {
  /** Glob patterns of member directories. */
  readonly members: readonly string[];
  readonly exclude: readonly string[];
  readonly dependencies: readonly ManifestDependency[];
  /** Values that members take with `key.workspace = true`. */
  readonly package: Readonly<Record<string, unknown>>;
  /** Keys that the model does not know, as read. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

/** The canonical manifest: what every dialect is read into. */
export interface PackageManifest {
  readonly dialect: DialectId;
  /** Absent in a workspace root without a package of its own. */
  readonly package?: PackageInfo;
  /** In the order of the file. */
  readonly dependencies: readonly ManifestDependency[];
  /** What stands in for packages of registries; counts in the root manifest only. */
  readonly patches?: readonly ManifestPatch[];
  readonly features: Readonly<Record<string, readonly string[]>>;
  readonly profiles: Readonly<Record<string, BuildProfile>>;
  readonly chaosProfiles: Readonly<Record<string, ChaosProfile>>;
  readonly security?: SecurityPolicy;
  /** Host axis -> requirement in canonical syntax: `revit` -> `>=2024.0.0 <2027.0.0`, `python` -> `>=3.9.0`. */
  readonly hosts: Readonly<Record<string, string>>;
  readonly runtimes: readonly RuntimeDependency[];
  readonly workspace?: WorkspaceTable;
  /** Top-level tables that the model does not know, as read. Kept by every write. */
  readonly extra: Readonly<Record<string, unknown>>;
}

/** How grave a finding in a manifest is. */
export type DiagnosticSeverity = "error" | "warning";

/** One mistake in a file: where it is, which key, what was found and what is allowed. */
export interface Diagnostic {
  /** Stable code, such as `MANIFEST_KEY_UNKNOWN`. */
  readonly code: string;
  readonly severity: DiagnosticSeverity;
  readonly message: string;
  readonly location: SourceLocation;
  /** Dotted path of the key: `dependencies.actor-utils.version`. */
  readonly key: string;
  readonly found?: string;
  readonly allowed?: string;
  readonly hint?: string;
}
