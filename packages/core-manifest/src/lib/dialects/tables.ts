import { KNOWN_FAULTS, FAULT_EVENTS, triggerProblem } from "../chaos.ts";
import { isLadingError } from "../error.ts";
import { validateLicense } from "../license.ts";
import type {
  BuildProfile,
  ChaosProfile,
  FaultScheduleEntry,
  RiskLevel,
  RuntimeDependency,
  SecurityPolicy,
} from "../manifest.ts";
import { formatDuration, parseDuration } from "../units.ts";
import { joinKey, type LocatedNode, type LocatedTable } from "./located.ts";
import { nearest } from "./nearest.ts";
import {
  asTable,
  flag,
  innerPath,
  kept,
  listOf,
  nonEmptyText,
  oneOf,
  readFields,
  shown,
  text,
  wrongType,
  type Reading,
  type ValueReader,
} from "./reading.ts";
import { canonicalOf, checkFeatureName, featureName, rate, registryName } from "./values.ts";

/** A licence: not SPDX is a warning, since `check` may not stand in the way of a custom licence. */
export const license: ValueReader<string> = (reading, node, key) => {
  const value = nonEmptyText(reading, node, key);
  if (value === undefined) return undefined;
  const { valid, problem } = validateLicense(value);
  if (!valid) {
    reading.report(node, {
      code: "MANIFEST_LICENSE_INVALID",
      key,
      problem: problem ?? "it is not an SPDX expression",
      found: shown(value),
      allowed: 'an SPDX expression such as "MIT OR Apache-2.0"',
    });
  }
  return value;
};

/** A duration with its unit, in milliseconds. */
export const duration: ValueReader<number> = (reading, node, key) => {
  const value = text(reading, node, key);
  if (value === undefined) return undefined;
  try {
    return parseDuration(value);
  } catch (error) {
    if (!isLadingError(error)) throw error;
    reading.report(node, {
      code: "MANIFEST_DURATION_INVALID",
      key,
      problem: "it is not a duration",
      found: shown(value),
      allowed: 'a number with a unit: "100ms", "5s", "1m"',
      hint: error.hint,
    });
    return undefined;
  }
};

const publish: ValueReader<boolean | readonly string[]> = (reading, node, key) => {
  if (node.kind === "array") return listOf(registryName)(reading, node, key);
  if (node.kind === "boolean") return flag(reading, node, key);
  return wrongType(reading, node, key, "true, false or a list of registries");
};

/** A feature by its name, or as uv writes one: `{ extra = "name" }`. */
const exclusiveFeature: ValueReader<string> = (reading, node, key) => {
  if (node.kind !== "table") return featureName(reading, node, key);
  return readFields(reading, node, key, { extra: featureName }, "error").values.extra;
};

/** Lists of features of which at most one may be on. */
const exclusiveFeatures: ValueReader<readonly (readonly string[])[]> = (reading, node, key) => {
  const groups = listOf(listOf(exclusiveFeature))(reading, node, key);
  if (groups === undefined || node.kind !== "array") return undefined;
  for (const [index, group] of groups.entries()) {
    if (new Set(group).size === group.length && group.length > 1) continue;
    reading.report(node.items[index] ?? node, {
      code: "MANIFEST_VALUE_INVALID",
      key: joinKey(key, index),
      problem: "features exclude each other, so there are two or more, each once",
      found: shown(group.join(", ")),
      allowed: '[["cpu", "cuda"]]',
    });
  }
  return groups;
};

interface PackageTextReaders {
  readonly title: ValueReader<string>;
  readonly description: ValueReader<string>;
  readonly license: ValueReader<string>;
  readonly "license-file": ValueReader<string>;
  readonly documentation: ValueReader<string>;
  readonly readme: ValueReader<string>;
  readonly keywords: ValueReader<string[]>;
  readonly categories: ValueReader<string[]>;
  readonly edition: ValueReader<string>;
  readonly include: ValueReader<string[]>;
  readonly exclude: ValueReader<string[]>;
  readonly executables: ValueReader<string[]>;
  readonly publish: ValueReader<boolean | readonly string[]>;
  readonly "self-modifying": ValueReader<boolean>;
  readonly "exclusive-features": ValueReader<readonly (readonly string[])[]>;
}

/** Keys of `[package]` that need no more than a look at their own value; the rest is the dialect's. */
export const PACKAGE_TEXTS: PackageTextReaders = {
  title: text,
  description: text,
  license,
  "license-file": innerPath,
  documentation: nonEmptyText,
  readme: innerPath,
  keywords: listOf(nonEmptyText),
  categories: listOf(nonEmptyText),
  edition: nonEmptyText,
  include: listOf(nonEmptyText),
  exclude: listOf(nonEmptyText),
  executables: listOf(innerPath),
  publish,
  "self-modifying": flag,
  "exclusive-features": exclusiveFeatures,
};

// -- features ----------------------------------------------------------------------------------------

/** `[features]`: names and what each switches on; what they refer to is checked when all is read. */
export const features: ValueReader<Record<string, readonly string[]>> = (reading, node, key) => {
  const table = asTable(reading, node, key);
  if (table === undefined) return undefined;
  const values = Object.create(null) as Record<string, readonly string[]>;
  for (const entry of table.entries.values()) {
    if (!checkFeatureName(reading, entry.keySpan, joinKey(key, entry.key), entry.key)) continue;
    const items = listOf(nonEmptyText)(reading, entry.node, joinKey(key, entry.key));
    if (items !== undefined) values[entry.key] = items;
  }
  return values;
};

// -- build profiles ----------------------------------------------------------------------------------

const optimizationLevel: ValueReader<number | string> = (reading, node, key) => {
  if (node.kind === "integer" && typeof node.value === "number" && node.value >= 0 && node.value <= 3)
    return node.value;
  if (node.kind === "string" && (node.value === "s" || node.value === "z")) return node.value;
  reading.report(node, {
    code: "MANIFEST_VALUE_INVALID",
    key,
    problem: "it is not an optimization level",
    found: reading.source(node),
    allowed: '0, 1, 2, 3, "s" or "z"',
  });
  return undefined;
};

const lto: ValueReader<string | boolean> = (reading, node, key) =>
  node.kind === "boolean" ? (node.value as boolean) : oneOf(["fat", "thin", "off"])(reading, node, key);

const PROFILE = {
  optimization_level: optimizationLevel,
  debug: flag,
  lto,
  chaos_profile: nonEmptyText,
  inherits: nonEmptyText,
  features: listOf(featureName),
} as const;

/** `[profile.NAME]`. Other keys belong to the language's compiler and are kept. */
export function buildProfile(reading: Reading, node: LocatedNode, key: string): BuildProfile | undefined {
  const table = asTable(reading, node, key);
  if (table === undefined) return undefined;
  const { values, extra } = readFields(reading, table, key, PROFILE, "keep-unless-close");
  return {
    ...(values.optimization_level === undefined ? {} : { optimizationLevel: values.optimization_level }),
    ...(values.debug === undefined ? {} : { debug: values.debug }),
    ...(values.lto === undefined ? {} : { lto: values.lto }),
    ...(values.chaos_profile === undefined ? {} : { chaosProfile: values.chaos_profile }),
    ...(values.inherits === undefined ? {} : { inherits: values.inherits }),
    ...(values.features === undefined ? {} : { features: values.features }),
    extra,
  };
}

// -- chaos profiles ----------------------------------------------------------------------------------

const ALL_FAULTS = "all";

const faultName: ValueReader<string> = (reading, node, key) =>
  oneOf(KNOWN_FAULTS, "MANIFEST_FAULT_UNKNOWN")(reading, node, key);

const allowedFaults: ValueReader<readonly string[]> = (reading, node, key) => {
  const names = listOf(oneOf([...KNOWN_FAULTS, ALL_FAULTS], "MANIFEST_FAULT_UNKNOWN"))(reading, node, key);
  if (names === undefined) return undefined;
  return names.includes(ALL_FAULTS) ? KNOWN_FAULTS : [...new Set(names)];
};

const seed: ValueReader<number> = (reading, node, key) => {
  if (node.kind === "integer" && typeof node.value === "number" && node.value >= 0) return node.value;
  reading.report(node, {
    code: "MANIFEST_VALUE_INVALID",
    key,
    problem: "it is not a seed",
    found: reading.source(node),
    allowed: "a whole number from 0 to 9007199254740991",
  });
  return undefined;
};

const trigger: ValueReader<string> = (reading, node, key) => {
  const value = text(reading, node, key);
  if (value === undefined) return undefined;
  const problem = triggerProblem(value);
  if (problem === undefined) return value;
  const close = nearest(value, FAULT_EVENTS);
  reading.report(node, {
    code: "MANIFEST_TRIGGER_INVALID",
    key,
    problem,
    found: shown(value),
    allowed: `${FAULT_EVENTS.join(", ")}, or "cron:" and six fields`,
    hint: close === undefined ? 'Every five minutes is "cron:0 */5 * * * *"' : `Did you mean "${close}"?`,
  });
  return undefined;
};

const SCHEDULE = { fault_type: faultName, trigger, probability: rate, duration } as const;

function scheduleEntry(reading: Reading, node: LocatedNode, key: string): FaultScheduleEntry | undefined {
  const table = asTable(reading, node, key);
  if (table === undefined) return undefined;
  const { values } = readFields(reading, table, key, SCHEDULE, "error");
  for (const needed of ["fault_type", "trigger"] as const) {
    if (!table.entries.has(needed))
      reading.report(table, { code: "MANIFEST_KEY_MISSING", key: joinKey(key, needed), problem: "it is not there" });
  }
  if (values.fault_type === undefined || values.trigger === undefined) return undefined;
  return {
    faultType: values.fault_type,
    trigger: values.trigger,
    probability: values.probability ?? 1,
    ...(values.duration === undefined ? {} : { durationMs: values.duration }),
  };
}

const CHAOS = {
  fault_injection_rate: rate,
  allowed_faults: allowedFaults,
  chaos_seed: seed,
  max_fault_duration: duration,
  network_partition_probability: rate,
  message_drop_rate: rate,
  fault_schedule: listOf(scheduleEntry),
  // Named in GAL's quick start; a runner's own business.
  max_concurrent_faults: kept,
} as const;

/** `[chaos-profile.NAME]` (CHA-02 to CHA-13). Unknown keys warn and are kept: runners may know more. */
export function chaosProfile(reading: Reading, node: LocatedNode, key: string): ChaosProfile | undefined {
  const table = asTable(reading, node, key);
  if (table === undefined) return undefined;
  const { values, extra } = readFields(reading, table, key, CHAOS, "warning");
  const profile: ChaosProfile = {
    ...(values.fault_injection_rate === undefined ? {} : { faultInjectionRate: values.fault_injection_rate }),
    allowedFaults: values.allowed_faults ?? [],
    ...(values.chaos_seed === undefined ? {} : { chaosSeed: values.chaos_seed }),
    ...(values.max_fault_duration === undefined ? {} : { maxFaultDurationMs: values.max_fault_duration }),
    ...(values.network_partition_probability === undefined
      ? {}
      : { networkPartitionProbability: values.network_partition_probability }),
    ...(values.message_drop_rate === undefined ? {} : { messageDropRate: values.message_drop_rate }),
    faultSchedule: values.fault_schedule ?? [],
    extra,
  };
  checkSchedule(reading, table, key, values.allowed_faults, profile.maxFaultDurationMs);
  return profile;
}

function checkSchedule(
  reading: Reading,
  table: LocatedTable,
  key: string,
  allowed: readonly string[] | undefined,
  maxMs: number | undefined,
): void {
  const schedule = table.entries.get("fault_schedule")?.node;
  if (schedule?.kind !== "array") return;
  for (const [index, item] of schedule.items.entries()) {
    if (item.kind !== "table") continue;
    const path = joinKey(joinKey(key, "fault_schedule"), index);
    const fault = item.entries.get("fault_type")?.node;
    if (
      allowed !== undefined &&
      fault?.kind === "string" &&
      KNOWN_FAULTS.includes(fault.value as string) &&
      !allowed.includes(fault.value as string)
    ) {
      reading.report(fault, {
        code: "MANIFEST_FAULT_UNKNOWN",
        key: joinKey(path, "fault_type"),
        problem: "the profile's allowed_faults do not list this fault",
        found: shown(fault.value),
        allowed: allowed.join(", "),
      });
    }
    checkLongest(reading, item.entries.get("duration")?.node, joinKey(path, "duration"), maxMs);
  }
}

function checkLongest(reading: Reading, node: LocatedNode | undefined, key: string, maxMs: number | undefined): void {
  if (maxMs === undefined || node?.kind !== "string") return;
  const lasts = silentDuration(node.value as string);
  if (lasts === undefined || lasts <= maxMs) return;
  reading.report(node, {
    code: "MANIFEST_DURATION_TOO_LONG",
    key,
    problem: "it is longer than max_fault_duration",
    found: shown(node.value),
    allowed: `at most ${formatDuration(maxMs)}`,
  });
}

function silentDuration(value: string): number | undefined {
  try {
    return parseDuration(value);
  } catch (error) {
    if (isLadingError(error)) return undefined;
    throw error;
  }
}

// -- security ----------------------------------------------------------------------------------------

const RISK_LEVELS: readonly RiskLevel[] = ["info", "low", "medium", "high", "critical"];

const SECURITY = {
  require_signatures: flag,
  max_risk_level: oneOf(RISK_LEVELS),
  vulnerability_scan: flag,
  dependency_audit: flag,
  allowed_licenses: listOf(nonEmptyText),
  allow_self_modifying: flag,
} as const;

/** `[security]` (MAN-38). Unknown keys warn and are kept: newer releases may know more. */
export const security: ValueReader<SecurityPolicy> = (reading, node, key) => {
  const table = asTable(reading, node, key);
  if (table === undefined) return undefined;
  const { values, extra } = readFields(reading, table, key, SECURITY, "warning");
  return {
    ...(values.require_signatures === undefined ? {} : { requireSignatures: values.require_signatures }),
    ...(values.max_risk_level === undefined ? {} : { maxRiskLevel: values.max_risk_level }),
    ...(values.vulnerability_scan === undefined ? {} : { vulnerabilityScan: values.vulnerability_scan }),
    ...(values.dependency_audit === undefined ? {} : { dependencyAudit: values.dependency_audit }),
    ...(values.allowed_licenses === undefined ? {} : { allowedLicenses: values.allowed_licenses }),
    ...(values.allow_self_modifying === undefined ? {} : { allowSelfModifying: values.allow_self_modifying }),
    extra,
  };
};

// -- runtimes ----------------------------------------------------------------------------------------

const RUNTIME = /^([A-Za-z][A-Za-z0-9_+-]{0,63}(?:\.[A-Za-z0-9_+-]+)*)\s*([<>=~^!*].*)?$/;

/** `python3>=3.8`, or a bare `shell` (MAN-31). */
export const runtime: ValueReader<RuntimeDependency> = (reading, node, key) => {
  const value = nonEmptyText(reading, node, key);
  if (value === undefined) return undefined;
  const match = RUNTIME.exec(value.trim());
  const requirement = match?.[2]?.trim();
  const problem =
    match === null ? "it is not a runtime" : requirement === undefined ? undefined : runtimeProblem(requirement);
  if (problem === undefined) return { runtime: match![1]!, ...(requirement === undefined ? {} : { requirement }) };
  reading.report(node, {
    code: match === null ? "MANIFEST_VALUE_INVALID" : "MANIFEST_REQUIREMENT_INVALID",
    key,
    problem,
    found: shown(value),
    allowed: 'a name with an optional requirement, such as "python3>=3.8"',
  });
  return undefined;
};

function runtimeProblem(requirement: string): string | undefined {
  // Real packs write both `>=3.8` and Python's `==3.8`.
  const exact = canonicalOf(requirement, "exact");
  if ("canonical" in exact || "canonical" in canonicalOf(requirement, "pep440")) return undefined;
  return exact.problem;
}
