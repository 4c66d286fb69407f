import { readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { apiJson, createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";
import { newSigner, publishPackage, removeTemporary } from "./lib/more.ts";
import { formatPublicKey } from "@lading/signing";

let main: RegistryProcess;
let company: RegistryProcess;
let token: string;
const sandboxes: Sandbox[] = [];

beforeAll(async () => {
  main = await startRegistry();
  company = await startRegistry({ env: { REGISTRY_READ_PUBLIC: "false" } });
  const signer = newSigner();
  for (const registry of [main, company]) {
    const body = JSON.stringify({ public_key: formatPublicKey(signer.publicKey) });
    await apiJson(registry, "/api/v1/keys", { method: "POST", body });
  }
  await publishPackage(main, { name: "open-tool", version: "1.0.0" }, { signer });
  await publishPackage(company, { name: "inner-tool", version: "2.0.0" }, { signer });
  const scopes = JSON.stringify({ name: "reader", scopes: ["read"] });
  ({ token } = await apiJson<{ token: string }>(company, "/api/v1/tokens", { method: "POST", body: scopes }));
});

afterAll(async () => {
  for (const sandbox of sandboxes) await sandbox.dispose();
  await main.dispose();
  await company.dispose();
  removeTemporary();
});

async function client(): Promise<Sandbox> {
  const sandbox = createSandbox();
  sandboxes.push(sandbox);
  await sandbox.ok(`lading registry add main ${main.url}`);
  await sandbox.ok(`lading registry add company ${company.url}`);
  const needs =
    'open-tool = { version = "^1.0", registry = "main" }\ninner-tool = { version = "^2.0", registry = "company" }';
  sandbox.write("lading.toml", `[package]\nname = "app"\nversion = "1.0.0"\n\n[dependencies]\n${needs}\n`);
  return sandbox;
}

describe("docs/guides/access-control.md", () => {
  test("[AUT-23] its rules are ones that a server takes, and a mistake in them is told with its line", async () => {
    const guide = readFileSync(path.join(import.meta.dirname, "../docs/guides/access-control.md"), "utf8");
    const rules = /```toml\n(# access\.toml\n.*?)```/s.exec(guide)![1]!;
    const sandbox = createSandbox();
    sandboxes.push(sandbox);
    sandbox.write("access.toml", rules);
    await sandbox.ok("REGISTRY_ACCESS_FILE=access.toml lading-registry --print-config");
    sandbox.write("access.toml", rules.replace("write_groups", "writers"));
    const refused = await sandbox.line("REGISTRY_ACCESS_FILE=access.toml lading-registry --print-config");
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('line 7: unknown key "writers"')]);
  });
});

describe("a private registry beside a public one", () => {
  test("[AUT-22] a client with both installs from both, from the private one with its token", async () => {
    const sandbox = await client();
    await sandbox.ok(`lading login --registry company --token ${token}`);
    await sandbox.ok("lading install");
    const lock = sandbox.read("lading.lock");
    expect(lock).toContain('name = "open-tool"\nversion = "1.0.0"');
    expect(lock).toContain('name = "inner-tool"\nversion = "2.0.0"');
  });

  test("[AUT-22] without the token nothing of the private one is read, and the public one is not asked for it", async () => {
    const sandbox = await client();
    const refused = await sandbox.line("lading install");
    expect([refused.code, refused.stderr]).toEqual([6, expect.stringContaining('"company"')]);
    for (const path of ["/index/_/in/inner-tool.json", "/api/v1/packages/inner-tool", "/feed/0.json", "/metrics"]) {
      expect((await fetch(`${company.url}${path}`)).status).toBe(401);
    }
    const asked = await sandbox.line("lading info inner-tool --registry main");
    expect(asked.code).not.toBe(0);
  });
});
