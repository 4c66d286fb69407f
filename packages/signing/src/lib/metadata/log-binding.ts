import { encodeBase64, tryDecodeBase64 } from "../bytes.ts";
import { MetadataError } from "./metadata-error.ts";
import type { JsonObject } from "./strict-json.ts";

/** The state of the transparency log that a timestamp binds (`docs/spec/registry-metadata.md`). */
export interface LogBinding {
  /** Origin line of the log's checkpoints. */
  readonly origin: string;
  /** Leaves. */
  readonly size: number;
  /** 32 bytes: the RFC 6962 tree hash of that many leaves. */
  readonly root: Uint8Array;
  /** Text form of the log's key; absent in metadata of before it was stated. */
  readonly key?: string | undefined;
}

/** Name of the member of a timestamp's signed part. */
export const LOG_MEMBER = "x-lading-log";

export function writeLogBinding({ origin, size, root, key }: LogBinding): JsonObject {
  return { ...(key === undefined ? {} : { key }), origin, root: encodeBase64(root), size };
}

/**
 * The log that a timestamp binds; `undefined` where it binds none.
 * @throws {MetadataError} `METADATA_MALFORMED` for one that cannot be read
 */
export function readLogBinding(timestamp: JsonObject): LogBinding | undefined {
  const value = timestamp[LOG_MEMBER];
  if (value === undefined) return undefined;
  const { origin, size, root, key } = (typeof value === "object" && value !== null ? value : {}) as JsonObject;
  const hash = typeof root === "string" ? tryDecodeBase64(root) : undefined;
  const keyed = key === undefined || typeof key === "string";
  if (typeof origin !== "string" || typeof size !== "number" || size < 0 || hash?.length !== 32 || !keyed) {
    throw new MetadataError({
      code: "METADATA_MALFORMED",
      message: `Cannot read the metadata: "${LOG_MEMBER}" needs "origin", "size" and "root" of 32 bytes in base64`,
    });
  }
  return { origin, size, root: hash, ...(key === undefined ? {} : { key }) };
}
