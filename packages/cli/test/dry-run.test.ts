import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PLANNING_COMMANDS, READING_COMMANDS, UNPLANNED_OPTIONS, keepsDryRun } from "../src/lib/dry-run.ts";
import { ROUTES } from "../src/lib/router.ts";
import { wordsFor } from "./dry-run-words.ts";
import { runCli } from "./harness.ts";

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "lading-dry-"));
});
afterAll(async () => rm(home, { recursive: true, force: true }));

describe("--dry-run", () => {
  it("is kept by commands that there are, each for one reason", () => {
    const kept = [...PLANNING_COMMANDS, ...READING_COMMANDS];
    expect(kept.filter((words) => !Object.hasOwn(ROUTES, words))).toEqual([]);
    expect(new Set(kept).size).toBe(kept.length);
  });

  const refusing = Object.keys(ROUTES).filter((words) => !keepsDryRun(words));
  it.each(refusing)("is refused by %s, before anything is done", async (words) => {
    const ran = await runCli(await wordsFor(words), { cwd: home, env: { HOME: home, XDG_CONFIG_HOME: home } });
    expect([ran.code, ran.stdout]).toEqual([2, ""]);
    expect(ran.stderr).toContain("--dry-run");
    expect(await readdir(home)).toEqual([]);
  });

  it("is refused by those that change something elsewhere", () => {
    for (const words of [
      "index-delegate",
      "index-status",
      "index-submit",
      "index-publish",
      "channel add",
      "channel remove",
      "org create",
    ])
      expect([words, keepsDryRun(words)]).toEqual([words, false]);
  });

  const options = [
    ["install", "remote"],
    ["lock", "record"],
    ["resolve", "record"],
    ["index-init", "native"],
  ] as const;
  it.each(options)("is refused by %s with --%s, before anything is done", async (words, option) => {
    const { command } = await ROUTES[words]!.load();
    const value = command.flags![option]!.type === "boolean" ? [] : ["x"];
    const ran = await runCli([...(await wordsFor(words)), `--${option}`, ...value], {
      cwd: home,
      env: { HOME: home, XDG_CONFIG_HOME: home },
    });
    expect([ran.code, ran.stdout]).toEqual([2, ""]);
    expect(ran.stderr).toContain(`Cannot use "--dry-run" with ${words} --${option}`);
    expect(await readdir(home)).toEqual([]);
  });

  it("is refused with no other option", () => {
    const table = Object.entries(UNPLANNED_OPTIONS).flatMap(([words, reasons]) =>
      Object.keys(reasons).map((option) => [words, option]),
    );
    expect(table).toEqual(options);
  });
});
