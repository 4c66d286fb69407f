import { z } from "@hono/zod-openapi";
import type { Problem } from "../problem.ts";

/** Problem details, the body of every 4xx and 5xx. */
export const problemSchema: z.ZodType<Problem> = z
  .object({
    type: z.string().openapi({ example: "urn:lading:error:PACKAGE_NOT_FOUND" }),
    title: z.string(),
    status: z.number().int(),
    detail: z.string(),
    code: z.string().openapi({ example: "PACKAGE_NOT_FOUND" }),
    traceId: z.string(),
    hint: z.string().optional(),
    reason: z.string().optional(),
    found: z.number().optional(),
    allowed: z.number().optional(),
    errors: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
  })
  .openapi("Problem") as z.ZodType<Problem>;

interface ResponseEntry {
  readonly description: string;
  readonly content?: Record<string, { readonly schema: z.ZodType }>;
}

/** A JSON response entry of a route. */
export function jsonResponse(schema: z.ZodType, description: string): ResponseEntry {
  return { description, content: { "application/json": { schema } } };
}

/** The problem responses of a route, by status. */
export function problems(...statuses: readonly number[]): Record<number, ResponseEntry> {
  const entry = { description: "Problem details", content: { "application/problem+json": { schema: problemSchema } } };
  return Object.fromEntries([...statuses, 429].map((status) => [status, entry]));
}

/** `page` and `per_page` of a query. */
export const pageShape: { readonly page: z.ZodType<number>; readonly per_page: z.ZodType<number> } = {
  page: z.coerce.number().int().min(1).max(1_000_000).default(1).openapi({ example: 1 }),
  per_page: z.coerce.number().int().min(1).max(100).default(20).openapi({ example: 20 }),
};

/** `{name}` of a path: `tool` or, URL-encoded, `company%2Ftool`. */
export const nameParam: z.ZodType<string> = z
  .string()
  .max(140)
  .openapi({
    param: { name: "name", in: "path" },
    example: "company%2Ftool",
    description: "Package name; a slash is URL-encoded",
  });

/** `{version}` of a path. */
export const versionParam: z.ZodType<string> = z
  .string()
  .max(256)
  .openapi({ param: { name: "version", in: "path" }, example: "1.0.0" });

/** Security of routes that need credentials. */
export const SECURED: Record<string, string[]>[] = [{ bearer: [] }, { basic: [] }];
