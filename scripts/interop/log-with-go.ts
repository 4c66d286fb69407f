/**
 * Has Go's sumdb code verify a log of ours: tiles, bundles, checkpoints, inclusion of every entry, consistency.
 * Needs Debian's golang-go and golang-golang-x-mod-dev; without them it says so and exits 0.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseDigest } from "@lading/core-manifest";
import {
  EMPTY_LOG,
  appendToLog,
  createNoteKey,
  encodeLogEvent,
  formatNoteKey,
  signCheckpoint,
  type LogTree,
} from "@lading/signing/log";
import { generateKey, softwareSigner } from "@lading/signing";

const GOPATH = "/usr/share/gocode";
const ORIGIN = "registry.example/log";
const OLD_SIZE = 1000;
const SIZE = 1300;

function reasonNotTo(): string | undefined {
  try {
    execFileSync("go", ["version"], { stdio: "ignore" });
  } catch {
    return "go is not installed";
  }
  return existsSync(join(GOPATH, "src/golang.org/x/mod/sumdb"))
    ? undefined
    : "golang-golang-x-mod-dev is not installed";
}

function write(folder: string, path: string, bytes: Uint8Array): void {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, bytes);
}

function entry(i: number): Uint8Array {
  const digest = parseDigest(`sha256:${"a".repeat(64)}`);
  return encodeLogEvent({
    type: "publish",
    time: "2030-01-31T00:00:00Z",
    name: `company/tool-${i}`,
    version: "1.0.0",
    kind: "binary",
    artifacts: [{ target: "any", blob: digest, tree: digest }],
  });
}

/** Grows a log in uneven steps, as publications come, and stores it. */
async function makeLog(folder: string): Promise<string> {
  const signer = softwareSigner(generateKey().seed);
  let tree: LogTree = EMPTY_LOG;
  for (const size of [1, 2, 255, 256, 257, 700, OLD_SIZE, SIZE]) {
    const entries = Array.from({ length: size - tree.size }, (_, i) => entry(tree.size + i));
    const grown = appendToLog(tree, entries);
    ({ tree } = grown);
    for (const [path, bytes] of grown.files) write(folder, path, bytes);
    const checkpoint = await signCheckpoint({ origin: ORIGIN, size, root: grown.root }, [signer]);
    write(folder, size === OLD_SIZE ? "checkpoint.old" : "checkpoint", checkpoint);
  }
  return formatNoteKey(createNoteKey(ORIGIN, signer.publicKey));
}

function verify(folder: string, vkey: string): string {
  const program = join(folder, "check-log");
  const env = { ...process.env, GO111MODULE: "off", GOPATH, GOCACHE: join(folder, "cache") };
  execFileSync("go", ["build", "-o", program, new URL("check-log.go", import.meta.url).pathname], { env });
  const run = (): string =>
    execFileSync(program, [folder, vkey, String(OLD_SIZE)], { encoding: "utf8", stdio: "pipe" });
  const result = run();
  // A checker that accepts everything would prove nothing.
  const tile = join(folder, "tile/0/002");
  writeFileSync(
    tile,
    readFileSync(tile).map((byte, i) => (i === 5 ? byte ^ 1 : byte)),
  );
  try {
    run();
  } catch {
    return result.trim();
  }
  throw new Error("The checker accepts an altered tile");
}

const reason = reasonNotTo();
if (reason === undefined) {
  const folder = mkdtempSync(join(tmpdir(), "lading-log-"));
  try {
    console.log(verify(folder, await makeLog(folder)));
  } finally {
    rmSync(folder, { recursive: true });
  }
} else {
  console.log(`Not run: ${reason}`);
}
