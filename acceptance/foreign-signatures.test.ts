import { afterAll, beforeAll, expect, test } from "vitest";
import { createSandbox, type Sandbox } from "./lib/harness.ts";

/** Keys and signatures that other programs read, and theirs that we read: the programs themselves judge. */

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = createSandbox();
  await sandbox.ok("lading keygen --output ann.pem");
  sandbox.write("file.bin", "what is signed\n");
});
afterAll(async () => sandbox.dispose());

const fails = async (line: string, code: string): Promise<void> => {
  const { code: exit, stderr } = await sandbox.line(line);
  expect([exit, stderr]).toEqual([7, expect.stringContaining(`error[${code}]`)]);
};

test("minisign verifies ours by the exported key, and we its", async () => {
  sandbox.write("ours.pub", (await sandbox.ok("lading key export ann.pem --as minisign")).stdout);
  await sandbox.ok("lading sign file.bin --for minisign --key ann.pem");
  await sandbox.ok("minisign -V -p ours.pub -m file.bin -x file.bin.minisig");
  const verified = await sandbox.ok("lading verify file.bin --signature file.bin.minisig --key ann.pub");
  expect(verified.stdout).toMatch(/the signature of minisign holds[^]*comment {2}timestamp:\d+ file:file\.bin hashed/);
  await sandbox.ok("minisign -G -W -p theirs.pub -s theirs.key");
  await sandbox.ok("minisign -S -s theirs.key -m file.bin -x theirs.minisig");
  await sandbox.ok("lading verify file.bin --signature theirs.minisig --key theirs.pub");
  await fails("lading verify file.bin --signature theirs.minisig --key ann.pub", "SIGNATURE_INVALID");
  sandbox.write("other.bin", "something else\n");
  await fails("lading verify other.bin --signature theirs.minisig --key theirs.pub", "SIGNATURE_INVALID");
  await fails("lading verify file.bin --signature theirs.minisig", "SIGNATURE_KEY_UNKNOWN");
});

test("ssh-keygen verifies ours by an allowed signer's line, and we its by the line of its key", async () => {
  const allowed = await sandbox.ok("lading key export ann.pub --as allowed-signer --principal ann@example.com");
  sandbox.write("allowed", allowed.stdout);
  await sandbox.ok("lading sign file.bin --for ssh --key ann.pem");
  await sandbox.ok("ssh-keygen -Y verify -f allowed -I ann@example.com -n file -s file.bin.sshsig < file.bin");
  await sandbox.ok("ssh-keygen -q -t ed25519 -N '' -f theirs");
  await sandbox.ok("ssh-keygen -q -Y sign -f theirs -n file file.bin && mv file.bin.sig theirs.sshsig");
  await sandbox.ok("lading verify file.bin --signature theirs.sshsig --key theirs.pub");
  await fails("lading verify file.bin --signature theirs.sshsig --key ann.pub", "SIGNATURE_KEY_UNKNOWN");
  await sandbox.ok("ssh-keygen -q -Y sign -f theirs -n git file.bin && mv file.bin.sig git.sshsig");
  await fails("lading verify file.bin --signature git.sshsig --key theirs.pub", "SIGNATURE_SUBJECT_MISMATCH");
});

test("openssl reads the exported PEM, and every form names the same key", async () => {
  sandbox.write("ann-spki.pem", (await sandbox.ok("lading key export ann.pem")).stdout);
  const { stdout } = await sandbox.ok("openssl pkey -pubin -in ann-spki.pem -noout -text");
  expect(stdout).toContain("ED25519 Public-Key");
  const prints = new Set<unknown>();
  for (const form of ["pem", "json", "minisign", "ssh"]) {
    const made = (await sandbox.json(`lading key export ann.pub --as ${form} --json`)) as { text: string };
    sandbox.write(`again-${form}.pub`, made.text);
    prints.add(
      ((await sandbox.json(`lading key export again-${form}.pub --json`)) as { fingerprint: string }).fingerprint,
    );
  }
  expect(prints.size).toBe(1);
});
