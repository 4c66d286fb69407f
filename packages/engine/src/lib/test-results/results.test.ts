import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isLadingError } from "@lading/core-manifest";
import { parseJsonResults } from "./json.ts";
import { parseJunit, renderJunit } from "./junit.ts";
import { readSimple } from "./simple.ts";
import { parseTap } from "./tap.ts";
import { parseXml, XmlProblem } from "./xml.ts";
import type { TestCase, TestResults } from "./results.ts";

const codeOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (isLadingError(error)) return error.code;
    throw error;
  }
  return "none";
};

function xmlOutcome(text: string): "read" | "refused" {
  try {
    parseXml(text);
    return "read";
  } catch (error) {
    if (error instanceof XmlProblem) return "refused";
    throw error;
  }
}

describe("parseXml()", () => {
  it("reads elements, attributes, text, CDATA, comments and instructions", () => {
    const root = parseXml(
      `\uFEFF<?xml version="1.0"?><!-- c --><a x='1 &lt; 2' y="&#65;&#x42;"><b/>t&amp;<![CDATA[<raw>&]]><!-- d --></a>\n`,
    );
    expect([...root.attributes]).toEqual([
      ["x", "1 < 2"],
      ["y", "AB"],
    ]);
    expect([root.name, root.text, root.children[0]!.name]).toEqual(["a", "t&<raw>&", "b"]);
  });

  it.each([
    ["<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "document type"],
    ["<a>&other;</a>", "unknown"],
    ["<a><b></a>", "closed by"],
    ["<a x='1' x='2'/>", "twice"],
    ["<a>", "not closed"],
    ["<a/><b/>", "after the root"],
    ["<a>&#x110000;</a>", "no such character"],
    [`${"<a>".repeat(100)}${"</a>".repeat(100)}`, "deep"],
  ])("refuses %j", (text, problem) => {
    expect(() => parseXml(text)).toThrow(problem);
  });

  it("throws nothing but XmlProblem, whatever the text is", () => {
    const piece = fc.constantFrom(
      "<a",
      ">",
      "</a>",
      "/>",
      " x='",
      "'",
      "&amp;",
      "&",
      ";",
      "<![CDATA[",
      "]]>",
      "<!--",
      "t",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        expect(["read", "refused"]).toContain(xmlOutcome(pieces.join("")));
      }),
    );
  });
});

const someCase: fc.Arbitrary<TestCase> = fc.record({
  name: fc.string({ minLength: 1, unit: "grapheme-ascii" }),
  suite: fc.string({ minLength: 1, unit: "grapheme-ascii" }),
  status: fc.constantFrom("passed", "failed", "skipped"),
  durationMs: fc.nat(100_000),
});

describe("parseJunit()", () => {
  it("reads suites in suites, failures, errors, skipped tests and times", () => {
    const { counts, cases } = parseJunit(
      `<testsuites><testsuite name="s"><testcase name="a" time="0.5"/><testsuite name="t"><testcase name="b" classname="k"><failure message="m">x</failure></testcase></testsuite><testcase name="c"><error>boom</error></testcase><testcase name="d"><skipped/></testcase></testsuite></testsuites>`,
    );
    expect(counts).toEqual({ total: 4, passed: 1, failed: 2, skipped: 1 });
    expect(cases).toEqual([
      { name: "a", suite: "s", status: "passed", durationMs: 500 },
      { name: "b", suite: "k", status: "failed", message: "m" },
      { name: "c", suite: "s", status: "failed", message: "boom" },
      { name: "d", suite: "s", status: "skipped" },
    ]);
  });

  it("refuses what is no report", () => {
    expect(codeOf(() => parseJunit("<html/>"))).toBe("TEST_RESULTS_INVALID");
    expect(codeOf(() => parseJunit("3 passed"))).toBe("TEST_RESULTS_INVALID");
  });

  it("reads what renderJunit() writes", () => {
    fc.assert(
      fc.property(fc.array(someCase), fc.string(), (cases, name) => {
        const read = parseJunit(renderJunit([{ name, durationMs: 5, cases }]));
        expect(read.cases).toEqual(cases);
      }),
    );
  });

  it("stays readable whatever characters a message has", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (message) => {
        const read = parseJunit(
          renderJunit([{ name: "s", durationMs: 0, cases: [{ name: "n", status: "failed", message }] }]),
        );
        expect(read.counts.failed).toBe(1);
      }),
      { numRuns: 25 },
    );
  });
});

describe("parseTap()", () => {
  it("reads points, directives, escapes and a plan; subtests are summed up in theirs", () => {
    const { counts, cases } = parseTap(
      "TAP version 14\n1..5\nok 1 - first\n    1..1\n    not ok 1 - inner\nnot ok 2 second\n  ---\n  ok: no\n  ...\nok 3 - third # SKIP no network\nnot ok 4 - later # TODO not yet\nok 5 - a \\# b\n",
    );
    expect(counts).toEqual({ total: 5, passed: 2, failed: 1, skipped: 2 });
    expect(cases.map(({ name }) => name)).toEqual(["first", "second", "third", "later", "a # b"]);
    expect(cases[2]!.message).toBe("no network");
  });

  it.each([
    ["1..3\nok 1\n", { name: "plan", message: "3 were planned, 1 reported" }],
    ["ok 1\n", { name: "plan" }],
    ["1..2\nok 1\nBail out! no database\n", { name: "Bail out!", message: "no database" }],
  ])("fails what did not come to its end: %j", (text, last) => {
    const { cases, counts } = parseTap(text);
    expect(cases.at(-1)).toMatchObject({ status: "failed", ...last });
    expect(counts.failed).toBe(1);
  });

  it("takes an empty plan for no tests, and refuses what is no TAP", () => {
    expect(parseTap("1..0 # SKIP nothing here\n").counts.total).toBe(0);
    expect(codeOf(() => parseTap("all good\n"))).toBe("TEST_RESULTS_INVALID");
  });
});

describe("parseJsonResults()", () => {
  it("reads counts, lists of tests, and both where they agree", () => {
    expect(parseJsonResults('{"total":3,"passed":2,"failed":1}').counts).toEqual({
      total: 3,
      passed: 2,
      failed: 1,
      skipped: 0,
    });
    const tests = [
      { name: "a", status: "pass", duration_ms: 1.6 },
      { name: "b", status: "ERROR", message: "m" },
    ];
    expect(parseJsonResults(JSON.stringify(tests)).cases).toEqual([
      { name: "a", status: "passed", durationMs: 2 },
      { name: "b", status: "failed", message: "m" },
    ]);
    expect(parseJsonResults(JSON.stringify({ summary: { passed: 1, failed: 1 }, tests })).counts.total).toBe(2);
  });

  it.each([
    "",
    "[1]",
    "{}",
    '{"passed":-1}',
    '{"passed":1,"tests":[]}',
    '{"tests":{}}',
    '[{"name":"a","status":"?"}]',
    '{"total":5,"passed":1,"failed":1}',
  ])("refuses %j", (text) => {
    expect(codeOf(() => parseJsonResults(text))).toBe("TEST_RESULTS_INVALID");
  });

  it("throws nothing but its own error, whatever the value is", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(["none", "TEST_RESULTS_INVALID"]).toContain(codeOf(() => parseJsonResults(JSON.stringify(value))));
      }),
    );
  });
});

describe("readSimple()", () => {
  it.each<[string, string, number, TestResults["counts"]]>([
    ["nothing but its status", "hello", 0, { total: 1, passed: 1, failed: 0, skipped: 0 }],
    ["a bad status", "hello", 3, { total: 1, passed: 0, failed: 1, skipped: 0 }],
    [
      "unittest",
      "Ran 4 tests in 0.01s\n\nFAILED (failures=1, errors=1, skipped=1)\n",
      1,
      { total: 4, passed: 1, failed: 2, skipped: 1 },
    ],
    ["unittest without failures", "Ran 1 test in 0.0s\n\nOK\n", 0, { total: 1, passed: 1, failed: 0, skipped: 0 }],
    ["pytest", "==== 1 failed, 2 passed, 1 skipped in 0.12s ====", 1, { total: 4, passed: 2, failed: 1, skipped: 1 }],
    [
      "a script's sums",
      "\u001B[32mTotal Tests: 9\u001B[0m\nPassed: 8\nFailed: 1\n",
      1,
      { total: 9, passed: 8, failed: 1, skipped: 0 },
    ],
  ])("reads %s", (_, output, code, counts) => {
    expect(readSimple(output, code).counts).toEqual(counts);
  });

  it("names the tests of unittest -v", () => {
    const output = `test_a (m.C.test_a) ... ok\ntest_b (m.C.test_b)\nWhat b does. ... FAIL\ntest_c (m.C.test_c) ... skipped 'no'\nRan 3 tests in 0.1s\n\nFAILED (failures=1, skipped=1)`;
    expect(readSimple(output, 1).cases).toEqual([
      { name: "test_a", suite: "m.C", status: "passed" },
      { name: "test_b", suite: "m.C", status: "failed" },
      { name: "test_c", suite: "m.C", status: "skipped", message: "no" },
    ]);
  });

  it("never counts more tests passed than there are", () => {
    fc.assert(
      fc.property(fc.nat(20), fc.nat(20), fc.nat(20), (ran, failures, errors) => {
        const { counts } = readSimple(`Ran ${ran} tests in 1s\n\nFAILED (failures=${failures}, errors=${errors})`, 1);
        expect(counts.passed).toBeGreaterThanOrEqual(0);
        expect(counts.passed + counts.failed + counts.skipped).toBe(counts.total);
      }),
    );
  });
});
