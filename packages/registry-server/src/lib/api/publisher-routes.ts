import { createRoute, z } from "@hono/zod-openapi";
import { parsePublicKey, spkiOf } from "@lading/signing";
import { requireScope, type Principal } from "../authentication.ts";
import { storeBytes } from "../blob-bytes.ts";
import { timestamp } from "../index-model.ts";
import { normalisePolicy, policyDigest } from "../package-policy.ts";
import type { AccountKeys, KeyStatementOutcome } from "../ports.ts";
import type { KeyRecord, KeyStatementRecord, PackagePolicy, PackageSummary } from "../records.ts";
import { RegistryError } from "../registry-error.ts";
import {
  checkEffect,
  draftStatement,
  keyContext,
  publisherKeys,
  type PublisherKey,
  type StatementDraft,
} from "../trust/publisher-keys.ts";
import type { TrustService } from "../trust/trust-service.ts";
import { callers, principalOf, readers, smallBody, writers } from "./access.ts";
import { auditEntry, type App, type RouteContext, type Services } from "./context.ts";
import { requireOwner, requirePackage } from "./guards.ts";
import { answerOnce } from "./idempotency.ts";
import { policyView } from "./package-views.ts";
import { policyEtag, requireMatch } from "./preconditions.ts";
import { SECURED, jsonResponse, nameParam, problems } from "./schemas.ts";

const TAGS = ["accounts"];
const STATEMENT_TYPE = "application/vnd.dsse+json";
const ACTIONS = { rotation: "key.rotate", recovery: "key.recover", revocation: "key.revoke" } as const;
const CHANGES = { rotation: "rotate", recovery: "recover", revocation: "revoke" } as const;

const receipt = z.object({ index: z.number(), checkpoint: z.string(), proof: z.string() });
const statementBody = z
  .object({ statement: z.base64().openapi({ description: "The envelope, byte for byte, in base64" }) })
  .openapi("SendKeyStatement");
const statementView = z
  .object({
    change: z.enum(["rotate", "recover", "revoke"]),
    account: z.string(),
    key: z.string(),
    previous: z.string().optional(),
    from_index: z.number().optional(),
    effective: z.string().optional(),
    statement: z.string(),
    entry: z.number(),
    logged: z.string(),
  })
  .openapi("KeyStatement");
const taken = statementView.extend({ log: receipt }).openapi("TakenKeyStatement");
const publisherKey = z
  .object({
    fingerprint: z.string(),
    public_key: z.string(),
    state: z.enum(["active", "pending", "replaced", "revoked", "lapsed"]),
    previous: z.string().optional(),
    from_index: z.number().optional(),
    until_index: z.number().optional(),
    effective: z.string().optional(),
  })
  .openapi("PublisherKey");
const publisher = z
  .object({
    account: z.string(),
    keys: z.array(publisherKey),
    statements: z.array(statementView),
    log: z.object({ origin: z.string(), size: z.number() }).optional(),
  })
  .openapi("PublisherKeys");
const policyShape = z
  .object({
    threshold: z.number().int().min(1).max(16).optional(),
    public_keys: z.array(z.string().max(8192)).min(1).max(64).optional(),
    trusted_publishers: z.array(z.string().min(1).max(64)).min(1).max(64).optional(),
  })
  .openapi("PackagePolicy");

function viewStatement(record: KeyStatementRecord): z.infer<typeof statementView> {
  const { kind, account, key, previous, fromIndex, effective, statement, leaf, logged } = record;
  return {
    change: CHANGES[kind],
    account,
    key,
    ...(previous === undefined ? {} : { previous }),
    ...(fromIndex === undefined ? {} : { from_index: fromIndex }),
    ...(effective === undefined ? {} : { effective: timestamp(effective) }),
    statement,
    entry: leaf,
    logged: timestamp(logged),
  };
}

function logView({ logState }: TrustService): { origin: string; size: number } {
  return { origin: logState.origin, size: logState.size };
}

function viewPublisherKey(key: PublisherKey): z.infer<typeof publisherKey> {
  const { record, state, previous, fromIndex, untilIndex, effective } = key;
  return {
    fingerprint: record.fingerprint,
    public_key: record.pem,
    state,
    ...(previous === undefined ? {} : { previous }),
    ...(fromIndex === undefined ? {} : { from_index: fromIndex }),
    ...(untilIndex === undefined ? {} : { until_index: untilIndex }),
    ...(effective === undefined ? {} : { effective: timestamp(effective) }),
  };
}

// A stolen publish token must not be able to bring its own signing key along.
function requireKeyRights(principal: Principal): void {
  if (principal.method === "session" || principal.method === "basic") return;
  requireScope(principal, "owner");
}

function requireLog({ trust }: Services): TrustService {
  if (trust !== undefined) return trust;
  throw new RegistryError({
    code: "NOT_FOUND",
    message:
      "Cannot take statements about keys: this registry has no keys of its own, and so no log that they count in",
    hint: "Ask the operator to start the registry with keys",
  });
}

async function statementBytes(context: RouteContext): Promise<Uint8Array> {
  const type = context.req.header("content-type") ?? "";
  if (/^application\/vnd\.dsse\+json\b/i.test(type)) return new Uint8Array(await context.req.arrayBuffer());
  if (!/^application\/json\b/i.test(type)) {
    throw new RegistryError({
      code: "MEDIA_TYPE_UNSUPPORTED",
      message: `Cannot read the statement: the content type is "${type.slice(0, 100)}", expected "${STATEMENT_TYPE}" or "application/json"`,
    });
  }
  const body = statementBody.safeParse(await context.req.json().catch(() => undefined));
  if (body.success) return new Uint8Array(Buffer.from(body.data.statement, "base64"));
  throw new RegistryError({
    code: "REQUEST_INVALID",
    message: 'Cannot read the statement: the body is not a JSON object with "statement" in base64',
    errors: [{ field: "body.statement", message: "expected base64" }],
  });
}

/** What a statement points at is readable before the statement takes effect. */
async function storeStatement(services: Services, draft: StatementDraft, newKey?: KeyRecord): Promise<void> {
  await storeBytes(services.blobs, draft.record.bytes);
  const known = [
    ...(await services.metadata.keysOf(draft.record.accountId)),
    ...(newKey === undefined ? [] : [newKey]),
  ];
  // Whoever reads the statement finds the keys that it speaks of and is signed by under their key ids.
  const needed = known.filter(
    ({ fingerprint }) => fingerprint === draft.record.key || draft.signers.includes(fingerprint),
  );
  for (const { pem } of needed) await storeBytes(services.blobs, spkiOf(parsePublicKey(pem).publicKey));
}

async function newKeyOf(services: Services, { record, statement }: StatementDraft): Promise<KeyRecord | undefined> {
  if (statement.kind === "revocation") return undefined;
  const { fingerprint, pem } = await services.statements.readPublicKey(Buffer.from(statement.key).toString("base64"));
  return { fingerprint, pem, accountId: record.accountId, created: record.logged, origin: statement.kind };
}

async function takeStatement(services: Services, context: RouteContext, bytes: Uint8Array): Promise<Response> {
  const trust = requireLog(services);
  const { account } = principalOf(context);
  const draft = draftStatement(bytes, account, {
    now: services.clock.now(),
    waitDays: services.settings.recoveryWaitDays,
  });
  const { record } = draft;
  const newKey = await newKeyOf(services, draft);
  const check = (current: AccountKeys): void => checkEffect(draft, current, keyContext(services));
  await storeStatement(services, draft, newKey);
  const details = { key: record.key, statement: record.statement, account: record.account };
  const outcome = await services.metadata.addKeyStatement({
    statement: record,
    ...(newKey === undefined ? {} : { newKey }),
    audit: auditEntry(services, context, { action: ACTIONS[record.kind], at: record.logged, details }),
    check,
  });
  if (outcome.status === "taken") throw keyTaken(record.key);
  if (outcome.status === "logged") {
    services.index.saveSoon();
    trust.changedSoon();
  }
  return takenAnswer(services, context, trust, { record, outcome });
}

function keyTaken(key: string): RegistryError {
  return new RegistryError({
    code: "KEY_EXISTS",
    message: `Cannot take the statement: its new key "${key}" is registered already`,
    hint: "Make a new key; one key belongs to one account, and is not used twice",
  });
}

async function takenAnswer(
  services: Services,
  context: RouteContext,
  trust: TrustService,
  taken: {
    readonly record: StatementDraft["record"];
    readonly outcome: Exclude<KeyStatementOutcome, { status: "taken" }>;
  },
): Promise<Response> {
  const { record, outcome } = taken;
  // Of one that was there already, what was logged then counts.
  const known = await services.metadata.keyStatementsOf(record.accountId);
  const logged = known.find(({ leaf }) => leaf === outcome.leaf) ?? { ...record, leaf: outcome.leaf };
  const body = { ...viewStatement(logged), log: await trust.receipt(outcome.leaf) };
  return context.json(body, outcome.status === "logged" ? 201 : 200);
}

function statementRoutes(app: App, services: Services): void {
  app.openAPIRegistry.registerPath({
    method: "post",
    path: "/api/v1/keys/statements",
    tags: TAGS,
    summary: "Rotate, recover or revoke a signing key, by a signed statement; it counts from its place in the log",
    security: SECURED,
    request: {
      body: {
        required: true,
        content: {
          [STATEMENT_TYPE]: { schema: z.string().openapi({ format: "binary" }) },
          "application/json": { schema: statementBody },
        },
      },
    },
    responses: {
      200: jsonResponse(taken, "The same statement is logged already"),
      201: jsonResponse(taken, "Logged"),
      ...problems(400, 401, 403, 404, 409, 413, 415, 422, 503),
    },
  });
  app.post("/api/v1/keys/statements", callers(services, requireKeyRights), smallBody, async (context) => {
    const bytes = await statementBytes(context);
    return answerOnce(services, context, [bytes], () => takeStatement(services, context, bytes));
  });
  app.openapi(
    createRoute({
      method: "get",
      path: "/api/v1/accounts/{username}/keys",
      middleware: readers(services),
      tags: TAGS,
      summary: "A publisher's signing keys: which are in use, and the signed statements that made it so",
      request: { params: z.object({ username: z.string().max(64) }) },
      responses: { 200: jsonResponse(publisher, "Keys and statements"), ...problems(401, 404) },
    }),
    async (context): Promise<Response> => {
      const { username } = context.req.valid("param");
      const account = await services.metadata.accountByName(username);
      const keys = account === undefined ? [] : await services.metadata.keysOf(account.id);
      // An account without keys is nobody's business.
      if (account === undefined || keys.length === 0) {
        const name = username.slice(0, 64);
        throw new RegistryError({ code: "USER_NOT_FOUND", message: `Cannot find signing keys of "${name}"` });
      }
      const statements = await services.metadata.keyStatementsOf(account.id);
      return context.json({
        account: account.username,
        keys: publisherKeys({ keys, statements }, keyContext(services)).map(viewPublisherKey),
        statements: statements.map(viewStatement),
        ...(services.trust === undefined ? {} : { log: logView(services.trust) }),
      });
    },
  );
}

function policyAnswer(context: RouteContext, summary: PackageSummary): Response {
  context.header("etag", policyEtag(summary));
  return context.json({ name: summary.name, ...policyView(summary.policy ?? {}) });
}

async function changePolicy(services: Services, context: RouteContext, policy?: PackagePolicy): Promise<Response> {
  const principal = principalOf(context);
  const { name = "" } = context.req.param() as { name?: string };
  const summary = await requirePackage(services, name);
  await requireOwner(services, principal, summary, "owner");
  const details = { policy: policy ?? null };
  const changed = await services.metadata.setPolicy({
    canonical: summary.canonical,
    ...(policy === undefined ? {} : { policy }),
    digest: policyDigest(policy ?? {}),
    audit: auditEntry(services, context, { action: "policy.set", package: summary.name, details }),
    check: (current) => requireMatch(context, policyEtag(current)),
  });
  await services.index.refresh(summary.canonical);
  services.index.saveSoon();
  services.trust?.changedSoon();
  return policyAnswer(context, changed ?? summary);
}

function policyRoutes(app: App, services: Services): void {
  const params = z.object({ name: nameParam });
  const path = "/api/v1/packages/{name}/policy";
  const responses = {
    200: jsonResponse(policyShape.extend({ name: z.string() }), "What the package's owners demand of publications"),
    ...problems(400, 401, 403, 404, 412, 413),
  };
  app.openapi(
    createRoute({
      method: "get",
      path,
      middleware: readers(services),
      tags: ["packages"],
      summary: "Who must sign the versions of a package",
      request: { params },
      responses,
    }),
    async (context): Promise<Response> =>
      policyAnswer(context, await requirePackage(services, context.req.valid("param").name)),
  );
  app.openapi(
    createRoute({
      method: "put",
      path,
      middleware: [writers(services, "owner"), smallBody],
      tags: ["packages"],
      summary: "Demand signers of the package's next versions: how many, which keys, which accounts",
      security: SECURED,
      request: { params, body: { required: true, content: { "application/json": { schema: policyShape } } } },
      responses,
    }),
    async (context): Promise<Response> => {
      const { threshold, public_keys, trusted_publishers } = policyShape.parse(context.req.valid("json"));
      return changePolicy(
        services,
        context,
        normalisePolicy({ threshold, publicKeys: public_keys, trustedPublishers: trusted_publishers }),
      );
    },
  );
  app.openapi(
    createRoute({
      method: "delete",
      path,
      middleware: writers(services, "owner"),
      tags: ["packages"],
      summary: "Demand nothing beside what the registry demands",
      security: SECURED,
      request: { params },
      responses,
    }),
    async (context): Promise<Response> => changePolicy(services, context),
  );
}

/** Registers the routes of statements about keys and of packages' policies. */
export function registerPublisherRoutes(app: App, services: Services): void {
  statementRoutes(app, services);
  policyRoutes(app, services);
}
