import { createHmac, randomBytes } from "node:crypto";

/** What a secret begins with (Standard Webhooks 1.0 §signature scheme). */
const SECRET_PREFIX = "whsec_";
const SECRET_BYTES = 32;

/** A secret that only the server and the receiver know: `whsec_` and 32 random bytes in base64. */
export function generateWebhookSecret(): string {
  return `${SECRET_PREFIX}${randomBytes(SECRET_BYTES).toString("base64")}`;
}

/** What is signed and sent. */
export interface WebhookMessage {
  /** The same for every try, so that a receiver can tell one that it has had. */
  readonly id: string;
  /** Seconds since the epoch, of this try. */
  readonly timestamp: number;
  readonly payload: string;
}

/** One signature, as it stands in `webhook-signature`: `v1,` and HMAC-SHA256 of `id.timestamp.payload` in base64. */
export function webhookSignature({ id, timestamp, payload }: WebhookMessage, secret: string): string {
  const key = Buffer.from(secret.slice(SECRET_PREFIX.length), "base64");
  return `v1,${createHmac("sha256", key).update(`${id}.${timestamp}.${payload}`).digest("base64")}`;
}

/** The headers of a message, signed with every secret that counts at this time. */
export function webhookHeaders(message: WebhookMessage, secrets: readonly string[]): Record<string, string> {
  return {
    "content-type": "application/json",
    "webhook-id": message.id,
    "webhook-timestamp": String(message.timestamp),
    "webhook-signature": secrets.map((secret) => webhookSignature(message, secret)).join(" "),
  };
}
