import { createHash } from "node:crypto";
import type { Digest } from "@lading/core-manifest";
import { parseMetadata, type MetadataStore } from "@lading/signing/metadata";
import type { KnownRoot } from "./trust-record.ts";
import type { TrustStore } from "./trust-store.ts";

/** Prefix of the names of metadata files in a trust store, beside which a client keeps its own. */
const PREFIX = "tuf.";

/** Roles whose versions never fall: by what is kept of them rollbacks are seen. */
const REMEMBERED: ReadonlySet<string> = new Set(["root", "timestamp", "snapshot", "targets"]);

function versionIn(bytes: Uint8Array): number {
  try {
    const { signed } = JSON.parse(new TextDecoder().decode(bytes)) as { signed?: { version?: unknown } };
    return typeof signed?.version === "number" ? signed.version : 0;
  } catch {
    // What is damaged is replaced.
    return 0;
  }
}

/** Whether a file of a role has a higher version than another; neither is verified here, and both are before they are used. */
export function isLaterVersion(stored: Uint8Array, given: Uint8Array): boolean {
  return versionIn(stored) > versionIn(given);
}

/** The digest of a file. */
export function digestOf(bytes: Uint8Array): Digest {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}` as Digest;
}

/** Version and digest of a root. */
export function knownRootOf(bytes: Uint8Array): KnownRoot {
  return { version: parseMetadata(bytes, "root").body.version, digest: digestOf(bytes) };
}

/**
 * The metadata files of one registry: each is read once, and with `staged` nothing is written before {@link commit}, so that
 * a first contact that fails leaves nothing behind.
 */
export class TrustFiles implements MetadataStore {
  readonly #store: TrustStore;
  readonly #registry: string;
  #staged: boolean;
  readonly #known = new Map<string, Uint8Array | undefined>();
  readonly #pending = new Map<string, Uint8Array | undefined>();
  /** Roots that were written, in order. */
  readonly roots: KnownRoot[] = [];

  constructor(store: TrustStore, registry: string, staged: boolean) {
    this.#store = store;
    this.#registry = registry;
    this.#staged = staged;
  }

  async read(role: string): Promise<Uint8Array | undefined> {
    if (this.#known.has(role)) return this.#known.get(role);
    const bytes = this.#staged ? undefined : await this.#store.read(this.#registry, PREFIX + role);
    this.#known.set(role, bytes);
    return bytes;
  }

  async write(role: string, bytes: Uint8Array): Promise<void> {
    this.#known.set(role, bytes);
    if (role === "root") this.roots.push(knownRootOf(bytes));
    if (this.#staged) this.#pending.set(role, bytes);
    else await this.#put(role, bytes, { durable: role === "root" });
  }

  async remove(role: string): Promise<void> {
    this.#known.set(role, undefined);
    if (this.#staged) this.#pending.delete(role);
    else await this.#store.remove(this.#registry, PREFIX + role);
  }

  #put(role: string, bytes: Uint8Array, how: { durable?: boolean; replace?: boolean }): Promise<void> {
    // What is lost of the others costs a download and a moment of memory.
    // Another process may have seen a later state meanwhile, which must not be forgotten for this one.
    const isKept = how.replace !== true && REMEMBERED.has(role);
    return this.#store.write(this.#registry, PREFIX + role, bytes, {
      durable: how.durable,
      unless: isKept ? (stored) => isLaterVersion(stored, bytes) : undefined,
    });
  }

  /**
   * Writes what was staged over what was there. Nothing is cleared away first: between the two, whoever answers would be
   * trusted anew. What is left of before is verified before it is used, like all that is kept.
   * @param options.replace whether versions may fall, because trust begins anew
   */
  async commit(options: { readonly replace?: boolean } = {}): Promise<void> {
    if (!this.#staged) return;
    for (const [role, bytes] of this.#pending) if (bytes !== undefined) await this.#put(role, bytes, options);
    this.#pending.clear();
    this.#staged = false;
  }
}
