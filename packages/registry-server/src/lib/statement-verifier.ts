import {
  SigningError,
  createTrustPolicy,
  decodeEnvelope,
  fingerprint,
  formatPublicKey,
  namesRegistry,
  parsePublicKey,
  spkiOf,
  portableVerifier,
  statementFacts,
  verifyEnvelope,
  type TrustPolicy,
  type Verifier,
} from "@lading/signing";
import { applyPublisherRules, type PublisherRule } from "@lading/signing/publisher";
import type { SignerKey, StatementSubject, StatementVerdict, StatementVerifier } from "./ports.ts";
import { RegistryError } from "./registry-error.ts";

function refused(subject: StatementSubject, reason: string, problem: string): RegistryError {
  return new RegistryError({
    code: "STATEMENT_REFUSED",
    message: `Cannot publish "${subject.name}" ${subject.version}: its statement is refused, ${problem}`,
    hint: "Sign the file that you publish, with a key that is registered with your account",
    reason,
  });
}

function assertSubject(envelope: Uint8Array, subject: StatementSubject): readonly string[] {
  const decoded = decodeEnvelope(envelope);
  const facts = statementFacts(decoded.statement);
  const keys = ["name", "version", "kind", "target", "blob", "tree", "manifestDigest"] as const;
  const different = keys.find((key) => facts[key] !== subject[key]);
  if (different !== undefined) {
    const problem = `its ${different} is "${facts[different]}", the package's is "${subject[different]}"`;
    throw refused(subject, "SIGNATURE_SUBJECT_MISMATCH", problem);
  }
  if (facts.registry !== undefined && !namesRegistry(facts.registry, subject.registry)) {
    throw refused(subject, "SIGNATURE_SUBJECT_MISMATCH", `it was made for the registry "${facts.registry}"`);
  }
  return decoded.envelope.signatures.map(({ keyid }) => `ed25519:${keyid}`);
}

function policyOf(keys: readonly SignerKey[], rules: readonly PublisherRule[], name: string): TrustPolicy {
  const known = createTrustPolicy(
    keys.map(({ pem, publisher }) => ({ publicKey: parsePublicKey(pem).publicKey, publisher })),
  );
  const { keys: allowed, threshold } = applyPublisherRules(known, rules, name);
  // A rule's key that nobody has registered, or that was replaced or revoked, does not count for being listed.
  return createTrustPolicy(
    [...allowed].filter(([print]) => known.keys.has(print)).map(([, key]) => key),
    { threshold },
  );
}

/** The {@link StatementVerifier} over `@lading/signing`; `verifier` may be a faster one than the portable default. */
export class SigningStatementVerifier implements StatementVerifier {
  readonly #verifier: Verifier;

  constructor(verifier: Verifier = portableVerifier) {
    this.#verifier = verifier;
  }

  async verify(
    envelope: Uint8Array,
    subject: StatementSubject,
    keys: readonly SignerKey[],
    rules: readonly PublisherRule[] = [],
  ): Promise<StatementVerdict> {
    const policy = policyOf(keys, rules, subject.name);
    const registry = (named: string): boolean => namesRegistry(named, subject.registry);
    const verdict = verifyEnvelope(envelope, { policy, expect: { ...subject, registry }, verifier: this.#verifier });
    if (verdict.ok) {
      const publicKeys = verdict.signers.map((signer) => spkiOf(policy.keys.get(signer)!.publicKey));
      return { signers: verdict.signers, verified: true, publicKeys };
    }
    if (verdict.code !== "SIGNATURE_KEY_UNKNOWN") throw refused(subject, verdict.code, verdict.reason);
    // Nobody the server knows signed it: whether that will do is policy, but it must speak of this package.
    return { signers: assertSubject(envelope, subject), verified: false };
  }

  async readPublicKey(text: string): Promise<{ readonly fingerprint: string; readonly pem: string }> {
    try {
      const { publicKey } = parsePublicKey(text);
      return { fingerprint: fingerprint(publicKey), pem: formatPublicKey(publicKey) };
    } catch (cause) {
      if (!(cause instanceof SigningError)) throw cause;
      throw new RegistryError({
        code: "KEY_REFUSED",
        message: `Cannot register the key: ${cause.message}`,
        hint: "Send the public half, the .pub file that keygen wrote",
        reason: cause.code,
        cause,
      });
    }
  }
}
