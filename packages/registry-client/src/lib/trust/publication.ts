import type { PublishEvent } from "@lading/signing/log";
import type { WantedProof } from "./trust-client-types.ts";

/**
 * The publication that an entry of a log records; what reads logs is loaded by those who ask.
 * @throws {LogError} `LOG_EVENT_INVALID`; `LOG_INCLUSION_INVALID` where it is another entry than that of the file
 */
export async function publicationOf(entry: Uint8Array, wanted: WantedProof): Promise<PublishEvent> {
  const proofs = await import("./log-proofs.ts");
  return proofs.publicationOf(entry, wanted);
}
