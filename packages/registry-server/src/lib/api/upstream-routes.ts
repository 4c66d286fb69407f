import { createRoute, z } from "@hono/zod-openapi";
import { canonicalName, parsePackageName, tryParsePackageName, tryParseVersion } from "@lading/core-manifest";
import type { MiddlewareHandler } from "hono";
import { timestamp } from "../index-model.ts";
import { policyDigest } from "../package-policy.ts";
import { RegistryError } from "../registry-error.ts";
import type { ReadAnswer } from "../read-answer.ts";
import { policyEntry } from "../trust/log-entries.ts";
import type { AgeException } from "../upstream/upstream-store.ts";
import type { UpstreamTree } from "../upstream/upstream-tree.ts";
import { administrators, principalOf, readers, smallBody } from "./access.ts";
import { SECURED, jsonResponse, nameParam, problems, versionParam } from "./schemas.ts";
import { auditEntry, baseUrl, type App, type Env, type RouteContext, type Services } from "./context.ts";

/** What a mirror's API is: what concerns the server itself, and nothing of packages. */
const MIRROR_API: readonly string[] = [
  "/api/v1/health",
  "/api/v1/files",
  "/api/v1/auth",
  "/api/v1/account",
  "/api/v1/tokens",
  "/api/v1/users",
  "/api/v1/audit",
  "/api/v1/upstreams",
];

function isOwn(path: string): boolean {
  return MIRROR_API.some((own) => path === own || path.startsWith(`${own}/`));
}

/** Refuses, on a mirror, what only the registry that it mirrors can do. */
export function mirrorGuard(services: Services): MiddlewareHandler<Env> {
  return async (context, next) => {
    const { whole } = services.upstreams;
    const { path } = context.req;
    if (whole !== undefined && !isOwn(path)) {
      throw new RegistryError({
        code: "MIRROR_READ_ONLY",
        message: `Cannot answer "${path.slice(0, 100)}": this server is a mirror${whole.options.url === undefined ? "" : ` of ${whole.options.url}`}`,
        hint: "Ask the registry that it mirrors",
      });
    }
    await next();
  };
}

/** What a mirror or an upstream's tree says of itself. */
export async function describeTree(services: Services, context: RouteContext, name: string): Promise<Response> {
  const { settings, upstreams } = services;
  const tree = name === "" ? upstreams.whole : upstreams.trees.get(name);
  if (tree === undefined) {
    throw new RegistryError({ code: "NOT_FOUND", message: `Cannot find upstream "${name.slice(0, 60)}"` });
  }
  const base = baseUrl(services, context);
  const described = await tree.describe(name === "" ? base : `${base}/upstreams/${name}`, {
    auth: settings.readPublic ? [] : ["token", "basic"],
    limits: { packageBytes: settings.packageBytes },
    signatures: "optional",
    ...(name === "" ? { files: `${base}/api/v1/files` } : {}),
  });
  return context.json(described, 200, { "cache-control": "no-cache" });
}

/** An answer of a tree for the web handler. */
export async function answerOfTree(
  services: Services,
  context: RouteContext,
  send: (answer: ReadAnswer, method: string) => Response,
): Promise<Response> {
  const answer = await services.upstreams.answer(new URL(context.req.url).pathname.slice(1), {
    "if-none-match": context.req.header("if-none-match"),
    "if-range": context.req.header("if-range"),
    range: context.req.header("range"),
    "accept-encoding": context.req.header("accept-encoding"),
  });
  return send(answer, context.req.method);
}

const DAY_MS = 86_400_000;
const TAGS = ["upstreams"];
/** Without a look that succeeded for so many intervals, an upstream is called stale. */
const STALE_INTERVALS = 3;

const status = z
  .object({
    name: z.string(),
    url: z.string().optional(),
    packages: z.array(z.string()),
    fetch: z.enum(["all", "on-demand", "carried"]),
    minimumReleaseAgeSeconds: z.number(),
    /** RFC 3339. */
    checked: z.string().optional(),
    expires: z.string().optional(),
    anchor: z.string().optional(),
    root: z.number().optional(),
    logSize: z.number().optional(),
    feed: z.number().optional(),
    behind: z.number(),
    failure: z.object({ code: z.string(), message: z.string(), at: z.string() }).optional(),
  })
  .openapi("Upstream");
const report = z
  .object({
    changed: z.boolean(),
    packages: z.number(),
    blobs: z.number(),
    bytes: z.number(),
    logSize: z.number(),
    feed: z.number(),
  })
  .openapi("UpstreamReport");
const exceptionBody = z
  .object({
    package: z.string().max(140),
    version: z.string().max(256),
    reason: z.string().trim().min(1).max(1000),
    days: z.number().int().min(1).max(365),
  })
  .openapi("NewAgeException");
const exceptionView = z
  .object({
    package: z.string(),
    version: z.string(),
    reason: z.string(),
    by: z.string(),
    created: z.string(),
    expires: z.string(),
  })
  .openapi("AgeException");
const upstreamParam = z
  .string()
  .max(40)
  .openapi({ param: { name: "upstream", in: "path" }, example: "public" });

function viewException(exception: AgeException): z.infer<typeof exceptionView> {
  const { package: name, version, reason, by, created, expires } = exception;
  return { package: name, version, reason, by, created: timestamp(created), expires: timestamp(expires) };
}

async function viewTree(tree: UpstreamTree): Promise<z.infer<typeof status>> {
  const { name, url, state, behind, failure } = await tree.status();
  const { packages, fetch, minimumAgeMs } = tree.options;
  return {
    name,
    ...(url === undefined ? {} : { url }),
    packages: [...packages],
    fetch,
    minimumReleaseAgeSeconds: Math.ceil(minimumAgeMs / 1000),
    ...(state === undefined
      ? {}
      : {
          checked: timestamp(state.checked),
          expires: timestamp(state.expires),
          anchor: state.anchor,
          root: state.root,
          logSize: state.log.size,
          feed: state.feed,
        }),
    behind,
    ...(failure === undefined ? {} : { failure: { ...failure, at: timestamp(failure.at) } }),
  };
}

/** How upstreams are, without addresses and messages: health is readable by everybody. */
export async function upstreamHealth({ upstreams, clock }: Services): Promise<
  {
    name: string;
    status: "up" | "stale" | "empty";
    checked?: string;
    behind: number;
    error?: string;
  }[]
> {
  return Promise.all(
    [...upstreams.trees.values()].map(async (tree) => {
      const { name, state, behind, failure } = await tree.status();
      const { intervalMs } = tree.options;
      const late = state !== undefined && intervalMs > 0 && clock.now() - state.checked > STALE_INTERVALS * intervalMs;
      const isStale = failure !== undefined || late || (state !== undefined && state.expires < clock.now());
      return {
        name,
        status: state === undefined ? "empty" : isStale ? "stale" : "up",
        ...(state === undefined ? {} : { checked: timestamp(state.checked) }),
        behind,
        ...(failure === undefined ? {} : { error: failure.code }),
      };
    }),
  );
}

function requireTree({ upstreams }: Services, name: string): UpstreamTree {
  const tree = upstreams.trees.get(name);
  if (tree !== undefined) return tree;
  throw new RegistryError({ code: "NOT_FOUND", message: `Cannot find upstream "${name.slice(0, 60)}"` });
}

/** The log's entry of an exception: the digest of what was granted, for the names that it is about. */
function exceptionEntry(exception: AgeException, audit: Parameters<typeof policyEntry>[1]): Uint8Array {
  return policyEntry(policyDigest(exception), audit, exception.package);
}

function readException(
  services: Services,
  context: RouteContext,
  { upstream, body }: { readonly upstream: string; readonly body: z.infer<typeof exceptionBody> },
): AgeException {
  const name = tryParsePackageName(body.package);
  const version = tryParseVersion(body.version);
  if (name === undefined || version === undefined) {
    const field = name === undefined ? "body.package" : "body.version";
    throw new RegistryError({
      code: "REQUEST_INVALID",
      message: `Cannot read the request: ${field} names no ${name === undefined ? "package" : "version"}`,
      errors: [{ field, message: "it cannot be read" }],
    });
  }
  const now = services.clock.now();
  return {
    upstream,
    package: canonicalName(name),
    version,
    reason: body.reason,
    by: principalOf(context).account.username,
    created: now,
    expires: now + body.days * DAY_MS,
  };
}

function exceptionRoutes(app: App, services: Services): void {
  const admins = administrators(services);
  const base = "/api/v1/upstreams/{upstream}/exceptions";
  app.openapi(
    createRoute({
      method: "get",
      path: base,
      middleware: admins,
      tags: TAGS,
      summary: "Versions that are given out before they have the age that is demanded; for admins",
      security: SECURED,
      request: { params: z.object({ upstream: upstreamParam }) },
      responses: {
        200: jsonResponse(z.object({ items: z.array(exceptionView) }), "All that were granted, expired ones too"),
        ...problems(401, 403, 404),
      },
    }),
    async (context): Promise<Response> => {
      const { name } = requireTree(services, context.req.valid("param").upstream).options;
      const all = await services.metadata.upstreams.exceptions();
      return context.json({ items: all.filter(({ upstream }) => upstream === name).map(viewException) });
    },
  );
  app.openapi(
    createRoute({
      method: "post",
      path: base,
      middleware: [admins, smallBody],
      tags: TAGS,
      summary: "Give a version out before it has the age that is demanded; for admins, audited and logged",
      security: SECURED,
      request: {
        params: z.object({ upstream: upstreamParam }),
        body: { required: true, content: { "application/json": { schema: exceptionBody } } },
      },
      responses: { 201: jsonResponse(exceptionView, "The exception"), ...problems(400, 401, 403, 404, 413) },
    }),
    async (context): Promise<Response> => {
      const { name: upstream } = requireTree(services, context.req.valid("param").upstream).options;
      const body = exceptionBody.parse(context.req.valid("json"));
      const exception = readException(services, context, { upstream, body });
      const { package: of, version, reason, expires } = exception;
      const audit = auditEntry(services, context, {
        action: "upstream.except",
        package: of,
        version,
        details: { upstream, reason, expires: timestamp(expires) },
      });
      const entry = services.trust === undefined ? undefined : exceptionEntry(exception, audit);
      await services.metadata.upstreams.grant(exception, audit, entry);
      services.trust?.changedSoon();
      return context.json(viewException(exception), 201);
    },
  );
  app.openapi(
    createRoute({
      method: "delete",
      path: `${base}/{name}/{version}`,
      middleware: admins,
      tags: TAGS,
      summary: "Take an exception back; for admins",
      security: SECURED,
      request: { params: z.object({ upstream: upstreamParam, name: nameParam, version: versionParam }) },
      responses: { 204: { description: "It holds no more" }, ...problems(401, 403, 404) },
    }),
    async (context): Promise<Response> => {
      const { upstream: text, name, version } = context.req.valid("param");
      const { name: upstream } = requireTree(services, text).options;
      const parsed = tryParsePackageName(name);
      const of = parsed === undefined ? name : canonicalName(parsePackageName(parsed));
      const audit = auditEntry(services, context, {
        action: "upstream.revoke-exception",
        package: of,
        version,
        details: { upstream },
      });
      if (await services.metadata.upstreams.revoke({ upstream, package: of, version }, audit)) {
        return context.body(null, 204);
      }
      throw new RegistryError({
        code: "NOT_FOUND",
        message: `Cannot find an exception for "${name.slice(0, 140)}" ${version.slice(0, 100)} of upstream "${upstream}"`,
      });
    },
  );
}

/** Registers what is told of upstreams, and what their operators do about them. */
export function registerUpstreamRoutes(app: App, services: Services): void {
  app.get("/upstreams/:upstream/.well-known/lading.json", readers(services), (context) =>
    describeTree(services, context, context.req.param("upstream")),
  );
  const admins = administrators(services);
  app.openapi(
    createRoute({
      method: "get",
      path: "/api/v1/upstreams",
      middleware: admins,
      tags: TAGS,
      summary: "Registries that this one mirrors or stands before, and how they are; for admins",
      security: SECURED,
      responses: { 200: jsonResponse(z.object({ items: z.array(status) }), "All of them"), ...problems(401, 403) },
    }),
    async (context): Promise<Response> =>
      context.json({ items: await Promise.all([...services.upstreams.trees.values()].map(viewTree)) }),
  );
  app.openapi(
    createRoute({
      method: "post",
      path: "/api/v1/upstreams/{upstream}/sync",
      middleware: [admins, smallBody],
      tags: TAGS,
      summary: "Look at an upstream now; for admins",
      security: SECURED,
      request: { params: z.object({ upstream: upstreamParam }) },
      responses: { 200: jsonResponse(report, "What it came to"), ...problems(401, 403, 404, 502) },
    }),
    async (context): Promise<Response> => {
      const tree = requireTree(services, context.req.valid("param").upstream);
      const { changed, packages, blobs, bytes, state } = await services.upstreams.sync(tree);
      return context.json({ changed, packages, blobs, bytes, logSize: state.log.size, feed: state.feed });
    },
  );
  exceptionRoutes(app, services);
}
