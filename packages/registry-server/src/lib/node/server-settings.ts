import { parseDuration, parseSize } from "@lading/core-manifest";
import { RECOVERY_WAIT_DAYS } from "@lading/signing/publisher";
import { DEFAULT_UPLOADS } from "../uploads/upload-options.ts";
import { RECOVERY_DAYS } from "../trust/publisher-keys.ts";
import type { Setting, SettingValue } from "./setting.ts";
import { IDENTITY_SETTINGS } from "./identity-settings.ts";
import { QUOTA_SETTINGS } from "./quota-settings.ts";
import { UPSTREAM_SETTINGS } from "./upstream-settings.ts";
import { DECODE_BUDGET_BYTES, DEFAULT_SETTINGS } from "./node-registry.ts";

/** Every setting, in the order in which help and documents list them. */
export const SETTINGS: readonly Setting[] = [
  {
    key: "server.host",
    variables: ["REGISTRY_HOST"],
    flag: "host",
    kind: "text",
    default: "127.0.0.1",
    summary: "Address to listen on; 0.0.0.0 for every interface",
  },
  {
    key: "server.port",
    variables: ["REGISTRY_PORT"],
    flag: "port",
    kind: "number",
    minimum: 0,
    maximum: 65535,
    default: "8080",
    summary: "Port to listen on; 0 for any free one",
  },
  {
    key: "server.data",
    variables: ["REGISTRY_DATA_DIR"],
    flag: "data",
    kind: "text",
    default: "./lading-data",
    summary: "Directory of database, blobs and index",
  },
  {
    key: "server.url",
    variables: ["REGISTRY_URL"],
    flag: "url",
    kind: "url",
    summary: "Public base URL, used in links; the origin of each request unless set",
  },
  {
    key: "server.cdn_url",
    variables: ["REGISTRY_CDN_URL"],
    flag: "cdn-url",
    kind: "url",
    summary:
      "Base URL of a CDN in front of /blobs/, which clients then download from; ignored unless everybody may read",
  },
  {
    key: "server.cdn_purge_url",
    variables: ["REGISTRY_CDN_PURGE_URL"],
    flag: "cdn-purge-url",
    kind: "url",
    summary: "Address that is told, signed as webhooks are, which files a CDN must forget after a change",
  },
  {
    key: "server.cdn_purge_secret",
    variables: ["REGISTRY_CDN_PURGE_SECRET"],
    flag: "cdn-purge-secret",
    kind: "text",
    secret: true,
    summary: "Signs what it is told: whsec_ and at least 24 bytes in base64",
  },
  {
    key: "server.name",
    variables: ["REGISTRY_NAME"],
    flag: "name",
    kind: "text",
    default: DEFAULT_SETTINGS.name,
    summary: "Name shown to people",
  },
  {
    key: "server.mode",
    variables: ["REGISTRY_MODE"],
    flag: "mode",
    kind: "choice",
    choices: ["development", "production"],
    default: "development",
    summary: "production demands JWT_SECRET_KEY, signed packages and closes registration",
  },
  {
    key: "server.trust_proxy",
    variables: ["REGISTRY_TRUST_PROXY"],
    flag: "trust-proxy",
    kind: "boolean",
    default: "false",
    summary: "Believe X-Forwarded-For and X-Forwarded-Proto",
  },
  {
    key: "server.shutdown_timeout",
    variables: ["REGISTRY_SHUTDOWN_TIMEOUT"],
    flag: "shutdown-timeout",
    kind: "duration",
    default: "10s",
    summary: "How long SIGTERM waits for requests in flight",
  },
  {
    key: "server.log_level",
    variables: ["REGISTRY_LOG_LEVEL"],
    flag: "log-level",
    kind: "choice",
    choices: ["info", "warn", "error", "silent"],
    default: "info",
    summary: "Least severe log lines to write (JSON on standard output)",
  },
  {
    key: "storage.database_url",
    variables: ["DATABASE_URL"],
    flag: "database-url",
    kind: "text",
    summary:
      "postgresql://user:password@host/database, or sqlite:///path/to/file; a file below the data directory unless set",
  },
  {
    key: "storage.s3_bucket",
    variables: ["S3_BUCKET_NAME"],
    flag: "s3-bucket",
    kind: "text",
    summary: "S3 bucket of blobs and index; files below the data directory unless set",
  },
  {
    key: "storage.s3_region",
    variables: ["S3_REGION", "AWS_REGION"],
    flag: "s3-region",
    kind: "text",
    default: "us-east-1",
    summary: "Region of the bucket",
  },
  {
    key: "storage.s3_endpoint",
    variables: ["S3_ENDPOINT_URL"],
    flag: "s3-endpoint",
    kind: "url",
    summary: "Address of an S3-compatible store other than Amazon's",
  },
  {
    key: "storage.s3_prefix",
    variables: ["S3_PREFIX"],
    flag: "s3-prefix",
    kind: "text",
    summary: "Put before every key in the bucket, without slash at its end",
  },
  {
    key: "storage.s3_access_key",
    variables: ["AWS_ACCESS_KEY_ID"],
    flag: "s3-access-key",
    kind: "text",
    summary: "Access key of the bucket",
  },
  {
    key: "storage.s3_secret_key",
    variables: ["AWS_SECRET_ACCESS_KEY"],
    flag: "s3-secret-key",
    kind: "text",
    secret: true,
    summary: "Secret key of the bucket",
  },
  {
    key: "storage.s3_session_token",
    variables: ["AWS_SESSION_TOKEN"],
    flag: "s3-session-token",
    kind: "text",
    secret: true,
    summary: "Session token of temporary keys",
  },
  {
    key: "storage.s3_redirect",
    variables: ["S3_REDIRECT_DOWNLOADS"],
    flag: "s3-redirect",
    kind: "boolean",
    default: "false",
    summary: "Send readers of packages to the bucket, with addresses that are good for five minutes",
  },
  {
    key: "storage.s3_redirect_uploads",
    variables: ["S3_REDIRECT_UPLOADS"],
    flag: "s3-redirect-uploads",
    kind: "boolean",
    default: "false",
    summary: "Let publishers of large packages send them to the bucket, with addresses that are good for 15 minutes",
  },
  {
    key: "storage.redis_url",
    variables: ["REDIS_URL"],
    flag: "redis-url",
    kind: "text",
    summary:
      "redis://user:password@host:port/number, for what servers share and may lose; the server's memory unless set",
  },
  {
    key: "packages.max_size",
    variables: ["REGISTRY_MAX_PACKAGE_SIZE"],
    flag: "max-package-size",
    kind: "size",
    minimum: 1024,
    default: "2GiB",
    summary: "Largest package file",
  },
  {
    key: "packages.retention",
    variables: ["REGISTRY_RETENTION"],
    flag: "retention",
    kind: "text",
    summary: "TOML file of what is removed after a time: pre-releases, rejected and undecided publications",
  },
  {
    key: "packages.upload_from",
    variables: ["REGISTRY_UPLOAD_FROM"],
    flag: "upload-from",
    kind: "size",
    minimum: 1,
    default: `${DEFAULT_UPLOADS.fromBytes / 2 ** 20}MiB`,
    summary: "Size from which on clients send a package in parts, which can be resumed",
  },
  {
    key: "packages.upload_part",
    variables: ["REGISTRY_UPLOAD_PART"],
    flag: "upload-part",
    kind: "size",
    minimum: 64 * 1024,
    default: `${DEFAULT_UPLOADS.partBytes / 2 ** 20}MiB`,
    summary: "Size of such a part, below what proxies in front of the server take",
  },
  {
    key: "packages.upload_lease",
    variables: ["REGISTRY_UPLOAD_LEASE"],
    flag: "upload-lease",
    kind: "duration",
    default: `${DEFAULT_UPLOADS.leaseMs / 3_600_000}h`,
    summary: "How long a package that comes in parts waits for its next bytes before it is forgotten",
  },
  {
    key: "packages.decode_budget",
    variables: ["REGISTRY_DECODE_BUDGET"],
    flag: "decode-budget",
    kind: "size",
    minimum: 2 ** 20,
    default: `${DECODE_BUDGET_BYTES / 2 ** 20}MiB`,
    summary: "Memory that all decompressions share",
  },
  {
    key: "packages.index_memory",
    variables: ["REGISTRY_INDEX_MEMORY"],
    flag: "index-memory",
    kind: "size",
    minimum: 2 ** 20,
    default: "128MiB",
    summary: "Memory for rendered index documents",
  },
  {
    key: "packages.reserved_names",
    variables: ["REGISTRY_RESERVED_NAMES"],
    flag: "reserved-names",
    kind: "list",
    default: DEFAULT_SETTINGS.reservedNames.join(","),
    summary: "Names that nobody may publish, comma-separated",
  },
  {
    key: "security.require_signatures",
    variables: ["REGISTRY_REQUIRE_SIGNATURES"],
    flag: "require-signatures",
    kind: "boolean",
    summary: "Accept signed packages only; true in production mode, else false",
  },
  {
    key: "security.allow_unsigned_packages",
    variables: ["ALLOW_UNSIGNED_PACKAGES"],
    flag: "allow-unsigned-packages",
    kind: "boolean",
    negates: "security.require_signatures",
    summary: "The opposite of require_signatures, under its other name",
  },
  {
    key: "security.jwt_secret",
    variables: ["JWT_SECRET_KEY"],
    flag: "jwt-secret",
    kind: "text",
    secret: true,
    summary: "Signs session tokens, at least 32 bytes; made and kept in the data directory in development mode",
  },
  {
    key: "security.key_passphrase",
    variables: ["REGISTRY_KEY_PASSPHRASE"],
    flag: "key-passphrase",
    kind: "text",
    secret: true,
    summary: "Encrypts and opens the key files of metadata and log; in the clear, mode 0600, unless set",
  },
  {
    key: "security.keys",
    variables: ["REGISTRY_KEYS_DIR"],
    flag: "keys-dir",
    kind: "text",
    summary:
      "Directory of the keys of metadata and log, the same for every server; keys in the data directory unless set",
  },
  {
    key: "security.package_signing_key",
    variables: ["PACKAGE_SIGNING_KEY"],
    flag: "package-signing-key",
    kind: "text",
    summary: "Key file whose public half is registered with the account admin; a private one countersigns the log",
  },
  {
    key: "security.publishers",
    variables: ["REGISTRY_PUBLISHERS"],
    flag: "publishers",
    kind: "text",
    summary: "TOML file of rules about who may publish and must sign packages, by name pattern",
  },
  {
    key: "security.policy",
    variables: ["REGISTRY_POLICY"],
    flag: "policy",
    kind: "text",
    summary: "TOML file of rules about publications, by name pattern: review, licences, signatures, similar names",
  },
  {
    key: "security.recovery_wait_days",
    variables: ["REGISTRY_RECOVERY_WAIT_DAYS"],
    flag: "recovery-wait-days",
    kind: "number",
    minimum: RECOVERY_WAIT_DAYS.least,
    maximum: RECOVERY_WAIT_DAYS.most,
    default: String(RECOVERY_DAYS),
    summary: "Days that the recovery of a publisher's lost key waits, in which the old key can object",
  },
  {
    key: "security.login_rate_limit",
    variables: ["REGISTRY_LOGIN_RATE_LIMIT"],
    flag: "login-rate-limit",
    kind: "number",
    minimum: 0,
    maximum: 1_000_000,
    default: "30",
    summary: "Log-in attempts a minute for each address and each user; 0: no limit",
  },
  {
    key: "security.rate_limit",
    variables: ["REGISTRY_RATE_LIMIT"],
    flag: "rate-limit",
    kind: "number",
    minimum: 0,
    maximum: 100_000_000,
    default: "0",
    summary: "API requests a minute for each address; 0: no limit",
  },
  {
    key: "security.outbound_allow",
    variables: ["REGISTRY_OUTBOUND_ALLOW"],
    flag: "outbound-allow",
    kind: "list",
    summary:
      "Hosts (name, name:port, *.name) and ranges of addresses (10.1.0.0/16) that the server may connect to beside the public Internet, comma-separated",
  },
  {
    key: "access.read_public",
    variables: ["REGISTRY_READ_PUBLIC"],
    flag: "read-public",
    kind: "boolean",
    default: "true",
    summary: "Everybody may read; false: reading needs credentials",
  },
  {
    key: "access.write_requires_auth",
    variables: ["REGISTRY_WRITE_REQUIRES_AUTH"],
    flag: "write-requires-auth",
    kind: "boolean",
    default: "true",
    summary: "false lets everybody publish, in development mode only",
  },
  {
    key: "access.file",
    variables: ["REGISTRY_ACCESS_FILE"],
    flag: "access-file",
    kind: "text",
    summary: "TOML file of who may read, publish and administer packages, by name pattern; read again on SIGHUP",
  },
  {
    key: "access.registration",
    variables: ["REGISTRY_REGISTRATION"],
    flag: "registration",
    kind: "choice",
    choices: ["open", "closed"],
    summary: "Whether people create their own accounts; closed in production mode, else open",
  },
  ...IDENTITY_SETTINGS,
  ...UPSTREAM_SETTINGS,
  ...QUOTA_SETTINGS,
];

/** Kind of a setting in words, for help and messages. */
export function allowedForm(setting: Setting): string {
  const range =
    setting.maximum === undefined ? `${setting.minimum ?? 0} or more` : `${setting.minimum ?? 0} to ${setting.maximum}`;
  switch (setting.kind) {
    case "boolean":
      return "true or false";
    case "choice":
      return setting.choices!.map((choice) => `"${choice}"`).join(", ");
    case "number":
      return `a whole number, ${range}`;
    case "size":
      return `a size such as 512MiB or 2GB, at least ${setting.minimum ?? 0} bytes`;
    case "duration":
      return "a duration such as 500ms, 10s or 1m";
    case "list":
      return "names separated by commas";
    case "url":
      return "an http or https URL without query or fragment";
    case "text":
      return "text that is not empty";
  }
}

function tryParse<Value>(work: () => Value): Value | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

function parseUrl(text: string): string | undefined {
  const url = tryParse(() => new URL(text));
  if (
    url === undefined ||
    !/^https?:$/.test(url.protocol) ||
    url.search !== "" ||
    url.hash !== "" ||
    url.username !== ""
  )
    return undefined;
  return url.href.replace(/\/+$/, "");
}

const WORDS: Readonly<Record<string, boolean>> = {
  true: true,
  "1": true,
  yes: true,
  on: true,
  false: false,
  "0": false,
  no: false,
  off: false,
};

function parseKind(setting: Setting, text: string): SettingValue | undefined {
  switch (setting.kind) {
    case "boolean":
      return Object.hasOwn(WORDS, text.toLowerCase()) ? WORDS[text.toLowerCase()] : undefined;
    case "choice":
      return setting.choices!.find((choice) => choice === text.toLowerCase());
    case "number":
      return /^\d{1,12}$/.test(text) ? Number(text) : undefined;
    case "size":
      return tryParse(() => parseSize(text));
    case "duration":
      return tryParse(() => parseDuration(text));
    case "list":
      return text
        .split(",")
        .map((part) => part.trim())
        .filter((part) => part !== "");
    case "url":
      return parseUrl(text);
    case "text":
      return text === "" ? undefined : text;
  }
}

/** The value that `text` writes, or `undefined` where it is not allowed. Never throws. */
export function parseSetting(setting: Setting, text: string): SettingValue | undefined {
  const value = parseKind(setting, text.trim());
  if (typeof value !== "number") return value;
  return value >= (setting.minimum ?? 0) && value <= (setting.maximum ?? Number.MAX_SAFE_INTEGER) ? value : undefined;
}

export type { Setting, SettingValue } from "./setting.ts";
