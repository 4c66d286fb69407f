import { normalizeHostVersions } from "./host-versions.ts";
import { asTable, listOf, nonEmptyText, readFields, shown, type Reading, type ValueReader } from "./reading.ts";
import { emptyRecord, joinKey, type LocatedNode } from "./located.ts";
import { canonicalOf, checkRequirement } from "./values.ts";

const AXIS = /^[a-z0-9]+(?:[-_][a-z0-9]+)*$/;

/** A requirement on a host, or the list of versions that are supported; in canonical syntax. */
export const hostRequirement: ValueReader<string> = (reading, node, key) => {
  if (node.kind === "array") return supportedVersions(reading, node, key);
  const value = nonEmptyText(reading, node, key);
  // PEP 440 has no alternatives and no "comma means and" for whole versions: hosts are read like TOML's own.
  const syntax = reading.syntax === "pep440" ? "caret" : reading.syntax;
  return value === undefined ? undefined : checkRequirement(reading, node, key, value, syntax)?.canonical;
};

/** A list of versions of a host (`["2024", "2025"]`) as the range that holds exactly them. */
export const supportedVersions: ValueReader<string> = (reading, node, key) => {
  const versions = listOf(nonEmptyText)(reading, node, key);
  if (versions === undefined) return undefined;
  const result = normalizeHostVersions(versions);
  if ("canonical" in result) return result.canonical;
  reading.report(node, {
    code: "MANIFEST_REQUIREMENT_INVALID",
    key,
    problem: result.problem,
    allowed: 'a list of versions such as ["2024", "2025"]',
  });
  return undefined;
};

/** The lowest version of a host: a bare number, or any requirement. */
export const minimumVersion: ValueReader<string> = (reading, node, key) => {
  const value = nonEmptyText(reading, node, key);
  if (value === undefined) return undefined;
  const bare = /^\d[\w.+-]*$/.test(value) ? canonicalOf(`>=${value}`, "caret") : undefined;
  if (bare !== undefined && "canonical" in bare) return bare.canonical;
  return checkRequirement(reading, node, key, value)?.canonical;
};

/** `[hosts]`: axis -> requirement. */
export const hosts: ValueReader<Record<string, string>> = (reading, node, key) => {
  const table = asTable(reading, node, key);
  if (table === undefined) return undefined;
  const values = emptyRecord<string>();
  for (const entry of table.entries.values()) {
    const path = joinKey(key, entry.key);
    if (!AXIS.test(entry.key)) {
      reading.report(entry.keySpan, {
        code: "MANIFEST_NAME_INVALID",
        key: path,
        problem: "it is not the name of a host axis",
        found: shown(entry.key),
        allowed: 'a-z, 0-9 and single "-" or "_"',
      });
      continue;
    }
    const value = hostRequirement(reading, entry.node, path);
    if (value !== undefined) values[entry.key] = value;
  }
  return values;
};

const COMPATIBILITY = {
  min_version: nonEmptyText,
  max_version: nonEmptyText,
  tested_versions: listOf(nonEmptyText),
} as const;

/** RevitPy's `revit_compatibility`: the range from the lowest to the highest version, both supported. */
export function revitCompatibility(
  reading: Reading,
  node: LocatedNode,
  key: string,
): { canonical?: string; extra: Record<string, unknown> } | undefined {
  const table = asTable(reading, node, key);
  if (table === undefined) return undefined;
  const { values, extra } = readFields(reading, table, key, COMPATIBILITY, "warning");
  if (values.tested_versions !== undefined) extra["tested_versions"] = values.tested_versions;
  const parts = [
    values.min_version && `>=${values.min_version}`,
    values.max_version && `<=${values.max_version}`,
  ].filter(Boolean);
  if (parts.length === 0) return { extra };
  // `<=2026` means every release of 2026, which the caret syntax of a partial version says.
  const result = canonicalOf(parts.join(", "), "caret");
  if ("canonical" in result) return { canonical: result.canonical, extra };
  reading.report(node, {
    code: "MANIFEST_REQUIREMENT_INVALID",
    key,
    problem: result.problem,
    found: shown(parts.join(", ")),
    allowed: 'versions such as "2024"',
  });
  return { extra };
}
