import { DIALECTS } from "./dialects/dialect.ts";
import { emptyRecord } from "./dialects/located.ts";
import { shown } from "./dialects/reading.ts";
import { canonicalOf, isGitRef, isGitUrl } from "./dialects/values.ts";
import { respell } from "./dialects/write-common.ts";
import { finding, unreadable, type Finding, type ImportOptions, type ImportedManifest } from "./import-common.ts";
import type {
  DependencyKind,
  DependencySource,
  Diagnostic,
  DialectId,
  ManifestDependency,
  PackageInfo,
  PackageManifest,
} from "./manifest.ts";
import { tryParsePackageName } from "./name.ts";
import type { SourceLocation } from "./source-location.ts";
import { tryParseVersion } from "./version.ts";

type Json = Readonly<Record<string, unknown>>;

interface Importing {
  readonly file: string;
  readonly dialect: DialectId;
  readonly text: string | undefined;
  readonly findings: Diagnostic[];
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value.trim() !== "" ? value : undefined;
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value)
    ? value.filter((item): item is string => typeof item === "string" && item.trim() !== "")
    : [];
}

/** Best effort, for people: the first place where the keys follow each other as JSON keys. */
function locate(importing: Importing, keys: readonly string[]): SourceLocation {
  const { text, file } = importing;
  let offset = 0;
  for (const key of text === undefined ? [] : keys) {
    const quoted = JSON.stringify(key);
    const found = new RegExp(`${quoted.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)}\\s*:`).exec(
      text!.slice(offset),
    );
    if (found === null) break;
    offset += found.index;
  }
  const before = text?.slice(0, offset) ?? "";
  const line = before.split("\n").length;
  return { file, line, column: offset - before.lastIndexOf("\n") };
}

function note(importing: Importing, keys: readonly string[], what: Omit<Finding, "key">): void {
  importing.findings.push(
    finding(importing.file, locate(importing, keys), {
      ...what,
      key: keys.map((key) => (/^[\w-]+$/.test(key) ? key : JSON.stringify(key))).join("."),
    }),
  );
}

/** `@scope/name` is `scope/name`; nothing else is changed. */
function importName(name: string): string | undefined {
  const candidate = name.startsWith("@") ? name.slice(1) : name;
  if (!name.startsWith("@") && name.includes("/")) return undefined;
  return tryParsePackageName(candidate);
}

// -- dependencies ------------------------------------------------------------------------------------

type Specifier =
  | { readonly range: string; readonly package?: string }
  | { readonly source: DependencySource }
  | {
      readonly code: "IMPORT_REQUIREMENT_UNSUPPORTED" | "IMPORT_SOURCE_UNSUPPORTED";
      readonly problem: string;
      readonly hint?: string;
    };

const HOSTED: Readonly<Record<string, string>> = {
  github: "https://github.com/",
  gitlab: "https://gitlab.com/",
  bitbucket: "https://bitbucket.org/",
};

function gitSpecifier(url: string, reference: string | undefined): Specifier {
  if (reference?.startsWith("semver:") === true) {
    return {
      code: "IMPORT_SOURCE_UNSUPPORTED",
      problem: "a range of Git tags has no counterpart",
      hint: "Name one tag",
    };
  }
  if (!isGitUrl(url) || (reference !== undefined && reference !== "" && !isGitRef(reference))) {
    return { code: "IMPORT_SOURCE_UNSUPPORTED", problem: "the address of the repository cannot be used" };
  }
  return { source: { type: "git", url, ...(reference === undefined || reference === "" ? {} : { rev: reference }) } };
}

function workspaceSpecifier(rest: string): Specifier {
  // Any version whatever is not what "this workspace's own" says.
  if (/^[*^~]?$/.test(rest))
    return {
      code: "IMPORT_REQUIREMENT_UNSUPPORTED",
      problem: "it means the version that the package has in its own workspace, which is not known here",
      hint: 'Write the range that it is published with, such as "^1.2.0"',
    };
  const alias = /^(@?[^@]+)@(.+)$/.exec(rest);
  if (alias !== null)
    return /^[*^~]$/.test(alias[2]!) ? workspaceSpecifier("*") : { range: alias[2]!, package: alias[1]! };
  return /^\.{0,2}\//.test(rest) ? { source: { type: "path", path: rest } } : { range: rest };
}

function pathSpecifier(path: string): Specifier {
  if (/\.(?:tgz|tar|tar\.gz)$/.test(path))
    return {
      code: "IMPORT_SOURCE_UNSUPPORTED",
      problem: "an archive as dependency has no counterpart",
      hint: "Unpack it and use its directory",
    };
  return { source: { type: "path", path: path.replace(/^\/\/(?=\.)/, "").replaceAll("\\", "/") } };
}

/** What npm takes for a version range, without asking whether it is a good one. */
const RANGE = /^[\s\d.xX*^~<>=|v-]|^$/;

/** Reads the right side of a dependency in package.json. */
function readSpecifier(text: string): Specifier {
  const spec = text.trim();
  const hash = spec.indexOf("#");
  const [address, reference] = hash === -1 ? [spec, undefined] : [spec.slice(0, hash), spec.slice(hash + 1)];
  const protocol = /^([a-z][a-z+]*):/i.exec(spec)?.[1]?.toLowerCase();
  if (protocol === "npm") {
    const alias = /^npm:(@?[^@]+)(?:@(.*))?$/.exec(spec);
    return alias === null
      ? { code: "IMPORT_REQUIREMENT_UNSUPPORTED", problem: "the alias cannot be read" }
      : { range: alias[2] ?? "*", package: alias[1]! };
  }
  if (protocol === "workspace") return workspaceSpecifier(spec.slice("workspace:".length));
  if (protocol === "file" || protocol === "link" || protocol === "portal")
    return pathSpecifier(spec.slice(protocol.length + 1));
  if (protocol === "catalog")
    return {
      code: "IMPORT_REQUIREMENT_UNSUPPORTED",
      problem: "the catalog is in another file",
      hint: "Write the range itself",
    };
  if (protocol !== undefined && Object.hasOwn(HOSTED, protocol))
    return gitSpecifier(`${HOSTED[protocol]!}${address.slice(protocol.length + 1)}`, reference);
  if (protocol?.startsWith("git") === true || protocol === "ssh")
    return gitSpecifier(address.replace(/^git\+/, ""), reference);
  if (/^[\w.-]+@[\w.-]+:/.test(spec)) return gitSpecifier(address, reference);
  if (protocol === "http" || protocol === "https") {
    return address.endsWith(".git")
      ? gitSpecifier(address, reference)
      : {
          code: "IMPORT_SOURCE_UNSUPPORTED",
          problem: "an archive from a URL has no counterpart",
          hint: "Use a registry, a path or a Git repository",
        };
  }
  if (/^(?:\.{1,2}\/|~\/|\/)/.test(spec)) return pathSpecifier(spec);
  if (/^[\w.-]+\/[\w.-]+$/.test(address)) return gitSpecifier(`${HOSTED["github"]!}${address}`, reference);
  if (RANGE.test(spec)) return { range: spec };
  return {
    code: "IMPORT_REQUIREMENT_UNSUPPORTED",
    problem: "a dist-tag says something else every day and is no range",
    hint: 'Write the range that the tag means now, such as "^1.2.0"',
  };
}

interface DependencySlot {
  readonly keys: readonly string[];
  readonly name: string;
  readonly kind: DependencyKind;
  readonly optional: boolean;
}

function withRange(
  importing: Importing,
  slot: DependencySlot,
  spec: Extract<Specifier, { range: string }>,
): Pick<ManifestDependency, "package" | "requirement" | "canonicalRequirement"> | undefined {
  const result = canonicalOf(spec.range, "npm");
  if (!("canonical" in result)) {
    note(importing, slot.keys, {
      code: "IMPORT_REQUIREMENT_UNSUPPORTED",
      problem: result.problem,
      found: shown(spec.range),
      hint: result.hint,
    });
    return undefined;
  }
  const real = spec.package === undefined ? undefined : importName(spec.package);
  if (spec.package !== undefined && real === undefined) {
    noteName(importing, slot.keys, spec.package);
    return undefined;
  }
  const { syntax } = DIALECTS[importing.dialect];
  const requirement = result.canonical === "*" ? "*" : respell(result.canonical, syntax);
  if (requirement === undefined) {
    note(importing, slot.keys, {
      code: "IMPORT_REQUIREMENT_UNSUPPORTED",
      problem: `"${importing.dialect}" has no words for this range`,
      found: shown(spec.range),
    });
    return undefined;
  }
  return {
    ...(real === undefined || real === slot.name ? {} : { package: real }),
    requirement,
    canonicalRequirement: result.canonical,
  };
}

function noteName(importing: Importing, keys: readonly string[], name: string): void {
  note(importing, keys, {
    code: "IMPORT_NAME_INVALID",
    problem: "the name breaks the name rules",
    found: shown(name),
    hint:
      name === name.toLowerCase()
        ? undefined
        : "Names are lower case; the package would have to be published under another name",
  });
}

function importDependency(importing: Importing, slot: DependencySlot, value: unknown): ManifestDependency | undefined {
  if (typeof value !== "string") {
    note(importing, slot.keys, { code: "IMPORT_REQUIREMENT_UNSUPPORTED", problem: "it is not a string" });
    return undefined;
  }
  const spec = readSpecifier(value);
  if ("code" in spec) {
    note(importing, slot.keys, { code: spec.code, problem: spec.problem, found: shown(value), hint: spec.hint });
    return undefined;
  }
  const base = {
    name: slot.name,
    kind: slot.kind,
    features: [],
    defaultFeatures: true,
    optional: slot.optional,
    workspace: false,
  };
  if ("source" in spec) return { ...base, source: spec.source };
  const range = withRange(importing, slot, spec);
  return range === undefined ? undefined : { ...base, ...range, source: { type: "registry" } };
}

interface SectionOptions {
  readonly section: string;
  readonly kind: DependencyKind;
  readonly isOptional: (name: string) => boolean;
  readonly skip?: (name: string) => boolean;
}

function importSection(importing: Importing, root: Json, options: SectionOptions): ManifestDependency[] {
  const section = root[options.section];
  if (section === undefined) return [];
  if (!isObject(section)) {
    note(importing, [options.section], {
      code: "IMPORT_VALUE_UNSUPPORTED",
      severity: "error",
      problem: "it is not an object",
    });
    return [];
  }
  const dependencies: ManifestDependency[] = [];
  for (const [written, value] of Object.entries(section)) {
    if (options.skip?.(written) === true) continue;
    const keys = [options.section, written];
    const name = importName(written);
    if (name === undefined) {
      noteName(importing, keys, written);
      continue;
    }
    const dependency = importDependency(
      importing,
      { keys, name, kind: options.kind, optional: options.isOptional(written) },
      value,
    );
    if (dependency !== undefined) dependencies.push(dependency);
  }
  return dependencies;
}

function importDependencies(importing: Importing, root: Json): ManifestDependency[] {
  const optionals = isObject(root["optionalDependencies"]) ? root["optionalDependencies"] : {};
  const meta = isObject(root["peerDependenciesMeta"]) ? root["peerDependenciesMeta"] : {};
  const isOptionalPeer = (name: string): boolean =>
    Object.hasOwn(meta, name) && isObject(meta[name]) && meta[name]["optional"] === true;
  if (Object.keys(optionals).length > 0) {
    note(importing, ["optionalDependencies"], {
      code: "IMPORT_VALUE_UNSUPPORTED",
      problem: "npm installs these where it can, here they are installed when a feature asks for them",
    });
  }
  return [
    // npm: an optional dependency overrides an ordinary one of the same name.
    ...importSection(importing, root, {
      section: "dependencies",
      kind: "normal",
      isOptional: () => false,
      skip: (name) => Object.hasOwn(optionals, name),
    }),
    ...importSection(importing, root, { section: "optionalDependencies", kind: "normal", isOptional: () => true }),
    ...importSection(importing, root, { section: "devDependencies", kind: "dev", isOptional: () => false }),
    ...importSection(importing, root, { section: "peerDependencies", kind: "peer", isOptional: isOptionalPeer }),
  ];
}

// -- package -----------------------------------------------------------------------------------------

function person(value: unknown): string | undefined {
  if (typeof value === "string") return textOf(value.replace(/\s*\([^)]*\)\s*$/, ""));
  if (!isObject(value)) return undefined;
  const [name, email] = [textOf(value["name"]), textOf(value["email"])];
  if (name === undefined) return email;
  return email === undefined ? name : `${name} <${email}>`;
}

function repositoryUrl(value: unknown): string | undefined {
  const written = textOf(isObject(value) ? value["url"] : value);
  if (written === undefined) return undefined;
  const hosted = /^(?:(github|gitlab|bitbucket):)?([\w.-]+\/[\w.-]+)$/.exec(written);
  if (hosted !== null) return `${HOSTED[hosted[1] ?? "github"]!}${hosted[2]!}`;
  return written.replace(/^git\+(?=https?:|ssh:)/, "").replace(/^git:\/\/(?=github\.com)/, "https://");
}

function license(root: Json): { license?: string; licenseFile?: string } {
  const value = root["license"];
  const old = Array.isArray(root["licenses"])
    ? root["licenses"].map((item) => textOf(isObject(item) ? item["type"] : item)).filter((item) => item !== undefined)
    : [];
  const written = textOf(isObject(value) ? value["type"] : value) ?? (old.length === 0 ? undefined : old.join(" OR "));
  const file = /^SEE LICEN[CS]E IN (.+)$/i.exec(written ?? "");
  if (file !== null) return { licenseFile: file[1]!.trim() };
  return written === undefined ? {} : { license: written };
}

function cleanPath(path: string): string {
  return path.replace(/^(?:\.?\/)+/, "");
}

function executables(root: Json): string[] {
  const { bin } = root;
  const paths =
    typeof bin === "string"
      ? [bin]
      : isObject(bin)
        ? Object.values(bin).filter((path) => typeof path === "string")
        : [];
  return [...new Set(paths.map(cleanPath))].filter((path) => path !== "" && !path.split("/").includes(".."));
}

function importPackage(importing: Importing, root: Json, options: ImportOptions): PackageInfo | undefined {
  const [writtenName, writtenVersion] = [textOf(root["name"]), textOf(root["version"])];
  const name = options.name ?? (writtenName === undefined ? undefined : importName(writtenName));
  const version = options.version ?? writtenVersion;
  if (name === undefined || tryParsePackageName(name) === undefined)
    noteName(importing, ["name"], options.name ?? writtenName ?? "");
  if (version === undefined || tryParseVersion(version) === undefined) {
    note(importing, ["version"], {
      code: "IMPORT_VERSION_INVALID",
      problem: version === undefined ? "there is none" : "it is not a SemVer version",
      found: version === undefined ? undefined : shown(version),
    });
  }
  if (
    name === undefined ||
    version === undefined ||
    tryParsePackageName(name) === undefined ||
    tryParseVersion(version) === undefined
  )
    return undefined;
  const files = textsOf(root["files"]);
  const contributors = Array.isArray(root["contributors"]) ? root["contributors"] : [];
  const authors = [root["author"], ...contributors].map(person).filter((author) => author !== undefined);
  const texts = {
    description: textOf(root["description"]),
    repository: repositoryUrl(root["repository"]),
    homepage: textOf(root["homepage"]),
  };
  return {
    name,
    version,
    authors: [...new Set(authors)],
    ...Object.fromEntries(Object.entries(texts).filter(([, value]) => value !== undefined)),
    ...license(root),
    keywords: textsOf(root["keywords"]),
    categories: [],
    include: files
      .filter((file) => !file.startsWith("!"))
      .map(cleanPath)
      .filter((file) => file !== ""),
    exclude: files.filter((file) => file.startsWith("!")).map((file) => cleanPath(file.slice(1))),
    executables: executables(root),
    ...(root["private"] === true ? { publish: false } : {}),
  };
}

const HOST_ENGINES = new Set(["node", "bun", "deno", "vscode", "electron"]);

function importEngines(importing: Importing, root: Json): Record<string, string> {
  const hosts = emptyRecord<string>();
  const engines = isObject(root["engines"]) ? root["engines"] : {};
  for (const [engine, value] of Object.entries(engines)) {
    const keys = ["engines", engine];
    const range = textOf(value);
    if (!HOST_ENGINES.has(engine) || range === undefined) {
      note(importing, keys, {
        code: "IMPORT_KEY_DROPPED",
        problem: "it is not a host here and was left out",
        found: range === undefined ? undefined : shown(range),
      });
      continue;
    }
    const result = canonicalOf(range, "npm");
    if ("canonical" in result) hosts[engine] = result.canonical;
    else note(importing, keys, { code: "IMPORT_VALUE_UNSUPPORTED", problem: result.problem, found: shown(range) });
  }
  return hosts;
}

const TAKEN = new Set([
  "name",
  "version",
  "description",
  "license",
  "licenses",
  "repository",
  "homepage",
  "keywords",
  "author",
  "contributors",
  "files",
  "bin",
  "private",
  "engines",
  "dependencies",
  "devDependencies",
  "peerDependencies",
  "peerDependenciesMeta",
  "optionalDependencies",
  "workspaces",
  "$schema",
]);

const REASONS: Readonly<Record<string, string>> = {
  os: "restrictions to operating systems are stated per dependency (`targets`) or by a package's own targets",
  cpu: "restrictions to processors are stated per dependency (`targets`) or by a package's own targets",
  libc: "restrictions to C libraries have no counterpart",
  overrides: "overrides belong to the project's configuration, not to its manifest",
  resolutions: "overrides belong to the project's configuration, not to its manifest",
  bundleDependencies: "bundled dependencies have no counterpart",
  bundledDependencies: "bundled dependencies have no counterpart",
};

const INSTALL_SCRIPTS = ["preinstall", "install", "postinstall", "prepare"];

function noteDropped(importing: Importing, root: Json): void {
  const others: string[] = [];
  for (const key of Object.keys(root)) {
    if (TAKEN.has(key) || key === "scripts") continue;
    const reason = Object.hasOwn(REASONS, key) ? REASONS[key] : undefined;
    if (reason === undefined) others.push(key);
    else note(importing, [key], { code: "IMPORT_KEY_DROPPED", problem: `it was left out: ${reason}` });
  }
  const scripts = isObject(root["scripts"]) ? Object.keys(root["scripts"]) : [];
  for (const script of scripts.filter((name) => INSTALL_SCRIPTS.includes(name))) {
    note(importing, ["scripts", script], {
      code: "IMPORT_KEY_DROPPED",
      problem: "scripts are never run by an install, so it was left out",
    });
  }
  if (others.length > 0)
    note(importing, [others[0]!], {
      code: "IMPORT_KEY_DROPPED",
      problem: "these keys have no counterpart here and were left out",
      found: others.map(shown).join(", "),
    });
}

function workspaces(root: Json): PackageManifest["workspace"] | undefined {
  const value = root["workspaces"];
  const members = textsOf(isObject(value) ? value["packages"] : value);
  if (members.length === 0) return undefined;
  return {
    members: members.filter((member) => !member.startsWith("!")),
    exclude: members.filter((member) => member.startsWith("!")).map((member) => member.slice(1)),
    dependencies: [],
    package: {},
  };
}

function parse(source: unknown, options: ImportOptions): { root: Json; text: string | undefined } {
  const location = { file: options.file, line: 1, column: 1 };
  const fail = (problem: string): never => {
    throw unreadable(options.file, [finding(options.file, location, { code: "IMPORT_SYNTAX", key: "", problem })]);
  };
  if (typeof source !== "string")
    return { root: isObject(source) ? source : fail("it is not an object"), text: undefined };
  const text = source.replace(/^\uFEFF/, "");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return fail(error instanceof SyntaxError ? error.message : "it is not JSON");
  }
  return { root: isObject(value) ? value : fail("it is not an object"), text: source };
}

/**
 * Imports a `package.json`, as text or as a parsed value. `@scope/name` becomes `scope/name`; other names that
 * break the name rules are error findings and never changed. Ranges keep their meaning; dist-tags, archives
 * from URLs and catalogs are error findings with the reason. `engines` become hosts, `bin` executables.
 * @throws {ManifestError} `MANIFEST_INVALID` where it is not a JSON object.
 */
export function importNpmManifest(source: unknown, options: ImportOptions): ImportedManifest {
  const { root, text } = parse(source, options);
  const importing: Importing = { file: options.file, dialect: options.dialect ?? "lading.toml", text, findings: [] };
  const info = importPackage(importing, root, options);
  const dependencies = importDependencies(importing, root);
  const hosts = importEngines(importing, root);
  noteDropped(importing, root);
  const workspace = workspaces(root);
  const manifest: PackageManifest = {
    dialect: importing.dialect,
    ...(info === undefined ? {} : { package: info }),
    dependencies,
    features: emptyRecord(),
    profiles: emptyRecord(),
    chaosProfiles: emptyRecord(),
    hosts,
    runtimes: [],
    ...(workspace === undefined ? {} : { workspace }),
    extra: emptyRecord(),
  };
  return { manifest, findings: importing.findings };
}
