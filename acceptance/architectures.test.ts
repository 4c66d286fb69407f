/** One version with a file for each architecture, from the author's tree to what is installed, against a real registry process. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { apiJson, createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";

const TARGETS = ["x86_64-linux", "arm64-linux", "wasm32"] as const;
const MANIFEST = '[package]\nname = "codec"\nversion = "1.0.0"\n';
const USER = '[package]\nname = "user"\nversion = "1.0.0"\n\n[dependencies]\ncodec = "1"\n';

let box: Sandbox;
let registry: RegistryProcess;

beforeAll(async () => {
  registry = await startRegistry();
  box = createSandbox({ env: { LADING_TOKEN: registry.token } });
  await box.ok(`lading registry add local ${registry.url} && lading keygen --output author.pem`);
});

afterAll(async () => {
  await box.dispose();
  await registry.dispose();
});

describe("a version for several architectures", () => {
  test("[ARC-21] holds three signed files; install picks one by --target, and a wrong architecture is refused", async () => {
    box.write("codec/lading.toml", MANIFEST);
    for (const target of TARGETS) {
      box.write("codec/lib/code.bin", `code for ${target}`);
      const sent = await box.ok(`lading publish --target ${target} --key ../author.pem`, { cwd: "codec" });
      expect(sent.stdout).toContain("Published codec 1.0.0");
    }
    const { artifacts } = await apiJson<{ artifacts: { target: string; tree: string }[] }>(
      registry,
      "/api/v1/packages/codec/versions/1.0.0",
    );
    expect(artifacts.map(({ target }) => target).toSorted()).toEqual([...TARGETS].toSorted());
    expect(new Set(artifacts.map(({ tree }) => tree)).size).toBe(3);

    box.write("codec/lib/code.bin", "other code");
    const again = await box.line("lading publish --target wasm32 --key ../author.pem --output ../again", {
      cwd: "codec",
    });
    expect([again.code, again.stderr]).toEqual([8, expect.stringContaining("PUBLISH_VERSION_EXISTS")]);

    box.write("user/lading.toml", USER);
    const cwd = "user";
    const installed = (): string => box.read("user/lading_packages/codec/lib/code.bin");
    const first = await box.ok("lading install --target arm64-linux", { cwd });
    expect([installed(), first.stdout]).toEqual([
      "code for arm64-linux",
      expect.stringContaining("1 signature verified"),
    ]);
    const lock = box.read("user/lading.lock");
    expect(lock.match(/^target = .*$/gm)).toEqual(TARGETS.toSorted().map((target) => `target = "${target}"`));
    for (const target of ["x86_64-linux", "wasm32"]) {
      const { stdout } = await box.ok(`lading install --frozen --target ${target}`, { cwd });
      expect([installed(), stdout]).toEqual([`code for ${target}`, expect.stringContaining("1 signature verified")]);
    }
    await box.ok("lading install --frozen --target riscv64-linux --target x86_64-linux", { cwd });
    expect(installed()).toBe("code for x86_64-linux");

    const wrong = await box.line("lading install --target riscv64-linux", { cwd });
    expect(wrong.code).toBe(3);
    expect(wrong.stderr).toContain("INSTALL_TARGET_MISSING");
    expect(wrong.stderr).toContain(
      'it is offered for "arm64-linux", "wasm32", "x86_64-linux", wanted is "riscv64-linux"',
    );
    expect([installed(), box.read("user/lading.lock")]).toEqual(["code for x86_64-linux", lock]);
  });
});
