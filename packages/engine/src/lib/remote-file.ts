import { createHash } from "node:crypto";
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
export async function hashRemoteFile(context: EngineContext, url: string): Promise<Digest> {
  if (context.offline) throw failed(url, "offline mode");
  const client = await openFetch(context);
  try {
    return await hashBody(url, await follow(context, client.fetch, url));
  } catch (error) {
    context.signal.throwIfAborted();
    if (error instanceof EngineError) throw error;
    const { causeMessages } = await import("@lading/core-manifest");
    throw failed(url, causeMessages(error).join(": ") || String(error), error);
  } finally {
    await client.close();
  }
}

async function openFetch(context: EngineContext): Promise<{ readonly fetch: Fetch; close(): Promise<void> }> {
  if (context.fetch !== undefined) return { fetch: context.fetch, close: () => Promise.resolve() };
  const { createNodeFetch } = await import("@lading/registry-client/node");
  return createNodeFetch({ env: context.env });
}

async function follow(context: EngineContext, fetch: Fetch, first: string): Promise<FetchResponse> {
  let url = first;
  for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects += 1) {
    const { signal } = context;
    const response = await fetch(url, { method: "GET", headers: {}, signal, redirect: "manual", purpose: "bulk" });
    if (response.status === 200) return response;
    const location = response.status >= 300 && response.status < 400 ? response.headers.get("location") : null;
    if (location === null) throw failed(url, `the server answered ${response.status}`);
    const next = URL.parse(location, url)?.href;
    if (next === undefined || !isPackUrl(next))
      throw failed(url, `it leads to "${redactUrl(location)}", which is no https: address`);
    url = next;
  }
  throw failed(first, `more than ${REDIRECTS_MAX} redirects`);
}

async function hashBody(url: string, { body }: FetchResponse): Promise<Digest> {
  const hash = createHash("sha256");
  let received = 0;
  for await (const chunk of body ?? []) {
    received += chunk.length;
    if (received > REMOTE_FILE_MAX) throw failed(url, `it is larger than ${REMOTE_FILE_MAX} bytes`);
    hash.update(chunk);
  }
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
