import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { withCommittedFiles } from "../src/lib/git-worktree.ts";
import { createSandbox, type Sandbox } from "@lading/engine/testing";

const exec = promisify(execFile);

let box: Sandbox;
beforeEach(async () => {
  box = await createSandbox();
  await box.write({ "old/file.txt": "committed" });
  const env = { PATH: process.env["PATH"], HOME: box.home, GIT_CONFIG_NOSYSTEM: "1" };
  const author = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com"];
  for (const line of [
    ["init", "--quiet"],
    ["add", "."],
    [...author, "commit", "--quiet", "-m", "One"],
    ["tag", "v1"],
  ])
    await exec("git", line, { cwd: box.project, env });
  await box.write({ "old/file.txt": "changed", "new/file.txt": "new" });
});
afterEach(() => box.remove());

const textAt = (directory: string, reference: string): Promise<string> =>
  box.use((context) =>
    withCommittedFiles(context, path.join(box.project, directory), reference, (files) =>
      readFile(path.join(files, "file.txt"), "utf8"),
    ),
  );
const warnings = (): readonly string[] =>
  box.events.flatMap((event) => (event.type === "warning" ? [event.message] : []));

describe("withCommittedFiles", () => {
  it("gives the files that the reference has, and warns of nothing", async () => {
    expect([await textAt("old", "v1"), warnings()]).toEqual(["committed", []]);
  });

  it("warns that the files are taken as they are where the checkout does not have the reference", async () => {
    expect(await textAt("old", "v2")).toBe("changed");
    expect(warnings()).toEqual([
      expect.stringMatching(/^"v2" is not in the checkout .*: its files are taken as they are$/),
    ]);
  });

  it("warns that the files are taken as they are where the reference does not have the directory", async () => {
    expect(await textAt("new", "v1")).toBe("new");
    expect(warnings()).toEqual([
      `"${path.join(box.project, "new")}" is not in "v1" of its checkout: its files are taken as they are`,
    ]);
  });
});
