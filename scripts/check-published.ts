/** Packs every public package as it would be published and lets publint and attw judge the tarballs. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = new URL("..", import.meta.url).pathname;
const output = mkdtempSync(join(tmpdir(), "lading-published-"));
let failed = 0;

function run(command: string, args: readonly string[], cwd: string): boolean {
  try {
    execFileSync(command, args, { cwd, stdio: ["ignore", "pipe", "pipe"], encoding: "utf8" });
    return true;
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    console.error(`${stdout ?? ""}${stderr ?? ""}`);
    return false;
  }
}

try {
  for (const name of readdirSync(join(root, "packages"))) {
    const folder = join(root, "packages", name);
    run("pnpm", ["pack", "--pack-destination", output], folder);
    const tarball = readdirSync(output).find((file) => file.startsWith(`lading-${name}-`));
    const good =
      tarball !== undefined &&
      run("publint", ["run", "--strict", join(output, tarball)], root) &&
      run("attw", [join(output, tarball), "--profile", "esm-only"], root);
    console.log(`${good ? "✓" : "✗"} @lading/${name}`);
    if (!good) failed++;
  }
} finally {
  rmSync(output, { recursive: true, force: true });
}
process.exitCode = failed === 0 ? 0 : 1;
