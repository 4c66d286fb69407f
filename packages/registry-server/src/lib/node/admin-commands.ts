import { createHash } from "node:crypto";
import { join, resolve } from "node:path";
import type { Digest } from "@lading/core-manifest";
import { hasRegistryKeys, readRegistryKeys } from "@lading/signing/node";
import { READ_TOKEN_MAX_DAYS, WRITE_TOKEN_MAX_DAYS } from "../api/account-routes.ts";
import { USERNAME } from "../identity/external-user.ts";
import { removePasskeys } from "../identity/passkeys.ts";
import { treeNames } from "../access/access-policy.ts";
import { IndexService } from "../index-service.ts";
import { formatNetwork, networkProblem } from "../network.ts";
import { isPackagePattern } from "../package-pattern.ts";
import type { BlobStore, MetadataStore } from "../ports.ts";
import { SCOPES, type Account, type Scope } from "../records.ts";
import { RegistryError } from "../registry-error.ts";
import { randomId } from "../token.ts";
import {
  backUp,
  backUpStores,
  collectGarbage,
  collectUploads,
  keepSecret,
  restore,
  restoreStores,
  type CopyReport,
} from "./backup.ts";
import { exportBundle, importBundle } from "./bundle-commands.ts";
import { copyBlobs, copyMetadata } from "./copy-registry.ts";
import { planView } from "../api/retention-routes.ts";
import { RetentionService } from "../retention/retention-service.ts";
import { QuotaService } from "../quotas/quota-service.ts";
import { QUOTA_MEASURES, quotaSubject, type QuotaLimits, type QuotaMeasure } from "../quotas/quota.ts";
import { QUOTA_SETTINGS } from "./quota-settings.ts";
import { parseSetting } from "./server-settings.ts";
import { TrustService } from "../trust/trust-service.ts";
import { lockDataDirectory } from "./data-lock.ts";
import { isWhole, readAuditExport, sealAudit, verifyAudit, writeAudit, type AuditedPlace } from "./audit-commands.ts";
import { keyCommand } from "./key-commands.ts";
import { copyKeys, withKeys } from "./key-directory.ts";
import { DEFAULT_SETTINGS, dataLayout, mintToken, prepareDirectory } from "./node-registry.ts";
import { prepareTree, treesIn } from "./node-trees.ts";
import { Argon2Hasher } from "./password.ts";
import type { ServerIo } from "./server-io.ts";
import { lockDatabase } from "./postgres-coordination.ts";
import { loadServerConfig, type ServerConfig } from "./server-config.ts";
import { openStores, type StoreOptions, type Stores } from "./stores.ts";

interface AdminCall {
  readonly words: readonly string[];
  readonly flags: Readonly<Record<string, string>>;
  readonly io: ServerIo;
  readonly config: ServerConfig;
}

function usage(message: string, hint: string): RegistryError {
  return new RegistryError({ code: "SERVER_CONFIG_INVALID", message, hint });
}

function storeOptions({ config }: AdminCall): StoreOptions {
  const { dataDirectory, databaseFile, databaseUrl, s3 } = config.registry;
  return { dataDirectory, databaseFile, databaseUrl, s3 };
}

function keyDirectory({ config }: AdminCall): string {
  return config.registry.keyDirectory ?? dataLayout(config.registry.dataDirectory).keys;
}

async function withStores<Result>(call: AdminCall, work: (stores: Stores) => Promise<Result>): Promise<Result> {
  const options = storeOptions(call);
  await prepareDirectory(options.dataDirectory);
  const stores = await openStores(options);
  try {
    return await work(stores);
  } finally {
    await stores.close();
  }
}

/** The call on a tree of private packages. */
async function treeCall(call: AdminCall, name: string): Promise<AdminCall> {
  const { databaseFile: _, keyDirectory: _directory, ...registry } = call.config.registry;
  const places = await prepareTree({ ...storeOptions(call), keyDirectory: call.config.registry.keyDirectory }, name);
  const { keyDirectory: keys, ...stores } = places;
  const own = { ...registry, ...stores, ...(keys === undefined ? {} : { keyDirectory: keys }) };
  return { ...call, config: { ...call.config, registry: own } };
}

/** The call on a tree that is there already. */
async function knownTree(call: AdminCall, name: string): Promise<AdminCall> {
  const names = await treesOf(call);
  if (names.includes(name)) return treeCall(call, name);
  const known = names.map((one) => `"${one}"`).join(", ");
  throw usage(
    `Cannot find the tree "${name.slice(0, 60)}" of private packages: there ${known === "" ? "are none" : `are ${known}`}`,
    "Trees are made for the access rules of private packages",
  );
}

/**
 * Names of the trees of private packages: those that have a directory, also where their rule is gone; and those of the
 * rules where a database may have them though this machine's directory does not.
 */
async function treesOf({ config }: AdminCall): Promise<readonly string[]> {
  const { dataDirectory, databaseUrl, access } = config.registry;
  const ruled = databaseUrl === undefined ? [] : treeNames(access?.packages ?? []);
  return [...new Set([...(await treesIn(dataDirectory)), ...ruled])].sort();
}

/** What `work` says of each tree, for reports: absent where there are none. */
async function ofTrees<Result>(
  call: AdminCall,
  work: (call: AdminCall, name: string) => Promise<Result>,
  names?: readonly string[],
): Promise<{ readonly trees?: Readonly<Record<string, Result>> }> {
  const found: Record<string, Result> = {};
  for (const name of names ?? (await treesOf(call))) found[name] = await work(await treeCall(call, name), name);
  return Object.keys(found).length === 0 ? {} : { trees: found };
}

async function withMetadata<Result>(
  call: AdminCall,
  work: (metadata: MetadataStore) => Promise<Result>,
): Promise<Result> {
  return withStores(call, ({ metadata }) => work(metadata));
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
  if (!USERNAME.test(username)) {
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

async function knownAccount(metadata: MetadataStore, username: string): Promise<Account> {
  const account = await metadata.accountByName(username);
  if (account !== undefined && account.deleted === undefined) return account;
  throw new RegistryError({ code: "USER_NOT_FOUND", message: `Cannot find account "${username.slice(0, 64)}"` });
}

async function resetPassword(call: AdminCall, username: string): Promise<number> {
  const { password, shown } = await newPassword(call);
  const passwordHash = await new Argon2Hasher().hash(password);
  const ended = await withMetadata(call, async (metadata) => {
    const account = await knownAccount(metadata, username);
    if (account.origin !== undefined || account.passwordHash === "")
      throw usage(
        `Cannot reset the password of "${username}": ${account.origin === undefined ? "no password opens the account" : `it is kept by "${account.origin}"`}`,
        "Change it where the person logs in",
      );
    const audit = { at: Date.now(), actor: "system", action: "account.password-reset", details: { username } };
    const sessions = await metadata.accounts.changePassword(account.id, { passwordHash }, audit);
    await removePasskeys(metadata, account, { ...audit, action: "passkey.remove" });
    return sessions;
  });
  call.io.out(shown ? `${password}\n` : "");
  call.io.err(
    `Gave "${username}" a new password${shown ? ", shown once, above" : ""}; ${ended.length} of its sessions ended\n`,
  );
  return 0;
}

async function removeSecondFactor(call: AdminCall, username: string): Promise<number> {
  const removed = await withMetadata(call, async (metadata) => {
    const account = await knownAccount(metadata, username);
    const details = { username };
    const audit = { at: Date.now(), actor: "system", action: "second-factor.remove", details };
    return metadata.identities.removeSecondFactor(account.id, audit);
  });
  call.io.err(removed ? `Removed the second factor of "${username}"\n` : `"${username}" has no second factor\n`);
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

function readList(text: string | undefined): string[] {
  return (text ?? "")
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

function readNetworks(text: string | undefined): string[] {
  const networks = readList(text);
  for (const network of networks) {
    const problem = networkProblem(network);
    if (problem !== undefined)
      throw usage(`Cannot use network "${network.slice(0, 60)}": ${problem}`, "Give --cidr 192.0.2.0/24,2001:db8::/32");
  }
  return [...new Set(networks.map(formatNetwork))];
}

function readPatterns(text: string | undefined): string[] {
  const patterns = readList(text);
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
  const cidr = readNetworks(flags["cidr"]);
  const now = Date.now();
  const token = await withMetadata(call, async (metadata) => {
    const account = await knownAccount(metadata, username);
    const minted = await mintToken(account, {
      name: flags["token-name"] ?? "command line",
      days,
      scopes,
      packages,
      cidr,
      now,
    });
    const { id, name } = minted.record;
    const details = { id, name, scopes, packages, ...(cidr.length === 0 ? {} : { cidr }), account: username };
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

interface Verified {
  readonly checked: number;
  readonly bad: readonly (
    | { readonly blob: Digest; readonly problem: string }
    | { readonly file: string; readonly problem: string }
  )[];
  readonly unreferenced: number;
  readonly pending: number;
}

async function verify(call: AdminCall): Promise<number> {
  const report = await verifyStores(call);
  const trees = await ofTrees(call, verifyStores);
  call.io.out(`${JSON.stringify({ ...report, ...trees })}\n`);
  const all = [report, ...Object.values(trees.trees ?? {})];
  return all.every(({ bad }) => bad.length === 0) ? 0 : 7;
}

async function verifyStores(call: AdminCall): Promise<Verified> {
  return withStores(call, async ({ metadata, blobs }) => {
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
    const pending = (await metadata.pendingIndexUpdates(1000)).length;
    return { checked: referenced.size, bad, unreferenced, pending };
  });
}

async function renderIndex(call: AdminCall): Promise<number> {
  const memoryBytes = DEFAULT_SETTINGS.indexMemoryBytes;
  return withStores(call, ({ metadata, documents }) =>
    new IndexService({ metadata, documents, log: () => {}, memoryBytes }).rebuild(),
  );
}

async function rebuildIndex(call: AdminCall): Promise<number> {
  return locked(call, async () => {
    const { trees = {} } = await ofTrees(call, async (tree) => {
      const rendered = await renderIndex(tree);
      await rebuildTrust(tree);
      return rendered;
    });
    const count = Object.values(trees).reduce((sum, rendered) => sum + rendered, await renderIndex(call));
    const signed = await rebuildTrust(call);
    call.io.out(`Rendered ${count} index documents${signed ? ", and signed metadata and log anew" : ""}\n`);
  });
}

function places(call: AdminCall): { readonly directory: string; readonly databaseFile: string; readonly keys: string } {
  const { dataDirectory, databaseFile } = call.config.registry;
  return {
    directory: dataDirectory,
    databaseFile: databaseFile ?? dataLayout(dataDirectory).database,
    keys: keyDirectory(call),
  };
}

/** Whether database and files are in one directory, where they can be copied as files. */
function isInDirectory({ config }: AdminCall): boolean {
  return config.registry.databaseUrl === undefined && config.registry.s3 === undefined;
}

async function makeBackup(call: AdminCall, target: string): Promise<number> {
  // The registry's own record comes last: with it, the backup is whole.
  const trees = await ofTrees(call, (tree, name) => backUpTo(tree, join(dataLayout(target).trees, name)));
  const report = await backUpTo(call, target);
  call.io.out(`${JSON.stringify({ backup: target, ...report, ...trees })}\n`);
  return 0;
}

async function backUpTo(call: AdminCall, target: string): Promise<CopyReport> {
  const { directory, keys } = places(call);
  return isInDirectory(call)
    ? backUp(places(call), target)
    : withStores(call, (stores) => backUpStores({ stores, directory, keys }, target));
}

/** Claims everything that servers use: no server runs beside `work`. */
async function locked(call: AdminCall, work: () => Promise<void>): Promise<number> {
  const { dataDirectory, databaseUrl } = call.config.registry;
  await prepareDirectory(dataDirectory);
  const unlock = lockDataDirectory(dataDirectory, dataLayout(dataDirectory).lock);
  try {
    const release = databaseUrl === undefined ? undefined : await lockDatabase(databaseUrl);
    try {
      await work();
    } finally {
      await release?.();
    }
    return 0;
  } finally {
    unlock();
  }
}

async function restoreBackup(call: AdminCall, backup: string): Promise<number> {
  return locked(call, async () => {
    const names = await treesIn(backup);
    const trees = await ofTrees(call, (tree, name) => restoreFrom(tree, join(dataLayout(backup).trees, name)), names);
    const report = await restoreFrom(call, backup);
    call.io.out(`${JSON.stringify({ restored: backup, ...report, ...trees })}\n`);
  });
}

async function restoreFrom(
  call: AdminCall,
  backup: string,
): Promise<{ readonly blobs: number; readonly bytes: number; readonly documents: number }> {
  const { directory, keys } = places(call);
  const { blobs, bytes } = isInDirectory(call)
    ? await restore(backup, places(call))
    : await withStores(call, (stores) => restoreStores(backup, { stores, directory, keys }));
  return { blobs, bytes, documents: await renderIndex(call) };
}

/** The call that another configuration file would make. */
function elsewhere(call: AdminCall, file: string): AdminCall {
  const config = loadServerConfig({ env: {}, flags: {}, file });
  const [from, to] = [storeOptions(call), storeOptions({ ...call, config })];
  if (resolve(from.dataDirectory) === resolve(to.dataDirectory)) {
    throw usage(
      `Cannot move the registry: "${file}" names the data directory that it is in, "${to.dataDirectory}"`,
      'Name another one in it, as server.data = "…"',
    );
  }
  return { ...call, config };
}

async function move(call: AdminCall, file: string): Promise<number> {
  const target = elsewhere(call, file);
  return locked(call, async () => {
    await locked(target, async () => {
      const trees = await ofTrees(call, async (tree, name) => moveStores(tree, await treeCall(target, name)));
      const moved = await moveStores(call, target);
      call.io.out(`${JSON.stringify({ moved: file, ...moved, ...trees })}\n`);
      call.io.err(
        `Start servers with "${file}" from now on; what is in the old place is as it was, and of no use beside the new one\n`,
      );
    });
  });
}

async function moveStores(call: AdminCall, target: AdminCall): Promise<Record<string, unknown>> {
  const moved = await withStores(call, (from) =>
    withStores(target, async (to) => {
      await to.blobs.recover();
      const blobs = await copyBlobs(await from.metadata.referencedBlobs(), from.blobs, to.blobs);
      const { temporary } = dataLayout(target.config.registry.dataDirectory);
      await keepSecret(call.config.registry.dataDirectory, target.config.registry.dataDirectory);
      await copyKeys(keyDirectory(call), keyDirectory(target), temporary);
      return { ...blobs, tables: await copyMetadata(from.metadata, to.metadata) };
    }),
  );
  return { ...moved, documents: await renderIndex(target) };
}

// An upload's blobs are there before its version is: only without a server is what nobody names garbage.
async function garbage(call: AdminCall): Promise<number> {
  const dryRun = call.flags["dry-run"] === "true";
  const collect = (one: AdminCall): Promise<{ readonly blobs: number; readonly bytes: number }> =>
    withStores(one, async ({ metadata, blobs }) =>
      collectGarbage(blobs, { needed: await metadata.referencedBlobs(), dryRun }),
    );
  const work = async (): Promise<void> => {
    const report = await collect(call);
    // Uploads are the registry's own, also those of its trees.
    const uploads = await withStores(call, (stores) => collectUploads(stores, { now: Date.now(), dryRun }));
    const trees = await ofTrees(call, collect);
    call.io.out(`${JSON.stringify({ ...report, ...uploads, dryRun, ...trees })}\n`);
  };
  if (!dryRun) return locked(call, work);
  await work();
  return 0;
}

/** Log and signed metadata of the call's registry; `undefined` where it has no keys. */
async function trustOf(call: AdminCall, { metadata, documents }: Stores): Promise<TrustService | undefined> {
  const { keyPassphrase, ...given } = call.config.registry;
  const keys = keyDirectory(call);
  if (!(await hasRegistryKeys(keys))) return undefined;
  const trust = await withKeys(() => readRegistryKeys(keys, keyPassphrase));
  const settings = { ...DEFAULT_SETTINGS, ...given, jwtSecret: new Uint8Array() };
  const tell = (): void => {};
  const index = new IndexService({ metadata, documents, log: tell, memoryBytes: DEFAULT_SETTINGS.indexMemoryBytes });
  const clock = { now: () => Date.now() };
  return new TrustService({ trust, metadata, documents, index, clock, tell, settings });
}

async function rebuildTrust(call: AdminCall): Promise<boolean> {
  return withStores(call, async (stores) => {
    const trust = await trustOf(call, stores);
    await trust?.rebuild();
    return trust !== undefined;
  });
}

async function withAudit<Result>(call: AdminCall, work: (place: AuditedPlace) => Promise<Result>): Promise<Result> {
  return withStores(call, async (stores) => work({ stores, trust: await trustOf(call, stores) }));
}

async function auditVerify(call: AdminCall): Promise<number> {
  const report = await withAudit(call, verifyAudit);
  const trees = await ofTrees(call, (tree) => withAudit(tree, verifyAudit));
  call.io.out(`${JSON.stringify({ ...report, ...trees })}\n`);
  return [report, ...Object.values(trees.trees ?? {})].every(isWhole) ? 0 : 7;
}

async function auditSeal(call: AdminCall): Promise<number> {
  const sealed = await withAudit(call, sealAudit);
  const trees = await ofTrees(call, (tree) => withAudit(tree, sealAudit));
  call.io.out(`${JSON.stringify({ ...sealed, ...trees })}\n`);
  return 0;
}

async function auditExport(call: AdminCall): Promise<number> {
  const { tree } = call.flags;
  const options = readAuditExport(call.flags);
  const of = tree === undefined ? call : await knownTree(call, tree);
  await withStores(of, (stores) => writeAudit({ stores, trust: undefined }, call.io, options));
  return 0;
}

/** Shows what the retention policy would remove; with `--apply` removes it, its files included. */
async function retentionCommand(call: AdminCall): Promise<number> {
  const apply = call.flags["apply"] === "true";
  const run = (one: AdminCall): Promise<object> => withStores(one, (stores) => retain(one, stores, apply));
  const work = async (): Promise<void> => {
    const report = await run(call);
    call.io.out(`${JSON.stringify({ ...report, dryRun: !apply, ...(await ofTrees(call, run)) })}\n`);
  };
  if (apply) return locked(call, work);
  await work();
  return 0;
}

async function retain({ config }: AdminCall, { metadata, blobs }: Stores, apply: boolean): Promise<object> {
  const { retention: policy } = config.registry;
  const retention = new RetentionService({ metadata, clock: { now: () => Date.now() }, policy });
  const plan = await retention.plan();
  const configured = retention.isConfigured;
  if (!apply) return planView(plan, configured);
  const by = { actor: "system" };
  const versions = [];
  for (const one of plan.versions) if (await retention.retire(one, by)) versions.push(one);
  const submissions = [];
  for (const one of plan.submissions) if (await retention.forget(one, by)) submissions.push(one);
  // At once, for nothing closes the files of forgotten submissions any more; no server runs meanwhile.
  const removed = await collectGarbage(blobs, { needed: await metadata.referencedBlobs(), dryRun: false });
  const bytes = [...versions, ...submissions].reduce((sum, one) => sum + one.bytes, 0);
  return { ...planView({ versions, submissions, bytes }, configured), removed };
}

async function quotaCommand(call: AdminCall): Promise<number> {
  const [, subject, ...words] = call.words;
  const report = await withMetadata(call, async (metadata) => {
    const quotas = new QuotaService({ metadata, defaults: call.config.registry.quotas ?? {} });
    if (subject === undefined) return { items: await quotas.all() };
    const scope = await quotas.scopeOf(subject);
    if (scope === undefined) {
      throw usage(
        `Cannot find "${subject.slice(0, 160)}": there is no such user, organisation or package`,
        "Subjects are registry, user:NAME, organisation:NAME and package:NAME",
      );
    }
    if (words.length > 0) {
      const audit = { at: Date.now(), actor: "system", action: "quota.set", details: {} };
      await quotas.set(scope, readLimits(words), audit);
    }
    const { limits, usage: found, own } = await quotas.report(scope);
    return { subject: quotaSubject(scope), limits, usage: found, configured: !own };
  });
  call.io.out(`${JSON.stringify(report)}\n`);
  return 0;
}

/** Limits as `bytes=10GiB versions=100`; `default` goes back to those of the configuration. */
function readLimits(words: readonly string[]): QuotaLimits | undefined {
  if (words.length === 1 && words[0] === "default") return undefined;
  const limits: Partial<Record<QuotaMeasure, number>> = {};
  for (const word of words) {
    const [measure, text = ""] = word.split("=");
    const known = QUOTA_SETTINGS.find((setting) => setting.measure === measure);
    const value = known && parseSetting(known, text);
    if (known === undefined || typeof value !== "number") {
      throw usage(
        `Cannot use the limit "${word.slice(0, 60)}": allowed are ${QUOTA_MEASURES.map((one) => `"${one}=NUMBER"`).join(", ")} and "default"`,
        "Sizes may have a unit: bytes=10GiB",
      );
    }
    limits[known.measure] = value;
  }
  return limits;
}

const AUDIT_COMMANDS: Readonly<Record<string, (call: AdminCall) => Promise<number>>> = {
  verify: auditVerify,
  seal: auditSeal,
  export: auditExport,
};

async function auditCommand(call: AdminCall): Promise<number> {
  const name = call.words[1] ?? "";
  const command = Object.hasOwn(AUDIT_COMMANDS, name) ? AUDIT_COMMANDS[name] : undefined;
  if (command !== undefined && call.words.length === 2) return command(call);
  const known = Object.keys(AUDIT_COMMANDS).map((one) => `"${one}"`);
  throw usage(
    `Cannot run "admin ${call.words.join(" ").slice(0, 60)}": allowed are ${known.join(", ")} after "audit"`,
    "lading-registry --help lists every command",
  );
}

/** Runs `admin …`; resolves with the exit code. All but `rebuild-index`, `restore`, `migrate-to`, `gc` and `retention --apply` may run beside a server. */
export async function adminCommand(call: AdminCall): Promise<number> {
  const [command, name] = call.words;
  if (command === "verify") return verify(call);
  if (command === "rebuild-index") return rebuildIndex(call);
  if (command === "backup" && name !== undefined) return makeBackup(call, name);
  if (command === "restore" && name !== undefined) return restoreBackup(call, name);
  if (command === "migrate-to" && name !== undefined) return move(call, name);
  if (command === "export-bundle" && name !== undefined) return exportBundle(call, name);
  if (command === "import-bundle" && name !== undefined) return importBundle(call, name);
  if (command === "gc") return garbage(call);
  if (command === "retention") return retentionCommand(call);
  if (command === "quota") return quotaCommand(call);
  if (command === "audit") return auditCommand(call);
  if (command === "keys") {
    const of = call.flags["tree"] === undefined ? call : await knownTree(call, call.flags["tree"]);
    return keyCommand({ ...of, words: call.words.slice(1), locked: (work) => locked(call, work) });
  }
  if (command === "create-user" && name !== undefined) return createUser(call, name);
  if (command === "reset-password" && name !== undefined) return resetPassword(call, name);
  if (command === "remove-second-factor" && name !== undefined) return removeSecondFactor(call, name);
  if (command === "token" && name !== undefined) return createToken(call, name);
  throw usage(
    `Cannot run "admin ${call.words.join(" ").slice(0, 60)}": allowed are "create-user NAME", "reset-password NAME", "remove-second-factor NAME", "token NAME", "verify", "rebuild-index", "backup DIRECTORY", "restore DIRECTORY", "migrate-to FILE", "export-bundle DIRECTORY", "import-bundle DIRECTORY", "gc", "retention", "quota [SUBJECT [LIMITS]]", "audit …" and "keys …"`,
    "lading-registry --help lists every command",
  );
}
