import { readFileSync } from "node:fs";
import { parse as parseToml } from "smol-toml";
import { z } from "zod";
import { isPackagePattern } from "../package-pattern.ts";
import { RegistryError } from "../registry-error.ts";
import type { RetentionPolicy } from "../retention/retention-policy.ts";

const days = z.number().int().min(0).max(36_500);
const prerelease = z.strictObject({
  names: z.array(z.string().refine(isPackagePattern, "it is no package pattern")).min(1).default(["**"]),
  keep: z.number().int().min(0),
  after_days: days.default(30),
});
const document = z.strictObject({
  prereleases: z.array(prerelease).default([]),
  downloaded_days: days.default(90),
  rejected_days: days.min(1).optional(),
  held_days: days.min(1).optional(),
});

function invalid(file: string, problem: string, cause: unknown): RegistryError {
  return new RegistryError({
    code: "SERVER_CONFIG_INVALID",
    message: `Cannot use the retention policy in "${file}": ${problem}`,
    hint: "docs/spec/server-configuration.md describes [[prereleases]], downloaded_days, rejected_days and held_days",
    cause,
  });
}

/**
 * Reads the operator's retention policy. Unknown keys are refused: what is misspelt must not be what removes something.
 * @throws {RegistryError} `SERVER_CONFIG_INVALID`
 */
export function readRetentionFile(file: string): RetentionPolicy {
  let table: unknown;
  try {
    table = parseToml(readFileSync(file, "utf8"));
  } catch (cause) {
    throw invalid(file, (cause as Error).message.split("\n")[0]!, cause);
  }
  const result = document.safeParse(table);
  if (!result.success) {
    const { path, message } = result.error.issues[0]!;
    throw invalid(file, path.length === 0 ? message : `${path.join(".")}: ${message}`, result.error);
  }
  const { prereleases, downloaded_days: downloadedDays, rejected_days: rejected, held_days: held } = result.data;
  return {
    prereleases: prereleases.map(({ names, keep, after_days: afterDays }) => ({ names, keep, afterDays })),
    downloadedDays,
    ...(rejected === undefined ? {} : { rejectedDays: rejected }),
    ...(held === undefined ? {} : { heldDays: held }),
  };
}
