import { createHash } from "node:crypto";
import type { Digest } from "@lading/core-manifest";
import { READ_TOKEN_MAX_DAYS, WRITE_TOKEN_MAX_DAYS } from "../api/account-routes.ts";
import { IndexService } from "../index-service.ts";
import { isPackagePattern } from "../package-pattern.ts";
import type { BlobStore, MetadataStore } from "../ports.ts";
import { SCOPES, type Account, type Scope } from "../records.ts";
import { RegistryError } from "../registry-error.ts";
import { randomId } from "../token.ts";
import { backUp, collectGarbage, restore } from "./backup.ts";
import { TrustService } from "../trust/trust-service.ts";
import { lockDataDirectory } from "./data-lock.ts";
import { DirectoryBlobStore } from "./directory-blob-store.ts";
import { DirectoryDocumentStore } from "./directory-document-store.ts";
import { keyCommand } from "./key-commands.ts";
import { hasKeys, readKeys } from "./key-directory.ts";
import { DEFAULT_SETTINGS, dataLayout, mintToken, prepareDirectory } from "./node-registry.ts";
import { Argon2Hasher } from "./password.ts";
import type { ServerIo } from "./server-io.ts";
import type { ServerConfig } from "./server-config.ts";
import { SqliteMetadataStore } from "./sqlite-metadata-store.ts";

interface AdminCall {
  readonly words: readonly string[];
  readonly flags: Readonly<Record<string, string>>;
  readonly io: ServerIo;
  readonly config: ServerConfig;
}

function usage(message: string, hint: string): RegistryError {
  return new RegistryError({ code: "SERVER_CONFIG_INVALID", message, hint });
}

async function withMetadata<Result>(
  { config }: AdminCall,
  work: (metadata: MetadataStore) => Promise<Result>,
): Promise<Result> {
  const { dataDirectory, databaseFile } = config.registry;
  await prepareDirectory(dataDirectory);
  const metadata = new SqliteMetadataStore(databaseFile ?? dataLayout(dataDirectory).database);
  try {
    return await work(metadata);
  } finally {
    await metadata.close();
  }
}

async function newPassword({ flags, io }: AdminCall): Promise<{ readonly password: string; readonly shown: boolean }> {
  if (flags["password-stdin"] === undefined) return { password: randomId(24), shown: true };
  const password = (await io.readInput()).replace(/\r?\n$/, "");
  if (password.length >= 8) return { password, shown: false };
  throw usage(
    `Cannot use the password: it has ${password.length} characters, needed are at least 8`,
    "Pipe the password into --password-stdin",
  );
}

async function createUser(call: AdminCall, username: string): Promise<number> {
  const { flags, io } = call;
  if (!/^[a-z0-9](?:[a-z0-9._@-]{0,62}[a-z0-9])?$/.test(username)) {
    throw usage(
      `Cannot create account "${username.slice(0, 64)}": allowed are a-z, 0-9 and . _ @ - between them`,
      "Choose another name",
    );
  }
  const { password, shown } = await newPassword(call);
  const now = Date.now();
  const account: Account = {
    id: randomId(),
    username,
    ...(flags["email"] === undefined ? {} : { email: flags["email"] }),
    passwordHash: await new Argon2Hasher().hash(password),
    admin: flags["admin"] === "true",
    created: now,
  };
  const audit = { at: now, actor: "system", action: "account.create", details: { username, admin: account.admin } };
  const outcome = await withMetadata(call, (metadata) => metadata.createAccount(account, audit));
  if (outcome === "exists")
    throw new RegistryError({ code: "USER_EXISTS", message: `Cannot create account "${username}": the name is taken` });
  io.out(shown ? `${password}\n` : "");
  io.err(
    `Created account "${username}"${account.admin ? " with admin rights" : ""}${shown ? "; its password is shown once, above" : ""}\n`,
  );
  return 0;
}

function readScopes(text: string | undefined): Scope[] {
  const scopes = (text ?? "publish,read,yank").split(",").map((part) => part.trim());
  const unknown = scopes.find((scope) => !(SCOPES as readonly string[]).includes(scope));
  if (unknown === undefined) return SCOPES.filter((scope) => scopes.includes(scope));
  throw usage(
    `Cannot use scope "${unknown.slice(0, 40)}": allowed are ${SCOPES.map((scope) => `"${scope}"`).join(", ")}`,
    "Give --scopes publish,read",
  );
}

function readDays(text: string | undefined, scopes: readonly Scope[]): number {
  const allowed = scopes.some((scope) => scope !== "read") ? WRITE_TOKEN_MAX_DAYS : READ_TOKEN_MAX_DAYS;
  const days = text === undefined ? Math.min(30, allowed) : /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (days >= 1 && days <= allowed) return days;
  throw usage(`Cannot use --days "${text}": allowed are 1 to ${allowed} for these scopes`, "Give fewer days");
}

function readPatterns(text: string | undefined): string[] {
  const patterns = (text ?? "")
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
  const wrong = patterns.find((pattern) => !isPackagePattern(pattern));
  if (wrong === undefined) return patterns;
  throw usage(
    `Cannot use package pattern "${wrong.slice(0, 60)}": allowed are names with * and **`,
    "Give --packages company/*",
  );
}

async function createToken(call: AdminCall, username: string): Promise<number> {
  const { flags, io } = call;
  const scopes = readScopes(flags["scopes"]);
  const days = readDays(flags["days"], scopes);
  const packages = readPatterns(flags["packages"]);
  const now = Date.now();
  const token = await withMetadata(call, async (metadata) => {
    const account = await metadata.accountByName(username);
    if (account === undefined)
      throw new RegistryError({ code: "USER_NOT_FOUND", message: `Cannot find account "${username.slice(0, 64)}"` });
    const minted = await mintToken(account, {
      name: flags["token-name"] ?? "command line",
      days,
      scopes,
      packages,
      now,
    });
    const details = { id: minted.record.id, name: minted.record.name, scopes, packages, account: username };
    await metadata.createToken(minted.record, { at: now, actor: "system", action: "token.create", details });
    return minted.token;
  });
  io.out(`${token}\n`);
  io.err(`Created a token of "${username}" for ${scopes.join(", ")}, good for ${days} days; it is shown once, above\n`);
  return 0;
}

async function blobProblem(blobs: BlobStore, digest: Digest): Promise<string | undefined> {
  const blob = await blobs.open(digest);
  if (blob === undefined) return "missing";
  const hash = createHash("sha256");
  for await (const chunk of blob.stream()) hash.update(chunk);
  return `sha256:${hash.digest("hex")}` === digest ? undefined : "altered";
}

async function verify(call: AdminCall): Promise<number> {
  const blobs = new DirectoryBlobStore(call.config.registry.dataDirectory);
  return withMetadata(call, async (metadata) => {
    const referenced = await metadata.referencedBlobs();
    const bad: ({ blob: Digest; problem: string } | { file: string; problem: string })[] = [];
    for (const blob of referenced) {
      const problem = await blobProblem(blobs, blob);
      if (problem !== undefined) bad.push({ blob, problem });
    }
    for (const path of await metadata.signedFilePaths()) {
      const file = await metadata.signedFile(path);
      const found = file && createHash("sha256").update(file.bytes).digest("hex");
      if (found !== file?.sha256) bad.push({ file: path, problem: "altered" });
    }
    let unreferenced = 0;
    for await (const blob of blobs.list()) if (!referenced.has(blob)) unreferenced += 1;
    call.io.out(
      `${JSON.stringify({ checked: referenced.size, bad, unreferenced, pending: (await metadata.pendingIndexUpdates(1000)).length })}\n`,
    );
    return bad.length === 0 ? 0 : 7;
  });
}

async function renderIndex(call: AdminCall): Promise<number> {
  const documents = new DirectoryDocumentStore(call.config.registry.dataDirectory);
  const memoryBytes = DEFAULT_SETTINGS.indexMemoryBytes;
  return withMetadata(call, (metadata) =>
    new IndexService({ metadata, documents, log: () => {}, memoryBytes }).rebuild(),
  );
}

async function rebuildIndex(call: AdminCall): Promise<number> {
  return locked(call, async () => {
    const count = await renderIndex(call);
    const signed = await rebuildTrust(call);
    call.io.out(`Rendered ${count} index documents${signed ? ", and signed metadata and log anew" : ""}\n`);
  });
}

function places({ config }: AdminCall): { readonly directory: string; readonly databaseFile: string } {
  const { dataDirectory, databaseFile } = config.registry;
  return { directory: dataDirectory, databaseFile: databaseFile ?? dataLayout(dataDirectory).database };
}

async function makeBackup(call: AdminCall, target: string): Promise<number> {
  const { blobs, bytes, copied } = await backUp(places(call), target);
  call.io.out(`${JSON.stringify({ backup: target, blobs, bytes, copied })}\n`);
  return 0;
}

async function locked(call: AdminCall, work: () => Promise<void>): Promise<number> {
  const { dataDirectory } = call.config.registry;
  await prepareDirectory(dataDirectory);
  const unlock = lockDataDirectory(dataDirectory, dataLayout(dataDirectory).lock);
  try {
    await work();
    return 0;
  } finally {
    unlock();
  }
}

async function restoreBackup(call: AdminCall, backup: string): Promise<number> {
  return locked(call, async () => {
    const { blobs, bytes } = await restore(backup, places(call));
    const documents = await renderIndex(call);
    call.io.out(`${JSON.stringify({ restored: backup, blobs, bytes, documents })}\n`);
  });
}

// An upload's blobs are there before its version is: only without a server is what nobody names garbage.
async function garbage(call: AdminCall): Promise<number> {
  const { dataDirectory } = call.config.registry;
  const dryRun = call.flags["dry-run"] === "true";
  const work = async (): Promise<void> => {
    const needed = await withMetadata(call, (metadata) => metadata.referencedBlobs());
    const blobs = new DirectoryBlobStore(dataDirectory).list();
    const report = await collectGarbage(dataDirectory, { blobs, needed, dryRun });
    call.io.out(`${JSON.stringify({ ...report, dryRun })}\n`);
  };
  if (!dryRun) return locked(call, work);
  await work();
  return 0;
}

async function rebuildTrust(call: AdminCall): Promise<boolean> {
  const { dataDirectory, keyPassphrase, ...given } = call.config.registry;
  const { keys } = dataLayout(dataDirectory);
  if (!(await hasKeys(keys))) return false;
  const trust = await readKeys(keys, keyPassphrase);
  const documents = new DirectoryDocumentStore(dataDirectory);
  const settings = { ...DEFAULT_SETTINGS, ...given, jwtSecret: new Uint8Array() };
  const tell = (): void => {};
  await withMetadata(call, (metadata) => {
    const index = new IndexService({ metadata, documents, log: tell, memoryBytes: DEFAULT_SETTINGS.indexMemoryBytes });
    const clock = { now: () => Date.now() };
    return new TrustService({ trust, metadata, documents, index, clock, tell, settings }).rebuild();
  });
  return true;
}

/** Runs `admin …`; resolves with the exit code. all but `rebuild-index`, `restore` and `gc` may run beside a server. */
export async function adminCommand(call: AdminCall): Promise<number> {
  const [command, name] = call.words;
  if (command === "verify") return verify(call);
  if (command === "rebuild-index") return rebuildIndex(call);
  if (command === "backup" && name !== undefined) return makeBackup(call, name);
  if (command === "restore" && name !== undefined) return restoreBackup(call, name);
  if (command === "gc") return garbage(call);
  if (command === "keys") {
    return keyCommand({ ...call, words: call.words.slice(1), locked: (work) => locked(call, work) });
  }
  if (command === "create-user" && name !== undefined) return createUser(call, name);
  if (command === "token" && name !== undefined) return createToken(call, name);
  throw usage(
    `Cannot run "admin ${call.words.join(" ").slice(0, 60)}": allowed are "create-user NAME", "token NAME", "verify", "rebuild-index", "backup DIRECTORY", "restore DIRECTORY", "gc" and "keys …"`,
    "lading-registry --help lists every command",
  );
}
