import type { EventListener } from "@lading/core-manifest";
import type { PublishInput } from "./client-types.ts";
import { redactUrl } from "./registry-url.ts";
import type { Session } from "./session.ts";

// Small, so that little of it waits for the garbage collector: 100 MB pass through a process of 127 MB, 85 of them Node's.
export const CHUNK_BYTES: number = 64 * 1024;
const EVENT_EVERY_BYTES = 256 * 1024;

/** Tells how many bytes have left, now and then, and never less than before. */
export function tellProgress(session: Session, url: string, input: PublishInput): (uploadedBytes: number) => void {
  const onEvent: EventListener = (event) => {
    session.onEvent(event);
    if (input.onEvent !== session.onEvent) input.onEvent?.(event);
  };
  let announced = -EVENT_EVERY_BYTES;
  return (uploadedBytes) => {
    if (uploadedBytes < input.size && uploadedBytes < announced + EVENT_EVERY_BYTES) return;
    announced = Math.max(announced, uploadedBytes);
    onEvent({ type: "uploading", url: redactUrl(url), uploadedBytes: announced, totalBytes: input.size });
  };
}
