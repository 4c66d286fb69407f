import { CoreError } from "./core-error.ts";
import type { Digest } from "./digest.ts";
import { locateKey, positionAt } from "./profile-location.ts";
import { nearest } from "./dialects/nearest.ts";
import { isLadingError } from "./error.ts";
import { plainValue } from "./dialects/located.ts";
import { readTomlTree } from "./dialects/toml-tree.ts";
import type { DialectId, Diagnostic } from "./manifest.ts";
import type { BinProfile, CommandSpelling, EcosystemProfile, HostAxis, PackageFormat } from "./profile.ts";
import { optional } from "./recorded-dependency.ts";
import type { RequirementSyntax } from "./requirement.ts";
import { Shape, join, type JsonObject, type ShapeProblem, type TextRule } from "./shape.ts";
import { parseDuration } from "./units.ts";

/** The commands of Lading that a profile may give other spellings. */
export const PROFILE_COMMANDS: readonly string[] = [
  "init",
  "new",
  "add",
  "remove",
  "install",
  "update",
  "upgrade",
  "lock",
  "tree",
  "why",
  "licenses",
  "outdated",
  "why-not",
  "resolve",
  "search",
  "info",
  "fetch",
  "pack",
  "sign",
  "verify",
  "keygen",
  "key list",
  "key export",
  "key rotate",
  "key recover",
  "key revoke",
  "publish",
  "yank",
  "unyank",
  "deprecate",
  "org list",
  "org create",
  "org config list",
  "org config get",
  "org config set",
  "org config remove",
  "org info",
  "org title",
  "org remove",
  "org members",
  "org role",
  "org remove-member",
  "org invite",
  "org invitations",
  "org revoke-invitation",
  "webhook add",
  "webhook list",
  "webhook remove",
  "webhook enable",
  "webhook disable",
  "webhook rotate",
  "webhook test",
  "webhook deliveries",
  "webhook redeliver",
  "report usage",
  "report licenses",
  "team set",
  "team remove",
  "team members",
  "team add",
  "team drop",
  "namespace claim",
  "namespace challenge",
  "namespace team",
  "namespace release",
  "invitation list",
  "invitation accept",
  "invitation decline",
  "owner transfer offer",
  "owner transfer list",
  "owner transfer accept",
  "owner transfer decline",
  "owner transfer withdraw",
  "package claim create",
  "package claim list",
  "package claim object",
  "package claim withdraw",
  "package claim approve",
  "package claim reject",
  "account otp status",
  "account otp enable",
  "account otp disable",
  "account otp codes",
  "account passkey list",
  "account passkey remove",
  "account session list",
  "account session end",
  "account password",
  "account delete",
  "account reset-password",
  "account reset-otp",
  "token create",
  "token list",
  "token revoke",
  "trusted-publisher list",
  "trusted-publisher add",
  "trusted-publisher remove",
  "login",
  "logout",
  "whoami",
  "registry add",
  "registry list",
  "registry remove",
  "registry trust",
  "review appeal",
  "review approve",
  "review list",
  "review reject",
  "review show",
  "takedown",
  "log verify",
  "log monitor",
  "audit verify",
  "config get",
  "config set",
  "config list",
  "config unset",
  "cache info",
  "cache verify",
  "cache clean",
  "env create",
  "env list",
  "env info",
  "env clone",
  "env delete",
  "env activate",
  "check",
  "clean",
  "rollback",
  "history",
  "owner",
  "channel list",
  "channel add",
  "channel remove",
  "migrate",
  "test",
  "ci init",
  "run",
  "exec",
  "tool install",
  "tool list",
  "tool uninstall",
  "prepare",
  "vendor",
  "link",
  "unlink",
  "completion",
  "explain",
  "profile check",
  "chaos list",
  "chaos plan",
  "chaos export",
  "checksum",
  "index-init",
  "index-entry",
  "index-update",
  "index-merge",
  "index-validate",
  "bundle create",
  "bundle verify",
  "index-publish",
  "index-status",
  "index-refresh",
  "index-root",
  "index-prune",
  "index-delegate",
  "index-submit",
  "index-accept",
];

const DIALECTS: readonly DialectId[] = [
  "lading.toml",
  "vitte.toml",
  "gal.toml",
  "pack.yaml",
  "pyproject.toml",
  "revitpy.toml",
];
const SYNTAXES: readonly Exclude<RequirementSyntax, "canonical">[] = ["caret", "exact", "pep440", "npm"];

const TITLE: TextRule = { pattern: /^\P{C}+$/u, max: 200, allowed: "one line of text" };
const ID: TextRule = { pattern: /^[a-z][a-z0-9-]*$/, max: 32, allowed: 'a-z, 0-9 and "-", starting with a letter' };
const VARIABLE: TextRule = {
  pattern: /^[A-Z][A-Z0-9_]*$/,
  max: 64,
  allowed: 'A-Z, 0-9 and "_", starting with a letter',
};
const DIGEST: TextRule = { pattern: /^sha256:[0-9a-f]{64}$/, allowed: '"sha256:" and 64 hexadecimal digits' };
const FILE_NAME: TextRule = { pattern: /^(?!\.{1,2}$)[^/\\\p{C}]+$/u, max: 100, allowed: "the name of a file" };
const RELATIVE: TextRule = {
  pattern: /^(?!\/)(?!(?:[^]*\/)?\.\.(?:\/|$))[^\\\p{C}]+$/u,
  max: 200,
  allowed: "a directory below the project",
};
const HOME_PATH: TextRule = { pattern: /^[^\\\p{C}]+$/u, max: 200, allowed: 'a directory, from "~" or below a base' };
const EXTENSION: TextRule = {
  pattern: /^(?:\.[A-Za-z0-9]+){1,3}$/,
  max: 20,
  allowed: 'a dot and letters or digits, such as ".lpk"',
};
const WORDS: TextRule = {
  pattern: /^[a-z][a-z0-9-]*(?: [a-z][a-z0-9-]*){0,2}$/,
  max: 60,
  allowed: 'one to three words of a-z, 0-9 and "-"',
};
const FLAG: TextRule = { pattern: /^[a-z][a-z0-9-]*$/, max: 40, allowed: "the name of a flag, without dashes" };
const DASHED_FLAG: TextRule = { pattern: /^--[a-z][a-z0-9-]*$/, max: 42, allowed: 'a flag such as "--host-version"' };
const URL: TextRule = { pattern: /^(?:https?|file):\/\/[^\s#?]+$/, max: 500, allowed: "a URL" };

const LIST_MAX = 200;

/**
 * Reads an ecosystem profile (`docs/spec/profile.md`). The schema is closed: a key that it does not know is a mistake.
 * @param file path as the user knows it, for the locations of mistakes.
 * @throws {CoreError} `PROFILE_INVALID`; `details.diagnostics` lists every mistake with line, column, key, what was
 * found and what is allowed.
 */
export function parseProfile(text: string, file: string): EcosystemProfile {
  const { root, problems } = readTomlTree(text);
  const diagnostics: Diagnostic[] = problems.map(({ start, problem, key }) => ({
    code: "PROFILE_SYNTAX",
    severity: "error",
    message: problem,
    location: { file, ...positionAt(text, start) },
    key,
  }));
  if (root === undefined) throw invalid(file, diagnostics);
  const shape = new Shape((problem) => {
    const location = { file, ...positionAt(text, locateKey(root, problem.path)) };
    diagnostics.push({ ...describeProblem(problem), severity: "error", location, key: problem.path });
  });
  const profile = readProfile(shape, plainValue(root));
  if (diagnostics.length > 0) throw invalid(file, diagnostics);
  return profile;
}

function describeProblem(problem: ShapeProblem): Pick<Diagnostic, "code" | "message" | "found" | "allowed" | "hint"> {
  const { kind, path, found, allowed } = problem;
  if (kind === "missing") return { code: "PROFILE_KEY_MISSING", message: `"${path}" is missing`, found, allowed };
  if (kind === "invalid") {
    return { code: "PROFILE_VALUE_INVALID", message: `"${path}" is ${found}, expected ${allowed}`, found, allowed };
  }
  const close = nearest(found.slice(1, -1), allowed.split(", "));
  const hint = close === undefined ? {} : { hint: `Did you mean "${close}"?` };
  return { code: "PROFILE_KEY_UNKNOWN", message: `"${path}" is not a key of profiles`, found, allowed, ...hint };
}

function invalid(file: string, diagnostics: readonly Diagnostic[]): CoreError {
  const sorted = diagnostics.toSorted(
    ({ location: left }, { location: right }) => left.line - right.line || left.column - right.column,
  );
  const first = sorted[0]!;
  const more = sorted.length === 1 ? "" : `, and ${sorted.length - 1} more`;
  return new CoreError({
    code: "PROFILE_INVALID",
    message: `Cannot use profile "${file}": ${first.message}${more}`,
    location: first.location,
    hint: first.hint,
    diagnostics: sorted,
  });
}

/** The tables of a profile, by the name that the file gives them. */
const TOP = [
  "schema",
  "id",
  "title",
  "environment-prefix",
  "token-variables",
  "debug-variables",
  "lockfile",
  "key-directory",
  "directory-checksum",
  "ignore",
  "manifest",
  "package",
  "hosts",
  "install",
  "resolver",
  "registry",
  "config",
  "bins",
] as const;

function readProfile(shape: Shape, value: unknown): EcosystemProfile {
  const raw = table(shape, value, "", TOP);
  return {
    schema: shape.integer(raw["schema"], "schema", 1, 1) as 1,
    id: shape.text(raw["id"], "id", ID),
    title: shape.text(raw["title"], "title", TITLE),
    bins: readBins(shape, raw["bins"]),
    environmentPrefix: shape.text(raw["environment-prefix"], "environment-prefix", VARIABLE),
    tokenVariables: shape.texts(raw["token-variables"] ?? [], "token-variables", LIST_MAX, VARIABLE),
    debugVariables: shape.texts(raw["debug-variables"] ?? [], "debug-variables", LIST_MAX, VARIABLE),
    manifest: readManifestTable(shape, raw["manifest"]),
    lockfile: shape.text(raw["lockfile"], "lockfile", FILE_NAME),
    package: readPackageTable(shape, raw["package"]),
    hosts: readHostAxes(shape, raw["hosts"] ?? []),
    install: readInstallTable(shape, raw["install"]),
    ...optional(raw["resolver"], "resolver", (value) => readResolverTable(shape, value)),
    registry: readRegistryTable(shape, raw["registry"]),
    config: readConfigTable(shape, raw["config"]),
    keyDirectory: shape.text(raw["key-directory"], "key-directory", HOME_PATH),
    directoryChecksum: shape.choice(raw["directory-checksum"] ?? "tree", "directory-checksum", ["tree", "attune-pack"]),
    ignore: shape.texts(raw["ignore"] ?? [], "ignore", LIST_MAX, { max: 200 }),
  };
}

/** A table with these keys and no others. */
function table(shape: Shape, value: unknown, path: string, keys: readonly string[]): JsonObject {
  const raw = shape.object(value, path);
  shape.closed(raw, path, keys);
  return raw;
}

function readManifestTable(shape: Shape, value: unknown): EcosystemProfile["manifest"] {
  const raw = table(shape, value, "manifest", ["files", "requirements"]);
  const files = shape.list(raw["files"], "manifest.files", LIST_MAX);
  if (Array.isArray(raw["files"]) && files.length === 0) shape.invalid("manifest.files", files, "at least one file");
  return {
    files: files.map((item, index) => {
      const path = `manifest.files[${index}]`;
      const entry = table(shape, item, path, ["name", "dialect"]);
      return {
        name: shape.text(entry["name"], `${path}.name`, FILE_NAME),
        dialect: shape.choice(entry["dialect"], `${path}.dialect`, DIALECTS),
      };
    }),
    requirements: shape.choice(raw["requirements"], "manifest.requirements", SYNTAXES),
  };
}

function readPackageTable(shape: Shape, value: unknown): EcosystemProfile["package"] {
  const raw = table(shape, value, "package", ["binary", "source", "default-kind", "output-directory"]);
  return {
    binary: readFormat(shape, raw["binary"], "package.binary"),
    source: readFormat(shape, raw["source"], "package.source"),
    defaultKind: shape.choice(raw["default-kind"], "package.default-kind", ["binary", "source"]),
    outputDirectory: shape.text(raw["output-directory"], "package.output-directory", RELATIVE),
  };
}

function readFormat(shape: Shape, value: unknown, path: string): PackageFormat {
  const raw = table(shape, value, path, ["extension", "codec"]);
  return {
    extension: shape.text(raw["extension"], `${path}.extension`, EXTENSION),
    codec: shape.choice(raw["codec"], `${path}.codec`, ["zstd", "gzip", "lz4", "none"]),
  };
}

const HOST_KEYS = ["axis", "manifest-keys", "flag", "versions", "default", "detect"] as const;

function readHostAxes(shape: Shape, value: unknown): readonly HostAxis[] {
  const axes = shape.list(value, "hosts", LIST_MAX).map((item, index) => readHostAxis(shape, item, `hosts[${index}]`));
  refuseTwins(
    shape,
    axes.map(({ axis }) => axis),
    (index) => `hosts[${index}].axis`,
  );
  return axes;
}

function readHostAxis(shape: Shape, value: unknown, path: string): HostAxis {
  const raw = table(shape, value, path, HOST_KEYS);
  const versions = shape.texts(raw["versions"] ?? [], `${path}.versions`, LIST_MAX, { max: 60 });
  const fallback = raw["default"];
  if (typeof fallback === "string" && versions.length > 0 && !versions.includes(fallback)) {
    shape.invalid(`${path}.default`, fallback, `one of ${versions.map((version) => `"${version}"`).join(", ")}`);
  }
  return {
    axis: shape.text(raw["axis"], `${path}.axis`, ID),
    manifestKeys: shape.texts(raw["manifest-keys"] ?? [], `${path}.manifest-keys`, LIST_MAX, { max: 200 }),
    ...optional(raw["flag"], "flag", (flag) => shape.text(flag, `${path}.flag`, DASHED_FLAG)),
    versions,
    ...optional(fallback, "default", (text) => shape.text(text, `${path}.default`, { max: 60 })),
    ...optional(raw["detect"], "detect", (list) => shape.texts(list, `${path}.detect`, LIST_MAX, { max: 200 })),
  };
}

function readInstallTable(shape: Shape, value: unknown): EcosystemProfile["install"] {
  const raw = table(shape, value, "install", ["layout", "directory", "coexistence", "tests"]);
  return {
    layout: shape.choice(raw["layout"], "install.layout", ["linked", "copied"]),
    directory: shape.text(raw["directory"], "install.directory", RELATIVE),
    coexistence: shape.choice(raw["coexistence"], "install.coexistence", ["single", "per-major"]),
    tests: shape.choice(raw["tests"] ?? "never", "install.tests", ["never", "direct"]),
  };
}

const NAME_PATTERN: TextRule = { pattern: /^[A-Za-z0-9*@/._+-]+$/, max: 140, allowed: 'a name such as "company/*"' };

function readResolverTable(shape: Shape, value: unknown): NonNullable<EcosystemProfile["resolver"]> {
  const raw = table(shape, value, "resolver", ["minimum-release-age", "minimum-release-age-exclude"]);
  const exclude = "resolver.minimum-release-age-exclude";
  return {
    ...optional(raw["minimum-release-age"], "minimumReleaseAge", (age) =>
      readAge(shape, age, "resolver.minimum-release-age"),
    ),
    minimumReleaseAgeExclude: shape.texts(raw["minimum-release-age-exclude"] ?? [], exclude, LIST_MAX, NAME_PATTERN),
  };
}

function readAge(shape: Shape, value: unknown, path: string): string {
  const text = shape.text(value, path, { max: 30 });
  try {
    parseDuration(text);
  } catch (error) {
    if (!isLadingError(error)) throw error;
    shape.invalid(path, value, 'a duration such as "24h" or "3d"');
  }
  return text;
}

function readRegistryTable(shape: Shape, value: unknown): EcosystemProfile["registry"] {
  const raw = table(shape, value, "registry", ["default-url", "root", "port"]);
  return {
    ...optional(raw["default-url"], "defaultUrl", (url) => shape.text(url, "registry.default-url", URL)),
    ...optional(raw["root"], "root", (root) => shape.text(root, "registry.root", DIGEST) as Digest),
    port: shape.integer(raw["port"], "registry.port", 1, 65_535),
  };
}

function readConfigTable(shape: Shape, value: unknown): EcosystemProfile["config"] {
  const raw = table(shape, value, "config", ["directory", "file", "registries-file", "key-aliases"]);
  return {
    directory: shape.text(raw["directory"], "config.directory", HOME_PATH),
    file: shape.text(raw["file"], "config.file", FILE_NAME),
    registriesFile: shape.text(raw["registries-file"], "config.registries-file", FILE_NAME),
    keyAliases: shape.record(raw["key-aliases"] ?? {}, "config.key-aliases", (key, path) =>
      shape.text(key, path, { max: 100 }),
    ),
  };
}

function readBins(shape: Shape, value: unknown): readonly BinProfile[] {
  const list = shape.list(value, "bins", LIST_MAX);
  if (Array.isArray(value) && list.length === 0) shape.invalid("bins", list, "at least one program");
  const bins = list.map((item, index) => readBin(shape, item, `bins[${index}]`));
  refuseTwins(
    shape,
    bins.map(({ name }) => name),
    (index) => `bins[${index}].name`,
  );
  return bins;
}

function readBin(shape: Shape, value: unknown, path: string): BinProfile {
  const raw = table(shape, value, path, ["name", "summary", "inherit", "commands"]);
  const commands = Object.entries(shape.object(raw["commands"] ?? {}, `${path}.commands`));
  return {
    name: shape.text(raw["name"], `${path}.name`, ID),
    ...optional(raw["summary"], "summary", (text) => shape.text(text, `${path}.summary`, TITLE)),
    inherit: shape.boolean(raw["inherit"], `${path}.inherit`),
    commands: commands.map(([spelling, item]) =>
      readSpelling(shape, spelling, item, join(`${path}.commands`, spelling)),
    ),
  };
}

function readSpelling(shape: Shape, spelling: string, value: unknown, path: string): CommandSpelling {
  shape.text(spelling, path, WORDS);
  if (typeof value === "string") return { spelling, command: shape.choice(value, path, PROFILE_COMMANDS) };
  const raw = table(shape, value, path, ["command", "flags", "defaults", "summary"]);
  const record = (key: "flags" | "defaults", rule: TextRule): JsonObject =>
    optional(raw[key], key, (flags) => {
      for (const flag of Object.keys(shape.object(flags, join(path, key))))
        shape.text(flag, join(`${path}.${key}`, flag), FLAG);
      return shape.record(flags, join(path, key), (item, at) => shape.text(item, at, rule));
    });
  return {
    spelling,
    command: shape.choice(raw["command"], join(path, "command"), PROFILE_COMMANDS),
    ...record("flags", FLAG),
    ...record("defaults", { max: 200 }),
    ...optional(raw["summary"], "summary", (text) => shape.text(text, join(path, "summary"), TITLE)),
  };
}

function refuseTwins(shape: Shape, names: readonly string[], path: (index: number) => string): void {
  for (const [index, name] of names.entries()) {
    if (name !== "" && names.indexOf(name) < index) shape.invalid(path(index), name, "each name once");
  }
}
