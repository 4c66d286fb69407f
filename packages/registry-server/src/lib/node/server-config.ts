import { CoreError, canonicalName, parsePackageName } from "@lading/core-manifest";
import { readFileSync } from "node:fs";
import { parse as parseToml } from "smol-toml";
import type { RegistrySettings } from "../settings.ts";
import { RegistryError } from "../registry-error.ts";
import { readPublisherRules } from "./publisher-rules-file.ts";
import { ACCESS_FILE_KEY, isAccessKey, readAccessConfig, type AccessConfig } from "./access-config.ts";
import { identityConfig } from "./identity-config.ts";
import { quotaConfig } from "./quota-settings.ts";
import { upstreamConfig } from "./upstream-config.ts";
import { DEFAULT_SETTINGS, type NodeRegistryOptions } from "./node-registry.ts";
import { isAllowedHostEntry } from "./outbound.ts";
import { readRetentionFile } from "./retention-file.ts";
import { readPolicyFile } from "./policy-file.ts";
import { parsePostgresUrl } from "./postgres-pool.ts";
import { S3_OBJECT_MAX } from "./s3-blob-store.ts";
import type { StoreOptions } from "./stores.ts";
import type { ConfigValues } from "./setting.ts";
import { SETTINGS, allowedForm, parseSetting, type Setting, type SettingValue } from "./server-settings.ts";

/** Where the settings come from; later in this list wins: defaults, file, environment, flags. */
export interface ConfigSources {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Flags by name without dashes. */
  readonly flags: Readonly<Record<string, string>>;
  /** TOML file; `REGISTRY_CONFIG` of the environment unless given. */
  readonly file?: string;
  /** In place of the table's, for branded servers. */
  readonly defaults?: Readonly<Record<string, string>>;
}

/** One setting as it came out. */
export interface ResolvedSetting {
  readonly setting: Setting;
  readonly value: SettingValue;
  /** `default`, `file …`, the variable's or the flag's name. */
  readonly origin: string;
}

/** Everything that a server process needs. */
export interface ServerConfig {
  readonly host: string;
  readonly port: number;
  readonly shutdownTimeoutMs: number;
  readonly logLevel: "info" | "warn" | "error" | "silent";
  readonly registry: NodeRegistryOptions;
  /** Every setting that has a value, with where it came from. */
  readonly resolved: readonly ResolvedSetting[];
}

interface Written {
  readonly text: string;
  readonly origin: string;
}

const JWT_SECRET_MIN_BYTES = 32;
// What tutorials and this project's documents show is not a secret.
const WEAK_SECRET = /^(.)\1*$|your-jwt-secret|changeme|change-me|password/i;

function wrong(setting: Setting, { text, origin }: Written): RegistryError {
  const shown = setting.secret === true ? "(hidden)" : `"${text.slice(0, 100)}"`;
  return new RegistryError({
    code: "SERVER_CONFIG_INVALID",
    message: `Cannot use ${origin}: its value is ${shown}, allowed is ${allowedForm(setting)}`,
    hint: "lading-registry --help lists every setting",
    setting: setting.key,
  });
}

function readTable(file: string): Map<string, string> {
  let table: unknown;
  try {
    table = parseToml(readFileSync(file, "utf8"));
  } catch (cause) {
    throw new RegistryError({
      code: "SERVER_CONFIG_INVALID",
      message: `Cannot read configuration file "${file}": ${(cause as Error).message.split("\n")[0]}`,
      hint: "REGISTRY_CONFIG or --config names a TOML file that the server may read; lading-registry --help lists its keys",
      cause,
    });
  }
  const found = new Map<string, string>();
  flatten(table, "", found);
  const unknown = [...found.keys()].find(
    (key) => !isAccessKey(key) && !SETTINGS.some((setting) => setting.key === key),
  );
  if (unknown === undefined) return found;
  throw new RegistryError({
    code: "SERVER_CONFIG_INVALID",
    message: `Cannot use configuration file "${file}": unknown key "${unknown.slice(0, 100)}", allowed are ${SETTINGS.map(({ key }) => `"${key}"`).join(", ")}`,
    hint: "Correct the spelling; lading-registry --help lists every setting",
  });
}

function flatten(value: unknown, prefix: string, into: Map<string, string>): void {
  if (typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date)) {
    for (const [key, item] of Object.entries(value)) flatten(item, prefix === "" ? key : `${prefix}.${key}`, into);
  } else into.set(prefix, Array.isArray(value) ? value.map(String).join(",") : String(value));
}

interface Files {
  readonly file: string | undefined;
  readonly table: ReadonlyMap<string, string>;
  /** Absent while the place of the access file is looked up. */
  readonly access?: AccessConfig;
}

function writtenValue(setting: Setting, sources: ConfigSources, { table, file, access }: Files): Written | undefined {
  const flag = sources.flags[setting.flag];
  if (flag !== undefined) return { text: flag, origin: `--${setting.flag}` };
  for (const name of setting.variables) {
    const text = sources.env[name];
    // An empty variable is how containers spell "not set".
    if (text !== undefined && text !== "") return { text, origin: name };
  }
  const rule = access?.settings.get(setting.key);
  if (rule !== undefined) return { text: rule.text, origin: `"${setting.key}" in "${rule.file}"` };
  const inFile = table.get(setting.key);
  if (inFile !== undefined) return { text: inFile, origin: `"${setting.key}" in "${file}"` };
  const fallback = sources.defaults?.[setting.key] ?? setting.default;
  return fallback === undefined ? undefined : { text: fallback, origin: "default" };
}

function accessOf(sources: ConfigSources, files: Files): AccessConfig {
  const setting = SETTINGS.find(({ key }) => key === ACCESS_FILE_KEY)!;
  return readAccessConfig(files.file, writtenValue(setting, sources, files)?.text);
}

function resolveAll(sources: ConfigSources): {
  readonly resolved: Map<string, ResolvedSetting>;
  readonly access: AccessConfig;
} {
  const file = sources.file ?? (sources.env["REGISTRY_CONFIG"] || undefined);
  const table = file === undefined ? new Map<string, string>() : readTable(file);
  const access = accessOf(sources, { file, table });
  const resolved = new Map<string, ResolvedSetting>();
  for (const setting of SETTINGS) {
    const written = writtenValue(setting, sources, { file, table, access });
    if (written === undefined) continue;
    const value = parseSetting(setting, written.text);
    if (value === undefined) throw wrong(setting, written);
    resolved.set(setting.key, { setting, value, origin: written.origin });
  }
  return { resolved, access };
}

/** Path of the database file that a `sqlite:` URL names: `sqlite:///relative.db`, `sqlite:////absolute.db`. */
export function sqliteFile(url: string): string | undefined {
  return /^sqlite(?:\+\w+)?:\/\/\/(.+)$/i.exec(url)?.[1] ?? /^sqlite:([^/].*)$/i.exec(url)?.[1];
}

class Values implements ConfigValues {
  readonly #resolved: ReadonlyMap<string, ResolvedSetting>;

  constructor(resolved: ReadonlyMap<string, ResolvedSetting>) {
    this.#resolved = resolved;
  }

  has(key: string): boolean {
    return this.#resolved.has(key);
  }

  origin(key: string): string {
    return this.#resolved.get(key)?.origin ?? "default";
  }

  text(key: string): string {
    return this.#resolved.get(key)!.value as string;
  }

  number(key: string): number {
    return this.#resolved.get(key)!.value as number;
  }

  boolean(key: string): boolean {
    return this.#resolved.get(key)!.value as boolean;
  }

  list(key: string): readonly string[] {
    return this.#resolved.get(key)!.value as readonly string[];
  }
}

function contradiction(message: string, hint: string): RegistryError {
  return new RegistryError({ code: "SERVER_CONFIG_CONTRADICTION", message, hint });
}

function signatures(values: Values, production: boolean): "required" | "optional" {
  const required = "security.require_signatures";
  const unsigned = "security.allow_unsigned_packages";
  if (values.has(required) && values.has(unsigned) && values.boolean(required) === values.boolean(unsigned)) {
    throw contradiction(
      `Cannot use ${values.origin(required)} = ${values.boolean(required)} together with ${values.origin(unsigned)} = ${values.boolean(unsigned)}: they say opposite things of one setting`,
      "Remove one of the two",
    );
  }
  const wanted = values.has(required)
    ? values.boolean(required)
    : values.has(unsigned)
      ? !values.boolean(unsigned)
      : production;
  return wanted ? "required" : "optional";
}

function jwtSecret(values: Values, production: boolean): string | undefined {
  if (!values.has("security.jwt_secret")) {
    if (!production) return undefined;
    throw new RegistryError({
      code: "SERVER_CONFIG_INVALID",
      message: `Cannot start in production mode: JWT_SECRET_KEY is not set, needed are at least ${JWT_SECRET_MIN_BYTES} bytes`,
      hint: "Make one with: openssl rand -base64 48",
    });
  }
  const secret = values.text("security.jwt_secret");
  const length = Buffer.byteLength(secret);
  if (length >= JWT_SECRET_MIN_BYTES && !WEAK_SECRET.test(secret)) return secret;
  const problem =
    length < JWT_SECRET_MIN_BYTES
      ? `it has ${length} bytes, needed are at least ${JWT_SECRET_MIN_BYTES}`
      : "it is not random";
  throw new RegistryError({
    code: "SERVER_CONFIG_INVALID",
    message: `Cannot use ${values.origin("security.jwt_secret")}: ${problem}`,
    hint: "Make one with: openssl rand -base64 48",
  });
}

function writeRequiresAuth(values: Values, production: boolean): boolean {
  const required = values.boolean("access.write_requires_auth");
  if (required || !production) return required;
  throw contradiction(
    `Cannot use ${values.origin("access.write_requires_auth")} = false together with ${values.origin("server.mode")} = production: everybody could publish`,
    "Remove one of the two",
  );
}

function reservedNames(values: Values): readonly string[] {
  return values.list("packages.reserved_names").map((text) => {
    try {
      return canonicalName(parsePackageName(text));
    } catch (error) {
      if (!(error instanceof CoreError)) throw error;
      throw new RegistryError({
        code: "SERVER_CONFIG_INVALID",
        message: `Cannot use ${values.origin("packages.reserved_names")}: ${error.message}`,
        cause: error,
      });
    }
  });
}

function outboundAllow(values: Values): readonly string[] {
  const key = "security.outbound_allow";
  const entries = values.has(key) ? values.list(key) : [];
  const wrongEntry = entries.find((entry) => !isAllowedHostEntry(entry));
  if (wrongEntry === undefined) return entries;
  throw invalid(
    `Cannot use ${values.origin(key)}: "${wrongEntry.slice(0, 100)}" is no host, allowed are git.example, git.example:8443, *.internal.example, an address, and a range such as 10.1.0.0/16`,
    "Leave it out to connect to the public Internet alone",
  );
}

/** Text with a password in a URL left out. */
export function withoutPassword(text: string): string {
  return text.replaceAll(/\/\/[^@/\s"]*@/g, "//***@");
}

function database(values: Values): Pick<StoreOptions, "databaseFile" | "databaseUrl"> {
  if (!values.has("storage.database_url")) return {};
  const url = values.text("storage.database_url");
  const file = sqliteFile(url);
  if (file !== undefined) return { databaseFile: file };
  if (parsePostgresUrl(url) !== undefined) return { databaseUrl: url };
  throw new RegistryError({
    code: "SERVER_CONFIG_INVALID",
    message: `Cannot use ${values.origin("storage.database_url")}: its value is "${withoutPassword(url).slice(0, 100)}", allowed are postgresql://user:password@host/database and sqlite:///path/to/file`,
    hint: "Remove it to use the file below the data directory",
  });
}

function invalid(message: string, hint: string): RegistryError {
  return new RegistryError({ code: "SERVER_CONFIG_INVALID", message, hint });
}

function bucket(values: Values): Pick<StoreOptions, "s3" | "redirectDownloads" | "redirectUploads"> {
  const [name, endpoint] = ["storage.s3_bucket", "storage.s3_endpoint"];
  if (!values.has(name)) {
    // Whoever names the store means to use it; the keys alone may be there for something else.
    if (!values.has(endpoint)) return {};
    throw invalid(
      `Cannot use ${values.origin(endpoint)}: no bucket is named`,
      "Set S3_BUCKET_NAME, or remove the endpoint to keep files below the data directory",
    );
  }
  const [accessKey, secretKey] = ["storage.s3_access_key", "storage.s3_secret_key"];
  if (!values.has(accessKey) || !values.has(secretKey)) {
    throw invalid(
      `Cannot use ${values.origin(name)}: the bucket's keys are not set`,
      "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    );
  }
  if (values.number("packages.max_size") > S3_OBJECT_MAX) {
    throw invalid(
      `Cannot use ${values.origin("packages.max_size")}: its value is ${values.number("packages.max_size")} bytes, a bucket takes ${S3_OBJECT_MAX} in one object`,
      "Set REGISTRY_MAX_PACKAGE_SIZE to 5GiB or less",
    );
  }
  const text = (key: string): string | undefined => (values.has(key) ? values.text(key) : undefined);
  const [prefix, sessionToken, place] = [text("storage.s3_prefix"), text("storage.s3_session_token"), text(endpoint)];
  return {
    s3: {
      bucket: values.text(name),
      region: values.text("storage.s3_region"),
      accessKeyId: values.text(accessKey),
      secretAccessKey: values.text(secretKey),
      ...(place === undefined ? {} : { endpoint: place }),
      ...(sessionToken === undefined ? {} : { sessionToken }),
      ...(prefix === undefined ? {} : { prefix: prefix.replaceAll(/^\/+|\/+$/g, "") }),
    },
    redirectDownloads: values.boolean("storage.s3_redirect"),
    redirectUploads: values.boolean("storage.s3_redirect_uploads"),
  };
}

const PURGE_SECRET_MIN_BYTES = 24;

function cdnPurge(values: Values): Pick<RegistrySettings, "cdnPurge"> {
  const [url, secret] = ["server.cdn_purge_url", "server.cdn_purge_secret"];
  if (!values.has(url)) return {};
  const text = values.has(secret) ? values.text(secret) : "";
  const key = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(text)?.[1] ?? "";
  if (Buffer.from(key, "base64").length >= PURGE_SECRET_MIN_BYTES)
    return { cdnPurge: { url: values.text(url), secret: text } };
  throw invalid(
    `Cannot use ${values.origin(url)}: ${text === "" ? "no secret is set that signs what it is told" : `${values.origin(secret)} is not "whsec_" and at least ${PURGE_SECRET_MIN_BYTES} bytes in base64`}`,
    `Set REGISTRY_CDN_PURGE_SECRET to the output of: echo "whsec_$(openssl rand -base64 32)"`,
  );
}

function retention(values: Values): Pick<RegistrySettings, "retention"> {
  const [key, cdn] = ["packages.retention", "server.cdn_url"];
  if (!values.has(key)) return {};
  const file = values.text(key);
  const policy = readRetentionFile(file);
  // Caches keep package files for a year: what they answer is no download here, and what is popular would look unused.
  if (values.has(cdn) && policy.prereleases.length > 0 && policy.downloadedDays > 0)
    throw contradiction(
      `Cannot use the retention policy in "${file}" together with ${values.origin(cdn)}: with downloaded_days = ${policy.downloadedDays} it keeps pre-releases that were downloaded lately, and downloads that the CDN answers are not seen here`,
      "Set downloaded_days = 0 in the policy to give pre-releases up by number and age alone, or remove its [[prereleases]]",
    );
  return { retention: policy };
}

function registrySettings(values: Values): Partial<Omit<RegistrySettings, "jwtSecret">> {
  const mode = values.text("server.mode") as RegistrySettings["mode"];
  const production = mode === "production";
  return {
    name: values.text("server.name"),
    mode,
    ...(values.has("server.url") ? { publicUrl: values.text("server.url") } : {}),
    ...(values.has("server.cdn_url") ? { cdnUrl: values.text("server.cdn_url") } : {}),
    ...cdnPurge(values),
    signatures: signatures(values, production),
    registration: values.has("access.registration")
      ? (values.text("access.registration") as "open" | "closed")
      : production
        ? "closed"
        : "open",
    readPublic: values.boolean("access.read_public"),
    writeRequiresAuth: writeRequiresAuth(values, production),
    packageBytes: values.number("packages.max_size"),
    quotas: quotaConfig(values),
    ...retention(values),
    uploads: {
      fromBytes: values.number("packages.upload_from"),
      partBytes: values.number("packages.upload_part"),
      leaseMs: values.number("packages.upload_lease"),
    },
    reservedNames: reservedNames(values),
    ...(values.has("security.publishers")
      ? { publishers: readPublisherRules(values.text("security.publishers")) }
      : {}),
    ...(values.has("security.policy") ? { publicationRules: readPolicyFile(values.text("security.policy")) } : {}),
    recoveryWaitDays: values.number("security.recovery_wait_days"),
    trustProxy: values.boolean("server.trust_proxy"),
    requestsPerMinute: values.number("security.rate_limit"),
    loginsPerMinute: values.number("security.login_rate_limit"),
    indexMemoryBytes: values.number("packages.index_memory"),
  };
}

/**
 * Reads the server's configuration: defaults, then the TOML file, then the environment, then flags.
 * @throws {RegistryError} `SERVER_CONFIG_INVALID`, `SERVER_CONFIG_CONTRADICTION`, `ACCESS_RULES_INVALID`; each names the
 * variable, flag or key, its value and what is allowed
 */
export function loadServerConfig(sources: ConfigSources): ServerConfig {
  const { resolved, access } = resolveAll(sources);
  const values = new Values(resolved);
  const secret = jwtSecret(values, values.text("server.mode") === "production");
  return {
    host: values.text("server.host"),
    port: values.number("server.port"),
    shutdownTimeoutMs: values.number("server.shutdown_timeout"),
    logLevel: values.text("server.log_level") as ServerConfig["logLevel"],
    registry: {
      ...DEFAULT_SETTINGS,
      ...registrySettings(values),
      ...identityConfig(values),
      ...(access.access === undefined ? {} : { access: access.access }),
      dataDirectory: values.text("server.data"),
      decodeBudgetBytes: values.number("packages.decode_budget"),
      outboundAllow: outboundAllow(values),
      upstreams: upstreamConfig(values, sources.env),
      ...database(values),
      ...bucket(values),
      ...(values.has("storage.redis_url") ? { redisUrl: values.text("storage.redis_url") } : {}),
      ...(values.has("security.keys") ? { keyDirectory: values.text("security.keys") } : {}),
      ...(secret === undefined ? {} : { jwtSecret: secret }),
      ...(values.has("security.key_passphrase") ? { keyPassphrase: values.text("security.key_passphrase") } : {}),
      ...(values.has("security.package_signing_key")
        ? { signingKeyFile: values.text("security.package_signing_key") }
        : {}),
    },
    resolved: [...resolved.values()],
  };
}
