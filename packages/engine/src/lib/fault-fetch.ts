import { createHash } from "node:crypto";
import { setTimeout as sleepFor } from "node:timers/promises";
import { planFaults, type ChaosProfile, type PlannedFault } from "@lading/core-manifest";
import type { Fetch, FetchInit, FetchResponse } from "@lading/registry-client";

/** A longer delay would try the user's patience and no code. */
const LONGEST_DELAY_MS = 500;
const DAY_MS = 86_400_000;

/** What a fault of a profile does to one HTTP exchange; those that are not named here are no faults of a network. */
const EFFECTS = {
  network_delay: "delay",
  bandwidth_limit: "delay",
  message_reorder: "delay",
  packet_loss: "reset",
  connection_reset: "reset",
  message_drop: "lost",
  network_partition: "unreachable",
  dns_failure: "unknown-host",
  message_duplicate: "twice",
  message_corrupt: "corrupt",
} as const;

type Effect = (typeof EFFECTS)[keyof typeof EFFECTS];

/** One fault that was injected. */
export interface InjectedFault {
  readonly faultType: string;
  readonly method: string;
  readonly url: string;
  /** Counted from 1 for each method and URL. */
  readonly attempt: number;
}

/** What {@link createFaultFetch} is made from. */
export interface FaultFetchOptions {
  readonly profile: ChaosProfile;
  readonly fetch: Fetch;
  /** Wins over the profile's `chaos_seed`; default where that is absent: 0. */
  readonly seed?: number | undefined;
  /** Told of each fault before it happens. */
  readonly onFault?: ((fault: InjectedFault) => void) | undefined;
  /** Milliseconds since the epoch. Default: the system's clock. */
  readonly now?: (() => number) | undefined;
  /** Default: the system's timer. */
  readonly sleep?: ((ms: number, signal: AbortSignal) => Promise<void>) | undefined;
}

/**
 * A {@link Fetch} that fails as a chaos profile says. Which exchange meets which fault is decided by the seed, the method,
 * the URL's path and the attempt, so that parallel requests may come in any order and a run can be repeated elsewhere:
 * `fault_injection_rate` draws among the allowed network faults, `network_partition_probability` and `message_drop_rate`
 * add their own, entries of the schedule for `on_connect`, `on_send` and `on_receive` draw by their probability, and those
 * for `cron:` hold while their planned time does.
 */
export function createFaultFetch(options: FaultFetchOptions): Fetch {
  const { fetch, onFault, now = Date.now, sleep = pause } = options;
  const seed = options.seed ?? options.profile.chaosSeed ?? 0;
  const attempts = new Map<string, number>();
  const windows = plannedWindows(options.profile, seed, now());
  return async (url, init) => {
    const key = `${init.method} ${pathOf(url)}`;
    const attempt = (attempts.get(key) ?? 0) + 1;
    attempts.set(key, attempt);
    const draw = drawing(seed, `${key} ${attempt}`);
    const faultType = chooseFault(options.profile, windows, now(), draw);
    if (faultType === undefined) return fetch(url, init);
    onFault?.({ faultType, method: init.method, url, attempt });
    const effect = EFFECTS[faultType];
    const delay = draw("duration") * Math.min(options.profile.maxFaultDurationMs ?? LONGEST_DELAY_MS, LONGEST_DELAY_MS);
    return inject({ effect, delay, draw, sleep, fetch, url, init });
  };
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleepFor(ms, undefined, { signal });
}

type NetworkFault = keyof typeof EFFECTS;

/** A number in [0, 1) for each purpose, the same wherever the same is asked. */
function drawing(seed: number, key: string): (purpose: string) => number {
  return (purpose) =>
    createHash("sha256").update(`${seed}\n${key}\n${purpose}`).digest().readUInt32BE(0) / 0x1_0000_0000;
}

/** Registries of tests listen on another port each time. */
function pathOf(url: string): string {
  const parsed = URL.parse(url);
  return parsed === null ? url : `${parsed.pathname}${parsed.search}`;
}

const isNetworkFault = (name: string): name is NetworkFault => Object.hasOwn(EFFECTS, name);

function plannedWindows(profile: ChaosProfile, seed: number, fromMs: number): readonly PlannedFault[] {
  const scheduled = { ...profile, faultInjectionRate: 0, chaosSeed: seed };
  return planFaults(scheduled, { fromMs, untilMs: fromMs + DAY_MS });
}

const EVENTS = ["on_connect", "on_send", "on_receive"];

function chooseFault(
  profile: ChaosProfile,
  windows: readonly PlannedFault[],
  nowMs: number,
  draw: (purpose: string) => number,
): NetworkFault | undefined {
  const holding = windows.find(
    ({ faultType, startMs, durationMs }) =>
      isNetworkFault(faultType) && startMs <= nowMs && nowMs < startMs + durationMs,
  );
  if (holding !== undefined) return holding.faultType as NetworkFault;
  for (const [position, { faultType, trigger, probability }] of profile.faultSchedule.entries()) {
    if (!EVENTS.includes(trigger) || !isNetworkFault(faultType)) continue;
    if (draw(`schedule ${position}`) < probability) return faultType;
  }
  if (draw("partition") < (profile.networkPartitionProbability ?? 0)) return "network_partition";
  if (draw("drop") < (profile.messageDropRate ?? 0)) return "message_drop";
  const allowed = profile.allowedFaults.filter(isNetworkFault);
  if (allowed.length === 0 || draw("rate") >= (profile.faultInjectionRate ?? 0)) return undefined;
  return allowed[Math.floor(draw("which") * allowed.length)];
}

interface Injection {
  readonly effect: Effect;
  readonly delay: number;
  readonly draw: (purpose: string) => number;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly fetch: Fetch;
  readonly url: string;
  readonly init: FetchInit;
}

async function inject(injection: Injection): Promise<FetchResponse> {
  const { effect, delay, draw, sleep, fetch, url, init } = injection;
  switch (effect) {
    case "delay":
      await sleep(delay, init.signal);
      return fetch(url, init);
    case "unreachable":
      throw systemError("ENETUNREACH", "the network is unreachable");
    case "unknown-host":
      throw systemError("ENOTFOUND", "the host was not found");
    case "lost":
      await discard(injection);
      throw systemError("ETIMEDOUT", "the answer was lost");
    case "reset":
      return cutShort(await fetch(url, init), draw("cut"));
    case "twice":
      // Only what is safe to repeat: a second upload is another matter than a repeated packet.
      if (init.method === "GET" || init.method === "HEAD") await discard(injection);
      return fetch(url, init);
    case "corrupt":
      return corrupted(await fetch(url, init), draw("byte"));
  }
}

/** The request arrives and is answered; nobody hears the answer. */
async function discard({ fetch, url, init }: Injection): Promise<void> {
  const { body } = await fetch(url, init);
  for await (const _ of body ?? []) init.signal.throwIfAborted();
}

function systemError(code: string, message: string): Error {
  return Object.assign(new Error(`${message} (chaos)`), { code });
}

/** The connection ends within the body, or before a body that is empty. */
function cutShort(response: FetchResponse, share: number): FetchResponse {
  const { status, headers, body } = response;
  return { status, headers, body: broken(body, share) };
}

async function* broken(body: AsyncIterable<Uint8Array> | null, share: number): AsyncGenerator<Uint8Array> {
  for await (const chunk of body ?? []) {
    yield chunk.subarray(0, Math.floor(chunk.length * share));
    break;
  }
  throw systemError("ECONNRESET", "the connection was reset");
}

/** One byte of the first piece is another. */
function corrupted(response: FetchResponse, share: number): FetchResponse {
  const { status, headers, body } = response;
  return { status, headers, body: body === null ? null : flipped(body, share) };
}

async function* flipped(body: AsyncIterable<Uint8Array>, share: number): AsyncGenerator<Uint8Array> {
  let done = false;
  for await (const chunk of body) {
    if (done || chunk.length === 0) {
      yield chunk;
      continue;
    }
    done = true;
    const copy = Uint8Array.from(chunk);
    copy[Math.floor(share * copy.length)]! ^= 0x01;
    yield copy;
  }
}
