import type { PackageTests, RunnerResult, TestCase } from "@lading/engine/package";
import { MEMBER_FLAGS } from "./member-flags.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";
import type { Style } from "../render/style.ts";
import { printable } from "../render/table.ts";

export const command: CommandSpec = defineCommand({
  summary: "Run the tests that a package declares",
  description:
    "Each runner of the manifest's testing table is a process of its own, in a fresh copy of the package, with an empty home and no variables but PATH, the language and those passed on by --pass-env. Fewer passed tests than min_pass_rate asks for end with exit status 1.",
  examples: ["test", "test . --detailed", "test --timeout 60 --pass-env DATABASE_URL --report results.xml"],
  arguments: [{ name: "PATH", summary: "Directory of a package; default: here", optional: true, kind: "file" }],
  flags: {
    detailed: { type: "boolean", summary: "Show every test, and what failing runners printed" },
    runner: { type: "list", summary: "Run these runners only", placeholder: "NAME" },
    timeout: { type: "number", summary: "Seconds that no runner may exceed", placeholder: "SECONDS" },
    "pass-env": { type: "list", summary: "Pass a variable on, or set one", placeholder: "NAME[=VALUE]" },
    "min-pass-rate": { type: "number", summary: "Share of tests that must pass, 0 to 1", placeholder: "RATE" },
    "in-place": { type: "boolean", summary: "Run in the package's own directory in place of a copy" },
    keep: { type: "boolean", summary: "Leave the copy that the tests ran in" },
    "if-present": { type: "boolean", summary: "Do nothing where a package declares no tests" },
    report: { type: "text", summary: "Write all results as JUnit XML to this file", placeholder: "FILE" },
    ...MEMBER_FLAGS,
  },
  async run({ args, flags, context }) {
    await refuseBadNumbers(flags);
    const { testPackages } = await import("@lading/engine/package");
    const packages = await testPackages(
      {
        path: args[0],
        runners: flags.runner,
        timeout: flags.timeout,
        env: flags["pass-env"],
        minPassRate: flags["min-pass-rate"],
        inPlace: flags["in-place"],
        keep: flags.keep,
        ifPresent: flags["if-present"],
        report: flags.report,
        package: flags.package,
        workspace: flags.workspace,
      },
      await context(),
    );
    const failed = packages.some(({ status }) => status === "failed");
    return {
      data: { status: failed ? "failed" : "passed", packages },
      rows: packages,
      exitCode: failed ? 1 : 0,
      text: (style) =>
        packages.length === 0
          ? ["No tests are declared"]
          : packages.flatMap((one) => packageLines(one, flags.detailed, style)),
    };
  },
});

async function refuseBadNumbers(flags: {
  readonly timeout: number | undefined;
  readonly "min-pass-rate": number | undefined;
}): Promise<void> {
  const { timeout = 1, "min-pass-rate": rate = 1 } = flags;
  const problem =
    timeout > 0
      ? rate >= 0 && rate <= 1
        ? undefined
        : `"${rate}" for --min-pass-rate: allowed is a number from 0 to 1`
      : `"${timeout}" for --timeout: allowed is a number of seconds above 0`;
  if (problem === undefined) return;
  const { CliError } = await import("../cli-error.ts");
  throw new CliError({ code: "CLI_FLAG_INVALID", message: `Cannot use ${problem}` });
}

function packageLines(tests: PackageTests, detailed: boolean, style: Style): string[] {
  const title = `${style.bold(tests.package)} ${tests.version}`;
  if (tests.status === "disabled") return [`${title}: testing is disabled in its manifest`];
  const { total, passed, failed, skipped } = tests.counts;
  const percent = (share: number): string => `${(Math.floor(share * 1000) / 10).toString()} %`;
  const mark = tests.status === "passed" ? style.green("✓") : style.red("✗");
  const sums = [`${passed} of ${total} tests passed`, `${failed} failed`, `${skipped} skipped`];
  const rate = `pass rate ${percent(tests.passRate)}, at least ${percent(tests.minPassRate)} needed`;
  return [
    title,
    ...tests.runners.flatMap((runner) => runnerLines(runner, detailed, style)),
    `${mark} ${sums.join(", ")} (${rate})`,
    ...(tests.directory === undefined ? [] : [`  Kept: ${tests.directory}`]),
  ];
}

function runnerLines(runner: RunnerResult, detailed: boolean, style: Style): string[] {
  const good = runner.status === "passed";
  const mark = good ? style.green("✓") : style.red("✗");
  const { passed, total } = runner.counts;
  const seconds = (runner.durationMs / 1000).toFixed(2);
  const cases = detailed ? runner.cases : runner.cases.filter(({ status }) => status === "failed");
  const output = detailed && !good && runner.output !== undefined ? runner.output.split("\n") : [];
  return [
    `  ${mark} ${runner.runner} (${runner.type}): ${passed} of ${total} passed in ${seconds} s`,
    ...(runner.problem === undefined ? [] : [`    ${style.red(printable(runner.problem))}`]),
    ...cases.map((one) => `    ${caseLine(one, style)}`),
    ...output.map((line) => `    ${style.dim(`| ${printable(line)}`)}`),
  ];
}

function caseLine({ name, suite, status, message }: TestCase, style: Style): string {
  const mark = { passed: style.green("✓"), failed: style.red("✗"), skipped: style.yellow("-") }[status];
  const first = message?.split("\n", 1)[0] ?? "";
  return `${mark} ${printable(suite === undefined ? name : `${suite} ${name}`)}${first === "" ? "" : `: ${printable(first)}`}`;
}
