import { statSync } from "node:fs";
import path from "node:path";
import { inspectPackage } from "@lading/archive/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";

let box: Sandbox;
let registry: RegistryProcess;

beforeAll(async () => {
  registry = await startRegistry();
  box = createSandbox({ env: { LADING_TOKEN: registry.token } });
  await box.ok(`lading registry add local ${registry.url}`);
});

afterAll(async () => {
  await box.dispose();
  await registry.dispose();
});

describe("what a build tool made", () => {
  test("[ARC-22] is packaged as it lies there, and nothing is built again", async () => {
    // A tool that counts its runs and leaves compiled files in a directory that version control ignores.
    box.write(
      "compile.sh",
      'echo run >>runs\nmkdir -p build/bin\nprintf "\\177ELF compiled" >build/bin/app\nchmod 755 build/bin/app\necho table >build/app.tbl\n',
    );
    box.write(".gitignore", "/build/\n/target/\n/runs\n");
    box.write("src/app.src", "source that is not shipped\n");
    box.write(
      "lading.toml",
      '[package]\nname = "app"\nversion = "1.0.0"\ninclude = ["build/**"]\n\n[scripts]\nbuild = "sh compile.sh"\n',
    );
    await box.ok("sh compile.sh");
    const before = statSync(box.path("build/bin/app")).mtimeMs;
    await box.ok("lading pack --output out");
    const inspected = await inspectPackage(path.join(box.work, "out/app-1.0.0.lpk"));
    const files = new Map(inspected.files.map(({ path: name, executable }) => [name, executable]));
    expect([...files.keys()]).toEqual([".lading/package.json", "build/app.tbl", "build/bin/app", "lading.toml"]);
    expect(files.get("build/bin/app")).toBe(true);
    expect([box.read("runs"), statSync(box.path("build/bin/app")).mtimeMs]).toEqual(["run\n", before]);

    await box.ok("lading publish");
    box.write("user/lading.toml", '[package]\nname = "user"\nversion = "1.0.0"\n\n[dependencies]\napp = "1"\n');
    await box.ok("lading install", { cwd: "user" });
    expect(box.read("user/lading_packages/app/build/bin/app")).toContain("ELF compiled");
    expect(box.mode("user/lading_packages/app/build/bin/app") & 0o111).not.toBe(0);
    expect(box.read("runs")).toBe("run\n");
  });
});
