import { createHash } from "node:crypto";
import { isAllowedPublicKey, parsePublicKey } from "@lading/signing";
import { fromBase64, fromHex, isListOf, isObject, tryParseJson } from "./suite.ts";

/** One signature to judge. */
export interface SignatureCase {
  readonly id: string;
  readonly publicKey: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
  /** What the strict rule says; absent where the file leaves it open and only agreement is checked. */
  readonly accepts?: boolean;
}

/** A file of signatures, read. */
export interface SignatureFile {
  readonly form: string;
  readonly cases: readonly SignatureCase[];
}

type Strings = Readonly<Record<string, string>>;

function readWycheproof(value: unknown): SignatureCase[] | undefined {
  if (!isObject(value) || !Array.isArray(value["testGroups"])) return undefined;
  return value["testGroups"].flatMap(
    (group: { publicKey?: Strings; key?: Strings; tests: (Strings & { tcId: number })[] }) =>
      group.tests.map((test) => ({
        id: `tcId ${test.tcId}`,
        // Releases before 2023 call it `key`.
        publicKey: fromHex((group.publicKey ?? group.key)!["pk"]!),
        message: fromHex(test["msg"]!),
        signature: fromHex(test["sig"]!),
        ...(test["result"] === "acceptable" ? {} : { accepts: test["result"] === "valid" }),
      })),
  );
}

// The strict rule in the words of this file's flags; a residue is what only the cofactor hides.
const CCTV_REFUSED = ["low_order_A", "low_order_R", "non_canonical_A", "non_canonical_R", "low_order_residue"];

function readCctv(value: unknown): SignatureCase[] | undefined {
  if (!isListOf(value, ["key", "sig", "msg"])) return undefined;
  return (value as readonly (Strings & { number: number; flags: readonly string[] | null })[]).map((one) => ({
    id: `number ${one.number}`,
    publicKey: fromHex(one["key"]!),
    message: Uint8Array.from(Buffer.from(one["msg"]!, "utf8")),
    signature: fromHex(one["sig"]!),
    accepts: !(one.flags ?? []).some((flag) => CCTV_REFUSED.includes(flag)),
  }));
}

// "Taming the many EdDSAs", table of edge cases: of the twelve, the fourth alone is canonical, of full order and holds
// without the cofactor. Told by its bytes, since the file states no verdicts.
const SPECCHECK_ACCEPTED = "9046a64750444938de19f227bb80485e92b83fdb4b6506c160484c016cc1852f";
const SPECCHECK_CASES = 12;

function readSpeccheck(value: unknown): SignatureCase[] | undefined {
  if (!isListOf(value, ["message", "pub_key", "signature"])) return undefined;
  const published = value.length === SPECCHECK_CASES && value[3]!["signature"]!.startsWith(SPECCHECK_ACCEPTED);
  return value.map((one, index) => ({
    id: `case ${index}`,
    publicKey: fromHex(one["pub_key"]!),
    message: fromHex(one["message"]!),
    signature: fromHex(one["signature"]!),
    ...(published ? { accepts: index === 3 } : {}),
  }));
}

/** The grid signs "Zcash" under pairs of encodings, all of low order in the published file. */
function readZip215(value: unknown): SignatureCase[] | undefined {
  if (!isListOf(value, ["vk_bytes", "sig_bytes"])) return undefined;
  return value.map((one, index) => {
    const [publicKey, signature] = [fromHex(one["vk_bytes"]!), fromHex(one["sig_bytes"]!)];
    const allowed = isAllowedPublicKey(publicKey) && isAllowedPublicKey(signature.subarray(0, 32));
    return {
      id: `case ${index}`,
      publicKey,
      message: Uint8Array.from(Buffer.from("Zcash")),
      signature,
      ...(allowed ? {} : { accepts: false }),
    };
  });
}

/** Our own file of corners, see `docs/spec/conformance.md`. */
function readLading(value: unknown): SignatureCase[] | undefined {
  if (!isObject(value) || value["format"] !== "lading-ed25519-vectors/1") return undefined;
  return (value["cases"] as readonly (Strings & { accepts: boolean })[]).map((one) => ({
    id: one["name"]!,
    publicKey: fromHex(one["publicKey"]!),
    message: fromHex(one["message"]!),
    signature: fromHex(one["signature"]!),
    accepts: one.accepts,
  }));
}

/** Lines of `secret+public : public : message : signature+message :`, all valid. */
function readSignInput(text: string): SignatureCase[] | undefined {
  const lines = text.trim().split("\n");
  if (!lines.every((line) => /^[0-9a-f]{128}:[0-9a-f]{64}:[0-9a-f]*:[0-9a-f]{128,}:\s*$/.test(line))) return undefined;
  return lines.map((line, index) => {
    const [, publicKey = "", message = "", signed = ""] = line.split(":");
    return {
      id: `line ${index + 1}`,
      publicKey: fromHex(publicKey),
      message: fromHex(message),
      signature: fromHex(signed.slice(0, 128)),
      accepts: true,
    };
  });
}

function hashOf(algorithm: "sha512" | "blake2b512", message: Uint8Array): Uint8Array {
  return Uint8Array.from(createHash(algorithm).update(message).digest());
}

/** SSHSIG: what is signed is a blob of the namespace and the message's hash (PROTOCOL.sshsig of OpenSSH). */
function sshSigned(namespace: string, message: Uint8Array): Uint8Array {
  const text = (content: Uint8Array): Buffer => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(content.length);
    return Buffer.concat([length, content]);
  };
  const fields = [Buffer.from(namespace), Buffer.alloc(0), Buffer.from("sha512"), hashOf("sha512", message)].map(text);
  return Uint8Array.from(Buffer.concat([Buffer.from("SSHSIG"), ...fields]));
}

interface IndependentTool {
  readonly publicPem?: string;
  readonly pub?: string;
  readonly sig?: string;
  readonly sigB64?: string;
  readonly namespace?: string;
}

function toolSignature(tool: IndependentTool, message: Uint8Array): Pick<SignatureCase, "message" | "signature"> {
  if (tool.sigB64 !== undefined) return { message, signature: fromBase64(tool.sigB64) };
  if (tool.namespace !== undefined) {
    const body = fromBase64(
      tool
        .sig!.split("\n")
        .filter((line) => !line.startsWith("-----"))
        .join(""),
    );
    return { message: sshSigned(tool.namespace, message), signature: body.subarray(-64) };
  }
  // minisign and signify: `Ed` over the message, `ED` over its BLAKE2b-512.
  const body = fromBase64(tool.sig!.split("\n")[1]!);
  const prehashed = body[1] === "D".charCodeAt(0);
  return { message: prehashed ? hashOf("blake2b512", message) : message, signature: body.subarray(10) };
}

function readIndependent(value: unknown): SignatureCase[] | undefined {
  if (!isObject(value) || typeof value["messageB64"] !== "string") return undefined;
  const message = fromBase64(value["messageB64"]);
  const altered = Uint8Array.from([...message, 0x21]);
  return Object.entries(value).flatMap(([name, tool]) => {
    if (!isObject(tool)) return [];
    const { publicKey } = parsePublicKey(String(tool["publicPem"] ?? tool["pub"]));
    return [
      { id: name, publicKey, ...toolSignature(tool, message), accepts: true },
      { id: `${name}, message altered`, publicKey, ...toolSignature(tool, altered), accepts: false },
    ];
  });
}

const JSON_FORMS: readonly (readonly [string, (value: unknown) => SignatureCase[] | undefined])[] = [
  ["wycheproof", readWycheproof],
  ["cctv", readCctv],
  ["speccheck", readSpeccheck],
  ["zip215", readZip215],
  ["independent-tools", readIndependent],
  ["lading", readLading],
];

/** Names of the forms, for messages. */
export const ED25519_FORMS: string = [...JSON_FORMS.map(([form]) => form), "sign.input"].join(", ");

/** Reads a file of signatures, telling its form by its content; `undefined` for another file. */
export function readSignatureFile(text: string): SignatureFile | undefined {
  const value = tryParseJson(text);
  if (value === undefined) {
    const cases = readSignInput(text);
    return cases && { form: "sign.input", cases };
  }
  for (const [form, read] of JSON_FORMS) {
    const cases = read(value);
    if (cases !== undefined) return { form, cases };
  }
  return undefined;
}
