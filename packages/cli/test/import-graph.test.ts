import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const run = promisify(execFile);
const bin = fileURLToPath(new URL("../../../apps/lading/src/main.ts", import.meta.url));
let directory: string;
let hook: string;

// Writes the path of every module that the process loads, Node's own apart.
const HOOK = `
import { registerHooks } from "node:module";
import { writeFileSync } from "node:fs";
const seen = [];
registerHooks({ load(url, context, next) { if (!url.startsWith("node:")) seen.push(url); return next(url, context); } });
process.on("exit", () => writeFileSync(process.env.LOADED_FILE, JSON.stringify(seen)));
`;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "lading-graph-"));
  hook = path.join(directory, "hook.mjs");
  await writeFile(hook, HOOK);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function loadedBy(argv: readonly string[]): Promise<string[]> {
  const file = path.join(directory, `${argv.join("_")}.json`);
  const env = { ...process.env, LOADED_FILE: file, HOME: directory };
  await run(process.execPath, ["--import", hook, "-C", "@lading/source", bin, ...argv], { env, cwd: directory });
  const { readFile } = await import("node:fs/promises");
  const urls = JSON.parse(await readFile(file, "utf8")) as string[];
  return urls.map((url) => url.replace(/^.*\/(?=(?:packages|apps|node_modules)\/)/, ""));
}

describe("start-up", () => {
  it("--version loads the router, and nothing else", async () => {
    const loaded = await loadedBy(["--version"]);
    expect(loaded.length).toBeLessThanOrEqual(9);
    expect(loaded.filter((file) => !/^(?:apps\/lading|packages\/cli)\/src\//.test(file))).toEqual([]);
  });

  it("--help loads the router and the help renderer; no command, no other package", async () => {
    const loaded = await loadedBy(["--help"]);
    expect(loaded.length).toBeLessThanOrEqual(13);
    expect(
      loaded.filter((file) => file.includes("/commands/") || !/^(?:apps\/lading|packages\/cli)\/src\//.test(file)),
    ).toEqual([]);
  });

  it("a command's help loads that command alone, and no engine", async () => {
    const loaded = await loadedBy(["add", "--help"]);
    expect(
      loaded
        .filter((file) => file.includes("/commands/"))
        .map((file) => path.basename(file))
        .toSorted(),
    ).toEqual(["add.ts", "shared.ts"]);
    expect(loaded.filter((file) => /packages\/(?:engine|registry-client|core-manifest)\//.test(file))).toEqual([]);
  });
});
