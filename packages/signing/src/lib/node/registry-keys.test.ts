import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { SigningError } from "../signing-error.ts";
import { generateKeyPair, writeKeyFiles } from "./key-files.ts";
import { createRegistryKeys, nextLogKeyFile, readRegistryKeys, registryKeyFiles } from "./registry-keys.ts";

const NOW = Date.UTC(2026, 10, 21);
const folders: string[] = [];

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), "lading-registry-keys-"));
  folders.push(made);
  return made;
}

const create = async (
  more: Partial<Parameters<typeof createRegistryKeys>[0]> = {},
): Promise<{ readonly directory: string; readonly draft: boolean }> => {
  const directory = join(folder(), "keys");
  return {
    directory,
    ...(await createRegistryKeys({ directory, logOrigin: "test.example/log", nowMs: NOW, ...more })),
  };
};

async function problem(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof SigningError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return "no error";
}

afterEach(() => {
  for (const made of folders.splice(0)) rmSync(made, { recursive: true });
});

describe("createRegistryKeys(), readRegistryKeys()", () => {
  it("makes what it reads: keys of every role, the log's, and a root for development", async () => {
    const { directory, draft } = await create();
    const keys = await readRegistryKeys(directory);
    expect([draft, keys.roots.length, keys.signers.length, keys.logOrigin]).toEqual([false, 1, 3, "test.example/log"]);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(statSync(join(directory, "timestamp.pem")).mode & 0o777).toBe(0o600);
    expect((await registryKeyFiles(directory)).at(-1)).toBe("1.root.json");
    expect(readdirSync(join(directory, ".."))).toEqual(["keys"]);
  });

  it("writes a draft where offline keys are to sign it, and says so to who would sign with it", async () => {
    const { directory, draft } = await create({ rootKeys: [generateKeyPair().publicKey, generateKeyPair().publicKey] });
    expect([draft, readdirSync(directory).includes("root.pem")]).toEqual([true, false]);
    expect(await problem(readRegistryKeys(directory))).toContain("the draft of the first one must be signed");
  });

  it("signs with every key that the log has, the last one first", async () => {
    const { directory } = await create();
    const path = await nextLogKeyFile(directory);
    expect(path).toBe(join(directory, "log-2.pem"));
    await writeKeyFiles({ path, format: "pem" });
    const keys = await readRegistryKeys(directory);
    expect([keys.logCosigners.length, keys.formerLogKeys.length]).toEqual([1, 2]);
    expect(keys.formerLogKeys[1]).toEqual(keys.logSigner.publicKey);
    rmSync(join(directory, "log.pem"));
    expect((await readRegistryKeys(directory)).logCosigners).toEqual([]);
    expect(await nextLogKeyFile(directory)).toBe(join(directory, "log-3.pem"));
  });

  it("touches nothing where there is something", async () => {
    const { directory } = await create();
    const before = readFileSync(join(directory, "log.pem"), "utf8");
    expect(await problem(createRegistryKeys({ directory, logOrigin: "x/log", nowMs: NOW }))).toContain(
      "KEY_FILE_EXISTS",
    );
    expect(readFileSync(join(directory, "log.pem"), "utf8")).toBe(before);
  });

  it.each([
    ["snapshot.pem", "missing", 'the root names other keys for the role "snapshot"'],
    ["1.root.json", "missing", "it cannot be read"],
    ["1.root.json", "altered", "root"],
    ["log.pem", "missing", "it does not exist"],
    ["log-origin", "missing", "it cannot be read"],
    ["log-origin", "altered", "log-origin"],
  ])("names %s that is %s", async (name, how, expected) => {
    const { directory } = await create();
    const file = join(directory, name);
    if (how === "missing") rmSync(file);
    else
      writeFileSync(
        file,
        readFileSync(file, "utf8")
          .replace("test", " + ")
          .replace(/"sig":"./, '"sig":"x'),
      );
    const found = await problem(readRegistryKeys(directory));
    expect(found).toContain("KEY_DIRECTORY_UNUSABLE");
    expect(found).toContain(name);
    expect(found.toLowerCase()).toContain(expected.toLowerCase());
  });
});
