import type { ManifestDependency, PackageInfo, PackageManifest } from "../manifest.ts";
import { readDependencies, reportTwins } from "./dependencies.ts";
import { hostRequirement, hosts as hostsTable } from "./hosts.ts";
import {
  emptyRecord,
  emptyTable,
  joinKey,
  type LocatedEntry,
  type LocatedNode,
  type LocatedTable,
  type Span,
} from "./located.ts";
import { SECTIONS, optional } from "./plain-toml.ts";
import {
  asTable,
  kept,
  listOf,
  nonEmptyText,
  readFields,
  shown,
  text,
  url,
  wrongType,
  type KeySpecs,
  type Reading,
  type ValueReader,
} from "./reading.ts";
import { PACKAGE_TEXTS, license, runtime } from "./tables.ts";
import { checkName, checkRequirement, packageName, version } from "./values.ts";

const META = {
  license,
  keywords: listOf(nonEmptyText),
  category: nonEmptyText,
  categories: listOf(nonEmptyText),
  documentation_url: nonEmptyText,
  repository_url: url,
  homepage_url: url,
} as const;

type MetaFields = {
  license?: string;
  keywords?: string[];
  category?: string;
  categories?: string[];
  documentation_url?: string;
  repository_url?: string;
  homepage_url?: string;
};

/** Keys of a pack that Attune reads and this library does not: kept without a word. */
const FOREIGN_KEYS = [
  "name",
  "email",
  "system",
  "enabled",
  "is_standard",
  "conf_schema",
  "config",
  "testing",
  "use_case",
  "python_version",
  "contents",
  "install_sources",
  "runtime_packages",
  "environments",
  "metadata",
  "actions",
  "sensors",
  "triggers",
  "rules",
  "workflows",
  "icon",
  "changelog",
] as const;

const HOST_KEYS: Readonly<Record<string, string>> = {
  attune_version: "attune",
  python_version: "python",
  nodejs_version: "nodejs",
};

const ROOT: KeySpecs = {
  ref: packageName,
  version,
  label: text,
  author: nonEmptyText,
  authors: listOf(nonEmptyText),
  homepage: url,
  repository: url,
  tags: listOf(nonEmptyText),
  runtime_deps: listOf(runtime),
  meta: kept,
  dependencies: kept,
  "dev-dependencies": kept,
  "build-dependencies": kept,
  "peer-dependencies": kept,
  ...PACKAGE_TEXTS,
  features: SECTIONS.features,
  profile: SECTIONS.profile,
  "chaos-profile": SECTIONS["chaos-profile"],
  security: SECTIONS.security,
  hosts: hostsTable,
  patch: SECTIONS.patch,
  overrides: kept,
  resolver: kept,
  ...Object.fromEntries(FOREIGN_KEYS.map((key) => [key, kept])),
};

const LIST_ITEM = /^([A-Za-z0-9][A-Za-z0-9_./-]*?)(?:@(\S.*)|\s*([<>=~^!].*))?$/;

/** `core`, `http@1.2.0`, `http>=1.0`, or a map with ref (or name) and the keys of a dependency. */
function listDependency(
  reading: Reading,
  node: LocatedNode,
  key: string,
  kind: ManifestDependency["kind"],
): ManifestDependency | undefined {
  if (node.kind === "table") return mapItem(reading, node, key, kind);
  const value = nonEmptyText(reading, node, key);
  const match = value === undefined ? null : LIST_ITEM.exec(value.trim());
  if (value === undefined) return undefined;
  if (match === null) {
    reading.report(node, {
      code: "MANIFEST_VALUE_INVALID",
      key,
      problem: "it is not a dependency",
      found: shown(value),
      allowed: '"core", "http@1.2.0" or "http>=1.0"',
    });
    return undefined;
  }
  if (!checkName(reading, node, key, match[1]!)) return undefined;
  const written = (match[2] ?? match[3] ?? "*").trim();
  const read = checkRequirement(reading, node, key, written);
  if (read === undefined) return undefined;
  return {
    name: match[1]!,
    kind,
    requirement: read.text,
    canonicalRequirement: read.canonical,
    source: { type: "registry" },
    features: [],
    defaultFeatures: true,
    optional: false,
    workspace: false,
    location: reading.locate(node),
  };
}

function mapItem(
  reading: Reading,
  node: LocatedTable,
  key: string,
  kind: ManifestDependency["kind"],
): ManifestDependency | undefined {
  const named = node.entries.get("ref") ?? node.entries.get("name");
  const name = named === undefined ? undefined : text(reading, named.node, joinKey(key, named.key));
  if (named === undefined) {
    reading.report(node, {
      code: "MANIFEST_KEY_MISSING",
      key: joinKey(key, "ref"),
      problem: "it is not there",
      allowed: "ref with the name of the pack",
    });
  }
  if (name === undefined) return undefined;
  const rest = emptyTable(node);
  for (const entry of node.entries.values()) if (entry !== named) rest.entries.set(entry.key, entry);
  const anyVersion: LocatedEntry = { key: name, keySpan: named!.node, node: withAnyVersion(rest) };
  const one: LocatedTable = { ...node, entries: new Map([[name, anyVersion]]) };
  return readDependencies({ reading, kind, key }, one)[0];
}

const SOURCES = ["version", "path", "git"];

/** A pack that is listed without a version is wanted in any. */
function withAnyVersion(table: LocatedTable): LocatedTable {
  if (SOURCES.some((key) => table.entries.has(key))) return table;
  const place: Span = { start: table.start, end: table.end };
  const entries = new Map(table.entries).set("version", {
    key: "version",
    keySpan: place,
    node: { kind: "string", value: "*", ...place },
  });
  return { ...table, entries };
}

/** `null` beside a name (`core:`) is any version. */
function withNulls(table: LocatedTable): LocatedTable {
  const entries = new Map<string, LocatedEntry>();
  for (const entry of table.entries.values()) {
    const node =
      entry.node.kind === "null"
        ? { ...entry.node, kind: "string" as const, value: "*" }
        : entry.node.kind === "table"
          ? withAnyVersion(entry.node)
          : entry.node;
    entries.set(entry.key, { ...entry, node });
  }
  return { ...table, entries };
}

const INDEX_FORM = ["packs", ...Object.keys(HOST_KEYS)];

interface ReadDependencies {
  readonly dependencies: ManifestDependency[];
  readonly hosts: Record<string, string>;
}

function readList(
  reading: Reading,
  node: LocatedNode,
  key: string,
  kind: ManifestDependency["kind"],
): ManifestDependency[] {
  if (node.kind !== "array") {
    wrongType(reading, node, key, "a list of packs");
    return [];
  }
  const read = node.items.map((item, index) => ({
    place: item,
    dependency: listDependency(reading, item, joinKey(key, index), kind),
  }));
  const dependencies = read.flatMap(({ place, dependency }) =>
    dependency === undefined ? [] : [{ place, dependency }],
  );
  reportTwins(
    reading,
    key,
    dependencies.map(({ place, dependency }) => ({ name: dependency.name, place, dependency })),
  );
  return dependencies.map(({ dependency }) => dependency);
}

/** The object form of the index: `packs` beside versions of hosts. */
function readIndexForm(
  reading: Reading,
  table: LocatedTable,
  key: string,
  kind: ManifestDependency["kind"],
): ReadDependencies {
  const specs: Record<string, ValueReader<unknown> | typeof kept> = { packs: kept };
  for (const host of Object.keys(HOST_KEYS)) specs[host] = hostRequirement;
  const { values } = readFields(reading, table, key, specs, "error");
  const hosts = emptyRecord<string>();
  for (const [name, axis] of Object.entries(HOST_KEYS))
    if (values[name] !== undefined) hosts[axis] = values[name] as string;
  const packs = table.entries.get("packs")?.node;
  return { dependencies: packs === undefined ? [] : readList(reading, packs, joinKey(key, "packs"), kind), hosts };
}

function readDependencyNode(
  reading: Reading,
  node: LocatedNode,
  key: string,
  kind: ManifestDependency["kind"],
): ReadDependencies {
  const hosts = emptyRecord<string>();
  if (node.kind === "null") return { dependencies: [], hosts };
  if (node.kind !== "table") return { dependencies: readList(reading, node, key, kind), hosts };
  if (INDEX_FORM.some((name) => node.entries.has(name))) return readIndexForm(reading, node, key, kind);
  return { dependencies: readDependencies({ reading, kind, key }, withNulls(node)), hosts };
}

const KINDS = {
  dependencies: "normal",
  "dev-dependencies": "dev",
  "build-dependencies": "build",
  "peer-dependencies": "peer",
} as const;

function readAllDependencies(reading: Reading, root: LocatedTable): ReadDependencies {
  const dependencies: ManifestDependency[] = [];
  const hosts = emptyRecord<string>();
  for (const entry of root.entries.values()) {
    if (!Object.hasOwn(KINDS, entry.key)) continue;
    const read = readDependencyNode(reading, entry.node, entry.key, KINDS[entry.key as keyof typeof KINDS]);
    dependencies.push(...read.dependencies);
    Object.assign(hosts, read.hosts);
  }
  return { dependencies, hosts };
}

function readMeta(reading: Reading, root: LocatedTable): { values: MetaFields; extra: Record<string, unknown> } {
  const node = root.entries.get("meta")?.node;
  const table = node === undefined || node.kind === "null" ? undefined : asTable(reading, node, "meta");
  return table === undefined ? { values: {}, extra: emptyRecord() } : readFields(reading, table, "meta", META, "keep");
}

function union(...lists: (readonly string[] | undefined)[]): string[] {
  return [...new Set(lists.flatMap((list) => list ?? []))];
}

type RootFields = { [key: string]: unknown } & {
  ref?: string;
  version?: string;
  author?: string;
  authors?: string[];
  tags?: string[];
  keywords?: string[];
  categories?: string[];
};

function packageInfo(fields: RootFields, meta: MetaFields, email: string | undefined): PackageInfo | undefined {
  if (fields.ref === undefined || fields.version === undefined) return undefined;
  const author =
    fields.author === undefined
      ? []
      : [email === undefined || fields.author.includes("<") ? fields.author : `${fields.author} <${email}>`];
  return {
    name: fields.ref,
    version: fields.version,
    ...optional("title", fields["label"] as string | undefined),
    authors: union(author, fields.authors),
    ...optional("description", fields["description"] as string | undefined),
    ...optional("license", (fields["license"] as string | undefined) ?? meta.license),
    ...optional("licenseFile", fields["license-file"] as string | undefined),
    ...optional("repository", (fields["repository"] as string | undefined) ?? meta.repository_url),
    ...optional("homepage", (fields["homepage"] as string | undefined) ?? meta.homepage_url),
    ...optional("documentation", (fields["documentation"] as string | undefined) ?? meta.documentation_url),
    ...optional("readme", fields["readme"] as string | undefined),
    keywords: union(fields.keywords, meta.keywords, fields.tags),
    categories: union(fields.categories, meta.categories, meta.category === undefined ? [] : [meta.category]),
    ...optional("edition", fields["edition"] as string | undefined),
    include: (fields["include"] as string[] | undefined) ?? [],
    exclude: (fields["exclude"] as string[] | undefined) ?? [],
    executables: (fields["executables"] as string[] | undefined) ?? [],
    ...optional("publish", fields["publish"] as boolean | string[] | undefined),
    ...optional("selfModifying", fields["self-modifying"] as boolean | undefined),
    ...optional("exclusiveFeatures", fields["exclusive-features"] as string[][] | undefined),
  };
}

function reportMissing(reading: Reading, root: LocatedTable): void {
  for (const needed of ["ref", "version"]) {
    if (root.entries.has(needed)) continue;
    reading.report(
      { start: root.start, end: root.start },
      {
        code: "MANIFEST_KEY_MISSING",
        key: needed,
        problem: "it is not there",
        hint: needed === "ref" ? "Add the pack's identifier: ref: my-pack" : 'Add version: "0.1.0"',
      },
    );
  }
}

const READ_ELSEWHERE = new Set(["meta", "email", ...Object.keys(KINDS)]);

/** Reads Attune's `pack.yaml`. */
export function readPackYaml(reading: Reading, root: LocatedTable): PackageManifest {
  const { values, extra } = readFields(reading, root, "", ROOT, "error-if-close");
  reportMissing(reading, root);
  const meta = readMeta(reading, root);
  const emailNode = root.entries.get("email")?.node;
  const email = emailNode === undefined ? undefined : nonEmptyText(reading, emailNode, "email");
  const read = readAllDependencies(reading, root);
  const fields = values as RootFields;
  const rest = emptyRecord<unknown>();
  for (const [key, value] of Object.entries(extra)) if (!READ_ELSEWHERE.has(key)) rest[key] = value;
  if (Object.keys(meta.extra).length > 0) rest["meta"] = meta.extra;
  if (email !== undefined && fields.author === undefined) rest["email"] = email;
  return {
    dialect: "pack.yaml",
    ...optional("package", packageInfo(fields, meta.values, email)),
    dependencies: read.dependencies,
    ...optional("patches", fields["patch"] as PackageManifest["patches"]),
    features: (fields["features"] as PackageManifest["features"] | undefined) ?? emptyRecord(),
    profiles: (fields["profile"] as PackageManifest["profiles"] | undefined) ?? emptyRecord(),
    chaosProfiles: (fields["chaos-profile"] as PackageManifest["chaosProfiles"] | undefined) ?? emptyRecord(),
    ...optional("security", fields["security"] as PackageManifest["security"]),
    hosts: Object.assign(read.hosts, fields["hosts"]),
    runtimes: (fields["runtime_deps"] as PackageManifest["runtimes"] | undefined) ?? [],
    extra: rest,
  };
}
