import { tryParseDigest, type Digest } from "@lading/core-manifest";
import { parse, stringify, TomlError } from "smol-toml";
import { isObject, type JsonObject } from "./json.ts";
import { RegistryClientError } from "./registry-client-error.ts";
import type { AuthType, RegistriesFile, RegistryConfig } from "./registry-config.ts";
import { canonicalRegistryUrl } from "./registry-url.ts";
import { locateKey } from "./toml-location.ts";

const TOP_KEYS = ["default_registry", "default-registry", "fallback", "registries"];
const REGISTRY_KEYS = [
  "name",
  "url",
  "auth_type",
  "verify_signatures",
  "allow_insecure",
  "timeout_seconds",
  "max_retries",
  "public_keys",
  "trusted_publishers",
  "aliases",
  "witnesses",
  "witness_threshold",
  "root",
  "stale_days",
  "ca_file",
  "proxy",
];
const AUTH_TYPES: readonly AuthType[] = ["token", "basic", "none"];

/**
 * A registry with the documented defaults for what is not given: token authentication, signatures verified, https: only,
 * 30 seconds, 3 retries.
 * @throws {RegistryClientError} `REGISTRY_URL_INVALID`
 */
export function registryConfig(given: Partial<RegistryConfig> & Pick<RegistryConfig, "name" | "url">): RegistryConfig {
  return {
    authType: "token",
    verifySignatures: true,
    allowInsecure: false,
    timeoutMs: 30_000,
    maxRetries: 3,
    publicKeys: [],
    trustedPublishers: [],
    witnesses: [],
    ...given,
    aliases: (given.aliases ?? []).map(canonicalRegistryUrl),
    url: canonicalRegistryUrl(given.url),
  };
}

/**
 * Reads a `registries.toml` (`docs/spec/client-configuration.md`).
 * @throws {RegistryClientError} `REGISTRY_CONFIG_INVALID`, with the line, what was found and what is allowed
 */
export function parseRegistries(text: string, file: string): RegistriesFile {
  const reader = new Reader(text, file);
  const root = reader.root();
  reader.known(root, TOP_KEYS, []);
  const tables = reader.table(root, "registries", []) ?? {};
  const registries = Object.keys(tables).map((name) => readRegistry(reader, tables, name));
  const default_ = readDefault(reader, root, registries);
  const fallback = reader.strings(root, "fallback", []) ?? [];
  for (const name of fallback) requireKnown(reader, registries, name, ["fallback"]);
  return { defaultRegistry: default_, fallback, registries };
}

function readDefault(reader: Reader, root: JsonObject, registries: readonly RegistryConfig[]): string {
  // `config set default-registry` and the file's `default_registry` are one key.
  const key =
    root.default_registry === undefined && root["default-registry"] !== undefined
      ? "default-registry"
      : "default_registry";
  const given = reader.string(root, key, []);
  if (given === undefined) return registries.length === 1 ? registries[0]!.name : "default";
  requireKnown(reader, registries, given, [key]);
  return given;
}

function requireKnown(
  reader: Reader,
  registries: readonly RegistryConfig[],
  name: string,
  path: readonly string[],
): void {
  if (registries.some((registry) => registry.name === name)) return;
  const known = registries.map((registry) => `"${registry.name}"`).join(", ") || "none";
  throw reader.error(path, `it names the registry "${name}", configured are ${known}`);
}

function readRegistry(reader: Reader, tables: JsonObject, name: string): RegistryConfig {
  const path = ["registries", name];
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) {
    throw reader.error(path, "the name of a registry may hold only letters, digits, '.', '_' and '-'");
  }
  const table = reader.table(tables, name, ["registries"])!;
  reader.known(table, REGISTRY_KEYS, path);
  const shown = reader.string(table, "name", path);
  if (shown !== undefined && shown !== name) {
    throw reader.error([...path, "name"], `it is "${shown}", allowed is the name of its table, "${name}"`);
  }
  const caFile = reader.string(table, "ca_file", path);
  const proxy = reader.string(table, "proxy", path);
  const values = {
    name,
    url: readUrl(reader, table, path),
    authType: readAuthType(reader, table, path),
    verifySignatures: reader.boolean(table, "verify_signatures", path),
    allowInsecure: reader.boolean(table, "allow_insecure", path),
    timeoutMs: seconds(reader.number(table, "timeout_seconds", path, { min: 0.001, max: 86_400 })),
    maxRetries: reader.number(table, "max_retries", path, { min: 0, max: 20, whole: true }),
    publicKeys: reader.strings(table, "public_keys", path),
    trustedPublishers: reader.strings(table, "trusted_publishers", path),
    aliases: reader.strings(table, "aliases", path),
    ...readWitnesses(reader, table, path),
    caFile,
    proxy,
    root: readRoot(reader, table, path),
    staleMs: days(reader.number(table, "stale_days", path, { min: 1, max: 365, whole: true })),
  };
  const given = Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
  return registryConfig(given as Partial<RegistryConfig> & Pick<RegistryConfig, "name" | "url">);
}

/** The form of a key alone: whether it is one, the code that verifies says, which is not loaded to read a file. */
const WITNESS = /^[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]+={0,2}$/;

function readWitnesses(
  reader: Reader,
  table: JsonObject,
  path: readonly string[],
): Pick<Partial<RegistryConfig>, "witnesses" | "witnessThreshold"> {
  const witnesses = reader.strings(table, "witnesses", path) ?? [];
  const bad = witnesses.find((text) => !WITNESS.test(text));
  if (bad !== undefined)
    throw reader.error([...path, "witnesses"], `"${bad.slice(0, 100)}" is no key of a witness: <name>+<hash>+<key>`);
  const most = Math.max(1, new Set(witnesses).size);
  const threshold = reader.number(table, "witness_threshold", path, { min: 1, max: most, whole: true });
  return { witnesses: [...new Set(witnesses)], ...(threshold === undefined ? {} : { witnessThreshold: threshold }) };
}

function readRoot(reader: Reader, table: JsonObject, path: readonly string[]): Digest | undefined {
  const text = reader.string(table, "root", path);
  const digest = text === undefined ? undefined : tryParseDigest(text);
  if (text !== undefined && digest === undefined) {
    throw reader.error(
      [...path, "root"],
      `it is "${text.slice(0, 100)}", allowed is "sha256:" and 64 hexadecimal digits`,
    );
  }
  return digest;
}

const DAY_MS = 86_400_000;

function days(value: number | undefined): number | undefined {
  return value === undefined ? undefined : value * DAY_MS;
}

function seconds(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.round(value * 1000);
}

function readUrl(reader: Reader, table: JsonObject, path: readonly string[]): string {
  const text = reader.string(table, "url", path);
  if (text === undefined) throw reader.error(path, 'the key "url" is missing');
  try {
    return canonicalRegistryUrl(text);
  } catch (error) {
    throw reader.error([...path, "url"], error instanceof Error ? error.message : String(error), error);
  }
}

function readAuthType(reader: Reader, table: JsonObject, path: readonly string[]): AuthType | undefined {
  const text = reader.string(table, "auth_type", path);
  if (text === undefined) return undefined;
  const found = AUTH_TYPES.find((type) => type === text.toLowerCase());
  if (found === undefined)
    throw reader.error([...path, "auth_type"], `it is "${text}", allowed are "Token", "Basic" and "None"`);
  return found;
}

/** Writes a `registries.toml` that {@link parseRegistries} reads back as the same; comments are not kept. */
export function renderRegistries(file: RegistriesFile): string {
  return `${stringify({
    // Without registries there is none to be the default, and a file that names one would not read again.
    ...(file.registries.length === 0 ? {} : { default_registry: file.defaultRegistry }),
    ...(file.fallback.length === 0 ? {} : { fallback: [...file.fallback] }),
    registries: Object.fromEntries(file.registries.map((registry) => [registry.name, renderRegistry(registry)])),
  })}\n`;
}

function renderRegistry(registry: RegistryConfig): Record<string, unknown> {
  return {
    name: registry.name,
    url: registry.url,
    auth_type: registry.authType.charAt(0).toUpperCase() + registry.authType.slice(1),
    verify_signatures: registry.verifySignatures,
    allow_insecure: registry.allowInsecure,
    timeout_seconds: registry.timeoutMs / 1000,
    max_retries: registry.maxRetries,
    ...(registry.publicKeys.length === 0 ? {} : { public_keys: [...registry.publicKeys] }),
    ...(registry.trustedPublishers.length === 0 ? {} : { trusted_publishers: [...registry.trustedPublishers] }),
    ...(registry.aliases.length === 0 ? {} : { aliases: [...registry.aliases] }),
    ...(registry.witnesses.length === 0 ? {} : { witnesses: [...registry.witnesses] }),
    ...(registry.witnessThreshold === undefined ? {} : { witness_threshold: registry.witnessThreshold }),
    ...(registry.root === undefined ? {} : { root: registry.root }),
    ...(registry.staleMs === undefined ? {} : { stale_days: registry.staleMs / DAY_MS }),
    ...(registry.caFile === undefined ? {} : { ca_file: registry.caFile }),
    ...(registry.proxy === undefined ? {} : { proxy: registry.proxy }),
  };
}

/** Reads values of a TOML text and says where a wrong one is. */
class Reader {
  readonly #text: string;
  readonly #file: string;

  constructor(text: string, file: string) {
    this.#text = text;
    this.#file = file;
  }

  root(): JsonObject {
    try {
      return parse(this.#text);
    } catch (error) {
      if (!(error instanceof TomlError)) throw error;
      const problem = error.message.split("\n")[0]!.replace(/^Invalid TOML document:\s*/i, "");
      throw new RegistryClientError({
        code: "REGISTRY_CONFIG_INVALID",
        message: `Cannot read "${this.#file}" as TOML: ${problem}`,
        location: { file: this.#file, line: error.line, column: error.column },
        cause: error,
      });
    }
  }

  error(path: readonly string[], problem: string, cause?: unknown): RegistryClientError {
    return new RegistryClientError({
      code: "REGISTRY_CONFIG_INVALID",
      message: `Cannot use "${path.join(".")}" of "${this.#file}": ${problem}`,
      hint: "docs/spec/client-configuration.md lists every key",
      location: locateKey(this.#text, this.#file, path),
      key: path.join("."),
      cause,
    });
  }

  // A key that nobody reads is most often a misspelt one, and here it may be the one that secures something.
  known(table: JsonObject, allowed: readonly string[], path: readonly string[]): void {
    const unknown = Object.keys(table).find((key) => !allowed.includes(key));
    if (unknown === undefined) return;
    throw this.error(
      [...path, unknown],
      `the key is unknown, allowed are ${allowed.map((key) => `"${key}"`).join(", ")}`,
    );
  }

  table(parent: JsonObject, key: string, path: readonly string[]): JsonObject | undefined {
    return this.#typed(parent, key, path, "a table", isObject);
  }

  string(parent: JsonObject, key: string, path: readonly string[]): string | undefined {
    return this.#typed(
      parent,
      key,
      path,
      "a string that is not empty",
      (value): value is string => typeof value === "string" && value !== "",
    );
  }

  boolean(parent: JsonObject, key: string, path: readonly string[]): boolean | undefined {
    return this.#typed(parent, key, path, "true or false", (value): value is boolean => typeof value === "boolean");
  }

  strings(parent: JsonObject, key: string, path: readonly string[]): readonly string[] | undefined {
    return this.#typed(
      parent,
      key,
      path,
      "an array of strings",
      (value): value is string[] => Array.isArray(value) && value.every((item) => typeof item === "string"),
    );
  }

  number(
    parent: JsonObject,
    key: string,
    path: readonly string[],
    range: { readonly min: number; readonly max: number; readonly whole?: boolean },
  ): number | undefined {
    const wanted = `a ${range.whole === true ? "whole " : ""}number from ${range.min} to ${range.max}`;
    return this.#typed(
      parent,
      key,
      path,
      wanted,
      (value): value is number =>
        typeof value === "number" &&
        value >= range.min &&
        value <= range.max &&
        (range.whole !== true || Number.isInteger(value)),
    );
  }

  #typed<T>(
    parent: JsonObject,
    key: string,
    path: readonly string[],
    wanted: string,
    accept: (value: unknown) => value is T,
  ): T | undefined {
    if (!Object.hasOwn(parent, key)) return undefined;
    const value = parent[key];
    if (accept(value)) return value;
    throw this.error(
      [...path, key],
      `it is ${JSON.stringify(value)?.slice(0, 80) ?? typeof value}, allowed is ${wanted}`,
    );
  }
}
