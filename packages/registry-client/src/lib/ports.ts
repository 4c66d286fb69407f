import type { Digest } from "@lading/core-manifest";

/** Time, as the client needs it. Tests pass one that does not wait. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /**
   * Resolves after `ms` milliseconds.
   * Rejects with the signal's reason as soon as `signal` aborts.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** A number in [0, 1): the jitter of retries. */
  random(): number;
}

/** What a {@link Fetch} is told. The client follows redirects itself, so `redirect` is always `manual`. */
export interface FetchInit {
  readonly method: string;
  readonly headers: Record<string, string>;
  /** A body that is streamed has its `content-length` among the headers. */
  readonly body?: string | Uint8Array<ArrayBuffer> | AsyncIterable<Uint8Array<ArrayBuffer>>;
  readonly signal: AbortSignal;
  readonly redirect: "manual";
  /** `bulk` for package files in either direction, which may run over a pool of connections. */
  readonly purpose: "call" | "bulk";
}

/** The part of a web `Response` that the client reads. */
export interface FetchResponse {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  /** The body, decoded from transfer and content encodings; reading stops the transfer when it is left early. */
  readonly body: AsyncIterable<Uint8Array> | null;
}

/**
 * One HTTP exchange. Resolves with the answer whatever its status; rejects when there is none (name not found,
 * refused, reset) or when `signal` aborts, then with the signal's reason or an error whose cause chain holds it.
 * A handler of the form `(Request) => Response` becomes one by `fetchFromHandler` of the testing entry.
 */
export type Fetch = (url: string, init: FetchInit) => Promise<FetchResponse>;

/** What proves who somebody is to one registry. */
export type Credential =
  | { readonly type: "token"; readonly token: string }
  | {
      readonly type: "basic";
      readonly username: string;
      readonly password: string;
      /** Code of a second factor, or a recovery code. Never stored. */
      readonly otp?: string;
    };

/**
 * Keeps credentials, each under the exact canonical URL of its registry: what is stored for
 * `https://host/a/` is never given for `https://host/` or `https://host/a/b/`.
 */
export interface CredentialStore {
  /** The credential, or `undefined` where there is none for exactly this URL. */
  get(registryUrl: string): Promise<Credential | undefined>;
  /** Stores or replaces. Rejects with `CREDENTIALS_READ_ONLY` where the store cannot be written. */
  set(registryUrl: string, credential: Credential): Promise<void>;
  /** Whether there was one to delete. */
  delete(registryUrl: string): Promise<boolean>;
  /** Canonical URLs that have a credential, sorted. */
  list(): Promise<readonly string[]>;
  /** Where the credential for this URL comes from, in words for messages: `the variable LADING_TOKEN`. */
  origin?(registryUrl: string): Promise<string | undefined>;
}

/** A metadata document as it was last received. */
export interface CachedMetadata {
  readonly bytes: Uint8Array;
  /** The server's entity tag, to ask whether the document changed. */
  readonly validator?: string;
  /** When it was received or last confirmed, milliseconds since the epoch. */
  readonly checkedAt: number;
}

/** What a cache has under one key. */
export type CacheLookup =
  | { readonly status: "hit"; readonly entry: CachedMetadata }
  | { readonly status: "miss" }
  /** There was an entry and its bytes are not what was stored; it is gone now. */
  | { readonly status: "corrupt"; readonly reason: string };

/**
 * Documents of registries, kept between processes. A `hit` is byte-equal to what was `put`: an implementation
 * that cannot be sure stores the digest beside the bytes and compares it on every read.
 */
export interface MetadataCache {
  /** Never rejects for a damaged entry: that is the outcome `corrupt`. */
  get(registryUrl: string, path: string): Promise<CacheLookup>;
  /** Stores or replaces, atomically: a reader sees the old entry or the new one. */
  put(registryUrl: string, path: string, entry: CachedMetadata): Promise<void>;
  delete(registryUrl: string, path: string): Promise<void>;
  /** Forgets one registry, or all. */
  clear(registryUrl?: string): Promise<void>;
}

/** Outcome of reading a metadata document. */
export type MetadataAnswer =
  | { readonly status: "found"; readonly bytes: Uint8Array; readonly validator?: string }
  /** Only where a validator was given: what the caller has is current. */
  | { readonly status: "unchanged" }
  | {
      readonly status: "absent";
      /** The registry refused the credential, and was asked without it: what is private looks absent then. */
      readonly rejected?: Error;
    };

/** A blob on its way. */
export interface BlobStream {
  /** Bytes of the whole blob, where the other side says so. */
  readonly size?: number;
  /** Where `body` starts: what was asked for, or 0 where the other side cannot start elsewhere. */
  readonly offset: number;
  readonly body: AsyncIterable<Uint8Array>;
}

/** One upload: the fields of the HTTP contract's multipart body. */
export interface Publication {
  readonly blob: Digest;
  readonly size: number;
  readonly tree?: Digest;
  /** Channel that is to name the version. */
  readonly channel?: string;
  /** The statement's envelope, byte for byte. */
  readonly statement?: Uint8Array<ArrayBuffer>;
  /** Name of the file, without directories. */
  readonly fileName: string;
  /** The package's bytes from the start; called again for every attempt. */
  readonly open: () => AsyncIterable<Uint8Array<ArrayBuffer>>;
  /** Called as bytes leave: rises from 0 to `size` in every attempt. */
  readonly onProgress?: (uploadedBytes: number) => void;
}

/** A run of a package's bytes that is sent in a request of its own. */
export interface PackagePart {
  /** Where it begins in the package. */
  readonly offset: number;
  readonly size: number;
  /** Its bytes from the start; called again for every attempt. */
  readonly open: () => AsyncIterable<Uint8Array<ArrayBuffer>>;
}

/** A call of the registry's API. */
export interface ApiRequest {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Sent as it is, in place of `body`. */
  readonly raw?: { readonly type: string; readonly bytes: Uint8Array<ArrayBuffer> };
  /** How much longer than others the registry may think before it answers, milliseconds. */
  readonly extraMs?: number;
  /** Whether a second arrival does no harm. Default: every method but POST. */
  readonly repeatable?: boolean;
  /** Whether it changes nothing, so that it is sent again without a credential that is refused. Default: `GET` alone. */
  readonly reads?: boolean;
  /** In place of the stored one; `none` sends no credential. */
  readonly credential?: Credential | "none";
  /** Entity tag that the resource must have for the request to be carried out. */
  readonly ifMatch?: string;
}

/** Answer of a call that succeeded, or 404. */
export interface ApiAnswer {
  readonly status: number;
  /** Parsed JSON; `undefined` for an empty body. */
  readonly body: unknown;
}

export interface TransportOptions {
  readonly signal?: AbortSignal | undefined;
  /** What the user is doing, for messages: `read the index document of "tool"`. */
  readonly action: string;
}

/** What a registry says of itself in `/.well-known/lading.json`. */
export interface RegistryDescription {
  readonly protocol: 1;
  readonly name?: string;
  /** `development`: keys made by the server itself; clients show it. `static`: files without an API. */
  readonly mode: "development" | "production" | "static";
  /** Absolute URLs that end in `/`. */
  readonly index: string;
  readonly blobs: string;
  readonly api?: string;
  readonly auth: readonly string[];
  readonly limits: { readonly packageBytes?: number };
  /** Packages of at least `fromBytes` are better sent in parts of at most `partBytes`; absent: it takes none in parts. */
  readonly uploads?: { readonly fromBytes: number; readonly partBytes: number };
  readonly signatures: "required" | "optional";
  readonly keys: readonly string[];
  /** Absolute URL of its signed metadata, ending in `/`; absent: it has none. */
  readonly metadata?: string;
  /** Absolute URL that answers with several files of metadata, log and index at once. */
  readonly files?: string;
  /** The root that it says is in force. It proves nothing. */
  readonly root?: { readonly version: number; readonly digest?: Digest };
  /** Address of the registry whose files and signatures it hands on. It proves nothing. */
  readonly mirrorOf?: string;
  /** How old versions are that it gives out, of a registry that stands before another one. It proves nothing. */
  readonly releaseAge?: {
    /** Milliseconds. */
    readonly minimumMs: number;
    /** `name@version`, canonical names: given out though they are younger. */
    readonly except: readonly string[];
  };
  /** Its log: name and key in text form, and absolute URL, ending in `/`. */
  readonly log?: { readonly origin: string; readonly key: string; readonly url: string };
}

/**
 * How bytes get from and to a registry. Works on absolute URLs below the bases that the registry names in its
 * description. Implementations neither retry nor cache: the client does. All methods reject with a
 * `RegistryClientError` or, once `signal` aborts, with its reason; only the codes `REGISTRY_UNREACHABLE`,
 * `REGISTRY_UNAVAILABLE` and `REGISTRY_RATE_LIMITED` say that a second attempt may succeed.
 */
export interface Transport {
  /** A metadata document (at most 64 MiB), whole. */
  metadata(
    url: string,
    options: TransportOptions & {
      readonly validator?: string | undefined;
      /** Stop reading above this: what is given back then is longer, and says so by its length. */
      readonly maxBytes?: number | undefined;
      /** Whether compressing pays even on this machine: larger documents. */
      readonly compressed?: boolean | undefined;
    },
  ): Promise<MetadataAnswer>;
  /**
   * Several files in one exchange (`docs/spec/http-api.md`, `POST /api/v1/files`): the answer as it is. Absent where the
   * transport cannot; then they are asked for one by one.
   */
  files?(
    url: string,
    paths: readonly string[],
    options: TransportOptions & { readonly maxBytes: number },
  ): Promise<Uint8Array>;
  /** Whether it has a part of the registry's files only, among which the entries of the log are not: a bundle. Default: no. */
  readonly partial?: boolean;
  /** A blob from byte `offset` on; `undefined` where there is none. Its bytes are not verified. */
  blob(url: string, options: TransportOptions & { readonly offset?: number }): Promise<BlobStream | undefined>;
  /** One attempt to publish. Answers 200, 201, or 202: held for a reviewer. */
  publish(
    url: string,
    publication: Publication,
    options: TransportOptions & { readonly idempotencyKey: string },
  ): Promise<ApiAnswer>;
  /**
   * One attempt to append a part to an upload (tus 1.0.0, `PATCH`); resolves with where the upload goes on. Absent where the
   * transport cannot: packages are sent in one request then.
   */
  append?(url: string, part: PackagePart, options: TransportOptions): Promise<number>;
  /** One attempt to store a part at an address that the registry gave for it, without credentials. */
  storePart?(
    address: { readonly url: string; readonly headers: Readonly<Record<string, string>> },
    part: PackagePart,
    options: TransportOptions,
  ): Promise<void>;
  /** One attempt of an API call. Answers 2xx or 404; everything else rejects. */
  call(url: string, request: ApiRequest, options: TransportOptions): Promise<ApiAnswer>;
  /** Releases connections. */
  close(): Promise<void>;
}
