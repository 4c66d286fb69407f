import { z } from "@hono/zod-openapi";
import type { PublishPorts, PublishRequest, Published } from "../publish.ts";
import { RegistryError } from "../registry-error.ts";
import { principalOf } from "./access.ts";
import { auditEntry, baseUrl, type RouteContext, type Services } from "./context.ts";
import { publishedView } from "./package-views.ts";
import { reviewView } from "./review-views.ts";

/** A file of a version. */
export const artifact: z.ZodType = z
  .object({
    target: z.string(),
    blob: z.string(),
    size: z.number(),
    tree: z.string(),
    statement: z.string().optional(),
  })
  .loose();
/** The answer to a publication. */
export const published: z.ZodType = z
  .object({
    name: z.string(),
    version: z.string(),
    kind: z.string(),
    target: z.string(),
    artifact,
    signers: z.array(z.string()),
    verified: z.boolean(),
    status: z.string(),
    published: z.string(),
    sequence: z.number(),
    visible: z.boolean(),
    tree: z.string().optional().openapi({ description: "Address of the private packages among which it is" }),
    review: reviewView.optional(),
    log: z.object({ index: z.number(), checkpoint: z.string(), proof: z.string() }).optional(),
    links: z.record(z.string(), z.string()),
  })
  .openapi("Published");

/** What publishing needs of the services. */
export function publishPorts(services: Services): PublishPorts {
  const {
    metadata,
    rights,
    blobs,
    inspector,
    statements,
    index,
    clock,
    log,
    settings,
    trust,
    metrics,
    access,
    tree,
    mount,
    trees,
    reviews,
    upstreams,
    quotas,
  } = services;
  return {
    metadata,
    rights,
    blobs,
    inspector,
    statements,
    index,
    clock,
    log,
    settings,
    trust,
    access,
    tree,
    mount,
    ...(trees === undefined
      ? {}
      : {
          elsewhere: async (canonical, principal) => {
            const home = await trees.treeOf(canonical, "write", principal);
            return home && publishPorts(home.server.services);
          },
        }),
    reviews,
    upstreams,
    quotas,
    onStep: (step, ms) => metrics.step(step, ms),
  };
}

/** Who publishes with this request. */
export function publishRequest(services: Services, context: RouteContext): PublishRequest {
  const { traceId, address = "" } = auditEntry(services, context, { action: "package.publish" });
  return {
    signal: context.req.raw.signal,
    principal: principalOf(context),
    address: baseUrl(services, context),
    audit: { ...(traceId === undefined ? {} : { traceId }), ...(address === "" ? {} : { address }) },
  };
}

/** The body of the answer to a publication, and the address of what it made. */
export function publishedAnswer(
  services: Services,
  context: RouteContext,
  done: Published,
): { readonly view: Readonly<Record<string, unknown>>; readonly location: string; readonly status: 200 | 201 | 202 } {
  const view = publishedView(baseUrl(services, context), done);
  const links = view["links"] as { self: string; review?: string };
  const status = done.created ? (done.review === undefined ? 201 : 202) : 200;
  return { view, location: links.review ?? links.self, status };
}

/** Counts a publication as it ended, and answers it. */
export function answerPublished(services: Services, context: RouteContext, done: Published): Response {
  services.metrics.publication(done.review !== undefined ? "held" : done.created ? "created" : "same");
  const { view, location, status } = publishedAnswer(services, context, done);
  context.header("location", location);
  return context.json(view, status);
}

/** Counts a publication that fails by its code. */
export async function countedPublication<Result>(services: Services, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    services.metrics.publication(error instanceof RegistryError ? error.code : "INTERNAL");
    throw error;
  }
}
