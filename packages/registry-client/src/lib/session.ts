import type { EventListener } from "@lading/core-manifest";
import type { CallOptions } from "./client-types.ts";
import { DESCRIPTION_PATH, parseDescription, staticDescription } from "./description.ts";
import { invalidAnswer } from "./json.ts";
import type { MutableMetrics } from "./metrics.ts";
import type {
  ApiAnswer,
  ApiRequest,
  CachedMetadata,
  Clock,
  Credential,
  CredentialStore,
  MetadataCache,
  RegistryDescription,
  Transport,
} from "./ports.ts";
import { RegistryClientError } from "./registry-client-error.ts";
import type { RegistryConfig } from "./registry-config.ts";
import { withRetries } from "./retry.ts";
import type { TrustView, TrustWalk } from "./trust/trust-types.ts";

/** How long a description is used without asking whether it changed, milliseconds. */
const DESCRIPTION_MAX_AGE_MS = 60 * 60 * 1000;
/** Within one command. */
const JUST_NOW_MS = 10_000;

/** An API call: what {@link Transport.call} needs, with its path below the API base. */
export interface SessionCall extends ApiRequest {
  /** Below the API base, without a leading slash: `packages/tool/versions`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | readonly string[] | undefined>>;
  /** What the user is doing, for messages. */
  readonly action: string;
}

/** What every operation of one client shares: ports, counters, the description, retries and offline mode. */
export class Session {
  readonly registry: RegistryConfig;
  readonly transport: Transport;
  readonly cache: MetadataCache;
  readonly credentials: CredentialStore;
  readonly clock: Clock;
  readonly offline: boolean;
  readonly onEvent: EventListener;
  readonly metrics: MutableMetrics;
  /** Set by `authenticate`; wins over the store. */
  override: Credential | undefined;
  /** Statements that are being read. */
  readonly statements: Map<string, Promise<Uint8Array>> = new Map<string, Promise<Uint8Array>>();
  #cacheWarned = false;
  #description: Promise<RegistryDescription> | undefined;
  /** When the registry itself was asked for its description. */
  #describedAt = Number.NEGATIVE_INFINITY;
  readonly #openTrust: (session: Session) => TrustWalk;
  #trust: TrustWalk | undefined;

  constructor(init: {
    registry: RegistryConfig;
    transport: Transport;
    cache: MetadataCache;
    credentials: CredentialStore;
    clock: Clock;
    offline: boolean;
    onEvent: EventListener;
    metrics: MutableMetrics;
    openTrust: (session: Session) => TrustWalk;
  }) {
    this.#openTrust = init.openTrust;
    this.registry = init.registry;
    this.transport = init.transport;
    this.cache = init.cache;
    this.credentials = init.credentials;
    this.clock = init.clock;
    this.offline = init.offline;
    this.onEvent = init.onEvent;
    this.metrics = init.metrics;
  }

  retrying<T>(
    options: CallOptions,
    attempt: () => Promise<T>,
    onRetry?: (error: RegistryClientError) => Promise<void>,
  ): Promise<T> {
    let before: (() => Promise<void>) | undefined;
    return withRetries(
      {
        clock: this.clock,
        // A directory that cannot be read now cannot be read in a second.
        maxRetries: this.registry.url.startsWith("file:") ? 0 : this.registry.maxRetries,
        signal: options.signal,
        onRetry: (error, retry, pauseMs) => {
          this.metrics.retries++;
          if (onRetry !== undefined) before = () => onRetry(error);
          this.onEvent({
            type: "debug",
            scope: "registry",
            message: `attempt ${retry} failed (${error.code}), next in ${Math.round(pauseMs)} ms: ${error.message}`,
          });
        },
      },
      async () => {
        await before?.();
        return attempt();
      },
    );
  }

  /** @throws {RegistryClientError} `REGISTRY_OFFLINE` */
  requireOnline(action: string, missing: string): void {
    if (!this.offline) return;
    throw new RegistryClientError({
      code: "REGISTRY_OFFLINE",
      message: `Cannot ${action}: offline, and ${missing} is not cached`,
      hint: "Run the command once without --offline",
      registry: this.registry.name,
      missing,
    });
  }

  /** What the registry is trusted by. */
  trust(): TrustWalk {
    return (this.#trust ??= this.#openTrust(this));
  }

  /** The verified state of the registry; see {@link TrustWalk}. */
  async view(options: CallOptions & { readonly refresh?: boolean | undefined }): Promise<TrustView | undefined> {
    const trust = this.trust();
    return options.refresh === true ? trust.refresh(options) : trust.view(options);
  }

  async describe(options: CallOptions): Promise<RegistryDescription> {
    const pending = (this.#description ??= this.#loadDescription(options));
    try {
      return await pending;
    } catch (error) {
      if (this.#description === pending) this.#description = undefined;
      throw error;
    }
  }

  /** As {@link describe}, and the registry was asked a moment ago at most, whatever the cache has. */
  async describeAgain(options: CallOptions): Promise<RegistryDescription> {
    const known = await this.describe(options);
    if (this.clock.now() - this.#describedAt <= JUST_NOW_MS) return known;
    this.#description = this.#loadDescription(options, true);
    return this.describe(options);
  }

  /** The URL of an API call. @throws {RegistryClientError} `REGISTRY_READ_ONLY` where the registry has no API */
  async apiUrl(call: Pick<SessionCall, "path" | "query" | "action">, options: CallOptions): Promise<string> {
    this.requireOnline(call.action, "the registry's answer");
    const { api } = await this.describe(options);
    if (api === undefined) throw this.readOnly(call.action);
    const url = new URL(call.path, api);
    for (const [key, value] of Object.entries(call.query ?? {})) {
      for (const one of value === undefined ? [] : [value].flat()) url.searchParams.append(key, String(one));
    }
    return url.href;
  }

  async call(call: SessionCall, options: CallOptions = {}): Promise<ApiAnswer> {
    const url = await this.apiUrl(call, options);
    const attempt = (): Promise<ApiAnswer> =>
      this.transport.call(url, call, { action: call.action, signal: options.signal });
    const repeatable = call.repeatable ?? call.method !== "POST";
    return repeatable ? this.retrying(options, attempt) : attempt();
  }

  /** A call whose 404 is an error. */
  async demand(call: SessionCall, options: CallOptions = {}): Promise<ApiAnswer> {
    const answer = await this.call(call, options);
    if (answer.status === 404) throw notFound(answer, call.action, this.registry.name);
    return answer;
  }

  /** What the cache has; a damaged entry is reported and counts as absent. */
  async cached(path: string): Promise<CachedMetadata | undefined> {
    this.metrics.cacheReads++;
    const found = await this.cache.get(this.registry.url, path);
    if (found.status === "corrupt") {
      this.metrics.cacheCorrupt++;
      this.onEvent({
        type: "warning",
        code: "CACHE_CORRUPT",
        message: `The cached copy of "${path}" from registry "${this.registry.name}" was damaged (${found.reason}) and is fetched again`,
      });
    }
    if (found.status !== "hit") return undefined;
    this.metrics.cacheHits++;
    return found.entry;
  }

  /** Puts into the cache. A cache that cannot be written makes the next run slower, not this one wrong. */
  async store(path: string, entry: CachedMetadata): Promise<void> {
    try {
      await this.cache.put(this.registry.url, path, entry);
    } catch (error) {
      if (this.#cacheWarned) return;
      this.#cacheWarned = true;
      const message = `Documents of registry "${this.registry.name}" cannot be cached: ${error instanceof Error ? error.message : String(error)}`;
      this.onEvent({ type: "warning", code: "CACHE_UNWRITABLE", message });
    }
  }

  readOnly(action: string): RegistryClientError {
    return new RegistryClientError({
      code: "REGISTRY_READ_ONLY",
      message: `Cannot ${action}: registry "${this.registry.name}" is files without an API`,
      hint: "Use a registry with a server for this command; a static registry takes packages by index-publish where it is kept",
      registry: this.registry.name,
    });
  }

  async #loadDescription(options: CallOptions, again = false): Promise<RegistryDescription> {
    const cached = await this.cached(DESCRIPTION_PATH);
    const fresh = !again && cached !== undefined && this.clock.now() - cached.checkedAt < DESCRIPTION_MAX_AGE_MS;
    if (cached !== undefined && (fresh || this.offline)) return parseDescription(cached.bytes, this.registry);
    const isFile = this.registry.url.startsWith("file:");
    const action = `read the description of registry "${this.registry.name}"`;
    if (!isFile) this.requireOnline(action, `"${DESCRIPTION_PATH}"`);
    const url = new URL(DESCRIPTION_PATH, this.registry.url).href;
    const answer = await this.retrying(options, () =>
      this.transport.metadata(url, { action, signal: options.signal, validator: cached?.validator }),
    );
    if (answer.status === "absent") {
      if (isFile) return this.#describeDirectory(options);
      throw invalidAnswer(
        action,
        this.registry.name,
        `it has no "${DESCRIPTION_PATH}", so there is no registry at this address, or none that you may see`,
      );
    }
    const entry = answer.status === "unchanged" ? cached! : answer;
    const description = parseDescription(entry.bytes, this.registry);
    this.#describedAt = this.clock.now();
    await this.store(DESCRIPTION_PATH, {
      bytes: entry.bytes,
      checkedAt: this.clock.now(),
      ...(entry.validator === undefined ? {} : { validator: entry.validator }),
    });
    return description;
  }

  /** A directory without a description has signed metadata where there is a timestamp. */
  async #describeDirectory(options: CallOptions): Promise<RegistryDescription> {
    const metadata = new URL("metadata/", this.registry.url).href;
    const action = `read the description of registry "${this.registry.name}"`;
    const url = new URL("timestamp.json", metadata).href;
    const { status } = await this.transport.metadata(url, { action, signal: options.signal });
    return status === "absent" ? staticDescription(this.registry) : { ...staticDescription(this.registry), metadata };
  }
}

// The transport hands over the error that it made of a 404's problem document.
function notFound(answer: ApiAnswer, action: string, registry: string): RegistryClientError {
  if (answer.body instanceof RegistryClientError) return answer.body;
  return new RegistryClientError({
    code: "REGISTRY_NOT_FOUND",
    message: `Cannot ${action}: registry "${registry}" has no such thing, or you may not see it`,
    registry,
  });
}
