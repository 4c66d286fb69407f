import { isLadingError } from "@lading/core-manifest";
import { machineTarget } from "../environments.ts";
import { tryLoadProject } from "../project.ts";
import type { EngineContext, NoInput } from "../engine-context.ts";
import { detectHost, hostsHere, type HostHere } from "../hosts.ts";

/** The hosts here, whoever chose them, or nobody. */
export interface HostsInformation {
  /** This machine's. */
  readonly target: string;
  /** Without an `origin`: found on this machine, and chosen by nobody, so that it constrains nothing. */
  readonly hosts: readonly (Omit<HostHere, "origin"> & { readonly origin?: HostHere["origin"] })[];
  /** Hosts of which nothing is known, with the reason. */
  readonly undetected: readonly { readonly axis: string; readonly problem: string }[];
}

/**
 * Which host versions count here, and which are on this machine.
 * @throws {EngineError} `HOST_INVALID`, `HOST_UNDETECTED` where a version was to be detected and cannot be
 */
export async function hostsInfo(_input: NoInput, context: EngineContext): Promise<HostsInformation> {
  // The project's settings count, and what its environment is pinned to.
  await tryLoadProject(context);
  const chosen = await hostsHere(context, []);
  const open = context.profile.hosts.filter(({ axis }) => chosen.every((one) => one.axis !== axis));
  const hosts: HostsInformation["hosts"][number][] = [...chosen];
  const undetected: { axis: string; problem: string }[] = [];
  for (const { axis } of open) {
    try {
      hosts.push({ axis, version: await detectHost(context, axis), detected: true });
    } catch (error) {
      if (!isLadingError(error) || error.code !== "HOST_UNDETECTED") throw error;
      undetected.push({ axis, problem: error.message.replace(/^[^:]*: /, "") });
    }
  }
  return { target: machineTarget(), hosts, undetected };
}
