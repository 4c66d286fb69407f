import { indexDocumentPath, type PackageName } from "@lading/core-manifest";
import { MetadataError, checkTarget, type TargetFile } from "@lading/signing/metadata";
import { nodeDigests } from "@lading/signing/node";
import type { DocumentOptions } from "../client-types.ts";
import type { CachedMetadata } from "../ports.ts";
import type { Session } from "../session.ts";
import { explained } from "./attacks.ts";
import type { TrustView } from "./trust-types.ts";
import { digestOf } from "./trust-files.ts";

/** How long a document that is served already is waited for in signed metadata, which may be a second behind. */
const BEHIND_MS = 2000;
const BEHIND_POLL_MS = 100;
/** Most bytes of a plain document, of which only the digest is of interest. */
const PLAIN_BYTES = 64 * 1024 * 1024;

/** An index document that was verified. */
export interface SignedDocument {
  readonly bytes: Uint8Array;
  /** Whether it is a copy of before what signed metadata names by now, or may be one. */
  readonly superseded: boolean;
}

/**
 * The index document of a package as signed metadata names it; `undefined` where the registry has no such package.
 * @throws {MetadataError} `TARGET_MISSING`, `TARGET_TOO_LARGE`, `TARGET_LENGTH_MISMATCH`, `TARGET_DIGEST_MISMATCH`,
 * `TARGET_UNKNOWN` for one that is served and that signed metadata does not know
 */
export async function readSigned(
  session: Session,
  name: PackageName,
  view: TrustView,
  options: DocumentOptions,
): Promise<SignedDocument | undefined> {
  try {
    return await read(session, name, view, options);
  } catch (error) {
    throw explained(error, session.registry.name);
  }
}

async function read(
  session: Session,
  name: PackageName,
  view: TrustView,
  options: DocumentOptions,
): Promise<SignedDocument | undefined> {
  const path = indexDocumentPath(name);
  const cached = await session.cached(cachePath(path));
  const closed = session.offline && !session.registry.url.startsWith("file:");
  const known = closed ? await findOffline(view, path) : await view.find(path, options);
  if (known === "not stored") return offlineCopy(session, name, path, cached);
  const asks = !closed && (known === undefined || options.refresh === true);
  const shown = asks ? await current(session, { name, path, view, target: known }, options) : { view, target: known };
  const { target } = shown;
  if (target !== undefined) return document(session, { name, view: shown.view, target, cached, closed }, options);
  await session.cache.delete(session.registry.url, cachePath(path));
  return undefined;
}

/** Beside the entries of registries without signed metadata, which nobody verified. */
function cachePath(path: string): string {
  return `signed/${path}`;
}

async function findOffline(view: TrustView, path: string): Promise<TargetFile | "not stored" | undefined> {
  try {
    return await view.find(path);
  } catch (error) {
    // The part of the metadata that lists it was renewed since, and not for this package's sake.
    if (error instanceof MetadataError && error.code === "METADATA_MISSING") return "not stored";
    throw error;
  }
}

function offlineCopy(
  session: Session,
  name: PackageName,
  path: string,
  cached: CachedMetadata | undefined,
): SignedDocument | undefined {
  if (cached === undefined) requireOnline(session, name, path);
  return cached && { bytes: cached.bytes, superseded: true };
}

function requireOnline(session: Session, name: PackageName, path: string): void {
  session.requireOnline(`read the index document of "${name}"`, `"${path}" of registry "${session.registry.name}"`);
}

interface Wanted {
  readonly name: PackageName;
  readonly view: TrustView;
  readonly target: TargetFile;
  readonly cached: CachedMetadata | undefined;
  readonly closed: boolean;
}

async function document(session: Session, wanted: Wanted, options: DocumentOptions): Promise<SignedDocument> {
  const { name, view, target, cached, closed } = wanted;
  if (cached !== undefined && digestOf(cached.bytes) === `sha256:${target.hashes["sha256"] ?? ""}`) {
    session.metrics.notModified++;
    return { bytes: cached.bytes, superseded: false };
  }
  // A copy that was verified once, though it is known that there is a newer one.
  if (closed && cached !== undefined) return { bytes: cached.bytes, superseded: true };
  if (closed) requireOnline(session, name, target.path);
  const bytes = await view.read(target, options);
  if (bytes === undefined) {
    throw new MetadataError({
      code: "TARGET_MISSING",
      message: `Cannot read the index document of "${name}": signed metadata promises it, but it is not served`,
      path: target.path,
    });
  }
  checkTarget(target, bytes, nodeDigests);
  await session.store(cachePath(target.path), { bytes, checkedAt: session.clock.now() });
  return { bytes, superseded: false };
}

interface Listing {
  readonly view: TrustView;
  readonly target: TargetFile | undefined;
}

/**
 * What signed metadata states of a package once it has caught up with the plain index, which shows a change up to a second
 * earlier; after two seconds what it states by then. A name that it does not know by then is one that somebody slips in.
 */
async function current(
  session: Session,
  wanted: Listing & { readonly name: PackageName; readonly path: string },
  options: DocumentOptions,
): Promise<Listing> {
  const { name, path } = wanted;
  const plain = await plainDigest(session, wanted, options);
  let listing: Listing = wanted;
  const isBehind = (): boolean => plain !== undefined && plain !== digestIn(listing.target);
  for (const until = session.clock.now() + BEHIND_MS; isBehind() && session.clock.now() < until;) {
    await session.clock.sleep(BEHIND_POLL_MS, options.signal);
    const view = (await session.view({ ...options, refresh: true })) ?? listing.view;
    listing = { view, target: await view.find(path, options) };
  }
  if (!isBehind() || listing.target !== undefined || options.refresh === true) return listing;
  throw new MetadataError({
    code: "TARGET_UNKNOWN",
    message: `Cannot use "${name}": the registry serves it, and its signed metadata knows no such package`,
    path,
    hint: "An attack would look like this: somebody without the registry's keys slips a package in (extraneous data). Tell the registry's operator",
  });
}

function digestIn(target: TargetFile | undefined): string | undefined {
  const hex = target?.hashes["sha256"];
  return hex === undefined ? undefined : `sha256:${hex}`;
}

/** Digest of what the plain index has; `undefined` where it has nothing. */
async function plainDigest(
  session: Session,
  {
    name,
    path,
    target,
  }: { readonly name: PackageName; readonly path: string; readonly target: TargetFile | undefined },
  options: DocumentOptions,
): Promise<string | undefined> {
  const { index } = await session.describe(options);
  const listed = digestIn(target);
  const answer = await session.retrying(options, () =>
    session.transport.metadata(new URL(path, index).href, {
      action: `read the index document of "${name}"`,
      signal: options.signal,
      maxBytes: PLAIN_BYTES,
      validator: listed === undefined ? undefined : `"${listed}"`,
    }),
  );
  if (answer.status === "absent" && answer.rejected !== undefined) throw answer.rejected;
  if (answer.status === "absent") return undefined;
  return answer.status === "unchanged" ? listed : digestOf(answer.bytes);
}

/** Waits until signed metadata shows what a write has just changed; a second at most, as a rule. */
export async function settled(session: Session, name: PackageName, options: DocumentOptions): Promise<void> {
  const view = await session.view({ ...options, refresh: true });
  if (view === undefined) return;
  const path = indexDocumentPath(name);
  await current(session, { name, path, view, target: await view.find(path, options) }, { ...options, refresh: true });
}
