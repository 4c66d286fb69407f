interface Waiter {
  readonly bytes: number;
  readonly grant: () => void;
}

/**
 * Memory that concurrent decoders share: a frame's window is claimed before its decoder exists, and claims that do not
 * fit wait in order of arrival. A server gives one to all its publishes (default there 256 MiB).
 */
export class DecodeBudget {
  readonly capacityBytes: number;
  #free: number;
  readonly #waiting: Waiter[] = [];

  /** @param bytes capacity; a single larger claim gets all of it, alone */
  constructor(bytes: number) {
    this.capacityBytes = bytes;
    this.#free = bytes;
  }

  /** Bytes that nobody holds. */
  get freeBytes(): number {
    return this.#free;
  }

  /**
   * Waits until `bytes` are free and claims them. The returned function gives them back, once however often it is called.
   * @throws the reason of `signal` when it aborts the wait
   */
  async acquire(bytes: number, signal?: AbortSignal): Promise<() => void> {
    signal?.throwIfAborted();
    const wanted = Math.min(bytes, this.capacityBytes);
    if (this.#waiting.length > 0 || wanted > this.#free) await this.#wait(wanted, signal);
    else this.#free -= wanted;
    let held = true;
    return () => {
      if (held) this.#release(wanted);
      held = false;
    };
  }

  #wait(bytes: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        const at = this.#waiting.indexOf(waiter);
        if (at >= 0) this.#waiting.splice(at, 1);
        this.#serve();
        reject(signal!.reason as Error);
      };
      const waiter: Waiter = {
        bytes,
        grant: () => {
          signal?.removeEventListener("abort", abort);
          resolve();
        },
      };
      this.#waiting.push(waiter);
      signal?.addEventListener("abort", abort, { once: true });
    });
  }

  #release(bytes: number): void {
    this.#free += bytes;
    this.#serve();
  }

  #serve(): void {
    while (this.#waiting.length > 0 && this.#waiting[0]!.bytes <= this.#free) {
      const next = this.#waiting.shift()!;
      this.#free -= next.bytes;
      next.grant();
    }
  }
}
