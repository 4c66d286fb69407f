import { z } from "@hono/zod-openapi";
import { administers, type Principal } from "../authentication.ts";
import { QUOTA_MEASURES, type QuotaLimits, type UsageScope } from "../quotas/quota.ts";
import type { QuotaReport } from "../quotas/quota-service.ts";
import { RegistryError } from "../registry-error.ts";
import { administrators, callers, principalOf } from "./access.ts";
import { auditEntry, type App, type RouteContext, type Services } from "./context.ts";
import { register, type Route } from "./route-table.ts";

const limit = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).optional();
const limits = z.object({ packages: limit, versions: limit, bytes: limit }).strict().openapi("QuotaLimits");
const usage = z.object({ packages: z.number(), versions: z.number(), bytes: z.number() });
const quota = z
  .object({
    subject: z.string(),
    limits,
    usage,
    configured: z.boolean().openapi({ description: "The limits are those of the configuration" }),
  })
  .openapi("Quota");
const list = z.object({ items: z.array(z.object({ subject: z.string(), limits })), total: z.number() });

function notFound(subject: string): RegistryError {
  return new RegistryError({
    code: "QUOTA_SUBJECT_NOT_FOUND",
    message: `Cannot find "${subject.slice(0, 160)}": it has no quota that you may see`,
    hint: "Subjects are registry, user:NAME, organisation:NAME and package:NAME",
  });
}

async function subjectOf(services: Services, context: RouteContext): Promise<UsageScope> {
  const text = context.req.param("subject") ?? "";
  const scope = await services.quotas.scopeOf(text);
  if (scope === undefined) throw notFound(text);
  return scope;
}

/** Whether a quota is the caller's: its own, its organisation's, its package's; admins see all. */
async function maySee(services: Services, principal: Principal, scope: UsageScope): Promise<boolean> {
  if (administers(principal, scope.kind === "package" ? scope.canonical : undefined)) return true;
  switch (scope.kind) {
    case "registry":
      return false;
    case "user":
      return scope.accountId === principal.account.id;
    case "organisation": {
      const { organisations } = await services.groups.membershipsOf(principal.account.id);
      return organisations.some(({ name }) => name === scope.name);
    }
    case "package":
      return (await services.rights.on(principal.account, scope.canonical)).scopes.has("owner");
  }
}

function view({ subject, limits: allowed, own, usage: found }: QuotaReport): object {
  return { subject, limits: allowed, usage: found, configured: !own };
}

async function show(services: Services, context: RouteContext): Promise<Response> {
  const scope = await subjectOf(services, context);
  if (!(await maySee(services, principalOf(context), scope))) throw notFound(context.req.param("subject") ?? "");
  return context.json(view(await services.quotas.report(scope)));
}

function given(body: unknown): QuotaLimits {
  const parsed = body as z.infer<typeof limits>;
  const named = QUOTA_MEASURES.filter((measure) => parsed[measure] !== undefined);
  return Object.fromEntries(named.map((measure) => [measure, parsed[measure]!]));
}

async function change(services: Services, context: RouteContext, wanted: QuotaLimits | undefined): Promise<Response> {
  const scope = await subjectOf(services, context);
  await services.quotas.set(scope, wanted, auditEntry(services, context, { action: "quota.set" }));
  return context.json(view(await services.quotas.report(scope)));
}

function table(services: Services): readonly Route[] {
  const params = { subject: z.string().max(160).openapi({ example: "user:ada" }) };
  const admin = administrators(services);
  return [
    {
      method: "get",
      path: "/quotas",
      guard: admin,
      summary: "Quotas that administrators set",
      answer: list,
      failures: [403],
      handle: async (context) => {
        const items = await services.quotas.all();
        return context.json({ items, total: items.length });
      },
    },
    {
      method: "get",
      path: "/quotas/{subject}",
      guard: callers(services),
      summary:
        "What a user, organisation, package or the registry holds and may hold; for itself, members, owners, admins",
      params,
      answer: quota,
      failures: [404],
      handle: (context) => show(services, context),
    },
    {
      method: "put",
      path: "/quotas/{subject}",
      guard: admin,
      summary: "Set all limits of a subject, in place of those of the configuration",
      params,
      body: limits,
      answer: quota,
      failures: [403, 404],
      handle: (context, body) => change(services, context, given(body)),
    },
    {
      method: "delete",
      path: "/quotas/{subject}",
      guard: admin,
      summary: "Go back to the limits of the configuration",
      params,
      answer: quota,
      failures: [403, 404],
      handle: (context) => change(services, context, undefined),
    },
  ];
}

/** Registers the routes about how much may be stored. */
export function registerQuotaRoutes(app: App, services: Services): void {
  for (const route of table(services)) register(app, ["quotas"], route);
}
