import { lstat, mkdir, unlink } from "node:fs/promises";
import { platform } from "node:os";
import { dirname, extname, resolve } from "node:path";
import { ignoreEvents, type EventListener } from "@lading/core-manifest";
import { generateKey } from "../generate.ts";
import {
  KEY_FILE_MAX_LENGTH,
  formatPrivateKey,
  formatPublicKey,
  parseKey,
  parsePrivateKey,
  parsePublicKey,
} from "../key-codec.ts";
import type { PrivateKeyFormat } from "../key-codec.ts";
import type { ParsedKey, PrivateKey, PublicKey } from "../key.ts";
import { fingerprint } from "../key-id.ts";
import { SigningError } from "../signing-error.ts";
import { createFile, openRegularFile, syncFolder, systemCode } from "./files.ts";

/** Where {@link writeKeyFiles} put a pair. */
export interface WrittenKeyFiles {
  readonly privatePath: string;
  readonly publicPath: string;
  readonly fingerprint: string;
}

/** How a key file is read. */
export interface ReadKeyOptions {
  readonly passphrase?: string | undefined;
  /** Refuse a private key file that others may read, in place of warning. Has no effect on Windows. */
  readonly strictPermissions?: boolean | undefined;
  /** Hears a `warning` with code `KEY_FILE_PERMISSIONS`. */
  readonly onEvent?: EventListener | undefined;
}

/** Path of the public key file beside a private one: its extension, if any, becomes `.pub`. */
export function publicKeyPath(privatePath: string): string {
  const extension = extname(privatePath);
  return `${extension === "" ? privatePath : privatePath.slice(0, -extension.length)}.pub`;
}

function failure(path: string, action: string, cause: unknown): SigningError {
  if (systemCode(cause) === "ENOENT") {
    return new SigningError({
      code: "KEY_FILE_NOT_FOUND",
      message: `Cannot ${action} key file "${path}": it does not exist`,
      path,
      cause,
    });
  }
  return new SigningError({
    code: "KEY_FILE_IO",
    message: `Cannot ${action} key file "${path}": ${cause instanceof Error ? cause.message : String(cause)}`,
    path,
    cause,
  });
}

interface KeyFile {
  readonly bytes: Uint8Array;
  readonly mode: number;
}

async function load(path: string): Promise<KeyFile> {
  try {
    const handle = await openRegularFile(path);
    try {
      // Mode and bytes of one open file, so that it cannot be exchanged between the two looks. One byte more than is
      // allowed, so that a huge file is refused without being read.
      const { mode } = await handle.stat();
      const buffer = new Uint8Array(KEY_FILE_MAX_LENGTH + 1);
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
      return { bytes: buffer.subarray(0, bytesRead), mode };
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw failure(path, "read", error);
  }
}

function checkMode(path: string, mode: number, { strictPermissions, onEvent = ignoreEvents }: ReadKeyOptions): void {
  if (platform() === "win32" || (mode & 0o077) === 0) return;
  const problem = `private key file "${path}" has mode ${(mode & 0o777).toString(8).padStart(4, "0")}, others can read it`;
  const hint = `Run: chmod 600 ${path}`;
  if (strictPermissions !== true) {
    onEvent({ type: "warning", code: "KEY_FILE_PERMISSIONS", message: problem, hint });
    return;
  }
  throw new SigningError({ code: "KEY_FILE_PERMISSIONS", message: `Cannot use it: ${problem}`, hint, path });
}

function named<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof SigningError) throw rename(path, error);
    throw error;
  }
}

/** The same error with the file's name in its message. */
function rename(path: string, error: SigningError): SigningError {
  return new SigningError({
    code: error.code,
    message: `${error.message} (file "${path}")`,
    hint: error.hint,
    path,
    cause: error,
  });
}

/**
 * Reads a key file of any form, without decrypting it.
 * @throws {SigningError} `KEY_FILE_NOT_FOUND`, `KEY_FILE_IO`, `KEY_INVALID`, `KEY_UNSUPPORTED`, `KEY_FILE_PERMISSIONS`
 */
export async function readKeyFile(path: string, options: ReadKeyOptions = {}): Promise<ParsedKey> {
  const { bytes, mode } = await load(path);
  const key = named(path, () => parseKey(bytes));
  if (key.type !== "public") checkMode(path, mode, options);
  if (key.type !== "encrypted-private" || options.passphrase === undefined) return key;
  return key.decrypt(options.passphrase).catch((error: unknown) => {
    throw error instanceof SigningError ? rename(path, error) : error;
  });
}

/**
 * Reads a private key file and decrypts it where it is encrypted.
 * @throws {SigningError} as {@link readKeyFile}, and `KEY_IS_PUBLIC`, `KEY_PASSPHRASE_REQUIRED`, `KEY_PASSPHRASE_WRONG`
 */
export async function readPrivateKeyFile(path: string, options: ReadKeyOptions = {}): Promise<PrivateKey> {
  const { bytes, mode } = await load(path);
  const key = await parsePrivateKey(bytes, options.passphrase).catch((error: unknown) => {
    throw error instanceof SigningError ? rename(path, error) : error;
  });
  checkMode(path, mode, options);
  return key;
}

/**
 * Reads a public key file, and refuses a private one.
 * @throws {SigningError} as {@link readKeyFile}, and `KEY_IS_PRIVATE`
 */
export async function readPublicKeyFile(path: string): Promise<PublicKey> {
  const { bytes } = await load(path);
  return named(path, () => parsePublicKey(bytes));
}

/** Makes a new key pair. {@link generateKey} */
export function generateKeyPair(comment?: string): PrivateKey {
  return generateKey(comment);
}

async function create(path: string, content: string, mode: number): Promise<void> {
  try {
    await createFile(path, content, mode);
  } catch (error) {
    throw systemCode(error) === "EEXIST" ? keyExists(path) : failure(path, "write", error);
  }
}

function keyExists(path: string): SigningError {
  return new SigningError({
    code: "KEY_FILE_EXISTS",
    message: `Cannot write key file "${path}": it exists, and keys are never overwritten`,
    path,
  });
}

/** Of a pair that is there, the file that was asked for is named, though the other would be written first. */
async function refuseExisting(path: string): Promise<void> {
  try {
    await lstat(path);
  } catch {
    return;
  }
  throw keyExists(path);
}

/**
 * Writes a pair: the private key with mode 0600, and beside it the public key as SPKI PEM in `.pub`. Both or neither;
 * nothing is ever overwritten; durable when it returns. A missing folder is made with mode 0700.
 * @param options.path of the private key file; {@link publicKeyPath} gives the other
 * @param options.key a new pair unless given
 * @throws {SigningError} `KEY_FILE_EXISTS`, `KEY_FILE_IO`
 */
export async function writeKeyFiles(options: {
  readonly path: string;
  readonly format: PrivateKeyFormat;
  readonly passphrase?: string | undefined;
  readonly key?: PrivateKey | undefined;
}): Promise<WrittenKeyFiles> {
  const { path, key = generateKeyPair() } = options;
  const [privatePath, publicPath] = [path, publicKeyPath(path)];
  if (resolve(privatePath) === resolve(publicPath)) {
    throw new SigningError({
      code: "KEY_INVALID",
      message: `Cannot write private key file "${path}": ".pub" is the name of the public key beside it`,
      hint: "Choose another extension, such as .pem",
      path,
    });
  }
  const privateText = await formatPrivateKey(key, options);
  const publicText = formatPublicKey(key);
  const folder = dirname(resolve(path));
  await mkdir(folder, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
    throw failure(path, "write", error);
  });
  await refuseExisting(privatePath);
  await create(publicPath, publicText, 0o644);
  try {
    await create(privatePath, privateText, 0o600);
  } catch (error) {
    await unlink(publicPath);
    throw error;
  }
  await syncFolder(folder);
  return { privatePath, publicPath, fingerprint: fingerprint(key.publicKey) };
}
