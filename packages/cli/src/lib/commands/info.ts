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
    ["signed by", found.signers.length === 0 ? "nobody" : found.signers.join(", ")],
    [
      "hosts",
      Object.entries(found.hosts)
        .map(([axis, requirement]) => `${axis} ${requirement}`)
        .join(", "),
    ],
    ["features", Object.keys(found.features).join(", ")],
    ["exclusive", (found.exclusiveFeatures ?? []).map((group) => group.join(" or ")).join("; ")],
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
      value === undefined || value === "" ? [] : [`${name.padEnd(14)}${printable(value)}`],
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
  return typeof value === "string" ? value : undefined;
}
