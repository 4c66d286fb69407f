import { z } from "@hono/zod-openapi";
import type { MiddlewareHandler } from "hono";
import type { Delivery } from "../deliveries/delivery-store.ts";
import { timestamp } from "../index-model.ts";
import { ORGANISATION_NAME_MAX_LENGTH } from "../organisations/organisation.ts";
import { RegistryError } from "../registry-error.ts";
import { randomId } from "../token.ts";
import { WEBHOOK_CHANNEL } from "../webhooks/webhook-channel.ts";
import { EVENT_TYPES, TEST_EVENT, eventMatches, webhookPayload } from "../webhooks/webhook-events.ts";
import { generateWebhookSecret } from "../webhooks/webhook-signature.ts";
import {
  WEBHOOKS_MAX,
  subjectKey,
  type NewWebhook,
  type Webhook,
  type WebhookChange,
  type WebhookSubject,
} from "../webhooks/webhook-store.ts";
import { administrators, organisers, principalOf, writers } from "./access.ts";
import { auditEntry, type App, type Env, type RouteContext, type Services } from "./context.ts";
import { requireOrganisation, requireOwner, requirePackage, requireRole } from "./guards.ts";
import { pageBody } from "./paging.ts";
import { register, type Route } from "./route-table.ts";
import { nameParam, pageShape } from "./schemas.ts";

const TAGS = ["webhooks"];
const URL_MAX = 2000;
const EVENTS_MAX = 50;
/** How long the former secret signs as well. */
export const FORMER_SECRET_MS: number = 24 * 60 * 60 * 1000;

const events = z.array(z.string().min(1).max(60)).min(1).max(EVENTS_MAX);
const url = z.string().min(1).max(URL_MAX);
const addBody = z.object({ url, events: events.default(["*"]) }).openapi("AddWebhook");
const changeBody = z
  .object({ url: url.optional(), events: events.optional(), enabled: z.boolean().optional() })
  .openapi("ChangeWebhook");

const webhookView = z
  .object({
    id: z.string(),
    url: z.string(),
    events: z.array(z.string()),
    creator: z.string(),
    created: z.string(),
    enabled: z.boolean(),
    disabled: z.object({ reason: z.string(), at: z.string() }).optional(),
    failing_since: z.string().optional(),
    secret: z.string().optional().openapi({ description: "Signs what is sent; shown this once" }),
  })
  .openapi("Webhook");
const attemptView = z.object({
  at: z.string(),
  duration_ms: z.number(),
  status: z.number().optional(),
  error: z.string().optional(),
  answer: z.string().optional(),
});
const deliveryView = z
  .object({
    id: z.string(),
    event: z.string(),
    state: z.enum(["waiting", "delivered", "failed"]),
    created: z.string(),
    due: z.string().optional(),
    tries: z.number(),
    attempts: z.array(attemptView),
    payload: z.unknown(),
  })
  .openapi("Delivery");

function viewWebhook(webhook: Webhook, secret?: string): z.infer<typeof webhookView> {
  const { id, url: address, events: types, creator, created, disabled, failingSince } = webhook;
  return {
    id,
    url: address,
    events: [...types],
    creator,
    created: timestamp(created),
    enabled: disabled === undefined,
    ...(disabled === undefined ? {} : { disabled: { reason: disabled.reason, at: timestamp(disabled.at) } }),
    ...(failingSince === undefined ? {} : { failing_since: timestamp(failingSince) }),
    ...(secret === undefined ? {} : { secret }),
  };
}

function viewDelivery(delivery: Delivery): z.infer<typeof deliveryView> {
  const { id, event, state, created, due, tries, attempts, payload } = delivery;
  return {
    id,
    event,
    state,
    created: timestamp(created),
    ...(due === undefined ? {} : { due: timestamp(due) }),
    tries,
    attempts: attempts.map(({ at, durationMs, ...rest }) => ({ at: timestamp(at), duration_ms: durationMs, ...rest })),
    payload: JSON.parse(payload) as unknown,
  };
}

/** Whose webhooks a group of routes is about, and who may have them. */
interface WebhookScope {
  readonly base: string;
  readonly of: string;
  readonly params: Record<string, z.ZodType<string>>;
  readonly guard: MiddlewareHandler<Env>;
  /** The subject of a request whose caller has the right to its webhooks. */
  readonly subject: (context: RouteContext) => Promise<WebhookSubject>;
  /** What audit records say beside the webhook. */
  readonly about: (context: RouteContext) => {
    readonly package?: string;
    readonly details?: Readonly<Record<string, string>>;
  };
}

function param(context: RouteContext, name: string): string {
  return context.req.param(name as never);
}

function scopes(services: Services): readonly WebhookScope[] {
  return [
    {
      base: "/packages/{name}/webhooks",
      of: "a package",
      params: { name: nameParam },
      guard: writers(services, "owner"),
      subject: async (context) => {
        const summary = await requirePackage(services, param(context, "name"));
        await requireOwner(services, principalOf(context), summary, "owner");
        return { kind: "package", name: summary.canonical };
      },
      about: (context) => ({ package: param(context, "name") }),
    },
    {
      base: "/organisations/{organisation}/webhooks",
      of: "an organisation",
      params: { organisation: z.string().max(ORGANISATION_NAME_MAX_LENGTH) },
      guard: organisers(services),
      subject: async (context) => {
        const organisation = await requireOrganisation(services, param(context, "organisation"));
        await requireRole(services, principalOf(context), organisation, "owner");
        return { kind: "organisation", id: organisation.id };
      },
      about: (context) => ({ details: { organisation: param(context, "organisation") } }),
    },
    {
      base: "/webhooks",
      of: "the registry",
      params: {},
      guard: administrators(services),
      subject: async () => ({ kind: "registry" }),
      about: () => ({}),
    },
  ];
}

function invalid(field: string, message: string): RegistryError {
  return new RegistryError({
    code: "REQUEST_INVALID",
    message: `Cannot use the webhook: ${message}`,
    errors: [{ field: `body.${field}`, message }],
  });
}

/** @throws {RegistryError} `REQUEST_INVALID`, `OUTBOUND_REFUSED` */
async function requireUrl(services: Services, text: string): Promise<string> {
  const parsed = URL.parse(text);
  const isWeb = parsed !== null && (parsed.protocol === "https:" || parsed.protocol === "http:");
  if (!isWeb) throw invalid("url", `"${text.slice(0, 100)}" is no URL of the web`);
  if (parsed.username !== "" || parsed.password !== "" || parsed.hash !== "")
    throw invalid("url", "its address has a user, a password or a fragment; the signature shows who sends");
  if (services.outbound === undefined)
    throw new RegistryError({
      code: "OUTBOUND_REFUSED",
      message: "Cannot use a webhook: this server asks no addresses that others name",
    });
  await services.outbound.check(parsed.href);
  return parsed.href;
}

/** @throws {RegistryError} `REQUEST_INVALID` */
function requireEvents(patterns: readonly string[]): readonly string[] {
  const known = (pattern: string): boolean => EVENT_TYPES.some((type) => eventMatches(pattern, type));
  const unknown = patterns.find((pattern) => !known(pattern));
  if (unknown === undefined) return [...new Set(patterns)];
  throw invalid("events", `there is no event "${unknown.slice(0, 60)}": there are *, ${EVENT_TYPES.join(", ")}`);
}

async function webhookOf(services: Services, context: RouteContext, subject: WebhookSubject): Promise<Webhook> {
  const id = param(context, "id");
  const found = await services.metadata.webhooks.webhook(id);
  if (found !== undefined && subjectKey(found.subject) === subjectKey(subject)) return found;
  throw webhookNotFound(id);
}

function webhookNotFound(id: string): RegistryError {
  return new RegistryError({ code: "WEBHOOK_NOT_FOUND", message: `Cannot find webhook "${id.slice(0, 64)}"` });
}

function audit(
  services: Services,
  context: RouteContext,
  scope: WebhookScope,
  entry: { action: string; details: object },
) {
  const { package: name, details } = scope.about(context);
  return auditEntry(services, context, {
    action: entry.action,
    ...(name === undefined ? {} : { package: name }),
    details: { ...details, ...entry.details },
  });
}

async function add(
  services: Services,
  context: RouteContext,
  { scope, body }: { readonly scope: WebhookScope; readonly body: z.infer<typeof addBody> },
): Promise<Response> {
  const subject = await scope.subject(context);
  const [address, types] = [await requireUrl(services, body.url), requireEvents(body.events)];
  const id = randomId();
  const secret = generateWebhookSecret();
  const { account } = principalOf(context);
  const created = services.clock.now();
  const secrets = { current: await services.webhookBox.seal(secret, id) };
  const webhook: NewWebhook = { id, subject, url: address, events: types, secrets, account, created, since: created };
  const entry = audit(services, context, scope, {
    action: "webhook.create",
    details: { id, url: address, events: types },
  });
  if ((await services.metadata.webhooks.create(webhook, entry)) === "full")
    throw new RegistryError({
      code: "WEBHOOK_LIMIT",
      message: `Cannot add a webhook: ${WEBHOOKS_MAX} are there, which is the most`,
      hint: "Remove one, or let one address hear of more events",
      limit: WEBHOOKS_MAX,
    });
  return context.json(viewWebhook((await services.metadata.webhooks.webhook(id))!, secret), 201);
}

async function change(
  services: Services,
  context: RouteContext,
  { scope, body }: { readonly scope: WebhookScope; readonly body: z.infer<typeof changeBody> },
): Promise<Response> {
  const webhook = await webhookOf(services, context, await scope.subject(context));
  const at = services.clock.now();
  const state: WebhookChange =
    body.enabled === undefined || body.enabled === (webhook.disabled === undefined)
      ? {}
      : body.enabled
        ? { disabled: null, since: at }
        : { disabled: { reason: `"${principalOf(context).account.username}" disabled it`, at } };
  const wanted: WebhookChange = {
    ...(body.url === undefined ? {} : { url: await requireUrl(services, body.url) }),
    ...(body.events === undefined ? {} : { events: requireEvents(body.events) }),
    ...state,
  };
  const entry = audit(services, context, scope, { action: "webhook.update", details: { id: webhook.id, ...body } });
  const changed = await services.metadata.webhooks.change(webhook.id, wanted, entry);
  if (changed === undefined) throw webhookNotFound(webhook.id);
  return context.json(viewWebhook(changed));
}

async function remove(services: Services, context: RouteContext, scope: WebhookScope): Promise<Response> {
  const { id } = await webhookOf(services, context, await scope.subject(context));
  const entry = audit(services, context, scope, { action: "webhook.remove", details: { id } });
  if (!(await services.metadata.webhooks.remove(id, entry))) throw webhookNotFound(id);
  return context.body(null, 204);
}

async function rotate(services: Services, context: RouteContext, scope: WebhookScope): Promise<Response> {
  const webhook = await webhookOf(services, context, await scope.subject(context));
  const secret = generateWebhookSecret();
  const secrets = {
    current: await services.webhookBox.seal(secret, webhook.id),
    former: { secret: webhook.secrets.current, until: services.clock.now() + FORMER_SECRET_MS },
  };
  const entry = audit(services, context, scope, { action: "webhook.rotate", details: { id: webhook.id } });
  const changed = await services.metadata.webhooks.change(webhook.id, { secrets }, entry);
  if (changed === undefined) throw webhookNotFound(webhook.id);
  return context.json(viewWebhook(changed, secret));
}

async function test(services: Services, context: RouteContext, scope: WebhookScope): Promise<Response> {
  const { id, url: address } = await webhookOf(services, context, await scope.subject(context));
  const at = services.clock.now();
  const data = { webhook: id, url: address, actor: principalOf(context).account.username };
  const sent = await services.deliveries.sendNew({
    id: `msg_${id}_${randomId()}`,
    channel: WEBHOOK_CHANNEL,
    target: id,
    event: TEST_EVENT,
    payload: webhookPayload({ type: TEST_EVENT, at, data }),
    created: at,
  });
  if (sent === undefined) throw webhookNotFound(id);
  return context.json(viewDelivery(sent));
}

async function list(services: Services, context: RouteContext, scope: WebhookScope): Promise<Response> {
  const { id } = await webhookOf(services, context, await scope.subject(context));
  const { page, per_page: perPage, state } = z.object(deliveryQuery).parse(context.req.query());
  const request = { page, perPage };
  const found = await services.metadata.deliveries.deliveries({
    channel: WEBHOOK_CHANNEL,
    target: id,
    ...request,
    ...(state === undefined ? {} : { state }),
  });
  return context.json(pageBody(services, context, request, { ...found, items: found.items.map(viewDelivery) }));
}

async function redeliver(services: Services, context: RouteContext, scope: WebhookScope): Promise<Response> {
  const webhook = await webhookOf(services, context, await scope.subject(context));
  const id = param(context, "delivery");
  const known = await services.metadata.deliveries.delivery(id);
  const own = known?.channel === WEBHOOK_CHANNEL && known.target === webhook.id;
  const sent = own ? await services.deliveries.sendNow(id) : undefined;
  if (sent !== undefined) return context.json(viewDelivery(sent));
  throw new RegistryError({
    code: "DELIVERY_NOT_FOUND",
    message: `Cannot find delivery "${id.slice(0, 100)}" of webhook "${webhook.id}"`,
    hint: "Deliveries are kept for 30 days",
  });
}

const deliveryQuery = { ...pageShape, state: z.enum(["waiting", "delivered", "failed"]).optional() };

function routesOf(services: Services, scope: WebhookScope): readonly Route[] {
  const { base, of, params, guard } = scope;
  const one = { ...params, id: z.string().max(64) };
  const common = { guard, failures: [403, 404] };
  return [
    {
      ...common,
      method: "get",
      path: base,
      summary: `Webhooks of ${of}; for those who may change them`,
      params,
      answer: z.object({ items: z.array(webhookView) }),
      handle: async (context) => {
        const webhooks = await services.metadata.webhooks.webhooksOf(await scope.subject(context));
        return context.json({ items: webhooks.map((webhook) => viewWebhook(webhook)) });
      },
    },
    {
      ...common,
      method: "post",
      path: base,
      summary: `Tell an address of the events of ${of}; the answer has the secret that signs, this once`,
      params,
      body: addBody,
      status: 201,
      answer: webhookView,
      failures: [403, 404, 409, 422],
      handle: async (context, body) => add(services, context, { scope, body: addBody.parse(body) }),
    },
    {
      ...common,
      method: "put",
      path: `${base}/{id}`,
      summary: `Change a webhook of ${of}: address, events, whether anything is sent`,
      params: one,
      body: changeBody,
      answer: webhookView,
      failures: [403, 404, 422],
      handle: async (context, body) => change(services, context, { scope, body: changeBody.parse(body) }),
    },
    {
      ...common,
      method: "delete",
      path: `${base}/{id}`,
      summary: `Remove a webhook of ${of}, with its deliveries`,
      params: one,
      status: 204,
      handle: async (context) => remove(services, context, scope),
    },
    {
      ...common,
      method: "post",
      path: `${base}/{id}/secret`,
      summary: `Give a webhook of ${of} a new secret; the former one signs as well for a day`,
      params: one,
      answer: webhookView,
      handle: async (context) => rotate(services, context, scope),
    },
    {
      ...common,
      method: "post",
      path: `${base}/{id}/test`,
      summary: `Send a webhook of ${of} an event that says nothing, now`,
      params: one,
      answer: deliveryView,
      handle: async (context) => test(services, context, scope),
    },
    {
      ...common,
      method: "get",
      path: `${base}/{id}/deliveries`,
      summary: `What was and is to be sent to a webhook of ${of}, newest first`,
      params: one,
      query: deliveryQuery,
      answer: z.object({ items: z.array(deliveryView) }).loose(),
      failures: [400, 403, 404],
      handle: async (context) => list(services, context, scope),
    },
    {
      ...common,
      method: "post",
      path: `${base}/{id}/deliveries/{delivery}/redeliver`,
      summary: `Send a delivery to a webhook of ${of} again, now`,
      params: { ...one, delivery: z.string().max(128) },
      answer: deliveryView,
      handle: async (context) => redeliver(services, context, scope),
    },
  ];
}

/** Registers the routes of webhooks: those of packages, of organisations and of the registry. */
export function registerWebhookRoutes(app: App, services: Services): void {
  for (const scope of scopes(services)) for (const route of routesOf(services, scope)) register(app, TAGS, route);
}
