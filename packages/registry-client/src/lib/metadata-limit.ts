import { invalidAnswer } from "./json.ts";
import type { RegistryConfig } from "./registry-config.ts";

/** Most bytes of a metadata document or an API answer. */
export const METADATA_LIMIT_BYTES: number = 64 * 1024 * 1024;

/** @throws {RegistryClientError} `REGISTRY_ANSWER_INVALID` for more bytes than a document may have */
export function refuseLong(bytes: Uint8Array, action: string, { name }: RegistryConfig): void {
  if (bytes.length <= METADATA_LIMIT_BYTES) return;
  throw invalidAnswer(action, name, `it is larger than ${METADATA_LIMIT_BYTES} bytes`);
}
