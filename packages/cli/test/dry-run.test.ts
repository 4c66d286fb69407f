import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PLANNING_COMMANDS, READING_COMMANDS, keepsDryRun } from "../src/lib/dry-run.ts";
import { ROUTES } from "../src/lib/router.ts";
import { runCli } from "./harness.ts";

const COMMANDS = fileURLToPath(new URL("../src/lib/commands", import.meta.url));
const ROUTER = fileURLToPath(new URL("../src/lib/router.ts", import.meta.url));
/** How a command hands the flag on: itself, or by what is shared among those that resolve or clean. */
const HANDS_ON = /options\.dryRun|resolveInput\(flags, options\)|cache: true, all: false/;

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "lading-dry-"));
});
afterAll(async () => rm(home, { recursive: true, force: true }));

/** The fewest words that a command takes. */
async function wordsFor(words: string): Promise<readonly string[]> {
  const { command } = await ROUTES[words]!.load();
  const needed = (command.arguments ?? []).filter(({ optional }) => optional !== true);
  return [...words.split(" "), "--dry-run", ...needed.map(({ pair }) => (pair === true ? "x/y" : "x"))];
}

describe("--dry-run", () => {
  it("is kept by commands that there are, each for one reason", () => {
    const kept = [...PLANNING_COMMANDS, ...READING_COMMANDS];
    expect(kept.filter((words) => !Object.hasOwn(ROUTES, words))).toEqual([]);
    expect(new Set(kept).size).toBe(kept.length);
  });

  it.each([...PLANNING_COMMANDS])("reaches what %s does", async (words) => {
    const router = await readFile(ROUTER, "utf8");
    const entry = router.slice(router.search(new RegExp(`^  "?${words}"?: `, "m")));
    const file = /"\.\/commands\/([\w-]+)\.ts"/.exec(entry)?.[1];
    expect(await readFile(join(COMMANDS, `${file}.ts`), "utf8")).toMatch(HANDS_ON);
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
      "index-submit",
      "index-publish",
      "channel add",
      "channel remove",
      "org create",
    ])
      expect([words, keepsDryRun(words)]).toEqual([words, false]);
  });
});
