import { describe, expect, it } from "vitest";
import { ownRoutes } from "../router.ts";
import { advise } from "./advice.ts";

const attune = {
  bin: "attune",
  routes: ownRoutes()
    .filter(({ command }) => !command.startsWith("owner"))
    .map((route) => ({ ...route, words: route.command === "login" ? "login" : `pack ${route.words}` })),
};

describe("advise()", () => {
  it.each([
    ["Run `init` to make one", "Run `attune pack init` to make one"],
    ['Run "info ada" to see its versions', 'Run "attune pack info ada" to see its versions'],
    [
      'Run "registry list", or "registry add NAME URL"',
      'Run "attune pack registry list", or "attune pack registry add NAME URL"',
    ],
    ['Wait, or run "login" for registry "test"', 'Wait, or run "attune login" for registry "test"'],
  ])("writes commands as they are typed: %s", (hint, typed) => {
    expect(advise(hint, [attune])).toBe(typed);
  });

  it.each([
    'Did you mean "run" or "test"?',
    'Name the package "test" in the manifest. Run it again',
    "Run `chmod 600 FILE`",
    "Run with `--registry URL`",
    'Run "owner add ada", which this program has not',
    'Run "listed"',
  ])("leaves what is no command of this program: %s", (hint) => {
    expect(advise(hint, [attune])).toBe(hint);
  });

  it("takes from another program what this one has not", () => {
    const other = { bin: "other", routes: ownRoutes() };
    expect(advise('Run "owner list", or "lock"', [attune, other])).toBe(
      'Run "other owner list", or "attune pack lock"',
    );
  });

  it("knows no commands where there is no program", () => {
    expect(advise('Run "lock"', [])).toBe('Run "lock"');
  });
});
