import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PROFILE_COMMANDS, profiles } from "@lading/core-manifest";
import { CLI_ERRORS, CLI_VERSION, createCli } from "../src/index.ts";
import { completeFlags, endFlags, flagsOf, parsePlain, type ParsedLine } from "../src/lib/parse-plain.ts";
import { parseArguments as parseFlags } from "../src/lib/parse.ts";
import { editDistance } from "../src/lib/edit-distance.ts";
import { matchRoute, ownRoutes, ROUTES } from "../src/lib/router.ts";
import { commandHelp, rootHelp } from "../src/lib/help.ts";
import { createStyle } from "../src/lib/render/style.ts";
import { closestRoutes } from "../src/lib/suggest.ts";
import { routesOf, translateFlags } from "../src/lib/spelling.ts";
import { GLOBAL_FLAGS } from "../src/lib/global-flags.ts";
import { createSandbox } from "@lading/engine/testing";
import type { CommandSpec } from "../src/lib/spec.ts";
import { runCli, runIn } from "./harness.ts";

async function parseArguments(command: CommandSpec, argv: readonly string[]): Promise<ParsedLine> {
  const specs = flagsOf(command);
  const parsed = await parseFlags(command, specs, endFlags(command, argv));
  return { ...parsed, flags: completeFlags(specs, parsed.flags) };
}

const commands = Promise.all(
  Object.entries(ROUTES).map(async ([words, entry]) => ({ words, command: (await entry.load()).command })),
);

describe("endFlags()", () => {
  it("ends our flags before the program's name, and nowhere in commands that start none", async () => {
    const { command } = await ROUTES["run"]!.load();
    expect(endFlags(command, ["--package", "p", "-q", "build", "--help", "--", "-x"])).toEqual(
      "--package p -q -- build --help -- -x".split(" "),
    );
    for (const argv of [["--", "x"], ["--quiet"], []]) expect(endFlags(command, argv)).toEqual(argv);
    const { command: add } = await ROUTES["add"]!.load();
    expect(endFlags(add, ["a", "--dev"])).toEqual(["a", "--dev"]);
  });
});

describe("createCli()", () => {
  it("prints the version of its package", async () => {
    const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
      version: string;
    };
    expect(CLI_VERSION).toBe(version);
    expect(await runCli(["--version"], { bin: "lading" })).toEqual({
      code: 0,
      stdout: `lading ${version}\n`,
      stderr: "",
    });
    expect((await runCli(["-V"])).stdout).toBe(`lading ${version}\n`);
  });

  it("shows every command in its help, on standard output", async () => {
    const { code, stdout } = await runCli(["--help"]);
    expect(code).toBe(0);
    const visible = ownRoutes().filter(({ hidden }) => !hidden);
    for (const { words } of visible) expect(stdout).toContain(`  ${words} `);
  });

  it("answers no command at all with help on standard error and exit code 2", async () => {
    const { code, stdout, stderr } = await runCli([]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain("Usage  lading");
  });

  it("shows summary, flags and an example of every command", async () => {
    for (const { words } of ownRoutes()) {
      const { code, stdout } = await runCli([...words.split(" "), "--help"]);
      expect([words, code]).toEqual([words, 0]);
      expect(stdout).toContain(`\nExamples\n  lading ${words}`);
      expect(stdout).toContain("--format WHICH");
    }
  });

  it.each([
    [["login", "--token-stdin"], "Cannot use --token-stdin: the first line of standard input is empty"],
    [["keygen", "--passphrase-stdin"], "Cannot use --passphrase-stdin: the first line of standard input is empty"],
    [["yank", "tool@1.0.0"], "Cannot yank without a reason: --reason is missing"],
    [["deprecate", "tool@1.0.0", "--reason", " "], "Cannot deprecate without a reason: --reason is empty"],
  ])("%j fails before it asks a registry", async (argv, message) => {
    const { code, stdout, stderr } = await runCli(argv, { env: { HOME: "/nonexistent" }, stdin: "\n" });
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(`error[CLI_FLAG_INVALID]: ${message}\n`);
  });

  it("refuses a bin that the profile does not have", async () => {
    const { code, stderr } = await runCli(["lock"], { bin: "nothing" });
    expect(code).toBe(2);
    expect(stderr).toContain("CLI_BIN_UNKNOWN");
  });

  it("suggests the command that was probably meant", async () => {
    expect((await runCli(["instal"])).stderr).toBe(
      'error[CLI_COMMAND_UNKNOWN]: Cannot run "instal": lading has no such command\nhelp: Did you mean "lading install"?\n',
    );
    expect((await runCli(["inst"])).stderr).toContain('Did you mean "lading install"?');
    expect((await runCli(["registry", "lsit"])).stderr).toContain('Did you mean "lading registry list"');
    expect((await runCli(["qqqqqqqqqq"])).stderr).toContain('Run "lading --help"');
  });

  it("shows the commands of a group", async () => {
    const { code, stdout } = await runCli(["registry", "--help"]);
    expect(code).toBe(0);
    expect(stdout).toContain("registry add");
    expect(stdout).not.toContain("  install ");
  });

  it("ends an aborted command with an error", async () => {
    const box = await createSandbox();
    await box.registry.publish({ name: "leaf", version: "1.0.0" });
    await box.write({ "lading.toml": '[package]\nname = "a"\nversion = "1.0.0"\n\n[dependencies]\nleaf = "1"\n' });
    const signal = AbortSignal.abort(new Error("interrupted by SIGINT"));
    const { code, stderr } = await runIn(box, ["lock"], { signal });
    await box.remove();
    expect(code).toBe(70);
    expect(stderr).toContain("error[CLI_INTERRUPTED]: Cannot finish: interrupted by SIGINT\n");
  });

  it("prints errors of the command line in the asked format", async () => {
    const { stdout, stderr, code } = await runCli(["lock", "--bogus", "--json"]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(JSON.parse(stderr)).toMatchObject({
      error: { code: "CLI_FLAG_UNKNOWN", exitCode: 2, details: { flag: "--bogus" } },
    });
  });
});

describe("parseArguments()", () => {
  it("reads every example of every command", async () => {
    for (const { words, command } of await commands) {
      for (const example of command.examples) {
        // What a shell would do with the output is no argument.
        const rest = example.split(" > ", 1)[0]!.slice(words === "build" ? "pack".length : words.length);
        const argv = [...rest.matchAll(/"([^"]*)"|(\S+)/g)].map((match) => match[1] ?? match[2]!);
        await expect(parseArguments(command, argv)).resolves.toBeDefined();
      }
    }
  });

  it.each([
    [["--bogus"], "CLI_FLAG_UNKNOWN", "--bogus"],
    [["--verfy"], "CLI_FLAG_UNKNOWN", "--verfy"],
    [["-x"], "CLI_FLAG_UNKNOWN", "-x"],
    [["--verify"], "CLI_FLAG_INVALID", "its value is missing"],
    [["--verify", "sometimes"], "CLI_FLAG_INVALID", 'allowed are "quick", "full"'],
    [["--format", "xml"], "CLI_FLAG_INVALID", '"yaml"'],
    [["--profile", "a", "--profile", "b"], "CLI_FLAG_INVALID", "takes one value"],
  ])("install %j is refused with %s", async (argv, code, part) => {
    const { command } = await ROUTES["install"]!.load();
    await expect(parseArguments(command, argv)).rejects.toMatchObject({ code, message: expect.stringContaining(part) });
  });

  it("refuses missing, additional and malformed arguments", async () => {
    const { command: why } = await ROUTES["why"]!.load();
    await expect(parseArguments(why, [])).rejects.toMatchObject({ code: "CLI_ARGUMENT_MISSING" });
    await expect(parseArguments(why, ["a", "b"])).rejects.toMatchObject({ code: "CLI_ARGUMENT_UNEXPECTED" });
    const { command: team } = await ROUTES["team set"]!.load();
    const separate = { code: "CLI_ARGUMENT_UNEXPECTED", hint: 'Did you mean "acme/devs"?' };
    await expect(parseArguments(team, ["acme", "devs"])).rejects.toMatchObject(separate);
    const { command: transfer } = await ROUTES["owner transfer offer"]!.load();
    await expect(parseArguments(transfer, ["a", "b", "c"])).rejects.toMatchObject({
      hint: expect.not.stringContaining("mean"),
    });
    const { command: tree } = await ROUTES["tree"]!.load();
    await expect(parseArguments(tree, ["--depth", "deep"])).rejects.toMatchObject({ code: "CLI_FLAG_INVALID" });
  });

  it("splits lists at commas, lets them repeat, and reads nothing after -- as a flag", async () => {
    const { command } = await ROUTES["add"]!.load();
    const { flags, args } = await parseArguments(command, [
      "lib",
      "--features",
      "a,b",
      "--features=c",
      "--dev",
      "--",
      "--odd",
    ]);
    expect(flags).toMatchObject({ features: ["a", "b", "c"], dev: true, build: false, path: undefined });
    expect(args).toEqual(["lib", "--odd"]);
  });

  it("throws nothing but its own errors, whatever it is given", async () => {
    const all = await commands;
    const word = fc.oneof(
      fc.string({ maxLength: 12 }),
      fc.constantFrom("--", "-", "--json", "--features", "-C", "-qv", "--dir=", "--=x"),
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...all), fc.array(word, { maxLength: 6 }), async ({ command }, argv) => {
        const outcome = await parseArguments(command, argv).then(
          () => "parsed",
          (error: unknown) => (error as { code?: string }).code ?? String(error),
        );
        expect(["parsed", ...Object.keys(CLI_ERRORS)]).toContain(outcome);
      }),
      { numRuns: 150 },
    );
  });
});

describe("parsePlain()", () => {
  it("agrees with the parser wherever it answers, and leaves the rest to it", async () => {
    const all = await commands;
    let answered = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...all),
        fc.infiniteStream(fc.nat()),
        fc.nat(3),
        async ({ command }, picks, many) => {
          const specs = flagsOf(command);
          const words = [...Object.keys(specs).map((name) => `--${name}`), "-q", "name", "--", "--bogus"];
          const texts = ["", " name", " -", " --", " https://example.org/?a=b", " é ", " "];
          // A word of some flag, followed by what may be its text.
          const argv = [...picks.take(many)].flatMap((pick) => [
            words[pick % words.length]!,
            ...texts[pick % texts.length]!.split(" ").slice(1, 2),
          ]);
          const plain = parsePlain(command, specs, argv);
          if (plain === undefined) return;
          answered += 1;
          expect({ ...plain, flags: completeFlags(specs, plain.flags) }).toEqual(await parseArguments(command, argv));
        },
      ),
      { numRuns: 300 },
    );
    expect(answered).toBeGreaterThan(30);
  });

  it("does not answer for a missing argument, a repeated switch or what may be no flag's text", async () => {
    const { command: why } = await ROUTES["why"]!.load();
    expect(parsePlain(why, flagsOf(why), [])).toBeUndefined();
    const { command: install } = await ROUTES["install"]!.load();
    for (const argv of [
      ["--json", "--json"],
      ["--format"],
      ["--format", "json"],
      ["--registry"],
      ["--registry", ""],
      ["--registry", "--json"],
      ["--registry", "a", "--registry", "b"],
      ["--omit", "dev"],
      ["--json=true"],
      ["name"],
      ["-q"],
    ]) {
      expect(parsePlain(install, flagsOf(install), argv)).toBeUndefined();
    }
    const line = ["--registry", "main", "--json"];
    expect(parsePlain(install, flagsOf(install), line)?.flags).toEqual({ registry: "main", json: true });
  });
});

describe("help", () => {
  it("of every command fits 60 columns of a terminal, and is not wrapped where there is none", async () => {
    const layout = { bin: "lading", style: createStyle(false), profile: undefined };
    for (const route of ownRoutes()) {
      const { command } = await ROUTES[route.command]!.load();
      const lines = commandHelp({ ...layout, route, command, columns: 60 });
      const wide = lines.slice(0, lines.indexOf("Examples")).filter((line) => line.length > 60);
      // Words that no space divides, and the usage, which is to be copied.
      expect(wide.filter((line) => !line.startsWith("Usage") && line.trim().includes("  "))).toEqual([]);
      expect(commandHelp({ ...layout, route, command })).toContain(command.summary);
    }
    const root = rootHelp({ bin: "lading", title: "Lading", routes: ownRoutes(), style: layout.style, columns: 60 });
    expect(root.filter((line) => line.length > 60)).toEqual([]);
  });

  it("aligns meanings behind the longest flag", async () => {
    const { command } = await ROUTES["install"]!.load();
    const route = ownRoutes().find(({ words }) => words === "install")!;
    const lines = commandHelp({ bin: "lading", route, command, style: createStyle(false) });
    const flags = lines.filter((line) => /^ {2}-/.test(line));
    expect(new Set(flags.map((line) => /^ {2}\S.*? {2,}(?=\S)/.exec(line)![0].length)).size).toBe(1);
  });

  it("gives no letter to two flags of one command", async () => {
    for (const { command } of await commands) {
      const letters = Object.values(flagsOf(command)).flatMap(({ alias }) => alias ?? []);
      expect(new Set(letters).size).toBe(letters.length);
    }
  });
});

describe("matchRoute()", () => {
  it("takes the longest words that fit", () => {
    const routes = ownRoutes();
    expect(matchRoute(routes, ["registry", "add", "x"])).toMatchObject({
      type: "route",
      route: { words: "registry add" },
      rest: ["x"],
    });
    expect(matchRoute(routes, ["registry"])).toMatchObject({ type: "group" });
    expect(matchRoute(routes, ["config", "gte"])).toEqual({ type: "unknown", input: "config gte" });
    expect(closestRoutes("config gte", routes)).toEqual(["config get", "config set"]);
  });

  it("editDistance() is a metric that counts a swap once", () => {
    expect(editDistance("serach", "search")).toBe(1);
    fc.assert(
      fc.property(fc.string({ maxLength: 8 }), fc.string({ maxLength: 8 }), (left, right) => {
        expect(editDistance(left, right)).toBe(editDistance(right, left));
        expect(editDistance(left, right) === 0).toBe(left === right);
      }),
    );
  });
});

describe("spellings of profiles", () => {
  it("name commands that exist, and flags that those commands have", async () => {
    const own = new Map((await commands).map(({ words, command }) => [words, command]));
    for (const profile of Object.values(profiles)) {
      for (const { command, spelling, flags = {}, defaults = {} } of profile.bins.flatMap((bin) => bin.commands)) {
        const known = { ...GLOBAL_FLAGS, ...own.get(command)?.flags };
        expect(own.has(command), `${profile.id}: ${spelling}`).toBe(true);
        for (const flag of [...Object.values(flags), ...Object.keys(defaults)]) {
          expect(Object.keys(known), `${profile.id}: ${spelling} --${flag}`).toContain(flag);
        }
      }
    }
  });

  it("profiles may spell every command but hidden ones", () => {
    const visible = Object.entries(ROUTES).filter(([, entry]) => entry.hidden !== true);
    expect(visible.map(([words]) => words).toSorted()).toEqual([...PROFILE_COMMANDS].toSorted());
  });

  it("win over Lading's own words, with their flags and summaries", () => {
    const routes = routesOf(profiles.vitte.bins[0]!);
    expect(routes.find(({ words }) => words === "registry list")).toMatchObject({ command: "search" });
    const build = routes.find(({ words }) => words === "packager build")!;
    expect(translateFlags(["--out", "t/", "--out=u", "--", "--out"], build, profiles.vitte)).toEqual([
      "--output",
      "t/",
      "--output=u",
      "--",
      "--out",
    ]);
  });

  it("translate a host's flag", () => {
    const install = routesOf(profiles.revitpy.bins[0]!).find(({ words }) => words === "install")!;
    expect(translateFlags(["x", "--revit-version", "2025"], install, profiles.revitpy)).toEqual([
      "x",
      "--host",
      "revit=2025",
    ]);
    expect(translateFlags(["--revit-version=2025"], install, profiles.revitpy)).toEqual(["--host", "revit=2025"]);
  });

  it("show in help as they are typed", async () => {
    const { stdout } = await runCli(["packager", "build", "--help"], { profile: "vitte" });
    expect(stdout).toContain("Usage  vitte packager build");
    expect(stdout).toContain("--out DIR");
  });

  it("load a profile only when it is needed", async () => {
    let loaded = 0;
    const cli = createCli(
      () => {
        loaded += 1;
        return profiles.lading;
      },
      { bin: "lading", title: "t", ownCommands: true },
    );
    const silent = { write() {} };
    const io = { stdout: silent, stderr: silent, stdin: process.stdin, env: {}, cwd: "/" };
    await cli.run(["--help"], io);
    await cli.run(["add", "--help"], io);
    await cli.run(["--version"], io);
    expect(loaded).toBe(0);
  });
});
