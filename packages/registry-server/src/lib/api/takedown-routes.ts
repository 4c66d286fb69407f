import { createRoute, z } from "@hono/zod-openapi";
import type { PackageSummary, VersionRecord } from "../records.ts";
import type { StatusChange } from "../ports.ts";
import { RegistryError } from "../registry-error.ts";
import { smallBody, writers } from "./access.ts";
import { auditEntry, baseUrl, type App, type RouteContext, type Services } from "./context.ts";
import { requirePackage, requireVersion, versionNotFound } from "./guards.ts";
import { versionDetailsView } from "./package-views.ts";
import { versionEtag } from "./preconditions.ts";
import { SECURED, jsonResponse, nameParam, problems, versionParam } from "./schemas.ts";
import { trustOf } from "./version-trust.ts";

const TAGS = ["packages"];
const PATH = "/api/v1/packages/{name}/versions/{version}/takedown";
const takedownBody = z
  .object({
    reason: z.string().trim().min(1).max(500),
    purge: z
      .boolean()
      .default(false)
      .openapi({ description: "Garbage collection may delete the files; it cannot be undone then" }),
  })
  .openapi("Takedown");
const result = z.object({ name: z.string(), version: z.string(), status: z.string() }).loose().openapi("TakenDown");

type Removal = Pick<StatusChange, "status" | "reason" | "replacement" | "removal">;

async function apply(
  services: Services,
  context: RouteContext,
  wanted: { readonly action: string; readonly removal: (current: VersionRecord) => Removal | undefined },
): Promise<Response> {
  const { name = "", version = "" } = context.req.param() as { name?: string; version?: string };
  const summary = await requirePackage(services, name);
  const before = await requireVersion(services, summary, version);
  const change = wanted.removal(before);
  if (change === undefined) return answer(services, context, summary, before);
  const record = await services.metadata.setStatus({
    canonical: summary.canonical,
    version: before.version,
    ...change,
    audit: auditEntry(services, context, {
      action: wanted.action,
      package: summary.name,
      version: before.version,
      details: change.removal ? { reason: change.removal.reason, purge: change.removal.purge } : {},
    }),
    // What became of the version meanwhile is not what was decided about.
    check: (current) => {
      if (versionEtag(current) === versionEtag(before) && current.removed?.at === before.removed?.at) return;
      throw new RegistryError({
        code: "PRECONDITION_FAILED",
        message: `Cannot change "${summary.name}" ${before.version}: it has changed meanwhile`,
        hint: "Look at it again",
      });
    },
  });
  if (record === undefined) throw versionNotFound(summary.name, version);
  await services.gate.refresh();
  await services.index.refresh(summary.canonical);
  services.index.saveSoon();
  services.trust?.changedSoon();
  return answer(services, context, summary, record);
}

async function answer(
  services: Services,
  context: RouteContext,
  summary: PackageSummary,
  record: VersionRecord,
): Promise<Response> {
  context.header("etag", versionEtag(record));
  const trust = await trustOf(services, summary.canonical, record);
  return context.json(versionDetailsView(baseUrl(services, context), summary.name, record, trust));
}

function kept({ status, reason, replacement }: VersionRecord): Omit<Removal, "removal"> {
  return {
    status,
    ...(reason === undefined ? {} : { reason }),
    ...(replacement === undefined ? {} : { replacement }),
  };
}

/** Registers the routes that remove a version's files, and bring them back. */
export function registerTakedownRoutes(app: App, services: Services): void {
  const params = z.object({ name: nameParam, version: versionParam });
  const responses = (...statuses: readonly number[]) => ({
    200: jsonResponse(result, "The version as it is now"),
    ...problems(401, 403, 404, 412, ...statuses),
  });
  app.openapi(
    createRoute({
      method: "post",
      path: PATH,
      middleware: [writers(services, "admin"), smallBody],
      tags: TAGS,
      summary: "Take a version down: number and digest stay, its files are sent to nobody (451)",
      security: SECURED,
      request: { params, body: { required: true, content: { "application/json": { schema: takedownBody } } } },
      responses: responses(400, 413),
    }),
    async (context): Promise<Response> => {
      const { reason, purge } = takedownBody.parse(context.req.valid("json"));
      const at = services.clock.now();
      return apply(services, context, {
        action: "version.takedown",
        removal: (current) => ({
          status: "removed",
          reason: `Removed by the registry: ${reason}`,
          removal: {
            reason,
            at,
            // Files that may be deleted already do not come back by another decision.
            purge: purge || current.removed?.purge === true,
            before: current.removed?.before ?? kept(current),
          },
        }),
      });
    },
  );
  app.openapi(
    createRoute({
      method: "delete",
      path: PATH,
      middleware: writers(services, "admin"),
      tags: TAGS,
      summary: "Undo a takedown, while the version's files are kept",
      security: SECURED,
      request: { params },
      responses: responses(409),
    }),
    async (context): Promise<Response> =>
      apply(services, context, {
        action: "version.restore",
        removal: (current) => {
          const { removed } = current;
          if (removed?.purge === true) {
            throw new RegistryError({
              code: "REMOVAL_FINAL",
              message: `Cannot bring back version ${current.version}: its files may be deleted already`,
              hint: "Publish the package under a new version number",
            });
          }
          return removed && { ...removed.before, removal: null };
        },
      }),
  );
}
