import { createHash } from "node:crypto";
import { digestHex, type Digest, type EventListener } from "@lading/core-manifest";
import type { CallOptions, Download, DownloadArtifact, DownloadManyOptions, DownloadOptions } from "./client-types.ts";
import { DOWNLOAD_LIMIT_BYTES, PartialDownload, shown } from "./download.ts";
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
  const pending = session.statements.get(digest);
  if (pending !== undefined) {
    try {
      return await pending;
    } catch (error) {
      // Where only the one who asked first gave up, this one asks anew.
      if (error instanceof RegistryClientError || options.signal?.aborted === true) throw error;
    }
  }
  const loading = loadStatement(session, digest, options);
  session.statements.set(digest, loading);
  try {
    return await loading;
  } finally {
    if (session.statements.get(digest) === loading) session.statements.delete(digest);
  }
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
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream.body) {
    size += chunk.length;
    if (size > STATEMENT_LIMIT_BYTES) {
      throw new RegistryClientError({
        code: "DOWNLOAD_SIZE_MISMATCH",
        message: `Cannot read the statement "${digest}": it has more than ${STATEMENT_LIMIT_BYTES} bytes, the limit for statements`,
        blob: digest,
      });
    }
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(Buffer.concat(chunks));
  const found = digestOf(bytes);
  if (found !== digest) {
    throw new RegistryClientError({
      code: "DOWNLOAD_DIGEST_MISMATCH",
      message: `Cannot use the statement "${digest}": the digest of what came is "${found}"`,
      hint: "Try again, and tell the registry's operator if it persists",
      blob: digest,
      found,
    });
  }
  return bytes;
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
