import { createHash } from "node:crypto";
import { MetadataError, type MetadataRequest, type MetadataSource } from "@lading/signing/metadata";
import type { CallOptions } from "../client-types.ts";
import { RegistryClientError } from "../registry-client-error.ts";
import type { TrustPorts } from "./trust-ports.ts";
import { parseFiles } from "./batch.ts";

/** Most files that are asked for at once (`docs/spec/http-api.md`). */
const BATCH_FILES = 200;
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
  /** Where several files are asked for at once; absent: one by one. */
  readonly files?: string | undefined;
  readonly log?: string | undefined;
}

/** A file that is asked for, by the path that it has below the registry's address. */
export interface TrustRequest {
  /** `metadata/timestamp.json`, `log/checkpoint`. */
  readonly path: string;
  readonly maxBytes: number;
  /** What is here already: its bytes stand for an answer "not modified". */
  readonly known?: Uint8Array | undefined;
}

/** Gets signed files, none of which is trusted: several in one request where the registry offers it. */
export class TrustSource implements MetadataSource {
  readonly #session: TrustPorts;
  readonly #location: TrustLocation;
  readonly #options: CallOptions;
  #isRefused = false;
  readonly #ahead = new Map<string, Uint8Array | undefined>();

  constructor(session: TrustPorts, location: TrustLocation, options: CallOptions) {
    this.#session = session;
    this.#location = location;
    this.#options = options;
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
  async get(requests: readonly TrustRequest[]): Promise<readonly (Uint8Array | undefined)[]> {
    const { files } = this.#location;
    const { transport } = this.#session;
    if (files === undefined || requests.length < 2 || transport.files === undefined || this.#isRefused) {
      return Promise.all(requests.map((request) => this.#one(request)));
    }
    const parts: TrustRequest[][] = [];
    for (let at = 0; at < requests.length; at += BATCH_FILES) parts.push(requests.slice(at, at + BATCH_FILES));
    try {
      return (await Promise.all(parts.map((part) => this.#batch(files, part)))).flat();
    } catch (error) {
      // A call of the API is refused where plain files are given: an old token, too many calls.
      if (!(error instanceof RegistryClientError) || !REFUSALS.has(error.code)) throw error;
      this.#isRefused = true;
      return this.get(requests);
    }
  }

  async #batch(url: string, requests: readonly TrustRequest[]): Promise<readonly (Uint8Array | undefined)[]> {
    const { registry, transport } = this.#session;
    const action = `read the signed metadata of registry "${registry.name}"`;
    const paths = [...new Set(requests.map(({ path }) => path))];
    const maxBytes = requests.reduce((sum, request) => sum + request.maxBytes + LINE_BYTES, 0);
    const bytes = await this.#session.retrying(this.#options, () =>
      transport.files!(url, paths, { action, signal: this.#options.signal, maxBytes }),
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

  async #one({ path, maxBytes, known }: TrustRequest): Promise<Uint8Array | undefined> {
    const url = this.#urlOf(path);
    if (url === undefined) return undefined;
    const action = `read "${path}" of registry "${this.#session.registry.name}"`;
    const answer = await this.#session.retrying(this.#options, () =>
      this.#session.transport.metadata(url, {
        action,
        signal: this.#options.signal,
        maxBytes,
        compressed: true,
        validator: known === undefined ? undefined : validatorOf(known),
      }),
    );
    if (answer.status === "absent") return undefined;
    return answer.status === "unchanged" ? known : answer.bytes;
  }

  #urlOf(path: string): string | undefined {
    const slash = path.indexOf("/");
    const base = path.startsWith("log/") ? this.#location.log : this.#location.metadata;
    return base === undefined ? undefined : new URL(path.slice(slash + 1), base).href;
  }
}

// A registry's entity tags are digests of the content, with a suffix where it is compressed on its way.
function validatorOf(bytes: Uint8Array): string {
  const hex = createHash("sha256").update(bytes).digest("hex");
  return `"sha256:${hex}", "sha256:${hex}+gzip"`;
}
