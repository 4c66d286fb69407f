import { readFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { SigningError } from "@lading/signing";
import {
  MetadataError,
  combineMetadata,
  metadataKeyOf,
  nextRoot,
  parseMetadata,
  rootStatus,
  signMetadata,
  type RootRoles,
} from "@lading/signing/metadata";
import {
  ONLINE_ROLES,
  nextLogKeyFile,
  nodeSigner,
  nodeVerifier,
  readOnlineSigners,
  readPrivateKeyFile,
  readPublicKeyFile,
  readRegistryRoots,
  writeKeyFiles,
  type OnlineRole,
} from "@lading/signing/node";
import { RegistryError } from "../registry-error.ts";
import { describeRoot } from "../trust/trust-service.ts";
import { makeDirectory, writeDurably } from "./durable-file.ts";
import { requireOnlineKeys, withKeys } from "./key-directory.ts";
import { dataLayout } from "./node-registry.ts";
import type { ServerConfig } from "./server-config.ts";
import type { ServerIo } from "./server-io.ts";

/** A call of `admin keys …`. */
export interface KeyCall {
  readonly words: readonly string[];
  readonly flags: Readonly<Record<string, string>>;
  readonly io: ServerIo;
  readonly config: ServerConfig;
  /** Runs while no server has the data directory. */
  readonly locked: (work: () => Promise<void>) => Promise<number>;
}

const DAY_MS = 86_400_000;
const DAYS = 365;

function usage(message: string, hint: string): RegistryError {
  return new RegistryError({ code: "SERVER_CONFIG_INVALID", message, hint });
}

function refusal(action: string, cause: unknown): unknown {
  if (!(cause instanceof MetadataError) && !(cause instanceof SigningError)) return cause;
  return new RegistryError({ code: "ROOT_REFUSED", message: `Cannot ${action}: ${cause.message}`, cause });
}

async function readInput(file: string): Promise<Uint8Array> {
  return readFile(file).catch((cause: unknown) => {
    throw usage(`Cannot read "${file}": ${(cause as Error).message}`, "Name a root file");
  });
}

async function writeOutput(file: string, bytes: Uint8Array): Promise<void> {
  const folder = dirname(resolve(file));
  await makeDirectory(folder);
  await writeDurably(resolve(file), bytes, { temporary: folder });
}

function outputOf({ flags, words }: KeyCall): string {
  const file = flags["out"];
  if (file !== undefined) return file;
  throw usage(`Cannot run "admin keys ${words[0]}": --out is missing`, "Name the file to write with --out FILE");
}

function count(flags: KeyCall["flags"], name: string, fallback: number, maximum: number): number {
  const text = flags[name];
  const value = text === undefined ? fallback : /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= 1 && value <= maximum) return value;
  throw usage(`Cannot use --${name} "${text}": allowed are 1 to ${maximum}`, `Give --${name} ${fallback}`);
}

const keysOf = ({ config }: KeyCall): string =>
  config.registry.keyDirectory ?? dataLayout(config.registry.dataDirectory).keys;

async function createKey({ io, config }: KeyCall, file: string): Promise<number> {
  const { publicPath, fingerprint } = await writeKeyFiles({
    path: file,
    format: "pem",
    passphrase: config.registry.keyPassphrase,
  });
  io.out(`${JSON.stringify({ key: file, public: publicPath, fingerprint })}\n`);
  return 0;
}

async function writeDraft(call: KeyCall, roles: Partial<RootRoles>, development: boolean): Promise<void> {
  const roots = await readRegistryRoots(keysOf(call));
  const expiresMs = Date.now() + count(call.flags, "expires-days", DAYS, 3650) * DAY_MS;
  const draft = nextRoot(roots.at(-1)!, { roles, expiresMs, development });
  const out = outputOf(call);
  await writeOutput(out, draft);
  call.io.out(`${JSON.stringify(statusView(draft, roots.at(-1)))}\n`);
  call.io.err(
    `Wrote the unsigned root ${roots.length + 1} to "${out}"; sign it with: admin keys sign ${out} --key KEY\n`,
  );
}

async function draftRoot(call: KeyCall): Promise<number> {
  const files = (call.flags["root-keys"] ?? "").split(",").map((file) => file.trim());
  if (files[0] === "")
    throw usage("Cannot draft a root: --root-keys is missing", "Give --root-keys ann.pub,bob.pub,carol.pub");
  const keys: Uint8Array[] = [];
  for (const file of files) keys.push((await readPublicKeyFile(file)).publicKey);
  const threshold = count(call.flags, "threshold", Math.min(2, keys.length), keys.length);
  await writeDraft(call, { root: { keys, threshold } }, false);
  return 0;
}

function isOnlineRole(role: string): role is OnlineRole {
  return (ONLINE_ROLES as readonly string[]).includes(role);
}

async function rotateLog(call: KeyCall): Promise<number> {
  return call.locked(async () => {
    const path = await nextLogKeyFile(keysOf(call));
    const passphrase = call.config.registry.keyPassphrase;
    const { fingerprint } = await writeKeyFiles({ path, format: "pem", passphrase });
    call.io.out(`${JSON.stringify({ role: "log", key: path, fingerprint })}\n`);
    call.io.err(
      "The server signs its checkpoints with the new key and the former ones from its next start; delete a former .pem when nobody needs it, or at once where it was stolen\n",
    );
  });
}

async function rotate(call: KeyCall, role: string): Promise<number> {
  if (role === "log") return rotateLog(call);
  if (!isOnlineRole(role)) {
    throw usage(
      `Cannot rotate the key of "${role.slice(0, 40)}": allowed are ${ONLINE_ROLES.join(", ")} and log`,
      "Draft new root keys with: admin keys root",
    );
  }
  outputOf(call);
  const roots = await readRegistryRoots(keysOf(call));
  const path = join(keysOf(call), `${role}-${roots.length + 1}.pem`);
  await writeKeyFiles({ path, format: "pem", passphrase: call.config.registry.keyPassphrase });
  const { publicKey } = await readPublicKeyFile(path.replace(/\.pem$/, ".pub"));
  await writeDraft(call, { [role]: { keys: [publicKey] } }, describeRoot(roots.at(-1)!).development);
  return 0;
}

async function sign(call: KeyCall, file: string): Promise<number> {
  const key = call.flags["key"];
  if (key === undefined)
    throw usage(`Cannot sign "${file}": --key is missing`, "Name the private key file with --key FILE");
  const { seed } = await readPrivateKeyFile(key, { passphrase: call.config.registry.keyPassphrase });
  const signer = nodeSigner(seed);
  const draft = await readInput(file);
  const { body } = parseMetadata(draft, "root");
  const signed = await signMetadata(draft, "root", [signer]);
  const out = call.flags["out"] ?? file;
  await writeOutput(out, signed);
  const own = body.roles.root.keyIds.includes(metadataKeyOf(signer.publicKey).keyId);
  call.io.out(
    `${JSON.stringify({ root: body.version, file: out, key: metadataKeyOf(signer.publicKey).keyId, ofNewRoot: own })}\n`,
  );
  return 0;
}

async function combine(call: KeyCall, files: readonly string[]): Promise<number> {
  const out = outputOf(call);
  await writeOutput(out, combineMetadata(await Promise.all(files.map(readInput)), "root"));
  call.io.out(`${JSON.stringify({ file: out, combined: files.length })}\n`);
  return 0;
}

function statusView(bytes: Uint8Array, previous: Uint8Array | undefined): object {
  const { keys: _keys, ...root } = describeRoot(bytes);
  const { complete, progress } = rootStatus(bytes, previous, nodeVerifier);
  const expires = new Date(parseMetadata(bytes, "root").body.expiresMs).toISOString();
  return { ...root, expires, complete, progress };
}

async function status(call: KeyCall, file: string | undefined): Promise<number> {
  const roots = await readRegistryRoots(keysOf(call));
  const view =
    file === undefined ? statusView(roots.at(-1)!, roots.at(-2)) : statusView(await readInput(file), roots.at(-1));
  call.io.out(`${JSON.stringify(view)}\n`);
  return 0;
}

async function install(call: KeyCall, file: string): Promise<number> {
  const bytes = await readInput(file);
  return call.locked(async () => {
    const directory = keysOf(call);
    const roots = await readRegistryRoots(directory);
    const { version, complete, progress } = rootStatus(bytes, roots.at(-1), nodeVerifier);
    if (!complete) {
      const lacking = progress.map(({ by, threshold, signed }) => `${by}: ${signed.length} of ${threshold}`).join(", ");
      throw new RegistryError({
        code: "ROOT_REFUSED",
        message: `Cannot install root ${version} of "${basename(file)}": signatures are missing or broken (${lacking})`,
        hint: `lading-registry admin keys status ${file} lists who can still sign`,
      });
    }
    requireOnlineKeys(bytes, await readOnlineSigners(directory, call.config.registry.keyPassphrase), directory);
    const { temporary } = dataLayout(call.config.registry.dataDirectory);
    await writeDurably(join(directory, `${version}.root.json`), bytes, { temporary });
    call.io.out(`${JSON.stringify(statusView(bytes, roots.at(-1)))}\n`);
    call.io.err(`Installed root ${version}; the server signs under it from its next start\n`);
  });
}

async function dispatch(call: KeyCall): Promise<number> {
  const [command, file, ...more] = call.words;
  if (command === "status") return status(call, file);
  if (command === "root") return draftRoot(call);
  if (command === "create" && file !== undefined) return createKey(call, file);
  if (command === "rotate" && file !== undefined) return rotate(call, file);
  if (command === "sign" && file !== undefined) return sign(call, file);
  if (command === "combine" && file !== undefined) return combine(call, [file, ...more]);
  if (command === "install" && file !== undefined) return install(call, file);
  throw usage(
    `Cannot run "admin keys ${call.words.join(" ").slice(0, 60)}": allowed are "status [FILE]", "create FILE", "root", "rotate ROLE", "sign FILE", "combine FILE…" and "install FILE"`,
    "lading-registry --help lists every command",
  );
}

/**
 * Runs `admin keys …`: the ceremony by which a root's keys come to be offline, and online keys are exchanged.
 * @throws {RegistryError} `SERVER_CONFIG_INVALID`, `KEYS_UNUSABLE`, `ROOT_REFUSED`
 */
export async function keyCommand(call: KeyCall): Promise<number> {
  try {
    return await withKeys(() => dispatch(call));
  } catch (error) {
    throw refusal(`run "admin keys ${call.words[0]}"`, error);
  }
}
