import { createRoute, z } from "@hono/zod-openapi";
import { credentialsInvalid, requireScope, type Principal } from "../authentication.ts";
import { timestamp } from "../index-model.ts";
import { containsNetwork, formatNetwork, networkProblem } from "../network.ts";
import { isPackagePattern } from "../package-pattern.ts";
import { SCOPES, type Account, type KeyRecord, type TokenRecord } from "../records.ts";
import { RegistryError } from "../registry-error.ts";
import { generateToken, hashToken, randomId } from "../token.ts";
import { keyContext, publisherKeys } from "../trust/publisher-keys.ts";
import { callers, isAdminCall, principalOf, registrants, smallBody } from "./access.ts";
import { auditEntry, type App, type RouteContext, type Services } from "./context.ts";
import { ANONYMOUS } from "./guards.ts";
import { idempotent } from "./idempotency.ts";
import { credentialAnswerSchema, passkeySite } from "./passkey-schemas.ts";
import { SECURED, jsonResponse, problems } from "./schemas.ts";

const TAGS = ["accounts"];
const DAY_MS = 24 * 60 * 60 * 1000;

/** Longest life of a token that can write, in days. */
export const WRITE_TOKEN_MAX_DAYS = 90;
/** Longest life of a token that can only read, in days. */
export const READ_TOKEN_MAX_DAYS = 3650;
/** Life of a token whose creator did not say, in days. */
export const TOKEN_DEFAULT_DAYS = 30;

const username = z
  .string()
  .max(64)
  .regex(/^[a-z0-9](?:[a-z0-9._@-]*[a-z0-9])?$/, "allowed are a-z, 0-9 and . _ @ - between them");
/** A password that somebody chooses. */
export const newPassword: z.ZodType<string> = z.string().min(8).max(256);
const scope = z.enum(["read", "publish", "yank", "owner", "admin"]);
const registerBody = z
  .object({ username, email: z.email().max(254).optional(), password: newPassword })
  .openapi("Register");
const loginBody = z
  .object({
    username: z.string().max(254),
    password: z.string().max(256),
    otp: z.string().trim().max(32).optional().openapi({ description: "Code of the second factor, or a recovery code" }),
    passkey: credentialAnswerSchema
      .optional()
      .openapi({ description: "Answer of one of the account's passkeys, in the place of a code" }),
  })
  .openapi("Login");
const user = z.object({ username: z.string(), email: z.string().optional(), admin: z.boolean() }).openapi("User");
const session = z.object({ token: z.string(), token_type: z.string(), expires: z.string(), user }).openapi("Session");
/** What a login answers. */
export const sessionSchema: z.ZodType = session;
const whoami = user
  .extend({ method: z.string(), scopes: z.array(scope), packages: z.array(z.string()) })
  .openapi("WhoAmI");
const network = z
  .string()
  .max(64)
  .superRefine((text, check) => {
    const problem = networkProblem(text);
    if (problem !== undefined) check.addIssue({ code: "custom", message: problem });
  })
  .transform(formatNetwork);
const tokenBody = z
  .object({
    name: z.string().trim().min(1).max(100),
    scopes: z.array(scope).min(1).max(SCOPES.length),
    packages: z.array(z.string().refine(isPackagePattern, "not a package pattern")).max(50).default([]),
    cidr: z
      .array(network)
      .max(50)
      .default([])
      .openapi({
        description: "Addresses and ranges that its requests must come from; empty: from anywhere",
        example: ["192.0.2.0/24", "2001:db8::/32"],
      }),
    expires_in_days: z.number().int().min(1).max(READ_TOKEN_MAX_DAYS).optional(),
  })
  .openapi("CreateToken");
const tokenView = z
  .object({
    id: z.string(),
    name: z.string(),
    scopes: z.array(scope),
    packages: z.array(z.string()),
    cidr: z.array(z.string()),
    created: z.string(),
    expires: z.string().optional(),
    last_used: z.string().optional(),
  })
  .openapi("Token");
const createdToken = tokenView
  .extend({ token: z.string().openapi({ description: "Shown this once" }) })
  .openapi("CreatedToken");
const keyBody = z
  .object({
    public_key: z.string().min(1).max(8192).openapi({ description: "SPKI PEM" }),
    name: z.string().trim().min(1).max(100).optional(),
  })
  .openapi("AddKey");
const keyView = z
  .object({
    id: z.string(),
    fingerprint: z.string(),
    public_key: z.string(),
    name: z.string().optional(),
    created: z.string(),
  })
  .openapi("Key");

function userView(account: Account): z.infer<typeof user> {
  return {
    username: account.username,
    ...(account.email === undefined ? {} : { email: account.email }),
    admin: account.admin,
  };
}

function viewToken(record: TokenRecord): z.infer<typeof tokenView> {
  return {
    id: record.id,
    name: record.name,
    scopes: [...record.scopes],
    packages: [...record.packages],
    cidr: [...(record.cidr ?? [])],
    created: timestamp(record.created),
    ...(record.expires === undefined ? {} : { expires: timestamp(record.expires) }),
    ...(record.lastUsed === undefined ? {} : { last_used: timestamp(record.lastUsed) }),
  };
}

function viewKey(record: KeyRecord): z.infer<typeof keyView> {
  return {
    id: record.fingerprint,
    fingerprint: record.fingerprint,
    public_key: record.pem,
    ...(record.name === undefined ? {} : { name: record.name }),
    created: timestamp(record.created),
  };
}

/** Counts a login against its address, and where it names one, its user. */
export async function limitLogins(services: Services, context: RouteContext, name?: string): Promise<void> {
  const user = name === undefined ? [] : [`user:${name.toLowerCase()}`];
  const keys = [`address:${context.get("address")}`, ...user];
  const verdicts = await Promise.all(keys.map((key) => services.logins.take(key)));
  const refusal = verdicts.find((verdict) => verdict?.allowed === false);
  if (refusal === undefined) return;
  throw new RegistryError({
    code: "RATE_LIMITED",
    message: `Cannot log in: more than ${refusal.limit} attempts in a minute`,
    hint: `Wait ${refusal.resetSeconds} seconds`,
    retryAfter: refusal.resetSeconds,
  });
}

async function register(
  services: Services,
  context: RouteContext,
  body: z.infer<typeof registerBody>,
): Promise<Response> {
  await limitLogins(services, context, body.username);
  const account: Account = {
    id: randomId(),
    username: body.username,
    ...(body.email === undefined ? {} : { email: body.email }),
    passwordHash: await services.hasher.hash(body.password),
    admin: false,
    created: services.clock.now(),
  };
  const audit = auditEntry(services, context, {
    action: "account.create",
    actor: context.get("principal")?.account.username ?? account.username,
    details: { username: account.username },
  });
  // Whoever took the name of an administrator would be one.
  const administers = services.access.policy.namesAdmin(account.username) && !(await isAdminCall(services, context));
  const reserved = administers || [ANONYMOUS, "system"].includes(account.username);
  if (reserved || (await services.metadata.createAccount(account, audit)) === "exists") {
    throw new RegistryError({
      code: "USER_EXISTS",
      message: `Cannot create account "${account.username}": the name is taken`,
    });
  }
  return context.json(userView(account), 201);
}

async function login(services: Services, context: RouteContext, body: z.infer<typeof loginBody>): Promise<Response> {
  await limitLogins(services, context, body.username);
  const account = await services.identity.authenticate(body.username, body.password);
  if (account === undefined) throw credentialsInvalid();
  if (body.passkey === undefined) {
    const recovery = auditEntry(services, context, { action: "second-factor.recovery", actor: account.username });
    await services.secondFactors.demand(account, body.otp, recovery);
  } else await services.passkeys.authenticate(body.passkey, { site: passkeySite(services), account });
  return sessionAnswer(services, context, account);
}

/** Opens a session of the account and answers with its token. */
export async function sessionAnswer(services: Services, context: RouteContext, account: Account): Promise<Response> {
  const audit = auditEntry(services, context, { action: "session.create", actor: account.username });
  const { token, expires } = await services.authentication.openSession(account, audit);
  return context.json({ token, token_type: "Bearer", expires: timestamp(expires), user: userView(account) });
}

function sessionRoutes(app: App, services: Services): void {
  const json = (schema: z.ZodType) => ({ required: true, content: { "application/json": { schema } } });
  app.openapi(
    createRoute({
      method: "post",
      path: "/api/v1/auth/register",
      middleware: [registrants(services), smallBody],
      tags: TAGS,
      summary: "Create an account",
      request: { body: json(registerBody) },
      responses: { 201: jsonResponse(user, "The account"), ...problems(400, 403, 409) },
    }),
    async (context): Promise<Response> => register(services, context, registerBody.parse(context.req.valid("json"))),
  );
  app.openapi(
    createRoute({
      method: "post",
      path: "/api/v1/auth/login",
      middleware: smallBody,
      tags: TAGS,
      summary: "Exchange user name and password for a session token",
      request: { body: json(loginBody) },
      responses: { 200: jsonResponse(session, "The session"), ...problems(400, 401) },
    }),
    async (context): Promise<Response> => login(services, context, loginBody.parse(context.req.valid("json"))),
  );
  app.openapi(
    createRoute({
      method: "post",
      path: "/api/v1/auth/logout",
      middleware: callers(services),
      tags: TAGS,
      summary: "End the session; a token stays until it is deleted",
      security: SECURED,
      responses: { 204: { description: "Ended" }, ...problems(401) },
    }),
    async (context): Promise<Response> => {
      const principal = principalOf(context);
      if (principal.sessionId !== undefined) {
        await services.authentication.closeSession(
          principal.sessionId,
          auditEntry(services, context, { action: "session.end" }),
        );
      }
      return context.body(null, 204);
    },
  );
  app.openapi(
    createRoute({
      method: "get",
      path: "/api/v1/auth/whoami",
      middleware: callers(services),
      tags: TAGS,
      summary: "Whose credentials these are and what they allow",
      security: SECURED,
      responses: { 200: jsonResponse(whoami, "The account"), ...problems(401) },
    }),
    async (context): Promise<Response> => {
      const principal = principalOf(context);
      return context.json({
        ...userView(principal.account),
        method: principal.method,
        scopes: SCOPES.filter((name) => principal.scopes.has(name)),
        packages: principal.packages,
      });
    },
  );
}

function tokenLifeDays(body: z.infer<typeof tokenBody>): number {
  const writes = body.scopes.some((name) => name !== "read");
  const allowed = writes ? WRITE_TOKEN_MAX_DAYS : READ_TOKEN_MAX_DAYS;
  const days = body.expires_in_days ?? TOKEN_DEFAULT_DAYS;
  if (days <= allowed) return days;
  const message = `a token that can write lives ${allowed} days at most, asked for are ${days}`;
  throw new RegistryError({
    code: "REQUEST_INVALID",
    message: `Cannot create token "${body.name}": ${message}`,
    errors: [{ field: "body.expires_in_days", message }],
  });
}

// A leaked token must not be able to make a mightier or longer one of itself.
function requireNoEscalation(
  principal: Principal,
  { scopes, packages, cidr }: Pick<z.infer<typeof tokenBody>, "scopes" | "packages" | "cidr">,
): void {
  for (const name of scopes) requireScope(principal, name);
  requireNarrowNetworks(principal, cidr);
  if (principal.method !== "token" || principal.packages.length === 0) return;
  if (packages.length > 0 && packages.every((pattern) => principal.packages.includes(pattern))) return;
  throw new RegistryError({
    code: "FORBIDDEN",
    message: `Cannot create a token for more packages than this one is limited to: ${principal.packages.map((pattern) => `"${pattern}"`).join(", ")}`,
    hint: "Log in with your password to create it",
  });
}

function requireNarrowNetworks({ cidr: own }: Principal, cidr: readonly string[]): void {
  if (own === undefined || (cidr.length > 0 && cidr.every((inner) => containsNetwork(own, inner)))) return;
  throw new RegistryError({
    code: "FORBIDDEN",
    message: `Cannot create a token for more networks than this one is limited to: ${own.map((one) => `"${one}"`).join(", ")}`,
    hint: "Log in with your password to create it",
  });
}

async function createToken(
  services: Services,
  context: RouteContext,
  body: z.infer<typeof tokenBody>,
): Promise<Response> {
  const principal = principalOf(context);
  requireNoEscalation(principal, body);
  const days = tokenLifeDays(body);
  const token = generateToken();
  const created = services.clock.now();
  const record: TokenRecord = {
    id: randomId(),
    accountId: principal.account.id,
    name: body.name,
    hash: await hashToken(token),
    scopes: SCOPES.filter((name) => body.scopes.includes(name)),
    packages: body.packages,
    ...(body.cidr.length === 0 ? {} : { cidr: [...new Set(body.cidr)] }),
    created,
    expires: created + days * DAY_MS,
  };
  const { id, name, scopes, packages, cidr } = record;
  const details = { id, name, scopes, packages, ...(cidr === undefined ? {} : { cidr }), days };
  await services.metadata.createToken(record, auditEntry(services, context, { action: "token.create", details }));
  return context.json({ ...viewToken(record), token }, 201);
}

function tokenRoutes(app: App, services: Services): void {
  app.openapi(
    createRoute({
      method: "get",
      path: "/api/v1/tokens",
      middleware: callers(services),
      tags: TAGS,
      summary: "Tokens of the account, without their secrets",
      security: SECURED,
      responses: { 200: jsonResponse(z.object({ items: z.array(tokenView) }), "The tokens"), ...problems(401) },
    }),
    async (context): Promise<Response> => {
      const { account } = principalOf(context);
      return context.json({ items: (await services.metadata.tokensOf(account.id)).map(viewToken) });
    },
  );
  app.openapi(
    createRoute({
      method: "post",
      path: "/api/v1/tokens",
      middleware: [callers(services), smallBody],
      tags: TAGS,
      summary: "Create a token; its secret is in this answer and nowhere else",
      security: SECURED,
      request: { body: { required: true, content: { "application/json": { schema: tokenBody } } } },
      responses: { 201: jsonResponse(createdToken, "The token"), ...problems(400, 401, 403) },
    }),
    async (context): Promise<Response> => createToken(services, context, tokenBody.parse(context.req.valid("json"))),
  );
  app.openapi(
    createRoute({
      method: "delete",
      path: "/api/v1/tokens/{id}",
      middleware: callers(services),
      tags: TAGS,
      summary: "Revoke a token: at once on this server, on replicas within five seconds",
      security: SECURED,
      request: { params: z.object({ id: z.string().max(64) }) },
      responses: { 204: { description: "Revoked" }, ...problems(401, 404) },
    }),
    async (context): Promise<Response> => {
      const { account } = principalOf(context);
      const { id } = context.req.valid("param");
      const hash = await services.metadata.revokeToken(
        account.id,
        id,
        auditEntry(services, context, { action: "token.revoke", details: { id } }),
      );
      if (hash === undefined)
        throw new RegistryError({
          code: "NOT_FOUND",
          message: `Cannot find token "${id}" among those of "${account.username}"`,
        });
      await services.authentication.forgetToken(hash);
      return context.body(null, 204);
    },
  );
}

// A stolen publish token must not be able to bring its own signing key along.
function requireKeyRights(principal: Principal): void {
  if (principal.method === "session" || principal.method === "basic") return;
  requireScope(principal, "owner");
}

async function statementsAboutKey(services: Services, accountId: string, fingerprint: string) {
  const statements = await services.metadata.keyStatementsOf(accountId);
  return statements.filter(({ key, previous }) => key === fingerprint || previous === fingerprint);
}

// Clients follow a chain of statements from the key that they pinned: without one of its keys they could not.
async function requireNoHistory(services: Services, accountId: string, fingerprint: string): Promise<void> {
  const [statement] = await statementsAboutKey(services, accountId, fingerprint);
  if (statement === undefined) return;
  throw new RegistryError({
    code: "KEY_HAS_HISTORY",
    message: `Cannot remove key "${fingerprint}": entry ${statement.leaf} of the log speaks of it`,
    hint: "Revoke it with a signed statement: POST /api/v1/keys/statements",
  });
}

async function requireInUse(services: Services, accountId: string, fingerprint: string): Promise<void> {
  const [keys, statements] = [
    await services.metadata.keysOf(accountId),
    await services.metadata.keyStatementsOf(accountId),
  ];
  const key = publisherKeys({ keys, statements }, keyContext(services)).find(
    ({ record }) => record.fingerprint === fingerprint,
  );
  if (key === undefined || key.state === "active") return;
  throw new RegistryError({
    code: "KEY_EXISTS",
    message: `Cannot register key "${fingerprint}": it was yours before, and is ${key.state} now`,
    hint: "Make a new key; GET /api/v1/accounts/{username}/keys shows which are in use",
  });
}

function keyRoutes(app: App, services: Services): void {
  app.openapi(
    createRoute({
      method: "get",
      path: "/api/v1/keys",
      middleware: callers(services),
      tags: TAGS,
      summary: "Public signing keys of the account",
      security: SECURED,
      responses: { 200: jsonResponse(z.object({ items: z.array(keyView) }), "The keys"), ...problems(401) },
    }),
    async (context): Promise<Response> => {
      const { account } = principalOf(context);
      return context.json({ items: (await services.metadata.keysOf(account.id)).map(viewKey) });
    },
  );
  app.openapi(
    createRoute({
      method: "post",
      path: "/api/v1/keys",
      middleware: [callers(services, requireKeyRights), smallBody, idempotent(services)],
      tags: TAGS,
      summary: "Register a public signing key",
      security: SECURED,
      request: { body: { required: true, content: { "application/json": { schema: keyBody } } } },
      responses: { 201: jsonResponse(keyView, "The key"), ...problems(400, 401, 403, 409, 413, 422) },
    }),
    async (context): Promise<Response> => {
      const principal = principalOf(context);
      const { public_key: text, name } = keyBody.parse(context.req.valid("json"));
      const { fingerprint, pem } = await services.statements.readPublicKey(text);
      const record: KeyRecord = {
        fingerprint,
        pem,
        ...(name === undefined ? {} : { name }),
        accountId: principal.account.id,
        created: services.clock.now(),
      };
      const outcome = await services.metadata.addKey(
        record,
        auditEntry(services, context, { action: "key.add", details: { fingerprint } }),
      );
      if (outcome === "taken") {
        throw new RegistryError({
          code: "KEY_EXISTS",
          message: `Cannot register key "${fingerprint}": another account has it`,
        });
      }
      await requireInUse(services, principal.account.id, fingerprint);
      services.trust?.changedSoon();
      return context.json(viewKey(record), 201);
    },
  );
  app.openapi(
    createRoute({
      method: "delete",
      path: "/api/v1/keys/{fingerprint}",
      middleware: callers(services, requireKeyRights),
      tags: TAGS,
      summary: "Remove a public signing key; what it signed stays published",
      security: SECURED,
      request: { params: z.object({ fingerprint: z.string().max(100) }) },
      responses: { 204: { description: "Removed" }, ...problems(401, 403, 404) },
    }),
    async (context): Promise<Response> => {
      const principal = principalOf(context);
      const { fingerprint } = context.req.valid("param");
      await requireNoHistory(services, principal.account.id, fingerprint);
      const audit = auditEntry(services, context, { action: "key.remove", details: { fingerprint } });
      if (await services.metadata.removeKey(principal.account.id, fingerprint, audit)) {
        services.trust?.changedSoon();
        return context.body(null, 204);
      }
      throw new RegistryError({
        code: "NOT_FOUND",
        message: `Cannot find key "${fingerprint}" among those of "${principal.account.username}"`,
      });
    },
  );
}

/** Registers the routes of accounts: sessions, tokens, keys. */
export function registerAccountRoutes(app: App, services: Services): void {
  sessionRoutes(app, services);
  tokenRoutes(app, services);
  keyRoutes(app, services);
}
