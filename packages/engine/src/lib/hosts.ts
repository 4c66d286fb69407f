import type { EngineContext } from "./engine-context.ts";
import { EngineError } from "./engine-error.ts";

/**
 * The host versions here: `--host axis=version`, then settings `hosts.<axis>` with one version, then the profile's default.
 * An axis without any constrains nothing.
 * @throws {EngineError} `HOST_INVALID`
 */
export async function hostVersions(context: EngineContext, given: readonly string[]): Promise<Record<string, string>> {
  const settings = await context.settings();
  const chosen = new Map(given.map((text) => parseHost(context, text)));
  const result: Record<string, string> = {};
  for (const { axis, default: fallback } of context.profile.hosts) {
    const legacy = axis === "python" ? settings.string("environments.python_version") : undefined;
    const set = settings.string(`hosts.${axis}`);
    const pinned = context.pinnedHosts.get(axis);
    const asked = chosen.get(axis);
    if (asked !== undefined) refuseOtherHost(context, axis, asked);
    const version = pinned ?? asked ?? (set?.includes(",") === true ? undefined : set) ?? legacy ?? fallback;
    if (version !== undefined) result[axis] = checkHostVersion(context, axis, version);
  }
  return result;
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
