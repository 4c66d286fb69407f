import { RegistryError } from "../registry-error.ts";

/** What an upstream says of itself; nothing of it is trusted but as a place to look. */
export interface UpstreamDescription {
  /** The root that it says is in force. */
  readonly rootVersion: number;
  /** Text form of its log's key, for metadata that does not state it. */
  readonly logKey: string | undefined;
  /** Name shown to people. */
  readonly name: string | undefined;
}

/** A file that is asked for. */
export interface WantedFile {
  /** Below the upstream's address, without leading slash. */
  readonly path: string;
  /** More is refused. */
  readonly maxBytes: number;
}

/**
 * Where an upstream's files come from: its address, or a directory that was carried here. Nothing that it gives is trusted.
 * Every method throws `UPSTREAM_UNAVAILABLE` where it cannot say, and `UPSTREAM_REFUSED` for what cannot be meant.
 */
export interface UpstreamSource {
  describe(): Promise<UpstreamDescription>;
  /** Files in the order asked for; `undefined` where there is none. */
  read(wanted: readonly WantedFile[]): Promise<readonly (Uint8Array | undefined)[]>;
  /** The bytes of a blob as they come; `undefined` where there is none. */
  open(path: string): Promise<AsyncIterable<Uint8Array> | undefined>;
}

/** An upstream that cannot be asked. */
export function unavailable(upstream: string, problem: string, cause?: unknown): RegistryError {
  return new RegistryError({
    code: "UPSTREAM_UNAVAILABLE",
    message: `Cannot ask upstream "${upstream}": ${problem}`,
    hint: "What was fetched before is served on; try again when the upstream answers",
    upstream,
    retryAfter: 30,
    ...(cause === undefined ? {} : { cause }),
  });
}

/** An upstream whose files do not hold. */
export function refusedUpstream(upstream: string, problem: string, cause?: unknown): RegistryError {
  const code = (cause as { code?: unknown } | undefined)?.code;
  return new RegistryError({
    code: "UPSTREAM_REFUSED",
    message: `Cannot use what upstream "${upstream}" serves: ${problem}`,
    hint: "Nothing of it is served; what was verified before stays. If it persists, tell the upstream's operator",
    upstream,
    ...(typeof code === "string" ? { reason: code } : {}),
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Reads one file whole. @throws {RegistryError} `UPSTREAM_REFUSED` where it is longer than is allowed */
export async function readAll(
  chunks: AsyncIterable<Uint8Array>,
  { path, maxBytes }: WantedFile,
  upstream: string,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > maxBytes)
      throw refusedUpstream(upstream, `"${path}" has more than the ${maxBytes} bytes that are allowed`);
    parts.push(chunk);
  }
  return Buffer.concat(parts);
}

type Json = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Reads `/.well-known/lading.json`. @throws {RegistryError} `UPSTREAM_REFUSED` */
export function readDescription(bytes: Uint8Array, upstream: string): Json & { readonly metadata: string } {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw refusedUpstream(upstream, "its description is not JSON", cause);
  }
  if (!isObject(value) || value["protocol"] !== 1) {
    throw refusedUpstream(upstream, "its description is not one of protocol 1");
  }
  const { metadata } = value;
  if (typeof metadata === "string") return { ...value, metadata };
  throw refusedUpstream(upstream, "it has no signed metadata, so that nothing of it could be verified");
}

/** What a description says beside addresses. */
export function describedBy(value: Json): UpstreamDescription {
  const { root, log, name } = value;
  const version = isObject(root) && Number.isSafeInteger(root["version"]) ? Number(root["version"]) : 1;
  const key = isObject(log) ? log["key"] : undefined;
  return {
    rootVersion: Math.max(1, version),
    logKey: typeof key === "string" ? key : undefined,
    name: typeof name === "string" ? name.slice(0, 100) : undefined,
  };
}
