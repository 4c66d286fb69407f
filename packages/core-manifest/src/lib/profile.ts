import type { Digest } from "./digest.ts";
import type { DialectId } from "./manifest.ts";
import type { RequirementSyntax } from "./requirement.ts";

/** Compression of a package file. */
export type PackageCodec = "zstd" | "gzip" | "lz4" | "none";

/** How one kind of package file is named and compressed. */
export interface PackageFormat {
  /** With the dot: `.lpk`, `.tar.gz`. */
  readonly extension: string;
  readonly codec: PackageCodec;
}

/** A host axis: something whose version is given, not chosen, such as the application a plug-in runs in. */
export interface HostAxis {
  readonly axis: string;
  /** Manifest keys that state the requirement, dotted: `package.gal-version`. */
  readonly manifestKeys: readonly string[];
  /** Command-line flag that states the version: `--revit-version`. */
  readonly flag?: string;
  /** Known versions, oldest first; empty: any. */
  readonly versions: readonly string[];
  /** Version to assume where nothing says otherwise. */
  readonly default?: string;
  /** Program and arguments that print the version on this machine: `["python3", "--version"]`. */
  readonly detect?: readonly string[];
}

/**
 * One spelling of a command in a branded bin, as data: the words typed, the engine command they mean,
 * and how its flags are spelled here.
 */
export interface CommandSpelling {
  /** Words after the bin name: `packager build`, `pack index-update`, `keygen`. */
  readonly spelling: string;
  /** Lading's own name of the command: `pack`, `keygen`, ... */
  readonly command: string;
  /** Flag as spelled here (without dashes) -> flag of the command: `out` -> `output`. */
  readonly flags?: Readonly<Record<string, string>>;
  /** Flags that are set unless the user sets them: `kind` -> `binary`. */
  readonly defaults?: Readonly<Record<string, string>>;
  /** Shown in help in place of the command's own. */
  readonly summary?: string;
}

/** One executable of the ecosystem. */
export interface BinProfile {
  readonly name: string;
  readonly summary?: string;
  /** Whether every command of Lading is reachable under its own name beside the spellings. */
  readonly inherit: boolean;
  readonly commands: readonly CommandSpelling[];
}

/** Everything that makes a branded package manager, as data (`docs/spec/profile.md`). */
export interface EcosystemProfile {
  readonly schema: 1;
  /** `lading`, `vitte`, `gal`, `attune`, `revitpy`, or an owner's own. */
  readonly id: string;
  readonly title: string;
  readonly bins: readonly BinProfile[];
  /** `GAL` makes `GAL_REGISTRY_TOKEN`, `GAL_TOKEN`, `GAL_CONFIG_DIR`, ... */
  readonly environmentPrefix: string;
  /** Variables that hold a registry token, first wins: `VITTE_TOKEN`. */
  readonly tokenVariables: readonly string[];
  /** Variables that switch debug output on: `RUST_LOG`. */
  readonly debugVariables: readonly string[];
  readonly manifest: {
    /** In order of preference. */
    readonly files: readonly { readonly name: string; readonly dialect: DialectId }[];
    readonly requirements: RequirementSyntax;
  };
  readonly lockfile: string;
  readonly package: {
    readonly binary: PackageFormat;
    readonly source: PackageFormat;
    readonly defaultKind: "binary" | "source";
    /** Relative to the manifest: `target`, `dist`. */
    readonly outputDirectory: string;
  };
  readonly hosts: readonly HostAxis[];
  readonly install: {
    /** `linked`: one symlink per package in the environment; `copied`: files in the project. */
    readonly layout: "linked" | "copied";
    /** Directory below the project that holds the installed packages: `lading_packages`. */
    readonly directory: string;
    readonly coexistence: "single" | "per-major";
    /** `direct`: the tests of what is newly installed by name are run before it is there, as its manifest demands. */
    readonly tests: "never" | "direct";
  };
  /** By which rules versions are chosen, where neither manifest nor settings say. */
  readonly resolver?: {
    /** Age that a version must have before it is chosen: `24h`. */
    readonly minimumReleaseAge?: string;
    /** Names that the age does not hold for; `*` stands for any text. */
    readonly minimumReleaseAgeExclude: readonly string[];
  };
  readonly registry: {
    readonly defaultUrl?: string;
    /** Digest of a root of that registry's signed metadata, by which it is trusted from the first contact on. */
    readonly root?: Digest;
    readonly port: number;
  };
  readonly config: {
    /** Below `$XDG_CONFIG_HOME`, or from `~` where it starts so. */
    readonly directory: string;
    /** `config.toml`, `registries.toml`. */
    readonly file: string;
    readonly registriesFile: string;
    /** Key as the documents spell it -> Lading's key: `auth.token` -> `registry.token`. */
    readonly keyAliases: Readonly<Record<string, string>>;
  };
  /** Directory of the user's keys: `~/.vitte/keys`. */
  readonly keyDirectory: string;
  /** Name of the checksum rule for a directory: `tree` (Lading) or `attune-pack`. */
  readonly directoryChecksum: "tree" | "attune-pack";
  /** Extra patterns that packing ignores: `target/`. */
  readonly ignore: readonly string[];
}
