import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { blake2b } from "@noble/hashes/blake2.js";
import { sha256, sha512 } from "@noble/hashes/sha2.js";
import * as fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { decodeDsse, preAuthEncoding } from "../dsse.ts";
import { encodeEnvelope } from "../envelope.ts";
import { fingerprint } from "../key-id.ts";
import { formatPrivateKey, formatPublicKey, parsePublicKey } from "../key-codec.ts";
import { generateKey } from "../generate.ts";
import { softwareSigner } from "../signer.ts";
import { SigningError } from "../signing-error.ts";
import { testSigner, testStatement } from "../testing/builders.ts";
import { namesKey, parseMinisign, signMinisign, verifyMinisign } from "./minisign.ts";
import { parseSshSignature, signSshSignature, sshAllowedSigner, verifySshSignature } from "./sshsig.ts";

const FILE = new TextEncoder().encode("hello package bytes\n");
const OTHER = new TextEncoder().encode("hello other bytes\n");
const signer = testSigner("ann");
const KEYS = [signer];

// Made by minisign 0.11, signify-openbsd 31 and OpenSSH 9.2 over FILE with throw-away keys.
const MINISIGN_KEY = parsePublicKey(
  "untrusted comment: minisign public key EC20A09B747DC374\nRWR0w310m6Ag7P4OvWoJGNFsXhAH3QPO4Nff8b+V4+dpoBzp3BjXEpMA\n",
);
const PREHASHED =
  "untrusted comment: signature from minisign secret key\nRUR0w310m6Ag7HnMX8SHj00isG7c84O7qnFlePkdr9PlWingGyiovzGwqRnCK2DjJhSqf7RZYbLAQnCKIYfhhQFZ7UHcPtQliQ8=\ntrusted comment: v1\n4nYAjpheZGf3CwkCw+oYTb8rdXvg1hR6wg2KXsP2DiGSDsEKZmpOslRZtaQ/46nw1N2Wgo8GOSf99wqn3rt2CQ==\n";
const LEGACY =
  "untrusted comment: signature from minisign secret key\nRWR0w310m6Ag7PtSEGltZzN+BtqX1uPSdFthf9c/iteXjCOCYbI+B3cSw1QOzFkkU9N+xmcwU4omAtwA61thCqY1cCryWQ89oQE=\ntrusted comment: timestamp:1795216543\tfile:m.txt\nDzAbCu0tTbXV7s5xMK6NfgXhWCk7QNH2hLXNRtObfR0pc2nhUtMkSyEu/fac5CxxKUd4HLYJq5u4wcwodLpKBg==\n";
const SIGNIFY_KEY = parsePublicKey(
  "untrusted comment: signify public key\nRWQd3rtCNI7DNgkoJCcbq3CJnAiDJ1yL/QuYTM0JZxCorrLWLpzkwVAf\n",
);
const SIGNIFY =
  "untrusted comment: verify with s.pub\nRWQd3rtCNI7DNn0wBCif9VeRZpB0Q+hC43P72s5fBkTReLmJZHsDb2MgaHYgi8imRlulBRMVQY8KlvYc1QQDWmtO3v5OcgfdhA4=\n";
const SSH_KEY = parsePublicKey(
  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIHHFHvO/niyxH6mBBb9t97euQOk7BeqhrzNiOTphAua pub@example.org\n",
);
const SSHSIG =
  "-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAggccUe87+eLLEfqYEFv233t65A6\nTsF6qGvM2I5OmEC5oAAAAPcGtnQGV4YW1wbGUub3JnAAAAAAAAAAZzaGE1MTIAAABTAAAA\nC3NzaC1lZDI1NTE5AAAAQNdA0nGxYzW6+pNui6jVj1LRlFaWB3K6jRAh5oETIozScaU8Re\nPB8Q6zNffO2sDMJv45DW3Sl+e1UHd1Ofh3PQs=\n-----END SSH SIGNATURE-----\n";

function codeOf(verdict: { ok: boolean; code?: string }): string {
  return verdict.ok ? "ok" : verdict.code!;
}

async function thrown(work: Promise<unknown> | (() => unknown)): Promise<string> {
  try {
    await (typeof work === "function" ? work() : work);
    return "done";
  } catch (error) {
    if (error instanceof SigningError) return error.code;
    throw error;
  }
}

describe("verifyMinisign()", () => {
  it("accepts what minisign and signify made, from bytes or from their digest", () => {
    const keys = [MINISIGN_KEY];
    expect(verifyMinisign({ signature: PREHASHED, content: FILE, keys })).toEqual({
      ok: true,
      signer: fingerprint(MINISIGN_KEY.publicKey),
      trustedComment: "v1",
    });
    expect(codeOf(verifyMinisign({ signature: LEGACY, content: FILE, keys }))).toBe("ok");
    expect(codeOf(verifyMinisign({ signature: SIGNIFY, content: FILE, keys: [SIGNIFY_KEY] }))).toBe("ok");
    const digests = { blake2b512: blake2b(FILE, { dkLen: 64 }) };
    expect(codeOf(verifyMinisign({ signature: PREHASHED, content: digests, keys }))).toBe("ok");
    expect(codeOf(verifyMinisign({ signature: LEGACY, content: digests, keys }))).toBe("FOREIGN_SIGNATURE_UNSUPPORTED");
  });

  it("refuses another file, another key, an altered comment and other forms", () => {
    const verify = (signature: string, content = FILE, keys = [MINISIGN_KEY]): string =>
      codeOf(verifyMinisign({ signature, content, keys }));
    expect(verify(PREHASHED, OTHER)).toBe("SIGNATURE_INVALID");
    expect(verify(LEGACY, OTHER)).toBe("SIGNATURE_INVALID");
    expect(verify(PREHASHED, FILE, [SIGNIFY_KEY])).toBe("SIGNATURE_INVALID");
    expect(verify(PREHASHED, FILE, [])).toBe("SIGNATURE_INVALID");
    expect(verify(PREHASHED.replace("comment: v1", "comment: v2"))).toBe("SIGNATURE_INVALID");
    expect(verify(PREHASHED.replace("RUR0", "RUV0"))).toBe("FOREIGN_SIGNATURE_UNSUPPORTED");
    for (const broken of [
      "",
      "x\n".repeat(4),
      `${PREHASHED}x`,
      PREHASHED.replace("trusted comment: v1", "v1"),
      PREHASHED.split("\n").slice(0, 2).join("\n"),
      PREHASHED.replace("CQ==", ""),
      "x".repeat(20_000),
    ]) {
      expect(verify(broken)).toBe("FOREIGN_SIGNATURE_MALFORMED");
    }
  });

  it("never throws, whatever the file", () => {
    fc.assert(
      fc.property(fc.nat(PREHASHED.length - 1), fc.string({ maxLength: 3 }), (at, text) => {
        const altered = PREHASHED.slice(0, at) + text + PREHASHED.slice(at + 1);
        const verdict = verifyMinisign({ signature: altered, content: FILE, keys: [MINISIGN_KEY] });
        expect(typeof verdict.ok).toBe("boolean");
      }),
      { numRuns: 60 },
    );
  });
});

describe("signMinisign()", () => {
  it("makes what verifyMinisign() accepts", async () => {
    const signature = await signMinisign({ content: FILE, signer, trustedComment: "tool 1.0.0" });
    expect(verifyMinisign({ signature, content: FILE, keys: KEYS })).toMatchObject({
      ok: true,
      trustedComment: "tool 1.0.0",
    });
    expect(namesKey(parseMinisign(signature), signer.publicKey)).toBe(true);
    expect(namesKey(parseMinisign(PREHASHED), signer.publicKey)).toBe(false);
  });

  it("refuses a comment of two lines, digests of another kind, and a faulty signer", async () => {
    const sign = (options: Partial<Parameters<typeof signMinisign>[0]>) =>
      thrown(signMinisign({ content: FILE, signer, trustedComment: "x", ...options }));
    expect(await sign({ trustedComment: "a\nb" })).toBe("FOREIGN_SIGNATURE_MALFORMED");
    expect(await sign({ content: { sha512: sha512(FILE) } })).toBe("FOREIGN_SIGNATURE_MALFORMED");
    expect(await sign({ signer: { ...signer, sign: () => Promise.resolve(new Uint8Array(64)) } })).toBe(
      "SIGNATURE_INVALID",
    );
  });
});

describe("verifySshSignature() and signSshSignature()", () => {
  const namespace = "pkg@example.org";

  it("accept what ssh-keygen made, and what they make", async () => {
    expect(verifySshSignature({ signature: SSHSIG, content: FILE, keys: [SSH_KEY], namespace })).toEqual({
      ok: true,
      signer: fingerprint(SSH_KEY.publicKey),
    });
    const digests = { sha512: sha512(FILE) };
    expect(codeOf(verifySshSignature({ signature: SSHSIG, content: digests, keys: [SSH_KEY], namespace }))).toBe("ok");
    const signature = await signSshSignature({ content: FILE, signer });
    expect(codeOf(verifySshSignature({ signature, content: FILE, keys: KEYS }))).toBe("ok");
  });

  it("refuse another file, key, namespace or form", async () => {
    const verify = (options: Partial<Parameters<typeof verifySshSignature>[0]>): string =>
      codeOf(verifySshSignature({ signature: SSHSIG, content: FILE, keys: [SSH_KEY], namespace, ...options }));
    expect(verify({ content: OTHER })).toBe("SIGNATURE_INVALID");
    expect(verify({ keys: KEYS })).toBe("SIGNATURE_KEY_UNKNOWN");
    expect(verify({ namespace: "file" })).toBe("SIGNATURE_SUBJECT_MISMATCH");
    expect(verify({ content: { sha256: sha256(FILE) } })).toBe("FOREIGN_SIGNATURE_UNSUPPORTED");
    const armored = (bytes: Uint8Array): string =>
      `-----BEGIN SSH SIGNATURE-----\n${Buffer.from(bytes).toString("base64")}\n-----END SSH SIGNATURE-----\n`;
    const blob = Buffer.from(SSHSIG.split("\n").slice(1, -2).join(""), "base64");
    const altered = (from: string, to: string): string =>
      armored(Buffer.from(blob.toString("latin1").replace(from, to), "latin1"));
    expect(verify({ signature: armored(blob) })).toBe("ok");
    expect(verify({ signature: altered("SSHSIG", "SSHSIQ") })).toBe("FOREIGN_SIGNATURE_MALFORMED");
    expect(verify({ signature: altered("\u0001\u0000\u0000\u00003", "\u0002\u0000\u0000\u00003") })).toBe(
      "FOREIGN_SIGNATURE_UNSUPPORTED",
    );
    expect(verify({ signature: altered("sha512", "sha384") })).toBe("FOREIGN_SIGNATURE_UNSUPPORTED");
    expect(verify({ signature: altered("ssh-ed25519", "ssh-ed25518") })).toBe("FOREIGN_SIGNATURE_UNSUPPORTED");
    expect(verify({ signature: armored(Buffer.concat([blob, Buffer.from([0])])) })).toBe("FOREIGN_SIGNATURE_MALFORMED");
    expect(verify({ signature: armored(blob.subarray(0, 100)) })).toBe("FOREIGN_SIGNATURE_MALFORMED");
    expect(verify({ signature: "x" })).toBe("FOREIGN_SIGNATURE_MALFORMED");
    expect(await thrown(signSshSignature({ content: FILE, signer, namespace: "" }))).toBe(
      "FOREIGN_SIGNATURE_MALFORMED",
    );
    expect(await thrown(signSshSignature({ content: {}, signer }))).toBe("FOREIGN_SIGNATURE_MALFORMED");
    const faulty = { ...signer, sign: () => Promise.resolve(new Uint8Array(64)) };
    expect(await thrown(signSshSignature({ content: FILE, signer: faulty }))).toBe("SIGNATURE_INVALID");
    expect(await thrown(() => sshAllowedSigner("two words", signer.publicKey))).toBe("FOREIGN_SIGNATURE_MALFORMED");
  });

  it("refuse every flipped bit of the signature", () => {
    const blob = Buffer.from(SSHSIG.split("\n").slice(1, -2).join(""), "base64");
    let accepted = 0;
    for (let bit = 0; bit < blob.length * 8; bit += 3) {
      const copy = Buffer.from(blob);
      copy[bit >> 3]! ^= 1 << (bit & 7);
      const signature = `-----BEGIN SSH SIGNATURE-----\n${copy.toString("base64")}\n-----END SSH SIGNATURE-----\n`;
      if (verifySshSignature({ signature, content: FILE, keys: [SSH_KEY], namespace }).ok) accepted++;
    }
    expect(accepted).toBe(0);
  });

  it("never throws, whatever the file", () => {
    fc.assert(
      fc.property(fc.nat(SSHSIG.length - 1), fc.string({ maxLength: 3 }), (at, text) => {
        const signature = SSHSIG.slice(0, at) + text + SSHSIG.slice(at + 1);
        expect(typeof verifySshSignature({ signature, content: FILE, keys: [SSH_KEY], namespace }).ok).toBe("boolean");
      }),
      { numRuns: 60 },
    );
    expect(parseSshSignature(SSHSIG)).toMatchObject({ namespace, hash: "sha512" });
  });
});

function installed(command: string, ...args: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: "ignore" });
    return true;
  } catch (error) {
    // A tool that is there ends with a status; one that is not cannot be started.
    return !(error instanceof Error && "code" in error && error.code === "ENOENT");
  }
}

describe("real tools", () => {
  const folder = mkdtempSync(join(tmpdir(), "lading-foreign-"));
  const path = (name: string): string => join(folder, name);
  const key = generateKey("ann");
  const mine = softwareSigner(key.seed);
  writeFileSync(path("file"), FILE);
  writeFileSync(path("other"), OTHER);

  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  const run = (command: string, args: readonly string[], input?: Uint8Array): boolean => {
    try {
      execFileSync(command, args, { cwd: folder, stdio: "pipe", ...(input === undefined ? {} : { input }) });
      return true;
    } catch {
      return false;
    }
  };

  it.skipIf(!installed("minisign", "-v"))("minisign verifies ours, and we verify its", async () => {
    writeFileSync(path("ours.pub"), formatPublicKey(mine.publicKey, "minisign"));
    writeFileSync(
      path("ours.minisig"),
      await signMinisign({ content: FILE, signer: mine, trustedComment: "tool 1.0.0" }),
    );
    const verify = (file: string): boolean =>
      run("minisign", ["-V", "-p", "ours.pub", "-m", file, "-x", "ours.minisig"]);
    expect([verify("file"), verify("other")]).toEqual([true, false]);
    expect(run("minisign", ["-G", "-W", "-p", "theirs.pub", "-s", "theirs.key"])).toBe(true);
    const keys = [parsePublicKey(readFileSync(path("theirs.pub")))];
    for (const flag of [[], ["-l"]]) {
      expect(
        run("minisign", ["-S", ...flag, "-s", "theirs.key", "-m", "file", "-x", "theirs.minisig", "-t", "hi"]),
      ).toBe(true);
      const signature = readFileSync(path("theirs.minisig"), "utf8");
      expect(verifyMinisign({ signature, content: FILE, keys })).toMatchObject({ ok: true, trustedComment: "hi" });
      expect(codeOf(verifyMinisign({ signature, content: OTHER, keys }))).toBe("SIGNATURE_INVALID");
    }
  });

  it.skipIf(!installed("ssh-keygen", "-?"))("ssh-keygen verifies ours, and we verify its", async () => {
    writeFileSync(path("signers"), sshAllowedSigner("ann", mine.publicKey, "lading"));
    writeFileSync(path("ours.sshsig"), await signSshSignature({ content: FILE, signer: mine, namespace: "lading" }));
    const verify = (bytes: Uint8Array, namespace = "lading"): boolean =>
      run("ssh-keygen", ["-Y", "verify", "-f", "signers", "-I", "ann", "-n", namespace, "-s", "ours.sshsig"], bytes);
    expect([verify(FILE), verify(OTHER), verify(FILE, "file")]).toEqual([true, false, false]);
    expect(run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", "theirs"])).toBe(true);
    const keys = [parsePublicKey(readFileSync(path("theirs.pub")))];
    for (const hash of ["sha256", "sha512"]) {
      rmSync(path("file.sig"), { force: true });
      expect(run("ssh-keygen", ["-Y", "sign", "-f", "theirs", "-n", "file", "-O", `hashalg=${hash}`, "file"])).toBe(
        true,
      );
      const signature = readFileSync(path("file.sig"), "utf8");
      expect(parseSshSignature(signature).hash).toBe(hash);
      expect(codeOf(verifySshSignature({ signature, content: FILE, keys }))).toBe("ok");
      expect(codeOf(verifySshSignature({ signature, content: OTHER, keys }))).toBe("SIGNATURE_INVALID");
    }
  });

  it.skipIf(!installed("openssl", "version"))(
    "openssl verifies the signature in our envelope, and signs as we do",
    async () => {
      const [signature] = decodeDsse(await encodeEnvelope(testStatement(), [mine])).signatures;
      const { payloadType, payload } = decodeDsse(await encodeEnvelope(testStatement(), [mine]));
      writeFileSync(path("ann.pub"), formatPublicKey(mine.publicKey));
      writeFileSync(path("ann.pem"), await formatPrivateKey(key, { format: "pem" }), { mode: 0o600 });
      writeFileSync(path("pae"), preAuthEncoding(payloadType, payload));
      writeFileSync(path("sig"), signature!.signature);
      const verify = (file: string): boolean =>
        run("openssl", ["pkeyutl", "-verify", "-pubin", "-inkey", "ann.pub", "-rawin", "-in", file, "-sigfile", "sig"]);
      expect([verify("pae"), verify("file")]).toEqual([true, false]);
      expect(run("openssl", ["pkeyutl", "-sign", "-inkey", "ann.pem", "-rawin", "-in", "pae", "-out", "sig2"])).toBe(
        true,
      );
      expect(Uint8Array.from(readFileSync(path("sig2")))).toEqual(signature!.signature);
    },
  );
});
