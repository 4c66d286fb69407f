import type { BinProfile, EcosystemProfile } from "@lading/core-manifest";
import { CliError } from "./cli-error.ts";

/**
 * The bin of that name, or the profile's first.
 * @throws {CliError} `CLI_BIN_UNKNOWN`
 */
export function binOf(profile: EcosystemProfile, name: string | undefined): BinProfile {
  const bin = name === undefined ? profile.bins[0] : profile.bins.find((candidate) => candidate.name === name);
  if (bin !== undefined) return bin;
  throw new CliError({
    code: "CLI_BIN_UNKNOWN",
    message: `Cannot start as "${name ?? ""}": profile "${profile.id}" has the bins ${profile.bins.map((known) => `"${known.name}"`).join(", ")}`,
  });
}
