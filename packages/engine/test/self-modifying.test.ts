import { copyFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { install } from "../src/index.ts";
import { createSandbox, type Sandbox } from "../src/testing.ts";

let box: Sandbox;
beforeEach(async () => {
  box = await createSandbox();
});
afterEach(() => box.remove());

const manifest = (security: string): string =>
  `[package]\nname = "app"\nversion = "1.0.0"\n\n[dependencies]\nquine = "1"\n${security}`;
const FORBIDDEN = "\n[security]\nallow_self_modifying = false\n";

describe("[security] allow_self_modifying", () => {
  it("false refuses a package that declares itself self-modifying, also once it is in the store; else it is installed", async () => {
    await box.registry.publish({ name: "quine", version: "1.0.0", extra: { "self-modifying": true } });
    await box.write({ "lading.toml": manifest(FORBIDDEN) });
    for (const _ of [1, 2]) {
      await expect(box.use((context) => install({}, context))).rejects.toMatchObject({
        code: "SELF_MODIFYING_NOT_ALLOWED",
        message: expect.stringContaining('"quine" 1.0.0'),
      });
    }
    await box.write({ "lading.toml": manifest("") });
    const { install: installed } = await box.use((context) => install({}, context));
    expect(installed?.packages).toBe(1);
  });

  it("false lets every other package be, and refuses a package file that declares it", async () => {
    await box.registry.publish({ name: "quine", version: "1.0.0", extra: { "self-modifying": false } });
    await box.write({ "lading.toml": manifest(FORBIDDEN) });
    expect((await box.use((context) => install({}, context))).install?.packages).toBe(1);
    const { blob } = await box.registry.publish({ name: "other", version: "1.0.0", extra: { "self-modifying": true } });
    const file = path.join(box.root, "other.lpk");
    await copyFile(box.registry.blobPath(blob), file);
    await expect(box.use((context) => install({ specs: [file] }, context))).rejects.toMatchObject({
      code: "SELF_MODIFYING_NOT_ALLOWED",
    });
  });
});
