import { readFileSync, readdirSync, writeFileSync, chmodSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";

let box: Sandbox;
let registry: RegistryProcess;

beforeAll(async () => {
  registry = await startRegistry();
  box = createSandbox({ env: { LADING_TOKEN: registry.token } });
  await box.ok(`lading registry add local ${registry.url} && lading keygen`);
});

afterAll(async () => {
  await box.dispose();
  await registry.dispose();
});

/** The stored statement about a version, as whoever broke into the server finds it. */
function statementFile(name: string, version: string): string {
  const blobs = path.join(registry.data, "blobs");
  const files = readdirSync(blobs, { recursive: true, encoding: "utf8" }).map((file) => path.join(blobs, file));
  const found = files.find((file) => {
    const text = /[0-9a-f]{64}$/.test(file) ? readFileSync(file, "latin1") : "";
    if (!text.startsWith('{"payload":')) return false;
    const { payload } = JSON.parse(text) as { payload: string };
    const { predicate } = JSON.parse(Buffer.from(payload, "base64").toString()) as {
      predicate: { name: string; version: string };
    };
    return predicate.name === name && predicate.version === version;
  });
  if (found === undefined) throw new Error(`there is no statement about ${name} ${version} below ${blobs}`);
  return found;
}

async function publish(version: string): Promise<void> {
  box.write(`tool-${version}/lading.toml`, `[package]\nname = "tool"\nversion = "${version}"\n`);
  box.write(`tool-${version}/data.txt`, `tool ${version}\n`);
  await box.ok("lading publish --key default", { cwd: `tool-${version}` });
}

describe("a pack whose signature does not hold", () => {
  test("[SIG-21] is refused before a file of it is activated, and what was installed stays", async () => {
    await publish("1.0.0");
    box.write("app/lading.toml", '[package]\nname = "app"\nversion = "1.0.0"\n\n[dependencies]\ntool = "1"\n');
    await box.ok("lading install", { cwd: "app" });
    await publish("1.1.0");
    const file = statementFile("tool", "1.1.0");
    const envelope = JSON.parse(readFileSync(file, "utf8")) as { signatures: { sig: string }[] };
    const signature = Buffer.from(envelope.signatures[0]!.sig, "base64");
    signature[7] = signature[7]! ^ 1;
    envelope.signatures[0]!.sig = signature.toString("base64");
    chmodSync(file, 0o600);
    writeFileSync(file, JSON.stringify(envelope));

    // Nothing that was kept from the publication is to help: the reader is another machine.
    const other = createSandbox();
    try {
      await other.ok(`lading registry add local ${registry.url}`);
      other.write("app/lading.toml", box.read("app/lading.toml"));
      const refused = await other.line("lading install", { cwd: "app" });
      expect(refused.code).toBe(7);
      expect(refused.stderr).toMatch(/error\[SIGNATURE_[A-Z_]+\]/);
      expect(other.has("app/lading_packages/tool/data.txt")).toBe(false);
    } finally {
      await other.dispose();
    }
    expect(box.read("app/lading_packages/tool/data.txt")).toBe("tool 1.0.0\n");
  });
});
