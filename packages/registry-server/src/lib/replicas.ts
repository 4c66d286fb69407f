import type { IndexService } from "./index-service.ts";
import type { Coordination, LogListener, MetadataStore } from "./ports.ts";
import type { TrustService } from "./trust/trust-service.ts";

const PAGE = 500;

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
