import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import {
  canonicalName,
  compareVersions,
  digestHex,
  parsePackageName,
  parseVersion,
  renderIndexDocument,
  tryParseDigest,
  tryParsePackageName,
  type Digest,
  type IndexDocument,
  type IndexVersion,
} from "@lading/core-manifest";
import type { Fetch, FetchInit, FetchResponse } from "@lading/registry-client";
import { cacheDirectory, type EngineContext } from "./engine-context.ts";
import { hasErrno } from "./files.ts";

/** Bytes of a page, and of one file, that are read at most. */
const PAGE_MAX = 16 * 2 ** 20;
const FILE_MAX = 4 * 2 ** 30;
/** Files of one project that are looked at, the last of the page: pages list them oldest first. */
const FILES_MAX = 200;
const INDEX = "index/";
const BLOBS = ".lading/blobs/";
const ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.5, text/html;q=0.1";

/** One file of a project's page. */
export interface SimpleFile {
  /** Absolute. */
  readonly url: string;
  readonly filename: string;
  readonly sha256?: string;
  /** Why it was withdrawn, perhaps empty; absent: it was not. */
  readonly yanked?: string;
}

/**
 * Answers a registry client's requests from a simple index (PEP 503 and 691): the description, index documents that are
 * made from the package files which a project's page lists, and those files. Package files carry their own record, so
 * that nothing but the page and the files is asked for; files of other kinds are passed over.
 */
export function simpleIndexFetch(context: EngineContext, base: string, fetch: Fetch): Fetch {
  return async (url, init) => {
    const below = url.startsWith(base) ? url.slice(base.length) : undefined;
    if (below === undefined || init.method !== "GET") return fetch(url, init);
    if (below === ".well-known/lading.json")
      return json({ protocol: 1, mode: "static", blobs: `${base}${BLOBS}`, limits: {} });
    if (below.startsWith(INDEX)) return indexAnswer(context, base, fetch, below.slice(INDEX.length), init);
    if (below.startsWith(BLOBS)) return blobAnswer(context, below.slice(BLOBS.length));
    return absent();
  };
}

function answer(
  status: number,
  body: AsyncIterable<Uint8Array> | null,
  headers: Readonly<Record<string, string>> = {},
): FetchResponse {
  return { status, headers: { get: (name) => headers[name.toLowerCase()] ?? null }, body };
}

const absent = (): FetchResponse => answer(404, null);

function text(content: string): FetchResponse {
  const bytes = new TextEncoder().encode(content);
  const etag = `"sha256:${createHash("sha256").update(bytes).digest("hex")}"`;
  return answer(200, Readable.from([bytes]), { "content-length": String(bytes.length), etag });
}

const json = (value: unknown): FetchResponse => text(JSON.stringify(value));

async function indexAnswer(
  context: EngineContext,
  base: string,
  fetch: Fetch,
  document: string,
  init: FetchInit,
): Promise<FetchResponse> {
  const name = nameOfDocument(document);
  if (name === undefined) return absent();
  const page = `${base}${name.replaceAll(/[-_.]+/g, "-")}/`;
  const response = await follow(fetch, page, { ...init, headers: { ...pageHeaders(init), accept: ACCEPT } });
  if (response.status === 404) return absent();
  if (response.status !== 200) return response;
  const files = parseSimplePage(await textOf(response), response.headers.get("content-type") ?? "text/html", page);
  const versions = await versionsOf(context, fetch, { base, name, files, init });
  return text(
    renderIndexDocument({ schema: 1, name, sequence: versions.length, channels: {}, versions } satisfies IndexDocument),
  );
}

/** What a cache already has is of documents, which pages are not. */
function pageHeaders({ headers }: FetchInit): Record<string, string> {
  const { "if-none-match": _, ...rest } = headers;
  return rest;
}

/** `_/pr/private-package.json` and `@company/to/tool.json`; see `indexDocumentPath`. */
function nameOfDocument(document: string): string | undefined {
  const [space, , file] = document.split("/");
  const last = file?.endsWith(".json") === true ? decodeURIComponent(file.slice(0, -".json".length)) : undefined;
  // A simple index has no namespaces.
  return space !== "_" || last === undefined ? undefined : tryParsePackageName(last);
}

async function follow(fetch: Fetch, first: string, init: FetchInit): Promise<FetchResponse> {
  let url = first;
  for (let redirects = 0; redirects < 5; redirects += 1) {
    const response = await fetch(
      url,
      url === first ? init : { ...init, headers: sameOrigin(first, url, init.headers) },
    );
    const location = response.status >= 300 && response.status < 400 ? response.headers.get("location") : null;
    const next = location === null ? undefined : URL.parse(location, url)?.href;
    if (next === undefined) return response;
    url = next;
  }
  throw new Error(`more than 5 redirects from ${first}`);
}

/** A token is for the index, and for nobody whom it names. */
function sameOrigin(base: string, url: string, headers: Record<string, string>): Record<string, string> {
  if (new URL(base).origin === new URL(url).origin) return headers;
  const { authorization: _, ...rest } = headers;
  return rest;
}

async function textOf({ body }: FetchResponse): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.length;
    if (size > PAGE_MAX) throw new Error(`the page is larger than ${PAGE_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** The files of a project's page, as JSON (PEP 691) or HTML (PEP 503), in its order. What cannot be read is left out. */
export function parseSimplePage(content: string, type: string, page: string): SimpleFile[] {
  return /json/i.test(type) ? parseJsonPage(content, page) : parseHtmlPage(content, page);
}

function parseJsonPage(content: string, page: string): SimpleFile[] {
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch {
    return [];
  }
  const files = (value as { files?: unknown } | null)?.files;
  if (!Array.isArray(files)) return [];
  return files.flatMap((item: unknown) => {
    const { url, filename, hashes, yanked } = (item ?? {}) as Record<string, unknown>;
    const resolved = typeof url === "string" ? URL.parse(url, page)?.href : undefined;
    if (resolved === undefined || typeof filename !== "string") return [];
    const sha256 = (hashes as { sha256?: unknown } | undefined)?.sha256;
    return [
      {
        url: resolved,
        filename,
        ...(isHex(sha256) ? { sha256 } : {}),
        ...(yanked === true ? { yanked: "" } : typeof yanked === "string" ? { yanked } : {}),
      },
    ];
  });
}

const isHex = (value: unknown): value is string => typeof value === "string" && /^[0-9a-f]{64}$/.test(value);

function parseHtmlPage(content: string, page: string): SimpleFile[] {
  const files: SimpleFile[] = [];
  for (const [, attributes, label] of content.matchAll(/<a\s([^>]*)>([^<]*)<\/a\s*>/gi)) {
    const read = (name: string): string | undefined => {
      const found = new RegExp(`(?:^|\\s)${name}(?:\\s*=\\s*(?:"([^"]*)"|'([^']*)'|([^\\s"'>]+)))?(?=\\s|$)`, "i").exec(
        attributes!,
      );
      return found === null ? undefined : unescape(found[1] ?? found[2] ?? found[3] ?? "");
    };
    const href = read("href");
    const url = href === undefined ? null : URL.parse(href, page);
    if (url === null) continue;
    const sha256 = /^#(?:.*&)?sha256=([0-9a-f]{64})(?:&|$)/.exec(url.hash)?.[1];
    url.hash = "";
    const yanked = read("data-yanked");
    files.push({
      url: url.href,
      filename: unescape(label!).trim(),
      ...(sha256 === undefined ? {} : { sha256 }),
      ...(yanked === undefined ? {} : { yanked }),
    });
  }
  return files;
}

const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" };

function unescape(content: string): string {
  return content.replaceAll(/&(amp|lt|gt|quot|#39);/g, (_, name: string) => ENTITIES[name]!);
}

interface Project {
  readonly base: string;
  readonly name: string;
  readonly files: readonly SimpleFile[];
  readonly init: FetchInit;
}

async function versionsOf(context: EngineContext, fetch: Fetch, project: Project): Promise<IndexVersion[]> {
  const extensions = [context.profile.package.source.extension, context.profile.package.binary.extension];
  const files = project.files.filter(({ filename }) => extensions.some((extension) => filename.endsWith(extension)));
  const versions = new Map<string, IndexVersion>();
  for (const file of files.slice(-FILES_MAX)) {
    const entry = await entryOf(context, fetch, project, file);
    if (entry !== undefined) versions.set(entry.version, entry);
  }
  return [...versions.values()].sort((left, right) =>
    compareVersions(parseVersion(left.version), parseVersion(right.version)),
  );
}

async function entryOf(
  context: EngineContext,
  fetch: Fetch,
  { base, name, init }: Project,
  file: SimpleFile,
): Promise<IndexVersion | undefined> {
  const { ArchiveError } = await import("@lading/archive");
  const { inspectPackage } = await import("@lading/archive/node");
  const blob = await download(context, fetch, base, file, init);
  try {
    const expect = { blob };
    const { record, tree, size } = await inspectPackage(await blobPath(context, blob), {
      expect,
      signal: context.signal,
    });
    const { manifest } = record;
    if (canonicalName(parsePackageName(manifest.name)) !== canonicalName(parsePackageName(name))) return undefined;
    return {
      schema: 1,
      version: manifest.version,
      kind: record.kind,
      artifacts: [{ target: record.target, blob, size, tree }],
      dependencies: manifest.dependencies ?? [],
      features: manifest.features ?? {},
      ...(manifest.exclusiveFeatures === undefined ? {} : { exclusiveFeatures: manifest.exclusiveFeatures }),
      hosts: manifest.hosts ?? {},
      published: "1970-01-01T00:00:00Z",
      status: file.yanked === undefined ? "active" : "yanked",
      ...(file.yanked === undefined || file.yanked === "" ? {} : { reason: file.yanked }),
      ...(manifest.license === undefined ? {} : { license: manifest.license }),
      signers: [],
    };
  } catch (error) {
    if (!(error instanceof ArchiveError)) throw error;
    // An index has files of other tools beside ours.
    context.onEvent({
      type: "debug",
      scope: "index",
      message: `${file.filename} is no package of ours: ${error.code}`,
    });
    return undefined;
  }
}

async function blobPath(context: EngineContext, blob: Digest): Promise<string> {
  return path.join(await cacheDirectory(context), "simple", digestHex(blob));
}

/** Every file is downloaded once: it is kept under its digest. */
async function download(
  context: EngineContext,
  fetch: Fetch,
  base: string,
  { url, sha256, filename }: SimpleFile,
  init: FetchInit,
): Promise<Digest> {
  const wanted = sha256 === undefined ? undefined : tryParseDigest(`sha256:${sha256}`);
  if (wanted !== undefined && (await sizeOf(await blobPath(context, wanted))) !== undefined) return wanted;
  const directory = path.join(await cacheDirectory(context), "simple");
  await mkdir(directory, { recursive: true });
  const temporary = path.join(
    directory,
    `.${process.pid}-${createHash("sha256").update(url).digest("hex").slice(0, 16)}.tmp`,
  );
  const hash = createHash("sha256");
  try {
    const headers = sameOrigin(base, url, pageHeaders(init));
    const response = await follow(fetch, url, { ...init, headers, purpose: "bulk" });
    if (response.status !== 200) throw new Error(`${filename}: the index answered ${response.status}`);
    let size = 0;
    const hashed = async function* (): AsyncGenerator<Uint8Array> {
      for await (const chunk of response.body ?? []) {
        size += chunk.length;
        if (size > FILE_MAX) throw new Error(`${filename} is larger than ${FILE_MAX} bytes`);
        hash.update(chunk);
        yield chunk;
      }
    };
    await pipeline(hashed, createWriteStream(temporary));
    const blob = `sha256:${hash.digest("hex")}` as Digest;
    if (wanted !== undefined && blob !== wanted) throw new Error(`${filename} has ${blob}, the index says ${wanted}`);
    await rename(temporary, await blobPath(context, blob));
    return blob;
  } finally {
    await rm(temporary, { force: true });
  }
}

async function sizeOf(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if (hasErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

async function blobAnswer(context: EngineContext, hex: string): Promise<FetchResponse> {
  const blob = tryParseDigest(`sha256:${hex}`);
  const file = blob === undefined ? undefined : await blobPath(context, blob);
  const size = file === undefined ? undefined : await sizeOf(file);
  if (file === undefined || size === undefined) return absent();
  return answer(200, createReadStream(file), { "content-length": String(size) });
}
