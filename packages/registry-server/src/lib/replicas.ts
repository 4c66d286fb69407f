import type { IndexService } from "./index-service.ts";
import type { Coordination, LogListener, MetadataStore } from "./ports.ts";
import type { TrustService } from "./trust/trust-service.ts";

/** The lease of the one server that saves index documents and signs metadata. */
export const WRITER_LEASE = "writer";
const LEASE_MS = 15_000;
/** Before its end a lease is not relied on any more: what was begun may still take a while. */
const MARGIN_MS = 5000;
/** How long the answer "another server has it" is believed. */
const REFUSED_MS = 500;
const PAGE = 500;

/** Turns at work that one server of several does. */
export interface Turn {
  /** Whether this server may do it now, for some seconds. */
  mayWork(): Promise<boolean>;
}

/** What is decided by {@link Coordination.lease}, remembered as long as it holds. */
export class LeaseTurn implements Turn {
  readonly #coordination: Coordination;
  #goodUntil = Number.NEGATIVE_INFINITY;
  #refusedUntil = Number.NEGATIVE_INFINITY;

  constructor(coordination: Coordination) {
    this.#coordination = coordination;
  }

  async mayWork(): Promise<boolean> {
    const now = performance.now();
    if (now < this.#goodUntil - LEASE_MS / 3) return true;
    if (now < this.#refusedUntil) return false;
    const had = await this.#coordination.lease(WRITER_LEASE, LEASE_MS);
    // Counted from before the question, so that it never ends later here than there.
    this.#goodUntil = had ? now + LEASE_MS - MARGIN_MS : Number.NEGATIVE_INFINITY;
    if (!had) this.#refusedUntil = performance.now() + REFUSED_MS;
    return performance.now() < this.#goodUntil;
  }

  /** Lets another server go on at once. */
  async release(): Promise<void> {
    this.#goodUntil = Number.NEGATIVE_INFINITY;
    await this.#coordination.release(WRITER_LEASE);
  }
}

/** Brings what other servers committed into this one's memory. */
export class Replicas {
  readonly #coordination: Coordination;
  readonly #metadata: MetadataStore;
  readonly #index: IndexService;
  readonly #trust: TrustService | undefined;
  readonly #log: LogListener;
  #seen = 0;
  #following: Promise<void> | undefined;
  #again = false;

  constructor(options: {
    readonly coordination: Coordination;
    readonly metadata: MetadataStore;
    readonly index: IndexService;
    readonly trust: TrustService | undefined;
    readonly log: LogListener;
  }) {
    this.#coordination = options.coordination;
    this.#metadata = options.metadata;
    this.#index = options.index;
    this.#trust = options.trust;
    this.#log = options.log;
  }

  /** To be called before anything is in memory. */
  async start(): Promise<void> {
    this.#seen = (await this.#metadata.feed(1, 0)).latest;
    await this.#coordination.watch(() => this.wake());
  }

  /** Looks for changes soon; a failure is logged, and the next look finds what it missed. */
  wake(): void {
    this.follow().catch((error: unknown) => {
      this.#log("warn", "changes of other servers cannot be read; they are in a moment", { error: String(error) });
    });
  }

  /** Resolves when this server shows every change that was committed before the call. */
  async follow(): Promise<void> {
    this.#again = true;
    this.#following ??= this.#run().finally(() => {
      this.#following = undefined;
    });
    await this.#following;
  }

  async #run(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      const before = this.#seen;
      for (;;) {
        const { entries, latest } = await this.#metadata.feed(this.#seen + 1, this.#seen + PAGE);
        for (const { name, sequence } of entries) await this.#index.changedElsewhere(name, sequence);
        this.#seen = entries.at(-1)?.id ?? this.#seen;
        if (entries.length === 0 || this.#seen >= latest) break;
      }
      if (this.#seen > before) this.#index.saveSoon();
      this.#trust?.changedSoon();
    }
  }
}
