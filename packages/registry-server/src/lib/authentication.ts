import { SignJWT, errors as joseErrors, jwtVerify } from "jose";
import { isConfidential, type Connection } from "./connection.ts";
import { isInNetworks } from "./network.ts";
import { matchesPackagePattern } from "./package-pattern.ts";
import { patternsOverlap } from "./pattern-overlap.ts";
import type { Cache, Clock, IdentityProvider, MetadataStore } from "./ports.ts";
import { SCOPES, type Account, type AuditEntry, type Scope, type TokenRecord } from "./records.ts";
import { RegistryError } from "./registry-error.ts";
import { TOKEN_PREFIX, hashToken, isWellFormedToken, randomId } from "./token.ts";

/** How long a look-up of a token, session or password may be remembered: the longest delay of a revocation. */
export const REVOCATION_DELAY_MS = 5000;

/** How long a login lasts. */
export const SESSION_LIFETIME_MS: number = 12 * 60 * 60 * 1000;

/** Who makes a request, and with what rights. */
export interface Principal {
  readonly account: Account;
  readonly method: "token" | "session" | "basic" | "anonymous";
  readonly scopes: ReadonlySet<Scope>;
  /** Patterns that limit writes to packages; empty: no limit. */
  readonly packages: readonly string[];
  /** Networks that the token's requests come from; absent: no limit. */
  readonly cidr?: readonly string[];
  readonly tokenId?: string;
  readonly sessionId?: string;
}

interface Options {
  readonly metadata: MetadataStore;
  readonly cache: Cache;
  readonly identity: IdentityProvider;
  readonly clock: Clock;
  /** At least 32 bytes; signs session tokens (HS256). */
  readonly jwtSecret: Uint8Array;
  readonly issuer: string;
  /** Whether an account opens with more than its password. */
  readonly needsSecondFactor?: (account: Account) => Promise<boolean>;
}

function tokenInvalid(problem: string, hint = "Log in again or create a new token"): RegistryError {
  return new RegistryError({ code: "TOKEN_INVALID", message: `Cannot accept the token: ${problem}`, hint });
}

// Its networks are not named: whoever stole the token need not know from where it works.
function requireNetwork({ cidr }: TokenRecord, { remoteAddress }: Connection): void {
  if (cidr === undefined || isInNetworks(remoteAddress, cidr)) return;
  throw tokenInvalid(
    `the request comes from ${remoteAddress === undefined ? "an unknown address" : `"${remoteAddress.slice(0, 64)}"`}, outside of the networks that it is limited to`,
    "Use it from one of them, or create a token for this one",
  );
}

/** Every scope that `scopes` grant: admin includes all. */
export function grantedScopes(scopes: readonly Scope[]): ReadonlySet<Scope> {
  return new Set(scopes.includes("admin") ? SCOPES : scopes);
}

function accountScopes(account: Account): ReadonlySet<Scope> {
  return new Set(account.admin ? SCOPES : SCOPES.filter((scope) => scope !== "admin"));
}

function decodeBasic(encoded: string): { username: string; password: string } {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(
      Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0)),
    );
  } catch (cause) {
    throw new RegistryError({
      code: "CREDENTIALS_INVALID",
      message: "Cannot read the Basic credentials: they are not base64 of UTF-8",
      cause,
    });
  }
  const colon = text.indexOf(":");
  if (colon === -1) {
    throw new RegistryError({
      code: "CREDENTIALS_INVALID",
      message: 'Cannot read the Basic credentials: there is no ":" between name and password',
    });
  }
  return { username: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** Turns credentials of requests into principals, and logins into sessions. */
export class Authentication {
  readonly #options: Options;
  readonly #uses = new Map<string, number>();

  constructor(options: Options) {
    this.#options = options;
  }

  /**
   * Who the `Authorization` header says, or `undefined` where there is none.
   * @throws {RegistryError} `TOKEN_INVALID`, `CREDENTIALS_INVALID`, `BASIC_AUTH_INSECURE`
   */
  async principal(
    authorization: string | null | undefined,
    request: { readonly url: string },
    connection: Connection,
  ): Promise<Principal | undefined> {
    if (authorization === null || authorization === undefined || authorization === "") return undefined;
    const [, scheme, value] = /^(\S+) +(\S+)$/.exec(authorization.trim()) ?? [];
    if (value === undefined)
      throw tokenInvalid('the Authorization header is not of the form "Bearer <token>" or "Basic <credentials>"');
    if (scheme!.toLowerCase() === "bearer") return this.#bearer(value, connection);
    if (scheme!.toLowerCase() === "basic") return this.#basic(value, request, connection);
    throw tokenInvalid(`the scheme "${scheme!.slice(0, 20)}" is not supported; allowed are "Bearer" and "Basic"`);
  }

  /** Starts a session; the token is a JWT that names it. */
  async openSession(
    account: Account,
    audit: AuditEntry,
  ): Promise<{ readonly token: string; readonly expires: number }> {
    const { clock, metadata, jwtSecret, issuer } = this.#options;
    const created = clock.now();
    const expires = created + SESSION_LIFETIME_MS;
    const id = randomId();
    await metadata.createSession({ id, accountId: account.id, created, expires }, audit);
    const token = await new SignJWT({ username: account.username })
      .setProtectedHeader({ alg: "HS256", typ: "JWT" })
      .setIssuer(issuer)
      .setAudience(issuer)
      .setSubject(account.id)
      .setJti(id)
      .setIssuedAt(Math.floor(created / 1000))
      .setExpirationTime(Math.floor(expires / 1000))
      .sign(jwtSecret);
    return { token, expires };
  }

  /** Ends a session at once on this server, on others within {@link REVOCATION_DELAY_MS}. */
  async closeSession(id: string, audit: AuditEntry): Promise<void> {
    await this.#options.metadata.endSession(id, audit);
    await this.#options.cache.delete(`session:${id}`);
  }

  /** Forgets what is remembered of a token, given its hash. */
  async forgetToken(hash: string): Promise<void> {
    await this.forget({ tokens: [hash] });
  }

  /** Forgets what is remembered of credentials that ended, and of an account. */
  async forget(ended: {
    readonly sessions?: readonly string[];
    readonly tokens?: readonly string[];
    readonly accountId?: string;
  }): Promise<void> {
    const { sessions = [], tokens = [], accountId } = ended;
    const keys = [
      ...sessions.map((id) => `session:${id}`),
      ...tokens.map((hash) => `token:${hash}`),
      ...(accountId === undefined ? [] : [`account:${accountId}`]),
    ];
    for (const key of keys) await this.#options.cache.delete(key);
  }

  /** Writes the times of last use that were noted since the last call. */
  async flushUses(): Promise<void> {
    if (this.#uses.size === 0) return;
    const uses = new Map(this.#uses);
    this.#uses.clear();
    await this.#options.metadata.touchTokens(uses);
  }

  async #cached<Value>(key: string, load: () => Promise<Value | undefined>): Promise<Value | undefined> {
    const known = await this.#options.cache.get(key);
    if (known !== undefined) return (JSON.parse(known) as { value?: Value }).value;
    const value = await load();
    // Absence is remembered as well, or guessing tokens would be a way to load the database.
    await this.#options.cache.set(key, JSON.stringify({ value }), REVOCATION_DELAY_MS);
    return value;
  }

  async #account(id: string): Promise<Account> {
    const account = await this.#cached(`account:${id}`, async () => {
      const found = await this.#options.metadata.accountById(id);
      // The cache may be another process's memory; the hash has no business there.
      return found && { ...found, passwordHash: "" };
    });
    if (account === undefined || account.deleted !== undefined)
      throw tokenInvalid("its account does not exist any more");
    return account;
  }

  async #bearer(token: string, connection: Connection): Promise<Principal> {
    return token.startsWith(TOKEN_PREFIX) ? this.#opaque(token, connection) : this.#session(token);
  }

  async #opaque(token: string, connection: Connection): Promise<Principal> {
    if (!isWellFormedToken(token)) throw tokenInvalid("its form or check characters are wrong; was it copied whole?");
    const hash = await hashToken(token);
    const record = await this.#cached<TokenRecord>(`token:${hash}`, () => this.#options.metadata.tokenByHash(hash));
    if (record === undefined) throw tokenInvalid("it is unknown or revoked");
    const now = this.#options.clock.now();
    if (record.expires !== undefined && record.expires <= now)
      throw tokenInvalid(`it expired at ${new Date(record.expires).toISOString()}`);
    requireNetwork(record, connection);
    this.#uses.set(record.id, now);
    const account = await this.#account(record.accountId);
    const granted = grantedScopes(record.scopes);
    // A token of an account that lost its admin rights loses them too.
    const scopes = new Set([...granted].filter((scope) => scope !== "admin" || account.admin));
    const { packages, cidr } = record;
    return { account, method: "token", scopes, packages, tokenId: record.id, ...(cidr === undefined ? {} : { cidr }) };
  }

  async #session(token: string): Promise<Principal> {
    const { jwtSecret, issuer, clock, metadata } = this.#options;
    let id: string | undefined;
    try {
      const { payload } = await jwtVerify(token, jwtSecret, {
        algorithms: ["HS256"],
        issuer,
        audience: issuer,
        currentDate: new Date(clock.now()),
        requiredClaims: ["jti", "sub", "exp"],
      });
      id = payload.jti;
    } catch (error) {
      if (error instanceof joseErrors.JWTExpired) throw tokenInvalid("the session expired");
      if (error instanceof joseErrors.JOSEError)
        throw tokenInvalid("it is neither one of our tokens nor a session that this server signed");
      throw error;
    }
    const session = await this.#cached(`session:${id!}`, () => metadata.session(id!));
    if (session === undefined) throw tokenInvalid("the session was ended");
    const account = await this.#account(session.accountId);
    return { account, method: "session", scopes: accountScopes(account), packages: [], sessionId: session.id };
  }

  async #knownByPassword(
    username: string,
    password: string,
  ): Promise<{ readonly id: string; readonly needsMore: boolean } | undefined> {
    const account = await this.#options.identity.authenticate(username, password);
    if (account === undefined) return undefined;
    return { id: account.id, needsMore: (await this.#options.needsSecondFactor?.(account)) ?? false };
  }

  async #basic(encoded: string, request: { readonly url: string }, connection: Connection): Promise<Principal> {
    const { username, password } = decodeBasic(encoded);
    if (!isConfidential(request, connection)) {
      throw new RegistryError({
        code: "BASIC_AUTH_INSECURE",
        message: "Cannot accept Basic credentials: the connection is neither encrypted nor from this machine",
        hint: "Use HTTPS, or a token",
      });
    }
    if (password.startsWith(TOKEN_PREFIX)) return this.#opaque(password, connection);
    const key = `basic:${await hashToken(`${username}:${password}`)}`;
    const known = await this.#cached(key, async () => this.#knownByPassword(username, password));
    if (known === undefined) throw credentialsInvalid();
    if (known.needsMore) {
      throw new RegistryError({
        code: "SECOND_FACTOR_REQUIRED",
        message: `Cannot accept Basic credentials of "${username}": the account has a second factor`,
        hint: "Log in with it and use a token",
      });
    }
    const account = await this.#account(known.id);
    return { account, method: "basic", scopes: accountScopes(account), packages: [] };
  }
}

/** The one answer to a wrong name and to a wrong password. */
export function credentialsInvalid(): RegistryError {
  return new RegistryError({
    code: "CREDENTIALS_INVALID",
    message: "Cannot log in: user name and password do not match an account",
  });
}

function includes({ packages }: Principal, canonical: string): boolean {
  return packages.length === 0 || packages.some((pattern) => matchesPackagePattern(pattern, canonical));
}

/**
 * Whether the credentials are an administrator's for a package, by its canonical name, or for the whole registry where none is
 * given. Those that are limited to packages are for these alone: nothing else may ask for scope `admin` by itself.
 */
export function administers(principal: Principal, canonical?: string): boolean {
  if (!principal.scopes.has("admin")) return false;
  return canonical === undefined ? principal.packages.length === 0 : includes(principal, canonical);
}

/** Whether the credentials are an administrator's for some package that `pattern` can match. */
export function administersSome({ scopes, packages }: Principal, pattern: string): boolean {
  return scopes.has("admin") && (packages.length === 0 || packages.some((own) => patternsOverlap(own, pattern)));
}

/**
 * Demands a scope, and for a package, that the token's patterns include it.
 * @throws {RegistryError} `FORBIDDEN`
 */
export function requireScope(principal: Principal, scope: Scope, canonical?: string): void {
  if (!principal.scopes.has(scope)) {
    throw new RegistryError({
      code: "FORBIDDEN",
      message: `Cannot do this with these credentials: scope "${scope}" is needed, granted are ${[...principal.scopes].map((name) => `"${name}"`).join(", ") || "none"}`,
      hint: `Create a token with scope "${scope}"`,
      needed: scope,
    });
  }
  if (canonical === undefined || includes(principal, canonical)) return;
  throw new RegistryError({
    code: "FORBIDDEN",
    message: `Cannot do this to "${canonical}" with this token: it is limited to ${principal.packages.map((pattern) => `"${pattern}"`).join(", ")}`,
    hint: "Use a token whose package patterns include it",
    needed: scope,
  });
}

/** What checks a password against its hash. */
export interface PasswordVerifier {
  verify(password: string, encoded: string): Promise<boolean>;
}

/** The {@link IdentityProvider} over the metadata store's own accounts. */
export class LocalIdentityProvider implements IdentityProvider {
  readonly #metadata: MetadataStore;
  readonly #hasher: PasswordVerifier;

  constructor(metadata: MetadataStore, hasher: PasswordVerifier) {
    this.#metadata = metadata;
    this.#hasher = hasher;
  }

  async authenticate(username: string, password: string): Promise<Account | undefined> {
    const account = await this.#metadata.accountByName(username);
    return (await this.#hasher.verify(password, account?.passwordHash ?? "")) ? account : undefined;
  }
}
