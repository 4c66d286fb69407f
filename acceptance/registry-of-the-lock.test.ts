/** A project that was locked with `--registry URL`, on a machine where no registry is configured. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";
import { publishPackage, removeTemporary } from "./lib/more.ts";

let registry: RegistryProcess;
let box: Sandbox;

beforeAll(async () => {
  registry = await startRegistry();
  box = createSandbox();
  await publishPackage(registry, { name: "rl-tool", version: "1.0.0" });
  box.write(
    "lading.toml",
    `[package]\nname = "app"\nversion = "1.0.0"\nlicense = "MIT"\n\n[dependencies]\nrl-tool = "1"\n`,
  );
});
afterAll(async () => {
  await box.dispose();
  removeTemporary();
  await registry.dispose();
});

/** Everything but what the registry is trusted by. */
const forgetPackages = (): Promise<unknown> =>
  box.ok(
    "rm -rf lading_packages .lading ~/.cache && find ~/.local/share/lading -mindepth 1 -maxdepth 1 ! -name trust -exec rm -rf {} +",
  );

test("is installed and updated from the address in the lock, without tokens and by the trust that is stored for it", async () => {
  await box.ok(`lading install --registry ${registry.url}`);
  await forgetPackages();
  const again = await box.ok("lading install", { env: { LADING_TOKEN: registry.token } });
  expect(again.stderr).toContain("LADING_TOKEN is not sent to");
  expect(box.read("lading_packages/rl-tool/lading.toml")).toContain('version = "1.0.0"');
  await publishPackage(registry, { name: "rl-tool", version: "1.1.0" });
  const updated = await box.ok("lading update");
  expect(updated.stdout + updated.stderr).toContain("rl-tool 1.0.0 -> 1.1.0");

  const port = Number(new URL(registry.url).port);
  await registry.stop();
  const impostor = await startRegistry({ port });
  try {
    for (const line of ["lading update", "lading install"]) {
      await forgetPackages();
      const refused = await box.line(line);
      expect(refused.code).toBe(7);
      expect(refused.stderr).toContain("An attack would look like this");
    }
  } finally {
    await impostor.dispose();
  }
});
