import { lookup as resolveHost } from "node:dns/promises";
import { request as requestPlain, type ClientRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { request as requestTls } from "node:https";
import { BlockList, isIP, type LookupFunction } from "node:net";
import { Readable } from "node:stream";
import { urlToHttpOptions } from "node:url";
import type { Outbound, OutboundRequest } from "../outbound.ts";
import { RegistryError } from "../registry-error.ts";
import { isPublicAddress } from "./public-address.ts";

/** An address that a host's name stands for. */
export interface ResolvedAddress {
  readonly address: string;
  readonly family: number;
}

/** Resolves a name to all of its addresses. */
export type Resolve = (hostname: string) => Promise<readonly ResolvedAddress[]>;

/** How {@link createOutbound} judges. */
export interface OutboundOptions {
  /**
   * Hosts that may be asked whatever address they have: `git.example`, `git.example:8443`, `*.internal.example`, an address,
   * or a range of addresses, `10.1.0.0/16`.
   */
  readonly allow: readonly string[];
  /** In place of the system's resolver. */
  readonly resolve?: Resolve;
}

const REDIRECTS_MAX = 5;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** Answers that have no body (Fetch §2.2.3). */
const WITHOUT_BODY: ReadonlySet<number> = new Set([204, 205, 304]);
// What was meant for one origin goes to no other (Fetch §4.4, step 13).
const OF_ORIGIN: ReadonlySet<string> = new Set(["authorization", "cookie", "proxy-authorization"]);
const RANGE = /^([0-9a-f.:]+)\/(\d{1,3})$/i;
const HOST = /^(?:\*\.)?[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?(?::\d{1,5})?$/i;
const BRACKETED = /^\[([0-9a-f:.]+)\](?::\d{1,5})?$/i;

function isRange(entry: string): boolean {
  const [, address = "", prefix] = RANGE.exec(entry) ?? [];
  const family = isIP(address);
  return family !== 0 && Number(prefix) <= (family === 4 ? 32 : 128);
}

/** Whether an entry of {@link OutboundOptions.allow} has one of the forms. */
export function isAllowedHostEntry(entry: string): boolean {
  return isRange(entry) || HOST.test(entry) || isIP(entry) !== 0 || isIP(BRACKETED.exec(entry)?.[1] ?? "") === 6;
}

const systemResolve: Resolve = (hostname) => resolveHost(hostname, { all: true, verbatim: true });

function unbracketed(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, "$1").replace(/\.$/, "");
}

class Rules {
  readonly #hosts: readonly string[];
  readonly #ranges: BlockList = new BlockList();

  constructor(allow: readonly string[]) {
    this.#hosts = allow.filter((entry) => !isRange(entry)).map((entry) => entry.toLowerCase());
    for (const entry of allow.filter(isRange)) {
      const [, address, prefix] = RANGE.exec(entry)!;
      this.#ranges.addSubnet(address!, Number(prefix), isIP(address!) === 4 ? "ipv4" : "ipv6");
    }
  }

  allowsHost(url: URL): boolean {
    const host = unbracketed(url.hostname.toLowerCase());
    const port = url.port === "" ? (url.protocol === "https:" ? "443" : "80") : url.port;
    return this.#hosts.some((entry) => {
      if (entry.startsWith("*.")) return host.endsWith(entry.slice(1)) || `${host}:${port}`.endsWith(entry.slice(1));
      return entry === host || entry === `${host}:${port}` || entry === `[${host}]` || entry === `[${host}]:${port}`;
    });
  }

  allowsAddress(address: string): boolean {
    return isPublicAddress(address) || this.#ranges.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
  }
}

function refused(url: URL, problem: string): RegistryError {
  return new RegistryError({
    code: "OUTBOUND_REFUSED",
    message: `Cannot connect to "${url.protocol}//${url.host}": ${problem}`,
    hint: "The operator allows hosts of a private network with REGISTRY_OUTBOUND_ALLOW",
    host: url.host,
  });
}

function parsed(text: string | URL): URL {
  const url = typeof text === "string" ? URL.parse(text) : text;
  if (url === null) {
    throw new RegistryError({
      code: "OUTBOUND_REFUSED",
      message: `Cannot connect to "${String(text).slice(0, 100)}": it is no URL`,
      hint: "Allowed are http and https URLs",
    });
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") throw refused(url, "allowed are http and https");
  return url;
}

function fetchHeaders(answer: IncomingMessage): Headers {
  const headers = new Headers();
  for (let at = 0; at < answer.rawHeaders.length; at += 2)
    headers.append(answer.rawHeaders[at]!, answer.rawHeaders[at + 1]!);
  return headers;
}

function responseOf(answer: IncomingMessage): Response {
  const status = answer.statusCode!;
  const init = { status, statusText: answer.statusMessage ?? "", headers: fetchHeaders(answer) };
  if (!WITHOUT_BODY.has(status)) return new Response(Readable.toWeb(answer) as ReadableStream<Uint8Array>, init);
  answer.resume();
  return new Response(null, init);
}

/** The request that follows a redirect (Fetch §4.4). */
function redirected(request: OutboundRequest, status: number, sameOrigin: boolean): OutboundRequest {
  const { method = "GET", headers = {}, body, ...rest } = request;
  const becomesGet = status === 303 ? method !== "HEAD" : status < 303 && method === "POST";
  const kept = Object.entries(headers).filter(
    ([name]) => (sameOrigin || !OF_ORIGIN.has(name.toLowerCase())) && !(becomesGet && /^content-/i.test(name)),
  );
  return {
    ...rest,
    headers: Object.fromEntries(kept),
    method: becomesGet ? "GET" : method,
    ...(becomesGet || body === undefined ? {} : { body }),
  };
}

class NodeOutbound implements Outbound {
  readonly #allow: readonly string[];
  readonly #rules: Rules;
  readonly #resolve: Resolve;

  constructor({ allow, resolve = systemResolve }: OutboundOptions) {
    this.#allow = allow;
    this.#rules = new Rules(allow);
    this.#resolve = resolve;
  }

  allowing(hosts: readonly string[]): Outbound {
    return new NodeOutbound({ allow: [...this.#allow, ...hosts], resolve: this.#resolve });
  }

  async check(text: string): Promise<void> {
    await this.#addressesOf(parsed(text));
  }

  async fetch(text: string | URL, request: OutboundRequest = {}): Promise<Response> {
    let url = parsed(text);
    let next = request;
    for (let followed = 0; ; followed += 1) {
      const answer = await this.#send(url, next);
      if (!REDIRECTS.has(answer.status) || (request.redirect ?? "error") === "manual") return answer;
      await answer.body?.cancel();
      if (request.redirect !== "follow") throw new Error(`"${url.origin}" redirects, which is not followed here`);
      if (followed === REDIRECTS_MAX) throw new Error(`"${url.origin}" redirects more than ${REDIRECTS_MAX} times`);
      const target = URL.parse(answer.headers.get("location") ?? "", url);
      if (target === null) throw new Error(`"${url.origin}" redirects to no URL`);
      const location = parsed(target);
      if (url.protocol === "https:" && location.protocol === "http:")
        throw refused(location, `"${url.origin}" redirects there, which is not encrypted`);
      next = redirected(next, answer.status, location.origin === url.origin);
      url = location;
    }
  }

  async #addressesOf(url: URL): Promise<readonly ResolvedAddress[]> {
    const host = unbracketed(url.hostname);
    const family = isIP(host);
    const found = family === 0 ? await this.#resolved(url, host) : [{ address: host, family }];
    if (this.#rules.allowsHost(url)) return found;
    // All of them: which one is connected to would be the resolver's choice, not ours.
    const inner = found.find(({ address }) => !this.#rules.allowsAddress(address));
    if (inner === undefined) return found;
    // Not which address: whoever registers names would learn the inside of this network.
    throw refused(url, "it is not on the public Internet");
  }

  async #resolved(url: URL, host: string): Promise<readonly ResolvedAddress[]> {
    const found = await this.#resolve(host).catch(() => []);
    if (found.length === 0) throw refused(url, "its name is unknown");
    return found;
  }

  async #send(url: URL, { method = "GET", headers, body, signal }: OutboundRequest): Promise<Response> {
    signal?.throwIfAborted();
    const addresses = await this.#addressesOf(url);
    const options: RequestOptions = {
      ...urlToHttpOptions(url),
      method,
      // A connection of its own: one that waited was made for another judgement.
      agent: false,
      // What was judged is what is connected to; the name is resolved no second time.
      lookup: pinned(addresses),
      headers: {
        "user-agent": "lading-registry",
        ...headers,
        ...(body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) }),
      },
      ...(signal === undefined ? {} : { signal }),
    };
    return new Promise((resolve, reject) => {
      const send = url.protocol === "https:" ? requestTls : requestPlain;
      const sent: ClientRequest = send(options, (answer) => resolve(responseOf(answer)));
      sent.on("error", reject);
      sent.end(body);
    });
  }
}

function pinned(addresses: readonly ResolvedAddress[]): LookupFunction {
  return (_hostname, { all, family }, callback) => {
    const wanted = family === 4 || family === 6 ? addresses.filter((each) => each.family === family) : addresses;
    const first = wanted[0];
    if (first === undefined) callback(new Error("the host has no address of that family"), "", 0);
    else if (all === true) callback(null, [...wanted]);
    else callback(null, first.address, first.family);
  };
}

/** Requests that reach the public Internet, and what the operator allows beside it. */
export function createOutbound(options: OutboundOptions): Outbound {
  return new NodeOutbound(options);
}
