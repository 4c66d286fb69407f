import type { Outbound } from "../outbound.ts";
import { RegistryError } from "../registry-error.ts";
import {
  describedBy,
  readAll,
  readDescription,
  refusedUpstream,
  unavailable,
  type UpstreamDescription,
  type UpstreamSource,
  type WantedFile,
} from "./upstream-source.ts";

const DESCRIPTION = ".well-known/lading.json";
const DESCRIPTION_BYTES = 64 * 1024;
/** Files of one request, and the most bytes that they may have together (`docs/spec/http-api.md`). */
const BATCH_FILES = 200;
const BATCH_BYTES = 16 * 2 ** 20;
/** What files have at most, as a rule; where they have more, the upstream refuses the batch, and they are fetched singly. */
const EXPECTED_BYTES = 128 * 1024;
const LINE_BYTES = 1200;
const PARALLEL = 6;
const ATTEMPTS = 3;
const PAUSE_MS = 300;
/** From the first byte of an answer to its last, and before the first. */
const SILENT_MS = 30_000;

/** Where the parts of an upstream are, each ending in `/`. */
interface Addresses {
  readonly index: string;
  readonly blobs: string;
  readonly metadata: string;
  readonly log: string;
  readonly feed: string;
  /** Where several files are asked for at once. */
  readonly files: string | undefined;
}

interface Described {
  readonly addresses: Addresses;
  readonly description: UpstreamDescription;
}

/** An answer that another attempt may change. */
function isPassing(status: number): boolean {
  return status === 429 || status >= 500;
}

async function* whole(body: ReadableStream<Uint8Array>, alive: () => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    alive();
    yield chunk;
  }
}

/** Runs work on items, some at a time, in order of the items. */
export async function inParallel<Item, Result>(
  items: readonly Item[],
  limit: number,
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const at = next++;
      results[at] = await work(items[at]!);
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  return results;
}

/** An upstream by its address. Connections go the way of every request that the server makes of its own. */
export class HttpSource implements UpstreamSource {
  readonly #name: string;
  readonly #base: string;
  readonly #outbound: Outbound;
  readonly #token: string | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #attempts: number;
  #described: Promise<Described> | undefined;
  #batches = true;

  constructor(options: {
    /** What messages call it. */
    readonly name: string;
    readonly url: string;
    readonly outbound: Outbound;
    /** Sent to the upstream's own origin alone. */
    readonly token?: string | undefined;
    readonly signal?: AbortSignal | undefined;
    /** Tries before the upstream counts as unavailable. Default: 3. */
    readonly attempts?: number | undefined;
  }) {
    const url = new URL(options.url);
    this.#base = url.href.endsWith("/") ? url.href : `${url.href}/`;
    this.#name = options.name;
    // Whoever named the upstream in the configuration meant that it be asked, wherever it is.
    this.#outbound = options.outbound.allowing([url.host]);
    this.#token = options.token;
    this.#signal = options.signal;
    this.#attempts = options.attempts ?? ATTEMPTS;
  }

  async describe(): Promise<UpstreamDescription> {
    this.#described = undefined;
    return (await this.#where()).description;
  }

  async #where(): Promise<Described> {
    const pending = (this.#described ??= this.#describe());
    try {
      return await pending;
    } catch (error) {
      this.#described = undefined;
      throw error;
    }
  }

  async #describe(): Promise<Described> {
    const bytes = await this.#get(new URL(DESCRIPTION, this.#base), {
      path: DESCRIPTION,
      maxBytes: DESCRIPTION_BYTES,
    });
    if (bytes === undefined) throw refusedUpstream(this.#name, `"/${DESCRIPTION}" is not there`);
    const value = readDescription(bytes, this.#name);
    const log = value["log"] as { readonly url?: unknown } | undefined;
    return {
      description: describedBy(value),
      addresses: {
        index: this.#address(value["index"], ""),
        blobs: this.#address(value["blobs"], "blobs/sha256/"),
        metadata: this.#address(value.metadata, "metadata/"),
        log: this.#address(log?.url, "log/"),
        feed: this.#address(value["feed"], "feed/"),
        files: value["files"] === undefined ? undefined : this.#address(value["files"], "").slice(0, -1),
      },
    };
  }

  #address(value: unknown, fallback: string): string {
    const text = typeof value === "string" ? value : fallback;
    const url = URL.parse(text, this.#base);
    const encrypted = this.#base.startsWith("https:");
    if (url === null || (encrypted && url.protocol !== "https:")) {
      throw refusedUpstream(this.#name, `its description names "${text.slice(0, 100)}" as one of its addresses`);
    }
    return url.href.endsWith("/") ? url.href : `${url.href}/`;
  }

  #urlOf({ addresses }: Described, path: string): URL {
    const [prefix = ""] = path.split("/", 1);
    const rest = path.slice(prefix.length + 1);
    if (prefix === "metadata") return new URL(rest, addresses.metadata);
    if (prefix === "log") return new URL(rest, addresses.log);
    if (prefix === "feed") return new URL(rest, addresses.feed);
    if (prefix === "blobs") return new URL(rest.replace(/^sha256\//, ""), addresses.blobs);
    return new URL(path, addresses.index);
  }

  async read(wanted: readonly WantedFile[]): Promise<readonly (Uint8Array | undefined)[]> {
    const where = await this.#where();
    const { files } = where.addresses;
    if (files === undefined || wanted.length < 2 || !this.#batches) {
      return inParallel(wanted, PARALLEL, (one) => this.#get(this.#urlOf(where, one.path), one));
    }
    const found = await inParallel(partsOf(wanted), 2, (part) => this.#together(files, part));
    if (found.includes(undefined)) {
      // An old upstream, or one that only gives plain files.
      this.#batches = false;
      return this.read(wanted);
    }
    return found.flatMap((part) => part!);
  }

  async open(path: string): Promise<AsyncIterable<Uint8Array> | undefined> {
    return this.#ask(this.#urlOf(await this.#where(), path), {});
  }

  async #get(url: URL, wanted: WantedFile): Promise<Uint8Array | undefined> {
    return this.#retrying(async () => {
      const chunks = await this.#ask(url, {});
      return chunks && readAll(chunks, wanted, this.#name);
    });
  }

  async #together(
    url: string,
    wanted: readonly WantedFile[],
  ): Promise<readonly (Uint8Array | undefined)[] | undefined> {
    const paths = [...new Set(wanted.map(({ path }) => path))];
    const maxBytes = wanted.reduce((sum, one) => sum + one.maxBytes + LINE_BYTES, 0);
    const bytes = await this.#retrying(async () => {
      const headers = { "content-type": "application/json" };
      const chunks = await this.#ask(new URL(url), { method: "POST", headers, body: JSON.stringify({ paths }) });
      return chunks && readAll(chunks, { path: "files", maxBytes }, this.#name);
    });
    const found = bytes && splitFiles(bytes, this.#name);
    return (
      found &&
      wanted.map(({ path, maxBytes: most }) => {
        const file = found.get(path);
        if ((file?.length ?? 0) <= most) return file;
        throw refusedUpstream(this.#name, `"${path}" has more than the ${most} bytes that are allowed`);
      })
    );
  }

  async #retrying<T>(attempt: () => Promise<T>): Promise<T> {
    for (let tried = 1; ; tried += 1) {
      try {
        return await attempt();
      } catch (error) {
        const passing = error instanceof RegistryError && error.code === "UPSTREAM_UNAVAILABLE";
        if (!passing || tried === this.#attempts || this.#signal?.aborted === true) throw error;
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * tried));
      }
    }
  }

  async #ask(
    url: URL,
    request: { readonly method?: string; readonly headers?: Record<string, string>; readonly body?: string },
  ): Promise<AsyncIterable<Uint8Array> | undefined> {
    const silence = new AbortController();
    let timer = setTimeout(() => silence.abort(new Error(`no byte within ${SILENT_MS} ms`)), SILENT_MS);
    const alive = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(new Error(`no byte within ${SILENT_MS} ms`)), SILENT_MS);
      timer.unref();
    };
    const signals = [silence.signal, ...(this.#signal === undefined ? [] : [this.#signal])];
    try {
      const answer = await this.#outbound.fetch(url, {
        ...request,
        redirect: "follow",
        signal: AbortSignal.any(signals),
        headers: {
          ...request.headers,
          ...(this.#token === undefined || url.origin !== new URL(this.#base).origin
            ? {}
            : { authorization: `Bearer ${this.#token}` }),
        },
      });
      alive();
      return await this.#judged(answer, request.method ?? "GET", alive, () => clearTimeout(timer));
    } catch (error) {
      clearTimeout(timer);
      throw this.#told(error);
    }
  }

  async #judged(
    answer: Response,
    method: string,
    alive: () => void,
    done: () => void,
  ): Promise<AsyncIterable<Uint8Array> | undefined> {
    const { status, body } = answer;
    if (status === 200 && body !== null) return this.#telling(whole(body, alive), done);
    await body?.cancel();
    done();
    // Withheld for good, or never there: both are absent here.
    if ([404, 410, 451].includes(status) || (method === "POST" && !isPassing(status))) return undefined;
    if (status === 401 || status === 403) {
      throw unavailable(this.#name, `it answers ${status}: it wants other credentials than it was given`);
    }
    throw unavailable(this.#name, `it answers ${status}`);
  }

  async *#telling(chunks: AsyncIterable<Uint8Array>, done: () => void): AsyncGenerator<Uint8Array> {
    try {
      yield* chunks;
    } catch (error) {
      throw this.#told(error);
    } finally {
      done();
    }
  }

  #told(error: unknown): RegistryError {
    if (error instanceof RegistryError) {
      return error.code === "OUTBOUND_REFUSED" ? unavailable(this.#name, error.message, error) : error;
    }
    const { code, message } = error as { code?: unknown; message?: unknown };
    return unavailable(this.#name, String(code ?? message ?? error), error);
  }
}

function partsOf(wanted: readonly WantedFile[]): WantedFile[][] {
  const parts: WantedFile[][] = [];
  let bytes = 0;
  for (const one of wanted) {
    const expected = Math.min(one.maxBytes, EXPECTED_BYTES);
    bytes += expected;
    const last = parts.at(-1);
    if (last === undefined || last.length === BATCH_FILES || bytes > BATCH_BYTES) {
      parts.push([one]);
      bytes = expected;
    } else last.push(one);
  }
  return parts;
}

/** The files of an answer to a request for several; see `docs/spec/http-api.md`. */
function splitFiles(bytes: Uint8Array, upstream: string): ReadonlyMap<string, Uint8Array | undefined> {
  const found = new Map<string, Uint8Array | undefined>();
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf(10, at);
    const line = end === -1 ? "" : new TextDecoder().decode(bytes.subarray(at, end));
    const [, path, length] = /^(\S+) (-|\d{1,9})$/.exec(line) ?? [];
    const size = length === "-" ? 0 : Number(length);
    if (path === undefined || end + 1 + size > bytes.length) {
      throw refusedUpstream(upstream, "its answer with several files is cut off or malformed");
    }
    found.set(path, length === "-" ? undefined : bytes.slice(end + 1, end + 1 + size));
    at = end + 1 + size;
  }
  return found;
}
