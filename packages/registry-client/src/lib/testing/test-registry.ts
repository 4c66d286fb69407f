import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import { digestHex, indexDocumentPath, parsePackageName, type Digest } from "@lading/core-manifest";

/** A request as the server saw it. */
export interface ReceivedRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
}

/** What one upload held. */
export interface TestPublication {
  readonly metadata: unknown;
  readonly statement: Buffer | undefined;
  /** Digest and length of the package's bytes, which are not kept. */
  readonly blob: string;
  readonly size: number;
  readonly fileName: string;
}

export interface TestRegistryOptions {
  /** The only token that is accepted for writing; absent: none is asked for. */
  readonly token?: string;
  /** Whether reading wants the token as well. */
  readonly private?: boolean;
  /** PEM certificate and key: the server speaks https:. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Path below which the registry is, ending in `/`. Default: `/`. */
  readonly path?: string;
}

/** A registry of a few lines on a loopback port, for tests of clients. It follows `docs/spec/http-api.md` as far as it goes. */
export interface TestRegistry {
  /** Canonical URL. */
  readonly url: string;
  readonly requests: readonly ReceivedRequest[];
  readonly publications: readonly TestPublication[];
  /** Serves an index document. */
  addDocument(document: { readonly name: string } & Readonly<Record<string, unknown>>): void;
  /** Serves bytes as a blob and tells their digest. */
  addBlob(bytes: Uint8Array): Digest;
  /** Serves bytes at a path below the registry's. */
  addFile(path: string, bytes: Uint8Array | string): void;
  removeFile(path: string): void;
  /** Asked before everything else; a handler that returns true has answered. */
  intercept: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
  close(): Promise<void>;
}

interface State {
  readonly options: TestRegistryOptions;
  readonly base: string;
  readonly files: Map<string, Buffer>;
  readonly publications: TestPublication[];
  url: string;
}

/** Starts a {@link TestRegistry}. */
export async function startTestRegistry(options: TestRegistryOptions = {}): Promise<TestRegistry> {
  const state: State = { options, base: options.path ?? "/", files: new Map(), publications: [], url: "" };
  const requests: ReceivedRequest[] = [];
  const registry: { intercept: TestRegistry["intercept"] } = { intercept: undefined };
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    requests.push({
      method: request.method ?? "",
      url: request.url ?? "",
      headers: request.headers as ReceivedRequest["headers"],
    });
    if (registry.intercept?.(request, response) === true) return;
    void answer(state, request, response).catch(() => response.destroy());
  };
  const server: Server = options.tls === undefined ? createServer(listener) : createSecureServer(options.tls, listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  state.url = `${options.tls === undefined ? "http" : "https"}://127.0.0.1:${port}${state.base}`;
  const addFile = (path: string, bytes: Uint8Array | string): void => void state.files.set(path, Buffer.from(bytes));
  addFile(".well-known/lading.json", JSON.stringify(describe(state.url)));
  return Object.assign(registry, {
    url: state.url,
    requests,
    publications: state.publications,
    addFile,
    removeFile: (path: string) => void state.files.delete(path),
    addDocument: (document: { readonly name: string }) =>
      addFile(indexDocumentPath(parsePackageName(document.name)), JSON.stringify(document)),
    addBlob: (bytes: Uint8Array) => {
      const digest = `sha256:${sha256(bytes)}` as Digest;
      addFile(`blobs/sha256/${digestHex(digest)}`, bytes);
      return digest;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

function describe(url: string): Record<string, unknown> {
  return {
    protocol: 1,
    name: "test",
    mode: "development",
    index: url,
    blobs: `${url}blobs/sha256/`,
    api: `${url}api/v1/`,
    auth: ["token", "basic"],
    limits: { packageBytes: 2 ** 30 },
    signatures: "optional",
    keys: [],
  };
}

async function answer(state: State, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = (request.url ?? "/").slice(state.base.length).split("?")[0]!;
  const authorized =
    state.options.token === undefined || request.headers.authorization === `Bearer ${state.options.token}`;
  if (state.options.private === true && !authorized)
    return problem(response, 401, "TOKEN_INVALID", "the token is not known");
  if (path.startsWith("api/v1/")) return answerApi(state, request, response, path.slice("api/v1/".length), authorized);
  return serveFile(state, request, response, path);
}

function serveFile(state: State, request: IncomingMessage, response: ServerResponse, path: string): void {
  const bytes = state.files.get(path);
  if (bytes === undefined) return problem(response, 404, "NOT_FOUND", "there is no such thing");
  const etag = `"sha256:${sha256(bytes)}"`;
  if (request.headers["if-none-match"] === etag) return void response.writeHead(304, { etag }).end();
  const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? "");
  const from = range === null ? 0 : Number(range[1]);
  const headers = {
    etag,
    "content-type": path.endsWith(".json") ? "application/json" : "application/octet-stream",
    "content-length": bytes.length - from,
  };
  if (from === 0) response.writeHead(200, headers).end(bytes);
  else
    response
      .writeHead(206, { ...headers, "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` })
      .end(bytes.subarray(from));
}

async function answerApi(
  state: State,
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  authorized: boolean,
): Promise<void> {
  if (path === "health") return json(response, 200, { status: "ok" });
  if (!authorized) return problem(response, 401, "TOKEN_INVALID", "the token is not known");
  if (path === "auth/whoami") return json(response, 200, { username: "tester", scopes: ["read", "publish"] });
  if (path === "packages/" && request.method === "POST") return receive(state, request, response);
  if (path === "files" && request.method === "POST") return serveFiles(state, request, response);
  return problem(response, 404, "NOT_FOUND", "there is no such thing");
}

async function serveFiles({ files }: State, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body: Buffer[] = [];
  for await (const part of request as AsyncIterable<Buffer>) body.push(part);
  const { paths } = JSON.parse(Buffer.concat(body).toString()) as { readonly paths: readonly string[] };
  const parts = paths.map((path) => {
    const bytes = files.get(path);
    return Buffer.concat([Buffer.from(`${path} ${bytes?.length ?? "-"}\n`), bytes ?? Buffer.alloc(0)]);
  });
  response.end(Buffer.concat(parts));
}

async function receive(state: State, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const publication = await readPublication(request);
  const first = state.publications.every((other) => other.blob !== publication.blob);
  state.publications.push(publication);
  const [, name = "unknown", version = "0.0.0"] = /^(.+)-(\d+\.\d+\.\d+)\./.exec(publication.fileName) ?? [];
  const artifact = { blob: publication.blob, size: publication.size, tree: `sha256:${"0".repeat(64)}` };
  const common = {
    version,
    kind: "binary",
    signers: [],
    status: "active",
    published: "2026-01-01T00:00:00Z",
  };
  const document = {
    schema: 1,
    name,
    sequence: 1,
    channels: {},
    versions: [
      { schema: 1, ...common, artifacts: [{ target: "any", ...artifact }], dependencies: [], features: {}, hosts: {} },
    ],
  };
  state.files.set(indexDocumentPath(parsePackageName(name)), Buffer.from(JSON.stringify(document)));
  json(response, first ? 201 : 200, {
    name,
    ...common,
    target: "any",
    artifact,
    sequence: 1,
    visible: true,
    links: { self: state.url },
  });
}

// Reads the body as it comes and keeps nothing of the package: a test may send a hundred megabytes.
async function readPublication(request: IncomingMessage): Promise<TestPublication> {
  const boundary = /boundary=(.+)$/.exec(request.headers["content-type"] ?? "")?.[1] ?? "";
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  const hash = createHash("sha256");
  let head = Buffer.alloc(0);
  let kept = Buffer.alloc(0);
  let size = 0;
  let inPackage = false;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    let bytes = chunk;
    if (!inPackage) {
      head = Buffer.concat([head, chunk]);
      const start = packageStart(head);
      if (start === undefined) continue;
      inPackage = true;
      bytes = head.subarray(start);
      head = head.subarray(0, start);
    }
    const joined = Buffer.concat([kept, bytes]);
    const safe = Math.max(0, joined.length - tail.length);
    hash.update(joined.subarray(0, safe));
    size += safe;
    kept = joined.subarray(safe);
  }
  if (!kept.equals(tail)) throw new Error("the body ends without its boundary");
  return { ...readHead(head, boundary), blob: `sha256:${hash.digest("hex")}`, size };
}

function packageStart(head: Buffer): number | undefined {
  const field = head.indexOf('name="package"');
  const end = field === -1 ? -1 : head.indexOf("\r\n\r\n", field);
  return end === -1 ? undefined : end + 4;
}

function readHead(head: Buffer, boundary: string): Pick<TestPublication, "metadata" | "statement" | "fileName"> {
  const parts = head.toString("latin1").split(`--${boundary}\r\n`);
  const body = (name: string): string | undefined => {
    const part = parts.find((text) => text.includes(`name="${name}"`));
    return part?.slice(part.indexOf("\r\n\r\n") + 4, -2);
  };
  const statement = body("statement");
  return {
    metadata: JSON.parse(Buffer.from(body("metadata") ?? "null", "latin1").toString("utf8")) as unknown,
    statement: statement === undefined ? undefined : Buffer.from(statement, "latin1"),
    fileName: /name="package"; filename="([^"]*)"/.exec(head.toString("utf8"))?.[1] ?? "",
  };
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

function problem(response: ServerResponse, status: number, code: string, detail: string): void {
  const hint = "Send other headers";
  const body = { type: "about:blank", title: code, status, detail, code, traceId: "trace-1", hint };
  response.writeHead(status, { "content-type": "application/problem+json" }).end(JSON.stringify(body));
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
