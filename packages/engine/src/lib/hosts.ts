import { detectVersion } from "./detect.ts";
import type { EngineContext } from "./engine-context.ts";
import { EngineError } from "./engine-error.ts";

/** What stands in place of a version for "the one that is on this machine". */
export const DETECT = "detect";

/** Where a host's version comes from. */
export type HostOrigin = "environment" | "flag" | "setting" | "profile";

/** A host here. */
export interface HostHere {
  readonly axis: string;
  readonly version: string;
  readonly origin: HostOrigin;
  /** Whether it was asked of the program that the profile names. */
  readonly detected: boolean;
}

/**
 * The host versions here: `--host axis=version`, then settings `hosts.<axis>` with one version, then the profile's default.
 * An axis without any constrains nothing. `detect` in place of a version asks the program that the profile names.
 * @throws {EngineError} `HOST_INVALID`, `HOST_UNDETECTED`
 */
export async function hostVersions(context: EngineContext, given: readonly string[]): Promise<Record<string, string>> {
  const hosts = await hostsHere(context, given);
  return Object.fromEntries(hosts.map(({ axis, version }) => [axis, version]));
}

/** The same with where each comes from. */
export async function hostsHere(context: EngineContext, given: readonly string[]): Promise<readonly HostHere[]> {
  const settings = await context.settings();
  const chosen = new Map(given.map((text) => parseHost(context, text)));
  const found: HostHere[] = [];
  for (const { axis, default: fallback } of context.profile.hosts) {
    const legacy = axis === "python" ? settings.string("environments.python_version") : undefined;
    const set = settings.string(`hosts.${axis}`);
    const asked = chosen.get(axis);
    if (asked !== undefined && asked !== DETECT) refuseOtherHost(context, axis, asked);
    const sources: readonly (readonly [HostOrigin, string | undefined])[] = [
      ["environment", context.pinnedHosts.get(axis)],
      ["flag", asked],
      ["setting", (set?.includes(",") === true ? undefined : set) ?? legacy],
      ["profile", fallback],
    ];
    const [origin, text] = sources.find(([, version]) => version !== undefined) ?? ["profile", undefined];
    if (text === undefined) continue;
    const version = await hostVersion(context, axis, text);
    found.push({ axis, version, origin, detected: text === DETECT });
  }
  return found;
}

/**
 * A version of a host as it is meant: `detect` is the one on this machine.
 * @throws {EngineError} `HOST_INVALID`, `HOST_UNDETECTED`
 */
export async function hostVersion(context: EngineContext, axis: string, text: string): Promise<string> {
  return checkHostVersion(context, axis, text === DETECT ? await detectHost(context, axis) : text);
}

/**
 * The version of a host on this machine, by the program that the profile names; where the profile knows versions, the one of
 * them that it belongs to.
 * @throws {EngineError} `HOST_UNDETECTED`
 */
export async function detectHost(context: EngineContext, axis: string): Promise<string> {
  const { detect, versions = [] } = context.profile.hosts.find((host) => host.axis === axis) ?? {};
  const fail = (problem: string): EngineError =>
    new EngineError({
      code: "HOST_UNDETECTED",
      message: `Cannot detect the version of host "${axis}": ${problem}`,
      hint: `Name it with --host ${axis}=VERSION, or set it for this machine: config set hosts.${axis} VERSION`,
      axis,
    });
  if (detect === undefined) throw fail(`the profile "${context.profile.id}" names no program to ask`);
  const found = await detectVersion(context, detect);
  if (found === undefined) throw fail(`"${detect.join(" ")}" cannot be run, or prints no version`);
  if (versions.length === 0) return found;
  const known = versions.find((version) => isPartOf(version, found));
  if (known !== undefined) return known;
  throw fail(`"${detect.join(" ")}" says ${found}, known are ${versions.map((one) => `"${one}"`).join(", ")}`);
}

/** Whether a version of one to three numbers is what a whole one begins with: `3.11` of `3.11.4`. */
export function isPartOf(part: string, whole: string): boolean {
  return `${whole}.`.startsWith(`${part}.`);
}

/** Texts `axis=version` with `detect` replaced by what is on this machine. */
export async function withDetected(
  context: EngineContext,
  given: readonly string[] | undefined,
): Promise<readonly string[] | undefined> {
  if (given === undefined) return undefined;
  return Promise.all(
    given.map(async (text) => {
      const [axis, version] = parseHost(context, text);
      return version === DETECT ? `${axis}=${await detectHost(context, axis)}` : text;
    }),
  );
}

/**
 * A named environment holds what was chosen for one version of a host; another would make it something else.
 * @throws {EngineError} `HOST_INVALID`
 */
export function refuseOtherHost(context: EngineContext, axis: string, version: string): void {
  const pinned = context.pinnedHosts.get(axis);
  if (pinned === undefined || fullVersion(version) === fullVersion(pinned)) return;
  throw new EngineError({
    code: "HOST_INVALID",
    message: `Cannot use ${axis} ${version}: this environment is made for ${axis} ${pinned}`,
    hint: "Make another environment for it with `env create`",
    axis,
  });
}

/**
 * Axes for which the settings list several versions (`hosts.revit = "2024,2025"`): those that locks are made for.
 * @throws {EngineError} `HOST_INVALID`
 */
export async function listedHosts(context: EngineContext): Promise<Record<string, string[]>> {
  const settings = await context.settings();
  const lists = context.profile.hosts.flatMap(({ axis }) => {
    const value = settings.string(`hosts.${axis}`);
    if (value?.includes(",") !== true || context.pinnedHosts.has(axis)) return [];
    return [[axis, value.split(",").map((version) => checkHostVersion(context, axis, version.trim()))] as const];
  });
  return Object.fromEntries(lists);
}

/**
 * `axis=version`, of an axis that the ecosystem has.
 * @throws {EngineError} `HOST_INVALID`
 */
export function parseHost(context: EngineContext, text: string): [string, string] {
  const axes = context.profile.hosts.map(({ axis }) => axis);
  const [axis, version, ...rest] = text.split("=");
  if (axis !== undefined && version !== undefined && version !== "" && rest.length === 0 && axes.includes(axis)) {
    return [axis, version];
  }
  throw new EngineError({
    code: "HOST_INVALID",
    message: `Cannot use host "${text}": expected AXIS=VERSION with one of the axes ${axes.map((name) => `"${name}"`).join(", ") || "(this ecosystem has none)"}`,
  });
}

/**
 * Refuses what is no version of a host, or none that the profile knows.
 * @throws {EngineError} `HOST_INVALID`
 */
export function checkHostVersion(context: EngineContext, axis: string, version: string): string {
  const known = context.profile.hosts.find((host) => host.axis === axis)!.versions;
  if (!/^\d+(?:\.\d+){0,2}(?:[-+][0-9A-Za-z.+-]+)?$/.test(version)) {
    throw new EngineError({ code: "HOST_INVALID", message: `Cannot use "${version}" as a version of host "${axis}"` });
  }
  if (known.length === 0 || known.includes(version)) return version;
  throw new EngineError({
    code: "HOST_INVALID",
    message: `Cannot use version "${version}" of host "${axis}": known are ${known.map((one) => `"${one}"`).join(", ")}`,
  });
}

/** `2024` and `3.11` as SemVer versions. */
export function fullVersion(text: string): string {
  const parts = text.split(".");
  return /^\d+(?:\.\d+)?$/.test(text) ? [...parts, "0", "0"].slice(0, 3).join(".") : text;
}
