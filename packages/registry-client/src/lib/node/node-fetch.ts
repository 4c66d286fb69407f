import { readFile } from "node:fs/promises";
import type { Dispatcher } from "undici";
import type { Fetch, FetchInit, FetchResponse } from "../ports.ts";
import { RegistryClientError } from "../registry-client-error.ts";
import { createSmallCalls, type SmallCallInit } from "./node-http.ts";

export interface NodeFetchOptions {
  /** Where HTTPS_PROXY, HTTP_PROXY and NO_PROXY are read from. Default: `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** URL of a proxy for everything, in place of the variables. */
  readonly proxy?: string | undefined;
  /** PEM file of certificate authorities that are trusted beside the system's. */
  readonly caFile?: string | undefined;
  /** Connections per origin for package files. Default: 16. */
  readonly connections?: number | undefined;
}

/**
 * A {@link Fetch} for Node: documents and calls go through Node's HTTP client over connections that stay open, package
 * files through a pool of `undici`, which is loaded when the first one is asked for. With a proxy or a private authority
 * everything goes through `undici`.
 */
export function createNodeFetch(options: NodeFetchOptions = {}): {
  readonly fetch: Fetch;
  readonly close: () => Promise<void>;
} {
  const env = options.env ?? process.env;
  const proxies = proxySettings(env, options.proxy);
  const special = proxies !== undefined || options.caFile !== undefined;
  const small = createSmallCalls();
  let pool: Promise<Dispatcher> | undefined;
  const dispatcher = (): Promise<Dispatcher> => (pool ??= createDispatcher(options, proxies));
  return {
    fetch: async (url, init) => {
      if (isSmall(init)) return special ? fetchThrough(url, init, await dispatcher()) : small.fetch(url, init);
      return requestBulk(url, init, await dispatcher());
    },
    close: async () => {
      small.close();
      const opened = pool;
      pool = undefined;
      await (await opened)?.close();
    },
  };
}

function isSmall(init: FetchInit): init is FetchInit & SmallCallInit {
  const { purpose, body } = init;
  return purpose === "call" && (body === undefined || typeof body === "string" || body instanceof Uint8Array);
}

interface ProxySettings {
  readonly httpProxy: string;
  readonly httpsProxy: string;
  readonly noProxy: string;
}

function proxySettings(
  env: Readonly<Record<string, string | undefined>>,
  proxy: string | undefined,
): ProxySettings | undefined {
  const variable = (name: string): string => env[name.toLowerCase()] ?? env[name] ?? "";
  const httpProxy = proxy ?? variable("HTTP_PROXY");
  const httpsProxy = proxy ?? (variable("HTTPS_PROXY") || httpProxy);
  if (httpProxy === "" && httpsProxy === "") return undefined;
  return { httpProxy, httpsProxy, noProxy: proxy === undefined ? variable("NO_PROXY") : "" };
}

async function createDispatcher(options: NodeFetchOptions, proxies: ProxySettings | undefined): Promise<Dispatcher> {
  const { Agent, EnvHttpProxyAgent } = await import("undici");
  const ca = options.caFile === undefined ? undefined : await readAuthorities(options.caFile);
  const tls = ca === undefined ? {} : { ca };
  // Silence is judged by the transport's watchdog, from `timeout_seconds`; undici's own limits would cut in at other times.
  const pool = {
    connections: options.connections ?? 16,
    pipelining: 1,
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: tls,
  };
  if (proxies === undefined) return new Agent(pool);
  try {
    return new EnvHttpProxyAgent({ ...pool, ...proxies, requestTls: tls, proxyTls: tls });
  } catch (error) {
    // The address may hold a password, so it is not repeated.
    throw invalid("Cannot use the configured proxy: its address is not a URL that proxies have", error);
  }
}

async function readAuthorities(file: string): Promise<string[]> {
  try {
    return [...systemAuthorities(), await readFile(file, "utf8")];
  } catch (error) {
    throw invalid(`Cannot read the certificate authorities in "${file}": ${(error as Error).message}`, error);
  }
}

function invalid(message: string, cause: unknown): RegistryClientError {
  const hint = "Correct ca_file or proxy of the registry, or the proxy variables";
  return new RegistryClientError({ code: "REGISTRY_CONFIG_INVALID", message, hint, cause });
}

// Node 22.15 and later also name what NODE_EXTRA_CA_CERTS adds.
function systemAuthorities(): readonly string[] {
  const tls = process.getBuiltinModule("node:tls");
  return typeof tls.getCACertificates === "function" ? tls.getCACertificates("default") : tls.rootCertificates;
}

async function fetchThrough(url: string, init: FetchInit, dispatcher: Dispatcher): Promise<FetchResponse> {
  const undici = await import("undici");
  const { purpose: _, ...rest } = init;
  const given = { ...rest, duplex: "half", dispatcher };
  // Fetch types of undici and of Node name the same things in different files.
  return undici.fetch(url, given as unknown as Parameters<typeof undici.fetch>[1]);
}

async function requestBulk(url: string, init: FetchInit, dispatcher: Dispatcher): Promise<FetchResponse> {
  const { request } = await import("undici");
  const { statusCode, headers, body } = await request(url, {
    method: init.method,
    headers: init.headers,
    signal: init.signal,
    dispatcher,
    // undici takes any async iterable; its types name only Node's streams.
    body: (init.body ?? null) as unknown as Uint8Array,
  });
  return {
    status: statusCode,
    headers: {
      get: (name) => {
        const value = headers[name.toLowerCase()];
        return value === undefined ? null : Array.isArray(value) ? value.join(", ") : value;
      },
    },
    body,
  };
}
