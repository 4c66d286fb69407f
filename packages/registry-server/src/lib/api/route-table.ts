import { createRoute, z } from "@hono/zod-openapi";
import type { MiddlewareHandler } from "hono";
import { smallBody } from "./access.ts";
import type { App, Env, RouteContext } from "./context.ts";
import { SECURED, jsonResponse, problems } from "./schemas.ts";

/** One route: what is the same of all of them is said in {@link register}. */
export interface Route {
  readonly method: "get" | "post" | "put" | "delete";
  /** Below `/api/v1`. */
  readonly path: string;
  readonly guard: MiddlewareHandler<Env>;
  readonly summary: string;
  readonly params?: Record<string, z.ZodType<string>>;
  readonly query?: Record<string, z.ZodType>;
  readonly body?: z.ZodType;
  readonly status?: 200 | 201 | 204;
  readonly answer?: z.ZodType;
  readonly failures: readonly number[];
  /** What it does; `body` passed its schema. */
  readonly handle: (context: RouteContext, body: unknown) => Promise<Response>;
}

/** Adds a route of a table to the app and its description. */
export function register(app: App, tags: string[], route: Route): void {
  const takesBody = route.method === "post" || route.method === "put";
  const { method, path, guard, summary, params, query, body, status = 200, answer, failures, handle } = route;
  app.openapi(
    createRoute({
      method,
      path: `/api/v1${path}`,
      middleware: takesBody ? [guard, smallBody] : guard,
      tags,
      summary,
      security: SECURED,
      request: {
        ...(params === undefined ? {} : { params: z.object(params) }),
        ...(query === undefined ? {} : { query: z.object(query) }),
        ...(body === undefined ? {} : { body: { required: true, content: { "application/json": { schema: body } } } }),
      },
      responses: {
        [status]: answer === undefined ? { description: "Done" } : jsonResponse(answer, "As it is now"),
        ...problems(...new Set([...(takesBody ? [400, 413] : []), 401, ...failures])),
      },
    }),
    async (context): Promise<Response> => handle(context, body?.parse(await context.req.json())),
  );
}
