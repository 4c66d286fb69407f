import { createRoute, z } from "@hono/zod-openapi";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { acceptsGzip } from "../trust/served-file.ts";
import { RegistryError } from "../registry-error.ts";
import { readers, smallBody } from "./access.ts";
import type { App, Services } from "./context.ts";
import { problems } from "./schemas.ts";

/** Most files of one answer. */
const FILES_MAX = 256;
/** Most bytes of one answer. */
const BYTES_MAX = 16 * 2 ** 20;
const COMPRESS_MIN_BYTES = 512;

const filesBody = z.object({ paths: z.array(z.string().max(1100)).min(1).max(FILES_MAX) }).openapi("Files");

async function fileAt({ trust, index }: Services, path: string): Promise<Uint8Array | undefined> {
  return (await trust?.file(path))?.bytes ?? (path.startsWith("index/") ? (await index.read(path))?.bytes : undefined);
}

/**
 * Files one after the other: a line with path and length, then the bytes as they are served alone; `-` in place of a length
 * where there is no such file.
 */
async function together(services: Services, paths: readonly string[]): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let total = 0;
  for (const path of new Set(paths)) {
    const bytes = await fileAt(services, path);
    parts.push(Buffer.from(`${path} ${bytes?.length ?? "-"}\n`), ...(bytes === undefined ? [] : [bytes]));
    total += bytes?.length ?? 0;
    if (total > BYTES_MAX) {
      throw new RegistryError({
        code: "PAYLOAD_TOO_LARGE",
        message: `Cannot answer with these files at once: they have more than ${BYTES_MAX} bytes`,
        hint: "Ask for fewer files in one request",
        limit: BYTES_MAX,
      });
    }
  }
  return Buffer.concat(parts);
}

/** Registers the route of many files of metadata, log and index at once. */
export function registerTrustRoutes(app: App, services: Services): void {
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
      const bytes = await together(services, paths);
      const compressed = bytes.length >= COMPRESS_MIN_BYTES && acceptsGzip(context.req.header("accept-encoding"));
      const headers = {
        "content-type": "application/octet-stream",
        vary: "accept-encoding",
        "cache-control": "no-store",
      };
      return compressed
        ? context.body(new Uint8Array(await promisify(gzip)(bytes)), 200, { ...headers, "content-encoding": "gzip" })
        : context.body(new Uint8Array(bytes), 200, headers);
    },
  );
}
