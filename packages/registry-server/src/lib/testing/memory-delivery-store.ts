import {
  ATTEMPTS_KEPT,
  type Delivery,
  type DeliveryQuery,
  type DeliveryResult,
  type DeliveryState,
  type DeliveryStore,
  type NewDelivery,
} from "../deliveries/delivery-store.ts";
import type { Page } from "../records.ts";

const byAge = (left: Delivery, right: Delivery): number =>
  right.created - left.created || (left.id < right.id ? 1 : -1);
const byDue = (left: Delivery, right: Delivery): number => left.due! - right.due! || (left.id < right.id ? -1 : 1);

/** The {@link DeliveryStore} in memory. */
export class MemoryDeliveryStore implements DeliveryStore {
  readonly #deliveries = new Map<string, Delivery>();
  #position = 0;

  async position(): Promise<number> {
    return this.#position;
  }

  async advance(step: {
    readonly from: number;
    readonly to: number;
    readonly deliveries: readonly NewDelivery[];
  }): Promise<boolean> {
    if (this.#position !== step.from) return false;
    this.#position = step.to;
    for (const delivery of step.deliveries) await this.add(delivery);
    return true;
  }

  async add(delivery: NewDelivery): Promise<void> {
    if (this.#deliveries.has(delivery.id)) return;
    this.#deliveries.set(delivery.id, {
      ...delivery,
      state: "waiting",
      due: delivery.due ?? delivery.created,
      tries: 0,
      attempts: [],
    });
  }

  async claim(request: {
    readonly now: number;
    readonly until: number;
    readonly limit: number;
    readonly channels: readonly string[];
    readonly except?: readonly string[];
    readonly wanted?: (delivery: Delivery) => boolean;
    readonly accept?: (delivery: Delivery) => boolean;
  }): Promise<readonly Delivery[]> {
    const { now, channels, except = [], wanted = () => true, accept = () => true } = request;
    const leftOut = new Set(except);
    const due = [...this.#deliveries.values()].filter(
      (one) => one.due !== undefined && one.due <= now && channels.includes(one.channel) && !leftOut.has(one.target),
    );
    const oldest = due.sort(byDue).slice(0, request.limit);
    if (!oldest.some(wanted)) return [];
    return oldest.filter(accept).map((one) => this.#put({ ...one, due: request.until }));
  }

  async claimAgain(id: string, until: number): Promise<Delivery | undefined> {
    const known = this.#deliveries.get(id);
    return known === undefined ? undefined : this.#put({ ...known, due: until, state: "waiting", tries: 0 });
  }

  #put(delivery: Delivery): Delivery {
    this.#deliveries.set(delivery.id, delivery);
    return delivery;
  }

  async settle(id: string, { attempt, state, due }: DeliveryResult): Promise<void> {
    const known = this.#deliveries.get(id);
    if (known === undefined) return;
    const { due: _, ...rest } = known;
    const attempts = [...known.attempts, attempt].slice(-ATTEMPTS_KEPT);
    this.#put({ ...rest, state, tries: known.tries + 1, attempts, ...(due === undefined ? {} : { due }) });
  }

  async delivery(id: string): Promise<Delivery | undefined> {
    return this.#deliveries.get(id);
  }

  async deliveries({ channel, target, state, page, perPage }: DeliveryQuery): Promise<Page<Delivery>> {
    const found = [...this.#deliveries.values()].filter(
      (one) => one.channel === channel && one.target === target && (state === undefined || one.state === state),
    );
    return { items: found.sort(byAge).slice((page - 1) * perPage, page * perPage), total: found.length };
  }

  async drop(channel: string, target: string): Promise<void> {
    for (const [id, one] of this.#deliveries)
      if (one.channel === channel && one.target === target) this.#deliveries.delete(id);
  }

  async forget(before: number): Promise<void> {
    for (const [id, one] of this.#deliveries)
      if (one.created < before && (one.due ?? 0) < before) this.#deliveries.delete(id);
  }

  async counts(): Promise<
    readonly { readonly channel: string; readonly state: DeliveryState; readonly count: number }[]
  > {
    const counted = new Map<string, number>();
    for (const { channel, state } of this.#deliveries.values()) {
      const key = JSON.stringify([channel, state]);
      counted.set(key, (counted.get(key) ?? 0) + 1);
    }
    return [...counted]
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([key, count]) => {
        const [channel, state] = JSON.parse(key) as [string, DeliveryState];
        return { channel, state, count };
      });
  }
}
