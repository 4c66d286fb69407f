import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  createTrustPolicy,
  fingerprint,
  parseKey,
  parsePublicKey,
  parseTrustFile,
  portableVerifier,
  verifyEnvelope,
  type ExpectedSubject,
} from "@lading/signing";
import { nodeVerifier } from "@lading/signing/node";

/** What the three files say of a case; each describes its own part. */
interface Case {
  readonly name: string;
  readonly publicKey: string;
  readonly message: string;
  readonly signature: string;
  readonly accepts: boolean;
  readonly envelope: string;
  readonly keys: readonly string[];
  readonly threshold: number;
  readonly verdict: string;
  readonly file: string;
  readonly passphrase?: string;
  readonly expect: ExpectedSubject & {
    readonly type?: string;
    readonly fingerprint?: string;
    readonly trusts?: readonly string[];
  };
}

function read(name: string): readonly (readonly [string, Case])[] {
  const { cases } = JSON.parse(readFileSync(new URL(`vectors/${name}`, import.meta.url), "utf8")) as {
    cases: readonly Case[];
  };
  return cases.map((one) => [one.name, one]);
}

describe("test/vectors/ed25519.json", () => {
  test.each(read("ed25519.json"))("%s", (_, one) => {
    const [key, message, signature] = (["publicKey", "message", "signature"] as const).map((name) =>
      Uint8Array.from(Buffer.from(one[name], "hex")),
    );
    expect(portableVerifier.verify(key!, message!, signature!)).toBe(one.accepts);
    expect(nodeVerifier.verify(key!, message!, signature!)).toBe(one.accepts);
  });
});

describe("test/vectors/envelopes.json", () => {
  test.each(read("envelopes.json"))("%s", (_, one) => {
    const policy = createTrustPolicy(
      one.keys.map((pem) => parsePublicKey(pem)),
      { threshold: one.threshold },
    );
    const verdict = verifyEnvelope(Uint8Array.from(Buffer.from(one.envelope, "base64")), {
      policy,
      expect: one.expect,
    });
    expect(verdict.ok ? "ok" : verdict.code).toBe(one.verdict);
  });
});

describe("test/vectors/keys.json: files of version 1 always open", () => {
  const good = read("keys.json");

  test.each(good.filter(([, one]) => one.expect.type !== undefined))(
    "%s",
    async (_, { file, passphrase, expect: expected }) => {
      const key = parseKey(file);
      const open = key.type === "encrypted-private" ? await key.decrypt(passphrase!) : key;
      expect([open.type, fingerprint(open.publicKey)]).toEqual([expected.type, expected.fingerprint]);
    },
  );

  test.each(good.filter(([, one]) => one.expect.trusts !== undefined))("%s", (_, { file, expect: expected }) => {
    expect(parseTrustFile(file, "vector").keys.map((key) => key.fingerprint)).toEqual(expected.trusts);
  });
});
