import { SigningError, fingerprint, parseKey, parseTrustFile, type ParsedKey } from "@lading/signing";
import { isObject, tryParseJson, type SuiteResult } from "./suite.ts";

interface KeyCase {
  readonly name: string;
  readonly file: string;
  readonly passphrase?: string;
  /** Type and fingerprint of the key, a list of trusted fingerprints, or a code. */
  readonly expect: {
    readonly type?: string;
    readonly fingerprint?: string;
    readonly trusts?: readonly string[];
    readonly error?: string;
  };
}

async function decrypted(key: ParsedKey, passphrase: string | undefined): Promise<ParsedKey> {
  return key.type === "encrypted-private" && passphrase !== undefined ? key.decrypt(passphrase) : key;
}

async function read({ file, passphrase, expect }: KeyCase): Promise<string> {
  try {
    if (expect.trusts !== undefined || file.includes("lading-trust/")) {
      return parseTrustFile(file, "vector")
        .keys.map((key) => key.fingerprint)
        .join(" ");
    }
    const key = await decrypted(parseKey(file), passphrase);
    return `${key.type} ${key.publicKey === undefined ? "" : fingerprint(key.publicKey)}`;
  } catch (error) {
    if (error instanceof SigningError) return error.code;
    throw error;
  }
}

function expected({ expect }: KeyCase): string {
  return expect.error ?? expect.trusts?.join(" ") ?? `${expect.type} ${expect.fingerprint ?? ""}`;
}

/** Runs a file of keys and trust files; `undefined` for another file. */
export async function runKeys(file: string, text: string): Promise<SuiteResult | undefined> {
  const value = tryParseJson(text);
  if (!isObject(value) || value["format"] !== "lading-key-vectors/1") return undefined;
  const cases = value["cases"] as readonly KeyCase[];
  const failures: string[] = [];
  for (const one of cases) {
    const found = await read(one);
    if (found !== expected(one)) failures.push(`${one.name}: ${found}, expected ${expected(one)}`);
  }
  return {
    suite: "keys",
    form: "lading",
    file,
    passed: cases.length - failures.length,
    failures,
    data: { file, failures },
  };
}
