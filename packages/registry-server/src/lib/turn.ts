import type { Coordination } from "./ports.ts";

/** The lease of the one server that saves index documents and signs metadata. */
export const WRITER_LEASE = "writer";
const LEASE_MS = 15_000;
/** Before its end a lease is not relied on any more: what was begun may still take a while. */
const MARGIN_MS = 5000;
/** How long the answer "another server has it" is believed. */
const REFUSED_MS = 500;
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
