import type { AuditTrailStore, ChainedRecord } from "../governance/audit-trail.ts";
import type { Clock, LogListener } from "../ports.ts";
import type { Delivery, DeliveryAttempt, DeliveryResult, DeliveryStore, NewDelivery } from "./delivery-store.ts";

/** How a try went: `again` for what may work later, `never` for what will not. */
export interface SendOutcome {
  readonly outcome: "delivered" | "again" | "never";
  readonly status?: number;
  readonly error?: string;
  readonly answer?: string;
  /** Milliseconds that the other side wants not to be asked for. */
  readonly retryAfterMs?: number;
}

/** What sends one kind of deliveries. */
export interface DeliveryChannel {
  readonly name: string;
  /** Pauses after the first try that failed, the second, and so on; after the last one it is not tried any more. */
  readonly pausesMs: readonly number[];
  /** Changes before this time are none of its; `undefined`: nobody wants to hear of any. */
  since(): Promise<number | undefined>;
  /** What is to be sent because of a change. The same answer for the same record, whoever asks and how often. */
  plan(record: ChainedRecord): Promise<readonly Omit<NewDelivery, "channel">[]>;
  /**
   * What answers deliveries to a target, such as a host: of those to one endpoint only {@link ENDPOINT_PARALLEL} are sent at a
   * time. Where it is absent each target is one.
   */
  endpointOf?(target: string): string;
  /** Tries once. Failures of the other side are outcomes; what it throws counts as `again`. */
  send(delivery: Delivery, signal: AbortSignal): Promise<SendOutcome>;
  /** Called after each try was noted. */
  settled?(delivery: Delivery, result: DeliveryResult): Promise<void>;
}

/** How often it is looked whether there is something to send. */
const LOOK_MS = 1000;
/** Records that are read at a time. */
const BATCH = 200;
/** The position is stored at the latest after so many records that nobody wanted to hear of. */
const UNSAVED_MAX = 5000;
/** Deliveries that one server sends at a time. */
const PARALLEL = 16;
/** Deliveries that one server sends to one endpoint at a time, so that a slow one cannot hold up those to others. */
export const ENDPOINT_PARALLEL = 4;
/** How often one look asks for what is due, each time behind what there is no room for. */
export const ROUNDS = 8;
/** Targets that are left out at most of what is asked for: databases take no query of any length. */
const EXCEPT_MAX = 10_000;
/** How long a try may take, connection and answer included. */
export const SEND_TIMEOUT_MS = 15_000;
/** A claim outlives the try by so much that no other server begins before it is noted. */
const CLAIM_MS: number = 4 * SEND_TIMEOUT_MS;
const DAY_MS = 24 * 60 * 60 * 1000;
/** How long what ended is kept. */
export const DELIVERIES_KEPT_MS: number = 30 * DAY_MS;
const FORGET_EVERY_MS = 60 * 60 * 1000;

/**
 * Derives deliveries from what was committed and sends them, at least once each: with a crash between a try and its note, it
 * is tried again. There is no order between deliveries.
 */
export class DeliveryService {
  readonly #store: DeliveryStore;
  readonly #trail: AuditTrailStore;
  readonly #channels: ReadonlyMap<string, DeliveryChannel>;
  readonly #clock: Clock;
  readonly #log: LogListener;
  readonly #ended = new AbortController();
  readonly #sending = new Set<Promise<void>>();
  /** How many were begun. */
  #begun = 0;
  /** How many of {@link #sending} go to each endpoint. */
  readonly #busy = new Map<string, number>();
  /** Endpoints with more that is due than they are sent at a time. */
  readonly #crowded = new Set<string>();
  /** Targets that had to wait for their endpoint, until nothing is sent to it any more. */
  readonly #waiting = new Map<string, Set<string>>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #looking: Promise<void> = Promise.resolve();
  /** Record up to which it is known that there is nothing to send. */
  #seen = 0;
  /** The stored position that {@link #seen} is ahead of. */
  #stored: number | undefined;
  #forgotten = Number.NEGATIVE_INFINITY;

  constructor(options: {
    readonly store: DeliveryStore;
    readonly trail: AuditTrailStore;
    readonly channels: readonly DeliveryChannel[];
    readonly clock: Clock;
    readonly log: LogListener;
  }) {
    this.#store = options.store;
    this.#trail = options.trail;
    this.#channels = new Map(options.channels.map((channel) => [channel.name, channel]));
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** Begins to look, and looks from then on. */
  start(): void {
    if (this.#channels.size > 0) this.#later(LOOK_MS);
  }

  #later(delayMs: number): void {
    if (this.#ended.signal.aborted) return;
    this.#timer = setTimeout(() => {
      void this.look().finally(() => this.#later(LOOK_MS));
    }, delayMs);
    (this.#timer as { unref?: () => void }).unref?.();
  }

  /** Derives what is to be sent and begins to send what is due; failures are logged, and the next look goes on. */
  async look(): Promise<void> {
    const before = this.#looking;
    this.#looking = before.then(() => this.#look());
    await this.#looking;
  }

  async #look(): Promise<void> {
    try {
      await this.#derive();
      await this.#sendDue();
      await this.#forgetOld();
    } catch (error) {
      if (this.#ended.signal.aborted) return;
      this.#log("warn", "deliveries cannot be made at this moment", { error: String(error) });
    }
  }

  /** Resolves when everything that is due was sent and noted. */
  async idle(): Promise<void> {
    let before: number;
    do {
      before = this.#begun;
      await this.look();
      await Promise.all(this.#sending);
      // What ended may have made room, and had it looked what is due.
      await this.#looking;
    } while (this.#begun > before);
  }

  async #derive(): Promise<void> {
    let wanted = await this.#active();
    if (wanted === undefined) return;
    this.#stored ??= await this.#store.position();
    this.#seen = Math.max(this.#seen, this.#stored);
    for (;;) {
      if (this.#ended.signal.aborted) return;
      const records = await this.#trail.records({ since: wanted.since }, this.#seen, BATCH);
      const last = records.at(-1);
      if (last === undefined) return;
      // Asked after the records were read, or what was made during a long catch-up would miss what happened since.
      wanted = await this.#active();
      if (wanted === undefined) return;
      const deliveries: NewDelivery[] = [];
      for (const record of records) deliveries.push(...(await this.#planned(record, wanted.channels)));
      if (!(await this.#moved(last.id, deliveries))) return;
    }
  }

  async #active(): Promise<{ readonly since: number; readonly channels: readonly DeliveryChannel[] } | undefined> {
    const found: { since: number; channel: DeliveryChannel }[] = [];
    for (const channel of this.#channels.values()) {
      const since = await channel.since();
      if (since !== undefined) found.push({ since, channel });
    }
    if (found.length === 0) return undefined;
    return { since: Math.min(...found.map(({ since }) => since)), channels: found.map(({ channel }) => channel) };
  }

  async #planned(record: ChainedRecord, channels: readonly DeliveryChannel[]): Promise<readonly NewDelivery[]> {
    const planned: NewDelivery[] = [];
    for (const channel of channels) {
      for (const delivery of await channel.plan(record)) planned.push({ ...delivery, channel: channel.name });
    }
    return planned;
  }

  /** Whether this server's next look goes on from there; another one may have been there before. */
  async #moved(to: number, deliveries: readonly NewDelivery[]): Promise<boolean> {
    const from = this.#stored!;
    // Where nobody wants to hear of anything, a record need not be followed by a write.
    if (deliveries.length > 0 || to - from >= UNSAVED_MAX) {
      if (!(await this.#store.advance({ from, to, deliveries }))) {
        this.#stored = undefined;
        this.#seen = 0;
        return false;
      }
      this.#stored = to;
    }
    this.#seen = to;
    return true;
  }

  async #sendDue(): Promise<void> {
    this.#crowded.clear();
    const channels = [...this.#channels.keys()];
    for (let round = 0; round < ROUNDS; round += 1) {
      const limit = PARALLEL - this.#sending.size;
      if (limit <= 0 || channels.length === 0 || this.#ended.signal.aborted) return;
      const now = this.#clock.now();
      const except = this.#held();
      const choice = this.#choice();
      const claimed = await this.#store.claim({ now, until: now + CLAIM_MS, limit, channels, except, ...choice });
      for (const delivery of claimed) this.#begin(delivery);
      // What has waited longest may all be for one endpoint: the others are looked for behind it.
      if (claimed.length === 0 && choice.refused() === 0) return;
    }
  }

  #endpointOf({ channel, target }: Delivery): string {
    return `${channel} ${this.#channels.get(channel)?.endpointOf?.(target) ?? target}`;
  }

  #isFull(endpoint: string): boolean {
    return (this.#busy.get(endpoint) ?? 0) >= ENDPOINT_PARALLEL;
  }

  /** Targets that are known to wait for endpoints without room. */
  #held(): readonly string[] {
    const held = [...this.#waiting].filter(([endpoint]) => this.#isFull(endpoint));
    for (const [endpoint] of held) this.#crowded.add(endpoint);
    return held.flatMap(([, targets]) => [...targets]).slice(0, EXCEPT_MAX);
  }

  /** Wants and accepts what its endpoint has room for, and notes the targets of what it has none for. */
  #choice(): Required<Pick<Parameters<DeliveryStore["claim"]>[0], "wanted" | "accept">> & { refused: () => number } {
    const taken = new Map(this.#busy);
    let refused = 0;
    const refuse = (endpoint: string, target: string): false => {
      refused += 1;
      const targets = this.#waiting.get(endpoint) ?? new Set();
      this.#waiting.set(endpoint, targets.add(target));
      this.#crowded.add(endpoint);
      return false;
    };
    return {
      refused: () => refused,
      wanted: (delivery) => {
        const endpoint = this.#endpointOf(delivery);
        return !this.#isFull(endpoint) || refuse(endpoint, delivery.target);
      },
      accept: (delivery) => {
        const endpoint = this.#endpointOf(delivery);
        const count = taken.get(endpoint) ?? 0;
        if (count >= ENDPOINT_PARALLEL) return refuse(endpoint, delivery.target);
        taken.set(endpoint, count + 1);
        return true;
      },
    };
  }

  #begin(delivery: Delivery): void {
    this.#begun += 1;
    const endpoint = this.#endpointOf(delivery);
    this.#busy.set(endpoint, (this.#busy.get(endpoint) ?? 0) + 1);
    const sending: Promise<void> = this.#send(delivery)
      .catch((error: unknown) => {
        if (!this.#ended.signal.aborted)
          this.#log("warn", "a delivery cannot be noted; it is sent again", { id: delivery.id, error: String(error) });
      })
      .finally(() => {
        this.#sending.delete(sending);
        this.#leave(endpoint);
      });
    this.#sending.add(sending);
  }

  #leave(endpoint: string): void {
    const left = (this.#busy.get(endpoint) ?? 1) - 1;
    if (left > 0) this.#busy.set(endpoint, left);
    else {
      this.#busy.delete(endpoint);
      this.#waiting.delete(endpoint);
    }
    // An endpoint that answers fast need not wait for the next look for what is due to it.
    if (this.#crowded.delete(endpoint) && !this.#ended.signal.aborted) void this.look();
  }

  /** Sends a delivery now, whatever became of it before, and answers what became of it; `undefined` where there is none. */
  async sendNow(id: string): Promise<Delivery | undefined> {
    const delivery = await this.#store.claimAgain(id, this.#clock.now() + CLAIM_MS);
    if (delivery === undefined) return undefined;
    await this.#send(delivery);
    return this.#store.delivery(id);
  }

  /** Adds a delivery that no change caused, and sends it now. */
  async sendNew(delivery: NewDelivery): Promise<Delivery | undefined> {
    await this.#store.add(delivery);
    return this.sendNow(delivery.id);
  }

  async #send(delivery: Delivery): Promise<void> {
    const channel = this.#channels.get(delivery.channel);
    const at = this.#clock.now();
    const started = performance.now();
    const sent = await this.#tried(channel, delivery);
    // What was cut off by the server's end is not the other side's failure: the claim ends, and it is tried again.
    if (this.#ended.signal.aborted && sent.outcome !== "delivered") return;
    const { status, error, answer } = sent;
    const attempt: DeliveryAttempt = {
      at,
      durationMs: Math.round(performance.now() - started),
      ...(status === undefined ? {} : { status }),
      ...(error === undefined ? {} : { error }),
      ...(answer === undefined || answer === "" ? {} : { answer }),
    };
    const result = { attempt, ...this.#next(channel, delivery, sent) };
    await this.#store.settle(delivery.id, result);
    await channel?.settled?.(delivery, result);
  }

  async #tried(channel: DeliveryChannel | undefined, delivery: Delivery): Promise<SendOutcome> {
    if (channel === undefined) return { outcome: "never", error: `nothing sends "${delivery.channel}" here any more` };
    try {
      return await channel.send(delivery, AbortSignal.any([this.#ended.signal, AbortSignal.timeout(SEND_TIMEOUT_MS)]));
    } catch (error) {
      const isTimeout = error instanceof Error && error.name === "TimeoutError";
      const reason = isTimeout ? `no answer within ${SEND_TIMEOUT_MS / 1000} seconds` : messageOf(error);
      return { outcome: "again", error: reason };
    }
  }

  #next(
    channel: DeliveryChannel | undefined,
    { tries }: Delivery,
    { outcome, retryAfterMs = 0 }: SendOutcome,
  ): Pick<DeliveryResult, "state" | "due"> {
    if (outcome === "delivered") return { state: "delivered" };
    const pause = channel?.pausesMs[tries];
    if (outcome === "never" || pause === undefined) return { state: "failed" };
    return { state: "waiting", due: this.#clock.now() + Math.max(pause, Math.min(retryAfterMs, DAY_MS)) };
  }

  async #forgetOld(): Promise<void> {
    const now = this.#clock.now();
    if (now - this.#forgotten < FORGET_EVERY_MS) return;
    this.#forgotten = now;
    await this.#store.forget(now - DELIVERIES_KEPT_MS);
  }

  /** Ends what is being sent; it is tried again after the next start. */
  async stop(): Promise<void> {
    this.#ended.abort();
    clearTimeout(this.#timer);
    await this.#looking;
    await Promise.all(this.#sending);
  }
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  const text = cause instanceof Error ? `${error.message}: ${cause.message}` : error.message;
  return (text === "" ? error.name : text).slice(0, 300);
}
