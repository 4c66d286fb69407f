import { createRoute, z } from "@hono/zod-openapi";
import { administers } from "../authentication.ts";
import { AUDIT_FORMATS, AUDIT_MEDIA_TYPES, exportAudit, type AuditFormat } from "../governance/audit-export.ts";
import type { AuditFilter, AuditTrailStore } from "../governance/audit-trail.ts";
import { timestamp } from "../index-model.ts";
import { REGISTRY_ERRORS, RegistryError } from "../registry-error.ts";
import type { ReadAnswer, ReadHeaders } from "../read-answer.ts";
import { downloadedBlob } from "../reads.ts";
import { callers, principalOf } from "./access.ts";
import { baseUrl, blobsUrl, type App, type RouteContext, type Services } from "./context.ts";
import { requirePrincipal, requireReader } from "./guards.ts";
import { pageBody } from "./paging.ts";
import { policyOf } from "../trust/trust-service.ts";
import { describeTree, upstreamHealth } from "./upstream-routes.ts";
import { SECURED, jsonResponse, pageShape, problems } from "./schemas.ts";

const CHECK_TIMEOUT_MS = 2000;
const TAGS = ["system"];
const check = z.object({ status: z.enum(["up", "down"]), latency_ms: z.number(), error: z.string().optional() });
const health = z
  .object({
    status: z.enum(["ok", "degraded", "down"]),
    version: z.string(),
    uptime_seconds: z.number(),
    checks: z.object({ database: check, storage: check, cache: check }),
    upstreams: z
      .array(
        z.object({
          name: z.string(),
          status: z.enum(["up", "stale", "empty"]),
          checked: z.string().optional(),
          behind: z.number(),
          error: z.string().optional(),
        }),
      )
      .optional(),
  })
  .openapi("Health");
const simpleHealth = z.object({ status: z.string() });
const auditItem = z
  .object({
    id: z.number(),
    at: z.string(),
    actor: z.string(),
    action: z.string(),
    package: z.string().optional(),
    version: z.string().optional(),
    details: z.record(z.string(), z.unknown()),
    traceId: z.string().optional(),
    address: z.string().optional(),
  })
  .openapi("AuditRecord");
const instant = z.iso.datetime({ offset: true }).optional();

async function checkOne(work: () => Promise<void>): Promise<z.infer<typeof check>> {
  const started = performance.now();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${CHECK_TIMEOUT_MS} ms`)), CHECK_TIMEOUT_MS);
  });
  const latency = (): number => Math.round((performance.now() - started) * 10) / 10;
  try {
    await Promise.race([work(), late]);
    return { status: "up", latency_ms: latency() };
  } catch (error) {
    // The kind of failure, without paths: health is readable by everybody.
    const { code } = error as { code?: unknown };
    return { status: "down", latency_ms: latency(), error: typeof code === "string" ? code : "failed" };
  } finally {
    clearTimeout(timer);
  }
}

async function healthOf(services: Services): Promise<z.infer<typeof health>> {
  const [database, storage, cache] = await Promise.all([
    checkOne(() => services.metadata.check()),
    checkOne(() => services.blobs.check()),
    checkOne(() => services.cache.check()),
  ]);
  const upstreams = database.status === "up" ? await upstreamHealth(services) : [];
  // A mirror that holds nothing yet has nothing to answer with.
  const isEmpty = services.upstreams.whole !== undefined && upstreams.some((one) => one.status === "empty");
  const works = database.status === "up" && storage.status === "up" && !services.isDraining() && !isEmpty;
  // Without the shared cache each server goes on with its own memory: no reason to send nobody to any of them.
  const whole = cache.status === "up" && upstreams.every((one) => one.status === "up") ? "ok" : "degraded";
  return {
    status: works ? whole : "down",
    version: services.settings.version,
    uptime_seconds: Math.floor((services.clock.now() - services.started) / 1000),
    checks: { database, storage, cache },
    ...(upstreams.length === 0 ? {} : { upstreams }),
  };
}

function healthRoutes(app: App, services: Services): void {
  app.openapi(
    createRoute({
      method: "get",
      path: "/api/v1/health",
      tags: TAGS,
      summary: "State of database, storage and cache",
      responses: { 200: jsonResponse(health, "Everything is up"), 503: jsonResponse(health, "A part is down") },
    }),
    async (context): Promise<Response> => {
      const state = await healthOf(services);
      return context.json(state, state.status === "down" ? 503 : 200, { "cache-control": "no-store" });
    },
  );
  app.openapi(
    createRoute({
      method: "get",
      path: "/api/v1/health/live",
      tags: TAGS,
      summary: "The process answers",
      responses: { 200: jsonResponse(simpleHealth, "Alive") },
    }),
    async (context): Promise<Response> => context.json({ status: "ok" }, 200, { "cache-control": "no-store" }),
  );
  app.openapi(
    createRoute({
      method: "get",
      path: "/api/v1/health/ready",
      tags: TAGS,
      summary: "The process takes requests",
      responses: {
        200: jsonResponse(simpleHealth, "Ready"),
        503: jsonResponse(simpleHealth, "Starting, draining or broken"),
      },
    }),
    async (context): Promise<Response> => {
      const { status } = await healthOf(services);
      return context.json({ status }, status === "down" ? 503 : 200, { "cache-control": "no-store" });
    },
  );
}

const auditPage = jsonResponse(
  z.object({ items: z.array(auditItem), page: z.number(), per_page: z.number(), total: z.number() }),
  "One page, newest first; as `jsonl` or `csv` all records, oldest first",
);
const auditResponse = {
  ...auditPage,
  content: {
    ...auditPage.content,
    ...Object.fromEntries(
      AUDIT_FORMATS.map((format) => [AUDIT_MEDIA_TYPES[format].split(";")[0]!, { schema: z.string() }]),
    ),
  },
};

function auditFile(trail: AuditTrailStore, format: AuditFormat, filter: AuditFilter): Response {
  const stream = ReadableStream.from(exportAudit(trail, { format, filter })).pipeThrough(new TextEncoderStream());
  return new Response(stream, {
    headers: {
      "content-type": AUDIT_MEDIA_TYPES[format],
      "content-disposition": `attachment; filename="audit.${format}"`,
      "cache-control": "no-store",
    },
  });
}

function auditRoutes(app: App, services: Services): void {
  app.openapi(
    createRoute({
      method: "get",
      path: "/api/v1/audit",
      middleware: callers(services),
      tags: TAGS,
      summary: "Audit records, newest first; admins see all, others their own",
      security: SECURED,
      request: {
        query: z.object({
          ...pageShape,
          actor: z.string().max(64).optional(),
          action: z.string().max(64).optional(),
          package: z.string().max(140).optional(),
          since: instant,
          until: instant,
          format: z.enum(["json", ...AUDIT_FORMATS]).default("json"),
        }),
      },
      responses: {
        200: auditResponse,
        ...problems(400, 401, 403),
      },
    }),
    async (context): Promise<Response> => {
      const principal = principalOf(context);
      const query = context.req.valid("query");
      const actor = administers(principal) ? query.actor : principal.account.username;
      const filter = {
        ...(actor === undefined ? {} : { actor }),
        ...(query.action === undefined ? {} : { action: query.action }),
        ...(query.package === undefined ? {} : { package: query.package }),
        ...(query.since === undefined ? {} : { since: Date.parse(query.since) }),
        ...(query.until === undefined ? {} : { until: Date.parse(query.until) }),
      };
      if (query.format !== "json") return auditFile(services.metadata.auditTrail, query.format, filter);
      const request = { ...filter, page: query.page, perPage: query.per_page };
      const page = await services.metadata.audits(request);
      const items = page.items.map((record) => ({ ...record, at: timestamp(record.at) }));
      return context.json(pageBody(services, context, request, { items, total: page.total }));
    },
  );
}

function discoveryRoutes(app: App, services: Services): void {
  app.get("/.well-known/lading.json", async (context): Promise<Response> => {
    if (services.upstreams.whole !== undefined) return describeTree(services, context, "");
    const { name, mode, packageBytes, signatures } = services.settings;
    const base = baseUrl(services, context);
    const trust = services.trust?.description;
    return context.json(
      {
        protocol: 1,
        name,
        mode,
        index: `${base}/`,
        blobs: blobsUrl(services, context),
        api: `${base}/api/v1/`,
        feed: `${base}/feed/`,
        auth: ["token", "basic"],
        limits: { packageBytes },
        uploads: {
          url: `${base}/api/v1/uploads`,
          from_bytes: services.uploads.options.fromBytes,
          part_bytes: services.uploads.options.partBytes,
        },
        signatures,
        keys: trust?.keys ?? [],
        ...(trust === undefined
          ? {}
          : {
              root: trust.root,
              metadata: `${base}/metadata/`,
              files: `${base}/api/v1/files`,
              log: { ...trust.log, url: `${base}/log/` },
              policy: policyOf(services.settings),
            }),
      },
      200,
      { "cache-control": "no-cache" },
    );
  });
  app.get("/metrics", async (context) => {
    if (!services.settings.readPublic) await requirePrincipal(services, context, "read");
    const { text, contentType } = await services.metrics.render();
    return context.body(text, 200, { "content-type": contentType, "cache-control": "no-store" });
  });
}

/** A read's answer for the web handler. */
export function webAnswer(answer: ReadAnswer, method: string): Response {
  const body =
    method === "HEAD" || answer.status === 304
      ? null
      : (answer.bytes?.slice() ?? answer.blob?.source.stream(answer.blob.range) ?? null);
  return new Response(body, { status: answer.status, headers: answer.headers });
}

function readRoutes(app: App, services: Services): void {
  app.on(["GET", "HEAD"], ["/index/*", "/blobs/*", "/metadata/*", "/log/*", "/upstreams/*"], async (context, next) => {
    await requireReader(services, context);
    // Described by a route of its own, which comes after this one.
    if (context.req.path.endsWith("/.well-known/lading.json")) return next();
    const path = context.req.path.slice(1);
    const headers: ReadHeaders = {
      "if-none-match": context.req.header("if-none-match"),
      "if-range": context.req.header("if-range"),
      range: context.req.header("range"),
      "accept-encoding": context.req.header("accept-encoding"),
    };
    const answer = await services.reads.answer(path, headers);
    const blob = downloadedBlob(path, answer, context.req.method);
    if (blob !== undefined) {
      services.downloads.add(blob);
      services.metrics.download();
    }
    return webAnswer(answer, context.req.method);
  });
}

// Only files of our own origin: no inline script, no inline style, no foreign host.
const DOCS_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const DOCS_TYPES: Readonly<Record<string, string>> = {
  "swagger-ui.css": "text/css; charset=utf-8",
  "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
  "favicon-32x32.png": "image/png",
};
const DOCS_PAGE = (title: string): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="icon" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<noscript><p>The same description is at <a href="/openapi.json">/openapi.json</a>.</p></noscript>
<main id="docs"></main>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`;
const DOCS_START = `"use strict";
window.ui = SwaggerUIBundle({ url: "/openapi.json", dom_id: "#docs", deepLinking: true, validatorUrl: null });
`;

const escapeHtml = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");

function docsRoutes(app: App, services: Services): void {
  const headers = (type: string): Record<string, string> => ({
    "content-type": type,
    "content-security-policy": DOCS_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
  });
  app.get("/openapi.json", (context) => context.json(openApiDocument(app, services, baseUrl(services, context))));
  app.get("/", (context) => context.redirect("/docs", 302));
  app.get("/docs", (context: RouteContext) =>
    context.body(DOCS_PAGE(escapeHtml(`${services.settings.name}: API`)), 200, headers("text/html; charset=utf-8")),
  );
  app.get("/docs/start.js", (context) => context.body(DOCS_START, 200, headers("text/javascript; charset=utf-8")));
  app.get("/docs/:asset", async (context) => {
    const name = context.req.param("asset");
    const type = Object.hasOwn(DOCS_TYPES, name) ? DOCS_TYPES[name] : undefined;
    const bytes = type === undefined ? undefined : await services.docsAsset(name);
    if (bytes === undefined)
      throw new RegistryError({ code: "NOT_FOUND", message: `Cannot find "/docs/${name.slice(0, 100)}"` });
    return context.body(bytes.slice(), 200, { ...headers(type!), "cache-control": "public, max-age=86400" });
  });
}

/** The OpenAPI 3.1 description of every registered route. */
export function openApiDocument(app: App, services: Services, base: string): object {
  const codes = Object.entries(REGISTRY_ERRORS).map(([code, { summary }]) => `- \`${code}\`: ${summary}`);
  const { paths = {}, ...document } = app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: `${services.settings.name}: registry API`,
      version: services.settings.version,
      description: `Errors are problem details (RFC 9457) with one of these codes:\n\n${codes.join("\n")}`,
      license: { name: "MIT" },
    },
    servers: [{ url: base }],
  });
  const documented = Object.entries(paths).map(([path, item]) => [SLASHED.has(path) ? `${path}/` : path, item]);
  return { ...document, paths: Object.fromEntries(documented) as typeof paths };
}

/** Both forms answer; the one with the slash is the documented one. */
const SLASHED: ReadonlySet<string> = new Set(["/api/v1/packages", "/simple", "/simple/{name}"]);

function describeReads(app: App): void {
  const registry = app.openAPIRegistry;
  registry.registerComponent("securitySchemes", "bearer", {
    type: "http",
    scheme: "bearer",
    description: "A token (`ldg_…`) or a session",
  });
  registry.registerComponent("securitySchemes", "basic", {
    type: "http",
    scheme: "basic",
    description: "Over TLS or loopback only",
  });
  const json = { "application/json": { schema: z.object({}).loose() } };
  const described = [
    { path: "/.well-known/lading.json", summary: "Where this registry's parts are", content: json },
    { path: "/index/_/{ab}/{file}", summary: "Index document of a package without namespace", content: json },
    { path: "/index/@{namespace}/{ab}/{file}", summary: "Index document of a package in a namespace", content: json },
    {
      path: "/blobs/sha256/{hex}",
      summary: "A package file, statement or readme, immutable",
      content: { "application/octet-stream": { schema: z.string() } },
    },
    {
      path: "/blobs/sha256/{hex}.sig",
      summary: "The statement about a package file, immutable",
      content: { "application/octet-stream": { schema: z.string() } },
    },
    { path: "/metrics", summary: "Prometheus metrics", content: { "text/plain": { schema: z.string() } } },
    { path: "/openapi.json", summary: "This description", content: json },
    { path: "/docs", summary: "This description, browsable", content: { "text/html": { schema: z.string() } } },
  ];
  for (const { path, summary, content } of described) {
    const names = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!);
    registry.registerPath({
      method: "get",
      path,
      tags: TAGS,
      summary,
      request: { params: z.object(Object.fromEntries(names.map((name) => [name, z.string()]))) },
      responses: { 200: { description: summary, content }, ...problems(401, 404) },
    });
  }
}

/** Registers health, audit, discovery, reads and documentation. */
export function registerSystemRoutes(app: App, services: Services): void {
  describeReads(app);
  readRoutes(app, services);
  healthRoutes(app, services);
  auditRoutes(app, services);
  discoveryRoutes(app, services);
  docsRoutes(app, services);
}
