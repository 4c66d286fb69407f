import { lstatSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";
import { publishPackage } from "./lib/more.ts";

let registry: RegistryProcess;
const sandboxes: Sandbox[] = [];

const manifest = (rate: number, more = ""): string => `[package]
name = "reliable"
version = "1.0.0"

[dependencies]
chaos-top = "1"

[profile.dev]
chaos_profile = "testing"

[chaos-profile.testing]
fault_injection_rate = ${rate}
allowed_faults = ["all"]
chaos_seed = 12345
max_fault_duration = "50ms"
${more}
`;

function open(text: string): Sandbox {
  const sandbox = createSandbox({ env: { GAL_REGISTRY_URL: registry.url } });
  sandboxes.push(sandbox);
  sandbox.write("gal.toml", text);
  return sandbox;
}

beforeAll(async () => {
  registry = await startRegistry();
  for (const name of ["chaos-a", "chaos-b", "chaos-c", "chaos-d"])
    await publishPackage(registry, { name, version: "1.0.0", files: { "data.txt": name.repeat(5000) } });
  const needs = { "chaos-a": "1", "chaos-b": "1", "chaos-c": "1", "chaos-d": "1" };
  await publishPackage(registry, { name: "chaos-top", version: "1.0.0", needs });
});

afterAll(async () => {
  await Promise.all(sandboxes.map((sandbox) => sandbox.dispose()));
  await registry.dispose();
});

/** Temporary files of ours below a directory. */
function leftovers(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: "utf8" }).filter(
    (name) =>
      /\.tmp$|(?:^|\/)(?:download|archive)-\w+$/.test(name) && !lstatSync(path.join(directory, name)).isSymbolicLink(),
  );
}

describe("install --chaos-profile", () => {
  test("[CHA-01] whatever the network does, an installation is whole or there is none, and nothing lies about", async () => {
    const outcomes = new Set<number>();
    for (const seed of [1, 2, 3, 4, 5, 6]) {
      const sandbox = open(manifest(0.35));
      const before = sandbox.read("gal.toml");
      const { code, stderr } = await sandbox.line(
        `gal-pkg install --chaos-profile testing --chaos-seed ${seed} --verbose`,
      );
      outcomes.add(code);
      expect(stderr).toContain(`chaos profile "testing" says (seed ${seed})`);
      expect(stderr).toMatch(/Chaos profile "testing": \d+ faults were injected/);
      expect(sandbox.read("gal.toml")).toBe(before);
      expect([0, 5, 7]).toContain(code);
      // An installation that failed has left nothing; without the faults, what it left is good to go on from.
      expect(sandbox.has("gal_packages")).toBe(code === 0);
      await sandbox.ok(code === 0 ? "gal-pkg verify" : "gal-pkg install && gal-pkg verify");
      for (const name of ["chaos-a", "chaos-b", "chaos-c", "chaos-d"])
        expect(readFileSync(sandbox.path("gal_packages", name, "data.txt"), "utf8")).toBe(name.repeat(5000));
      expect(leftovers(sandbox.root)).toEqual([]);
    }
    expect(outcomes.has(0)).toBe(true);
  }, 400_000);

  test("[CHA-09] the same seed injects the same faults into a second installation of the same kind", async () => {
    const told = async (): Promise<string[]> => {
      const sandbox = open(manifest(0.3));
      const { stderr } = await sandbox.line("gal-pkg install --chaos-profile testing --verbose");
      return [...stderr.matchAll(/debug chaos: (\w+ in \w+) http:\/\/[^/]+(\S+), attempt (\d+)/g)]
        .map(([, what, url, attempt]) => `${what} ${url} ${attempt}`)
        .filter((line) => !line.includes("metadata"))
        .sort();
    };
    const first = await told();
    expect(first.length).toBeGreaterThan(0);
    expect(await told()).toEqual(first);
  });

  test("[CHA-14] a build profile names its chaos profile; an unknown one is refused; without one nothing is injected", async () => {
    const sandbox = open(manifest(0));
    const { stderr } = await sandbox.ok("gal-pkg install --chaos-profile dev");
    expect(stderr).toContain('chaos profile "testing"');
    const unknown = await sandbox.line("gal-pkg install --chaos-profile nothing");
    expect({ code: unknown.code, told: unknown.stderr.includes("CHAOS_PROFILE_UNKNOWN") }).toEqual({
      code: 2,
      told: true,
    });
    expect((await sandbox.ok("gal-pkg install")).stderr).not.toContain("chaos");
  });

  test("a partition that never ends fails with the registry unreachable and leaves no lock", async () => {
    const sandbox = open(manifest(0, "network_partition_probability = 1.0"));
    const failed = await sandbox.line("gal-pkg install --chaos-profile testing");
    expect({ code: failed.code, told: failed.stderr.includes("REGISTRY_UNREACHABLE") }).toEqual({
      code: 5,
      told: true,
    });
    expect(readdirSync(sandbox.work)).toEqual(["gal.toml"]);
  });
});
