import { nextCronTimes, parseCron } from "./cron.ts";
import type { ChaosProfile, FaultScheduleEntry } from "./manifest.ts";

/** Every fault that a chaos profile may name; `all` in a manifest stands for this list. */
export const KNOWN_FAULTS: readonly string[] = [
  "network_delay",
  "packet_loss",
  "message_drop",
  "network_partition",
  "message_duplicate",
  "message_reorder",
  "message_corrupt",
  "bandwidth_limit",
  "connection_reset",
  "dns_failure",
  "process_crash",
  "process_pause",
  "actor_crash",
  "cpu_stress",
  "memory_pressure",
  "disk_full",
  "disk_slow",
  "clock_skew",
];

/** Events that a planned fault may be bound to; beside them `cron:` with six fields. */
export const FAULT_EVENTS: readonly string[] = [
  "on_start",
  "on_stop",
  "on_send",
  "on_receive",
  "on_connect",
  "on_disconnect",
  "on_spawn",
  "on_exit",
  "on_timeout",
];

const CRON = "cron:";

/** What is wrong with a trigger, or `undefined` where it can be used. */
export function triggerProblem(trigger: string): string | undefined {
  if (FAULT_EVENTS.includes(trigger)) return undefined;
  if (!trigger.startsWith(CRON)) return "it is neither a known event nor a cron expression";
  const cron = parseCron(trigger.slice(CRON.length));
  return "problem" in cron ? cron.problem : undefined;
}

/** The next times of a `cron:` trigger after `afterMs`, in milliseconds since the epoch; empty for an event. */
export function nextTriggerTimes(trigger: string, afterMs: number, count: number): number[] {
  if (!trigger.startsWith(CRON)) return [];
  const cron = parseCron(trigger.slice(CRON.length));
  return "problem" in cron ? [] : nextCronTimes(cron.schedule, afterMs, count);
}

/** One fault of a generated plan. */
export interface PlannedFault {
  readonly faultType: string;
  /** Milliseconds since the epoch. */
  readonly startMs: number;
  readonly durationMs: number;
}

/** The span that {@link planFaults} plans for. */
export interface FaultPlanOptions {
  /** Milliseconds since the epoch. */
  readonly fromMs: number;
  /** Exclusive; at most a day after `fromMs` is planned. */
  readonly untilMs: number;
  /** Used where the profile has no `chaos_seed`. */
  readonly seed?: number;
}

// splitmix32: four lines, the same numbers on every machine, good enough to choose faults with.
function randomFrom(seed: number): () => number {
  let state = (seed ^ Math.floor(seed / 0x1_0000_0000)) >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 0x1_0000_0000;
  };
}

const SECOND = 1000;
const DAY = 24 * 60 * 60 * SECOND;
const DEFAULT_DURATION_MS = SECOND;

function randomFaults(
  profile: ChaosProfile,
  span: { fromMs: number; untilMs: number },
  random: () => number,
): PlannedFault[] {
  const rate = profile.faultInjectionRate ?? 0;
  const faults: PlannedFault[] = [];
  if (rate === 0 || profile.allowedFaults.length === 0) return faults;
  for (let startMs = span.fromMs; startMs < span.untilMs; startMs += SECOND) {
    const [happens, which, howLong] = [random(), random(), random()];
    if (happens >= rate) continue;
    const faultType = profile.allowedFaults[Math.floor(which * profile.allowedFaults.length)]!;
    const longest = profile.maxFaultDurationMs ?? DEFAULT_DURATION_MS;
    faults.push({ faultType, startMs, durationMs: Math.max(1, Math.round(howLong * longest)) });
  }
  return faults;
}

function scheduledFaults(
  profile: ChaosProfile,
  entry: FaultScheduleEntry,
  span: { fromMs: number; untilMs: number },
  random: () => number,
): PlannedFault[] {
  const durationMs = entry.durationMs ?? profile.maxFaultDurationMs ?? DEFAULT_DURATION_MS;
  return nextTriggerTimes(entry.trigger, span.fromMs - 1, DAY / SECOND)
    .filter((startMs) => startMs < span.untilMs)
    .filter(() => random() < entry.probability)
    .map((startMs) => ({ faultType: entry.faultType, startMs, durationMs }));
}

/**
 * A plan of faults for a span of time: one draw per second by `fault_injection_rate` among the allowed
 * faults, and the schedule's `cron:` entries by their probability. Entries bound to events are left to the runner.
 * The same profile, span and seed give the same plan on every machine.
 */
export function planFaults(profile: ChaosProfile, options: FaultPlanOptions): PlannedFault[] {
  const random = randomFrom(profile.chaosSeed ?? options.seed ?? 0);
  const span = { fromMs: options.fromMs, untilMs: Math.min(options.untilMs, options.fromMs + DAY) };
  const faults = randomFaults(profile, span, random);
  for (const entry of profile.faultSchedule) faults.push(...scheduledFaults(profile, entry, span, random));
  return faults.toSorted((left, right) => left.startMs - right.startMs);
}

/** A chaos profile as the JSON document that a runner takes (`docs/spec/manifest.md` §chaos runner). */
export interface ChaosRunnerDocument {
  readonly format: 1;
  readonly profile: string;
  readonly fault_injection_rate: number;
  readonly allowed_faults: readonly string[];
  readonly chaos_seed?: number;
  readonly max_fault_duration_ms?: number;
  readonly network_partition_probability: number;
  readonly message_drop_rate: number;
  readonly fault_schedule: readonly {
    fault_type: string;
    trigger: string;
    probability: number;
    duration_ms?: number;
  }[];
  readonly extra?: Readonly<Record<string, unknown>>;
}

/** The profile as plain JSON, every default filled in. */
export function chaosRunnerDocument(name: string, profile: ChaosProfile): ChaosRunnerDocument {
  return {
    format: 1,
    profile: name,
    fault_injection_rate: profile.faultInjectionRate ?? 0,
    allowed_faults: profile.allowedFaults,
    ...(profile.chaosSeed === undefined ? {} : { chaos_seed: profile.chaosSeed }),
    ...(profile.maxFaultDurationMs === undefined ? {} : { max_fault_duration_ms: profile.maxFaultDurationMs }),
    network_partition_probability: profile.networkPartitionProbability ?? 0,
    message_drop_rate: profile.messageDropRate ?? 0,
    fault_schedule: profile.faultSchedule.map(({ faultType, trigger, probability, durationMs }) => ({
      fault_type: faultType,
      trigger,
      probability,
      ...(durationMs === undefined ? {} : { duration_ms: durationMs }),
    })),
    ...(Object.keys(profile.extra).length === 0 ? {} : { extra: profile.extra }),
  };
}

/** The profile as environment variables for a runner: `LADING_CHAOS_PROFILE` and one variable per value. */
export function chaosEnvironment(name: string, profile: ChaosProfile, prefix = "LADING"): Record<string, string> {
  const document = chaosRunnerDocument(name, profile);
  const variables: Record<string, string> = {
    PROFILE: name,
    FAULT_INJECTION_RATE: String(document.fault_injection_rate),
    ALLOWED_FAULTS: document.allowed_faults.join(","),
    NETWORK_PARTITION_PROBABILITY: String(document.network_partition_probability),
    MESSAGE_DROP_RATE: String(document.message_drop_rate),
    DOCUMENT: JSON.stringify(document),
  };
  if (document.chaos_seed !== undefined) variables["SEED"] = String(document.chaos_seed);
  if (document.max_fault_duration_ms !== undefined)
    variables["MAX_FAULT_DURATION_MS"] = String(document.max_fault_duration_ms);
  return Object.fromEntries(Object.entries(variables).map(([key, value]) => [`${prefix}_CHAOS_${key}`, value]));
}
