import { z } from "@hono/zod-openapi";
import { tryParseChannel, tryParseDigest, tryParseVersion } from "@lading/core-manifest";
import { timestamp } from "../index-model.ts";
import { STATEMENT_MAX_BYTES } from "../publish-form.ts";
import { RegistryError } from "../registry-error.ts";
import type { DeclaredUpload, UploadSession } from "../uploads/upload-store.ts";
import { principalOf, writers } from "./access.ts";
import { auditEntry, baseUrl, type App, type RouteContext, type Services } from "./context.ts";
import { bodyName } from "./guards.ts";
import {
  answerPublished,
  countedPublication,
  publishPorts,
  publishRequest,
  published,
  publishedAnswer,
} from "./publish-answer.ts";
import { register, type Route } from "./route-table.ts";
import { SECURED, jsonResponse, problems } from "./schemas.ts";

const TAGS = ["uploads"];
const PATH = "/api/v1/uploads/{id}";
const ROUTE = "/api/v1/uploads/:id";
/** Version of the resumable upload protocol (tus) that `PATCH`, `HEAD` and `DELETE` of an upload speak. */
const TUS_VERSION = "1.0.0";
const APPENDED = "application/offset+octet-stream";

const declaration = z
  .object({
    name: z.string().max(140),
    version: z.string().max(256),
    target: z.string().min(1).max(64).default("any"),
    blob: z.string().openapi({ description: "Digest of the package file, `sha256:…`" }),
    size: z.number().int().min(1).max(Number.MAX_SAFE_INTEGER),
    tree: z.string().optional(),
    channel: z.string().optional(),
  })
  .openapi("UploadDeclaration");
const upload = z
  .object({
    id: z.string(),
    name: z.string(),
    version: z.string(),
    target: z.string(),
    status: z.enum(["open", "published"]),
    blob: z.string(),
    size: z.number(),
    offset: z.number().openapi({ description: "Bytes that are there without a gap; the upload goes on here" }),
    missing: z.array(z.object({ blob: z.string(), offset: z.number(), size: z.number() })),
    part_bytes: z.number().openapi({ description: "What a request should carry at most" }),
    expires: z.string(),
    links: z.record(z.string(), z.string()),
  })
  .openapi("Upload");
const partAnswer = z
  .object({
    method: z.literal("PUT"),
    url: z.string(),
    headers: z.record(z.string(), z.string()),
    offset: z.number(),
    size: z.number(),
    expires: z.string(),
  })
  .openapi("UploadPartAddress");
const partBody = z.object({ offset: z.number().int().min(0) }).openapi("UploadPart");

function field<Value>(name: string, value: Value | undefined, expected: string): Value {
  if (value !== undefined) return value;
  throw new RegistryError({
    code: "REQUEST_INVALID",
    message: `Cannot read the request: body.${name}: expected ${expected}`,
    errors: [{ field: `body.${name}`, message: `expected ${expected}` }],
  });
}

function declaredUpload(body: z.infer<typeof declaration>): DeclaredUpload {
  const { tree, channel } = body;
  const digest = '"sha256:" and 64 lower-case hexadecimal digits';
  return {
    ...bodyName(body.name),
    version: field("version", tryParseVersion(body.version), "a version"),
    target: body.target,
    blob: field("blob", tryParseDigest(body.blob), digest),
    size: body.size,
    ...(tree === undefined ? {} : { tree: field("tree", tryParseDigest(tree), digest) }),
    ...(channel === undefined ? {} : { channel: field("channel", tryParseChannel(channel), "the name of a channel") }),
  };
}

function view(services: Services, context: RouteContext, session: UploadSession, offset: number): object {
  const { id, declared, expires, result } = session;
  const { name, version, target, blob, size } = declared;
  const self = `${baseUrl(services, context)}/api/v1/uploads/${id}`;
  const { uploads } = services;
  return {
    id,
    name,
    version,
    target,
    status: result === undefined ? "open" : "published",
    blob,
    size,
    offset,
    missing: offset < size ? [{ blob, offset, size: size - offset }] : [],
    part_bytes: uploads.options.partBytes,
    expires: timestamp(expires),
    links: { self, publish: `${self}/publish`, ...(uploads.redirects ? { parts: `${self}/parts` } : {}) },
  };
}

function tell(context: RouteContext, { declared, expires }: UploadSession, offset: number): void {
  context.header("tus-resumable", TUS_VERSION);
  context.header("upload-offset", String(offset));
  context.header("upload-length", String(declared.size));
  context.header("upload-expires", new Date(expires).toUTCString());
}

async function ownUpload(services: Services, context: RouteContext): Promise<UploadSession> {
  return services.uploads.require(principalOf(context), context.req.param("id") ?? "", services.tree);
}

async function open(services: Services, context: RouteContext, body: unknown): Promise<Response> {
  const declared = declaredUpload(body as z.infer<typeof declaration>);
  const audit = auditEntry(services, context, { action: "upload.open" });
  const opened = await countedPublication(services, () =>
    services.uploads.open(publishPorts(services), publishRequest(services, context), { declared, audit }),
  );
  if ("published" in opened) return answerPublished(services, context, opened.published);
  const { session, created } = opened;
  const offset = await services.uploads.offset(session);
  tell(context, session, offset);
  context.header("location", `${baseUrl(services, context)}/api/v1/uploads/${session.id}`);
  return context.json(view(services, context, session, offset), created ? 201 : 200);
}

async function show(services: Services, context: RouteContext): Promise<Response> {
  const session = await ownUpload(services, context);
  const offset = await services.uploads.offset(session);
  tell(context, session, offset);
  return context.json(view(services, context, session, offset));
}

function requireAppended(context: RouteContext): number {
  const type = context.req.header("content-type") ?? "";
  if (type.split(";")[0]!.trim().toLowerCase() !== APPENDED) {
    throw new RegistryError({
      code: "MEDIA_TYPE_UNSUPPORTED",
      message: `Cannot take a body of type "${type.slice(0, 100)}": allowed is "${APPENDED}"`,
    });
  }
  const spoken = context.req.header("tus-resumable") ?? TUS_VERSION;
  const offset = context.req.header("upload-offset") ?? "";
  if (spoken !== TUS_VERSION) throw wrongHeader("tus-resumable", TUS_VERSION);
  if (!/^\d{1,15}$/.test(offset)) throw wrongHeader("upload-offset", "a number of bytes");
  return Number(offset);
}

function wrongHeader(name: string, expected: string): RegistryError {
  return new RegistryError({
    code: "REQUEST_INVALID",
    message: `Cannot read the request: header.${name}: expected ${expected}`,
    errors: [{ field: `header.${name}`, message: `expected ${expected}` }],
  });
}

async function append(services: Services, context: RouteContext): Promise<Response> {
  const session = await ownUpload(services, context);
  const offset = await services.uploads.append(session, requireAppended(context), context.req.raw.body);
  tell(context, session, offset);
  return context.body(null, 204);
}

async function addressPart(services: Services, context: RouteContext, body: unknown): Promise<Response> {
  const session = await ownUpload(services, context);
  const { offset } = body as z.infer<typeof partBody>;
  const { url, headers, part, seconds } = await services.uploads.partAddress(session, offset);
  const expires = timestamp(services.clock.now() + seconds * 1000);
  return context.json({ method: "PUT", url, headers, ...part, expires });
}

async function readStatement(body: ReadableStream<Uint8Array> | null): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.length;
    if (size > STATEMENT_MAX_BYTES) {
      throw new RegistryError({
        code: "PAYLOAD_TOO_LARGE",
        message: `Cannot read the statement: it has more than ${STATEMENT_MAX_BYTES} bytes`,
        limit: STATEMENT_MAX_BYTES,
      });
    }
    chunks.push(chunk);
  }
  return size === 0 ? undefined : Buffer.concat(chunks);
}

async function publishUpload(services: Services, context: RouteContext): Promise<Response> {
  const session = await ownUpload(services, context);
  return countedPublication(services, async () => {
    const statement = await readStatement(context.req.raw.body);
    const request = { ...publishRequest(services, context), statement };
    const outcome = await services.uploads.publish(publishPorts(services), session, request);
    if ("result" in outcome) {
      const { body, status, location } = outcome.result;
      context.header("location", location);
      return context.body(body, status, { "content-type": "application/json", "idempotency-replayed": "true" });
    }
    const { view: body, ...answer } = publishedAnswer(services, context, outcome.published);
    await services.uploads.finish(session, { ...answer, body: JSON.stringify(body) });
    return answerPublished(services, context, outcome.published);
  });
}

async function cancel(services: Services, context: RouteContext): Promise<Response> {
  const session = await ownUpload(services, context);
  const audit = auditEntry(services, context, { action: "upload.cancel", details: { upload: session.id } });
  await services.uploads.cancel(session, audit);
  context.header("tus-resumable", TUS_VERSION);
  return context.body(null, 204);
}

function table(services: Services): readonly Route[] {
  const guard = writers(services, "publish");
  const params = { id: z.string().max(64) };
  return [
    {
      method: "get",
      path: "/uploads/{id}",
      guard,
      summary: "How far an upload is; HEAD tells it in Upload-Offset",
      params,
      answer: upload,
      failures: [403, 404],
      handle: (context) => show(services, context),
    },
    {
      method: "post",
      path: "/uploads/{id}/parts",
      guard,
      summary: "An address of the registry's storage to which a part can be sent without credentials",
      params,
      body: partBody,
      answer: partAnswer,
      failures: [403, 404, 409, 503],
      handle: (context, body) => addressPart(services, context, body),
    },
    {
      method: "delete",
      path: "/uploads/{id}",
      guard,
      summary: "End an upload without publishing it",
      params,
      status: 204,
      failures: [403, 404],
      handle: (context) => cancel(services, context),
    },
  ];
}

// Bodies that are no JSON must not pass through the framework's parsers.
function streamRoutes(app: App, services: Services): void {
  const params = z.object({ id: z.string().max(64) });
  const binary = z.string().openapi({ format: "binary" });
  app.openAPIRegistry.registerPath({
    method: "patch",
    path: PATH,
    tags: TAGS,
    summary: "Append bytes to an upload (tus 1.0.0)",
    security: SECURED,
    request: {
      params,
      headers: z.object({ "upload-offset": z.string().openapi({ description: "Where these bytes begin" }) }),
      body: { required: true, content: { [APPENDED]: { schema: binary } } },
    },
    responses: {
      204: { description: "Taken; Upload-Offset says where it goes on" },
      ...problems(400, 401, 403, 404, 409, 413, 415, 503, 507),
    },
  });
  app.openAPIRegistry.registerPath({
    method: "post",
    path: `${PATH}/publish`,
    tags: TAGS,
    summary: "Publish an upload whose bytes are all there; the body is its statement, where it is signed",
    security: SECURED,
    request: { params, body: { required: false, content: { "application/vnd.dsse+json": { schema: binary } } } },
    responses: {
      200: jsonResponse(published, "The same is published already"),
      201: jsonResponse(published, "Published"),
      202: jsonResponse(published, "Held: it waits for a reviewer, and nobody else sees it"),
      ...problems(400, 401, 403, 404, 409, 413, 422, 503),
    },
  });
  const guard = writers(services, "publish");
  app.patch(ROUTE, guard, async (context) => append(services, context));
  app.post(`${ROUTE}/publish`, guard, async (context) => publishUpload(services, context));
}

/** Registers the routes of packages that come in parts. */
export function registerUploadRoutes(app: App, services: Services): void {
  register(app, TAGS, {
    method: "post",
    path: "/uploads",
    guard: writers(services, "publish"),
    summary: "Declare a package that comes in parts: checked at once, and opened or found again where it is under way",
    body: declaration,
    status: 201,
    answer: upload,
    failures: [403, 409, 413, 422, 503],
    handle: (context, body) => open(services, context, body),
  });
  for (const route of table(services)) register(app, TAGS, route);
  streamRoutes(app, services);
}
