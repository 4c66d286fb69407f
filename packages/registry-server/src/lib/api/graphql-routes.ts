import { createRoute, z } from "@hono/zod-openapi";
import type { GraphqlAnswer, GraphqlRequest, QueryService } from "../graphql/query-service.ts";
import { RegistryError } from "../registry-error.ts";
import { readers, smallBody } from "./access.ts";
import { baseUrl, type App, type RouteContext, type Services } from "./context.ts";
import { jsonResponse, problems } from "./schemas.ts";

const TAGS = ["graphql"];
const QUERY_MAX = 50_000;
const RESPONSE_TYPE = "application/graphql-response+json";

const query = z.string().min(1).max(QUERY_MAX);
const operationName = z.string().max(200).nullish();
const extensions = z.record(z.string(), z.unknown()).nullish();
const body = z
  .object({ query, operationName, variables: z.record(z.string(), z.unknown()).nullish(), extensions })
  .openapi("GraphqlRequest");
const parameters = z.object({ query, operationName, variables: z.string().max(QUERY_MAX).optional() });
const answer = z
  .object({
    data: z.record(z.string(), z.unknown()).nullish(),
    errors: z.array(z.object({ message: z.string() }).loose()).optional(),
  })
  .openapi("GraphqlAnswer");

function requestOf(given: z.infer<typeof body>): GraphqlRequest {
  const { query: text, variables, operationName: name } = given;
  return {
    query: text,
    ...(variables === null || variables === undefined ? {} : { variables }),
    ...(name === null || name === undefined ? {} : { operationName: name }),
  };
}

function variablesOf(text: string | undefined): z.infer<typeof body>["variables"] {
  if (text === undefined) return undefined;
  const read = (): unknown => {
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  };
  const parsed = body.shape.variables.safeParse(read());
  if (parsed.success) return parsed.data;
  const message = "the variables are no JSON object";
  throw new RegistryError({
    code: "REQUEST_INVALID",
    message: `Cannot read the query: ${message}`,
    errors: [{ field: "query.variables", message }],
  });
}

// GraphQL over HTTP, §6.4: with the older media type every well-formed request is answered with 200.
function respond(context: RouteContext, { data, errors }: GraphqlAnswer): Response {
  const isAware = (context.req.header("accept") ?? "").includes(RESPONSE_TYPE);
  const text = JSON.stringify({ ...(errors === undefined ? {} : { errors }), ...(data === undefined ? {} : { data }) });
  const type = `${isAware ? RESPONSE_TYPE : "application/json"}; charset=utf-8`;
  return context.body(text, isAware && data === undefined ? 400 : 200, { "content-type": type });
}

/** Registers `/graphql`: queries over what the routes of packages show. */
export function registerGraphqlRoutes(app: App, services: Services): void {
  let service: Promise<QueryService> | undefined;
  const reply = async (context: RouteContext, request: GraphqlRequest): Promise<Response> => {
    // Servers that are never asked do without its code.
    service ??= import("../graphql/query-service.ts").then(
      ({ QueryService: Service }) =>
        new Service({ metadata: services.metadata, ownersOf: (canonical) => services.rights.ownersOf(canonical) }),
    );
    return respond(context, await (await service).answer(request, baseUrl(services, context)));
  };
  const responses = { 200: jsonResponse(answer, "What the query asked for"), ...problems(400, 401, 413, 422) };
  app.openapi(
    createRoute({
      method: "post",
      path: "/graphql",
      middleware: [readers(services), smallBody],
      tags: TAGS,
      summary: "Answer a GraphQL query about packages",
      request: { body: { content: { "application/json": { schema: body } }, required: true } },
      responses,
    }),
    async (context): Promise<Response> => reply(context, requestOf(context.req.valid("json"))),
  );
  app.openapi(
    createRoute({
      method: "get",
      path: "/graphql",
      middleware: readers(services),
      tags: TAGS,
      summary: "Answer a GraphQL query about packages, as an address",
      request: { query: parameters },
      responses,
    }),
    async (context): Promise<Response> => {
      const { variables, ...rest } = context.req.valid("query");
      return reply(context, requestOf({ ...rest, variables: variablesOf(variables) }));
    },
  );
}
