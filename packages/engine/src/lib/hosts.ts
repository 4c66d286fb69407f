import type { EngineContext } from "./engine-context.ts";
import { EngineError } from "./engine-error.ts";

/**
 * The host versions to resolve for: `--host axis=version`, then settings `hosts.<axis>`, then the profile's default. An
 * axis without any constrains nothing.
 * @throws {EngineError} `HOST_INVALID`
 */
export async function hostVersions(context: EngineContext, given: readonly string[]): Promise<Record<string, string>> {
  const settings = await context.settings();
  const chosen = new Map(given.map((text) => parseHost(context, text)));
  const result: Record<string, string> = {};
  for (const { axis, default: fallback } of context.profile.hosts) {
    const legacy = axis === "python" ? settings.string("environments.python_version") : undefined;
    const version = chosen.get(axis) ?? settings.string(`hosts.${axis}`) ?? legacy ?? fallback;
    if (version !== undefined) result[axis] = checkVersion(context, axis, version);
  }
  return result;
}

function parseHost(context: EngineContext, text: string): [string, string] {
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

function checkVersion(context: EngineContext, axis: string, version: string): string {
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
