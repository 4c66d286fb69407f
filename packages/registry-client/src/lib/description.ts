import { tryParseDigest } from "@lading/core-manifest";
import { invalidAnswer, isObject, optional, optionalString, stringList, type JsonObject } from "./json.ts";
import type { RegistryDescription } from "./ports.ts";
import { RegistryClientError } from "./registry-client-error.ts";
import type { RegistryConfig } from "./registry-config.ts";

/** Where a registry describes itself, below its URL. */
export const DESCRIPTION_PATH = ".well-known/lading.json";

const ACTION = "read the registry's description";

/** What a directory of files is where it has no description: the layout of `docs/spec/index.md` and no API. */
export function staticDescription(registry: RegistryConfig): RegistryDescription {
  return {
    protocol: 1,
    mode: "static",
    index: registry.url,
    blobs: new URL("blobs/sha256/", registry.url).href,
    auth: [],
    limits: {},
    signatures: "optional",
    keys: [],
  };
}

/**
 * Reads `/.well-known/lading.json`. Relative addresses count from the registry's URL; unknown keys are ignored.
 * @throws {RegistryClientError} `REGISTRY_ANSWER_INVALID`, `REGISTRY_PROTOCOL_UNSUPPORTED`
 */
export function parseDescription(bytes: Uint8Array, registry: RegistryConfig): RegistryDescription {
  const value = parseJson(bytes, registry);
  checkProtocol(value.protocol, registry);
  const base = (key: string): string | undefined => baseUrl(value[key], key, registry);
  const fallback = staticDescription(registry);
  const mode = optionalString(value.mode);
  return {
    protocol: 1,
    ...optional("name", optionalString(value.name)),
    mode: mode === "development" || mode === "production" ? mode : "static",
    index: base("index") ?? fallback.index,
    blobs: base("blobs") ?? fallback.blobs,
    ...optional("api", base("api")),
    auth: stringList(value.auth),
    limits:
      isObject(value.limits) && typeof value.limits.packageBytes === "number"
        ? { packageBytes: value.limits.packageBytes }
        : {},
    ...optional("uploads", uploadsOf(value.uploads)),
    signatures: value.signatures === "required" ? "required" : "optional",
    keys: stringList(value.keys),
    ...optional("metadata", base("metadata")),
    ...optional("files", address(value.files, registry)),
    ...optional("root", rootOf(value.root)),
    ...optional("mirrorOf", isObject(value.mirror) ? optionalString(value.mirror.of) : undefined),
    ...optional("releaseAge", isObject(value.mirror) ? releaseAgeOf(value.mirror) : undefined),
    ...optional("log", logOf(value.log, registry)),
  };
}

// What makes no sense is as if it were not there: a package can always be sent in one request.
function uploadsOf(value: unknown): RegistryDescription["uploads"] {
  if (!isObject(value)) return undefined;
  const { from_bytes: from, part_bytes: part } = value;
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(part) || Number(part) < 1) return undefined;
  return { fromBytes: Number(from), partBytes: Number(part) };
}

function releaseAgeOf({ minimumReleaseAge, exceptions }: JsonObject): RegistryDescription["releaseAge"] {
  if (typeof minimumReleaseAge !== "number" || !(minimumReleaseAge > 0)) return undefined;
  return { minimumMs: minimumReleaseAge * 1000, except: stringList(exceptions) };
}

function rootOf(value: unknown): RegistryDescription["root"] {
  if (!isObject(value) || !Number.isSafeInteger(value.version) || Number(value.version) < 1) return undefined;
  return { version: Number(value.version), ...optional("digest", tryParseDigest(value.digest)) };
}

function logOf(value: unknown, registry: RegistryConfig): RegistryDescription["log"] {
  if (!isObject(value)) return undefined;
  const { origin, key } = value;
  const url = baseUrl(value.url, "log.url", registry);
  if (typeof origin !== "string" || typeof key !== "string" || url === undefined) {
    throw invalidAnswer(ACTION, registry.name, `"log" needs "origin", "key" and "url"`);
  }
  return { origin, key, url };
}

function address(value: unknown, registry: RegistryConfig): string | undefined {
  return baseUrl(value, "files", registry)?.slice(0, -1);
}

function parseJson(bytes: Uint8Array, registry: RegistryConfig): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw invalidAnswer(ACTION, registry.name, `"${DESCRIPTION_PATH}" is not JSON`, error);
  }
  if (!isObject(value)) throw invalidAnswer(ACTION, registry.name, `"${DESCRIPTION_PATH}" is not an object`);
  return value;
}

function checkProtocol(protocol: unknown, registry: RegistryConfig): void {
  if (protocol === 1) return;
  if (typeof protocol !== "number") {
    throw invalidAnswer(ACTION, registry.name, `"protocol" is ${JSON.stringify(protocol) ?? "absent"}, expected 1`);
  }
  throw new RegistryClientError({
    code: "REGISTRY_PROTOCOL_UNSUPPORTED",
    message: `Cannot use registry "${registry.name}": it speaks protocol ${protocol}, this release speaks 1`,
    hint: "Upgrade the tool",
    registry: registry.name,
    protocol,
  });
}

function baseUrl(value: unknown, key: string, registry: RegistryConfig): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string" || !URL.canParse(value, registry.url)) {
    throw invalidAnswer(ACTION, registry.name, `"${key}" is not a URL`);
  }
  const url = new URL(value, registry.url);
  const own = new URL(registry.url);
  // The description must not lead a client from https: to http:, or from a network to the local disk and back.
  if (url.protocol !== own.protocol && url.protocol !== "https:") {
    throw invalidAnswer(
      ACTION,
      registry.name,
      `"${key}" is a ${url.protocol} address, the registry's own is ${own.protocol}`,
    );
  }
  return url.href.endsWith("/") ? url.href : `${url.href}/`;
}
