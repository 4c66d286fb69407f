import { setImmediate } from "node:timers/promises";

/** One write on its way; exactly one of the two is called, once it is known whether it is durable. */
export interface QueuedWrite<Session> {
  readonly work: (session: Session) => Promise<unknown>;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Most writes of one transaction, so that none waits long for its neighbours. */
export const GROUP_MAX = 64;

/**
 * Collects the writes that come in while a transaction is made durable, and hands them over together: one sync of the disk
 * acknowledges them all. They run one after the other, in the order in which they came.
 */
export class WriteQueue<Session> {
  readonly #commit: (group: readonly QueuedWrite<Session>[]) => Promise<void>;
  #waiting: QueuedWrite<Session>[] = [];
  #running: Promise<void> | undefined;

  /** `commit` settles every write that it is given, and does not reject. */
  constructor(commit: (group: readonly QueuedWrite<Session>[]) => Promise<void>) {
    this.#commit = commit;
  }

  /** Runs `work` in a transaction; resolves with its result when that is durable. */
  add<Result>(work: (session: Session) => Promise<Result>): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      this.#waiting.push({ work, resolve: resolve as (result: unknown) => void, reject });
      this.#running ??= this.#run();
    });
  }

  /** Resolves when nothing waits any more. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  /** The last sync held everything up; what became ready meanwhile has its turn now, and joins this group. */
  async #gather(): Promise<void> {
    for (let before = 0; this.#waiting.length > before && this.#waiting.length < GROUP_MAX;) {
      before = this.#waiting.length;
      await setImmediate();
    }
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      await this.#gather();
      await this.#commit(this.#waiting.splice(0, GROUP_MAX));
    }
    // In the same turn as the last look at the queue: a write that came in between the two would wait for ever.
    this.#running = undefined;
  }
}
