import { createRoute, z } from "@hono/zod-openapi";
import { timestamp } from "../index-model.ts";
import { nonceOf, type OidcLogin } from "../identity/oidc-login.ts";
import type { TrustedPublisher } from "../identity/trusted-publisher.ts";
import { anchorOf, checkClaims } from "../identity/trusted-publisher.ts";
import { RegistryError } from "../registry-error.ts";
import { randomId } from "../token.ts";
import { limitLogins, sessionAnswer, sessionSchema } from "./account-routes.ts";
import { callers, principalOf, smallBody, writers } from "./access.ts";
import { auditEntry, type App, type RouteContext, type Services } from "./context.ts";
import { requireLogin, requireOwner, requirePackage } from "./guards.ts";
import { SECURED, jsonResponse, nameParam, problems } from "./schemas.ts";

const TAGS = ["identity"];

const code = z.string().trim().min(1).max(32);
const factorView = z.object({ enabled: z.boolean(), recovery_codes: z.number().int() }).openapi("SecondFactor");
const enrolmentView = z
  .object({
    secret: z.string().openapi({ description: "Base 32; shown this once" }),
    uri: z.string().openapi({ description: "otpauth:// URI for a QR code" }),
  })
  .openapi("SecondFactorEnrolment");
const codeBody = z.object({ code }).openapi("SecondFactorCode");
const recoveryView = z
  .object({ recovery_codes: z.array(z.string()).openapi({ description: "Shown this once; each opens once" }) })
  .openapi("RecoveryCodes");
const publisherBody = z
  .object({
    issuer: z.url().max(500).openapi({ example: "https://token.actions.githubusercontent.com" }),
    claims: z
      .record(z.string().max(64), z.string().max(512))
      .openapi({ example: { repository_id: "123", repository_owner_id: "45", workflow: "release.yml" } }),
  })
  .openapi("AddTrustedPublisher");
const publisherView = z
  .object({
    id: z.string(),
    issuer: z.string(),
    claims: z.record(z.string(), z.string()),
    account: z.string(),
    created: z.string(),
  })
  .openapi("TrustedPublisher");
const identityBody = z
  .object({ token: z.string().min(1).max(20_000).openapi({ description: "Identity token of the build system" }) })
  .openapi("IdentityToken");
const buildToken = z
  .object({ token: z.string(), token_type: z.string(), expires: z.string(), packages: z.array(z.string()) })
  .openapi("BuildToken");
const providerView = z
  .object({
    issuer: z.string(),
    client_id: z.string(),
    scopes: z.array(z.string()),
    device_flow: z.boolean().openapi({ description: "Whether tokens without a nonce are accepted" }),
  })
  .openapi("OidcProvider");
const oidcBody = z
  .object({
    id_token: z.string().min(1).max(20_000),
    nonce_secret: z
      .string()
      .min(16)
      .max(256)
      .optional()
      .openapi({ description: "What the nonce was made of: base64url(SHA-256(URL of the registry, line feed, this))" }),
  })
  .openapi("OidcLogin");

const json = (schema: z.ZodType) => ({ required: true, content: { "application/json": { schema } } });

function factorRoutes(app: App, services: Services): void {
  const path = "/api/v1/account/second-factor";
  app.openapi(
    createRoute({
      method: "get",
      path,
      middleware: callers(services),
      tags: TAGS,
      summary: "Whether the account has a second factor",
      security: SECURED,
      responses: { 200: jsonResponse(factorView, "The second factor"), ...problems(401) },
    }),
    async (context): Promise<Response> => {
      const { enabled, recoveryCodes } = await services.secondFactors.status(principalOf(context).account);
      return context.json({ enabled, recovery_codes: recoveryCodes });
    },
  );
  app.openapi(
    createRoute({
      method: "post",
      path,
      middleware: callers(services, requireLogin),
      tags: TAGS,
      summary: "Start to add a second factor; it protects nothing before it is confirmed",
      security: SECURED,
      responses: { 201: jsonResponse(enrolmentView, "What the authenticator needs"), ...problems(401, 403, 409) },
    }),
    async (context): Promise<Response> => {
      const audit = auditEntry(services, context, { action: "second-factor.enrol" });
      return context.json(await services.secondFactors.enrol(principalOf(context).account, audit), 201);
    },
  );
  app.openapi(
    createRoute({
      method: "post",
      path: `${path}/confirm`,
      middleware: [callers(services, requireLogin), smallBody],
      tags: TAGS,
      summary: "Confirm the second factor with a code of it",
      security: SECURED,
      request: { body: json(codeBody) },
      responses: { 200: jsonResponse(recoveryView, "The recovery codes"), ...problems(400, 401, 403) },
    }),
    async (context): Promise<Response> => {
      const { account } = principalOf(context);
      await limitLogins(services, context, account.username);
      const audit = auditEntry(services, context, { action: "second-factor.confirm" });
      const { code: given } = codeBody.parse(context.req.valid("json"));
      return context.json({ recovery_codes: [...(await services.secondFactors.confirm(account, given, audit))] });
    },
  );
  app.openapi(
    createRoute({
      method: "post",
      path: `${path}/remove`,
      middleware: [callers(services, requireLogin), smallBody],
      tags: TAGS,
      summary: "Remove the second factor with a code of it",
      security: SECURED,
      request: { body: json(codeBody) },
      responses: { 204: { description: "Removed" }, ...problems(400, 401, 403, 404) },
    }),
    async (context): Promise<Response> => {
      const { account } = principalOf(context);
      await limitLogins(services, context, account.username);
      const audit = auditEntry(services, context, { action: "second-factor.remove" });
      const { code: given } = codeBody.parse(context.req.valid("json"));
      if (await services.secondFactors.remove(account, given, audit)) return context.body(null, 204);
      throw new RegistryError({
        code: "NOT_FOUND",
        message: `Cannot remove the second factor of "${account.username}": it has none`,
      });
    },
  );
}

function viewPublisher(publisher: TrustedPublisher): z.infer<typeof publisherView> {
  const { id, issuer, claims, account, created } = publisher;
  return { id, issuer, claims: { ...claims }, account, created: timestamp(created) };
}

async function addPublisher(services: Services, context: RouteContext): Promise<Response> {
  const principal = principalOf(context);
  const summary = await requirePackage(services, context.req.param("name")!);
  await requireOwner(services, principal, summary, "owner");
  const body = publisherBody.parse(await context.req.json());
  const issuer = services.builds.issuer(body.issuer);
  checkClaims(issuer, body.claims);
  const publisher: TrustedPublisher = {
    id: randomId(),
    package: summary.canonical,
    issuer: issuer.url,
    claims: body.claims,
    accountId: principal.account.id,
    account: principal.account.username,
    created: services.clock.now(),
  };
  const audit = auditEntry(services, context, {
    action: "trusted-publisher.add",
    package: summary.name,
    details: { id: publisher.id, issuer: publisher.issuer, claims: publisher.claims },
  });
  const anchor = anchorOf(issuer.kind, publisher.claims)!;
  if ((await services.metadata.identities.addTrustedPublisher(publisher, anchor, audit)) === "created")
    return context.json(viewPublisher(publisher), 201);
  throw new RegistryError({
    code: "TRUSTED_PUBLISHER_EXISTS",
    message: `Cannot add the publisher to "${summary.name}": it trusts one of the same issuer and claims`,
  });
}

function publisherRoutes(app: App, services: Services): void {
  const path = "/api/v1/packages/{name}/trusted-publishers";
  const params = z.object({ name: nameParam });
  app.openapi(
    createRoute({
      method: "get",
      path,
      middleware: writers(services, "owner"),
      tags: TAGS,
      summary: "Projects whose builds may publish the package",
      security: SECURED,
      request: { params },
      responses: {
        200: jsonResponse(z.object({ items: z.array(publisherView) }), "The publishers"),
        ...problems(401, 403, 404),
      },
    }),
    async (context): Promise<Response> => {
      const summary = await requirePackage(services, context.req.valid("param").name);
      await requireOwner(services, principalOf(context), summary, "owner");
      const publishers = await services.metadata.identities.trustedPublishersOf(summary.canonical);
      return context.json({ items: publishers.map(viewPublisher) });
    },
  );
  app.openapi(
    createRoute({
      method: "post",
      path,
      middleware: [writers(services, "owner"), smallBody],
      tags: TAGS,
      summary: "Let builds of a project publish the package",
      security: SECURED,
      request: { params, body: json(publisherBody) },
      responses: { 201: jsonResponse(publisherView, "The publisher"), ...problems(400, 401, 403, 404, 409, 413) },
    }),
    async (context): Promise<Response> => addPublisher(services, context),
  );
  app.openapi(
    createRoute({
      method: "delete",
      path: `${path}/{id}`,
      middleware: writers(services, "owner"),
      tags: TAGS,
      summary: "No longer let builds of a project publish the package",
      security: SECURED,
      request: { params: params.extend({ id: z.string().max(64) }) },
      responses: { 204: { description: "Removed" }, ...problems(401, 403, 404) },
    }),
    async (context): Promise<Response> => {
      const { name, id } = context.req.valid("param");
      const summary = await requirePackage(services, name);
      await requireOwner(services, principalOf(context), summary, "owner");
      const audit = auditEntry(services, context, {
        action: "trusted-publisher.remove",
        package: summary.name,
        details: { id },
      });
      if (await services.metadata.identities.removeTrustedPublisher(summary.canonical, id, audit))
        return context.body(null, 204);
      throw new RegistryError({
        code: "NOT_FOUND",
        message: `Cannot find publisher "${id}" among those that "${summary.name}" trusts`,
      });
    },
  );
}

/**
 * Address of this registry as its operator told it. Never that of the request: whoever was given a token for another registry
 * could send that registry's name.
 * @throws {RegistryError} `IDENTITY_TOKEN_REFUSED`
 */
export function ownUrl(services: Services): string {
  if (services.settings.publicUrl !== undefined) return services.settings.publicUrl;
  throw new RegistryError({
    code: "IDENTITY_TOKEN_REFUSED",
    message: "Cannot accept identity tokens: this registry was not told its own address, which they have to name",
    hint: "The operator sets REGISTRY_URL",
  });
}

function exchangeRoutes(app: App, services: Services): void {
  app.openapi(
    createRoute({
      method: "post",
      path: "/api/v1/auth/ci",
      middleware: smallBody,
      tags: TAGS,
      summary: "Exchange a build's identity token for a token that publishes for fifteen minutes",
      request: { body: json(identityBody) },
      responses: { 201: jsonResponse(buildToken, "The token"), ...problems(400, 401, 413, 503) },
    }),
    async (context): Promise<Response> => {
      await limitLogins(services, context);
      const { token: identity } = identityBody.parse(context.req.valid("json"));
      const audit = auditEntry(services, context, { action: "token.exchange" });
      const audience = services.settings.ciAudience ?? ownUrl(services);
      const { token, expires, packages } = await services.builds.exchange(identity, { audience, audit });
      return context.json({ token, token_type: "Bearer", expires: timestamp(expires), packages: [...packages] }, 201);
    },
  );
}

function providerOf({ oidc }: Services): OidcLogin {
  if (oidc !== undefined) return oidc;
  throw new RegistryError({
    code: "NOT_FOUND",
    message: "Cannot log in through a provider: this registry has none",
    hint: "Log in with user name and password, or a token",
  });
}

function oidcRoutes(app: App, services: Services): void {
  app.openapi(
    createRoute({
      method: "get",
      path: "/api/v1/auth/oidc",
      tags: TAGS,
      summary: "The provider that people log in through",
      responses: { 200: jsonResponse(providerView, "The provider"), ...problems(404) },
    }),
    (context): Response => {
      const { issuer, clientId, scopes, deviceFlow } = providerOf(services).options;
      return context.json({ issuer, client_id: clientId, scopes: ["openid", ...scopes], device_flow: deviceFlow });
    },
  );
  app.openapi(
    createRoute({
      method: "post",
      path: "/api/v1/auth/oidc",
      middleware: smallBody,
      tags: TAGS,
      summary: "Exchange the provider's identity token for a session token",
      request: { body: json(oidcBody) },
      responses: { 200: jsonResponse(sessionSchema, "The session"), ...problems(400, 401, 404, 409, 413, 503) },
    }),
    async (context): Promise<Response> => {
      const oidc = providerOf(services);
      await limitLogins(services, context);
      const { id_token: idToken, nonce_secret: secret } = oidcBody.parse(context.req.valid("json"));
      const nonce = secret === undefined ? undefined : await nonceOf(ownUrl(services), secret);
      return sessionAnswer(services, context, await oidc.authenticate(idToken, nonce));
    },
  );
}

/** Registers the routes of second factors, trusted publishers, and logins through others. */
export function registerIdentityRoutes(app: App, services: Services): void {
  factorRoutes(app, services);
  publisherRoutes(app, services);
  exchangeRoutes(app, services);
  oidcRoutes(app, services);
}
