/**
 * `pnpm interop`: has programs that we did not write verify what we signed, and verifies what they signed: openssl,
 * minisign, ssh-keygen, and Go's sumdb code for the log. With CI set a program that is missing is a failure, else it is
 * named and left out.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  countersignEnvelope,
  createStatement,
  createTrustPolicy,
  decodeEnvelope,
  encodeEnvelope,
  formatPublicKey,
  generateKey,
  parsePublicKey,
  softwareSigner,
  verifyEd25519,
  verifyEnvelope,
} from "@lading/signing";
import { parseDigest } from "@lading/core-manifest";
import {
  signMinisign,
  signSshSignature,
  sshAllowedSigner,
  verifyMinisign,
  verifySshSignature,
} from "@lading/signing/foreign";
import { readPrivateKeyFile, writeKeyFiles } from "@lading/signing/node";

const TOOL_TIMEOUT_MS = 60_000;
const GO_TIMEOUT_MS = 300_000;
const folder = mkdtempSync(join(tmpdir(), "lading-interop-"));
const at = (name: string): string => join(folder, name);

/** Whether a program accepts; its refusal is an exit code, anything else an error. */
function accepts(program: string, args: readonly string[], input?: Uint8Array): boolean {
  const options = { cwd: folder, timeout: TOOL_TIMEOUT_MS, ...(input === undefined ? {} : { input }) };
  const { status, error } = spawnSync(program, args, options);
  if (error !== undefined) throw error;
  return status === 0;
}

function demand(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

function altered(bytes: Uint8Array): Uint8Array {
  return bytes.map((byte, i) => (i === bytes.length >> 1 ? byte ^ 1 : byte));
}

const digest = parseDigest(`sha256:${"a1".repeat(32)}`);
const facts = { name: "company/tool", version: "1.0.0", kind: "binary", target: "any" } as const;
const statement = createStatement({ ...facts, blob: digest, tree: digest, manifestDigest: digest });

function preAuthEncoding(payload: Uint8Array): Uint8Array {
  const type = "application/vnd.in-toto+json";
  return Buffer.concat([Buffer.from(`DSSEv1 ${type.length} ${type} ${payload.length} `), payload]);
}

async function openssl(): Promise<void> {
  await writeKeyFiles({ path: at("ours.pem"), format: "pem" });
  execFileSync("openssl", ["genpkey", "-algorithm", "ed25519", "-out", at("theirs.pem")]);
  execFileSync("openssl", ["pkey", "-in", at("theirs.pem"), "-pubout", "-out", at("theirs.pub")]);
  const ours = await readPrivateKeyFile(at("ours.pem"));
  const envelope = await encodeEnvelope(statement, [softwareSigner(ours.seed)]);
  const decoded = decodeEnvelope(envelope);
  const message = preAuthEncoding(decoded.payload);
  writeFileSync(at("message"), message);
  writeFileSync(at("signature"), decoded.envelope.signatures[0]!.signature);
  const check = ["pkeyutl", "-verify", "-pubin", "-inkey", at("ours.pub"), "-rawin", "-in", at("message")];
  demand(accepts("openssl", [...check, "-sigfile", at("signature")]), "openssl refuses our signature");
  writeFileSync(at("signature"), altered(decoded.envelope.signatures[0]!.signature));
  demand(!accepts("openssl", [...check, "-sigfile", at("signature")]), "openssl accepts an altered signature");

  const sign = [
    "pkeyutl",
    "-sign",
    "-inkey",
    at("theirs.pem"),
    "-rawin",
    "-in",
    at("message"),
    "-out",
    at("by-openssl"),
  ];
  execFileSync("openssl", sign);
  const { publicKey } = parsePublicKey(readFileSync(at("theirs.pub")));
  const made = new Uint8Array(readFileSync(at("by-openssl")));
  demand(verifyEd25519(publicKey, message, made), "we refuse openssl's signature");
  demand(!verifyEd25519(publicKey, message, altered(made)), "we accept an altered signature of openssl");
  // A key that openssl made signs our envelopes like one of ours.
  const theirs = await readPrivateKeyFile(at("theirs.pem"));
  const both = await countersignEnvelope(envelope, [softwareSigner(theirs.seed)]);
  const policy = createTrustPolicy([{ publicKey: ours.publicKey }, { publicKey }], { threshold: 2 });
  demand(
    verifyEnvelope(both, { policy, expect: facts }).ok,
    "two signatures of two programs' keys do not count as two",
  );
}

async function minisign(): Promise<void> {
  const file = Buffer.from("a file that two programs sign\n");
  writeFileSync(at("file"), file);
  const key = generateKey();
  writeFileSync(at("ours.minisign.pub"), formatPublicKey(key.publicKey, "minisign"));
  writeFileSync(
    at("file.minisig"),
    await signMinisign({ content: file, signer: softwareSigner(key.seed), trustedComment: "interop" }),
  );
  const check = ["-V", "-m", at("file"), "-p", at("ours.minisign.pub")];
  demand(accepts("minisign", check), "minisign refuses our signature");
  writeFileSync(at("file"), altered(file));
  demand(!accepts("minisign", check), "minisign accepts another file");
  writeFileSync(at("file"), file);

  execFileSync("minisign", ["-G", "-W", "-f", "-p", at("theirs.minisign.pub"), "-s", at("theirs.minisign")], {
    timeout: TOOL_TIMEOUT_MS,
  });
  execFileSync("minisign", ["-S", "-s", at("theirs.minisign"), "-m", at("file"), "-x", at("theirs.minisig")], {
    timeout: TOOL_TIMEOUT_MS,
  });
  const { publicKey } = parsePublicKey(readFileSync(at("theirs.minisign.pub")));
  const signature = readFileSync(at("theirs.minisig"), "utf8");
  demand(verifyMinisign({ signature, content: file, keys: [{ publicKey }] }).ok, "we refuse minisign's signature");
  demand(
    !verifyMinisign({ signature, content: altered(file), keys: [{ publicKey }] }).ok,
    "we accept another file for minisign's signature",
  );
}

async function ssh(): Promise<void> {
  const file = Buffer.from("a file that two programs sign\n");
  writeFileSync(at("file"), file);
  const key = generateKey();
  writeFileSync(
    at("allowed"),
    `${sshAllowedSigner("ann", key.publicKey)}
`,
  );
  writeFileSync(at("file.sig"), await signSshSignature({ content: file, signer: softwareSigner(key.seed) }));
  const check = ["-Y", "verify", "-f", at("allowed"), "-I", "ann", "-n", "file", "-s", at("file.sig")];
  demand(accepts("ssh-keygen", check, file), "ssh-keygen refuses our signature");
  demand(!accepts("ssh-keygen", check, altered(file)), "ssh-keygen accepts another file");

  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", at("ssh")]);
  rmSync(at("file.sig"));
  execFileSync("ssh-keygen", ["-q", "-Y", "sign", "-f", at("ssh"), "-n", "file", at("file")], { stdio: "ignore" });
  const { publicKey } = parsePublicKey(readFileSync(at("ssh.pub")));
  const signature = readFileSync(at("file.sig"), "utf8");
  demand(
    verifySshSignature({ signature, content: file, keys: [{ publicKey }] }).ok,
    "we refuse ssh-keygen's signature",
  );
  demand(
    !verifySshSignature({ signature, content: altered(file), keys: [{ publicKey }] }).ok,
    "we accept another file for ssh-keygen's signature",
  );
}

function go(): void {
  const script = join(import.meta.dirname, "log-with-go.ts");
  const run = spawnSync(process.execPath, ["-C", "@lading/source", script], {
    encoding: "utf8",
    timeout: GO_TIMEOUT_MS,
  });
  if (run.status !== 0) throw new Error(`${run.stderr}${run.error ?? ""}`.trim());
  if (run.stdout.startsWith("Not run")) throw new MissingError(run.stdout.trim());
}

class MissingError extends Error {}

const CHECKS: readonly (readonly [name: string, run: () => unknown])[] = [
  ["openssl verifies our envelopes, and we its signatures", openssl],
  ["minisign verifies our signatures, and we its", minisign],
  ["ssh-keygen verifies our signatures, and we its", ssh],
  ["Go's sumdb code verifies our tiles, checkpoints, inclusion and consistency", go],
];

function isMissing(error: unknown): boolean {
  return error instanceof MissingError || (error as NodeJS.ErrnoException).code === "ENOENT";
}

let [passed, failed] = [0, 0];
try {
  for (const [name, run] of CHECKS) {
    try {
      await run();
      passed += 1;
      console.log(`ok      ${name}`);
    } catch (error) {
      const left = isMissing(error) && process.env["CI"] === undefined;
      if (!left) failed += 1;
      console.log(`${left ? "missing" : "FAILED "} ${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
} finally {
  rmSync(folder, { recursive: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
