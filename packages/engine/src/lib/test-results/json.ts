import {
  countCases,
  invalidResults,
  type TestCase,
  type TestCounts,
  type TestResults,
  type TestStatus,
} from "./results.ts";

type Json = Readonly<Record<string, unknown>>;

const STATUSES: Readonly<Record<string, TestStatus>> = {
  passed: "passed",
  pass: "passed",
  ok: "passed",
  success: "passed",
  failed: "failed",
  fail: "failed",
  failure: "failed",
  error: "failed",
  skipped: "skipped",
  skip: "skipped",
  pending: "skipped",
};

/**
 * Reads results as JSON (`docs/spec/package-tests.md` §json): a list of tests, or an object with the counts `passed`,
 * `failed`, `skipped` and `total`, with the list `tests` (or `test_cases`), or with both, which must agree.
 * @throws {EngineError} `TEST_RESULTS_INVALID`
 */
export function parseJsonResults(source: string): TestResults {
  const value = parsed(source);
  const list = Array.isArray(value) ? value : isObject(value) ? (value["tests"] ?? value["test_cases"]) : undefined;
  if (list !== undefined && !Array.isArray(list)) throw invalidResults("json", '"tests" is not a list');
  const cases = (list as unknown[] | undefined)?.map(readCase) ?? [];
  const stated = isObject(value) ? readCounts(value) : undefined;
  if (list === undefined && stated === undefined) {
    throw invalidResults("json", 'there are neither tests ("tests") nor counts ("passed", "failed")');
  }
  const counted = countCases(cases);
  if (stated === undefined || list === undefined) return { counts: stated ?? counted, cases };
  const disagree = (["passed", "failed", "skipped"] as const).find((key) => stated[key] !== counted[key]);
  if (disagree !== undefined) {
    throw invalidResults("json", `"${disagree}" is ${stated[disagree]}, the tests listed are ${counted[disagree]}`);
  }
  return { counts: stated, cases };
}

function parsed(source: string): unknown {
  try {
    return JSON.parse(source.replace(/^\uFEFF/, "")) as unknown;
  } catch (error) {
    throw invalidResults("json", error instanceof Error ? error.message : String(error));
  }
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function readCounts(value: Json): TestCounts | undefined {
  const source = isObject(value["summary"]) ? value["summary"] : value;
  const has = (key: string): boolean => Object.hasOwn(source, key);
  if (!has("passed") && !has("failed") && !has("total")) return undefined;
  const count = (key: string): number => {
    const number = source[key] ?? 0;
    if (typeof number === "number" && Number.isSafeInteger(number) && number >= 0) return number;
    throw invalidResults("json", `"${key}" is ${JSON.stringify(number)}, allowed is a whole number from 0`);
  };
  const [failed, skipped] = [count("failed"), count("skipped")];
  const passed = has("passed") ? count("passed") : Math.max(0, count("total") - failed - skipped);
  const total = has("total") ? count("total") : passed + failed + skipped;
  if (total !== passed + failed + skipped) {
    throw invalidResults("json", `"total" is ${total}, the other counts add up to ${passed + failed + skipped}`);
  }
  return { total, passed, failed, skipped };
}

function readCase(value: unknown, index: number): TestCase {
  if (!isObject(value)) throw invalidResults("json", `test ${index + 1} is not an object`);
  const text = (...keys: string[]): string | undefined =>
    keys.map((key) => value[key]).find((one): one is string => typeof one === "string" && one !== "");
  const written = text("status", "outcome", "result")?.toLowerCase() ?? "";
  const status = Object.hasOwn(STATUSES, written) ? STATUSES[written] : undefined;
  if (status === undefined) {
    throw invalidResults("json", `test ${index + 1} has the status "${written}", allowed are passed, failed, skipped`);
  }
  const duration = value["duration_ms"] ?? value["durationMs"];
  const [suite, message] = [text("suite", "classname"), text("message", "error", "error_message")];
  return {
    name: text("name", "title") ?? `test ${index + 1}`,
    status,
    ...(suite === undefined ? {} : { suite }),
    ...(typeof duration === "number" && Number.isFinite(duration) ? { durationMs: Math.round(duration) } : {}),
    ...(message === undefined ? {} : { message }),
  };
}
