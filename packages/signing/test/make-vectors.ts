// Writes test/vectors/*.json: `node -C @lading/source packages/signing/test/make-vectors.ts`. Run by hand when a case is
// added; what is there must never change its meaning, since other implementations test against it. Encrypted keys come out
// different each time, so they are kept from the file that is there.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import {
  STATEMENT_PAYLOAD_TYPE,
  countersignEnvelope,
  decodeEnvelope,
  encodeDsse,
  encodeEnvelope,
  encodeStatement,
  fingerprint,
  formatPrivateKey,
  formatPublicKey,
  parseKey,
  preAuthEncoding,
  renderTrustFile,
  statementFacts,
  type Signer,
  type Statement,
} from "@lading/signing";
import { testSigner, testStatement, verifierContract } from "@lading/signing/testing";

const folder = new URL("vectors/", import.meta.url);
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

function write(name: string, value: unknown): void {
  writeFileSync(new URL(name, folder), `${JSON.stringify(value, undefined, 1)}\n`);
}

function signatures(): object {
  return {
    format: "lading-ed25519-vectors/1",
    about: "Corners of the strict Ed25519 rule, docs/spec/signing.md §3; bytes in hexadecimal",
    cases: verifierContract().map(({ name, accepts, publicKey, message, signature }) => ({
      name,
      publicKey: hex(publicKey),
      message: hex(message),
      signature: hex(signature),
      accepts,
    })),
  };
}

async function signAnything(statement: object, signer: Signer): Promise<Uint8Array> {
  const payload = encodeStatement(statement as Statement);
  const signature = await signer.sign(preAuthEncoding(STATEMENT_PAYLOAD_TYPE, payload));
  return encodeDsse({ payloadType: STATEMENT_PAYLOAD_TYPE, payload, signatures: [{ keyid: signer.keyId, signature }] });
}

async function envelopes(): Promise<object> {
  const [ann, bob, eve] = ["ann", "bob", "eve"].map(testSigner) as [Signer, Signer, Signer];
  const statement = testStatement({ registry: "https://registry.example/", previousVersion: "0.9.0" });
  const one = await encodeEnvelope(statement, [ann]);
  const two = await countersignEnvelope(one, [bob]);
  const { envelope } = decodeEnvelope(one);
  const [signature] = envelope.signatures;
  const facts = statementFacts(statement);
  const damaged = signature!.signature.map((byte, i) => (i === 40 ? byte ^ 1 : byte));
  const text = Buffer.from(one).toString();
  const cases: readonly (readonly [string, string, Uint8Array, Signer[], object?, number?])[] = [
    ["one signer", "ok", one, [ann], facts],
    ["two signers, both needed", "ok", two, [ann, bob], facts, 2],
    ["two signers, one of them known", "ok", two, [ann]],
    [
      "a predicate with an unknown member",
      "ok",
      await signAnything({ ...statement, predicate: { ...statement.predicate, zone: "a" } }, ann),
      [ann],
    ],
    ["one signer of two needed", "SIGNATURE_THRESHOLD_NOT_MET", one, [ann, bob], {}, 2],
    [
      "one signer twice of two needed",
      "SIGNATURE_THRESHOLD_NOT_MET",
      encodeDsse({ ...envelope, signatures: [signature!, signature!] }),
      [ann, bob],
      {},
      2,
    ],
    ["signed by nobody who is known", "SIGNATURE_KEY_UNKNOWN", one, [eve]],
    [
      "a damaged signature",
      "SIGNATURE_INVALID",
      encodeDsse({ ...envelope, signatures: [{ ...signature!, signature: damaged }] }),
      [ann],
    ],
    [
      "a known signer's signature under an unknown key id, beside a good one",
      "SIGNATURE_INVALID",
      encodeDsse({
        ...envelope,
        signatures: [
          signature!,
          { ...decodeEnvelope(two).envelope.signatures.find(({ keyid }) => keyid === bob.keyId)!, keyid: eve.keyId },
        ],
      }),
      [ann, bob],
    ],
    ["another version", "SIGNATURE_SUBJECT_MISMATCH", one, [ann], { version: "1.0.1" }],
    ["another file", "SIGNATURE_SUBJECT_MISMATCH", one, [ann], { blob: facts.tree }],
    ["a final newline", "ENVELOPE_MALFORMED", Buffer.from(`${text}\n`), [ann]],
    ["an extra member", "ENVELOPE_MALFORMED", Buffer.from(text.replace(/\}$/, `,"x":1}`)), [ann]],
    ["a repeated member", "ENVELOPE_MALFORMED", Buffer.from(text.replace("{", `{"payload":"",`)), [ann]],
    [
      "a newer predicate",
      "STATEMENT_UNSUPPORTED",
      await signAnything({ ...statement, predicateType: "urn:lading:publication:v2" }, ann),
      [ann],
    ],
    [
      "a package URL of another version",
      "STATEMENT_INVALID",
      await signAnything(
        { ...statement, predicate: { ...statement.predicate, purl: "pkg:lading/company/tool@2.0.0" } },
        ann,
      ),
      [ann],
    ],
  ];
  return {
    format: "lading-envelope-vectors/1",
    about: "Verdicts over side files, docs/spec/signing.md §5; envelopes in base64, keys in PEM",
    cases: cases.map(([name, verdict, bytes, keys, expect = {}, threshold = 1]) => ({
      name,
      envelope: base64(bytes),
      keys: keys.map(({ publicKey }) => formatPublicKey(publicKey)),
      threshold,
      expect,
      verdict,
    })),
  };
}

function kept(name: string): string | undefined {
  const url = new URL("keys.json", folder);
  if (!existsSync(url)) return undefined;
  const { cases } = JSON.parse(readFileSync(url, "utf8")) as { cases: { name: string; file: string }[] };
  return cases.find((one) => one.name === name)?.file;
}

async function keys(): Promise<object> {
  const seed = Uint8Array.from(Buffer.from("d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842", "hex"));
  const key = parseKey(
    await formatPrivateKey({ type: "private", seed, publicKey: new Uint8Array(32) }, { format: "pem" }),
  );
  if (key.type !== "private") throw new Error("The PEM of a private key is one");
  const print = fingerprint(key.publicKey);
  const [opened, listed] = [
    { type: "private", fingerprint: print },
    { type: "public", fingerprint: print },
  ];
  const passphrase = "correct horse";
  const encrypt = async (name: string, format: "pem" | "json"): Promise<string> =>
    kept(name) ?? formatPrivateKey({ ...key, comment: "ann" }, { format, passphrase });
  const trust = renderTrustFile({
    keys: [
      {
        fingerprint: print,
        publicKey: key.publicKey,
        label: "Ann",
        publisher: "company-team",
        names: ["company/*"],
        sinceMs: Date.UTC(2026, 0, 1),
      },
    ],
  });
  const cases = [
    { name: "private PEM", file: await formatPrivateKey(key, { format: "pem" }), expect: opened },
    { name: "private JSON", file: await formatPrivateKey(key, { format: "json" }), expect: opened },
    { name: "encrypted PEM", file: await encrypt("encrypted PEM", "pem"), passphrase, expect: opened },
    { name: "encrypted JSON", file: await encrypt("encrypted JSON", "json"), passphrase, expect: opened },
    {
      name: "encrypted PEM, wrong passphrase",
      file: await encrypt("encrypted PEM", "pem"),
      passphrase: "x",
      expect: { error: "KEY_PASSPHRASE_WRONG" },
    },
    { name: "public PEM", file: formatPublicKey(key.publicKey), expect: listed },
    { name: "public JSON", file: formatPublicKey(key, "json"), expect: listed },
    { name: "public SSH", file: formatPublicKey(key, "ssh"), expect: listed },
    { name: "public minisign", file: formatPublicKey(key, "minisign"), expect: listed },
    { name: "public base64", file: base64(key.publicKey), expect: listed },
    { name: "newer JSON", file: `{"format":"lading-key/2"}`, expect: { error: "KEY_UNSUPPORTED" } },
    { name: "trust file", file: trust, expect: { trusts: [print] } },
    {
      name: "newer trust file",
      file: `{"format":"lading-trust/3","keys":[]}`,
      expect: { error: "TRUST_FILE_UNSUPPORTED" },
    },
  ];
  return { format: "lading-key-vectors/1", about: "Key and trust files, docs/spec/signing.md §7 and §8", cases };
}

write("ed25519.json", signatures());
write("envelopes.json", await envelopes());
write("keys.json", await keys());
