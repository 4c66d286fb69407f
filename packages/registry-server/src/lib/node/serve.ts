import { getRequestListener } from "@hono/node-server";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import { createServer as createNetServer, type AddressInfo, type Server as NetServer, type Socket } from "node:net";
import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Connection } from "../connection.ts";
import type { AnswerBody, ReadAnswer, ReadRequest } from "../read-answer.ts";
import type { Registry } from "../registry.ts";
import { RegistryError } from "../registry-error.ts";
import { acceptFirst, type AcceptFirst } from "./accept-first.ts";

/** Where and how to listen. */
export interface ServeOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** How long a request may take to arrive whole, in milliseconds; 0: any time. */
  readonly requestTimeoutMs?: number;
}

/** A registry on a socket. */
export interface RegistryServer {
  /** Address as clients on this machine can use it: `http://127.0.0.1:8080`. */
  readonly url: string;
  readonly server: Server;
  /**
   * Stops listening, lets requests in flight end, at most `drainMs` long, and stops the registry. Idempotent.
   */
  close(drainMs?: number): Promise<void>;
}

// 1 GB over a slow line takes a while; the headers must not.
const REQUEST_TIMEOUT_MS = 60 * 60 * 1000;
const HEADERS_TIMEOUT_MS = 30_000;
const DRAIN_MS = 10_000;
// Connections that wait to be taken; the system may allow fewer. Whoever comes when it is full tries again after a second.
const BACKLOG = 4096;

function connectionOf(socket: Socket): Connection {
  const { remoteAddress } = socket;
  return { ...(remoteAddress === undefined ? {} : { remoteAddress }), secure: "encrypted" in socket };
}

function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(",") : value;
}

const READS = ["/index/", "/blobs/", "/metadata/", "/log/", "/upstreams/"];
const TREE_READ = /^\/trees\/[a-z0-9-]+\/(?:index|blobs|metadata|log)\//;

/** The path of a read of index, blobs, metadata or log, without leading slash and query; `undefined` for anything else. */
function readPath({ method, url = "" }: IncomingMessage): string | undefined {
  if (method !== "GET" && method !== "HEAD") return undefined;
  if (!READS.some((prefix) => url.startsWith(prefix)) && !TREE_READ.test(url)) return undefined;
  // Described for each request anew, with the address that it came by.
  if (url.includes("/.well-known/")) return undefined;
  const query = url.indexOf("?");
  return query === -1 ? url.slice(1) : url.slice(1, query);
}

function readRequest(incoming: IncomingMessage, path: string): ReadRequest {
  const { method = "GET", headers } = incoming;
  return {
    method,
    path,
    headers: {
      "if-none-match": headers["if-none-match"],
      "if-range": single(headers["if-range"]),
      range: headers.range,
      "accept-encoding": single(headers["accept-encoding"]),
      authorization: headers.authorization,
      "x-forwarded-for": single(headers["x-forwarded-for"]),
      "x-forwarded-proto": single(headers["x-forwarded-proto"]),
    },
    connection: connectionOf(incoming.socket),
  };
}

/** Sends what is in memory: headers as they were prepared, and in one piece with a body that is small. */
function sendNow(
  { status, rawHeaders, headers, text, bytes }: ReadAnswer,
  isHead: boolean,
  outgoing: ServerResponse,
): void {
  outgoing.writeHead(status, rawHeaders === undefined ? headers : (rawHeaders as string[]));
  if (isHead || status === 304) outgoing.end();
  else if (text === undefined) outgoing.end(bytes);
  else outgoing.end(text, "latin1");
}

function sendBytes(answer: Response, bytes: Uint8Array, isHead: boolean, outgoing: ServerResponse): void {
  outgoing.writeHead(answer.status, {
    ...Object.fromEntries(answer.headers),
    "content-length": String(bytes.length),
  });
  outgoing.end(isHead ? undefined : bytes);
}

function blobStream({ source, range }: NonNullable<ReadAnswer["blob"]>): Readable {
  return source.file === undefined
    ? Readable.fromWeb(source.stream(range) as Parameters<typeof Readable.fromWeb>[0])
    : createReadStream(source.file, { ...range, highWaterMark: 256 * 1024 });
}

async function send(answer: ReadAnswer, method: string, outgoing: ServerResponse): Promise<void> {
  if (answer.blob === undefined) {
    sendNow(answer, method === "HEAD", outgoing);
    return;
  }
  outgoing.writeHead(answer.status, answer.headers);
  if (method === "HEAD" || answer.status === 304) outgoing.end();
  else if (answer.blob.source.size === 0) outgoing.end();
  else await pipeline(blobStream(answer.blob), outgoing);
}

async function answerRead(registry: Registry, request: ReadRequest, outgoing: ServerResponse): Promise<void> {
  try {
    const answer = await registry.read(request);
    await send(answer!, request.method, outgoing);
  } catch (error) {
    // The client went away, or a file broke off in the middle: the short body tells it.
    if (outgoing.headersSent || outgoing.destroyed) {
      outgoing.destroy();
      return;
    }
    const { status, headers, body } = registry.problem(error);
    outgoing.writeHead(status, { ...headers, "content-length": String(Buffer.byteLength(body)) });
    outgoing.end(request.method === "HEAD" ? undefined : body);
  }
}

async function listen(server: Server | NetServer, { host, port }: ServeOptions): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host, port, backlog: BACKLOG }, () => {
        server.off("error", reject);
        resolve();
      });
    });
  } catch (cause) {
    throw addressUnavailable(host, port, cause as NodeJS.ErrnoException);
  }
}

function addressUnavailable(host: string, port: number, cause: NodeJS.ErrnoException): RegistryError {
  const why = {
    EADDRINUSE: "another process has that port",
    EACCES: "this user may not use that port",
    EADDRNOTAVAIL: "the address is not one of this machine's",
    ENOTFOUND: "the address is not known",
  }[cause.code ?? ""];
  return new RegistryError({
    code: "ADDRESS_UNAVAILABLE",
    message: `Cannot listen on "${host}" port ${port}: ${why ?? cause.message}`,
    hint: "Choose another --port (REGISTRY_PORT) or --host (REGISTRY_HOST)",
    host,
    port,
    cause,
  });
}

/**
 * Whether a server could listen there at this moment, to be asked before a data directory is made for it.
 * @throws {RegistryError} `ADDRESS_UNAVAILABLE`
 */
export async function assertCanListen(options: ServeOptions): Promise<void> {
  const probe = createNetServer();
  await listen(probe, options);
  await new Promise<void>((resolve) => probe.close(() => resolve()));
}

function localUrl(server: Server): string {
  const { address, port } = server.address() as AddressInfo;
  const local = address === "0.0.0.0" || address === "::" ? "127.0.0.1" : address;
  return `http://${local.includes(":") ? `[${local}]` : local}:${port}`;
}

interface Served {
  readonly server: Server;
  readonly registry: Registry;
  readonly requests: AcceptFirst;
}

async function shutdown({ server, registry, requests }: Served, drainMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // The registry waits for the requests that it knows of: those that wait for connections, of which none come now, are not.
  requests.answerWaiting();
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), drainMs);
  await registry.stop();
  // Connections that were busy a moment ago are idle now.
  server.closeIdleConnections();
  await closed;
  clearTimeout(timer);
}

/**
 * Puts a started registry on a socket. Reads of index and blobs are answered ahead of the API framework,
 * from memory or from the file.
 * @throws {RegistryError} `ADDRESS_UNAVAILABLE`
 */
export async function serve(registry: Registry, options: ServeOptions): Promise<RegistryServer> {
  const api = getRequestListener(
    async (request, { incoming, outgoing }) => {
      const body: AnswerBody = {};
      const answer = await registry.fetch(request, connectionOf((incoming as IncomingMessage).socket), body);
      if (body.bytes === undefined || answer.body !== null) return answer;
      sendBytes(answer, body.bytes, incoming.method === "HEAD", outgoing as ServerResponse);
      return RESPONSE_ALREADY_SENT;
    },
    { overrideGlobalObjects: false },
  );
  const server = createServer({
    requestTimeout: options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
    headersTimeout: HEADERS_TIMEOUT_MS,
    keepAliveTimeout: 65_000,
  });
  const answer: RequestListener = (incoming, outgoing) => {
    const path = readPath(incoming);
    if (path === undefined) {
      void api(incoming, outgoing);
      return;
    }
    const read = registry.readNow(path, incoming.headers);
    if (read === undefined) void answerRead(registry, readRequest(incoming, path), outgoing);
    else sendNow(read, incoming.method === "HEAD", outgoing);
  };
  const requests = acceptFirst(server, answer);
  server.on("request", requests.listener);
  await listen(server, options);
  let closing: Promise<void> | undefined;
  return {
    url: localUrl(server),
    server,
    close: async (drainMs = DRAIN_MS) => {
      closing ??= shutdown({ server, registry, requests }, drainMs);
      return closing;
    },
  };
}
