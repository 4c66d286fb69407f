import type { Page, PageRequest } from "../records.ts";

/** Something that is to be sent to somebody, once, after a change that is committed. */
export interface NewDelivery {
  /** Names it for ever: adding it a second time adds nothing. */
  readonly id: string;
  /** Which {@link DeliveryChannel} sends it. */
  readonly channel: string;
  /** Where to within the channel: the id of a webhook, a purge hook's name. */
  readonly target: string;
  /** What happened: `package.published`. */
  readonly event: string;
  /** What is sent. */
  readonly payload: string;
  /** Milliseconds since the epoch, as all times here. */
  readonly created: number;
  /** When it is tried first; where it is absent, at once. */
  readonly due?: number;
}

/** `failed`: it is not tried any more. */
export type DeliveryState = "waiting" | "delivered" | "failed";

/** One try to send. */
export interface DeliveryAttempt {
  readonly at: number;
  readonly durationMs: number;
  /** Status of the answer; absent where there was none. */
  readonly status?: number;
  /** Why it failed. */
  readonly error?: string;
  /** How the answer began, cut off. */
  readonly answer?: string;
}

/** A delivery with what became of it. */
export interface Delivery extends NewDelivery {
  readonly state: DeliveryState;
  /** When it is tried next; absent where it is not. */
  readonly due?: number;
  /** How often it was tried since it was added or sent again. */
  readonly tries: number;
  /** The last ones, oldest first. */
  readonly attempts: readonly DeliveryAttempt[];
}

/** How a try ended. */
export interface DeliveryResult {
  readonly attempt: DeliveryAttempt;
  readonly state: DeliveryState;
  /** When it is tried next, where it waits. */
  readonly due?: number;
}

/** Attempts that are kept of a delivery. */
export const ATTEMPTS_KEPT = 12;

/** Which deliveries. */
export interface DeliveryQuery extends PageRequest {
  readonly channel: string;
  readonly target: string;
  readonly state?: DeliveryState;
}

/**
 * What is to be sent because of changes. Deliveries are derived from the audit trail, which the transaction of every change
 * writes: {@link DeliveryStore.position} says how far that was done, so that a crash loses none and repeats none. Of several
 * servers each may derive and send: the position moves for one of them, and a delivery is claimed by one.
 */
export interface DeliveryStore {
  /** Number of the audit record up to which deliveries were derived; 0 where none was. */
  position(): Promise<number>;
  /** Moves the position and adds the deliveries, or nothing of it, and answers `false`, where it is not at `from` any more. */
  advance(step: {
    readonly from: number;
    readonly to: number;
    readonly deliveries: readonly NewDelivery[];
  }): Promise<boolean>;
  /** Adds one that no change caused. */
  add(delivery: NewDelivery): Promise<void>;
  /**
   * Takes deliveries of these channels that are due, those that have waited longest first; until `until` nobody else takes
   * them, and whoever dies meanwhile has them tried again then. Of the `limit` that have waited longest, to other targets than
   * `except`, those are taken that `accept` wants; it is asked in their order. Nothing is taken where `wanted` wants none of
   * them: it may be asked of any of them, at any time and more than once, and spares a store its turn among the writers.
   */
  claim(request: {
    readonly now: number;
    readonly until: number;
    readonly limit: number;
    readonly channels: readonly string[];
    readonly except?: readonly string[];
    readonly wanted?: (delivery: Delivery) => boolean;
    readonly accept?: (delivery: Delivery) => boolean;
  }): Promise<readonly Delivery[]>;
  /** Takes this one, whenever it would be due and whatever became of it, as if it were new; `undefined` where there is none. */
  claimAgain(id: string, until: number): Promise<Delivery | undefined>;
  /** Notes a try; of a delivery that was dropped meanwhile, nothing. */
  settle(id: string, result: DeliveryResult): Promise<void>;
  delivery(id: string): Promise<Delivery | undefined>;
  /** Newest first. */
  deliveries(query: DeliveryQuery): Promise<Page<Delivery>>;
  /** Forgets everything that was to go or went to a target. */
  drop(channel: string, target: string): Promise<void>;
  /** Forgets deliveries that were made before a time, where they ended or nobody has taken them since. */
  forget(before: number): Promise<void>;
  /** Number of deliveries by channel and state. */
  counts(): Promise<readonly { readonly channel: string; readonly state: DeliveryState; readonly count: number }[]>;
}
