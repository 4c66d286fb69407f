import type { BinProfile, EcosystemProfile } from "@lading/core-manifest";

/**
 * The bin of that name, or the profile's first.
 * @throws {CliError} `CLI_BIN_UNKNOWN`
 */
export async function binOf(profile: EcosystemProfile, name: string | undefined): Promise<BinProfile> {
  const bin = name === undefined ? profile.bins[0] : profile.bins.find((candidate) => candidate.name === name);
  if (bin !== undefined) return bin;
  const { CliError } = await import("./cli-error.ts");
  throw new CliError({
    code: "CLI_BIN_UNKNOWN",
    message: `Cannot start as "${name ?? ""}": profile "${profile.id}" has the bins ${profile.bins.map((known) => `"${known.name}"`).join(", ")}`,
  });
}
