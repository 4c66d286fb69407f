import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";

let registry: RegistryProcess;
let sandbox: Sandbox;

beforeAll(async () => {
  registry = await startRegistry();
  sandbox = createSandbox({ env: { TESSERA_TOKEN: registry.token } });
});

afterAll(async () => {
  await sandbox.dispose();
  await registry.dispose();
});

describe("an ecosystem of one's own", () => {
  test("its profile passes `lading profile check`, and every mistake in one is listed", async () => {
    sandbox.copy("examples/own-ecosystem/profile.toml", "profile.toml");
    expect((await sandbox.ok("lading profile check profile.toml")).stdout).toContain('profile "tessera"');
    sandbox.write(
      "wrong.toml",
      sandbox.read("profile.toml").replace('codec = "zstd"', 'codec = "rar"').replace("layout", "lay-out"),
    );
    const { code, stdout, stderr } = await sandbox.line("lading profile check wrong.toml");
    expect(code).not.toBe(0);
    for (const mistake of ["rar", "lay-out"]) expect(`${stdout}${stderr}`).toContain(mistake);
  });

  test("its own words, file names and directories work from packing to installing", async () => {
    sandbox.copy("examples/own-ecosystem/pattern", "herringbone");
    await sandbox.ok(`tess registry add local ${registry.url}`);
    await sandbox.ok("tess check", { cwd: "herringbone" });
    await sandbox.ok("tess fire --kiln out", { cwd: "herringbone" });
    expect(sandbox.has("herringbone/out/herringbone-1.0.0.clay")).toBe(true);
    await sandbox.ok("tess publish out/herringbone-1.0.0.clay", { cwd: "herringbone" });
    expect((await sandbox.ok("tess show herringbone")).stdout).toContain("Zigzag of rectangular tiles");
    await sandbox.ok("tess new floor");
    await sandbox.ok("tess add herringbone@1", { cwd: "floor" });
    expect(sandbox.read("floor/tessera.toml")).toContain('herringbone = "1"');
    expect(sandbox.read("floor/tessera.lock")).toContain('name = "herringbone"');
    await sandbox.ok("rm -rf tiles .lading && tess lay", { cwd: "floor" });
    expect(sandbox.has("floor/tiles/herringbone/src/herringbone.txt")).toBe(true);
  });

  test("what does not fit the host is refused with the host named", async () => {
    sandbox.write(
      "small/tessera.toml",
      '[package]\nname = "small"\nversion = "1.0.0"\n\n[dependencies]\nherringbone = "1"\n',
    );
    const { code, stderr } = await sandbox.line("tess install --grid 4", { cwd: "small" });
    expect(code).toBe(4);
    expect(stderr).toContain("grid");
  });
});
