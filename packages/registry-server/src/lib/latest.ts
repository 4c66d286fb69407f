/**
 * Shares one piece of work between callers who all want its outcome as of now: a call gets that of a run that began after
 * the call, and whoever waits for the next run waits for the same one.
 */
export class Latest<Result> {
  readonly #work: () => Promise<Result>;
  #running: Promise<Result> | undefined;
  #next: Promise<Result> | undefined;

  constructor(work: () => Promise<Result>) {
    this.#work = work;
  }

  async get(): Promise<Result> {
    if (this.#running === undefined) return this.#start();
    this.#next ??= this.#running.then(
      () => this.#restart(),
      () => this.#restart(),
    );
    return this.#next;
  }

  #restart(): Promise<Result> {
    this.#next = undefined;
    return this.#start();
  }

  #start(): Promise<Result> {
    const run = this.#work().finally(() => {
      if (this.#running === run) this.#running = undefined;
    });
    this.#running = run;
    return run;
  }
}

/** {@link Latest} for each key, of which only those that somebody waits for are kept. */
export class LatestByKey<Key, Result> {
  readonly #work: (key: Key) => Promise<Result>;
  readonly #asked = new Map<Key, { readonly latest: Latest<Result>; callers: number }>();

  constructor(work: (key: Key) => Promise<Result>) {
    this.#work = work;
  }

  /** Keys that somebody waits for. */
  get size(): number {
    return this.#asked.size;
  }

  async get(key: Key): Promise<Result> {
    const asked = this.#asked.get(key) ?? { latest: new Latest(async () => this.#work(key)), callers: 0 };
    this.#asked.set(key, asked);
    asked.callers += 1;
    try {
      return await asked.latest.get();
    } finally {
      asked.callers -= 1;
      if (asked.callers === 0) this.#asked.delete(key);
    }
  }
}
