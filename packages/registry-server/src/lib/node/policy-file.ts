import { satisfiesLicensePolicy } from "@lading/core-manifest";
import { readFileSync } from "node:fs";
import { parse as parseToml } from "smol-toml";
import { z } from "zod";
import type { PublicationRule } from "../governance/publication-policy.ts";
import { isPackagePattern } from "../package-pattern.ts";
import { RegistryError } from "../registry-error.ts";

const action = z.enum(["refuse", "hold"]);
const rule = z
  .strictObject({
    names: z.array(z.string().refine(isPackagePattern, "it is no package pattern")).min(1).default(["**"]),
    new_packages_only: z.boolean().optional(),
    review: z.boolean().optional(),
    reviewers: z.array(z.string().regex(/^(?:group:)?\S{1,100}$/, "it is no user name")).optional(),
    require_signatures: z.boolean().optional(),
    allowed_licenses: z
      .array(z.string().refine((name) => satisfiesLicensePolicy(name, [name]), "it is no SPDX identifier"))
      .min(1)
      .optional(),
    license_action: action.optional(),
    similar_names: action.optional(),
  })
  .refine(
    (table) =>
      table.review === true ||
      table.require_signatures === true ||
      table.allowed_licenses !== undefined ||
      table.similar_names !== undefined,
    "it demands nothing",
  )
  .refine((table) => table.license_action === undefined || table.allowed_licenses !== undefined, {
    message: "there are no allowed_licenses",
    path: ["license_action"],
  });
const document = z.strictObject({ rules: z.array(rule).min(1) });

function invalid(file: string, problem: string, cause: unknown): RegistryError {
  return new RegistryError({
    code: "SERVER_CONFIG_INVALID",
    message: `Cannot use the policy in "${file}": ${problem}`,
    hint: "docs/spec/server-configuration.md describes [[rules]]",
    cause,
  });
}

function parsed(file: string): unknown {
  try {
    return parseToml(readFileSync(file, "utf8"));
  } catch (cause) {
    throw invalid(file, (cause as Error).message.split("\n")[0]!, cause);
  }
}

function toRule(table: z.infer<typeof rule>): PublicationRule {
  const given = {
    newPackagesOnly: table.new_packages_only,
    review: table.review,
    reviewers: table.reviewers,
    requireSignatures: table.require_signatures,
    allowedLicenses: table.allowed_licenses,
    licenseAction: table.license_action,
    similarNames: table.similar_names,
  };
  const present = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  return { names: table.names, ...present };
}

/**
 * Reads the operator's policy: `[[rules]]` about publications. Unknown keys are refused: a rule that is misspelt must not be
 * one that holds for nobody.
 * @throws {RegistryError} `SERVER_CONFIG_INVALID`
 */
export function readPolicyFile(file: string): readonly PublicationRule[] {
  const result = document.safeParse(parsed(file));
  if (result.success) return result.data.rules.map(toRule);
  const { path, message } = result.error.issues[0]!;
  const where = path
    .map((part) => (typeof part === "number" ? `[${part + 1}]` : part))
    .join(".")
    .replaceAll(".[", "[");
  throw invalid(file, where === "" ? message : `${where}: ${message}`, result.error);
}
