/** What a setting holds. */
export type SettingType = "string" | "boolean" | "number" | "path" | "size";

/** One setting that may be configured. */
export interface SettingSpec {
  readonly type: SettingType;
  readonly summary: string;
  /** Value where nobody sets it; for `config list` and documentation. */
  readonly default?: string | number | boolean;
}

/**
 * Every setting by its key (`docs/spec/cli.md` §configuration). A key's dots are tables of the file; the environment
 * variable is the prefix, `_` and the key in upper case with `_` for `.` and `-`.
 */
export const SETTINGS: Readonly<Record<string, SettingSpec>> = {
  "registry.default": { type: "string", summary: "Name of the registry that answers where none is named" },
  "registry.url": { type: "string", summary: "Address of the default registry, where no registries file names one" },
  "registry.root": { type: "string", summary: "Digest of the root by which registry.url is trusted" },
  "registry.bundle": { type: "string", summary: "Offline bundle that registries are read from" },
  "registry.timeout": { type: "number", summary: "Seconds of silence after which a registry has failed", default: 30 },
  "team.config": {
    type: "string",
    summary: "Configuration that an organisation shares at the default registry, as ORGANISATION/NAME",
  },
  "security.verify_signatures": { type: "boolean", summary: "Refuse packages that are not signed", default: false },
  "security.scan_vulnerabilities": { type: "boolean", summary: "Look for known vulnerabilities at install" },
  "security.offline_max_age": {
    type: "string",
    summary: "How old a registry's state may be that --offline works from",
    default: "30d",
  },
  "signing.key": { type: "path", summary: "Private key file that publish signs with" },
  "signing.auto": { type: "boolean", summary: "Sign every publication with signing.key", default: false },
  "installer.cache_dir": { type: "path", summary: "Directory of index documents and downloads" },
  "installer.max_cache_size": { type: "size", summary: "Largest size of the content store, such as 1GB" },
  "installer.shared_cache": { type: "path", summary: "Directory of package files that a team shares" },
  "installer.vendor_dir": {
    type: "string",
    summary: "Directory of vendored packages, in the project; default: vendor",
  },
  "installer.link": {
    type: "string",
    summary: "How files come from the store: auto, hardlink, reflink, copy",
    default: "auto",
  },
  "environments.base_dir": { type: "path", summary: "Directory of named environments" },
  "environments.python_version": { type: "string", summary: "Python version of new environments" },
  "native.compiler": { type: "string", summary: "Compiler of native build steps; default: cc, on Windows cl" },
  "native.allow": {
    type: "string",
    summary: "Packages whose native build steps may run, with commas; * for every one",
  },
  "resolver.coexistence": {
    type: "string",
    summary: "One version of each package (single) or one for each major (per-major)",
  },
  "resolver.prereleases": {
    type: "string",
    summary: "When pre-releases are chosen: named, fallback, allow, never",
    default: "named",
  },
  "resolver.environments": {
    type: "string",
    summary: "Whether environments of one lock may differ (each) or have one answer (every)",
    default: "each",
  },
  "resolver.prefer": {
    type: "string",
    summary: "Which versions are preferred: newest, oldest, lowest-direct",
    default: "newest",
  },
  "resolver.minimum-release-age": {
    type: "string",
    summary: "Age that a version must have before it is chosen, such as 24h or 3d",
  },
  "resolver.minimum-release-age-exclude": {
    type: "string",
    summary: "Names that may be chosen at any age, with commas; * stands for any text",
  },
  "resolver.exclude-newer": {
    type: "string",
    summary: "Date or instant after which nothing that was published is seen, such as 2026-01-01",
  },
  "resolver.allow": {
    type: "string",
    summary: "Versions that may be chosen though they are yanked or too new: NAME@VERSION, with commas",
  },
};

/** The environment variable of a setting. */
export function settingVariable(environmentPrefix: string, key: string): string {
  return `${environmentPrefix}_${key.toUpperCase().replaceAll(/[.-]/g, "_")}`;
}
