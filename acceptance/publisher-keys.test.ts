import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { LogError, createNoteKey, openCheckpoint } from "@lading/signing/log";
import { readPublicKeyFile } from "@lading/signing/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";

let registry: RegistryProcess;
let sandbox: Sandbox;

beforeAll(async () => {
  registry = await startRegistry();
  sandbox = createSandbox({ env: { LADING_TOKEN: registry.token } });
  await sandbox.ok(`lading registry add local ${registry.url}`);
  for (const name of ["old", "new", "other"]) await sandbox.ok(`lading keygen --output ${name}.pem`);
});

afterAll(async () => {
  await sandbox.dispose();
  await registry.dispose();
});

interface Answer {
  readonly change: string;
  readonly key: string;
  readonly entry: number;
  readonly effective?: string;
  readonly proof: string;
}

async function json<Value>(command: string): Promise<Value> {
  return (await sandbox.json(`${command} --json`)) as Value;
}

async function states(): Promise<readonly string[]> {
  const { keys } = await json<{ keys: readonly { state: string }[] }>("lading key list");
  return keys.map(({ state }) => state);
}

describe("signing keys over their life", () => {
  test("[SIG-10] [SIG-19] key rotate puts a new key in the place of the old one, and the log proves it", async () => {
    sandbox.write("tool/lading.toml", '[package]\nname = "tool"\nversion = "1.0.0"\n');
    await sandbox.ok("lading -C tool publish --sign ../old.pem");
    const done = await json<Answer>("lading key rotate --key old.pem --to new.pem --reason yearly");
    expect(done.change).toBe("rotate");
    expect(done.proof).toMatch(/^c2sp\.org\/tlog-proof@v1\n/);
    expect(await states()).toEqual(["replaced", "active"]);
    sandbox.write("tool/lading.toml", '[package]\nname = "tool"\nversion = "1.1.0"\n');
    const refused = await sandbox.line("lading -C tool publish --sign ../old.pem");
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain("which another key has replaced");
    await sandbox.ok("lading -C tool publish --sign ../new.pem");
  });

  test("[SIG-19] key recover waits, and key revoke by the key in use ends it", async () => {
    const announced = await sandbox.ok("lading key recover --key other.pem");
    expect(announced.stdout).toContain("takes effect on ");
    expect(await states()).toEqual(["replaced", "active", "pending"]);
    const revoked = await sandbox.ok("lading key revoke --key new.pem --revoked other.pub");
    expect(revoked.stdout).toContain("is not trusted");
    expect(await states()).toEqual(["replaced", "active", "lapsed"]);
    const again = await sandbox.line("lading key revoke --key other.pem");
    expect(again.code).not.toBe(0);
    expect(again.stderr).toContain("no key in use there signed it");
    await sandbox.ok("lading key revoke --key new.pem");
    const none = await sandbox.line("lading key recover --key other.pem");
    expect(none.stderr).toContain("KEY_CHANGE_IMPOSSIBLE");
  });
});

describe("the server's own signing key", () => {
  test("[SIG-17] countersigns the log of everything published, and a missing file is an error at the start", async () => {
    const key = sandbox.path("server.pem");
    await sandbox.ok("lading keygen --output server.pem --no-trust");
    const own = await startRegistry({ env: { PACKAGE_SIGNING_KEY: key } });
    try {
      const checkpoint = new Uint8Array(await (await fetch(`${own.url}/log/checkpoint`)).arrayBuffer());
      const origin = new TextDecoder().decode(checkpoint).split("\n", 1)[0]!;
      const { publicKey } = await readPublicKeyFile(sandbox.path("server.pub"));
      const trust = { origin, keys: [createNoteKey(origin, publicKey)] };
      expect(openCheckpoint(checkpoint, trust).size).toBeGreaterThan(0);
      const text = new TextDecoder().decode(checkpoint);
      const altered = new TextEncoder().encode(text.replace(/\n(\d+)\n/, (_, size) => `\n${Number(size) + 1}\n`));
      expect(() => openCheckpoint(altered, trust)).toThrow(LogError);
    } finally {
      await own.dispose();
    }
    await expect(startRegistry({ env: { PACKAGE_SIGNING_KEY: sandbox.path("missing.pem") } })).rejects.toThrow(
      /PACKAGE_SIGNING_KEY/,
    );
  });
});

describe("the log's key", () => {
  test("[SIG-17] can be exchanged, and then taken away, while people who know the former one go on", async () => {
    const data = mkdtempSync(path.join(tmpdir(), "lading-log-key-"));
    const port = await freePort();
    const serving = async (): Promise<RegistryProcess> => startRegistry({ data, port });
    const person = createSandbox();
    try {
      let own = await serving();
      await person.ok(`lading registry add own ${own.url}`);
      person.write("tool/lading.toml", '[package]\nname = "tool"\nversion = "1.0.0"\n');
      await person.ok("lading -C tool publish", { env: { LADING_TOKEN: own.token } });
      expect((await person.ok("lading log verify")).stdout).not.toBe("");
      await own.stop();
      const rotated = await person.run("lading-registry", ["admin", "keys", "rotate", "log", "--data", data]);
      expect(rotated.code).toBe(0);
      for (const step of ["with both keys", "with the new one alone"]) {
        if (step !== "with both keys") rmSync(path.join(data, "keys", "log.pem"));
        own = await serving();
        person.write("tool/lading.toml", `[package]\nname = "tool"\nversion = "1.0.${step.length}"\n`);
        await person.ok("lading -C tool publish", { env: { LADING_TOKEN: own.token } });
        expect({ step, code: (await person.line("lading log verify")).code }).toEqual({ step, code: 0 });
        await own.stop();
      }
    } finally {
      await person.dispose();
      rmSync(data, { recursive: true, force: true });
    }
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
