import type { InstallService } from "../install-service.ts";
import { DecodeBudget } from "@lading/archive/node";
import { formatPublicKey, type Signer } from "@lading/signing";
import { nodeSigner, nodeVerifier, readKeyFile } from "@lading/signing/node";
import { randomBytes } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { DirectoryIdentityProvider } from "../identity/directory-identity.ts";
import { CI_ISSUERS } from "../identity/trusted-publisher.ts";
import { MemoryCache } from "../memory-cache.ts";
import type { Clock, IdentityProvider, LogListener, MetadataStore, PasswordHasher } from "../ports.ts";
import type { Account, TokenRecord } from "../records.ts";
import { createRegistry, type Registry, type RegistryPorts } from "../registry.ts";
import { RegistryError } from "../registry-error.ts";
import type { RegistryTrust } from "../trust/registry-trust.ts";
import { RESERVED_NAMES } from "../package-name-rules.ts";
import { bytesOf, type RegistrySettings } from "../settings.ts";
import type { UpstreamOptions } from "../upstream/upstream-options.ts";
import { SigningStatementVerifier } from "../statement-verifier.ts";
import { generateToken, hashToken, randomId } from "../token.ts";
import { ArchiveInspector } from "./archive-inspector.ts";
import { dataLayout, prepareDirectory } from "./data-directory.ts";
import { lockDataDirectory } from "./data-lock.ts";
import { createOutbound } from "./outbound.ts";
import { createTxtResolver } from "./resolve-txt.ts";
import { openKeys } from "./key-directory.ts";
import { NodeTreeHost } from "./node-trees.ts";
import { readDocsAsset } from "./docs-assets.ts";
import { writeDurably } from "./durable-file.ts";
import { createLdapDirectory } from "./create-ldap-directory.ts";
import type { LdapOptions } from "./ldap-options.ts";
import { Argon2Hasher } from "./password.ts";
import { RedisCache } from "./redis-cache.ts";
import { openStores, type StoreOptions, type Stores } from "./stores.ts";

export { dataLayout, prepareDirectory } from "./data-directory.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
const BOOTSTRAP_TOKEN_DAYS = 90;

/** How an embedded registry behaves: {@link RegistrySettings} of which most have defaults, and where its data is. */
export interface NodeRegistryOptions extends Partial<Omit<RegistrySettings, "jwtSecret">>, StoreOptions {
  /** Redis, for what servers share and may lose: look-ups of credentials, rate limits, answers to repeat. */
  readonly redisUrl?: string;
  /** Keys of metadata and log; `keys` in the data directory unless given. Servers over one database have the same. */
  readonly keyDirectory?: string;
  /** Text of at least 32 bytes; made and kept in the data directory unless given. */
  readonly jwtSecret?: string;
  /** Memory that all decoders share, in bytes. */
  readonly decodeBudgetBytes?: number;
  /** Encrypts the key files that a new registry makes, and opens them. */
  readonly keyPassphrase?: string;
  /** Key file whose public half is registered with the account `admin`; a private one countersigns the log. */
  readonly signingKeyFile?: string;
  /** Installs packs on this machine. */
  readonly install?: InstallService;
  /** Directory that knows people and their passwords; accounts are local unless given. */
  readonly ldap?: LdapOptions;
  /** Hosts that the server may ask whatever address they have, beside the public Internet; see `OutboundOptions.allow`. */
  readonly outboundAllow?: readonly string[];
  /** Name servers that proofs of namespaces are asked of, `address` or `address:port`; those of the machine unless given. */
  readonly dnsServers?: readonly string[];
  /** Registries that it mirrors or stands before. */
  readonly upstreams?: readonly UpstreamOptions[];
  readonly log?: LogListener;
  readonly clock?: Clock;
  readonly hasher?: PasswordHasher;
}

/** The first account, made when a data directory is new. */
export interface Bootstrap {
  readonly username: string;
  readonly password: string;
  readonly token: string;
  readonly tokenFile: string;
}

/** An embedded registry: one process, one directory. */
export interface NodeRegistry {
  readonly registry: Registry;
  readonly metadata: MetadataStore;
  /** Present at the first start only; the password is known to nobody else. */
  readonly bootstrap: Bootstrap | undefined;
}

/** Values of settings that an embedded registry is not given. */
export const DEFAULT_SETTINGS: Omit<RegistrySettings, "jwtSecret"> = {
  name: "lading-registry",
  version: "0.1.0",
  mode: "development",
  signatures: "optional",
  registration: "open",
  readPublic: true,
  writeRequiresAuth: true,
  packageBytes: 2 * 2 ** 30,
  reservedNames: RESERVED_NAMES,
  trustProxy: false,
  requestsPerMinute: 0,
  loginsPerMinute: 30,
  ciIssuers: CI_ISSUERS,
  directoryTeams: [],
  indexMemoryBytes: 128 * 2 ** 20,
};

async function peopleOf(
  ldap: LdapOptions,
  ports: { readonly metadata: MetadataStore; readonly hasher: PasswordHasher; readonly clock: Clock },
): Promise<IdentityProvider> {
  return new DirectoryIdentityProvider({ directory: await createLdapDirectory(ldap), ...ports });
}

/** Default of the memory that all decoders share, in bytes. */
export const DECODE_BUDGET_BYTES: number = 256 * 2 ** 20;

async function keptSecret(file: string, temporary: string): Promise<string> {
  try {
    return (await readFile(file, "utf8")).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const secret = randomBytes(48).toString("base64url");
  await writeDurably(file, `${secret}\n`, { temporary, mode: 0o600 });
  return secret;
}

/** A new token of an account, not yet stored. */
export async function mintToken(
  account: Account,
  options: {
    readonly name: string;
    readonly days: number;
    readonly scopes: TokenRecord["scopes"];
    readonly packages?: readonly string[];
    readonly cidr?: readonly string[];
    readonly now: number;
  },
): Promise<{ readonly token: string; readonly record: TokenRecord }> {
  const token = generateToken();
  const record: TokenRecord = {
    id: randomId(),
    accountId: account.id,
    name: options.name,
    hash: await hashToken(token),
    scopes: options.scopes,
    packages: options.packages ?? [],
    ...(options.cidr === undefined || options.cidr.length === 0 ? {} : { cidr: options.cidr }),
    created: options.now,
    expires: options.now + options.days * DAY_MS,
  };
  return { token, record };
}

async function bootstrapAdmin(
  metadata: MetadataStore,
  options: { readonly hasher: PasswordHasher; readonly clock: Clock; readonly directory: string },
): Promise<Bootstrap | undefined> {
  if ((await metadata.accountCount()) > 0) return undefined;
  const { adminToken, temporary } = dataLayout(options.directory);
  const password = randomBytes(15).toString("base64url");
  const now = options.clock.now();
  const account: Account = {
    id: randomId(),
    username: "admin",
    passwordHash: await options.hasher.hash(password),
    admin: true,
    created: now,
  };
  const { token, record } = await mintToken(account, {
    name: "bootstrap",
    days: BOOTSTRAP_TOKEN_DAYS,
    scopes: ["admin"],
    now,
  });
  // The file first: after a crash in between, the next start finds no account and does all of this again.
  await writeDurably(adminToken, `${token}\n`, { temporary, mode: 0o600 });
  const audit = { at: now, actor: "system", action: "account.create", details: { username: "admin", admin: true } };
  if ((await metadata.createAccount(account, audit, record)) === "exists") {
    // Another server over the same database was first; its secrets are the ones that hold.
    await rm(adminToken, { force: true });
    return undefined;
  }
  return { username: account.username, password, token, tokenFile: adminToken };
}

/** Registers the operator's key with the account admin; a private one is also who countersigns the log. */
async function registerSigningKey(
  metadata: MetadataStore,
  statements: SigningStatementVerifier,
  file: string,
  now: number,
): Promise<Signer | undefined> {
  const { publicKey, seed } = await operatorKey(file);
  const admin = await metadata.accountByName("admin");
  if (admin !== undefined) {
    const { fingerprint, pem } = await statements.readPublicKey(formatPublicKey(publicKey));
    const audit = { at: now, actor: "system", action: "key.add", details: { fingerprint, account: "admin" } };
    await metadata.addKey({ fingerprint, pem, accountId: admin.id, created: now }, audit);
  }
  return seed === undefined ? undefined : nodeSigner(seed);
}

/** What a registry signs with, and who else vouches for its log. */
function countersigned(keys: RegistryTrust, signer: Signer | undefined): RegistryTrust {
  return signer === undefined ? keys : { ...keys, logCosigners: [...(keys.logCosigners ?? []), signer] };
}

async function operatorKey(
  file: string,
): Promise<{ readonly publicKey: Uint8Array; readonly seed: Uint8Array | undefined }> {
  const key = await readKeyFile(file).catch((cause: unknown) => {
    throw new RegistryError({
      code: "SERVER_CONFIG_INVALID",
      message: `Cannot use PACKAGE_SIGNING_KEY "${file}": ${cause instanceof Error ? cause.message : "it cannot be read"}`,
      hint: "Name an Ed25519 key file that the server may read, PEM or JSON",
      cause,
    });
  });
  if (key.publicKey !== undefined) {
    return { publicKey: key.publicKey, seed: key.type === "private" ? key.seed : undefined };
  }
  throw new RegistryError({
    code: "SERVER_CONFIG_INVALID",
    message: `Cannot use PACKAGE_SIGNING_KEY "${file}": the key is encrypted, allowed are a public key or a private key in the clear`,
    hint: "Name a private key in the clear to countersign the log, or the .pub file beside it",
  });
}

/** A cache for what is looked up, and one for answers to repeat. */
async function openCaches(
  options: { readonly url: string | undefined; readonly clock: Clock; readonly log: LogListener | undefined },
  closing: (() => Promise<void>)[],
): Promise<Pick<RegistryPorts, "cache" | "answers">> {
  const { url, clock, log } = options;
  if (url === undefined) return { cache: new MemoryCache(clock) };
  const shared = { url, clock, ...(log === undefined ? {} : { log }) };
  const [cache, answers] = [
    await RedisCache.open({ ...shared, prefix: "lading:" }),
    await RedisCache.open({ ...shared, prefix: "lading:answer:" }),
  ];
  closing.push(
    () => cache.close(),
    () => answers.close(),
  );
  return { cache, answers };
}

/** A server with other keys would sign what nobody who knows the registry accepts. */
async function requireSameRoot({ metadata, coordination }: Stores, keys: RegistryTrust): Promise<void> {
  if (coordination === undefined) return;
  const first = await metadata.signedFile("metadata/1.root.json");
  if (first === undefined || Buffer.compare(first.bytes, keys.roots[0]!) === 0) return;
  throw new RegistryError({
    code: "KEYS_UNUSABLE",
    message: "Cannot use the keys of this server: the registry in the database has another root",
    hint: "Give every server the same keys directory (REGISTRY_KEYS_DIR), that of the server that was first",
  });
}

/**
 * Builds a registry over a directory (SQLite, blobs and rendered documents as files), or over PostgreSQL and S3, of which
 * each is used where it is named. A new one gets a schema, secrets and the account `admin`. Call `registry.start()` next.
 * @throws {RegistryError} `DATA_DIRECTORY_IN_USE`, `DATA_DIRECTORY_UNUSABLE`, `DATABASE_UNUSABLE`, `SCHEMA_TOO_OLD`,
 * `SCHEMA_TOO_NEW`, `KEYS_UNUSABLE`
 */
export async function createNodeRegistry(options: NodeRegistryOptions): Promise<NodeRegistry> {
  const {
    dataDirectory,
    databaseFile,
    databaseUrl,
    s3,
    redirectDownloads,
    redirectUploads,
    redisUrl,
    keyDirectory,
    jwtSecret,
    decodeBudgetBytes,
    signingKeyFile,
    keyPassphrase,
    install,
    ldap,
    outboundAllow = [],
    dnsServers = [],
    upstreams = [],
    log,
    clock = { now: () => Date.now() },
    hasher = new Argon2Hasher(),
    ...given
  } = options;
  await prepareDirectory(dataDirectory);
  const layout = dataLayout(dataDirectory);
  const closing: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const end of closing.splice(0).toReversed()) await end();
  };
  const unlock = lockDataDirectory(dataDirectory, layout.lock);
  closing.push(async () => unlock());
  try {
    const stores = await openStores({
      dataDirectory,
      databaseFile,
      databaseUrl,
      s3,
      redirectDownloads,
      redirectUploads,
    });
    closing.push(() => stores.close());
    const { metadata } = stores;
    const statements = new SigningStatementVerifier(nodeVerifier);
    const bootstrap = await bootstrapAdmin(metadata, { hasher, clock, directory: dataDirectory });
    const countersigner =
      signingKeyFile === undefined
        ? undefined
        : await registerSigningKey(metadata, statements, signingKeyFile, clock.now());
    const keys = await openKeys({
      directory: keyDirectory ?? layout.keys,
      temporary: layout.temporary,
      passphrase: keyPassphrase,
      publicUrl: given.publicUrl,
      nowMs: clock.now(),
    });
    await requireSameRoot(stores, keys);
    const trust = countersigned(keys, countersigner);
    const secret = bytesOf(jwtSecret ?? (await keptSecret(layout.jwtSecret, layout.temporary)));
    const ports: RegistryPorts = {
      settings: { ...DEFAULT_SETTINGS, ...given, jwtSecret: secret },
      metadata,
      blobs: stores.blobs,
      documents: stores.documents,
      uploads: stores.uploads,
      ...(stores.coordination === undefined ? {} : { coordination: stores.coordination }),
      ...(await openCaches({ url: redisUrl, clock, log }, closing)),
      hasher,
      inspector: new ArchiveInspector(new DecodeBudget(decodeBudgetBytes ?? DECODE_BUDGET_BYTES)),
      statements,
      // A mirror signs nothing: what it serves is signed by the registry that it mirrors.
      ...(upstreams.some(({ isWholeServer }) => isWholeServer) ? {} : { trust }),
      trees: new NodeTreeHost(
        { dataDirectory, databaseUrl, s3, redirectDownloads, keyDirectory },
        {
          passphrase: keyPassphrase,
          publicUrl: given.publicUrl,
          now: () => clock.now(),
          finish: async (own, ownKeys) => {
            await requireSameRoot(own, ownKeys);
            return countersigned(ownKeys, countersigner);
          },
        },
      ),
      outbound: createOutbound({ allow: outboundAllow }),
      resolveTxt: createTxtResolver(dnsServers),
      upstreams,
      verifier: nodeVerifier,
      clock,
      ...(install === undefined ? {} : { install }),
      ...(ldap === undefined ? {} : { identity: await peopleOf(ldap, { metadata, hasher, clock }) }),
      ...(log === undefined ? {} : { log }),
      docsAsset: readDocsAsset,
      onStopped: close,
    };
    return { registry: createRegistry(ports), metadata, bootstrap };
  } catch (error) {
    await close();
    throw error;
  }
}
