import { z } from "@hono/zod-openapi";
import { isIP } from "node:net";
import type { PasskeySite } from "../identity/passkey.ts";
import { passkeyRefused, type CredentialAnswer, type NewCredential } from "../identity/passkeys.ts";
import type { Services } from "./context.ts";

const base64url = z
  .string()
  .max(16_384)
  .regex(/^[A-Za-z0-9_-]*$/, "expected base64url");
const shared = {
  id: base64url.min(1).max(1400),
  rawId: base64url.min(1).max(1400),
  type: z.literal("public-key"),
  authenticatorAttachment: z.string().max(40).optional(),
  clientExtensionResults: z.record(z.string(), z.unknown()).default({}),
};
const newCredential = z
  .object({
    ...shared,
    response: z.object({
      clientDataJSON: base64url,
      attestationObject: base64url,
      transports: z.array(z.string().max(40)).max(10).optional(),
    }),
  })
  .openapi("NewPasskeyCredential");
const credentialAnswer = z
  .object({
    ...shared,
    response: z.object({
      clientDataJSON: base64url,
      authenticatorData: base64url,
      signature: base64url,
      // Browsers give null for a handle that the authenticator did not tell.
      userHandle: base64url
        .nullish()
        .transform((handle) => handle ?? undefined)
        .optional(),
    }),
  })
  .openapi("PasskeyAnswer");
/** What an authenticator made, as a body carries it. */
export const newCredentialSchema: z.ZodType<NewCredential> = newCredential as unknown as z.ZodType<NewCredential>;

/** How an authenticator answered, as a body carries it. */
export const credentialAnswerSchema: z.ZodType<CredentialAnswer> =
  credentialAnswer as unknown as z.ZodType<CredentialAnswer>;

/**
 * Where passkeys of this registry are good, by the address that its operator told; never by that of the request, which
 * whoever sends it chooses.
 * @throws {RegistryError} `PASSKEY_REFUSED`
 */
export function passkeySite({ settings: { publicUrl } }: Services): PasskeySite {
  const url = publicUrl === undefined ? undefined : new URL(publicUrl);
  const host = url?.hostname.replace(/^\[(.*)\]$/, "$1");
  if (url !== undefined && host !== undefined && isIP(host) === 0) return { origin: url.origin, rpId: url.hostname };
  throw passkeyRefused(
    url === undefined
      ? "this registry was not told its own address, which passkeys are bound to"
      : `the registry's address, "${url.origin}", has no name that passkeys could be bound to`,
    "The operator sets REGISTRY_URL to an https address with a name",
  );
}
