import { z } from "@hono/zod-openapi";
import { timestamp } from "../index-model.ts";
import type { RetentionPlan } from "../retention/retention-service.ts";
import { administrators } from "./access.ts";
import { auditEntry, type App, type RouteContext, type Services } from "./context.ts";
import { register } from "./route-table.ts";

const plan = z
  .object({
    configured: z.boolean(),
    versions: z.array(
      z.object({
        name: z.string(),
        version: z.string(),
        published: z.string(),
        bytes: z.number(),
        reason: z.string(),
      }),
    ),
    submissions: z.array(
      z.object({ review: z.string(), name: z.string(), version: z.string(), state: z.string(), bytes: z.number() }),
    ),
    bytes: z.number(),
  })
  .openapi("RetentionPlan");

/** A plan as it is shown. */
export function planView({ versions, submissions, bytes }: RetentionPlan, configured: boolean): object {
  return {
    configured,
    versions: versions.map(({ canonical, version, bytes: size, reason }) => ({
      name: canonical,
      version: version.version,
      published: timestamp(version.published),
      bytes: size,
      reason,
    })),
    submissions: submissions.map(({ review, bytes: size }) => ({
      review: review.id,
      name: review.publication.name,
      version: review.publication.version,
      state: review.state,
      bytes: size,
    })),
    bytes,
  };
}

async function retire(services: Services, context: RouteContext): Promise<Response> {
  const { retention, downloads } = services;
  // What was fetched a moment ago is in use, too.
  await downloads.flush();
  const planned = await retention.plan();
  const audit = auditEntry(services, context, { action: "version.retire" });
  const { at: _, action: _action, details: _details, ...by } = audit;
  const versions = [];
  for (const one of planned.versions) if (await retention.retire(one, by)) versions.push(one);
  await services.gate.refresh();
  for (const canonical of new Set(versions.map((one) => one.canonical))) await services.index.refresh(canonical);
  services.index.saveSoon();
  services.trust?.changedSoon();
  const bytes = versions.reduce((sum, one) => sum + one.bytes, 0);
  return context.json(planView({ versions, submissions: [], bytes }, retention.isConfigured));
}

/** Registers the routes about what the retention policy removes. */
export function registerRetentionRoutes(app: App, services: Services): void {
  const guard = administrators(services);
  register(app, ["retention"], {
    method: "get",
    path: "/retention",
    guard,
    summary: "What the retention policy would remove now; changes nothing",
    answer: plan,
    failures: [403],
    handle: async (context) => context.json(planView(await services.retention.plan(), services.retention.isConfigured)),
  });
  register(app, ["retention"], {
    method: "post",
    path: "/retention",
    guard,
    summary: "Retire the pre-releases that the retention policy does not keep; answers which",
    answer: plan,
    failures: [403],
    handle: (context) => retire(services, context),
  });
}
