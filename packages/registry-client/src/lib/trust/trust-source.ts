import { createHash } from "node:crypto";
import { MetadataError, type MetadataRequest, type MetadataSource } from "@lading/signing/metadata";
import type { CallOptions } from "../client-types.ts";
import { createLimiter } from "../limit.ts";
import { RegistryClientError } from "../registry-client-error.ts";
import type { TrustPorts } from "./trust-ports.ts";
import { parseFiles } from "./batch.ts";

/** Most files that are asked for at once, and most bytes (`docs/spec/http-api.md`). */
const BATCH_FILES = 200;
const BATCH_BYTES = 8 * 2 ** 20;
/** Files that are asked for one by one at a time: without a bound each would open a connection of its own. */
const CONCURRENCY = 16;
/** Refusals of the request for several files that say nothing of the files. */
const REFUSALS: ReadonlySet<string> = new Set([
  "REGISTRY_AUTH_REQUIRED",
  "REGISTRY_AUTH_FAILED",
  "REGISTRY_FORBIDDEN",
  "REGISTRY_NOT_FOUND",
  "REGISTRY_RATE_LIMITED",
  "REGISTRY_REFUSED",
]);
/** What stands around each file of a batch. */
const LINE_BYTES = 1200;

/** Where a registry's signed files are. */
export interface TrustLocation {
  /** Absolute, ending in `/`. */
  readonly metadata: string;
  /** Absolute, ending in `/`; what is below begins with `index/`. */
  readonly index: string;
  /** Where several files are asked for at once; absent: one by one. */
  readonly files?: string | undefined;
  readonly log?: string | undefined;
}

/** A file that is asked for, by the path that it has below the registry's address. */
export interface TrustRequest {
  /** `metadata/timestamp.json`, `log/checkpoint`, `index/_/to/<sha256>.tool.json`. */
  readonly path: string;
  readonly maxBytes: number;
  /** Bytes that it has, where that is known. */
  readonly length?: number | undefined;
  /** What is here already: its bytes stand for an answer "not modified". */
  readonly known?: Uint8Array | undefined;
}

/** Gets signed files, none of which is trusted: several in one request where the registry offers it. */
export class TrustSource implements MetadataSource {
  readonly #session: TrustPorts;
  readonly #location: TrustLocation;
  #options: CallOptions;
  #isRefused = false;
  readonly #limited = createLimiter(CONCURRENCY);
  readonly #ahead = new Map<string, Uint8Array | undefined>();

  constructor(session: TrustPorts, location: TrustLocation, options: CallOptions) {
    this.#session = session;
    this.#location = location;
    this.#options = options;
  }

  /** Ends the call that this began with: what is asked for later is not given up with it. */
  endCall(): void {
    this.#options = {};
  }

  /** Gets files that are about to be asked for; each is given out once. */
  async prefetch(requests: readonly TrustRequest[]): Promise<void> {
    const files = await this.get(requests);
    for (const [i, { path }] of requests.entries()) this.#ahead.set(path, files[i]);
  }

  /** A file by its path below the registry's address. */
  async file(request: TrustRequest): Promise<Uint8Array | undefined> {
    const { path } = request;
    if (this.#ahead.has(path)) {
      const bytes = this.#ahead.get(path);
      this.#ahead.delete(path);
      return bytes;
    }
    return (await this.get([request]))[0];
  }

  fetch({ path, maxBytes }: MetadataRequest): Promise<Uint8Array | undefined> {
    return this.file({ path: `metadata/${path}`, maxBytes });
  }

  fetchMany(requests: readonly MetadataRequest[]): Promise<readonly (Uint8Array | undefined)[]> {
    return this.get(requests.map(({ path, maxBytes }) => ({ path: `metadata/${path}`, maxBytes })));
  }

  /** Files in the order asked for. */
  async get(
    requests: readonly TrustRequest[],
    options: CallOptions = this.#options,
  ): Promise<readonly (Uint8Array | undefined)[]> {
    const { files } = this.#location;
    if (files === undefined || this.#session.transport.files === undefined || this.#isRefused) {
      return this.#each(requests, options);
    }
    try {
      const parts = partsOf(requests).map((part) =>
        part.length === 1 ? this.#each(part, options) : this.#batch(files, part, options),
      );
      return (await Promise.all(parts)).flat();
    } catch (error) {
      // A call of the API is refused where plain files are given: an old token, too many calls.
      if (this.#isRefused || !(error instanceof RegistryClientError) || !REFUSALS.has(error.code)) throw error;
      this.#isRefused = true;
      return this.#each(requests, options);
    }
  }

  #each(requests: readonly TrustRequest[], options: CallOptions): Promise<readonly (Uint8Array | undefined)[]> {
    return Promise.all(requests.map((request) => this.#limited(() => this.#one(request, options))));
  }

  async #batch(
    url: string,
    requests: readonly TrustRequest[],
    options: CallOptions,
  ): Promise<readonly (Uint8Array | undefined)[]> {
    const { registry, transport } = this.#session;
    const action = `read the signed metadata of registry "${registry.name}"`;
    const paths = [...new Set(requests.map(({ path }) => path))];
    const maxBytes = requests.reduce((sum, request) => sum + request.maxBytes + LINE_BYTES, 0);
    const bytes = await this.#session.retrying(options, () =>
      transport.files!(url, paths, { action, signal: options.signal, maxBytes }),
    );
    if (bytes.length > maxBytes) {
      throw new MetadataError({
        code: "METADATA_TOO_LARGE",
        message: `Cannot ${action}: ${paths.length} files together have more than the ${maxBytes} bytes that are allowed`,
        limit: maxBytes,
      });
    }
    const found = parseFiles(bytes, paths, { action, registry: registry.name });
    return requests.map(({ path }) => found.get(path));
  }

  async #one({ path, maxBytes, known }: TrustRequest, options: CallOptions): Promise<Uint8Array | undefined> {
    const url = this.#urlOf(path);
    if (url === undefined) return undefined;
    const action = `read "${path}" of registry "${this.#session.registry.name}"`;
    const answer = await this.#session.retrying(options, () =>
      this.#session.transport.metadata(url, {
        action,
        signal: options.signal,
        maxBytes,
        compressed: true,
        validator: known === undefined ? undefined : validatorOf(known),
      }),
    );
    if (answer.status === "absent") return undefined;
    return answer.status === "unchanged" ? known : answer.bytes;
  }

  #urlOf(path: string): string | undefined {
    if (path.startsWith("index/")) return new URL(path, this.#location.index).href;
    const slash = path.indexOf("/");
    const base = path.startsWith("log/") ? this.#location.log : this.#location.metadata;
    return base === undefined ? undefined : new URL(path.slice(slash + 1), base).href;
  }
}

/** Requests in the order given, cut into what may be asked for at once. */
function partsOf(requests: readonly TrustRequest[]): TrustRequest[][] {
  const parts: TrustRequest[][] = [];
  let room = { files: 0, bytes: 0 };
  for (const request of requests) {
    const { length = 0 } = request;
    if (room.files === 0 || room.bytes < length) {
      parts.push([]);
      room = { files: BATCH_FILES, bytes: BATCH_BYTES };
    }
    parts.at(-1)!.push(request);
    room = { files: room.files - 1, bytes: room.bytes - length };
  }
  return parts;
}

// A registry's entity tags are digests of the content, with a suffix where it is compressed on its way.
function validatorOf(bytes: Uint8Array): string {
  const hex = createHash("sha256").update(bytes).digest("hex");
  return `"sha256:${hex}", "sha256:${hex}+gzip"`;
}
