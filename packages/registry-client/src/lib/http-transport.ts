import { Buffer } from "node:buffer";
import { randomUUID } from "node:crypto";
import { invalidAnswer } from "./json.ts";
import { METADATA_LIMIT_BYTES } from "./metadata-limit.ts";
import { errorFromProblem } from "./problem.ts";
import type {
  ApiAnswer,
  ApiRequest,
  BlobStream,
  Clock,
  Credential,
  Fetch,
  FetchInit,
  FetchResponse,
  MetadataAnswer,
  PackagePart,
  Publication,
  Transport,
  TransportOptions,
} from "./ports.ts";
import { RegistryClientError } from "./registry-client-error.ts";
import type { RegistryConfig } from "./registry-config.ts";
import { isLoopback, redactUrl } from "./registry-url.ts";
import { parseRetryAfter } from "./retry.ts";
import { Watchdog, type ExchangeContext } from "./watchdog.ts";

/**
 * How fast a registry checks an upload at least, bytes per millisecond (4 MiB a second): it unpacks and hashes all of it
 * before it answers, and says nothing meanwhile (`docs/spec/client-configuration.md` §`registries.toml`).
 */
export const CHECKED_BYTES_PER_MS: number = (4 * 1024 * 1024) / 1000;

/** Headers that a registry may want sent with a part to its storage. */
const STORE_HEADER = /^(?:content-length|content-type|if-none-match|x-amz-[a-z0-9-]+)$/i;

const REDIRECT_LIMIT = 5;
const PROBLEM_LIMIT_BYTES = 64 * 1024;

export interface HttpTransportOptions {
  readonly registry: RegistryConfig;
  readonly fetch: Fetch;
  readonly clock: Clock;
  readonly userAgent: string;
  /** The credential for exactly this registry's URL, asked before each exchange. */
  readonly credential: () => Promise<Credential | undefined>;
  /** Where that credential comes from, in words for messages. */
  readonly credentialOrigin?: (() => Promise<string | undefined>) | undefined;
  /** Called once, when something was read without the credential after the registry had refused it. */
  readonly onRejected?: ((error: RegistryClientError) => void) | undefined;
  /** Called before each exchange. */
  readonly onRequest?: (method: string, url: string) => void;
}

interface Exchange {
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body?: NonNullable<FetchInit["body"]>;
  readonly purpose: "call" | "bulk";
  readonly credential?: Credential | "none" | undefined;
  /** Whether nothing changes by it: it is tried without a credential that the registry refuses. */
  readonly reads?: boolean;
  /** How much longer than others the answer may take, milliseconds. */
  readonly extraMs?: number;
}

interface Answer {
  readonly response: FetchResponse;
  readonly authenticated: boolean;
  /** Why this was asked without the credential that there is. */
  readonly rejected?: RegistryClientError | undefined;
}

/** A registry over HTTP (`docs/spec/http-api.md`). */
export function httpTransport(options: HttpTransportOptions): Transport {
  return new HttpTransport(options);
}

class HttpTransport implements Transport {
  readonly #options: HttpTransportOptions;
  /** A credential that the registry has refused. */
  #rejected: { readonly authorization: string; readonly error: RegistryClientError } | undefined;
  #toldRejected = false;

  constructor(options: HttpTransportOptions) {
    this.#options = options;
  }

  async metadata(
    url: string,
    options: TransportOptions & {
      readonly validator?: string | undefined;
      readonly maxBytes?: number | undefined;
      readonly compressed?: boolean | undefined;
    },
  ): Promise<MetadataAnswer> {
    const headers: Record<string, string> = { accept: "application/json" };
    if (options.validator !== undefined) headers["if-none-match"] = options.validator;
    // Signed metadata compresses to a third; its length and digest are those of the file, whatever came over the wire.
    if (options.compressed === true) headers["accept-encoding"] = "gzip";
    return this.#exchange(
      { method: "GET", url, headers, purpose: "call", reads: true },
      options,
      async (answer, watchdog) => {
        const { status } = answer.response;
        if (status === 304 && options.validator !== undefined) return { status: "unchanged" };
        if (status === 404 || status === 410) {
          const { rejected } = answer;
          const absent: MetadataAnswer = { status: "absent", ...(rejected === undefined ? {} : { rejected }) };
          return this.#drop(answer, watchdog, absent);
        }
        if (status !== 200) throw await this.#problem(answer, options, watchdog);
        const { maxBytes } = options;
        const bytes =
          maxBytes === undefined
            ? await this.#collect(answer.response, METADATA_LIMIT_BYTES, options, watchdog)
            : await this.#collect(answer.response, maxBytes, options, watchdog, "cut");
        const validator = answer.response.headers.get("etag");
        return { status: "found", bytes, ...(validator === null ? {} : { validator }) };
      },
    );
  }

  async files(
    url: string,
    paths: readonly string[],
    options: TransportOptions & { readonly maxBytes: number },
  ): Promise<Uint8Array> {
    const headers: Record<string, string> = {
      accept: "application/octet-stream",
      // Also on this machine: it is what is asked for most, and compresses to a third.
      "accept-encoding": "gzip",
      "content-type": "application/json",
    };
    const exchange: Exchange = {
      method: "POST",
      url,
      headers,
      body: JSON.stringify({ paths }),
      purpose: "call",
      reads: true,
    };
    return this.#exchange(exchange, options, async (answer, watchdog) => {
      if (answer.response.status !== 200) throw await this.#problem(answer, options, watchdog);
      return this.#collect(answer.response, options.maxBytes, options, watchdog, "cut");
    });
  }

  async blob(url: string, options: TransportOptions & { readonly offset?: number }): Promise<BlobStream | undefined> {
    const from = options.offset ?? 0;
    // `identity`: a blob's length and digest are those of its own bytes, not of a transfer's encoding.
    const headers: Record<string, string> = { accept: "*/*", "accept-encoding": "identity" };
    if (from > 0) headers.range = `bytes=${from}-`;
    const watchdog = new Watchdog(this.#options.registry.timeoutMs, options.signal);
    try {
      const answer = await this.#follow(
        { method: "GET", url, headers, purpose: "bulk", reads: true },
        options,
        watchdog,
      );
      const { status } = answer.response;
      if (status >= 400 && answer.rejected !== undefined) throw answer.rejected;
      if (status === 404 || status === 410) return await this.#drop(answer, watchdog, undefined);
      if (status !== 200 && status !== 206) throw await this.#problem(answer, options, watchdog);
      const range = blobRange(answer.response, from);
      if (range === undefined) {
        throw invalidAnswer(options.action, this.#options.registry.name, `a part of the file that was not asked for`);
      }
      return { ...range, body: this.#stream(url, answer.response, options, watchdog) };
    } catch (error) {
      watchdog.close();
      throw watchdog.explain(error, this.#context(url, options));
    }
  }

  async publish(
    url: string,
    publication: Publication,
    options: TransportOptions & { readonly idempotencyKey: string },
  ): Promise<ApiAnswer> {
    const { encodePublication } = await import("./multipart.ts");
    const body = encodePublication(publication, `lading-${randomUUID()}`);
    const headers = {
      accept: "application/json",
      "content-type": body.contentType,
      "content-length": String(body.contentLength),
      "idempotency-key": options.idempotencyKey,
    };
    return this.#exchange(
      { method: "POST", url, headers, body: body.stream(), purpose: "bulk" },
      options,
      async (answer, watchdog) => {
        const { status } = answer.response;
        if (status < 200 || status > 202) throw await this.#problem(answer, options, watchdog);
        return { status, body: await this.#json(answer.response, options, watchdog) };
      },
    );
  }

  async append(url: string, part: PackagePart, options: TransportOptions): Promise<number> {
    const headers = {
      accept: "application/json",
      "content-type": "application/offset+octet-stream",
      "content-length": String(part.size),
      "tus-resumable": "1.0.0",
      "upload-offset": String(part.offset),
    };
    const exchange: Exchange = { method: "PATCH", url, headers, body: part.open(), purpose: "bulk" };
    return this.#exchange(exchange, options, async (answer, watchdog) => {
      if (answer.response.status !== 204) throw await this.#problem(answer, options, watchdog);
      const offset = headerNumber(answer.response.headers.get("upload-offset"));
      if (offset !== undefined) return this.#drop(answer, watchdog, offset);
      throw invalidAnswer(options.action, this.#options.registry.name, "it does not say where the upload goes on");
    });
  }

  async storePart(
    address: { readonly url: string; readonly headers: Readonly<Record<string, string>> },
    part: PackagePart,
    options: TransportOptions,
  ): Promise<void> {
    const { registry } = this.#options;
    const problem = redirectProblem("GET", new URL(registry.url), new URL(address.url), 0, registry.allowInsecure);
    const foreign = Object.keys(address.headers).find((name) => !STORE_HEADER.test(name));
    if (problem !== undefined || foreign !== undefined) {
      throw new RegistryClientError({
        code: "REGISTRY_REDIRECT_REFUSED",
        message: `Cannot ${options.action}: registry "${registry.name}" wants it sent to "${redactUrl(address.url)}", ${problem ?? `with a header "${foreign!.slice(0, 60)}"`}`,
        hint: "Tell its operator: packages can be sent to the registry itself",
        registry: registry.name,
      });
    }
    const headers = { ...address.headers, "content-length": String(part.size) };
    const exchange: Exchange = {
      method: "PUT",
      url: address.url,
      headers,
      body: part.open(),
      purpose: "bulk",
      credential: "none",
    };
    await this.#exchange(exchange, options, async (answer, watchdog) => {
      const { status } = answer.response;
      // 412: it is there already, from an attempt whose answer was lost.
      if (status !== 412 && (status < 200 || status > 299)) throw await this.#problem(answer, options, watchdog);
      await this.#drop(answer, watchdog, undefined);
    });
  }

  async call(url: string, request: ApiRequest, options: TransportOptions): Promise<ApiAnswer> {
    const headers: Record<string, string> = { accept: "application/json" };
    if (request.body !== undefined) headers["content-type"] = "application/json";
    if (request.raw !== undefined) headers["content-type"] = request.raw.type;
    const body = request.raw?.bytes ?? (request.body === undefined ? undefined : JSON.stringify(request.body));
    if (request.ifMatch !== undefined) headers["if-match"] = request.ifMatch;
    const exchange: Exchange = {
      method: request.method,
      url,
      headers,
      purpose: "call",
      reads: request.reads ?? request.method === "GET",
      credential: request.credential,
      ...(body === undefined ? {} : { body }),
      ...(request.extraMs === undefined ? {} : { extraMs: request.extraMs }),
    };
    return this.#exchange(exchange, options, async (answer, watchdog) => {
      const { status } = answer.response;
      if (status === 404 && answer.rejected !== undefined) throw answer.rejected;
      if (status === 404) return { status, body: await this.#problem(answer, options, watchdog) };
      if (status < 200 || status > 299) throw await this.#problem(answer, options, watchdog);
      return { status, body: await this.#json(answer.response, options, watchdog) };
    });
  }

  async close(): Promise<void> {}

  async #exchange<T>(
    exchange: Exchange,
    options: TransportOptions,
    read: (answer: Answer, watchdog: Watchdog) => Promise<T>,
  ): Promise<T> {
    const watchdog = new Watchdog(this.#options.registry.timeoutMs, options.signal);
    try {
      return await read(await this.#follow(exchange, options, watchdog), watchdog);
    } catch (error) {
      throw watchdog.explain(error, this.#context(exchange.url, options));
    } finally {
      watchdog.close();
    }
  }

  async #follow(exchange: Exchange, options: TransportOptions, watchdog: Watchdog): Promise<Answer> {
    let url = exchange.url;
    for (let redirects = 0; ; redirects++) {
      const answer = await this.#ask({ ...exchange, url }, options, watchdog);
      const target = redirectTarget(answer.response, url);
      if (target === undefined) return answer;
      await this.#drop(answer, watchdog, undefined);
      this.#checkRedirect(exchange.method, url, target, redirects, options);
      url = target.href;
    }
  }

  /**
   * Sends, and where the registry refuses the credential of a read, once more without it: most of what is read is public,
   * and a token that has expired must not stand in its way. What is not there for everybody ends with the refusal.
   */
  async #ask(exchange: Exchange, options: TransportOptions, watchdog: Watchdog): Promise<Answer> {
    const authorization = await this.#authorization(exchange);
    const isOptional = exchange.reads === true && exchange.credential === undefined && authorization !== undefined;
    if (!isOptional) return this.#send(exchange, authorization, watchdog);
    if (this.#rejected?.authorization !== authorization) {
      const answer = await this.#send(exchange, authorization, watchdog);
      if (answer.response.status !== 401) return answer;
      this.#rejected = { authorization, error: await this.#problem(answer, options, watchdog) };
    }
    const { error } = this.#rejected;
    const answer = await this.#send(exchange, undefined, watchdog);
    const { status } = answer.response;
    if (status === 401 || status === 403) {
      await this.#drop(answer, watchdog, undefined);
      throw error;
    }
    if (status < 400 && !this.#toldRejected) {
      this.#toldRejected = true;
      this.#options.onRejected?.(error);
    }
    return { ...answer, rejected: error };
  }

  async #send(exchange: Exchange, authorization: string | undefined, watchdog: Watchdog): Promise<Answer> {
    const headers: Record<string, string> = { "user-agent": this.#options.userAgent, ...exchange.headers };
    if (authorization !== undefined) headers.authorization = authorization;
    this.#options.onRequest?.(exchange.method, exchange.url);
    watchdog.arm(exchange.extraMs ?? 0);
    const response = await this.#options.fetch(exchange.url, {
      method: exchange.method,
      headers,
      signal: watchdog.signal,
      redirect: "manual",
      purpose: exchange.purpose,
      ...(exchange.body === undefined ? {} : { body: keepingAwake(exchange.body, watchdog) }),
    });
    watchdog.arm();
    return { response, authenticated: authorization !== undefined };
  }

  // A token goes to addresses below the registry's exact URL and nowhere else: not to a CDN, not along a redirect.
  async #authorization(exchange: Exchange): Promise<string | undefined> {
    if (exchange.credential === "none") return undefined;
    if (!new URL(exchange.url).href.startsWith(this.#options.registry.url)) return undefined;
    const credential = exchange.credential ?? (await this.#options.credential());
    return credential === undefined ? undefined : authorizationHeader(credential);
  }

  #checkRedirect(method: string, from: string, target: URL, redirects: number, options: TransportOptions): void {
    const problem = redirectProblem(method, new URL(from), target, redirects, this.#options.registry.allowInsecure);
    if (problem === undefined) return;
    throw new RegistryClientError({
      code: "REGISTRY_REDIRECT_REFUSED",
      message: `Cannot ${options.action}: registry "${this.#options.registry.name}" redirects to "${redactUrl(target.href)}", ${problem}`,
      hint: "Configure that address if it is the registry's own",
      registry: this.#options.registry.name,
    });
  }

  async #problem(answer: Answer, options: TransportOptions, watchdog: Watchdog): Promise<RegistryClientError> {
    const { response } = answer;
    const bytes = await this.#collect(response, PROBLEM_LIMIT_BYTES, options, watchdog, "cut");
    return errorFromProblem({
      action: options.action,
      registry: this.#options.registry.name,
      status: response.status,
      body: new TextDecoder().decode(bytes),
      contentType: response.headers.get("content-type"),
      retryAfterMs: parseRetryAfter(response.headers.get("retry-after"), this.#options.clock.now()),
      authenticated: answer.authenticated,
      origin: answer.authenticated ? await this.#options.credentialOrigin?.() : undefined,
    });
  }

  async #json(response: FetchResponse, options: TransportOptions, watchdog: Watchdog): Promise<unknown> {
    const bytes = await this.#collect(response, METADATA_LIMIT_BYTES, options, watchdog);
    if (bytes.length === 0) return undefined;
    const type = response.headers.get("content-type") ?? "";
    if (!/[/+]json/i.test(type)) return new TextDecoder().decode(bytes);
    try {
      return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as unknown;
    } catch (error) {
      throw invalidAnswer(options.action, this.#options.registry.name, "it is not JSON", error);
    }
  }

  async #collect(
    response: FetchResponse,
    limit: number,
    options: TransportOptions,
    watchdog: Watchdog,
    beyond: "refuse" | "cut" = "refuse",
  ): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of response.body ?? []) {
      watchdog.received(chunk.length);
      watchdog.arm();
      chunks.push(chunk);
      size += chunk.length;
      if (size > limit && beyond === "cut") break;
      if (size > limit) {
        throw invalidAnswer(options.action, this.#options.registry.name, `it is larger than ${limit} bytes`);
      }
    }
    return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
  }

  async *#stream(
    url: string,
    response: FetchResponse,
    options: TransportOptions,
    watchdog: Watchdog,
  ): AsyncGenerator<Uint8Array> {
    try {
      watchdog.arm();
      for await (const chunk of response.body ?? []) {
        watchdog.received(chunk.length);
        watchdog.disarm();
        yield chunk;
        watchdog.arm();
      }
    } catch (error) {
      throw watchdog.explain(error, this.#context(url, options));
    } finally {
      watchdog.close();
    }
  }

  // Reads what is left of a short answer, so that its connection can be used again.
  async #drop<T>(answer: Answer, watchdog: Watchdog, result: T): Promise<T> {
    let size = 0;
    for await (const chunk of answer.response.body ?? []) {
      size += chunk.length;
      if (size > PROBLEM_LIMIT_BYTES) break;
    }
    watchdog.disarm();
    return result;
  }

  #context(url: string, { action, signal }: TransportOptions): ExchangeContext {
    return { action, registry: this.#options.registry.name, url: redactUrl(url), signal };
  }
}

/** The value of the `authorization` header (RFC 6750 §2.1, RFC 7617 §2). */
export function authorizationHeader(credential: Credential): string {
  if (credential.type === "token") return `Bearer ${credential.token}`;
  return `Basic ${Buffer.from(`${credential.username}:${credential.password}`, "utf8").toString("base64")}`;
}

function keepingAwake(body: NonNullable<FetchInit["body"]>, watchdog: Watchdog): NonNullable<FetchInit["body"]> {
  return typeof body === "string" || body instanceof Uint8Array ? body : armedStream(body, watchdog);
}

// While bytes leave, the registry is not silent: it takes them.
async function* armedStream<T extends Uint8Array>(body: AsyncIterable<T>, watchdog: Watchdog): AsyncGenerator<T> {
  let sent = 0;
  for await (const chunk of body) {
    watchdog.arm();
    yield chunk;
    sent += chunk.length;
  }
  watchdog.arm(Math.floor(sent / CHECKED_BYTES_PER_MS));
}

function redirectTarget(response: FetchResponse, from: string): URL | undefined {
  if (![301, 302, 303, 307, 308].includes(response.status)) return undefined;
  const location = response.headers.get("location");
  return location === null || !URL.canParse(location, from) ? undefined : new URL(location, from);
}

function redirectProblem(
  method: string,
  from: URL,
  target: URL,
  redirects: number,
  allowInsecure: boolean,
): string | undefined {
  if (method !== "GET" && method !== "HEAD") return "and a call that writes is not sent elsewhere";
  if (redirects >= REDIRECT_LIMIT) return `after ${REDIRECT_LIMIT} redirects, which is the limit`;
  if (target.protocol !== "https:" && target.protocol !== "http:") return "which is not an http: or https: address";
  if (target.protocol === "http:" && from.protocol === "https:") return "away from https:";
  if (target.protocol === "http:" && !isLoopback(target) && !allowInsecure) return "plain http: to another machine";
  return undefined;
}

function blobRange(response: FetchResponse, from: number): { offset: number; size?: number } | undefined {
  const length = headerNumber(response.headers.get("content-length"));
  if (response.status === 200) return { offset: 0, ...(length === undefined ? {} : { size: length }) };
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get("content-range") ?? "");
  if (range === null || Number(range[1]) !== from) return undefined;
  return { offset: from, ...(range[2] === "*" ? {} : { size: Number(range[2]) }) };
}

function headerNumber(text: string | null): number | undefined {
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
