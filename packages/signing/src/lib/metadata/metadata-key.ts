import { sha256 } from "../hashes.ts";
import { encodeHex, encodeUtf8, tryDecodeHex } from "../bytes.ts";
import { isAllowedPublicKey } from "../ed25519.ts";
import type { Verifier } from "../signer.ts";
import { ecdsaP256FromPem, rsaPssFromPem } from "./asymmetric.ts";
import { MetadataError } from "./metadata-error.ts";
import type { VerifySignature } from "./verify-signature.ts";
import { encodeTufCanonical, type Json, type JsonObject } from "./strict-json.ts";

/** A public key as root and delegations list it (TUF 1.0 §4.2). */
export interface MetadataKey {
  /** SHA-256 of the key's canonical form, in hexadecimal. */
  readonly keyId: string;
  readonly keyType: string;
  readonly scheme: string;
  /** The public value as the file has it: 64 hexadecimal digits for Ed25519, PEM for the others. */
  readonly publicValue: string;
  /** The member as read, unknown fields included. */
  readonly raw: JsonObject;
}

/** The key object of an Ed25519 public key. */
export function metadataKeyOf(publicKey: Uint8Array): MetadataKey {
  const raw: JsonObject = {
    keytype: "ed25519",
    keyval: { public: encodeHex(publicKey) },
    scheme: "ed25519",
  };
  const keyId = metadataKeyId(raw);
  return { keyId, keyType: "ed25519", scheme: "ed25519", publicValue: encodeHex(publicKey), raw };
}

function metadataKeyId(raw: JsonObject): string {
  return encodeHex(sha256(encodeUtf8(encodeTufCanonical(raw))));
}

function text(value: Json | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/**
 * Reads a key object. A key of a type or scheme that is not known is kept, and verifies nothing.
 * @throws {MetadataError} `METADATA_KEY_INVALID` when the id is not the digest of the key (TUF 1.0 §4.3), or the object is
 * no key
 */
export function readMetadataKey(keyId: string, raw: JsonObject): MetadataKey {
  const keyval = raw["keyval"];
  const [keyType, scheme] = [text(raw["keytype"]), text(raw["scheme"])];
  const publicValue =
    typeof keyval === "object" && keyval !== null ? text((keyval as JsonObject)["public"]) : undefined;
  if (keyType === undefined || scheme === undefined || publicValue === undefined) {
    throw new MetadataError({
      code: "METADATA_KEY_INVALID",
      message: `Cannot read the key "${keyId.slice(0, 64)}": it needs "keytype", "scheme" and "keyval.public" as texts`,
    });
  }
  const expected = metadataKeyId(raw);
  // Were ids free, one key could be listed under many and meet a threshold alone.
  if (keyId !== expected) {
    throw new MetadataError({
      code: "METADATA_KEY_INVALID",
      message: `Cannot trust the key "${keyId.slice(0, 64)}": the id of what is listed there is "${expected}"`,
    });
  }
  return { keyId, keyType, scheme, publicValue, raw };
}

function ed25519(publicValue: string, verifier: Verifier): VerifySignature | undefined {
  const publicKey = tryDecodeHex(publicValue);
  if (publicKey === undefined || !isAllowedPublicKey(publicKey)) return undefined;
  return (message, signature) => verifier.verify(publicKey, message, signature);
}

/** How signatures of a key are checked; `undefined` where they cannot be, so that none of them counts. */
export function verificationOf(key: MetadataKey, verifier: Verifier): VerifySignature | undefined {
  switch (`${key.keyType}/${key.scheme}`) {
    case "ed25519/ed25519":
      return ed25519(key.publicValue, verifier);
    case "ecdsa/ecdsa-sha2-nistp256":
    case "ecdsa-sha2-nistp256/ecdsa-sha2-nistp256":
      return ecdsaP256FromPem(key.publicValue);
    case "rsa/rsassa-pss-sha256":
      return rsaPssFromPem(key.publicValue);
    default:
      return undefined;
  }
}
