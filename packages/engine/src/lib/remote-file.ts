import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { isPackUrl, type Digest } from "@lading/core-manifest";
import type { Fetch, FetchResponse } from "@lading/registry-client";
import type { EngineContext } from "./engine-context.ts";
import { EngineError } from "./engine-error.ts";
import { redactUrl } from "./git.ts";

/** Bytes of a remote file that are read at most. */
const REMOTE_FILE_MAX = 4 * 2 ** 30;
const REDIRECTS_MAX = 5;

/**
 * Downloads a file for its SHA-256 alone, from an https: address or this machine; redirects are followed to such only.
 * @throws {EngineError} `REMOTE_FILE_FAILED`
 */
export function hashRemoteFile(context: EngineContext, url: string): Promise<Digest> {
  return withResponse(context, url, (response) => hashBody(url, response));
}

/**
 * Downloads a file, from such an address alone, to a path that does not exist.
 * @param options.optional a file that is not there (404) is no failure, and nothing is written
 * @throws {EngineError} `REMOTE_FILE_FAILED`
 */
export async function downloadRemoteFile(
  context: EngineContext,
  url: string,
  destination: string,
  { optional = false }: { readonly optional?: boolean } = {},
): Promise<void> {
  if (!isPackUrl(url)) throw failed(url, "allowed is an https: address without a user name");
  await withResponse(
    context,
    url,
    async (response) => {
      if (optional && response.status === 404) return;
      await pipeline(limited(url, response), createWriteStream(destination, { flags: "wx" }));
    },
    optional,
  );
}

async function* limited(url: string, { body }: FetchResponse): AsyncGenerator<Uint8Array> {
  let received = 0;
  for await (const chunk of body ?? []) {
    received += chunk.length;
    if (received > REMOTE_FILE_MAX) throw failed(url, `it is larger than ${REMOTE_FILE_MAX} bytes`);
    yield chunk;
  }
}

async function withResponse<Value>(
  context: EngineContext,
  url: string,
  use: (response: FetchResponse) => Promise<Value>,
  mayBeAbsent = false,
): Promise<Value> {
  if (context.offline) throw failed(url, "offline mode");
  const client = await openFetch(context);
  try {
    return await use(await follow(context, client.fetch, url, mayBeAbsent));
  } catch (error) {
    context.signal.throwIfAborted();
    if (error instanceof EngineError) throw error;
    const { causeMessages } = await import("@lading/core-manifest");
    throw failed(url, causeMessages(error).join(": ") || String(error), error);
  } finally {
    await client.close();
  }
}

/** The context's fetch, or one over proxies and authorities of the environment. */
export async function openFetch(context: EngineContext): Promise<{ readonly fetch: Fetch; close(): Promise<void> }> {
  if (context.fetch !== undefined) return { fetch: context.fetch, close: () => Promise.resolve() };
  const { createNodeFetch } = await import("@lading/registry-client/node");
  return createNodeFetch({ env: context.env });
}

async function follow(
  context: EngineContext,
  fetch: Fetch,
  first: string,
  mayBeAbsent: boolean,
): Promise<FetchResponse> {
  let url = first;
  for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects += 1) {
    const { signal } = context;
    const response = await fetch(url, { method: "GET", headers: {}, signal, redirect: "manual", purpose: "bulk" });
    if (response.status === 200 || (mayBeAbsent && response.status === 404)) return response;
    const location = response.status >= 300 && response.status < 400 ? response.headers.get("location") : null;
    if (location === null) throw failed(url, `the server answered ${response.status}`);
    const next = URL.parse(location, url)?.href;
    if (next === undefined || !isPackUrl(next))
      throw failed(url, `it leads to "${redactUrl(location)}", which is no https: address`);
    url = next;
  }
  throw failed(first, `more than ${REDIRECTS_MAX} redirects`);
}

async function hashBody(url: string, response: FetchResponse): Promise<Digest> {
  const hash = createHash("sha256");
  for await (const chunk of limited(url, response)) hash.update(chunk);
  return `sha256:${hash.digest("hex")}` as Digest;
}

function failed(url: string, problem: string, cause?: unknown): EngineError {
  return new EngineError({
    code: "REMOTE_FILE_FAILED",
    message: `Cannot download "${redactUrl(url)}": ${problem}`,
    url: redactUrl(url),
    cause,
  });
}
