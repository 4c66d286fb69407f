import { invalidResults, resultsOf, type TestCase, type TestResults } from "./results.ts";
import { parseXml, XmlProblem, type XmlElement } from "./xml.ts";

/**
 * Reads a JUnit XML report: `testsuites` or `testsuite` at the root, suites in suites, `failure` and `error` are failures.
 * @throws {EngineError} `TEST_RESULTS_INVALID`
 */
export function parseJunit(source: string): TestResults {
  const root = parsed(source);
  if (root.name !== "testsuites" && root.name !== "testsuite") {
    throw invalidResults("junit-xml", `the root element is "${root.name}", allowed are "testsuites" and "testsuite"`);
  }
  return resultsOf([...casesOf(root, undefined)]);
}

function parsed(source: string): XmlElement {
  try {
    return parseXml(source);
  } catch (error) {
    if (error instanceof XmlProblem) throw invalidResults("junit-xml", error.message);
    throw error;
  }
}

function* casesOf(element: XmlElement, suite: string | undefined): Generator<TestCase> {
  for (const child of element.children) {
    if (child.name === "testcase") yield readCase(child, suite);
    else if (child.name === "testsuite") yield* casesOf(child, child.attributes.get("name") ?? suite);
  }
}

function readCase(element: XmlElement, suite: string | undefined): TestCase {
  const child = (...names: string[]): XmlElement | undefined =>
    element.children.find(({ name }) => names.includes(name));
  const failure = child("failure", "error");
  const skipped = child("skipped");
  const reason = failure ?? skipped;
  const message = reason === undefined ? "" : (reason.attributes.get("message") ?? reason.text).trim();
  const seconds = Number((element.attributes.get("time") ?? "").replaceAll(",", ""));
  const group = element.attributes.get("classname") ?? suite;
  return {
    name: element.attributes.get("name") ?? "unnamed",
    ...(group === undefined || group === "" ? {} : { suite: group }),
    status: failure === undefined ? (skipped === undefined ? "passed" : "skipped") : "failed",
    ...(element.attributes.has("time") && Number.isFinite(seconds) ? { durationMs: Math.round(seconds * 1000) } : {}),
    ...(message === "" ? {} : { message }),
  };
}

/** A suite of a report to be written. */
export interface JunitSuite {
  readonly name: string;
  readonly durationMs: number;
  readonly cases: readonly TestCase[];
}

/** Writes a JUnit XML report, which every CI service shows. */
export function renderJunit(suites: readonly JunitSuite[]): string {
  const lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<testsuites>"];
  for (const { name, durationMs, cases } of suites) {
    const count = (status: TestCase["status"]): number => cases.filter((one) => one.status === status).length;
    lines.push(
      `  <testsuite name="${escape(name)}" tests="${cases.length}" failures="${count("failed")}" skipped="${count("skipped")}" time="${durationMs / 1000}">`,
      ...cases.map((one) => renderCase(one, name)),
      "  </testsuite>",
    );
  }
  return `${[...lines, "</testsuites>"].join("\n")}\n`;
}

function renderCase({ name, suite, status, durationMs, message = "" }: TestCase, runner: string): string {
  const start = `    <testcase name="${escape(name)}" classname="${escape(suite ?? runner)}" time="${(durationMs ?? 0) / 1000}"`;
  if (status === "passed") return `${start}/>`;
  return `${start}><${status === "failed" ? "failure" : "skipped"} message="${escape(message)}"/></testcase>`;
}

// What XML 1.0 §2.2 has no place for is left out: no parser would take the report with it.
function escape(text: string): string {
  return text
    .replaceAll(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, "")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll(/[\t\n\r]/g, (space) => `&#${space.codePointAt(0)!};`);
}
