import { createHash } from "node:crypto";
import { digestHex, type Digest, type EventListener } from "@lading/core-manifest";
import type {
  CallOptions,
  DocumentOptions,
  Download,
  DownloadArtifact,
  DownloadManyOptions,
  DownloadOptions,
  SignedArtifact,
} from "./client-types.ts";
import { DOWNLOAD_LIMIT_BYTES, PartialDownload, shown } from "./download.ts";
import { isObject } from "./json.ts";
import type { BlobStream } from "./ports.ts";
import { RegistryClientError } from "./registry-client-error.ts";
import { redactUrl } from "./registry-url.ts";
import type { Session } from "./session.ts";

/** Downloads at a time, unless the caller says otherwise. */
export const DOWNLOAD_CONCURRENCY = 16;

const STATEMENT_LIMIT_BYTES = 1024 * 1024;

/** Downloads one file and gives it its name when length and digest are right. */
export async function download(
  session: Session,
  artifact: DownloadArtifact,
  destination: string,
  options: DownloadOptions,
): Promise<void> {
  const action = `download ${shown(artifact)}`;
  const url = await blobUrl(session, artifact.blob, action, options);
  await downloadFrom(session, url, { artifact, destination }, options);
}

/** As {@link download}, from an address of the registry's API. */
export async function downloadFrom(
  session: Session,
  url: string,
  { artifact, destination }: Download,
  options: DownloadOptions,
): Promise<void> {
  const action = `download ${shown(artifact)}`;
  const partial = await PartialDownload.begin({
    artifact,
    destination,
    url: redactUrl(url),
    maxBytes: options.maxBytes ?? DOWNLOAD_LIMIT_BYTES,
    onEvent: merged(session.onEvent, options.onEvent),
  });
  try {
    await session.retrying(options, async () => {
      const stream = await session.transport.blob(url, { action, signal: options.signal, offset: partial.resumeAt });
      if (stream === undefined) throw notFound(session, action);
      await partial.receive(stream);
    });
    session.metrics.downloadedBytes += await partial.commit();
    session.metrics.downloads++;
  } catch (error) {
    await partial.discard();
    throw error;
  }
}

/**
 * Downloads several files, a bounded number at a time. The first failure aborts the others, whose partial files are
 * removed before the rejection; files that were complete by then stay.
 */
export async function downloadMany(
  session: Session,
  downloads: readonly Download[],
  options: DownloadManyOptions,
): Promise<void> {
  const failure = new AbortController();
  const signal = options.signal === undefined ? failure.signal : AbortSignal.any([options.signal, failure.signal]);
  const queue = downloads.values();
  const worker = async (): Promise<void> => {
    for (const item of queue) {
      signal.throwIfAborted();
      await download(session, item.artifact, item.destination, { ...options, signal });
      await options.onFile?.(item);
    }
  };
  const count = Math.min(Math.max(1, options.concurrency ?? DOWNLOAD_CONCURRENCY), downloads.length);
  let first: unknown;
  const guarded = async (): Promise<void> => {
    try {
      await worker();
    } catch (error) {
      if (!failure.signal.aborted) {
        first = error;
        failure.abort(error);
      }
    }
  };
  await Promise.all(Array.from({ length: count }, guarded));
  if (failure.signal.aborted) throw first;
}

/** A small blob as bytes, verified; kept in the metadata cache, since it never changes. Callers at one time share a request. */
export async function readStatement(session: Session, digest: Digest, options: CallOptions): Promise<Uint8Array> {
  return shared(session, digest, options, () => loadStatement(session, digest, options));
}

/** The statement of an artefact, from where its index document says that it is. */
export async function readStatementOf(
  session: Session,
  { blob, statement }: SignedArtifact,
  options: DocumentOptions,
): Promise<Uint8Array> {
  if (statement !== "beside") return readStatement(session, statement, options);
  const key = `${blob}${options.refresh === true ? " again" : ""}`;
  return shared(session, key, options, () => loadBeside(session, blob, options));
}

async function shared(
  session: Session,
  key: string,
  options: CallOptions,
  load: () => Promise<Uint8Array>,
): Promise<Uint8Array> {
  const pending = session.statements.get(key);
  if (pending !== undefined) {
    try {
      return await pending;
    } catch (error) {
      // Where only the one who asked first gave up, this one asks anew.
      if (error instanceof RegistryClientError || options.signal?.aborted === true) throw error;
    }
  }
  const loading = load();
  session.statements.set(key, loading);
  try {
    return await loading;
  } finally {
    if (session.statements.get(key) === loading) session.statements.delete(key);
  }
}

async function loadBeside(session: Session, blob: Digest, options: DocumentOptions): Promise<Uint8Array> {
  const path = `blobs/sha256/${digestHex(blob)}.sig`;
  const cached = await session.cached(path);
  if (cached !== undefined && (options.refresh !== true || session.offline)) return cached.bytes;
  const action = `read the statement about "${blob}"`;
  const url = `${await blobUrl(session, blob, action, options)}.sig`;
  const bytes = await session.retrying(options, async () => {
    const stream = await session.transport.blob(url, { action, signal: options.signal });
    if (stream === undefined) throw notFound(session, action);
    return gather(stream, `about "${blob}"`, blob);
  });
  if (!speaksOf(bytes, blob)) throw foreignStatement(session, blob);
  await session.store(path, { bytes, checkedAt: session.clock.now() });
  return bytes;
}

// Its signatures are for others to judge. This keeps out of the cache what is no statement about the file at all, such as
// the page of a network that wants a login first.
function speaksOf(bytes: Uint8Array, blob: Digest): boolean {
  try {
    const envelope: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    const payload = isObject(envelope) && typeof envelope.payload === "string" ? envelope.payload : "";
    const statement: unknown = JSON.parse(Buffer.from(payload, "base64").toString("utf8"));
    const subjects: readonly unknown[] =
      isObject(statement) && Array.isArray(statement.subject) ? statement.subject : [];
    return subjects.some(
      (subject) => isObject(subject) && isObject(subject.digest) && subject.digest.sha256 === digestHex(blob),
    );
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return false;
    throw error;
  }
}

function foreignStatement(session: Session, blob: Digest): RegistryClientError {
  return new RegistryClientError({
    code: "REGISTRY_DOCUMENT_MISMATCH",
    message: `Cannot use the statement about "${blob}" from registry "${session.registry.name}": what came is no statement about this file`,
    hint: "Something on the way alters or mixes up answers; try another network and tell the registry's operator",
    registry: session.registry.name,
    blob,
  });
}

async function loadStatement(session: Session, digest: Digest, options: CallOptions): Promise<Uint8Array> {
  const path = `blobs/sha256/${digestHex(digest)}`;
  const cached = await session.cached(path);
  if (cached !== undefined && digestOf(cached.bytes) === digest) return cached.bytes;
  const action = `read the statement "${digest}"`;
  const url = await blobUrl(session, digest, action, options);
  const bytes = await session.retrying(options, async () => {
    const stream = await session.transport.blob(url, { action, signal: options.signal });
    if (stream === undefined) throw notFound(session, action);
    return collect(stream, digest);
  });
  await session.store(path, { bytes, checkedAt: session.clock.now() });
  return bytes;
}

async function collect(stream: BlobStream, digest: Digest): Promise<Uint8Array> {
  const bytes = await gather(stream, `"${digest}"`, digest);
  const found = digestOf(bytes);
  if (found === digest) return bytes;
  throw new RegistryClientError({
    code: "DOWNLOAD_DIGEST_MISMATCH",
    message: `Cannot use the statement "${digest}": the digest of what came is "${found}"`,
    hint: "Try again, and tell the registry's operator if it persists",
    blob: digest,
    found,
  });
}

async function gather(stream: BlobStream, which: string, blob: Digest): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream.body) {
    size += chunk.length;
    if (size > STATEMENT_LIMIT_BYTES) {
      throw new RegistryClientError({
        code: "DOWNLOAD_SIZE_MISMATCH",
        message: `Cannot read the statement ${which}: it has more than ${STATEMENT_LIMIT_BYTES} bytes, the limit for statements`,
        blob,
      });
    }
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

async function blobUrl(session: Session, digest: Digest, action: string, options: CallOptions): Promise<string> {
  if (!session.registry.url.startsWith("file:")) session.requireOnline(action, `the file "${digest}"`);
  const { blobs } = await session.describe(options);
  return new URL(digestHex(digest), blobs).href;
}

function notFound(session: Session, action: string): RegistryClientError {
  return new RegistryClientError({
    code: "DOWNLOAD_NOT_FOUND",
    message: `Cannot ${action}: registry "${session.registry.name}" does not have the file, or you may not read it`,
    hint: "Try again, log in if the package is private, and tell the registry's operator if it persists",
    registry: session.registry.name,
  });
}

function merged(first: EventListener, second: EventListener | undefined): EventListener {
  if (second === undefined || second === first) return first;
  return (event) => {
    first(event);
    second(event);
  };
}
