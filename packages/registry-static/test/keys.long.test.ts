import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { createKeyDirectory, readKeyDirectory } from "../src/node.ts";
import { cleanUp, code, temporary } from "./harness.ts";

afterAll(cleanUp);

describe("the key directory of a static registry", () => {
  it("has encrypted keys where a passphrase is given", { timeout: 300_000 }, async () => {
    const directory = join(await temporary(), "keys");
    const settings = { name: "Test", signatures: "optional", expiryDays: 30 } as const;
    await createKeyDirectory({ directory, settings, url: "https://a.test/", passphrase: "horse", nowMs: Date.now() });
    expect(await readFile(join(directory, "timestamp.pem"), "utf8")).toContain("ENCRYPTED");
    expect(await code(() => readKeyDirectory({ directory, passphrase: "cow" }))).toBe("STATIC_KEYS_UNUSABLE");
    expect((await readKeyDirectory({ directory, passphrase: "horse" })).signers).toHaveLength(3);
    await writeFile(join(directory, "settings.json"), '{"name":"x","signatures":"no","expiryDays":3}');
    expect(await code(() => readKeyDirectory({ directory, passphrase: "horse" }))).toBe("STATIC_SETTINGS_INVALID");
  });
});
