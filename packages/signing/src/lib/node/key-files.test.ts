import { execFileSync, spawnSync } from "node:child_process";
import { chmod, mkdtemp, readFile, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { platform, tmpdir } from "node:os";
import { join } from "node:path";
import type { LadingEvent } from "@lading/core-manifest";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { signEd25519 } from "../ed25519.ts";
import { fingerprint } from "../key-id.ts";
import {
  generateKeyPair,
  publicKeyPath,
  readKeyFile,
  readPrivateKeyFile,
  readPublicKeyFile,
  writeKeyFiles,
} from "./key-files.ts";
import { nodeVerifier } from "./verifier.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "lading-keys-"));
});
afterEach(() => rm(folder, { recursive: true }));

const posix = platform() !== "win32";
const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;
const at = (name: string): string => join(folder, name);
const openssl = (...args: string[]): string => execFileSync("openssl", args, { stdio: "pipe" }).toString();

describe("publicKeyPath()", () => {
  test.each([
    ["signing.key", "signing.pub"],
    ["my-key.pem", "my-key.pub"],
    ["dev.json", "dev.pub"],
    ["key", "key.pub"],
    ["a.b/key", "a.b/key.pub"],
  ])("of %s is %s", (path, expected) => {
    expect(publicKeyPath(path)).toBe(expected);
  });
});

describe("writeKeyFiles()", () => {
  test.each(["pem", "json"] as const)("writes a %s pair that reads back, 0600 and its .pub beside", async (format) => {
    const written = await writeKeyFiles({ path: at(`keys/dev.${format}`), format });
    const key = await readPrivateKeyFile(written.privatePath, { strictPermissions: true });
    const { publicKey } = await readPublicKeyFile(written.publicPath);
    expect(publicKey).toEqual(key.publicKey);
    expect(written.fingerprint).toBe(fingerprint(publicKey));
    expect(written.publicPath).toBe(at("keys/dev.pub"));
  });

  test.runIf(posix)("keeps the private key and a folder that it makes to its owner", async () => {
    const { privatePath } = await writeKeyFiles({ path: at("keys/dev.pem"), format: "pem" });
    expect((await stat(privatePath)).mode & 0o777).toBe(0o600);
    expect((await stat(at("keys"))).mode & 0o777).toBe(0o700);
  });

  test("never overwrites either file, and leaves nothing when it refuses", async () => {
    const { privatePath, publicPath } = await writeKeyFiles({ path: at("a.pem"), format: "pem" });
    const before = [await readFile(privatePath, "utf8"), await readFile(publicPath, "utf8")];
    await expect(writeKeyFiles({ path: at("a.json"), format: "json" })).rejects.toMatchObject({
      code: "KEY_FILE_EXISTS",
    });
    await rm(publicPath);
    await expect(writeKeyFiles({ path: at("a.pem"), format: "pem" })).rejects.toMatchObject({
      code: "KEY_FILE_EXISTS",
    });
    expect(await readdir(folder)).toEqual(["a.pem"]);
    expect(await readFile(privatePath, "utf8")).toBe(before[0]);
  });

  test.runIf(posix)("does not write through a link", async () => {
    await symlink(at("elsewhere"), at("a.pem"));
    await expect(writeKeyFiles({ path: at("a.pem"), format: "pem" })).rejects.toMatchObject({
      code: "KEY_FILE_EXISTS",
    });
    expect(await readdir(folder)).toEqual(["a.pem"]);
  });

  test("refuses a private key path that is the public key's", async () => {
    await expect(writeKeyFiles({ path: at("a.pub"), format: "pem" })).rejects.toMatchObject({ code: "KEY_INVALID" });
  });

  test("says so where the folder cannot be made", async () => {
    await writeFile(at("file"), "");
    await expect(writeKeyFiles({ path: at("file/a.pem"), format: "pem" })).rejects.toMatchObject({
      code: "KEY_FILE_IO",
    });
  });
});

describe("readKeyFile()", () => {
  test("tells what is not there, not readable and not a key", async () => {
    await writeFile(at("x.pem"), "no key", { mode: 0o600 });
    await expect(readKeyFile(at("none"))).rejects.toMatchObject({ code: "KEY_FILE_NOT_FOUND" });
    await expect(readKeyFile(folder)).rejects.toMatchObject({ code: "KEY_FILE_IO" });
    await expect(readKeyFile(at("x.pem"))).rejects.toMatchObject({
      code: "KEY_INVALID",
      details: { path: at("x.pem") },
    });
  });

  test("names the file whose passphrase is wrong", async () => {
    await writeKeyFiles({ path: at("a.json"), format: "json", passphrase: "right" });
    await expect(readKeyFile(at("a.json"), { passphrase: "wrong" })).rejects.toMatchObject({
      code: "KEY_PASSPHRASE_WRONG",
      message: expect.stringContaining("a.json"),
    });
  });

  test.runIf(posix)("warns of a private key that others can read, and refuses it when strict", async () => {
    await writeKeyFiles({ path: at("a.pem"), format: "pem" });
    await chmod(at("a.pem"), 0o640);
    const events: LadingEvent[] = [];
    await readPrivateKeyFile(at("a.pem"), { onEvent: (event) => events.push(event) });
    expect(events).toMatchObject([{ type: "warning", code: "KEY_FILE_PERMISSIONS" }]);
    await expect(readKeyFile(at("a.pem"), { strictPermissions: true })).rejects.toMatchObject({
      code: "KEY_FILE_PERMISSIONS",
    });
    expect((await readKeyFile(at("a.pub"), { strictPermissions: true })).type).toBe("public");
  });

  test("refuses a private key where a public one belongs, and the other way round", async () => {
    await writeKeyFiles({ path: at("a.pem"), format: "pem" });
    await expect(readPublicKeyFile(at("a.pem"))).rejects.toMatchObject({ code: "KEY_IS_PRIVATE" });
    await expect(readPrivateKeyFile(at("a.pub"))).rejects.toMatchObject({ code: "KEY_IS_PUBLIC" });
  });
});

test("writeKeyFiles() names the private file of a pair that is there", async () => {
  await writeKeyFiles({ path: at("k.pem"), format: "pem" });
  await expect(writeKeyFiles({ path: at("k.pem"), format: "pem" })).rejects.toMatchObject({
    code: "KEY_FILE_EXISTS",
    details: { path: at("k.pem") },
  });
});

test.skipIf(platform() === "win32")("readKeyFile() refuses a pipe, and does not wait for it", async () => {
  execFileSync("mkfifo", [at("k.pem")]);
  await expect(readKeyFile(at("k.pem"))).rejects.toMatchObject({
    code: "KEY_FILE_IO",
    message: expect.stringContaining("it is a pipe, not a file"),
  });
});

describe.runIf(hasOpenssl)("openssl", () => {
  test("reads our keys, makes the same signatures and verifies ours", async () => {
    const key = generateKeyPair();
    await writeKeyFiles({ path: at("k.pem"), format: "pem", key });
    await writeFile(at("message"), "a message");
    expect(openssl("pkey", "-in", at("k.pem"), "-pubout")).toBe(await readFile(at("k.pub"), "utf8"));
    openssl("pkeyutl", "-sign", "-rawin", "-inkey", at("k.pem"), "-in", at("message"), "-out", at("theirs"));
    const message = new Uint8Array(await readFile(at("message")));
    expect(new Uint8Array(await readFile(at("theirs")))).toEqual(signEd25519(key.seed, message));
    await writeFile(at("ours"), signEd25519(key.seed, message));
    const verify = ["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", at("k.pub"), "-in", at("message")];
    expect(openssl(...verify, "-sigfile", at("ours"))).toContain("Verified Successfully");
  });

  test("writes keys that we read, whose signatures we verify", async () => {
    openssl("genpkey", "-algorithm", "ed25519", "-out", at("k.pem"));
    openssl("pkey", "-in", at("k.pem"), "-pubout", "-out", at("k.pub"));
    await writeFile(at("message"), "a message");
    openssl("pkeyutl", "-sign", "-rawin", "-inkey", at("k.pem"), "-in", at("message"), "-out", at("sig"));
    const { publicKey } = await readPublicKeyFile(at("k.pub"));
    expect((await readPrivateKeyFile(at("k.pem"))).publicKey).toEqual(publicKey);
    const [message, signature] = await Promise.all([readFile(at("message")), readFile(at("sig"))]);
    expect(nodeVerifier.verify(publicKey, message, signature)).toBe(true);
  });

  test("opens the keys that we encrypt", async () => {
    const key = generateKeyPair();
    await writeKeyFiles({ path: at("k.pem"), format: "pem", passphrase: "secret", key });
    expect(openssl("pkey", "-in", at("k.pem"), "-passin", "pass:secret", "-pubout")).toBe(
      await readFile(at("k.pub"), "utf8"),
    );
    expect(() => openssl("pkey", "-in", at("k.pem"), "-passin", "pass:other")).toThrow("Command failed");
  });

  test.each([
    ["pkey -aes-256-cbc", ["pkey", "-aes-256-cbc"]],
    ["pkey -aes-128-cbc", ["pkey", "-aes-128-cbc"]],
    ["pkcs8 with HMAC-SHA512", ["pkcs8", "-topk8", "-v2", "aes-192-cbc", "-v2prf", "hmacWithSHA512"]],
    ["pkcs8 with HMAC-SHA1", ["pkcs8", "-topk8", "-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA1"]],
    ["pkcs8 -scrypt", ["pkcs8", "-topk8", "-scrypt"]],
  ])("encrypts keys that we open: %s", async (_, command) => {
    openssl("genpkey", "-algorithm", "ed25519", "-out", at("plain.pem"));
    openssl(...command, "-in", at("plain.pem"), "-out", at("k.pem"), "-passout", "pass:secret");
    const plain = await readPrivateKeyFile(at("plain.pem"));
    expect(await readPrivateKeyFile(at("k.pem"), { passphrase: "secret" })).toEqual(plain);
    await expect(readPrivateKeyFile(at("k.pem"), { passphrase: "x" })).rejects.toMatchObject({
      code: "KEY_PASSPHRASE_WRONG",
    });
  });

  test("writes other kinds of keys, which we refuse by name", async () => {
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", at("ec.pem"));
    await expect(readKeyFile(at("ec.pem"))).rejects.toMatchObject({
      code: "KEY_UNSUPPORTED",
      message: expect.stringContaining(`"EC"`),
    });
    openssl("pkcs8", "-topk8", "-v2", "des3", "-in", at("ec.pem"), "-out", at("des.pem"), "-passout", "pass:x");
    await expect(readKeyFile(at("des.pem"))).rejects.toMatchObject({ code: "KEY_UNSUPPORTED" });
  });
});
