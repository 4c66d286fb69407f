import { createFaultFetch } from "./fault-fetch.ts";
import type { EngineContext } from "./engine-context.ts";
import { EngineError } from "./engine-error.ts";
import type { Project } from "./project.ts";

/** Which faults an operation is to meet. */
export interface ChaosInput {
  /** Name of a chaos profile of the manifest, or of a build profile that chooses one. */
  readonly chaosProfile?: string | undefined;
  /** In place of the profile's own seed. */
  readonly chaosSeed?: number | undefined;
}

/**
 * Has every exchange with registries from here on meet the faults of a chaos profile. Must come before registries are
 * opened.
 * @returns tells how many faults were injected
 * @throws {EngineError} `CHAOS_PROFILE_UNKNOWN`
 */
export async function injectFaults(
  context: EngineContext,
  project: Project,
  { chaosProfile, chaosSeed }: ChaosInput,
): Promise<() => void> {
  if (chaosProfile === undefined) return () => {};
  const files = [project.rootFile, ...project.members];
  const profiles = Object.assign(
    {},
    ...files.map(({ manifest }) => manifest.chaosProfiles),
  ) as Project["rootFile"]["manifest"]["chaosProfiles"];
  const chosen = files
    .map(({ manifest }) => manifest.profiles[chaosProfile]?.chaosProfile)
    .find((one) => one !== undefined);
  const name = Object.hasOwn(profiles, chaosProfile) ? chaosProfile : (chosen ?? chaosProfile);
  const profile = Object.hasOwn(profiles, name) ? profiles[name] : undefined;
  if (profile === undefined) {
    const known = Object.keys(profiles)
      .sort()
      .map((one) => `"${one}"`);
    throw new EngineError({
      code: "CHAOS_PROFILE_UNKNOWN",
      message: `Cannot use chaos profile "${chaosProfile}": defined are ${known.join(", ") || "none"}`,
    });
  }
  let inner = context.fetch;
  if (inner === undefined) {
    const { createNodeFetch } = await import("@lading/registry-client/node");
    const node = createNodeFetch({ env: context.env });
    inner = node.fetch;
    context.closing.push(() => node.close());
  }
  let count = 0;
  context.useFetch(
    createFaultFetch({
      profile,
      seed: chaosSeed,
      fetch: inner,
      now: context.now,
      onFault: ({ faultType, method, url, attempt }) => {
        count += 1;
        context.onEvent({
          type: "debug",
          scope: "chaos",
          message: `${faultType} in ${method} ${url}, attempt ${attempt}`,
        });
      },
    }),
  );
  const seed = chaosSeed ?? profile.chaosSeed ?? 0;
  context.onEvent({
    type: "warning",
    code: "CHAOS_ACTIVE",
    message: `Faults are injected as chaos profile "${name}" says (seed ${seed})`,
  });
  return () => context.onEvent({ type: "info", message: `Chaos profile "${name}": ${count} faults were injected` });
}
