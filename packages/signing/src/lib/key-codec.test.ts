import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeBase64, encodeUtf8, tryDecodeBase64, tryDecodeHex } from "./bytes.ts";
import { publicKeyOf, signEd25519 } from "./ed25519.ts";
import { generateKey } from "./generate.ts";
import { fingerprint, keyIdOf } from "./key-id.ts";
import { formatPrivateKey, formatPublicKey, parseKey, parsePrivateKey, parsePublicKey } from "./key-codec.ts";
import { createPrivateKey } from "./key.ts";
import { SigningError } from "./signing-error.ts";
import { softwareSigner } from "./signer.ts";

// RFC 8410 §10: the example keys.
const RFC_PRIVATE = `-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
`;
const RFC_PRIVATE_V2 = `-----BEGIN PRIVATE KEY-----
MHICAQEwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
oB8wHQYKKoZIhvcNAQkJFDEPDA1DdXJkbGUgQ2hhaXJzgSEAGb9ECWmEzf6FQbrB
Z9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PRIVATE KEY-----
`;
const RFC_PUBLIC = `-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
`;
const X25519 = `-----BEGIN PUBLIC KEY-----
MCowBQYDK2VuAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
`;

const seed = tryDecodeHex("d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842")!;
const key = createPrivateKey(seed);

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof SigningError) return error.code;
    throw error;
  }
  return "no error";
}

// The derivation is slow on purpose, so each form is encrypted once.
const encryptedPem = await formatPrivateKey(key, { format: "pem", passphrase: "pässword" });
const encryptedJson = await formatPrivateKey({ ...key, comment: "ann" }, { format: "json", passphrase: "pässword" });

const pem = (label: string, der: Uint8Array): string =>
  `-----BEGIN ${label}-----\n${encodeBase64(der)}\n-----END ${label}-----\n`;

describe("parseKey()", () => {
  test("reads the PEM keys of RFC 8410, and writes them the same", async () => {
    expect(parseKey(RFC_PRIVATE)).toEqual(key);
    expect(parseKey(RFC_PUBLIC)).toEqual({ type: "public", publicKey: key.publicKey });
    expect(await formatPrivateKey(key, { format: "pem" })).toBe(RFC_PRIVATE);
    expect(formatPublicKey(key.publicKey)).toBe(RFC_PUBLIC);
  });

  test("reads PKCS#8 version 2 with its public key, and refuses one that states another's", () => {
    expect(parseKey(RFC_PRIVATE_V2)).toEqual(key);
    const der = tryDecodeBase64(RFC_PRIVATE_V2.split("\n").slice(1, -2).join(""))!;
    der[der.length - 5]! ^= 1;
    expect(codeOf(() => parseKey(pem("PRIVATE KEY", der)))).toBe("KEY_INVALID");
  });

  test("reads PEM with Windows line ends, white space around and as bytes", () => {
    expect(parseKey(encodeUtf8(`\r\n${RFC_PUBLIC.replaceAll("\n", "\r\n")}  `)).type).toBe("public");
  });

  test.each(["pem", "json", "ssh", "minisign"] as const)("reads a public key written as %s", (format) => {
    const text = formatPublicKey({ publicKey: key.publicKey, comment: "ann  at work" }, format);
    expect(parsePublicKey(text).publicKey).toEqual(key.publicKey);
  });

  test("reads a public key in base64, raw or as SPKI, as configuration files have it", () => {
    expect(parsePublicKey(encodeBase64(key.publicKey)).publicKey).toEqual(key.publicKey);
    expect(parsePublicKey(RFC_PUBLIC.split("\n")[1]!).publicKey).toEqual(key.publicKey);
  });

  test.each(["pem", "json"] as const)("reads a private key written as %s", async (format) => {
    expect(await parsePrivateKey(await formatPrivateKey(key, { format }))).toEqual(key);
  });

  test.each([
    ["pem", encryptedPem],
    ["json", encryptedJson],
  ] as const)("decrypts a private key written as %s with a passphrase", async (format, text) => {
    expect(text).not.toContain(encodeBase64(seed));
    expect(parseKey(text).type).toBe("encrypted-private");
    expect(await parsePrivateKey(text, "pässword")).toMatchObject({ seed, publicKey: key.publicKey });
    await expect(parsePrivateKey(text)).rejects.toMatchObject({ code: "KEY_PASSPHRASE_REQUIRED" });
    await expect(formatPrivateKey(key, { format, passphrase: "" })).rejects.toMatchObject({ code: "KEY_INVALID" });
  });

  test("refuses an encrypted JSON key whose public key was exchanged", async () => {
    const file = JSON.parse(encryptedJson);
    const swapped = JSON.stringify({
      ...file,
      publicKey: encodeBase64(publicKeyOf(new Uint8Array(32))),
      keyId: undefined,
    });
    await expect(parsePrivateKey(swapped, "p")).rejects.toMatchObject({ code: "KEY_PASSPHRASE_WRONG" });
  });

  test.each([
    ["kdf", { name: "argon2" }, "KEY_UNSUPPORTED"],
    ["kdf", { name: "scrypt", n: 32768, r: 8 }, "KEY_INVALID"],
    ["cipher", { name: "rot13" }, "KEY_UNSUPPORTED"],
    ["cipher", { name: "aes-256-gcm", iv: "AAAA" }, "KEY_INVALID"],
    ["data", 7, "KEY_INVALID"],
  ])("refuses an encrypted JSON key with %s %j", (member, value, code) => {
    const file = JSON.parse(encryptedJson);
    expect(codeOf(() => parseKey(JSON.stringify({ ...file, encrypted: { ...file.encrypted, [member]: value } })))).toBe(
      code,
    );
  });

  test("refuses a key derivation that would exhaust the machine", async () => {
    const file = JSON.parse(encryptedJson);
    for (const cost of [{ n: 2 ** 30 }, { n: 3 }, { r: 1e6 }, { p: 1000 }, { n: 2 ** 20, r: 64 }]) {
      Object.assign(file.encrypted.kdf, { n: 32768, r: 8, p: 1 }, cost);
      await expect(parsePrivateKey(JSON.stringify(file), "p")).rejects.toMatchObject({ code: "KEY_INVALID" });
    }
  });

  test.each([
    ["nothing", "", "KEY_INVALID"],
    ["text", "hello", "KEY_INVALID"],
    ["a fingerprint", fingerprint(key.publicKey), "KEY_INVALID"],
    ["bytes that are no text", Uint8Array.of(0xff, 0xfe), "KEY_INVALID"],
    ["a huge file", "A".repeat(20_000), "KEY_INVALID"],
    ["two blocks", RFC_PRIVATE + RFC_PUBLIC, "KEY_INVALID"],
    ["labels that differ", RFC_PUBLIC.replace("END PUBLIC", "END PRIVATE"), "KEY_INVALID"],
    ["damaged base64", RFC_PUBLIC.replace("MCow", "MC*w"), "KEY_INVALID"],
    ["a truncated key", pem("PUBLIC KEY", tryDecodeBase64(RFC_PUBLIC.split("\n")[1]!)!.subarray(0, 43)), "KEY_INVALID"],
    ["an X25519 key", X25519, "KEY_UNSUPPORTED"],
    ["another label", RFC_PUBLIC.replaceAll("PUBLIC", "RSA PUBLIC"), "KEY_UNSUPPORTED"],
    ["another SSH key type", "ssh-rsa AAAA x", "KEY_UNSUPPORTED"],
    ["a damaged SSH line", "ssh-ed25519 AAAA x", "KEY_INVALID"],
    ["a damaged minisign key", "untrusted comment: x\nAAAA\n", "KEY_INVALID"],
    ["a key of low order", encodeBase64(new Uint8Array(32)), "KEY_INVALID"],
    ["broken JSON", "{", "KEY_INVALID"],
    ["JSON without format", "{}", "KEY_INVALID"],
    ["a newer JSON format", `{"format":"lading-key/2"}`, "KEY_UNSUPPORTED"],
    ["a JSON key of another algorithm", `{"format":"lading-key/1","algorithm":"rsa"}`, "KEY_UNSUPPORTED"],
    ["a JSON key without key", `{"format":"lading-key/1","algorithm":"ed25519","type":"public"}`, "KEY_INVALID"],
  ])("refuses %s", (_, source, code) => {
    expect(codeOf(() => parseKey(source))).toBe(code);
  });

  test("refuses a JSON key whose parts do not belong together", async () => {
    const file = JSON.parse(await formatPrivateKey(key, { format: "json" }));
    const stranger = encodeBase64(publicKeyOf(new Uint8Array(32)));
    for (const wrong of [
      { keyId: "0" },
      { publicKey: stranger, keyId: undefined },
      { type: "secret" },
      { privateKey: "AAAA" },
    ]) {
      expect(codeOf(() => parseKey(JSON.stringify({ ...file, ...wrong })))).toBe("KEY_INVALID");
    }
  });

  test("throws nothing but SigningError", () => {
    const texts = [
      RFC_PRIVATE,
      RFC_PRIVATE_V2,
      RFC_PUBLIC,
      formatPublicKey(key.publicKey, "json"),
      formatPublicKey(key.publicKey, "ssh"),
    ];
    const mutated = fc
      .tuple(fc.constantFrom(...texts), fc.nat(300), fc.nat(5), fc.string({ maxLength: 5 }))
      .map(([text, at, cut, insert]) => text.slice(0, at) + insert + text.slice(at + cut));
    const der = fc
      .tuple(fc.constantFrom("PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "PUBLIC KEY"), fc.uint8Array({ maxLength: 80 }))
      .map(([label, bytes]) => pem(label, bytes));
    fc.assert(
      fc.property(fc.oneof(fc.string(), mutated, der), (text) => {
        codeOf(() => parseKey(text));
      }),
      { numRuns: 300 },
    );
  });
});

describe("parsePublicKey()", () => {
  test("refuses a private key with its own code, encrypted or not", () => {
    expect(codeOf(() => parsePublicKey(RFC_PRIVATE))).toBe("KEY_IS_PRIVATE");
    expect(codeOf(() => parsePublicKey(encryptedPem))).toBe("KEY_IS_PRIVATE");
  });
});

describe("parsePrivateKey()", () => {
  test("refuses a public key with its own code", async () => {
    await expect(parsePrivateKey(RFC_PUBLIC)).rejects.toMatchObject({ code: "KEY_IS_PUBLIC" });
  });
});

describe("generateKey()", () => {
  test("makes another key each time, which signs", async () => {
    const [one, two] = [generateKey("ann"), generateKey()];
    expect(one.seed).not.toEqual(two.seed);
    expect(one.comment).toBe("ann");
    const signer = softwareSigner(one.seed);
    expect(await signer.sign(encodeUtf8("x"))).toEqual(signEd25519(one.seed, encodeUtf8("x")));
  });
});

describe("softwareSigner()", () => {
  test("refuses a seed of another length", () => {
    expect(codeOf(() => softwareSigner(new Uint8Array(31)))).toBe("KEY_INVALID");
  });
});

describe("keyIdOf()", () => {
  test("is the SHA-256 of the SPKI", () => {
    expect(keyIdOf(key.publicKey)).toMatch(/^[0-9a-f]{64}$/);
    expect(fingerprint(key.publicKey)).toBe(`ed25519:${keyIdOf(key.publicKey)}`);
    expect(codeOf(() => keyIdOf(new Uint8Array(31)))).toBe("KEY_INVALID");
  });
});

describe("tryDecodeBase64()", () => {
  test("reads what encodeBase64() wrote, as Buffer does", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        expect(encodeBase64(bytes)).toBe(Buffer.from(bytes).toString("base64"));
        expect(tryDecodeBase64(encodeBase64(bytes))).toEqual(bytes);
      }),
    );
  });

  test("accepts one spelling of each value only", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."AB/+=z09 \n-_".split("")), maxLength: 12 }), (text) => {
        const bytes = tryDecodeBase64(text);
        expect(bytes === undefined || encodeBase64(bytes) === text).toBe(true);
      }),
    );
  });
});
