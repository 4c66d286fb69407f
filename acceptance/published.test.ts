import { execFileSync, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { apiJson, createSandbox, startRegistry } from "./lib/harness.ts";

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

/** Runs the built command as its users do, and returns the most memory that the system gave to it, in bytes. */
async function peakOfBuilt(args: readonly string[], cwd: string, more: Record<string, string>): Promise<number> {
  const main = path.join(root, "apps/lading/dist/main.js");
  const child = spawn(process.execPath, [main, ...args], {
    cwd,
    env: { PATH: env.PATH, NO_COLOR: "1", ...more },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  let peak = 0;
  // The kernel keeps the high-water mark: what is missed is what the last moments add.
  const timer = setInterval(() => (peak = Math.max(peak, highWaterMark(child.pid!))), 5);
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  clearInterval(timer);
  expect([code, code === 0 ? "" : errors]).toEqual([0, ""]);
  return peak;
}

function highWaterMark(pid: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
  } catch (error) {
    // It has ended meanwhile.
    if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return 0;
    throw error;
  }
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

  test.skipIf(process.platform !== "linux")(
    "[CCH-28] publishes 100 MB with less than 150 MB of memory, packed before or by the same command",
    async () => {
      const registry = await startRegistry();
      try {
        const home = path.join(directory, "home");
        const project = path.join(directory, "large");
        for (const made of [home, project]) mkdirSync(made);
        const more = { HOME: home, LADING_TOKEN: registry.token };
        await peakOfBuilt(["registry", "add", "here", registry.url, "--timeout", "600"], project, more);
        // Noise, so that what is sent is as large as what is packed.
        for (let written = 0; written < 100e6; written += 10e6)
          appendFileSync(path.join(project, "content.bin"), randomBytes(10e6));
        const write = (version: string): void =>
          writeFileSync(path.join(project, "lading.toml"), `[package]\nname = "large"\nversion = "${version}"\n`);
        write("1.0.0");
        await peakOfBuilt(["pack", "--output", "out"], project, more);
        const sent = await peakOfBuilt(["publish", "out/large-1.0.0.lpk"], project, more);
        rmSync(path.join(project, "out"), { recursive: true });
        write("2.0.0");
        const both = await peakOfBuilt(["publish"], project, more);
        expect(sent).toBeGreaterThan(0);
        expect(sent).toBeLessThan(150e6);
        expect(both).toBeLessThan(150e6);
        const { versions } = await apiJson<{ versions: { version: string }[] }>(registry, "/api/v1/packages/large");
        expect(versions.map(({ version }) => version).sort()).toEqual(["1.0.0", "2.0.0"]);
      } finally {
        await registry.dispose();
      }
    },
  );
});
