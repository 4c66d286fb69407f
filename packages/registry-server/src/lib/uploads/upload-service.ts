import type { Principal } from "../authentication.ts";
import { requireScope } from "../authentication.ts";
import type { Clock, MetadataStore } from "../ports.ts";
import { mismatch } from "../publish-form.ts";
import { announce, publish, type Published, type PublishPorts, type PublishRequest } from "../publish.ts";
import type { AuditEntry } from "../records.ts";
import { RegistryError } from "../registry-error.ts";
import { randomId } from "../token.ts";
import type { UploadOptions } from "./upload-options.ts";
import {
  contiguous,
  type DeclaredUpload,
  type PartAddress,
  type UploadPart,
  type UploadResult,
  type UploadSession,
  type UploadStore,
} from "./upload-store.ts";

/** Uploads that an account may have under way at a time. */
export const OPEN_UPLOADS_MAX = 32;
/** How long an address of the storage is good for. */
const ADDRESS_SECONDS = 900;
const SWEEP_INTERVAL_MS = 60_000;
const SWEPT_AT_ONCE = 100;

interface Ports {
  readonly metadata: Pick<MetadataStore, "uploads">;
  readonly store: UploadStore;
  readonly clock: Clock;
  readonly options: UploadOptions;
}

/** An upload that was opened, or what its publication would only repeat. */
export type Opened = { readonly created: boolean; readonly session: UploadSession } | { readonly published: Published };

/** How the publication of an upload was answered: now, or by an earlier request. */
export type UploadPublished = { readonly published: Published } | { readonly result: UploadResult };

function notFound(id: string): RegistryError {
  return new RegistryError({
    code: "UPLOAD_NOT_FOUND",
    message: `Cannot find upload "${id.slice(0, 60)}"`,
    hint: "It may have expired: open it again with POST /api/v1/uploads",
  });
}

function offsetMismatch({ declared }: UploadSession, found: number, allowed: number): RegistryError {
  return new RegistryError({
    code: "UPLOAD_OFFSET_MISMATCH",
    message: `Cannot take bytes of "${declared.name}" ${declared.version} from byte ${found} on: the upload goes on at byte ${allowed}`,
    hint: `Send from byte ${allowed} on`,
    found,
    allowed,
  });
}

function tooMany({ declared }: UploadSession): RegistryError {
  return new RegistryError({
    code: "PAYLOAD_TOO_LARGE",
    message: `Cannot take bytes of "${declared.name}" ${declared.version}: there are more than the ${declared.size} that were declared`,
    hint: "Open another upload for the file as it is now",
    limit: declared.size,
  });
}

/** A body's bytes as far as they come; whether it broke off is told afterwards. */
class Arriving {
  #failure: { readonly error: unknown } | undefined;
  readonly #body: ReadableStream<Uint8Array> | null;

  constructor(body: ReadableStream<Uint8Array> | null) {
    this.#body = body;
  }

  async *bytes(limit: number, excess: () => Error): AsyncGenerator<Uint8Array> {
    let size = 0;
    for await (const chunk of this.#chunks()) {
      size += chunk.length;
      // Thrown, so that nothing of it is kept: these are not the bytes that were declared.
      if (size > limit) throw excess();
      if (chunk.length > 0) yield chunk;
    }
  }

  // Ends where the body breaks off: what has come is kept, and need not be sent again.
  async *#chunks(): AsyncGenerator<Uint8Array> {
    if (this.#body === null) return;
    try {
      yield* this.#body;
    } catch (error) {
      this.#failure = { error };
    }
  }

  requireWhole(): void {
    if (this.#failure === undefined) return;
    throw new RegistryError({
      code: "REQUEST_INVALID",
      message: "Cannot take all bytes of this request: it broke off",
      hint: "Ask for Upload-Offset, and send from there",
      cause: this.#failure.error,
    });
  }
}

/** The source, unless it is empty. */
async function notEmpty(source: AsyncGenerator<Uint8Array>): Promise<AsyncIterable<Uint8Array> | undefined> {
  const first = await source.next();
  if (first.done === true) return undefined;
  return (async function* () {
    yield first.value;
    yield* source;
  })();
}

/**
 * Leads packages that come in parts to their publication: opened with checks of what can be known early, sent in any number
 * of requests to any server of the registry, and published by the same steps as one that comes in one request.
 */
export class UploadService {
  readonly #ports: Ports;
  #swept = 0;

  constructor(ports: Ports) {
    this.#ports = ports;
  }

  get options(): UploadOptions {
    return this.#ports.options;
  }

  /** Whether parts can be sent past the registry. */
  get redirects(): boolean {
    return this.#ports.store.partAddress !== undefined;
  }

  /**
   * Opens an upload, or finds the one that the account has of the same package.
   * @throws {RegistryError} any code of a refused publication that is known before its bytes are, `UPLOADS_EXCEEDED`
   */
  async open(
    ports: PublishPorts,
    request: PublishRequest,
    { declared, audit }: { readonly declared: DeclaredUpload; readonly audit: AuditEntry },
  ): Promise<Opened> {
    const published = await announce(ports, request, declared);
    if (published !== undefined) return { published };
    const { metadata, clock, options } = this.#ports;
    const now = clock.now();
    const session: UploadSession = {
      id: randomId(),
      accountId: request.principal.account.id,
      tree: ports.tree ?? "",
      declared,
      created: now,
      expires: now + options.leaseMs,
    };
    const entry = { ...audit, details: { ...audit.details, upload: session.id, size: declared.size } };
    const outcome = await metadata.uploads.open(session, { open: OPEN_UPLOADS_MAX, now }, entry);
    if (outcome.status !== "too-many") return { created: outcome.status === "created", session: outcome.session };
    throw new RegistryError({
      code: "UPLOADS_EXCEEDED",
      message: `Cannot open another upload: "${request.principal.account.username}" has ${outcome.found} under way, allowed are ${OPEN_UPLOADS_MAX}`,
      hint: "Publish or end one of them, or wait until one expires",
      found: outcome.found,
      allowed: OPEN_UPLOADS_MAX,
    });
  }

  /**
   * An upload of the caller, which nobody else sees.
   * @throws {RegistryError} `UPLOAD_NOT_FOUND`, `FORBIDDEN`
   */
  async require(principal: Principal, id: string, tree: string | undefined): Promise<UploadSession> {
    const session = await this.#ports.metadata.uploads.session(id);
    const isOwn = session?.accountId === principal.account.id && session.tree === (tree ?? "");
    if (!isOwn || session.expires < this.#ports.clock.now()) throw notFound(id);
    requireScope(principal, "publish", session.declared.canonical);
    return session;
  }

  /** Where an upload goes on: bytes that are there without a gap. */
  async offset(session: UploadSession): Promise<number> {
    if (session.result !== undefined) return session.declared.size;
    return contiguous(await this.#ports.store.parts(session.id)).offset;
  }

  /**
   * Takes the bytes of a body from `offset` on; resolves with where the upload goes on, when they survive a power failure.
   * What came of a body that broke off is kept.
   * @throws {RegistryError} `UPLOAD_OFFSET_MISMATCH`, `UPLOAD_CLOSED`, `PAYLOAD_TOO_LARGE`, `STORAGE_FULL`
   */
  async append(session: UploadSession, offset: number, body: ReadableStream<Uint8Array> | null): Promise<number> {
    requireOpen(session);
    const at = await this.offset(session);
    if (at !== offset) throw offsetMismatch(session, offset, at);
    const arriving = new Arriving(body);
    const bytes = await notEmpty(arriving.bytes(session.declared.size - offset, () => tooMany(session)));
    const stored = bytes === undefined ? 0 : await this.#ports.store.put(session.id, offset, bytes);
    if (stored === "taken") throw offsetMismatch(session, offset, await this.offset(session));
    await this.#prolong(session);
    arriving.requireWhole();
    return offset + stored;
  }

  async #prolong({ id, expires }: UploadSession): Promise<void> {
    const { metadata, clock, options } = this.#ports;
    const now = clock.now();
    // Not with every request: it is a transaction.
    if (expires - now < options.leaseMs / 2) await metadata.uploads.prolong(id, now + options.leaseMs);
  }

  /**
   * Where a part can be sent past the registry. Parts begin at multiples of `options.partBytes`, or where the upload goes on.
   * @throws {RegistryError} `UPLOAD_NOT_REDIRECTED`, `UPLOAD_CLOSED`, `UPLOAD_OFFSET_MISMATCH`
   */
  async partAddress(
    session: UploadSession,
    offset: number,
  ): Promise<PartAddress & { readonly part: UploadPart; readonly seconds: number }> {
    const { store, options } = this.#ports;
    requireOpen(session);
    if (store.partAddress === undefined) {
      throw new RegistryError({
        code: "UPLOAD_NOT_REDIRECTED",
        message: "Cannot give an address for a part: this registry takes the bytes itself",
        hint: "Send them with PATCH to the upload",
      });
    }
    const left = session.declared.size - offset;
    const at = await this.offset(session);
    // Parts that lie anywhere could hold any number of bytes more than were declared.
    if (offset < at || left <= 0 || (offset !== at && offset % options.partBytes !== 0))
      throw offsetMismatch(session, offset, at);
    const part = { offset, size: Math.min(options.partBytes, left) };
    await this.#prolong(session);
    return { ...(await store.partAddress(session.id, part, ADDRESS_SECONDS)), part, seconds: ADDRESS_SECONDS };
  }

  /**
   * Publishes an upload whose bytes are all there: read back, hashed and led through the steps of any publication. Of a
   * publication that was answered before, the answer is told again.
   * @throws {RegistryError} `UPLOAD_INCOMPLETE`, `BLOB_MISMATCH` (its bytes are forgotten then), and any code of a refused publication
   */
  async publish(
    ports: PublishPorts,
    session: UploadSession,
    request: PublishRequest & { readonly statement: Uint8Array | undefined },
  ): Promise<UploadPublished> {
    if (session.result !== undefined) return { result: session.result };
    try {
      return { published: await this.#publish(ports, session, request) };
    } catch (error) {
      // Another request may have published it meanwhile, and taken the bytes away.
      const result = (await this.#ports.metadata.uploads.session(session.id))?.result;
      if (result !== undefined) return { result };
      throw error;
    }
  }

  async #publish(
    ports: PublishPorts,
    session: UploadSession,
    { statement, ...request }: PublishRequest & { readonly statement: Uint8Array | undefined },
  ): Promise<Published> {
    const { id, declared } = session;
    const { store } = this.#ports;
    const { offset, parts } = contiguous(await store.parts(id));
    if (offset < declared.size) throw incomplete(session, offset);
    const staged = await ports.blobs.stage();
    try {
      for (const part of parts) for await (const chunk of store.read(id, part)) await staged.write(chunk);
      const sealed = await staged.seal();
      if (sealed.size !== declared.size || sealed.digest !== declared.blob) {
        // No byte of it can be trusted: it begins again.
        await store.remove(id);
        throw mismatch("digest", sealed.digest, declared.blob);
      }
      const form = { declared, statement, package: staged, ...sealed };
      return await publish(ports, form, { ...request, addressed: declared.name, announced: declared.version });
    } finally {
      await staged.discard();
    }
  }

  /** Keeps the answer to a publication until the upload expires, and forgets its bytes. */
  async finish({ id }: UploadSession, result: UploadResult): Promise<void> {
    await this.#ports.metadata.uploads.finish(id, result);
    await this.#ports.store.remove(id);
  }

  /**
   * Ends an upload without a publication. Where publishers were given addresses of the storage its row stays while one of
   * them may be good, for {@link sweep} to find what is sent there meanwhile.
   */
  async cancel({ id }: Pick<UploadSession, "id">, audit: AuditEntry): Promise<void> {
    if (!this.redirects) return this.#forget(id, audit);
    await this.#ports.metadata.uploads.end(id, this.#ports.clock.now() - 1, audit);
    await this.#ports.store.remove(id);
  }

  async #forget(id: string, audit: AuditEntry): Promise<void> {
    // The bytes first: what has no row any more is found by nobody but garbage collection.
    await this.#ports.store.remove(id);
    await this.#ports.metadata.uploads.remove(id, audit);
  }

  /** Forgets uploads that expired; looks once in a minute, whenever it is called. */
  async sweep(): Promise<void> {
    const now = this.#ports.clock.now();
    if (now - this.#swept < SWEEP_INTERVAL_MS) return;
    this.#swept = now;
    const before = this.redirects ? now - ADDRESS_SECONDS * 1000 - SWEEP_INTERVAL_MS : now;
    for (const id of await this.#ports.metadata.uploads.expired(before, SWEPT_AT_ONCE))
      await this.#forget(id, { at: now, actor: "system", action: "upload.expire", details: { upload: id } });
  }
}

function requireOpen({ result, declared }: UploadSession): void {
  if (result === undefined) return;
  throw new RegistryError({
    code: "UPLOAD_CLOSED",
    message: `Cannot take bytes of "${declared.name}" ${declared.version}: the upload is published`,
  });
}

function incomplete({ declared }: UploadSession, offset: number): RegistryError {
  return new RegistryError({
    code: "UPLOAD_INCOMPLETE",
    message: `Cannot publish "${declared.name}" ${declared.version}: ${offset} of ${declared.size} bytes are there`,
    hint: `Send what is missing, from byte ${offset} on`,
    found: offset,
    allowed: declared.size,
  });
}
