import { createHash } from "node:crypto";
import { parseDigest, type CanonicalName, type Digest } from "@lading/core-manifest";
import {
  LogError,
  createNoteKey,
  decodeLogEvent,
  openCheckpoint,
  parseNoteKey,
  type LogState,
  type NoteKey,
} from "@lading/signing/log";
import { parseMetadata } from "@lading/signing/metadata";
import type { Verifier } from "@lading/signing";
import type { IndexService } from "../index-service.ts";
import { policyDigest, type PublisherDemand } from "../package-policy.ts";
import type { Clock, DocumentStore, LogListener, MetadataStore } from "../ports.ts";
import { immutable, type ReadAnswer, type ReadHeaders } from "../read-answer.ts";
import { RegistryError } from "../registry-error.ts";
import type { RegistrySettings } from "../settings.ts";
import type { Turn } from "../turn.ts";
import { policyEntry } from "./log-entries.ts";
import { LogService, damaged, type LogProofs, type LogReceipt } from "./log-service.ts";
import { RECOVERY_DAYS } from "./publisher-keys.ts";
import type { RegistryTrust } from "./registry-trust.ts";
import { ServedFile } from "./served-file.ts";
import { CHECKPOINT, SignedMetadata, isSignedPath } from "./signed-metadata.ts";

/** What a registry says of its keys in `/.well-known/lading.json`. */
export interface TrustDescription {
  /** The root in force. */
  readonly root: { readonly version: number; readonly digest: Digest; readonly development: boolean };
  /** Its key ids. */
  readonly keys: readonly string[];
  readonly log: { readonly origin: string; readonly key: string };
}

/** What the root in force says. */
export function describeRoot(bytes: Uint8Array): TrustDescription["root"] & { readonly keys: readonly string[] } {
  const { body } = parseMetadata(bytes, "root");
  return {
    version: body.version,
    digest: parseDigest(`sha256:${createHash("sha256").update(bytes).digest("hex")}`),
    development: body.raw["x-lading-development"] === true,
    keys: body.roles.root.keyIds,
  };
}

/** What the server demands of packages; its canonical JSON is what the log's policy entries state the digest of. */
export function policyOf({
  signatures,
  publishers = [],
  recoveryWaitDays,
}: Pick<RegistrySettings, "signatures" | "publishers" | "recoveryWaitDays">): {
  readonly signatures: string;
  readonly publishers?: readonly PublisherDemand[];
  readonly recovery_wait_days?: number;
} {
  // What is as it always was is not stated, so that no registry's policy changes by an upgrade.
  const waits = recoveryWaitDays === undefined || recoveryWaitDays === RECOVERY_DAYS;
  return {
    signatures,
    ...(publishers.length === 0 ? {} : { publishers }),
    ...(waits ? {} : { recovery_wait_days: recoveryWaitDays }),
  };
}

/** Metadata and log of a registry with keys. */
export class TrustService {
  readonly #metadata: MetadataStore;
  readonly #clock: Clock;
  readonly #trust: RegistryTrust;
  readonly #settings: RegistrySettings;
  readonly #immutable: string;
  readonly #log: LogService;
  readonly #signed: SignedMetadata;

  constructor(options: {
    readonly trust: RegistryTrust;
    readonly metadata: MetadataStore;
    readonly documents: DocumentStore;
    readonly index: IndexService;
    readonly clock: Clock;
    readonly tell: LogListener;
    readonly settings: RegistrySettings;
    /** Of a registry of several servers: one of them signs metadata at a time. */
    readonly turn?: Turn | undefined;
  }) {
    const { trust, metadata, clock, settings } = options;
    this.#metadata = metadata;
    this.#clock = clock;
    this.#trust = trust;
    this.#settings = settings;
    this.#immutable = immutable(settings.readPublic);
    this.#log = new LogService({ ...options, shared: options.turn !== undefined });
    this.#signed = new SignedMetadata({ ...options, log: this.#log, readPublic: settings.readPublic });
  }

  /** Name of the log, which statements about keys are bound to. */
  get origin(): string {
    return this.#trust.logOrigin;
  }

  get verifier(): Verifier | undefined {
    return this.#trust.verifier;
  }

  /** Origin, size and root that the last checkpoint states. */
  get logState(): LogState {
    return this.#log.state;
  }

  /** What `/.well-known/lading.json` says of it. */
  get description(): TrustDescription {
    const { keys, ...root } = describeRoot(this.#trust.roots.at(-1)!);
    return { root, keys, log: { origin: this.#trust.logOrigin, key: this.#log.key } };
  }

  /**
   * Takes up log and metadata; what was committed and not signed for is signed for.
   * @throws {RegistryError} `METADATA_DAMAGED`
   */
  async start(): Promise<void> {
    await this.#log.start({ signedFor: await this.#lastSigned("refuse") });
    await this.#logPolicy();
    await this.#signed.start();
  }

  async #logPolicy(): Promise<void> {
    const policy = policyOf(this.#settings);
    const digest = policyDigest(policy);
    const last = this.#log.policy && decodeLogEvent(this.#log.policy);
    if (last?.type === "policy" && last.policy === digest) return;
    const audit = { at: this.#clock.now(), actor: "system", action: "policy.change", details: policy };
    await this.#metadata.appendLog(policyEntry(digest, audit), audit);
    await this.#log.advance();
  }

  /**
   * Hashes the log's entries again, and touches nothing.
   * @throws {RegistryError} `METADATA_DAMAGED`: they are not those that the last stored checkpoint was signed for
   */
  async verifyLog(): Promise<void> {
    await this.#log.start({ signedFor: await this.#lastSigned("refuse"), tiles: "ignore" });
  }

  /** Makes the stored files of log and metadata again, from the database. */
  async rebuild(): Promise<void> {
    // First without touching a file, so that a log that is not the one that was signed for is left as it is.
    await this.#log.start({ signedFor: await this.#lastSigned("pass over"), tiles: "ignore" });
    await this.#log.start({ tiles: "repair" });
    await this.#signed.rebuild();
  }

  /** The log's key, and those that it had before: what is stored may have been signed by one of them. */
  #logKeys(): readonly NoteKey[] {
    const { logOrigin, formerLogKeys = [] } = this.#trust;
    return [parseNoteKey(this.#log.key), ...formerLogKeys.map((key) => createNoteKey(logOrigin, key))];
  }

  /** The log as the last stored checkpoint states it. */
  async #lastSigned(damagedOne: "refuse" | "pass over"): Promise<LogState | undefined> {
    const stored = await this.#metadata.signedFile(CHECKPOINT);
    if (stored === undefined) return undefined;
    const { logOrigin: origin, verifier } = this.#trust;
    try {
      if (createHash("sha256").update(stored.bytes).digest("hex") === stored.sha256)
        return openCheckpoint(stored.bytes, { origin, keys: this.#logKeys(), verifier });
    } catch (cause) {
      if (!(cause instanceof LogError)) throw cause;
      throw damaged(CHECKPOINT, cause.message, cause);
    }
    if (damagedOne === "pass over") return undefined;
    throw damaged(CHECKPOINT, "its bytes are not those that were stored");
  }

  /** Sees to it that a change is signed for in a moment; to be called after each that the log tells. */
  changedSoon(): void {
    this.#signed.changed();
  }

  /** Signs now for everything that is committed. */
  async flush(): Promise<void> {
    await this.#signed.flush();
  }

  refreshIfDue(): void {
    this.#signed.refreshIfDue();
  }

  async stop(): Promise<void> {
    await this.#signed.stop();
  }

  /**
   * Proves that a change is in the log.
   * @throws {RegistryError} `UNAVAILABLE`: it is committed, and no checkpoint could be signed for it yet
   */
  async receipt(leaf: number): Promise<LogReceipt> {
    try {
      return await this.#log.receipt(leaf);
    } catch (cause) {
      throw new RegistryError({
        code: "UNAVAILABLE",
        message: "Cannot prove that the change is in the log: it is committed, and the log cannot be written",
        hint: "Send the same request again",
        retryAfter: 5,
        cause,
      });
    }
  }

  /**
   * Proves that entries are in the log, all against one checkpoint.
   * @throws {RegistryError} `UNAVAILABLE`, as {@link TrustService.receipt}
   */
  async proofs(leaves: readonly number[]): Promise<LogProofs> {
    return this.#log.proofs(leaves);
  }

  /** Whether metadata that is served already names these bytes of a package's index document. */
  async shows(canonical: CanonicalName, etag: string): Promise<boolean> {
    return this.#signed.shows(canonical, etag);
  }

  /** Whether a path is one of ours. */
  static owns(path: string): boolean {
    return isSignedPath(path) || path.startsWith("log/");
  }

  /** The bytes at a path, as they are; `undefined` where there are none. */
  async file(path: string): Promise<ServedFile | undefined> {
    if (!path.startsWith("log/")) return isSignedPath(path) ? this.#signed.file(path) : undefined;
    if (path === CHECKPOINT) {
      return new ServedFile(await this.#log.currentCheckpoint(), {
        type: "text/plain; charset=utf-8",
        cacheControl: "no-cache",
        compress: false,
      });
    }
    const bytes = await this.#log.tile(path.slice("log/".length));
    if (bytes === undefined) return undefined;
    return new ServedFile(bytes, { type: "application/octet-stream", cacheControl: this.#immutable, compress: false });
  }

  /** @throws {RegistryError} `NOT_FOUND` */
  async answer(path: string, headers: ReadHeaders): Promise<ReadAnswer> {
    const file = await this.file(path);
    if (file !== undefined) return file.answer(headers);
    throw new RegistryError({ code: "NOT_FOUND", message: `Cannot find "/${path.slice(0, 200)}"` });
  }
}
