import { invalidResults, resultsOf, type TestCase, type TestResults } from "./results.ts";

const POINT = /^(not )?ok\b(?:\s+(\d{1,9}))?(.*)$/;
const PLAN = /^1\.\.(\d{1,9})\s*(?:#\s*(.*))?$/;

/**
 * Reads the Test Anything Protocol, versions 12 to 14. Test points of the outermost level count; those of subtests are
 * summed up in theirs. Tests that were planned and not reported are failures, as is a plan that never came.
 * @throws {EngineError} `TEST_RESULTS_INVALID` where nothing of it is TAP
 */
export function parseTap(source: string): TestResults {
  const cases: TestCase[] = [];
  let planned: number | undefined;
  let bailed: string | undefined;
  for (const line of source.split(/\r?\n/)) {
    const plan = PLAN.exec(line);
    const point = POINT.exec(line);
    if (plan !== null) planned = Number(plan[1]);
    else if (point !== null) cases.push(readPoint(point, cases.length + 1));
    else if (line.startsWith("Bail out!")) {
      bailed = line.slice("Bail out!".length).trim();
      break;
    }
  }
  if (planned === undefined && cases.length === 0 && bailed === undefined) {
    throw invalidResults("tap", "there is neither a plan (1..N) nor a test point (ok, not ok)");
  }
  return resultsOf([...cases, ...unfinished(cases.length, planned, bailed)]);
}

function readPoint([, not, number, rest]: RegExpExecArray, position: number): TestCase {
  const { description, directive, reason } = readDescription(rest!);
  const name = description === "" ? `test ${number ?? position}` : description;
  const skipped = directive === "skip" || (directive === "todo" && not !== undefined);
  const status = skipped ? "skipped" : not === undefined ? "passed" : "failed";
  return { name, status, ...(reason === "" ? {} : { message: reason }) };
}

/** `- text # SKIP why`; a `#` behind a backslash belongs to the text. */
function readDescription(text: string): { description: string; directive: string | undefined; reason: string } {
  const found = /(?<!\\)(?:\s|^)#\s*(skip|todo)\S*\s*(.*)$/i.exec(text);
  const description = (found === null ? text : text.slice(0, found.index)).trim().replace(/^-\s*/, "");
  return {
    description: description.replaceAll(/\\([\\#])/g, "$1"),
    directive: found?.[1]?.toLowerCase(),
    reason: found?.[2]?.trim() ?? "",
  };
}

function unfinished(reported: number, planned: number | undefined, bailed: string | undefined): TestCase[] {
  if (bailed !== undefined) {
    return [{ name: "Bail out!", status: "failed", message: bailed === "" ? "the tests were given up" : bailed }];
  }
  if (planned === reported) return [];
  const message =
    planned === undefined
      ? "the plan (1..N) is missing: the tests may have ended early"
      : `${planned} were planned, ${reported} reported`;
  return [{ name: "plan", status: "failed", message }];
}
