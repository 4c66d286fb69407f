import { sha256 } from "@noble/hashes/sha2.js";
import { digestFromBytes } from "@lading/core-manifest";
import { encodeUtf8 } from "../bytes.ts";
import { softwareSigner, type Signer } from "../signer.ts";
import { createStatement, type Statement, type StatementFacts } from "../statement.ts";
import { createTrustPolicy, type TrustPolicy, type TrustedKey } from "../trust.ts";

/** A real signer whose key follows from its name, the same in every run; for tests only, since anybody can make it. */
export function testSigner(name: string): Signer {
  return softwareSigner(sha256(encodeUtf8(`lading test signer ${name}`)));
}

/** A valid statement; what is not given is made up, the same in every run. */
export function testStatement(facts: Partial<StatementFacts> = {}): Statement {
  const digest = (text: string): StatementFacts["blob"] => digestFromBytes(sha256(encodeUtf8(text)));
  return createStatement({
    name: "company/tool",
    version: "1.0.0",
    kind: "binary",
    target: "any",
    blob: digest("blob"),
    tree: digest("tree"),
    manifestDigest: digest("manifest"),
    ...facts,
  });
}

/** A policy that trusts these signers. */
export function testTrust(
  signers: readonly Signer[],
  options: { readonly threshold?: number; readonly conditions?: Partial<TrustedKey> } = {},
): TrustPolicy {
  const keys = signers.map(({ publicKey }) => ({ ...options.conditions, publicKey }));
  return createTrustPolicy(keys, { threshold: options.threshold });
}
