import { createHash } from "node:crypto";
import { z } from "@hono/zod-openapi";
import { timestamp } from "../index-model.ts";
import { immutable } from "../read-answer.ts";
import { matchesEtag } from "../etag.ts";
import { RegistryError } from "../registry-error.ts";
import { readers } from "./access.ts";
import { webAnswer } from "./system-routes.ts";
import { answerOfTree } from "./upstream-routes.ts";
import type { App, RouteContext, Services } from "./context.ts";
import { jsonResponse, problems } from "./schemas.ts";

/** Changes on one page of the feed; part of the format, since a full page never changes. */
export const FEED_PAGE_ENTRIES = 1000;

const entry = z.object({ id: z.number(), name: z.string(), sequence: z.number(), at: z.string() });
const feedPage = z
  .object({ schema: z.number(), page: z.number(), full: z.boolean(), entries: z.array(entry) })
  .openapi("FeedPage");

async function sendPage(services: Services, context: RouteContext, page: number): Promise<Response> {
  const first = page * FEED_PAGE_ENTRIES + 1;
  const last = first + FEED_PAGE_ENTRIES - 1;
  const { entries, latest } = await services.metadata.feed(first, last);
  // The page after the last change is there, and empty: who follows the feed asks for it until something comes.
  if (first > latest + 1)
    throw new RegistryError({
      code: "NOT_FOUND",
      message: `Cannot find page ${page} of the feed: it does not begin yet`,
    });
  const full = latest >= last;
  const items = entries.map(({ at, ...rest }) => ({ ...rest, at: timestamp(at) }));
  const body = JSON.stringify({ schema: 1, page, full, entries: items });
  const etag = `"sha256:${createHash("sha256").update(body).digest("hex")}"`;
  const headers = { etag, "cache-control": full ? immutable(services.settings.readPublic) : "no-cache" };
  if (matchesEtag(context.req.header("if-none-match"), etag)) return context.body(null, 304, headers);
  return context.body(body, 200, { ...headers, "content-type": "application/json" });
}

/** Registers the feed of changes. */
export function registerFeedRoutes(app: App, services: Services): void {
  app.openAPIRegistry.registerPath({
    method: "get",
    path: "/feed/{page}.json",
    tags: ["system"],
    summary: "Changes of packages in their order, a thousand a page; a full page never changes",
    request: { params: z.object({ page: z.string() }) },
    responses: { 200: jsonResponse(feedPage, "One page"), 304: { description: "Not changed" }, ...problems(401, 404) },
  });
  app.get("/feed/:file{(?:0|[1-9][0-9]{0,8})\\.json}", readers(services), async (context) =>
    services.upstreams.whole !== undefined
      ? answerOfTree(services, context, webAnswer)
      : sendPage(services, context, Number.parseInt(context.req.param("file"), 10)),
  );
}
