import { EngineError } from "../engine-error.ts";

/** How one test ended. */
export type TestStatus = "passed" | "failed" | "skipped";

/** One test of a runner. */
export interface TestCase {
  readonly name: string;
  readonly suite?: string;
  readonly status: TestStatus;
  /** Milliseconds. */
  readonly durationMs?: number;
  /** Why it failed or was skipped. */
  readonly message?: string;
}

/** How many tests ended how. */
export interface TestCounts {
  readonly total: number;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** What a runner's results say. */
export interface TestResults {
  readonly counts: TestCounts;
  /** Single tests, as far as the format names them; fewer than the counts where it does not. */
  readonly cases: readonly TestCase[];
}

/** How a runner tells its results. */
export type ResultFormat = "simple" | "junit-xml" | "tap" | "json";

/** Counts of named tests. */
export function countCases(cases: readonly TestCase[]): TestCounts {
  const count = (status: TestStatus): number => cases.filter((one) => one.status === status).length;
  return { total: cases.length, passed: count("passed"), failed: count("failed"), skipped: count("skipped") };
}

/** Results that consist of named tests. */
export function resultsOf(cases: readonly TestCase[]): TestResults {
  return { counts: countCases(cases), cases };
}

/** Results that are not of the format that was declared. */
export function invalidResults(format: ResultFormat, problem: string): EngineError {
  return new EngineError({
    code: "TEST_RESULTS_INVALID",
    message: `Cannot read the test results as ${format}: ${problem}`,
    format,
  });
}
