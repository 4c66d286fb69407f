import { randomBytes } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import { parse, stringify, TomlError } from "smol-toml";
import { isObject, optionalString } from "../json.ts";
import type { Credential, CredentialStore } from "../ports.ts";
import { RegistryClientError } from "../registry-client-error.ts";
import { canonicalRegistryUrl } from "../registry-url.ts";
import { withFileLock } from "./file-lock.ts";

type Entries = Map<string, Credential>;

/**
 * Credentials in one TOML file of mode 0600 (`docs/spec/client-configuration.md` §credentials). A file that others can
 * read or replace is refused, not used; the file is replaced as a whole, by a rename.
 */
export function createCredentialsFile(file: string): CredentialStore {
  const change = <T>(edit: (entries: Entries) => T): Promise<T> =>
    writing(file, () =>
      withFileLock(`${file}.lock`, async () => {
        const entries = await readEntries(file);
        const result = edit(entries);
        await writeEntries(file, entries);
        return result;
      }),
    );
  return {
    get: async (url) => (await readEntries(file)).get(url),
    set: (url, credential) => change((entries) => void entries.set(canonicalRegistryUrl(url), credential)),
    delete: async (url) => (await readEntries(file)).has(url) && change((entries) => entries.delete(url)),
    list: async () => [...(await readEntries(file)).keys()].sort(),
    origin: async (url) => ((await readEntries(file)).has(url) ? file : undefined),
  };
}

async function writing<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof RegistryClientError) throw error;
    throw new RegistryClientError({
      code: "CREDENTIALS_UNWRITABLE",
      message: `Cannot write the credentials to "${file}": ${error instanceof Error ? error.message : String(error)}`,
      hint: "Check the directory's owner and permissions",
      file,
      cause: error,
    });
  }
}

async function readEntries(file: string): Promise<Entries> {
  const text = await readPrivate(file);
  return text === undefined ? new Map() : parseCredentials(text, file);
}

async function readPrivate(file: string): Promise<string | undefined> {
  let handle;
  try {
    handle = await open(file, "r");
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw invalid(file, `it cannot be opened: ${(error as Error).message}`, undefined, error);
  }
  try {
    // The opened file is what is checked, not whatever has the name a moment later.
    const { mode, uid } = await handle.stat();
    refuseUnsafe(file, mode, uid);
    return await handle.readFile("utf8");
  } finally {
    await handle.close();
  }
}

function refuseUnsafe(file: string, mode: number, uid: number): void {
  if (process.platform === "win32") return;
  const own = process.getuid?.();
  const foreign = own !== undefined && uid !== own && uid !== 0;
  if ((mode & 0o077) === 0 && !foreign) return;
  const problem = foreign ? `it belongs to user ${uid}` : `its mode is 0${(mode & 0o777).toString(8)}, allowed is 0600`;
  throw new RegistryClientError({
    code: "CREDENTIALS_UNSAFE",
    message: `Cannot use the credentials in "${file}": ${problem}`,
    hint: `Run chmod 600 "${file}", and replace the tokens if others may have read them`,
    file,
  });
}

function parseCredentials(text: string, file: string): Entries {
  let root: Record<string, unknown>;
  try {
    root = parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // The message of the parser shows the line, which may hold a token.
    throw invalid(file, "it is not TOML", { line: error.line, column: error.column });
  }
  if (root.version !== 1) throw invalid(file, `"version" is ${JSON.stringify(root.version) ?? "absent"}, allowed is 1`);
  if (root.credentials === undefined) return new Map();
  if (!Array.isArray(root.credentials)) throw invalid(file, '"credentials" is not an array of tables');
  return new Map((root.credentials as unknown[]).map((item, index) => parseEntry(item, index, file)));
}

function parseEntry(item: unknown, index: number, file: string): [string, Credential] {
  const table = isObject(item) ? item : {};
  const url = optionalString(table.registry);
  if (url === undefined) throw invalid(file, `"registry" of entry ${index + 1} is not a string`);
  const token = optionalString(table.token);
  const username = optionalString(table.username);
  const password = optionalString(table.password);
  if (table.type === "token" && token !== undefined) return [canonicalRegistryUrl(url), { type: "token", token }];
  if (table.type === "basic" && username !== undefined && password !== undefined) {
    return [canonicalRegistryUrl(url), { type: "basic", username, password }];
  }
  throw invalid(
    file,
    `entry ${index + 1} needs type = "token" with token, or type = "basic" with username and password`,
  );
}

async function writeEntries(file: string, entries: Entries): Promise<void> {
  const sorted = [...entries].sort(([left], [right]) => (left < right ? -1 : 1));
  const credentials = sorted.map(([registry, credential]) => ({ registry, ...credential }));
  const text = `# Secrets: keep this file to yourself (mode 0600).\n${stringify({ version: 1, credentials })}\n`;
  const temporary = `${file}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    const handle = await open(temporary, "wx", 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

function invalid(
  file: string,
  problem: string,
  place?: { line: number; column: number },
  cause?: unknown,
): RegistryClientError {
  return new RegistryClientError({
    code: "CREDENTIALS_INVALID",
    message: `Cannot read the credentials in "${file}": ${problem}`,
    hint: "Correct the file, or delete it and log in again",
    ...(place === undefined ? {} : { location: { file, ...place } }),
    cause,
  });
}
