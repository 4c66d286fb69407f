import { createRoute, z } from "@hono/zod-openapi";
import { digestHex, tryParseHostVersion, type CanonicalName, type PackageName } from "@lading/core-manifest";
import { nameSkeleton } from "../package-name-rules.ts";
import type { SearchQuery } from "../ports.ts";
import { checkNewName, checkRights, publish, receive } from "../publish.ts";
import { contentRemoved } from "../governance/blob-gate.ts";
import type { PackageSummary, VersionRecord } from "../records.ts";
import { RegistryError } from "../registry-error.ts";
import { principalOf, readers, smallBody, writers } from "./access.ts";
import { auditEntry, baseUrl, blobsUrl, type App, type RouteContext, type Services } from "./context.ts";
import { bodyName, packageNotFound, pathName, requireOwner, requirePackage, requireVersion } from "./guards.ts";
import { answerOnce, idempotent } from "./idempotency.ts";
import { packageUrl, packageView, summaryView, versionDetailsView, versionView } from "./package-views.ts";
import { pageBody } from "./paging.ts";
import {
  answerPublished,
  artifact,
  countedPublication,
  publishPorts,
  publishRequest,
  published,
} from "./publish-answer.ts";
import { versionEtag } from "./preconditions.ts";
import { SECURED, jsonResponse, nameParam, pageShape, problems, versionParam } from "./schemas.ts";
import { trustOf } from "./version-trust.ts";

const TAGS = ["packages"];
const dependency = z.object({ name: z.string(), kind: z.string(), requirement: z.string() }).loose();
const versionItem = z
  .object({
    version: z.string(),
    kind: z.enum(["binary", "source"]),
    status: z.enum(["active", "yanked", "deprecated", "held", "removed"]),
    yanked: z.boolean(),
    reason: z.string().optional(),
    replacement: z.string().optional(),
    removed: z.object({ reason: z.string(), at: z.string(), purge: z.boolean() }).optional(),
    published: z.string(),
    publisher: z.string(),
    downloads: z.number(),
    license: z.string().optional(),
    signed: z.boolean(),
    links: z.record(z.string(), z.string()),
  })
  .openapi("VersionItem");
const signature = z.object({ algorithm: z.string(), signers: z.array(z.string()), verified: z.boolean() });
const trusted = z
  .object({
    publisher: z.string(),
    keys: z.array(z.object({ fingerprint: z.string(), state: z.string().optional(), trusted: z.boolean().optional() })),
    log: z.object({ origin: z.string(), key: z.string(), size: z.number(), root: z.string() }),
    root: z.object({ version: z.number(), digest: z.string(), development: z.boolean() }),
    visible: z.boolean(),
    text: z.array(z.string()).openapi({ description: "The same in plain words, a line each" }),
    links: z.record(z.string(), z.string()),
  })
  .openapi("VersionTrust");
const versionDetails = versionItem
  .extend({
    name: z.string(),
    artifacts: z.array(artifact),
    signature: signature.optional(),
    trust: trusted.optional(),
    dependencies: z.array(dependency),
    features: z.record(z.string(), z.array(z.string())),
    hosts: z.record(z.string(), z.string()),
    manifest: z.object({ name: z.string(), version: z.string() }).loose(),
  })
  .openapi("VersionDetails");
const summaryItem = z
  .object({
    name: z.string(),
    latest: z.string().optional(),
    version: z.string().optional(),
    title: z.string().optional(),
    description: z.string().optional(),
    license: z.string().optional(),
    keywords: z.array(z.string()),
    categories: z.array(z.string()),
    downloads: z.number(),
    created: z.string(),
    updated: z.string(),
    links: z.record(z.string(), z.string()),
  })
  .openapi("PackageSummary");
const packageDetails = summaryItem
  .extend({
    sequence: z.number(),
    owners: z.array(z.string()),
    channels: z.record(z.string(), z.string()),
    versions: z.array(versionItem),
  })
  .loose()
  .openapi("PackageDetails");
const summaryPage = z
  .object({
    items: z.array(summaryItem),
    page: z.number(),
    per_page: z.number(),
    total: z.number(),
    hosts: z
      .record(z.string(), z.string())
      .optional()
      .openapi({ description: "The hosts that the items were chosen for, where `host` asked for any" }),
  })
  .openapi("PackagePage");
const createName = z.object({ name: z.string().max(140) }).openapi("CreateName");
const uploadForm = z
  .object({
    metadata: z.string().openapi({ description: 'JSON: {"blob": "sha256:…", "size": 123, "tree": "sha256:…"}' }),
    statement: z
      .string()
      .optional()
      .openapi({ format: "binary", description: "DSSE envelope (application/vnd.dsse+json)" }),
    package: z.string().openapi({ format: "binary", description: "The package file, streamed; last" }),
  })
  .openapi("Upload");

const HOSTS_MAX = 16;
const hostText = z
  .string()
  .max(200)
  .refine((text) => readHost(text) !== undefined, "expected AXIS=VERSION, as in revit=2025");

function readHost(text: string): readonly [string, string] | undefined {
  const [axis = "", version = "", ...rest] = text.split("=");
  return axis === "" || rest.length > 0 || tryParseHostVersion(version) === undefined ? undefined : [axis, version];
}

const searchShape = {
  ...pageShape,
  host: z
    .union([hostText, z.array(hostText).max(HOSTS_MAX)])
    .optional()
    .openapi({
      type: "array",
      items: { type: "string" },
      example: ["revit=2025"],
      description:
        "`AXIS=VERSION`, once for each host: only packages with a version that may be chosen and is for all of them; `version` is the newest such one, and `hosts` of the answer says that the filter was applied",
    }),
  q: z.string().max(500).default(""),
  category: z.string().max(100).optional(),
  keyword: z.string().max(100).optional(),
  sort: z.enum(["relevance", "downloads", "updated", "name"]).default("relevance"),
};

function searchQuery(query: z.infer<z.ZodObject<typeof searchShape>>, publishedOnly: boolean): SearchQuery {
  const { q, page, per_page: perPage, category, keyword, sort, host } = query;
  return {
    text: q,
    page,
    perPage,
    sort,
    publishedOnly,
    ...(category === undefined ? {} : { category }),
    ...(keyword === undefined ? {} : { keyword }),
    ...(host === undefined ? {} : { hosts: Object.fromEntries([host].flat().map((text) => readHost(text)!)) }),
  };
}

function listRoutes(app: App, services: Services): void {
  const answer = async (context: RouteContext, query: SearchQuery): Promise<Response> => {
    const page = await services.metadata.search(query);
    const base = baseUrl(services, context);
    const items = page.items.map(({ fitting, ...item }) => ({
      ...summaryView(base, item),
      ...(fitting === undefined ? {} : { version: fitting }),
    }));
    return context.json({
      ...pageBody(services, context, query, { ...page, items }),
      ...(query.hosts === undefined ? {} : { hosts: query.hosts }),
    });
  };
  const responses = { 200: jsonResponse(summaryPage, "One page of packages"), ...problems(400, 401) };
  app.openapi(
    createRoute({
      method: "get",
      path: "/api/v1/packages",
      middleware: readers(services),
      tags: TAGS,
      summary: "List packages",
      request: { query: z.object({ ...searchShape, sort: searchShape.sort.default("name") }) },
      responses,
    }),
    async (context) => answer(context, searchQuery(context.req.valid("query"), false)),
  );
  app.openapi(
    createRoute({
      method: "get",
      path: "/api/v1/search",
      middleware: readers(services),
      tags: TAGS,
      summary: "Search packages by words in name, title, description and keywords, best match first",
      request: { query: z.object(searchShape) },
      responses,
    }),
    async (context) => answer(context, searchQuery(context.req.valid("query"), true)),
  );
}

/** What is said of all versions of a package, and what it depends on besides them and the summary: what it is, and who. */
interface VersionsView {
  readonly summary: PackageSummary;
  readonly facts: readonly string[];
  readonly view: (base: string, versions: readonly VersionRecord[]) => unknown;
}

async function sendVersionsView(
  services: Services,
  context: RouteContext,
  { summary, facts, view }: VersionsView,
): Promise<Response> {
  const { canonical, sequence, downloads } = summary;
  const base = baseUrl(services, context);
  const [kind, ...others] = facts;
  // Every change of versions raises the sequence, and every download of one is counted for its package in the same moment.
  const bytes = await services.views.get(
    `${kind} ${canonical} ${base}`,
    JSON.stringify([sequence, downloads, ...others]),
    async () => view(base, await services.metadata.versions(canonical)),
  );
  const described = { "content-type": "application/json" };
  const { body } = context.env ?? {};
  if (body === undefined) return context.body(bytes, 200, described);
  body.bytes = bytes;
  return context.body(null, 200, described);
}

async function readPackage(services: Services, text: string): Promise<PackageSummary> {
  const summary = await services.summaries.get(pathName(text).canonical);
  if (summary === undefined) throw packageNotFound(text);
  return summary;
}

function detailRoutes(app: App, services: Services): void {
  app.openapi(
    createRoute({
      method: "get",
      path: "/api/v1/packages/{name}",
      middleware: readers(services),
      tags: TAGS,
      summary: "A package with its versions, owners and the metadata of its latest version",
      request: { params: z.object({ name: nameParam }) },
      responses: { 200: jsonResponse(packageDetails, "The package"), ...problems(401, 404) },
    }),
    async (context): Promise<Response> => {
      const summary = await readPackage(services, context.req.valid("param").name);
      const owners = await services.owners.get(summary.canonical);
      return sendVersionsView(services, context, {
        summary,
        facts: ["package", ...owners],
        view: (base, versions) => packageView(base, summary, versions, owners),
      });
    },
  );
  app.openapi(
    createRoute({
      method: "get",
      path: "/api/v1/packages/{name}/versions",
      middleware: readers(services),
      tags: TAGS,
      summary: "Versions of a package, ascending by SemVer precedence",
      request: { params: z.object({ name: nameParam }) },
      responses: {
        200: jsonResponse(z.object({ items: z.array(versionItem), total: z.number() }), "All versions"),
        ...problems(401, 404),
      },
    }),
    async (context): Promise<Response> => {
      const summary = await readPackage(services, context.req.valid("param").name);
      return sendVersionsView(services, context, {
        summary,
        facts: ["versions"],
        view: (base, versions) => ({
          name: summary.name,
          items: versions.map((record) => versionView(base, summary.name, record)),
          total: versions.length,
        }),
      });
    },
  );
  app.openapi(
    createRoute({
      method: "get",
      path: "/api/v1/packages/{name}/versions/{version}",
      middleware: readers(services),
      tags: TAGS,
      summary: "One version: artefacts, signature, manifest, dependencies",
      request: { params: z.object({ name: nameParam, version: versionParam }) },
      responses: { 200: jsonResponse(versionDetails, "The version"), ...problems(401, 404) },
    }),
    async (context): Promise<Response> => {
      const { name, version } = context.req.valid("param");
      const summary = await requirePackage(services, name);
      const record = await requireVersion(services, summary, version);
      context.header("etag", versionEtag(record));
      const trust = await trustOf(services, summary.canonical, record);
      return context.json(versionDetailsView(baseUrl(services, context), summary.name, record, trust));
    },
  );
}

async function sendReadme(
  services: Services,
  context: RouteContext,
  name: string,
  version?: string,
): Promise<Response> {
  const summary = await requirePackage(services, name);
  const record = await requireVersion(services, summary, version ?? summary.latest ?? "");
  if (record.removed !== undefined)
    throw contentRemoved(`Cannot send the readme of "${summary.name}" ${record.version}`, record.removed.reason);
  const digest = record.artifacts.find(({ readme }) => readme !== undefined)?.readme;
  const blob = digest && (await services.blobs.open(digest));
  if (blob === undefined) {
    throw new RegistryError({
      code: "NOT_FOUND",
      message: `Cannot find a readme in "${summary.name}" ${record.version}`,
    });
  }
  // Sent as text of no origin: a readme is foreign content.
  return context.body(blob.stream(), 200, {
    "content-type": "text/markdown; charset=utf-8",
    "content-length": String(blob.size),
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; sandbox",
  });
}

function fileRoutes(app: App, services: Services): void {
  app.openapi(
    createRoute({
      method: "get",
      path: "/api/v1/packages/{name}/versions/{version}/download",
      middleware: readers(services),
      tags: TAGS,
      summary: "Redirect to the file of a version",
      request: {
        params: z.object({ name: nameParam, version: versionParam }),
        query: z.object({ target: z.string().max(64).default("any") }),
      },
      responses: { 302: { description: "The immutable blob" }, ...problems(401, 404) },
    }),
    async (context): Promise<Response> => {
      const { name, version } = context.req.valid("param");
      const { target } = context.req.valid("query");
      const summary = await requirePackage(services, name);
      const record = await requireVersion(services, summary, version);
      const file =
        record.artifacts.find((artifact) => artifact.target === target) ??
        (target === "any" && record.artifacts.length === 1 ? record.artifacts[0] : undefined);
      if (file === undefined) {
        throw new RegistryError({
          code: "VERSION_NOT_FOUND",
          message: `Cannot find a file of "${summary.name}" ${record.version} for target "${target}": there are ${record.artifacts.map((artifact) => `"${artifact.target}"`).join(", ")}`,
        });
      }
      return context.redirect(`${blobsUrl(services, context)}${digestHex(file.blob)}`, 302);
    },
  );
  const readme = { 200: { description: "Markdown source", content: { "text/markdown": { schema: z.string() } } } };
  app.openapi(
    createRoute({
      method: "get",
      path: "/api/v1/packages/{name}/readme",
      middleware: readers(services),
      tags: TAGS,
      summary: "The readme of the latest version, as its author wrote it",
      request: { params: z.object({ name: nameParam }) },
      responses: { ...readme, ...problems(401, 404) },
    }),
    async (context): Promise<Response> => sendReadme(services, context, context.req.valid("param").name),
  );
  app.openapi(
    createRoute({
      method: "get",
      path: "/api/v1/packages/{name}/versions/{version}/readme",
      middleware: readers(services),
      tags: TAGS,
      summary: "The readme of a version, as its author wrote it",
      request: { params: z.object({ name: nameParam, version: versionParam }) },
      responses: { ...readme, ...problems(401, 404) },
    }),
    async (context): Promise<Response> => {
      const { name, version } = context.req.valid("param");
      return sendReadme(services, context, name, version);
    },
  );
}

async function upload(services: Services, context: RouteContext, addressed?: string): Promise<Response> {
  const ports = publishPorts(services);
  return countedPublication(services, async () => {
    const form = await receive(ports, context.req.raw);
    const { blob, size, tree = "", channel = "", origin = "" } = form.declared;
    // Of a resent upload the boundary differs and the bytes that are published do not: those are what counts.
    const content = [blob, String(size), tree, channel, origin, form.statement ?? ""];
    return await answerOnce(services, context, content, async () => {
      const done = await publish(ports, form, {
        ...publishRequest(services, context),
        ...(addressed === undefined ? {} : { addressed: pathName(addressed).name }),
      });
      return answerPublished(services, context, done);
    }).finally(() => form.package.discard());
  });
}

function isJson(context: RouteContext): boolean {
  return /^application\/(?:[\w.-]+\+)?json\b/i.test(context.req.header("content-type") ?? "");
}

async function createPackageName(services: Services, context: RouteContext): Promise<Response> {
  const body = createName.safeParse(await context.req.json().catch(() => undefined));
  if (!body.success) {
    throw new RegistryError({
      code: "REQUEST_INVALID",
      message: 'Cannot create a package: the body is not a JSON object with a string "name"',
      errors: [{ field: "body.name", message: "expected a package name" }],
    });
  }
  const named = bodyName(body.data.name);
  const home = await services.trees?.treeOf(named.canonical, "write", principalOf(context));
  return createNamed(home?.server.services ?? services, context, named);
}

async function createNamed(
  services: Services,
  context: RouteContext,
  { name, canonical }: { readonly name: PackageName; readonly canonical: CanonicalName },
): Promise<Response> {
  const principal = principalOf(context);
  const verdict = await checkRights(services, principal, canonical);
  const existing = await services.metadata.package(canonical);
  if (existing === undefined) {
    await checkNewName(services, principal, canonical, verdict);
    await services.reviews.requireFreeName(name, canonical, principal.account);
  }
  if (existing !== undefined) await requireOwner(services, principal, existing, "publish");
  const audit = auditEntry(services, context, { action: "package.create", package: name });
  const outcome = await services.metadata.createPackage(
    { name, canonical, skeleton: nameSkeleton(canonical), account: principal.account },
    audit,
  );
  const summary = await requirePackage(services, canonical);
  // Of two racing creators one owns it; the other hears so.
  await requireOwner(services, principal, summary, "publish");
  const base = baseUrl(services, context);
  context.header("location", packageUrl(base, summary.name));
  return context.json(summaryView(base, summary), outcome === "created" ? 201 : 200);
}

function publishRoutes(app: App, services: Services): void {
  const responses = {
    200: jsonResponse(published, "The same tree is published already; the first file and statement stay"),
    201: jsonResponse(published, "Published"),
    202: jsonResponse(published, "Held: it waits for a reviewer, and nobody else sees it"),
    ...problems(400, 401, 403, 409, 413, 415, 422, 503),
  };
  // The body is a stream of any length: it must not pass through the framework's form parser.
  app.openAPIRegistry.registerPath({
    method: "post",
    path: "/api/v1/packages",
    tags: TAGS,
    summary: "Publish a version (multipart), or create a name (JSON)",
    security: SECURED,
    request: {
      body: {
        required: true,
        content: { "multipart/form-data": { schema: uploadForm }, "application/json": { schema: createName } },
      },
    },
    responses,
  });
  app.openAPIRegistry.registerPath({
    method: "post",
    path: "/api/v1/packages/{name}/versions",
    tags: TAGS,
    summary: "Publish a version of this package",
    security: SECURED,
    request: {
      params: z.object({ name: nameParam }),
      body: { required: true, content: { "multipart/form-data": { schema: uploadForm } } },
    },
    responses,
  });
  app.post(
    "/api/v1/packages",
    writers(services, "publish"),
    async (context, next) => (isJson(context) ? next() : upload(services, context)),
    smallBody,
    idempotent(services),
    async (context) => createPackageName(services, context),
  );
  app.post("/api/v1/packages/:name/versions", writers(services, "publish"), async (context) =>
    upload(services, context, context.req.param("name")),
  );
}

/** Registers the routes of packages and versions that read and publish. */
export function registerPackageRoutes(app: App, services: Services): void {
  listRoutes(app, services);
  publishRoutes(app, services);
  detailRoutes(app, services);
  fileRoutes(app, services);
}
