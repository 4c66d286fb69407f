import type { PackageInformation } from "@lading/engine";
import { defineCommand, type CommandSpec } from "../spec.ts";
import { bytes, printable } from "../render/table.ts";
import type { Style } from "../render/style.ts";

export const command: CommandSpec = defineCommand({
  summary: "Show what the registry has of a package or of one version",
  examples: ["info actor-utils", "info actor-utils@1.2.3"],
  arguments: [{ name: "PACKAGE", summary: "NAME or NAME@VERSION", kind: "package" }],
  flags: {},
  async run({ args, context }) {
    const { info } = await import("@lading/engine/registry");
    const found = await info({ spec: args[0]! }, await context());
    return { data: found, text: (style) => describe(found, style) };
  },
});

function describe(found: PackageInformation, style: Style): string[] {
  const detail = (key: string): string | undefined => textOf(found.details, key);
  const fields: [string, string | undefined][] = [
    ["title", detail("title")],
    ["description", detail("description")],
    ["license", found.license],
    ["authors", detail("authors")],
    ["edition", detail("edition")],
    ["keywords", detail("keywords")],
    ["categories", detail("categories")],
    ["repository", detail("repository")],
    ["homepage", detail("homepage")],
    ["documentation", detail("documentation")],
    ["published", `${found.published}${found.publisher === undefined ? "" : ` by ${found.publisher}`}`],
    ["downloads", detail("downloads")],
    ["signed by", found.signers.length === 0 ? "nobody" : found.signers.join(", ")],
    ["signature", signatureText(found.signature)],
    [
      "hosts",
      Object.entries(found.hosts)
        .map(([axis, requirement]) => `${axis} ${requirement}`)
        .join(", "),
    ],
    ["runtimes", runtimesText(found.details)],
    ["features", Object.keys(found.features).join(", ")],
    ["exclusive", (found.exclusiveFeatures ?? []).map((group) => group.join(" or ")).join("; ")],
    ...extraFields(found.details),
    ["files", found.artifacts.map(({ target, size }) => `${target} (${bytes(size)})`).join(", ")],
    [
      "channels",
      Object.entries(found.channels)
        .map(([channel, version]) => `${channel} ${version}`)
        .join(", "),
    ],
    ["registry", found.registry],
  ];
  const status =
    found.status === "active"
      ? ""
      : style.yellow(` [${found.status}${found.reason === undefined ? "" : `: ${printable(found.reason)}`}]`);
  return [
    `${style.bold(`${found.name} ${found.version}`)}${status}`,
    ...(found.replacement === undefined ? [] : [style.yellow(`use ${found.replacement} instead`)]),
    ...fields.flatMap(([name, value]) =>
      value === undefined || value === "" ? [] : [`${printable(name).padEnd(13)} ${printable(value)}`],
    ),
    ...(found.dependencies.length === 0 ? [] : ["dependencies"]),
    ...found.dependencies.map(
      ({ name, requirement, kind, targets, hosts }) =>
        `  ${name} ${requirement}${kind === "normal" ? "" : ` (${kind})`}${placeText(targets, hosts)}`,
    ),
    `versions      ${found.versions
      .slice(0, 10)
      .map(({ version, status: state }) => (state === "active" ? version : `${version} (${state})`))
      .join(", ")}${found.versions.length > 10 ? ", ..." : ""}`,
  ];
}

const SIGNATURES: Readonly<Record<PackageInformation["signature"]["state"], string>> = {
  unsigned: "none",
  trusted: "good, by a key that is trusted here",
  verified: "good, by the key that the registry has for it; nobody has named a key here",
  refused: "REFUSED",
  unchecked: "not checked, which needs the network",
};

function signatureText({ state, problem }: PackageInformation["signature"]): string {
  return `${SIGNATURES[state]}${problem === undefined ? "" : `: ${problem}`}`;
}

type Table = Readonly<Record<string, unknown>>;

function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function tableOf(value: unknown, key: string): Table {
  const inner = isTable(value) ? value[key] : undefined;
  return isTable(inner) ? inner : {};
}

function runtimesText(details: PackageInformation["details"]): string {
  const { runtimes } = tableOf(details, "manifest");
  const each = Array.isArray(runtimes) ? (runtimes as readonly unknown[]).filter(isTable) : [];
  return each
    .map(({ runtime, requirement }) => `${String(runtime)}${typeof requirement === "string" ? ` ${requirement}` : ""}`)
    .join(", ");
}

/** What travels along without a say in resolution: profiles by their names, everything else as it was written. */
function extraFields(details: PackageInformation["details"]): [string, string][] {
  const extra = tableOf(tableOf(details, "manifest"), "extra");
  return Object.entries(extra).flatMap(([key, value]): [string, string][] => {
    if (key === "profile") return [["profiles", Object.keys(tableOf(extra, key)).join(", ")]];
    if (key === "chaos-profile") return [["chaos", Object.keys(tableOf(extra, key)).join(", ")]];
    return [[key, typeof value === "string" ? value : JSON.stringify(value)]];
  });
}

/** ` only for *-linux, revit >=2025.0.0`, or nothing. */
function placeText(targets: readonly string[] = [], hosts: Readonly<Record<string, string>> = {}): string {
  const parts = [...targets, ...Object.entries(hosts).map(([axis, requirement]) => `${axis} ${requirement}`)];
  return parts.length === 0 ? "" : ` only for ${parts.join(", ")}`;
}

/** A key of the registry's answer, which may hold it at its top or in the manifest. */
function textOf(details: Readonly<Record<string, unknown>> | undefined, key: string): string | undefined {
  const manifest = details?.["manifest"];
  const inner =
    typeof manifest === "object" && manifest !== null ? (manifest as Record<string, unknown>)[key] : undefined;
  const value = details?.[key] ?? inner;
  if (Array.isArray(value)) return value.map(String).join(", ");
  return typeof value === "string" || typeof value === "number" ? String(value) : undefined;
}
