import { createRoute, z } from "@hono/zod-openapi";
import type { Digest } from "@lading/core-manifest";
import type { ArtifactRecord, PackageSummary, VersionRecord } from "../records.ts";
import { RegistryError } from "../registry-error.ts";
import { readers } from "./access.ts";
import { baseUrl, blobsUrl, type App, type RouteContext, type Services } from "./context.ts";
import { requirePackage } from "./guards.ts";
import { nameParam, problems } from "./schemas.ts";

const TAGS = ["simple"];
const PAGE = 200;
const GZIP = 0x1f8b;
const ZSTD = 0x28b5;
const LZ4 = 0x0422;

/** One file of the simple index. */
interface SimpleFile {
  readonly name: string;
  readonly blob: Digest;
  readonly yanked?: string;
}

const escape = (text: string): string =>
  text.replaceAll(/[&<>"']/g, (character) => `&#${character.codePointAt(0)!.toString()};`);

function page(title: string, lines: readonly string[]): string {
  return `<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><meta name="pypi:repository-version" content="1.0"><title>${escape(title)}</title></head>\n<body>\n<h1>${escape(title)}</h1>\n${lines.join("\n")}\n</body>\n</html>\n`;
}

function html(context: RouteContext, text: string): Response {
  return context.body(text, 200, {
    "content-type": "text/html; charset=utf-8",
    "cache-control": "no-cache",
    "content-security-policy": "default-src 'none'; sandbox",
    "x-content-type-options": "nosniff",
  });
}

/** Foreign installers go by the ending; the bytes say which it is. */
async function endingOf(services: Services, { blob, size }: ArtifactRecord): Promise<string> {
  const stored = size < 2 ? undefined : await services.blobs.open(blob);
  if (stored === undefined) return "tar";
  const head = new Uint8Array(await new Response(stored.stream({ start: 0, end: 1 })).arrayBuffer());
  const magic = (head[0]! << 8) | head[1]!;
  return { [GZIP]: "tar.gz", [ZSTD]: "tar.zst", [LZ4]: "tar.lz4" }[magic] ?? "tar";
}

/** The files of a package, or those of them that may have the name. */
async function filesOf(
  services: Services,
  { name, canonical }: PackageSummary,
  wanted?: string,
): Promise<SimpleFile[]> {
  const files: SimpleFile[] = [];
  for (const version of await services.metadata.versions(canonical)) {
    if (version.status === "held") continue;
    for (const artifact of version.artifacts) {
      // Who asks for one file has none of the others opened.
      if (wanted?.startsWith(`${stemOf(name, version, artifact)}.`) === false) continue;
      files.push(await fileOf(services, name, version, artifact));
    }
  }
  return files;
}

function stemOf(name: string, { version }: VersionRecord, { target }: ArtifactRecord): string {
  return `${name.replaceAll("/", "-")}-${version}${["any", "source"].includes(target) ? "" : `-${target}`}`;
}

async function fileOf(
  services: Services,
  name: string,
  version: VersionRecord,
  artifact: ArtifactRecord,
): Promise<SimpleFile> {
  const { status, reason } = version;
  return {
    name: `${stemOf(name, version, artifact)}.${await endingOf(services, artifact)}`,
    blob: artifact.blob,
    // One that was taken down is there for nobody; foreign installers know no stronger word.
    ...(status === "yanked" || status === "removed" ? { yanked: reason ?? "" } : {}),
  };
}

async function packagesPage(services: Services, context: RouteContext): Promise<Response> {
  const base = `${baseUrl(services, context)}/simple`;
  const lines: string[] = [];
  for (let at = 1; ; at += 1) {
    const { items } = await services.metadata.search({
      text: "",
      page: at,
      perPage: PAGE,
      sort: "name",
      publishedOnly: true,
    });
    for (const { name } of items) lines.push(`<a href="${base}/${encodeURIComponent(name)}/">${escape(name)}</a><br>`);
    if (items.length < PAGE) return html(context, page("Simple index", lines));
  }
}

async function filesPage(services: Services, context: RouteContext, summary: PackageSummary): Promise<Response> {
  const base = `${baseUrl(services, context)}/simple/${encodeURIComponent(summary.name)}`;
  const files = await filesOf(services, summary);
  const lines = files.map(({ name, blob, yanked }) => {
    const mark = yanked === undefined ? "" : ` data-yanked="${escape(yanked)}"`;
    const digest = blob.slice("sha256:".length);
    return `<a href="${base}/${encodeURIComponent(name)}#sha256=${digest}"${mark}>${escape(name)}</a><br>`;
  });
  return html(context, page(`Files of ${summary.name}`, lines));
}

/** Registers the simple index: pages of links with digests, for installers that know no other (PEP 503, PEP 592). */
export function registerSimpleRoutes(app: App, services: Services): void {
  const pages = {
    200: { description: "A page of links", content: { "text/html": { schema: z.string() } } },
    ...problems(401, 404),
  };
  const common = { method: "get", middleware: readers(services), tags: TAGS } as const;
  app.openapi(
    createRoute({ ...common, path: "/simple", summary: "Simple index of all packages", responses: pages }),
    async (context): Promise<Response> => packagesPage(services, context),
  );
  app.openapi(
    createRoute({
      ...common,
      path: "/simple/{name}",
      summary: "Files of a package, each with #sha256= and its digest",
      request: { params: z.object({ name: nameParam }) },
      responses: pages,
    }),
    async (context): Promise<Response> =>
      filesPage(services, context, await requirePackage(services, context.req.valid("param").name)),
  );
  app.openapi(
    createRoute({
      ...common,
      path: "/simple/{name}/{file}",
      summary: "Redirect to a file of the simple index",
      request: { params: z.object({ name: nameParam, file: z.string().max(300) }) },
      responses: { 302: { description: "The immutable blob" }, ...problems(401, 404) },
    }),
    async (context): Promise<Response> => {
      const { name, file } = context.req.valid("param");
      const found = (await filesOf(services, await requirePackage(services, name), file)).find(
        (one) => one.name === file,
      );
      if (found === undefined) {
        throw new RegistryError({
          code: "NOT_FOUND",
          message: `Cannot find file "${file.slice(0, 100)}" of package "${name}"`,
        });
      }
      return context.redirect(`${blobsUrl(services, context)}${found.blob.slice("sha256:".length)}`, 302);
    },
  );
}
