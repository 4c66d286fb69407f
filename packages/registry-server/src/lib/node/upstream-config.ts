import { parseDuration, tryParseDigest, type Digest } from "@lading/core-manifest";
import { readFileSync } from "node:fs";
import { parse as parseToml } from "smol-toml";
import { isPackagePattern } from "../package-pattern.ts";
import { RegistryError } from "../registry-error.ts";
import { isUpstreamName, sharedPattern } from "../upstream/shared-pattern.ts";
import { MIRROR, type UpstreamOptions } from "../upstream/upstream-options.ts";
import type { ConfigValues } from "./setting.ts";

type Table = Readonly<Record<string, unknown>>;
type Fail = (problem: string, cause?: unknown) => RegistryError;

const KEYS = ["name", "url", "root", "token_env", "packages", "fetch", "interval", "minimum_release_age"];
const DEFAULT_INTERVAL = "5m";

function invalid(message: string, hint: string, cause?: unknown): RegistryError {
  return new RegistryError({ code: "SERVER_CONFIG_INVALID", message, hint, ...(cause === undefined ? {} : { cause }) });
}

function rootOf(text: string | undefined, fail: Fail): Digest | undefined {
  if (text === undefined) return undefined;
  const digest = tryParseDigest(text);
  if (digest !== undefined) return digest;
  throw fail(`the root "${text.slice(0, 100)}" is no digest, allowed is sha256: and 64 hexadecimal digits`);
}

/** Checks patterns of packages. */
export function checkPatterns(patterns: readonly string[], fail: Fail): readonly string[] {
  const wrong = patterns.find((pattern) => !isPackagePattern(pattern.replace(/^!/, "")));
  if (wrong !== undefined) {
    throw fail(`"${wrong.slice(0, 60)}" is no pattern of package names, allowed are names with * and **, and ! before`);
  }
  if (patterns.some((pattern) => !pattern.startsWith("!"))) return patterns;
  throw fail("its patterns name no package");
}

function mirrorOf(values: ConfigValues): UpstreamOptions | undefined {
  if (!values.has("mirror.upstream")) {
    const stray = ["mirror.root", "mirror.token"].find((key) => values.has(key));
    if (stray === undefined) return undefined;
    throw invalid(
      `Cannot use ${values.origin(stray)}: no upstream is named`,
      "Set REGISTRY_MIRROR_UPSTREAM, or remove the setting",
    );
  }
  const failing =
    (key: string): Fail =>
    (problem) =>
      invalid(`Cannot use ${values.origin(key)}: ${problem}`, "lading-registry --help lists every setting");
  const root = rootOf(values.has("mirror.root") ? values.text("mirror.root") : undefined, failing("mirror.root"));
  return {
    name: MIRROR,
    url: values.text("mirror.upstream"),
    ...(root === undefined ? {} : { root }),
    ...(values.has("mirror.token") ? { token: values.text("mirror.token") } : {}),
    packages: checkPatterns(values.list("mirror.packages"), failing("mirror.packages")),
    fetch: "all",
    others: values.text("mirror.others") as UpstreamOptions["others"],
    intervalMs: values.number("mirror.interval"),
    isWholeServer: true,
    minimumAgeMs: 0,
  };
}

function textOf(table: Table, key: string, fail: Fail): string | undefined {
  const value = table[key];
  if (value === undefined) return undefined;
  if (typeof value === "string" && value !== "") return value;
  throw fail(`"${key}" is no text`);
}

function durationOf(table: Table, key: string, fallback: string, fail: Fail): number {
  const text = textOf(table, key, fail) ?? fallback;
  try {
    return parseDuration(text);
  } catch (cause) {
    throw fail(`"${key}" is "${text.slice(0, 40)}", allowed is a duration such as "7d"`, cause);
  }
}

function urlOf(table: Table, fail: Fail): string {
  const text = textOf(table, "url", fail);
  const url = text === undefined ? null : URL.parse(text);
  if (url !== null && ["https:", "http:"].includes(url.protocol) && url.username === "" && url.password === "") {
    return url.href;
  }
  throw fail('"url" is missing, or no http(s) address without a password');
}

function readUpstream(
  value: unknown,
  { at, file, env }: { readonly at: number; readonly file: string; readonly env: UpstreamEnv },
): UpstreamOptions {
  const fail: Fail = (problem, cause) =>
    invalid(
      `Cannot use upstream ${at + 1} of "${file}": ${problem}`,
      'Each [[upstreams]] has "name", "url" and "packages" (patterns of names)',
      cause,
    );
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw fail("it is not a table");
  const table = value as Table;
  const unknown = Object.keys(table).find((key) => !KEYS.includes(key));
  if (unknown !== undefined) throw fail(`unknown key "${unknown}", allowed are "${KEYS.join('", "')}"`);
  const name = textOf(table, "name", fail) ?? "";
  if (!isUpstreamName(name)) {
    throw fail(
      `its "name" is "${name.slice(0, 60)}", allowed are a-z, 0-9 and - between them, up to 40, not "${MIRROR}"`,
    );
  }
  const { packages } = table;
  if (!Array.isArray(packages) || packages.length === 0 || !packages.every((one) => typeof one === "string")) {
    throw fail('"packages" is no list of patterns');
  }
  const fetch = textOf(table, "fetch", fail) ?? "on-demand";
  if (fetch !== "on-demand" && fetch !== "all") throw fail(`"fetch" is "${fetch}", allowed are "on-demand" and "all"`);
  const variable = textOf(table, "token_env", fail);
  const token = variable === undefined ? undefined : env[variable];
  if (variable !== undefined && !token) throw fail(`the environment has no "${variable}", which "token_env" names`);
  const root = rootOf(textOf(table, "root", fail), fail);
  return {
    name,
    url: urlOf(table, fail),
    ...(root === undefined ? {} : { root }),
    ...(token === undefined ? {} : { token }),
    packages: checkPatterns(packages, fail),
    fetch,
    others: "refuse",
    intervalMs: durationOf(table, "interval", DEFAULT_INTERVAL, fail),
    isWholeServer: false,
    minimumAgeMs: durationOf(table, "minimum_release_age", "0s", fail),
  };
}

type UpstreamEnv = Readonly<Record<string, string | undefined>>;

/**
 * Reads the operator's list of registries that the server stands before. Every name belongs to one of them at most.
 * @throws {RegistryError} `SERVER_CONFIG_INVALID`, `SERVER_CONFIG_CONTRADICTION`
 */
export function readUpstreamsFile(file: string, env: UpstreamEnv): readonly UpstreamOptions[] {
  const wrong = (problem: string, cause?: unknown): RegistryError =>
    invalid(`Cannot use the upstreams of "${file}": ${problem}`, "It is a TOML file of [[upstreams]]", cause);
  let table: Table;
  try {
    table = parseToml(readFileSync(file, "utf8"));
  } catch (cause) {
    throw wrong(`${(cause as Error).message.split("\n")[0]}`, cause);
  }
  const unknown = Object.keys(table).find((key) => key !== "upstreams");
  if (unknown !== undefined) throw wrong(`unknown key "${unknown}", allowed is "upstreams"`);
  const list = table["upstreams"];
  if (!Array.isArray(list) || list.length === 0) throw wrong("it has no [[upstreams]]");
  const upstreams = list.map((value, at) => readUpstream(value, { at, file, env }));
  const twice = upstreams.find(({ name }, at) => upstreams.findIndex((one) => one.name === name) < at);
  if (twice !== undefined) throw wrong(`two of them have the name "${twice.name}"`);
  const shared = sharedPattern(upstreams);
  if (shared === undefined) return upstreams;
  const { names, patterns } = shared;
  throw new RegistryError({
    code: "SERVER_CONFIG_CONTRADICTION",
    message: `Cannot use the upstreams of "${file}": "${names[0]}" has "${patterns[0]}" and "${names[1]}" has "${patterns[1]}", so that some names would belong to both`,
    hint: `Every name belongs to one registry: take names out of one of them, as "!${patterns[1]}"`,
  });
}

/** Every upstream that the settings name. */
export function upstreamConfig(values: ConfigValues, env: UpstreamEnv): readonly UpstreamOptions[] {
  const mirror = mirrorOf(values);
  if (!values.has("upstreams.file")) return mirror === undefined ? [] : [mirror];
  if (mirror === undefined) return readUpstreamsFile(values.text("upstreams.file"), env);
  throw new RegistryError({
    code: "SERVER_CONFIG_CONTRADICTION",
    message: `Cannot use ${values.origin("mirror.upstream")} together with ${values.origin("upstreams.file")}: a mirror has no packages but those of its upstream`,
    hint: "Remove one of the two",
  });
}
