import { createRoute, z } from "@hono/zod-openapi";
import { REVIEW_STATES, type ReviewState } from "../governance/review-store.ts";
import { RegistryError } from "../registry-error.ts";
import { callers, principalOf, readers, smallBody } from "./access.ts";
import { auditEntry, baseUrl, type App, type RouteContext, type Services } from "./context.ts";
import { pathName } from "./guards.ts";
import { pageBody } from "./paging.ts";
import { reviewView, viewReview } from "./review-views.ts";
import { SECURED, jsonResponse, pageShape, problems } from "./schemas.ts";

const TAGS = ["reviews"];
const params = z.object({ id: z.string().max(64) });
const reviewPage = z
  .object({ items: z.array(reviewView), page: z.number(), per_page: z.number(), total: z.number() })
  .openapi("ReviewPage");
const reasonBody = z.object({ reason: z.string().trim().min(1).max(2000) }).openapi("RejectPublication");
const appealBody = z.object({ text: z.string().trim().min(1).max(2000) }).openapi("AppealPublication");
const json = (schema: z.ZodType) => ({ required: true, content: { "application/json": { schema } } });
const answers = (description: string, ...statuses: readonly number[]) => ({
  200: jsonResponse(reviewView, description),
  ...problems(401, 403, 404, ...statuses),
});

function readRoutes(app: App, services: Services): void {
  app.openapi(
    createRoute({
      method: "get",
      path: "/api/v1/reviews",
      middleware: callers(services),
      tags: TAGS,
      summary: "Publications that wait for a reviewer, or did: those that concern the caller, newest first",
      security: SECURED,
      request: {
        query: z.object({
          ...pageShape,
          state: z.enum(REVIEW_STATES as readonly [ReviewState, ...ReviewState[]]).optional(),
          package: z.string().max(140).optional(),
        }),
      },
      responses: { 200: jsonResponse(reviewPage, "One page of reviews"), ...problems(400, 401, 404) },
    }),
    async (context): Promise<Response> => {
      const { page, per_page: perPage, state, package: name } = context.req.valid("query");
      const query = {
        page,
        perPage,
        ...(state === undefined ? {} : { states: [state] }),
        ...(name === undefined ? {} : { package: pathName(name).canonical }),
      };
      const found = await services.reviews.list(principalOf(context), query);
      const base = baseUrl(services, context);
      const items = found.items.map((review) => viewReview(base, review));
      return context.json(pageBody(services, context, query, { items, total: found.total }));
    },
  );
  app.openapi(
    createRoute({
      method: "get",
      path: "/api/v1/reviews/{id}",
      middleware: callers(services),
      tags: TAGS,
      summary: "A review: its state, why the publication waits, who decided and why",
      security: SECURED,
      request: { params },
      responses: answers("The review"),
    }),
    async (context): Promise<Response> => {
      const review = await services.reviews.review(principalOf(context), context.req.valid("param").id);
      return context.json(viewReview(baseUrl(services, context), review));
    },
  );
  app.openapi(
    createRoute({
      method: "get",
      path: "/api/v1/reviews/{id}/download",
      // Where files are read with scope `read`, these are too.
      middleware: [callers(services), readers(services)],
      tags: TAGS,
      summary: "The package file that waits",
      security: SECURED,
      request: { params },
      responses: { 200: { description: "The bytes" }, ...problems(401, 403, 404) },
    }),
    async (context): Promise<Response> => sendFile(services, context, context.req.valid("param").id),
  );
}

async function sendFile(services: Services, context: RouteContext, id: string): Promise<Response> {
  const { publication } = await services.reviews.review(principalOf(context), id);
  const blob = await services.blobs.open(publication.artifact.blob);
  if (blob === undefined) {
    throw new RegistryError({
      code: "BLOB_NOT_FOUND",
      message: `Cannot find blob "${publication.artifact.blob}" of review "${id}"`,
    });
  }
  return context.body(blob.stream(), 200, {
    "content-type": "application/octet-stream",
    "content-length": String(blob.size),
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; sandbox",
    "cache-control": "no-store",
  });
}

function decisionRoutes(app: App, services: Services): void {
  const audit = (context: RouteContext, action: string) => auditEntry(services, context, { action });
  app.openapi(
    createRoute({
      method: "post",
      path: "/api/v1/reviews/{id}/approve",
      middleware: [callers(services), smallBody],
      tags: TAGS,
      summary: "Publish what waits; never by who submitted it",
      security: SECURED,
      request: { params },
      responses: answers("The review as it is now", 409, 413),
    }),
    async (context): Promise<Response> => {
      const { id } = context.req.valid("param");
      const review = await services.reviews.approve(
        principalOf(context),
        id,
        audit(context, "review.approve"),
        // The rules may have changed since it came in, and what is private is never published to everybody.
        (canonical) => services.access.treeOf(canonical) === services.tree,
      );
      return context.json(viewReview(baseUrl(services, context), review));
    },
  );
  app.openapi(
    createRoute({
      method: "post",
      path: "/api/v1/reviews/{id}/reject",
      middleware: [callers(services), smallBody],
      tags: TAGS,
      summary: "Reject what waits, with a reason for its publisher",
      security: SECURED,
      request: { params, body: json(reasonBody) },
      responses: answers("The review as it is now", 400, 409, 413),
    }),
    async (context): Promise<Response> => {
      const { id } = context.req.valid("param");
      const { reason } = reasonBody.parse(context.req.valid("json"));
      const entry = audit(context, "review.reject");
      const review = await services.reviews.reject(principalOf(context), id, reason, entry);
      return context.json(viewReview(baseUrl(services, context), review));
    },
  );
  app.openapi(
    createRoute({
      method: "post",
      path: "/api/v1/reviews/{id}/appeal",
      middleware: [callers(services), smallBody],
      tags: TAGS,
      summary: "Answer a rejection: the publication waits again",
      security: SECURED,
      request: { params, body: json(appealBody) },
      responses: answers("The review as it is now", 400, 409, 413),
    }),
    async (context): Promise<Response> => {
      const { id } = context.req.valid("param");
      const { text } = appealBody.parse(context.req.valid("json"));
      const review = await services.reviews.appeal(principalOf(context), id, text, audit(context, "review.appeal"));
      return context.json(viewReview(baseUrl(services, context), review));
    },
  );
}

/** Registers the routes of publications that wait for a reviewer. */
export function registerReviewRoutes(app: App, services: Services): void {
  readRoutes(app, services);
  decisionRoutes(app, services);
}
