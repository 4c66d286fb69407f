import { createRoute, z } from "@hono/zod-openapi";
import { timestamp } from "../index-model.ts";
import type { Passkey } from "../identity/passkey.ts";
import { RegistryError } from "../registry-error.ts";
import { limitLogins, sessionAnswer, sessionSchema } from "./account-routes.ts";
import { callers, principalOf, smallBody } from "./access.ts";
import { auditEntry, type App, type RouteContext, type Services } from "./context.ts";
import { requireLogin } from "./guards.ts";
import { credentialAnswerSchema, newCredentialSchema, passkeySite } from "./passkey-schemas.ts";
import { requireAgain, requireKnownPasskey, storedAccount } from "./require-again.ts";
import { register, type Route } from "./route-table.ts";
import { jsonResponse, problems } from "./schemas.ts";

const TAGS = ["passkeys"];

const passkeyBody = z
  .object({ name: z.string().trim().min(1).max(100), credential: newCredentialSchema })
  .openapi("AddPasskey");
const optionsBody = z
  .object({
    password: z.string().max(256).optional().openapi({ description: "Needed where the account has one here" }),
    otp: z.string().trim().max(32).optional().openapi({ description: "Needed where the account has a second factor" }),
    passkey: credentialAnswerSchema
      .optional()
      .openapi({ description: "Answer of a passkey that the account has, in the place of a code" }),
  })
  .openapi("PasskeyOptions");
const loginBody = z.object({ credential: credentialAnswerSchema }).openapi("PasskeyLogin");
const passkeyView = z
  .object({ id: z.string(), name: z.string(), created: z.string(), last_used: z.string().optional() })
  .openapi("Passkey");
const options = z
  .record(z.string(), z.unknown())
  .openapi({ description: "Options of WebAuthn in JSON, for a browser's navigator.credentials" });

function viewPasskey({ id, name, created, lastUsed }: Passkey): z.infer<typeof passkeyView> {
  const used = lastUsed === undefined ? {} : { last_used: timestamp(lastUsed) };
  return { id, name, created: timestamp(created), ...used };
}

// The only way to a challenge of a registration, so that a session alone adds no passkey.
async function offerPasskey(services: Services, context: RouteContext, body: unknown): Promise<Response> {
  const given = { ...optionsBody.parse(body), account: await storedAccount(services, context) };
  const site = passkeySite(services);
  await requireAgain(services, context, given);
  await requireKnownPasskey(services, given);
  return context.json(await services.passkeys.registrationOptions(given.account, site));
}

async function addPasskey(services: Services, context: RouteContext, body: unknown): Promise<Response> {
  const { account } = principalOf(context);
  const { name, credential } = passkeyBody.parse(body);
  await limitLogins(services, context, account.username);
  const audit = auditEntry(services, context, { action: "passkey.add" });
  const passkey = await services.passkeys.register(
    account,
    { name, credential },
    { site: passkeySite(services), audit },
  );
  return context.json(viewPasskey(passkey), 201);
}

async function removePasskey(services: Services, context: RouteContext): Promise<Response> {
  const { account } = principalOf(context);
  const id = context.req.param("id" as never);
  const audit = auditEntry(services, context, { action: "passkey.remove", details: { id } });
  if (await services.metadata.identities.removePasskey(account.id, id, audit)) return context.body(null, 204);
  throw new RegistryError({
    code: "NOT_FOUND",
    message: `Cannot find passkey "${id.slice(0, 100)}" among those of "${account.username}"`,
  });
}

function ownRoutes(services: Services): readonly Route[] {
  const guard = callers(services, requireLogin);
  return [
    {
      method: "get",
      path: "/account/passkeys",
      guard: callers(services),
      summary: "The account's passkeys",
      answer: z.object({ items: z.array(passkeyView) }),
      failures: [],
      handle: async (context) => {
        const passkeys = await services.passkeys.of(principalOf(context).account);
        return context.json({ items: passkeys.map(viewPasskey) });
      },
    },
    {
      method: "post",
      path: "/account/passkeys/options",
      guard,
      summary:
        "What a client needs to make a passkey, for whoever shows once more what opens the account; good for five minutes, once",
      body: optionsBody,
      answer: options,
      failures: [403],
      handle: async (context, body) => offerPasskey(services, context, body),
    },
    {
      method: "post",
      path: "/account/passkeys",
      guard,
      summary: "Add a passkey that an authenticator made",
      body: passkeyBody,
      status: 201,
      answer: passkeyView,
      failures: [403, 409],
      handle: async (context, body) => addPasskey(services, context, body),
    },
    {
      method: "delete",
      path: "/account/passkeys/{id}",
      guard,
      summary: "Remove a passkey; it opens nothing any more",
      params: { id: z.string().max(1400) },
      status: 204,
      failures: [403, 404],
      handle: async (context) => removePasskey(services, context),
    },
  ];
}

function loginRoutes(app: App, services: Services): void {
  app.openapi(
    createRoute({
      method: "post",
      path: "/api/v1/auth/passkey/options",
      middleware: smallBody,
      tags: TAGS,
      summary: "What a client needs to log in with a passkey; good for five minutes, once",
      responses: { 200: jsonResponse(options, "The options"), ...problems(401, 413) },
    }),
    async (context): Promise<Response> => {
      await limitLogins(services, context);
      return context.json(await services.passkeys.loginOptions(passkeySite(services)));
    },
  );
  app.openapi(
    createRoute({
      method: "post",
      path: "/api/v1/auth/passkey",
      middleware: smallBody,
      tags: TAGS,
      summary:
        "Exchange a passkey's answer for a session token; it is both factors, of accounts that log in here alone",
      request: { body: { required: true, content: { "application/json": { schema: loginBody } } } },
      responses: { 200: jsonResponse(sessionSchema, "The session"), ...problems(400, 401, 413) },
    }),
    async (context): Promise<Response> => {
      await limitLogins(services, context);
      const { credential } = loginBody.parse(context.req.valid("json"));
      const site = passkeySite(services);
      return sessionAnswer(services, context, await services.passkeys.authenticate(credential, { site }));
    },
  );
}

/** Registers the routes of passkeys. */
export function registerPasskeyRoutes(app: App, services: Services): void {
  for (const route of ownRoutes(services)) register(app, TAGS, route);
  loginRoutes(app, services);
}
