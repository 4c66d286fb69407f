import {
  chaosEnvironment,
  chaosRunnerDocument,
  nextTriggerTimes,
  parseDuration,
  planFaults,
  type ChaosProfile,
  type ChaosRunnerDocument,
} from "@lading/core-manifest";
import type { EngineContext } from "../engine-context.ts";
import { EngineError } from "../engine-error.ts";
import { chooseMember, loadProject, type MemberChoice } from "../project.ts";

/** A chaos profile of the manifest with the next times of its scheduled faults. */
export interface ListedChaosProfile {
  readonly name: string;
  readonly document: ChaosRunnerDocument;
  /** One for each scheduled fault, in the order of the manifest. */
  readonly schedule: readonly {
    readonly faultType: string;
    readonly trigger: string;
    /** The next five times of a `cron:` trigger, RFC 3339; empty for an event. */
    readonly next: readonly string[];
  }[];
}

const NEXT_TIMES = 5;

/** Lists the chaos profiles of a package, sorted by name. */
export async function chaosList(input: MemberChoice, context: EngineContext): Promise<readonly ListedChaosProfile[]> {
  const profiles = await readProfiles(input, context);
  return Object.entries(profiles)
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([name, profile]) => ({
      name,
      document: chaosRunnerDocument(name, profile),
      schedule: profile.faultSchedule.map(({ faultType, trigger }) => ({
        faultType,
        trigger,
        next: nextTriggerTimes(trigger, context.now(), NEXT_TIMES).map(iso),
      })),
    }));
}

async function readProfiles(
  input: MemberChoice,
  context: EngineContext,
): Promise<Readonly<Record<string, ChaosProfile>>> {
  const project = await loadProject(context);
  if (project.members.length === 0) return project.rootFile.manifest.chaosProfiles;
  const own = chooseMember(project, input).manifest.chaosProfiles;
  return { ...project.rootFile.manifest.chaosProfiles, ...own };
}

function iso(timeMs: number): string {
  return new Date(timeMs).toISOString();
}

async function profileNamed(name: string, input: MemberChoice, context: EngineContext): Promise<ChaosProfile> {
  const profiles = await readProfiles(input, context);
  if (Object.hasOwn(profiles, name)) return profiles[name]!;
  const known = Object.keys(profiles)
    .sort()
    .map((one) => `"${one}"`);
  throw new EngineError({
    code: "CHAOS_PROFILE_UNKNOWN",
    message: `Cannot use chaos profile "${name}": defined are ${known.join(", ") || "none"}`,
  });
}

/** Which profile is planned, and for when. */
export interface ChaosPlanInput extends MemberChoice {
  readonly profile: string;
  /** RFC 3339. Default: now. */
  readonly from?: string | undefined;
  /** A duration of at most a day, such as `10m`. Default: a minute. */
  readonly span?: string | undefined;
  /** Used where the profile has no seed of its own. Default: 0. */
  readonly seed?: number | undefined;
}

/** A plan: the same profile, span and seed give the same one on every machine. */
export interface ChaosPlan {
  readonly profile: string;
  readonly from: string;
  readonly until: string;
  readonly seed: number;
  readonly faults: readonly { readonly faultType: string; readonly start: string; readonly durationMs: number }[];
}

const DAY_MS = 86_400_000;

/**
 * Plans the faults of a span of time.
 * @throws {EngineError} `CHAOS_PROFILE_UNKNOWN`, `CHAOS_SPAN_INVALID`; {CoreError} `DURATION_INVALID`
 */
export async function chaosPlan(input: ChaosPlanInput, context: EngineContext): Promise<ChaosPlan> {
  const profile = await profileNamed(input.profile, input, context);
  const fromMs = input.from === undefined ? context.now() : Date.parse(input.from);
  const spanMs = parseDuration(input.span ?? "1m");
  if (Number.isNaN(fromMs) || spanMs <= 0 || spanMs > DAY_MS) {
    throw new EngineError({
      code: "CHAOS_SPAN_INVALID",
      message: `Cannot plan from "${input.from ?? "now"}" for "${input.span ?? "1m"}": allowed are a time such as 2026-01-31T12:00:00Z and a duration of more than nothing and at most a day`,
    });
  }
  const seed = profile.chaosSeed ?? input.seed ?? 0;
  const faults = planFaults(profile, { fromMs, untilMs: fromMs + spanMs, seed });
  return {
    profile: input.profile,
    from: iso(fromMs),
    until: iso(fromMs + spanMs),
    seed,
    faults: faults.map(({ faultType, startMs, durationMs }) => ({ faultType, start: iso(startMs), durationMs })),
  };
}

/** A chaos profile as a runner takes it. */
export interface ChaosExport {
  readonly document: ChaosRunnerDocument;
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * A chaos profile as a JSON document and as environment variables under the ecosystem's prefix. A build profile's name
 * stands for the chaos profile that it chooses.
 * @throws {EngineError} `CHAOS_PROFILE_UNKNOWN`
 */
export async function chaosExport(
  input: MemberChoice & { readonly profile: string },
  context: EngineContext,
): Promise<ChaosExport> {
  const name = await chosenByBuildProfile(input, context);
  const profile = await profileNamed(name, input, context);
  return {
    document: chaosRunnerDocument(name, profile),
    environment: chaosEnvironment(name, profile, context.profile.environmentPrefix),
  };
}

async function chosenByBuildProfile(
  input: MemberChoice & { readonly profile: string },
  context: EngineContext,
): Promise<string> {
  const { profile } = input;
  const project = await loadProject(context);
  const files = [project.rootFile, ...(project.members.length === 0 ? [] : [chooseMember(project, input)])];
  if (files.some(({ manifest }) => Object.hasOwn(manifest.chaosProfiles, profile))) return profile;
  const chosen = files.map(({ manifest }) => manifest.profiles[profile]?.chaosProfile);
  return chosen.findLast((one) => one !== undefined) ?? profile;
}
