export { namesRegistry } from "./lib/registry-name.ts";
export { SIGNING_ERRORS, SigningError, type SigningErrorCode } from "./lib/signing-error.ts";
export {
  PUBLIC_KEY_BYTES,
  SEED_BYTES,
  SIGNATURE_BYTES,
  isAllowedPublicKey,
  passesStrictRule,
  verifyEd25519,
} from "./lib/ed25519.ts";
export { fingerprint, isFingerprint, keyIdOf, spkiOf } from "./lib/key-id.ts";
export { portableDigests, type DigestFunctions } from "./lib/digests.ts";
export { portableVerifier, softwareSigner, type Signer, type Verifier } from "./lib/signer.ts";
export {
  ENVELOPE_MAX_BYTES,
  ENVELOPE_MAX_SIGNATURES,
  decodeDsse,
  encodeDsse,
  preAuthEncoding,
  type Envelope,
  type EnvelopeSignature,
} from "./lib/dsse.ts";
export {
  PUBLICATION_PREDICATE_TYPE,
  STATEMENT_PAYLOAD_TYPE,
  STATEMENT_TYPE,
  TREE_DIGEST_NAME,
  createStatement,
  decodeStatement,
  encodeStatement,
  packageUrl,
  statementFacts,
  type PublicationPredicate,
  type Statement,
  type StatementFacts,
} from "./lib/statement.ts";
export {
  countersignEnvelope,
  decodeEnvelope,
  encodeEnvelope,
  verdictError,
  verifyEnvelope,
  type DecodedEnvelope,
  type ExpectedSubject,
  type SignatureVerdict,
  type SignatureVerdictCode,
  type VerifyOptions,
} from "./lib/envelope.ts";
export { checkPublicKey, createTrustPolicy, isAllowedFor, type TrustPolicy, type TrustedKey } from "./lib/trust.ts";
export {
  TRUST_FILE_FORMAT,
  parseTrustFile,
  renderTrustFile,
  type TrustEntry,
  type TrustFile,
} from "./lib/trust-file.ts";
export { isNamePattern, matchesNamePattern } from "./lib/name-pattern.ts";
export {
  strictestSignaturePolicy,
  type EffectiveSignaturePolicy,
  type SignaturePolicy,
  type SignatureRequirement,
} from "./lib/signature-policy.ts";
export type { EncryptedPrivateKey, ParsedKey, PrivateKey, PublicKey } from "./lib/key.ts";
export {
  KEY_FILE_MAX_LENGTH,
  formatPrivateKey,
  formatPublicKey,
  parseKey,
  parsePrivateKey,
  parsePublicKey,
  type PrivateKeyFormat,
  type PublicKeyFormat,
} from "./lib/key-codec.ts";
export { KEY_FILE_FORMAT } from "./lib/key-json.ts";
export { generateKey } from "./lib/generate.ts";
