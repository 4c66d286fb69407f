import type { CanonicalName, PackageName, Version } from "@lading/core-manifest";
import type { DeclaredPackage } from "../declared-package.ts";
import type { AuditEntry } from "../records.ts";

/** What a publisher says that an upload will be. */
export interface DeclaredUpload extends DeclaredPackage {
  readonly name: PackageName;
  readonly canonical: CanonicalName;
  readonly version: Version;
  readonly target: string;
}

/** How the publication of an upload was answered. */
export interface UploadResult {
  readonly status: 200 | 201 | 202;
  /** JSON of the answer. */
  readonly body: string;
  readonly location: string;
}

/** An upload of a package in parts, on its way to a publication. */
export interface UploadSession {
  readonly id: string;
  readonly accountId: string;
  /** Tree of private packages at whose address it was opened; empty: the registry's own. */
  readonly tree: string;
  readonly declared: DeclaredUpload;
  /** Milliseconds since the epoch. */
  readonly created: number;
  /** When it may be forgotten, in milliseconds since the epoch. */
  readonly expires: number;
  /** Present once it is published: its bytes are gone then, and the answer stays until it expires. */
  readonly result?: UploadResult;
}

/** How {@link UploadSessionStore.open} ended. */
export type OpenOutcome =
  | { readonly status: "created" | "known"; readonly session: UploadSession }
  | { readonly status: "too-many"; readonly found: number };

/**
 * Uploads that are under way, without their bytes. Changes are one transaction with their audit record, and survive a power
 * failure when they resolve. "Not found" is `undefined`.
 */
export interface UploadSessionStore {
  /**
   * Opens an upload. `known`: the account has one of the same declaration in the same tree that did not expire before
   * `limits.now` and is not published; it is prolonged. `too-many`: the account has `limits.open` others.
   */
  open(
    session: UploadSession,
    limits: { readonly open: number; readonly now: number },
    audit: AuditEntry,
  ): Promise<OpenOutcome>;
  session(id: string): Promise<UploadSession | undefined>;
  /** Moves the end of an upload to `expires`, never to an earlier time. Without audit record: it is no change of a package. */
  prolong(id: string, expires: number): Promise<void>;
  /** Keeps the answer to its publication; the first one stays. */
  finish(id: string, result: UploadResult): Promise<void>;
  /** Moves the end of an upload to `expires`, an earlier time, and tells whether it did. */
  end(id: string, expires: number, audit: AuditEntry): Promise<boolean>;
  /** Whether there was one to forget. */
  remove(id: string, audit: AuditEntry): Promise<boolean>;
  /** Ids of uploads that expired before `now`, at most `limit`. */
  expired(now: number, limit: number): Promise<readonly string[]>;
}

/** A run of an upload's bytes that is stored. */
export interface UploadPart {
  /** Of its first byte. */
  readonly offset: number;
  readonly size: number;
}

/** A request that whoever has it may send to store a part, without credentials. */
export interface PartAddress {
  readonly url: string;
  /** Must be sent as they are: they are signed. */
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Bytes of uploads that are under way, apart from blobs: nobody reads them by their digest. Every server of a registry sees
 * the same. Ids have letters, digits, `-` and `_`.
 */
export interface UploadStore {
  /** Parts that are stored, ascending by offset; empty for an upload of which there is nothing. */
  parts(upload: string): Promise<readonly UploadPart[]>;
  /**
   * Stores what `bytes` yields, at least one byte, as the part at `offset`; resolves with their number when they survive a
   * power failure. `taken`: there is a part at this offset, which stays as it is. A part is visible whole or not at all.
   */
  put(upload: string, offset: number, bytes: AsyncIterable<Uint8Array>): Promise<number | "taken">;
  /** The bytes of a part; fails where it is gone. */
  read(upload: string, part: UploadPart): AsyncIterable<Uint8Array>;
  /** Forgets all parts; absence is no error. */
  remove(upload: string): Promise<void>;
  /** Ids of which there are parts, in no order. */
  uploads(): AsyncIterable<string>;
  /** Where a part of exactly this size can be sent for `seconds`, past the registry; for stores that publishers can be sent to. */
  readonly partAddress?: (upload: string, part: UploadPart, seconds: number) => Promise<PartAddress>;
}

/** How far the parts reach without a gap, and which of them reach so far. */
export function contiguous(parts: readonly UploadPart[]): {
  readonly offset: number;
  readonly parts: readonly UploadPart[];
} {
  let offset = 0;
  const chain: UploadPart[] = [];
  for (const part of parts) {
    if (part.offset !== offset) continue;
    chain.push(part);
    offset += part.size;
  }
  return { offset, parts: chain };
}
