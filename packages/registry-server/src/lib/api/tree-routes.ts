import { z } from "@hono/zod-openapi";
import { tryParsePackageName, canonicalName } from "@lading/core-manifest";
import { RegistryError } from "../registry-error.ts";
import type { App, RouteContext, Services } from "./context.ts";
import { optionalPrincipal } from "./guards.ts";
import { SECURED, problems } from "./schemas.ts";

/** Hands the request to the server of a tree; it is that server's, down to its line in the log. */
async function handOver(
  context: RouteContext,
  tree: { readonly server: { fetch: (request: Request, bindings: RouteContext["env"]) => Promise<Response> } },
  counted: boolean,
): Promise<Response> {
  context.set("forwarded", true);
  return tree.server.fetch(context.req.raw, { ...context.env, counted });
}

/**
 * Registers what leads to trees of private packages: their addresses, and at the registry's own address the routes of
 * packages whose names are private. Whoever may not read a tree goes on to where it is not known.
 */
export function registerTreeRoutes(app: App, services: Services): void {
  const { trees } = services;
  app.openAPIRegistry.registerPath({
    method: "get",
    path: "/trees/{tree}/{path}",
    tags: ["system"],
    summary: "A tree of private packages, a registry of its own at this address, for those who may read it",
    security: SECURED,
    request: { params: z.object({ tree: z.string(), path: z.string() }) },
    responses: { 200: { description: "What the tree has at this path" }, ...problems(401, 404) },
  });
  app.all("/trees/:tree/*", async (context) => {
    const principal = await optionalPrincipal(services, context);
    const tree = await trees?.readable(context.req.param("tree"), principal);
    if (tree !== undefined) return handOver(context, tree, false);
    throw new RegistryError({ code: "NOT_FOUND", message: `Cannot find "${context.req.path.slice(0, 200)}"` });
  });
  if (trees === undefined) return;
  app.use("/api/v1/packages/:name/*", async (context, next) => {
    const name = tryParsePackageName(context.req.param("name"));
    if (name === undefined) return next();
    const principal = await optionalPrincipal(services, context);
    const tree = await trees.treeOf(canonicalName(name), "read", principal);
    return tree === undefined ? next() : handOver(context, tree, true);
  });
}
