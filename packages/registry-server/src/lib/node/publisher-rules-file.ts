import { isNamePattern } from "@lading/signing";
import { readFileSync } from "node:fs";
import { parse as parseToml } from "smol-toml";
import { normalisePolicy, type PublisherDemand } from "../package-policy.ts";
import { RegistryError } from "../registry-error.ts";

type Table = Readonly<Record<string, unknown>>;

const KEYS = ["names", "public_keys", "trusted_publishers", "threshold"];

function invalid(file: string, problem: string, cause?: unknown): RegistryError {
  return new RegistryError({
    code: "SERVER_CONFIG_INVALID",
    message: `Cannot use the rules about publishers in "${file}": ${problem}`,
    hint: 'Each [[publishers]] has "names" (patterns) and at least one of "public_keys", "trusted_publishers" and "threshold"',
    ...(cause === undefined ? {} : { cause }),
  });
}

function texts(table: Table, key: string, fail: (problem: string) => RegistryError): readonly string[] | undefined {
  const value = table[key];
  if (value === undefined) return undefined;
  if (Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === "string" && item !== "")) {
    return value as readonly string[];
  }
  throw fail(`"${key}" is not a list of texts`);
}

function readRule(value: unknown, index: number, file: string): PublisherDemand {
  const fail = (problem: string, cause?: unknown): RegistryError =>
    invalid(file, `rule ${index + 1}: ${problem}`, cause);
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw fail("it is not a table");
  const table = value as Table;
  const unknown = Object.keys(table).find((key) => !KEYS.includes(key));
  if (unknown !== undefined) throw fail(`unknown key "${unknown}", allowed are "${KEYS.join('", "')}"`);
  const names = texts(table, "names", fail);
  if (names === undefined) throw fail('"names" is missing');
  const wrong = names.find((pattern) => !isNamePattern(pattern));
  if (wrong !== undefined) throw fail(`"${wrong.slice(0, 60)}" is no name pattern`);
  const { threshold } = table;
  const counts = threshold === undefined || (Number.isSafeInteger(threshold) && Number(threshold) >= 1);
  if (!counts) throw fail('"threshold" is no whole number from 1');
  if (Object.keys(table).length === 1) throw fail("it demands nothing");
  const publicKeys = texts(table, "public_keys", fail);
  const trustedPublishers = texts(table, "trusted_publishers", fail);
  try {
    const policy = normalisePolicy({ threshold: threshold as number | undefined, publicKeys, trustedPublishers });
    return { names, ...policy };
  } catch (cause) {
    if (cause instanceof RegistryError) throw fail(cause.message, cause);
    throw cause;
  }
}

/**
 * Reads the operator's rules about publishers: `[[publishers]]` with `names`, and `public_keys`, `trusted_publishers` or
 * `threshold`. Unknown keys are refused: a rule that is misspelt must not be one that holds for nobody.
 * @throws {RegistryError} `SERVER_CONFIG_INVALID`
 */
export function readPublisherRules(file: string): readonly PublisherDemand[] {
  let table: Table;
  try {
    table = parseToml(readFileSync(file, "utf8"));
  } catch (cause) {
    throw invalid(file, `${(cause as Error).message.split("\n")[0]}`, cause);
  }
  const unknown = Object.keys(table).find((key) => key !== "publishers");
  if (unknown !== undefined) throw invalid(file, `unknown key "${unknown}", allowed is "publishers"`);
  const rules = table["publishers"];
  if (!Array.isArray(rules)) throw invalid(file, "it has no [[publishers]]");
  return rules.map((rule, index) => readRule(rule, index, file));
}
