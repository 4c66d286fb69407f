import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSandbox } from "./lib/harness.ts";

const root = path.join(import.meta.dirname, "..");
const pnpm = ["--yes", "--prefer-offline", "pnpm@12.21.0"] as const;
// The release that the project brings, not whichever a shell would find.
const env = { ...process.env, PATH: `${path.dirname(process.execPath)}:${process.env["PATH"]!}`, NO_COLOR: "1" };

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(path.join(tmpdir(), "lading-published-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

interface Manifest {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
}

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(path.join(root, folder, "package.json"), "utf8")) as Manifest;
}

/** The packages of ours that a folder needs, itself first. */
function closure(folder: string, seen: Set<string> = new Set()): Set<string> {
  seen.add(folder);
  for (const name of Object.keys(manifestOf(folder).dependencies)) {
    const needed = name.replace("@lading/", "packages/");
    if (name.startsWith("@lading/") && !seen.has(needed)) closure(needed, seen);
  }
  return seen;
}

describe("the project", () => {
  test("[TST-20] builds every package without an error or a warning", () => {
    const build = spawnSync("npx", [...pnpm, "exec", "turbo", "run", "build", "--output-logs=full"], {
      cwd: root,
      env,
      encoding: "utf8",
    });
    const printed = `${build.stdout}${build.stderr}`;
    expect([build.status, build.status === 0 ? "" : printed]).toEqual([0, ""]);
    const complaints = printed.split("\n").filter((line) => /\b(?:warn(?:ing)?|error)\b/i.test(line));
    // What npm says about its own settings is not about the build, and files may have such names.
    expect(complaints.filter((line) => !line.startsWith("npm warn") && !/ESM dist\/\S+\s+[\d.]+ /.test(line))).toEqual(
      [],
    );
    const folders = ["packages", "apps"].flatMap((parent) =>
      readdirSync(path.join(root, parent)).map((name) => path.join(root, parent, name)),
    );
    expect(folders.filter((folder) => !existsSync(path.join(folder, "dist")))).toEqual([]);
  });

  test("[INS-29] packs into tarballs from which npm installs a command that works, in a clean directory", async () => {
    const tarballs = path.join(directory, "tarballs");
    for (const folder of closure("apps/lading")) {
      const args = [...pnpm, "pack", "--pack-destination", tarballs];
      execFileSync("npx", args, { cwd: path.join(root, folder), env, stdio: ["ignore", "ignore", "pipe"] });
    }
    const files = readdirSync(tarballs).map((name) => path.join(tarballs, name));
    const box = createSandbox({});
    try {
      const home = path.join(directory, "installed");
      const quiet = ["--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", "--loglevel=error"];
      execFileSync("npm", ["install", "--prefix", home, ...quiet, ...files], { cwd: box.work, env, stdio: "pipe" });
      const lading = (...args: string[]): string =>
        execFileSync(path.join(home, "node_modules/.bin/lading"), args, {
          cwd: box.work,
          env: { ...env, HOME: directory },
          encoding: "utf8",
        });
      expect(lading("--version")).toContain(manifestOf("apps/lading").version);
      lading("init", "installed", "--path", "installed");
      lading("-C", "installed", "pack", "--output", "out");
      expect(readdirSync(path.join(box.work, "installed/out"))).toEqual(["installed-0.1.0.lpk"]);
      // From source it is the same command: what every other check here runs.
      await box.ok("lading checksum installed/out/installed-0.1.0.lpk");
    } finally {
      await box.dispose();
    }
  });
});
