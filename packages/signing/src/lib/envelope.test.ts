import { digestFromBytes, type Digest } from "@lading/core-manifest";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concatBytes, encodeBase64, encodeUtf8 } from "./bytes.ts";
import { decodeDsse, encodeDsse, preAuthEncoding } from "./dsse.ts";
import { countersignEnvelope, decodeEnvelope, encodeEnvelope, verdictError, verifyEnvelope } from "./envelope.ts";
import { fingerprint } from "./key-id.ts";
import { nodeVerifier } from "./node/verifier.ts";
import { SigningError } from "./signing-error.ts";
import {
  STATEMENT_PAYLOAD_TYPE,
  createStatement,
  decodeStatement,
  encodeStatement,
  statementFacts,
} from "./statement.ts";
import { testSigner, testStatement, testTrust } from "./testing/builders.ts";

const [ann, bob, eve] = [testSigner("ann"), testSigner("bob"), testSigner("eve")];
const other: Digest = digestFromBytes(new Uint8Array(32).fill(7));
const statement = testStatement({ registry: "https://registry.example/", previousVersion: "0.9.0" });
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof SigningError) return error.code;
    throw error;
  }
  return "no error";
}

function verdictOf(...args: Parameters<typeof verifyEnvelope>): string {
  const verdict = verifyEnvelope(args[0], { verifier: nodeVerifier, ...args[1] });
  return verdict.ok ? "ok" : verdict.code;
}

describe("encodeEnvelope()", () => {
  test("gives the same bytes for the same statement and keys, in any order of signers", async () => {
    const bytes = await encodeEnvelope(statement, [ann, bob]);
    expect(await encodeEnvelope(statement, [bob, ann, bob])).toEqual(bytes);
    expect(decodeEnvelope(bytes).statement).toEqual(statement);
    expect(decodeEnvelope(bytes).envelope.signatures).toHaveLength(2);
  });

  test("refuses to work without a signer", async () => {
    await expect(encodeEnvelope(statement, [])).rejects.toMatchObject({ code: "SIGNATURE_MISSING" });
  });

  test("refuses a signer whose signature does not verify", async () => {
    const faulty = { ...ann, sign: () => Promise.resolve(new Uint8Array(64)) };
    await expect(encodeEnvelope(statement, [faulty])).rejects.toMatchObject({ code: "SIGNATURE_INVALID" });
  });

  test("refuses a statement that decodeStatement() would not read", async () => {
    const broken = { ...statement, predicate: { ...statement.predicate, purl: "pkg:lading/other@1.0.0" } };
    await expect(encodeEnvelope(broken, [ann])).rejects.toMatchObject({ code: "STATEMENT_INVALID" });
  });
});

describe("verifyEnvelope()", () => {
  test("accepts what a trusted key signed, and names the signers", async () => {
    const bytes = await encodeEnvelope(statement, [ann, bob]);
    const verdict = verifyEnvelope(bytes, {
      policy: testTrust([ann, bob], { threshold: 2 }),
      expect: statementFacts(statement),
    });
    expect(verdict).toEqual({
      ok: true,
      statement,
      signers: [fingerprint(ann.publicKey), fingerprint(bob.publicKey)].sort(),
    });
  });

  // One bit of each byte here; the long tests flip all of them.
  test("refuses single flipped bits, with one signer and with two", async () => {
    for (const signers of [[ann], [ann, bob]]) {
      const bytes = await encodeEnvelope(statement, signers);
      const options = { policy: testTrust([ann, bob]), expect: {}, verifier: nodeVerifier };
      expect(verifyEnvelope(bytes, options).ok).toBe(true);
      const accepted: number[] = [];
      for (let bit = 0; bit < bytes.length * 8; bit += 9) {
        bytes[bit >> 3]! ^= 1 << (bit & 7);
        if (verifyEnvelope(bytes, options).ok) accepted.push(bit);
        bytes[bit >> 3]! ^= 1 << (bit & 7);
      }
      expect(accepted).toEqual([]);
    }
  });

  test("tells unsigned, unknown key, bad signature, wrong subject and malformed apart", async () => {
    const bytes = await encodeEnvelope(statement, [ann]);
    const policy = testTrust([ann]);
    const { envelope } = decodeEnvelope(bytes);
    const [signature] = envelope.signatures;
    const forged = encodeDsse({ ...envelope, signatures: [{ ...signature!, signature: new Uint8Array(64).fill(1) }] });
    expect(verdictOf(undefined, { policy, expect: {} })).toBe("SIGNATURE_MISSING");
    expect(verdictOf(bytes, { policy: testTrust([eve]), expect: {} })).toBe("SIGNATURE_KEY_UNKNOWN");
    expect(verdictOf(forged, { policy, expect: {} })).toBe("SIGNATURE_INVALID");
    expect(verdictOf(bytes, { policy, expect: { blob: other } })).toBe("SIGNATURE_SUBJECT_MISMATCH");
    expect(verdictOf(bytes.subarray(1), { policy, expect: {} })).toBe("ENVELOPE_MALFORMED");
  });

  test.each(["name", "version", "kind", "target", "blob", "tree", "manifestDigest", "registry"] as const)(
    "compares the %s",
    async (key) => {
      const bytes = await encodeEnvelope(statement, [ann]);
      const facts = statementFacts(statement);
      const wrong = { ...facts, [key]: key === "kind" ? "source" : "x" };
      expect(verdictOf(bytes, { policy: testTrust([ann]), expect: facts })).toBe("ok");
      expect(verdictOf(bytes, { policy: testTrust([ann]), expect: wrong })).toBe("SIGNATURE_SUBJECT_MISMATCH");
    },
  );

  test("accepts a statement without registry in any registry", async () => {
    const bytes = await encodeEnvelope(testStatement(), [ann]);
    expect(verdictOf(bytes, { policy: testTrust([ann]), expect: { registry: "https://mirror.example/" } })).toBe("ok");
  });

  test("counts a signer once, however often it signed", async () => {
    const { envelope } = decodeEnvelope(await encodeEnvelope(statement, [ann]));
    const twice = encodeDsse({ ...envelope, signatures: [envelope.signatures[0]!, envelope.signatures[0]!] });
    expect(verdictOf(twice, { policy: testTrust([ann, bob], { threshold: 2 }), expect: {} })).toBe(
      "SIGNATURE_THRESHOLD_NOT_MET",
    );
    expect(verdictOf(twice, { policy: testTrust([ann, bob]), expect: {} })).toBe("ok");
  });

  test("does not count one key twice that a policy lists under two fingerprints", async () => {
    const bytes = await encodeEnvelope(statement, [ann, bob]);
    const key = { publicKey: ann.publicKey };
    const policy = {
      keys: new Map([
        [fingerprint(ann.publicKey), key],
        [fingerprint(bob.publicKey), key],
      ]),
      threshold: 2,
    };
    expect(verdictOf(bytes, { policy, expect: {} })).toBe("SIGNATURE_INVALID");
  });

  test("refuses a bad signature of a known key even where enough others are good", async () => {
    const { envelope } = decodeEnvelope(await encodeEnvelope(statement, [ann, bob]));
    const signatures = envelope.signatures.map((one) =>
      one.keyid === bob.keyId ? { ...one, signature: new Uint8Array(64).fill(1) } : one,
    );
    expect(verdictOf(encodeDsse({ ...envelope, signatures }), { policy: testTrust([ann, bob]), expect: {} })).toBe(
      "SIGNATURE_INVALID",
    );
  });

  test("tolerates an unknown key beside a trusted one, so that keys can be rotated", async () => {
    const bytes = await encodeEnvelope(statement, [ann, eve]);
    expect(verdictOf(bytes, { policy: testTrust([ann]), expect: {} })).toBe("ok");
  });

  test("holds keys to their name patterns and their time", async () => {
    const bytes = await encodeEnvelope(statement, [ann]);
    const judge = (conditions: object, publishedMs?: number): string =>
      verdictOf(bytes, { policy: testTrust([ann], { conditions }), expect: {}, publishedMs });
    expect(judge({ names: ["company/*"] })).toBe("ok");
    expect(judge({ names: ["*"] })).toBe("SIGNATURE_KEY_NOT_ALLOWED");
    expect(judge({ names: ["**"] })).toBe("ok");
    expect(judge({ sinceMs: 1000 }, 1000)).toBe("ok");
    expect(judge({ sinceMs: 1000 }, 999)).toBe("SIGNATURE_KEY_NOT_ALLOWED");
    expect(judge({ sinceMs: 1000 })).toBe("SIGNATURE_KEY_NOT_ALLOWED");
  });

  test.each([0, -1, 1.5, Number.NaN])("throws for a policy with the threshold %s", (threshold) => {
    const policy = { keys: new Map(), threshold };
    expect(codeOf(() => verifyEnvelope(undefined, { policy, expect: {} }))).toBe("SIGNATURE_POLICY_INVALID");
  });

  test("never throws and never accepts, whatever the bytes", async () => {
    const good = await encodeEnvelope(statement, [ann]);
    const options = { policy: testTrust([ann]), expect: {}, verifier: nodeVerifier };
    const mutated = fc
      .tuple(fc.nat(good.length), fc.nat(40), fc.uint8Array({ maxLength: 40 }))
      .map(([at, cut, insert]) => concatBytes(good.subarray(0, at), insert, good.subarray(at + cut)))
      .filter((bytes) => text(bytes) !== text(good));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), mutated), (bytes) => !verifyEnvelope(bytes, options).ok),
      { numRuns: 500 },
    );
  });
});

describe("verdictError()", () => {
  test("turns a refusal into the error of its code", () => {
    const verdict = verifyEnvelope(undefined, { policy: testTrust([ann]), expect: {} });
    if (verdict.ok) throw new Error("accepted");
    expect(verdictError(verdict, "tool-1.0.0.lpk")).toMatchObject({
      code: "SIGNATURE_MISSING",
      message: `Cannot verify "tool-1.0.0.lpk": it is not signed`,
      exitCode: 8,
    });
  });
});

describe("countersignEnvelope()", () => {
  test("adds a signature, so that a threshold of two is met", async () => {
    const first = await encodeEnvelope(statement, [ann]);
    const both = await countersignEnvelope(first, [bob, ann]);
    expect(both).toEqual(await encodeEnvelope(statement, [ann, bob]));
    expect(verdictOf(both, { policy: testTrust([ann, bob], { threshold: 2 }), expect: {} })).toBe("ok");
  });

  test("refuses more signatures than an envelope may have", async () => {
    const many = Array.from({ length: 17 }, (_, n) => testSigner(`signer ${n}`));
    const first = await encodeEnvelope(statement, [ann]);
    await expect(countersignEnvelope(first, many)).rejects.toMatchObject({ code: "ENVELOPE_MALFORMED" });
  });
});

describe("decodeDsse()", () => {
  const sig = encodeBase64(new Uint8Array(64));
  const keyid = "0".repeat(64);
  const json = (value: unknown): Uint8Array => encodeUtf8(JSON.stringify(value));
  const good = { payload: "aGk=", payloadType: "text/plain", signatures: [{ keyid, sig }] };

  test("reads and writes the same bytes", () => {
    expect(encodeDsse(decodeDsse(json(good)))).toEqual(json(good));
  });

  test.each([
    ["white space", encodeUtf8(`${JSON.stringify(good)}\n`)],
    ["a byte order mark", concatBytes(Uint8Array.of(0xef, 0xbb, 0xbf), json(good))],
    ["bytes that are not UTF-8", concatBytes(json(good), Uint8Array.of(0xff))],
    ["members in another order", json({ payloadType: "text/plain", payload: "aGk=", signatures: [{ keyid, sig }] })],
    ["a repeated member", encodeUtf8(JSON.stringify(good).replace("{", '{"payload":"aGk=",'))],
    ["an escaped letter", encodeUtf8(JSON.stringify(good).replace("text", String.raw`tex\u0074`))],
    ["base64 without padding", json({ ...good, payload: "aGk" })],
    ["base64 with loose bits", json({ ...good, payload: "aGl=" })],
    ["URL-safe base64", json({ ...good, payload: "-_8=" })],
    ["an unknown member", json({ ...good, zzz: 1 })],
    ["no payload", json({ payloadType: "text/plain", signatures: [{ keyid, sig }] })],
    ["no signatures", json({ ...good, signatures: [] })],
    ["signatures that are no array", json({ ...good, signatures: {} })],
    ["too many signatures", json({ ...good, signatures: Array.from({ length: 17 }, () => ({ keyid, sig })) })],
    ["a key id in upper case", json({ ...good, signatures: [{ keyid: "A".repeat(64), sig }] })],
    ["a short signature", json({ ...good, signatures: [{ keyid, sig: "AAAA" }] })],
    ["a type outside ASCII", json({ ...good, payloadType: "é" })],
    ["deep nesting", encodeUtf8("[".repeat(60_000))],
    ["too many bytes", json({ ...good, payload: "A".repeat(65_536) })],
    ["an array", json([good])],
  ])("refuses %s", (_, bytes) => {
    expect(codeOf(() => decodeDsse(bytes))).toBe("ENVELOPE_MALFORMED");
  });

  test("is the inverse of encodeDsse()", () => {
    const signature = fc.record({
      keyid: fc.stringMatching(/^[0-9a-f]{64}$/),
      signature: fc.uint8Array({ minLength: 64, maxLength: 64 }),
    });
    const envelope = fc.record({
      payload: fc.uint8Array({ maxLength: 300 }),
      payloadType: fc.stringMatching(/^[\x20-\x7e]{1,255}$/),
      signatures: fc.array(signature, { minLength: 1, maxLength: 16 }),
    });
    fc.assert(
      fc.property(envelope, (one) => {
        expect(decodeDsse(encodeDsse(one))).toEqual(one);
      }),
    );
  });

  test("throws nothing but ENVELOPE_MALFORMED", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.uint8Array(), fc.json().map(encodeUtf8)),
        (bytes) => codeOf(() => decodeDsse(bytes)) === "ENVELOPE_MALFORMED",
      ),
    );
  });
});

describe("preAuthEncoding()", () => {
  test("counts bytes, not characters", () => {
    expect(text(preAuthEncoding("é", encodeUtf8("ü")))).toBe("DSSEv1 2 é 2 ü");
  });
});

describe("decodeStatement()", () => {
  const facts = statementFacts(statement);

  test("reads what createStatement() made", () => {
    expect(createStatement(facts)).toEqual(statement);
    expect(decodeStatement(encodeStatement(statement))).toEqual(statement);
  });

  test("keeps unknown members of the predicate", () => {
    const newer = { ...statement, predicate: { ...statement.predicate, build: { host: "ci" } } };
    expect(encodeStatement(decodeStatement(encodeStatement(newer)))).toEqual(encodeStatement(newer));
  });

  test.each([
    [{ name: "Tool" }],
    [{ version: "1" }],
    [{ kind: "other" }],
    [{ target: "a b" }],
    [{ target: "" }],
    [{ blob: "sha256:0" }],
    [{ tree: undefined }],
    [{ manifestDigest: "" }],
    [{ registry: "with space" }],
    [{ previousVersion: "old" }],
  ])("createStatement() refuses %j", (wrong) => {
    expect(codeOf(() => createStatement({ ...facts, ...wrong } as never))).toBe("STATEMENT_INVALID");
  });

  test.each([
    [{ _type: "https://in-toto.io/Statement/v0.1" }, "STATEMENT_UNSUPPORTED"],
    [{ predicateType: "urn:lading:publication:v2" }, "STATEMENT_UNSUPPORTED"],
    [{ _type: 1 }, "STATEMENT_INVALID"],
    [{ predicateType: null }, "STATEMENT_INVALID"],
    [{ subject: [] }, "STATEMENT_INVALID"],
    [{ subject: [statement.subject[0], statement.subject[0]] }, "STATEMENT_INVALID"],
    [{ subject: [{ ...statement.subject[0], name: "other" }] }, "STATEMENT_INVALID"],
    [{ subject: [{ name: "company/tool" }] }, "STATEMENT_INVALID"],
    [{ subject: [{ name: "company/tool", digest: { sha256: 1, ladingTreeV1: "" } }] }, "STATEMENT_INVALID"],
    [{ predicate: [] }, "STATEMENT_INVALID"],
    [{ predicate: { ...statement.predicate, manifest: null } }, "STATEMENT_INVALID"],
    [{ predicate: { ...statement.predicate, purl: "pkg:lading/company/tool@1.0.1" } }, "STATEMENT_INVALID"],
  ])("refuses %j with %s", (wrong, code) => {
    const payload = encodeStatement({ ...statement, ...wrong } as never);
    expect(codeOf(() => decodeStatement(payload))).toBe(code);
    const bytes = encodeDsse({
      payloadType: STATEMENT_PAYLOAD_TYPE,
      payload,
      signatures: [{ keyid: ann.keyId, signature: new Uint8Array(64) }],
    });
    expect(verdictOf(bytes, { policy: testTrust([ann]), expect: {} })).toBe(code);
  });

  test("refuses another payload type", () => {
    const { keyId: keyid } = ann;
    const bytes = encodeDsse({
      payloadType: "text/plain",
      payload: new Uint8Array(),
      signatures: [{ keyid, signature: new Uint8Array(64) }],
    });
    expect(codeOf(() => decodeEnvelope(bytes))).toBe("STATEMENT_UNSUPPORTED");
  });

  test("refuses a list of one digest where a digest belongs", () => {
    const { subject, predicate } = statement;
    const { name, digest } = subject[0];
    const listed = { ...predicate, manifest: { sha256: [predicate.manifest.sha256] } };
    const tree = { ...digest, ladingTreeV1: [digest.ladingTreeV1] };
    for (const wrong of [{ predicate: listed }, { subject: [{ name, digest: tree }] }]) {
      expect(codeOf(() => decodeStatement(encodeStatement({ ...statement, ...wrong } as never)))).toBe(
        "STATEMENT_INVALID",
      );
    }
  });

  test("throws nothing but its two codes", () => {
    const shape = fc.record(
      {
        _type: fc.constantFrom(statement._type, "x", 1),
        predicateType: fc.constantFrom(statement.predicateType, "x"),
        subject: fc.oneof(fc.constant(statement.subject), fc.jsonValue()),
        predicate: fc.oneof(fc.constant(statement.predicate), fc.jsonValue()),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.oneof(shape, fc.jsonValue()), (value) => {
        const code = codeOf(() => decodeStatement(encodeStatement(value as never)));
        return ["no error", "STATEMENT_INVALID", "STATEMENT_UNSUPPORTED"].includes(code);
      }),
    );
  });
});
