import { Buffer } from "node:buffer";
import type { Agent, IncomingMessage, RequestOptions } from "node:http";
import { urlToHttpOptions } from "node:url";
import type { FetchInit, FetchResponse } from "../ports.ts";
import { isLoopback } from "../registry-url.ts";

/** HTTP for what fits into memory: documents and calls of the API. */
export interface SmallCalls {
  /** One exchange. What is sent is in one piece. */
  readonly fetch: (url: string, init: SmallCallInit) => Promise<FetchResponse>;
  /** Closes connections that wait for a next call. */
  readonly close: () => void;
}

export type SmallCallInit = Omit<FetchInit, "body"> & { readonly body?: string | Uint8Array };

/**
 * Exchanges over Node's own HTTP client with connections that stay open. For a document of a kilobyte the built-in `fetch`
 * takes several times as long, and loading it alone as long as fifty documents.
 */
export function createSmallCalls(): SmallCalls {
  const agents = new Map<string, Agent>();
  const agentFor = (protocol: string): Agent => {
    const known = agents.get(protocol);
    if (known !== undefined) return known;
    // No bound of its own: a call that waited for a connection would seem to wait for the registry.
    const agent = new (clientOf(protocol).Agent)({ keepAlive: true });
    agents.set(protocol, agent);
    return agent;
  };
  return {
    fetch: async (text, init) => {
      const url = new URL(text);
      // Bytes that may have arrived must not go out twice: what writes gets a connection that nobody can have closed.
      if (init.method !== "GET" && init.method !== "HEAD") return send(url, init, false);
      try {
        return await send(url, init, agentFor(url.protocol));
      } catch (error) {
        if (!(error instanceof StaleConnection)) throw error;
        return send(url, init, false);
      }
    },
    close: () => {
      for (const agent of agents.values()) agent.destroy();
      agents.clear();
    },
  };
}

/** A connection that waited was closed by the other side just when it was taken. */
class StaleConnection extends Error {}

const CLOSED: ReadonlySet<string | undefined> = new Set(["ECONNRESET", "EPIPE"]);

// Looked up when the first call is made, so that a program that asks nobody loads neither.
function clientOf(protocol: string): Pick<typeof import("node:http"), "request" | "Agent"> {
  return protocol === "https:" ? process.getBuiltinModule("node:https") : process.getBuiltinModule("node:http");
}

function send(url: URL, init: SmallCallInit, agent: Agent | false): Promise<FetchResponse> {
  const { signal, body } = init;
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const request = clientOf(url.protocol).request(requestOptions(url, init, agent));
    const abort = (): void => {
      request.destroy(signal.reason as Error);
    };
    signal.addEventListener("abort", abort, { once: true });
    request.once("close", () => signal.removeEventListener("abort", abort));
    request.once("response", (answer) => {
      try {
        resolve(responseOf(answer));
      } catch (error) {
        request.destroy(error as Error);
      }
    });
    request.on("error", (error) => {
      const stale = request.reusedSocket && !signal.aborted && CLOSED.has((error as NodeJS.ErrnoException).code);
      reject(stale ? new StaleConnection("", { cause: error }) : error);
    });
    request.end(body);
  });
}

function requestOptions(url: URL, { method, headers, body }: SmallCallInit, agent: Agent | false): RequestOptions {
  return {
    ...urlToHttpOptions(url),
    // A name and password in an address are nobody's credential here (`docs/spec/client-configuration.md`).
    auth: null,
    method,
    agent,
    headers: {
      ...(isLoopback(url) ? {} : { "accept-encoding": "gzip, deflate, br" }),
      ...(body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) }),
      ...headers,
    },
  };
}

function responseOf(answer: IncomingMessage): FetchResponse {
  return {
    status: answer.statusCode!,
    headers: {
      get: (name) => {
        const value = answer.headers[name.toLowerCase()];
        return value === undefined ? null : Array.isArray(value) ? value.join(", ") : value;
      },
    },
    body: answer.statusCode === 304 || answer.statusCode === 204 ? withoutBody(answer) : decoded(answer),
  };
}

/** Gives the connection back, which waits until even the end of nothing was read. */
function withoutBody(answer: IncomingMessage): null {
  answer.resume();
  return null;
}

/** The body without its content encodings (RFC 9110 §8.4): the last one named is the outermost. */
function decoded(answer: IncomingMessage): AsyncIterable<Uint8Array> {
  const encodings = (answer.headers["content-encoding"] ?? "").toLowerCase().split(",");
  const names = encodings.map((name) => name.trim()).filter((name) => name !== "" && name !== "identity");
  if (names.length === 0) return answer;
  const { pipeline } = process.getBuiltinModule("node:stream");
  const decoders = names.toReversed().map(decoderOf);
  // What fails is told by the last of them, to whoever reads it.
  pipeline([answer, ...decoders], () => {});
  return decoders.at(-1)!;
}

function decoderOf(encoding: string): NodeJS.ReadWriteStream & AsyncIterable<Uint8Array> {
  const { createBrotliDecompress, createGunzip, createInflate } = process.getBuiltinModule("node:zlib");
  if (encoding === "gzip" || encoding === "x-gzip") return createGunzip() as DecoderStream;
  if (encoding === "deflate") return createInflate() as DecoderStream;
  if (encoding === "br") return createBrotliDecompress() as DecoderStream;
  throw new Error(`the answer has the content encoding "${encoding.slice(0, 40)}", allowed are gzip, deflate and br`);
}

type DecoderStream = NodeJS.ReadWriteStream & AsyncIterable<Uint8Array>;
