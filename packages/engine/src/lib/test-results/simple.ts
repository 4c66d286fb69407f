import { stripVTControlCharacters } from "node:util";
import { countCases, type TestCase, type TestCounts, type TestResults } from "./results.ts";

/**
 * What a runner without a format of its own says: its exit status, and beside it whatever of these it prints: the counts of
 * unittest or pytest, lines `Total Tests: 3`, `Passed: 2`, `Failed: 1`, and the single tests of `unittest -v`. Without
 * any of them the whole run is one test.
 */
export function readSimple(output: string, exitCode: number): TestResults {
  const text = stripVTControlCharacters(output);
  const cases = unittestCases(text);
  const counts = unittestCounts(text) ?? pytestCounts(text) ?? statedCounts(text);
  if (counts !== undefined) return { counts, cases };
  if (cases.length > 0) return { counts: countCases(cases), cases };
  const failed = exitCode === 0 ? 0 : 1;
  return { counts: { total: 1, passed: 1 - failed, failed, skipped: 0 }, cases: [] };
}

/** `test_name (module.Class.test_name) ... ok` */
function unittestCases(text: string): TestCase[] {
  const cases: TestCase[] = [];
  // The documentation of a test stands on a line of its own between its name and its end.
  const pattern =
    /^(\w+) \(([\w.]+)\)(?:\n[^\n]{0,500}?)? \.\.\. (ok|FAIL|ERROR|expected failure|skipped(?: '([^\n]*)')?)$/gm;
  for (const [, name, suite, end, reason] of text.matchAll(pattern)) {
    const status = end === "FAIL" || end === "ERROR" ? "failed" : end!.startsWith("skipped") ? "skipped" : "passed";
    // Newer Pythons repeat the name of the test behind that of its class.
    const group = suite!.endsWith(`.${name!}`) ? suite!.slice(0, -name!.length - 1) : suite!;
    cases.push({ name: name!, suite: group, status, ...(reason === undefined ? {} : { message: reason }) });
  }
  return cases;
}

/** `Ran 3 tests in 0.01s` and `FAILED (failures=1, skipped=1)` */
function unittestCounts(text: string): TestCounts | undefined {
  const ran = /^Ran (\d{1,9}) tests? in /m.exec(text);
  if (ran === null) return undefined;
  const summary = /^(?:OK|FAILED|NO TESTS RAN)(?: \(([^)\n]*)\))?$/m.exec(text.slice(ran.index))?.[1] ?? "";
  const number = (key: string): number => Number(new RegExp(`(?:^|[ ,])${key}=(\\d{1,9})`).exec(summary)?.[1] ?? 0);
  const failed = number("failures") + number("errors") + number("unexpected successes");
  return counted({ total: Number(ran[1]), failed, skipped: number("skipped") });
}

/** `==== 3 passed, 1 failed, 2 skipped in 0.12s ====` */
function pytestCounts(text: string): TestCounts | undefined {
  const line = /^=*\s*((?:\d+ [a-z]+, )*\d+ [a-z]+) in [\d.]+s.*$/m.exec(text)?.[1];
  if (line === undefined) return undefined;
  const number = (word: string): number => Number(new RegExp(`(\\d{1,9}) ${word}`).exec(line)?.[1] ?? 0);
  const [passed, failed] = [number("passed") + number("xfailed"), number("failed") + number("errors?")];
  const skipped = number("skipped");
  return { total: passed + failed + skipped, passed, failed, skipped };
}

/** Lines of a script: `Total Tests: 3`, `Passed: 2`, `Failed: 1`, `Skipped: 0` */
function statedCounts(text: string): TestCounts | undefined {
  const number = (words: string): number | undefined => {
    const found = [...text.matchAll(new RegExp(`^\\s*(?:${words})\\s*[:=]\\s*(\\d{1,9})\\s*$`, "gim"))].at(-1)?.[1];
    return found === undefined ? undefined : Number(found);
  };
  const [passed, failed] = [number("(?:tests )?passed"), number("(?:tests )?failed")];
  if (passed === undefined && failed === undefined) return undefined;
  const skipped = number("(?:tests )?skipped") ?? 0;
  const total = number("total(?: tests)?|tests run") ?? (passed ?? 0) + (failed ?? 0) + skipped;
  return counted({ total, failed: failed ?? Math.max(0, total - (passed ?? 0) - skipped), skipped });
}

function counted({ total, failed, skipped }: Omit<TestCounts, "passed">): TestCounts {
  // A module that cannot be loaded is an error of unittest that it does not count as run.
  const all = Math.max(total, failed + skipped);
  return { total: all, passed: all - failed - skipped, failed, skipped };
}
