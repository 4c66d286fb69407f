import { readdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { api, createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";

let registry: RegistryProcess;
const sandboxes: Sandbox[] = [];

function open(env: Readonly<Record<string, string>> = {}): Sandbox {
  const sandbox = createSandbox({ env });
  sandboxes.push(sandbox);
  return sandbox;
}

beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(async () => {
  await Promise.all(sandboxes.map((sandbox) => sandbox.dispose()));
  await registry.dispose();
});

const inside = { cwd: "pack" } as const;
const HEAD = 'ref: demo\nlabel: "Demo"\ndescription: "A demo"\nversion: "1.0.0"\nauthor: Ada\nmeta:\n  license: MIT\n';

/** A pack of the shape that the platform's own core pack has: a shell script and unittest, both with simple results. */
function corePack(box: Sandbox): void {
  box.write(
    "pack/pack.yaml",
    `${HEAD}runtime_deps:\n  - shell\n  - native\n\n# Pack Testing Configuration\ntesting:\n  enabled: true\n  discovery:\n    method: "directory"\n    path: "tests"\n  runners:\n    shell:\n      type: "script"\n      entry_point: "tests/run_tests.sh"\n      timeout: 60\n      result_format: "simple"\n    python:\n      type: "unittest"\n      entry_point: "tests/test_actions.py"\n      timeout: 120\n      result_format: "simple"\n  result_path: "tests/results/"\n  min_pass_rate: 1.0\n  on_failure: "block"\n`,
  );
  box.write(
    "pack/tests/run_tests.sh",
    "#!/bin/bash\nset -e\nmkdir -p tests/results\necho log > tests/results/shell.log\necho 'Total Tests: 3'\necho 'Passed: 3'\necho 'Failed: 0'\n",
  );
  box.write(
    "pack/tests/test_actions.py",
    'import unittest\n\nclass TestActions(unittest.TestCase):\n    def test_echo(self):\n        self.assertEqual("a", "a")\n\n    @unittest.skip("no network")\n    def test_http(self):\n        self.fail()\n',
  );
}

/** A pack with one runner. */
function oneRunner(box: Sandbox, runner: Readonly<Record<string, unknown>>, more = ""): void {
  box.write("pack/pack.yaml", `${HEAD}testing:\n  runners:\n    one: ${JSON.stringify(runner)}\n${more}`);
}

interface Tests {
  readonly status: string;
  readonly packages: readonly {
    readonly counts: object;
    readonly passRate: number;
    readonly runners: readonly {
      readonly status: string;
      readonly problem?: string;
      readonly cases: readonly object[];
    }[];
  }[];
}

async function tests(box: Sandbox, flags = ""): Promise<Tests & { readonly code: number }> {
  const { stdout, stderr, code } = await box.line(`attune pack test . --json ${flags}`, inside);
  if (stdout === "") throw new Error(stderr);
  return { ...(JSON.parse(stdout) as Tests), code };
}

describe("attune pack test", () => {
  test("[CLI-23] [CIC-10] both documented forms run a pack's runners, and the exit status tells CI", async () => {
    const box = open();
    corePack(box);
    const short = await box.ok("attune pack test .", inside);
    expect(short.stdout).toMatch(/✓ shell \(script\): 3 of 3 passed/);
    expect(short.stdout).toMatch(/✓ python \(unittest\): 1 of 2 passed/);
    expect(short.stdout).toMatch(/4 of 5 tests passed, 0 failed, 1 skipped \(pass rate 100 %, at least 100 % needed\)/);
    expect(short.stdout).not.toContain("test_echo");
    const long = await box.ok("attune pack test . --detailed", inside);
    expect(long.stdout).toMatch(/✓ .*test_echo/);
    expect(long.stdout).toMatch(/- .*test_http: no network/);

    box.write("pack/tests/test_actions.py", box.read("pack/tests/test_actions.py").replace('"a", "a"', '"a", "b"'));
    const failed = await box.line("attune pack test . --detailed", inside);
    expect(failed.code).toBe(1);
    expect(failed.stdout).toMatch(/✗ .*test_echo/);
    expect(failed.stdout).toContain("AssertionError: 'a' != 'b'");
    expect((await box.line("attune pack test .", inside)).code).toBe(1);
  });

  test("runs in a fresh copy with an empty home: nothing is left, and no secret of the user is seen", async () => {
    const box = open({ ATTUNE_TOKEN: "secret-token", KEPT: "kept-value" });
    oneRunner(box, { type: "script", entry_point: "tests/look.sh", env: { OWN: "own-value" } });
    box.write(
      "pack/tests/look.sh",
      'touch written\ntest -z "$ATTUNE_TOKEN" || exit 3\ntest -z "$(ls -A "$HOME")" || exit 4\ntest "$OWN" = own-value || exit 5\ntest "$ATTUNE_PACKAGE_NAME-$ATTUNE_PACKAGE_VERSION" = demo-1.0.0 || exit 6\ntest "$KEPT" = "$WANTED" || exit 7\n',
    );
    await box.ok("attune pack test .", inside);
    await box.ok("attune pack test . --pass-env KEPT,WANTED=kept-value", inside);
    expect(box.has("pack/written")).toBe(false);
    const { stdout } = await box.ok("attune pack test . --keep", inside);
    const kept = /Kept: (.*)/.exec(stdout)![1]!;
    expect(box.has(`${kept}/pack/written`)).toBe(true);
    await box.ok(`rm -r ${kept}`);
    await box.ok("attune pack test . --in-place", inside);
    expect(box.has("pack/written")).toBe(true);
  });

  test("reads JUnit XML, TAP and JSON, from files that the run wrote or from what it printed", async () => {
    const box = open();
    const xml =
      '<testsuite name="s"><testcase name="a"/><testcase name="b"><failure message="broke"/></testcase></testsuite>';
    oneRunner(box, { type: "script", entry_point: "t.sh", result_format: "junit-xml", result_path: "results" });
    box.write("pack/results/old.xml", "<testsuite><testcase name='old'/></testsuite>");
    box.write("pack/t.sh", `cat > results/new.xml <<'X'\n${xml}\nX\nexit 1\n`);
    expect(await tests(box)).toMatchObject({ code: 1, packages: [{ counts: { total: 2, passed: 1, failed: 1 } }] });

    oneRunner(box, { type: "command", command: ["sh", "t.sh"], result_format: "tap" });
    box.write("pack/t.sh", "echo 1..3\necho ok 1 - a\necho 'ok 2 - b # SKIP slow'\necho ok 3\n");
    expect(await tests(box)).toMatchObject({ code: 0, packages: [{ counts: { total: 3, passed: 2, skipped: 1 } }] });

    oneRunner(box, { type: "script", entry_point: "t.py", result_format: "json" });
    box.write("pack/t.py", 'import json\nprint(json.dumps({"passed": 2, "failed": 0}))\n');
    expect(await tests(box)).toMatchObject({ code: 0, packages: [{ counts: { total: 2, passed: 2 } }] });
    box.write("pack/t.py", "print('no json')\n");
    const unreadable = await tests(box);
    expect(unreadable).toMatchObject({ code: 1, packages: [{ runners: [{ status: "error" }] }] });
    expect(unreadable.packages[0]!.runners[0]!.problem).toContain("Cannot read the test results as json");
  });

  test("[CLI-23] --detailed names every test of a pack that passes, whose format and place of results hold for all its runners", async () => {
    const box = open();
    const runners = {
      shell: { entry_point: "tests/run.sh" },
      checks: { entry_point: "tests/tap.sh", result_format: "tap" },
    };
    box.write(
      "pack/pack.yaml",
      `${HEAD}testing:\n  enabled: true\n  runners: ${JSON.stringify(runners)}\n  result_format: "junit-xml"\n  result_path: "tests/results/"\n  min_pass_rate: 1.0\n  on_failure: "block"\n`,
    );
    box.write(
      "pack/tests/run.sh",
      `mkdir -p tests/results && cat > tests/results/shell.xml <<'X'\n<?xml version="1.0"?>\n<testsuites><testsuite name="core" tests="2" failures="0" time="0.25"><testcase name="echo: basic message" classname="core.echo" time="0.245"/><testcase name="noop" time="0.005"><skipped message="not here"/></testcase></testsuite></testsuites>\nX\n`,
    );
    box.write("pack/tests/tap.sh", "echo TAP version 13\necho 1..1\necho ok 1 - http: default headers\n");
    const { stdout } = await box.ok("attune pack test . --detailed", inside);
    expect(stdout.replaceAll(/\d+\.\d\d s/g, "T")).toBe(
      "demo 1.0.0\n  ✓ shell (script): 1 of 2 passed in T\n    ✓ core.echo echo: basic message\n    - core noop: not here\n  ✓ checks (script): 1 of 1 passed in T\n    ✓ http: default headers\n✓ 2 of 3 tests passed, 0 failed, 1 skipped (pass rate 100 %, at least 100 % needed)\n",
    );
    // What holds for all is read as strictly as what one runner says.
    box.write("pack/pack.yaml", box.read("pack/pack.yaml").replace('"junit-xml"', '"xunit"'));
    const refused = await box.line("attune pack test . --detailed", inside);
    expect([refused.code, refused.stderr]).toEqual([3, expect.stringContaining('"testing.result_format"')]);
  });

  test("runs pytest and Node's test runner", async () => {
    const box = open();
    oneRunner(box, { type: "node", entry_point: "tests/a.test.mjs", result_format: "tap" });
    box.write(
      "pack/tests/a.test.mjs",
      'import { test } from "node:test";\ntest("adds", () => {});\ntest("skips", { skip: true }, () => {});\n',
    );
    expect(await tests(box)).toMatchObject({ code: 0, packages: [{ counts: { total: 2, passed: 1, skipped: 1 } }] });
    const { code } = await box.line("python3 -m pytest --version");
    if (code !== 0) return;
    oneRunner(box, { type: "pytest", entry_point: "tests/test_b.py", result_format: "junit-xml" });
    box.write("pack/tests/test_b.py", "def test_good():\n    pass\n\ndef test_bad():\n    assert 1 == 2\n");
    expect(await tests(box)).toMatchObject({ code: 1, packages: [{ counts: { total: 2, passed: 1, failed: 1 } }] });
  });

  test("holds results to min_pass_rate, and a runner to its exit status and its time", async () => {
    const box = open();
    const rated = (rate: number): void =>
      oneRunner(box, { type: "script", entry_point: "t.sh" }, `  min_pass_rate: ${rate}\n`);
    box.write("pack/t.sh", "echo Passed: 3\necho Failed: 1\nexit 1\n");
    rated(0.75);
    expect(await tests(box)).toMatchObject({ code: 0, status: "passed", packages: [{ passRate: 0.75 }] });
    rated(0.76);
    expect(await tests(box)).toMatchObject({ code: 1, status: "failed" });
    expect((await tests(box, "--min-pass-rate 0.5")).code).toBe(0);

    box.write("pack/t.sh", "echo Passed: 3\necho Failed: 0\nexit 9\n");
    expect((await tests(box, "--min-pass-rate 1")).packages[0]!.runners[0]!.problem).toContain("exit status 9");

    box.write("pack/t.sh", "sleep 300 & echo $! > $OUT; wait\n");
    const slow = await tests(box, `--timeout 0.5 --pass-env OUT=${box.path("pid")}`);
    expect(slow).toMatchObject({ code: 1, packages: [{ runners: [{ status: "timed-out" }] }] });
    // Nobody may have buried it yet, but it is dead.
    const { stdout: state } = await box.line(`ps -o stat= -p ${box.read("pid").trim()}`);
    expect(state).toMatch(/^(?:Z.*)?\s*$/);
  });

  test("finds runners by the customs of their languages, and writes one JUnit report of them all", async () => {
    const box = open();
    box.write("pack/pack.yaml", `${HEAD}testing:\n  discovery: { method: directory, path: tests }\n`);
    box.write("pack/tests/run_tests.sh", "exit 0\n");
    box.write(
      "pack/tests/test_x.py",
      "import unittest\nclass T(unittest.TestCase):\n    def test_y(self):\n        pass\n",
    );
    await box.ok("attune pack test . --report ../report.xml", inside);
    expect(box.read("report.xml")).toMatch(/<testsuite name="demo.run_tests.sh" tests="1"/);
    expect(box.read("report.xml")).toContain('<testcase name="test_y" classname="tests.test_x.T"');
  });

  test("says what is wrong with a testing table, and leaves nothing behind", async () => {
    const box = open();
    box.write("temporary/.keep", "");
    const here = { ...inside, env: { TMPDIR: box.path("temporary") } };
    box.write("pack/pack.yaml", HEAD);
    const none = await box.line("attune pack test .", here);
    expect([none.code, none.stderr]).toEqual([3, expect.stringContaining("TEST_CONFIG_MISSING")]);
    for (const [runner, key] of [
      [{ type: "mocha", entry_point: "t.sh" }, 'testing.runners.one.type" of "pack.yaml": found "mocha"'],
      [{ type: "script", entry_point: "../t.sh" }, "testing.runners.one.entry_point"],
      [{ type: "script" }, "testing.runners.one.entry_point"],
      [{ type: "script", entry_point: "t.sh", timeout: -1 }, "testing.runners.one.timeout"],
      [{ type: "script", entry_point: "t.sh", retries: 1 }, "testing.runners.one.retries"],
    ] as const) {
      oneRunner(box, runner);
      const bad = await box.line("attune pack test .", here);
      expect(bad.code).toBe(3);
      expect(bad.stderr).toContain(key);
    }
    // So that its author hears of it, and not whoever installs it.
    const checked = await box.line("attune pack check", here);
    expect([checked.code, checked.stdout]).toEqual([1, expect.stringContaining("testing.runners.one.retries")]);
    oneRunner(box, { type: "script", entry_point: "missing.sh" });
    const missing = await box.line("attune pack test .", here);
    expect([missing.code, missing.stdout]).toEqual([1, expect.stringContaining('there is no "missing.sh"')]);
    box.write("pack/pack.yaml", `${HEAD}testing:\n  enabled: false\n`);
    expect((await box.ok("attune pack test .", here)).stdout).toContain("testing is disabled");
    expect(readdirSync(box.path("temporary"))).toEqual([".keep"]);
  });

  test("[CIC-16] publish --test sends nothing of a package whose tests fail", async () => {
    const box = open({ ATTUNE_TOKEN: registry.token });
    await box.ok(`attune registry add local ${registry.url}`);
    oneRunner(box, { type: "script", entry_point: "t.sh" });
    box.write("pack/t.sh", "exit 1\n");
    const refused = await box.line("attune pack publish --test", inside);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("TESTS_FAILED")]);
    expect((await api(registry, "/api/v1/packages/demo")).status).toBe(404);
    box.write("pack/t.sh", "exit 0\n");
    await box.ok("attune pack publish --test", inside);
    expect((await api(registry, "/api/v1/packages/demo")).status).toBe(200);
  });
});

describe("installing runs the tests of a pack", () => {
  const pack = (box: Sandbox, passed: number, more = ""): void => {
    box.write(
      "pack/pack.yaml",
      `${HEAD}testing:\n  runners:\n    shell: { type: script, entry_point: tests/run.sh, result_format: simple }\n${more}`,
    );
    box.write(
      "pack/tests/run.sh",
      `echo "Total Tests: 2"\necho "Passed: ${passed}"\necho "Failed: ${2 - passed}"\nexit ${2 - passed}\n`,
    );
  };
  const names = (box: Sandbox): string[] => readdirSync(box.path("project")).sort();
  const project = { cwd: "project" } as const;

  test("[INS-23] a failing test ends pack test with per-test lines, refuses the pack and changes nothing", async () => {
    const box = open();
    box.write("project/notes.txt", "mine");
    corePack(box);
    await box.ok("attune pack install ../pack", project);
    expect(box.has("project/packs/demo/pack.yaml")).toBe(true);

    box.write("other/notes.txt", "mine");
    box.write("pack/tests/test_actions.py", box.read("pack/tests/test_actions.py").replace('"a", "a"', '"a", "b"'));
    const tested = await box.line("attune pack test . --detailed", inside);
    expect(tested.code).toBe(1);
    expect(tested.stdout).toMatch(/✗ .*test_echo/);
    expect(tested.stderr).toMatch(/✗ python: \d of \d passed/);
    expect(tested.stderr).not.toMatch(/✓ python/);
    expect(tested.stdout).toMatch(/- .*test_http: no network/);
    await box.ok("tar czf demo.tgz pack");
    for (const source of ["../pack", "../demo.tgz"]) {
      const refused = await box.line(`attune pack install ${source}`, { cwd: "other" });
      expect(refused.code).toBe(1);
      expect(refused.stderr).toContain(
        'error[TESTS_FAILED]: Cannot install "demo" 1.0.0: 1 of 5 tests failed; runner "python"',
      );
      expect(readdirSync(box.path("other"))).toEqual(["notes.txt"]);
    }
    await box.ok("attune pack install ../pack --skip-tests", { cwd: "other" });
    expect(box.has("other/packs/demo/pack.yaml")).toBe(true);
  });

  test("a hand-written dependency whose tests fail leaves lock and packs; what is installed is not tested again", async () => {
    const box = open();
    box.write("project/notes.txt", "mine");
    pack(box, 2);
    await box.ok("attune pack install ../pack", project);
    const [lock, installed] = [box.read("project/pack.lock"), names(box)];
    const newer = (passed: number): void => {
      pack(box, passed);
      box.write("pack/pack.yaml", box.read("pack/pack.yaml").replace('"1.0.0"', '"1.1.0"'));
    };
    newer(0);
    const refused = await box.line("attune pack update", project);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("TESTS_FAILED");
    expect(box.read("project/pack.lock")).toBe(lock);
    expect(names(box)).toEqual(installed);

    pack(box, 0);
    await box.ok("attune pack install", project);
  });

  test("[STO-06] the earlier pack stays in its place until its successor has passed, and then moves at once", async () => {
    const box = open({ ATTUNE_TOKEN: registry.token, ATTUNE_REGISTRY_URL: registry.url });
    box.write("project/pack.yaml", HEAD.replace("ref: demo", "ref: app"));
    const installed = (): string => /version: "?([\d.]+)/.exec(box.read("project/packs/mover/pack.yaml"))![1]!;
    const publish = async (version: string, script: string): Promise<void> => {
      const head = HEAD.replace("ref: demo", "ref: mover").replace("1.0.0", version);
      box.write("pack/pack.yaml", `${head}testing:\n  runners:\n    one: { type: script, entry_point: t.sh }\n`);
      box.write("pack/t.sh", script);
      await box.ok("attune pack publish", inside);
    };
    await publish("1.0.0", "exit 0\n");
    await box.ok("attune pack install 'mover@>=1.0.0'", project);
    // While the tests of the next version run, the one before is what everybody finds.
    await publish("1.1.0", `grep -q 1.0.0 ${box.path("project/packs/mover/pack.yaml")}\n`);
    await box.ok("attune pack update", project);
    expect(installed()).toBe("1.1.0");
    await publish("1.2.0", "exit 1\n");
    expect((await box.line("attune pack update", project)).code).toBe(1);
    expect(installed()).toBe("1.1.0");
    expect(box.read("project/pack.lock")).toContain('version = "1.1.0"');
  });

  test("on_failure of the manifest decides, and other ecosystems run none", async () => {
    const box = open();
    box.write("project/notes.txt", "mine");
    pack(box, 1, "  on_failure: warn\n");
    const warned = await box.ok("attune pack install ../pack", project);
    expect(warned.stderr).toContain('Installing "demo" 1.0.0: 1 of 2 tests failed');
    box.write("ignored/notes.txt", "mine");
    pack(box, 1, "  on_failure: ignore\n");
    const silent = await box.ok("attune pack install ../pack", { cwd: "ignored" });
    expect(silent.stderr).not.toContain("tests failed");

    box.write(
      "tool/lading.toml",
      '[package]\nname = "tool"\nversion = "1.0.0"\nlicense = "MIT"\n\n[testing.runners.shell]\nentry_point = "t.sh"\n',
    );
    box.write("tool/t.sh", "exit 1\n");
    box.write("other/notes.txt", "mine");
    await box.ok("lading install ../tool", { cwd: "other" });
  });

  test("a pack under test finds what it depends on, and what is installed beside it", async () => {
    const box = open();
    box.write("project/notes.txt", "mine");
    box.write("base/pack.yaml", HEAD.replace("ref: demo", "ref: base"));
    box.write("base/data.txt", "42");
    pack(box, 2);
    box.write("pack/pack.yaml", `${box.read("pack/pack.yaml")}dependencies:\n  - ref: base\n    path: ../base\n`);
    box.write("pack/tests/run.sh", "grep -q 42 packs/base/data.txt\n");
    await box.ok("attune pack install ../pack", project);
  });
});
