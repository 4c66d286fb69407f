import { createRoute, z } from "@hono/zod-openapi";
import { canonicalName, tryParsePackageName, tryParseVersion } from "@lading/core-manifest";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { gzipOfParts, type AnswerPart } from "../deflate-fragments.ts";
import { acceptsGzip } from "../trust/served-file.ts";
import type { TrustService } from "../trust/trust-service.ts";
import { RegistryError } from "../registry-error.ts";
import { readers, smallBody } from "./access.ts";
import type { App, Services } from "./context.ts";
import { requirePackage, requireVersion, versionNotFound } from "./guards.ts";
import { jsonResponse, nameParam, problems, versionParam } from "./schemas.ts";

/** Most files of one answer. */
const FILES_MAX = 256;
/** Most bytes of one answer. */
const BYTES_MAX = 16 * 2 ** 20;

const filesBody = z.object({ paths: z.array(z.string().max(1100)).min(1).max(FILES_MAX) }).openapi("Files");

async function fileAt({ trust, index, upstreams }: Services, path: string): Promise<AnswerPart | undefined> {
  if (upstreams.whole !== undefined) {
    const bytes = path.startsWith("blobs/") ? undefined : await upstreams.whole.file(path);
    return bytes && { bytes };
  }
  const file = await trust?.file(path);
  if (file !== undefined) return file;
  return path.startsWith("index/") ? index.read(path) : undefined;
}

/**
 * Files one after the other: a line with path and length, then the bytes as they are served alone; `-` in place of a length
 * where there is no such file.
 */
async function together(services: Services, paths: readonly string[]): Promise<readonly AnswerPart[]> {
  const parts: AnswerPart[] = [];
  let total = 0;
  for (const path of new Set(paths)) {
    const file = await fileAt(services, path);
    parts.push({ bytes: Buffer.from(`${path} ${file?.bytes.length ?? "-"}\n`) }, ...(file === undefined ? [] : [file]));
    total += file?.bytes.length ?? 0;
    if (total > BYTES_MAX) {
      throw new RegistryError({
        code: "PAYLOAD_TOO_LARGE",
        message: `Cannot answer with these files at once: they have more than ${BYTES_MAX} bytes`,
        hint: "Ask for fewer files in one request",
        limit: BYTES_MAX,
      });
    }
  }
  return parts;
}

const wantedProof = z.object({
  name: z.string().max(140),
  version: z.string().max(256),
  target: z.string().max(64).default("any"),
});
const proofsBody = z.object({ packages: z.array(wantedProof).min(1).max(FILES_MAX) }).openapi("WantedProofs");
const proofView = z.object({
  name: z.string(),
  version: z.string(),
  target: z.string(),
  index: z.number().optional(),
  entry: z.string().optional(),
  hashes: z.array(z.string()).optional(),
});
const proofsView = z.object({ checkpoint: z.string(), proofs: z.array(proofView) }).openapi("Proofs");

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

async function leafOf(services: Services, wanted: z.infer<typeof wantedProof>): Promise<number | undefined> {
  const name = tryParsePackageName(wanted.name);
  const version = tryParseVersion(wanted.version);
  if (name === undefined || version === undefined) return undefined;
  const record = await services.metadata.version(canonicalName(name), version);
  return record?.artifacts.find(({ target }) => target === wanted.target)?.leaf;
}

/** Proofs of many publications against one checkpoint; what is unknown has none. */
async function proofsOf(services: Services, wanted: z.infer<typeof proofsBody>): Promise<z.infer<typeof proofsView>> {
  const trust = requireTrust(services);
  const found = await Promise.all(wanted.packages.map(async (one) => ({ ...one, leaf: await leafOf(services, one) })));
  const { checkpoint, proofs } = await trust.proofs(found.flatMap(({ leaf }) => leaf ?? []));
  return {
    checkpoint,
    proofs: found.map(({ leaf, ...one }) => {
      const proof = leaf === undefined ? undefined : proofs.get(leaf);
      if (proof === undefined) return one;
      return { ...one, index: leaf!, entry: base64(proof.entry), hashes: proof.hashes.map(base64) };
    }),
  };
}

function requireTrust({ trust }: Services): TrustService {
  if (trust !== undefined) return trust;
  throw new RegistryError({ code: "NOT_FOUND", message: "Cannot prove anything: this registry has no log" });
}

function proofRoutes(app: App, services: Services): void {
  app.openapi(
    createRoute({
      method: "get",
      path: "/api/v1/packages/{name}/versions/{version}/proof",
      middleware: readers(services),
      tags: ["packages"],
      summary: "Proof that the publication of a version's file is in the transparency log",
      request: {
        params: z.object({ name: nameParam, version: versionParam }),
        query: z.object({ target: z.string().max(64).default("any") }),
      },
      responses: {
        200: jsonResponse(
          z.object({ index: z.number(), checkpoint: z.string(), proof: z.string() }),
          "Place in the log, checkpoint, and c2sp.org/tlog-proof@v1",
        ),
        ...problems(401, 404, 503),
      },
    }),
    async (context): Promise<Response> => {
      const trust = requireTrust(services);
      const { name, version } = context.req.valid("param");
      const { target } = context.req.valid("query");
      const summary = await requirePackage(services, name);
      const record = await requireVersion(services, summary, version);
      const file = record.artifacts.find((one) => one.target === target) ?? record.artifacts[0];
      if (file?.leaf === undefined) throw versionNotFound(summary.name, version);
      return context.json(await trust.receipt(file.leaf));
    },
  );
  app.openapi(
    createRoute({
      method: "post",
      path: "/api/v1/proofs",
      middleware: [readers(services), smallBody],
      tags: ["system"],
      summary: "Proofs that many publications are in the transparency log, against one checkpoint",
      request: { body: { required: true, content: { "application/json": { schema: proofsBody } } } },
      responses: { 200: jsonResponse(proofsView, "One for each package asked for"), ...problems(400, 401, 404, 413) },
    }),
    async (context): Promise<Response> => {
      const body = await proofsOf(services, proofsBody.parse(context.req.valid("json")));
      const bytes = Buffer.from(JSON.stringify(body));
      const compressed = acceptsGzip(context.req.header("accept-encoding"));
      const headers = { "content-type": "application/json", vary: "accept-encoding", "cache-control": "no-store" };
      return compressed
        ? context.body(new Uint8Array(await promisify(gzip)(bytes)), 200, { ...headers, "content-encoding": "gzip" })
        : context.body(new Uint8Array(bytes), 200, headers);
    },
  );
}

/** Registers the routes of proofs, and of many files of metadata, log and index at once. */
export function registerTrustRoutes(app: App, services: Services): void {
  proofRoutes(app, services);
  app.openapi(
    createRoute({
      method: "post",
      path: "/api/v1/files",
      middleware: [readers(services), smallBody],
      tags: ["system"],
      summary: "Files of metadata, log and index, several at once: the bytes that each has alone",
      request: { body: { required: true, content: { "application/json": { schema: filesBody } } } },
      responses: {
        200: {
          description: "For each path a line `path length`, then the bytes; `path -` where there is none",
          content: { "application/octet-stream": { schema: z.string().openapi({ format: "binary" }) } },
        },
        ...problems(400, 401, 413),
      },
    }),
    async (context): Promise<Response> => {
      const { paths } = filesBody.parse(context.req.valid("json"));
      if (paths.some((path) => /[\n\r ]/.test(path))) {
        throw new RegistryError({ code: "REQUEST_INVALID", message: "Cannot read the request: a path has a space" });
      }
      const parts = await together(services, paths);
      const compressed = acceptsGzip(context.req.header("accept-encoding"));
      const headers = {
        "content-type": "application/octet-stream",
        vary: "accept-encoding",
        "cache-control": "no-store",
      };
      return compressed
        ? context.body(await gzipOfParts(parts), 200, { ...headers, "content-encoding": "gzip" })
        : context.body(Buffer.concat(parts.map(({ bytes }) => bytes)), 200, headers);
    },
  );
}
