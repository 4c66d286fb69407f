import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSandbox, type Sandbox } from "@lading/acceptance/harness";
import { startServer, type Server } from "./server.ts";
import { addGroup, addPerson, startSlapd, type LdapServer } from "./slapd.ts";

/** The file of the GAL document. */
const RULES = `# Registry access control
[access]
read_public = true
write_requires_auth = true
admin_users = ["admin@company.com"]

[access.packages."company/*"]
read_groups = ["employees"]
write_groups = ["developers"]
admin_groups = ["package-maintainers"]
`;

let directory: LdapServer;
let root: string;
let rules: string;
let server: Server;
let env: Record<string, string>;
const tokens: Record<string, string> = {};
const sandboxes: Sandbox[] = [];

async function call(path: string, init: { method?: string; who?: string; json?: unknown } = {}): Promise<Response> {
  return fetch(`${server.url}${path}`, {
    method: init.method ?? "GET",
    headers: {
      ...(init.who === undefined ? {} : { authorization: `Bearer ${tokens[init.who] ?? ""}` }),
      ...(init.json === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(init.json === undefined ? {} : { body: JSON.stringify(init.json) }),
  });
}

async function logIn(who: string): Promise<void> {
  const login = await call("/api/v1/auth/login", { method: "POST", json: { username: who, password: `of ${who}` } });
  tokens[who] = ((await login.json()) as { token: string }).token;
  const scopes = ["read", "publish", "yank", "owner"];
  const made = await call("/api/v1/tokens", { method: "POST", who, json: { name: "cli", scopes } });
  tokens[who] = ((await made.json()) as { token: string }).token;
}

/** A user with the registry and its private packages configured, and the credentials of `who`. */
async function client(who: string): Promise<Sandbox> {
  const sandbox = createSandbox();
  sandboxes.push(sandbox);
  await sandbox.ok(`lading registry add main ${server.url}`);
  await sandbox.ok(`lading login --registry main --token ${tokens[who]}`);
  await sandbox.ok(`lading registry add company ${server.url}/trees/company`);
  if (who !== "bob") await sandbox.ok(`lading login --registry company --token ${tokens[who]}`);
  return sandbox;
}

function manifest(name: string, version: string, dependencies = ""): string {
  return `[package]\nname = "${name}"\nversion = "${version}"\n\n[dependencies]\n${dependencies}`;
}

const yank = (who: string): Promise<Response> =>
  call("/api/v1/packages/company%2Ftool/versions/1.0.0/yank", { method: "POST", who, json: { reason: "broken" } });

beforeAll(async () => {
  directory = await startSlapd();
  const dn: Record<string, string> = {};
  for (const uid of ["ann", "dev", "mo", "bob"]) dn[uid] = await addPerson(directory, { uid, password: `of ${uid}` });
  await addPerson(directory, { uid: "root", password: "of root", mail: "admin@company.com" });
  await addGroup(directory, "employees", [dn["ann"]!]);
  await addGroup(directory, "developers", [dn["dev"]!]);
  await addGroup(directory, "package-maintainers", [dn["mo"]!]);
  root = await mkdtemp(join(tmpdir(), "lading-access-"));
  rules = join(root, "access.toml");
  await writeFile(rules, RULES);
  env = { REGISTRY_AUTH_TYPE: "ldap", REGISTRY_LDAP_URL: directory.url, REGISTRY_ACCESS_FILE: rules };
  server = await startServer({ data: join(root, "data"), env });
  for (const who of ["ann", "dev", "mo", "bob", "root"]) await logIn(who);
});

afterAll(async () => {
  for (const sandbox of sandboxes) await sandbox.dispose();
  await server.stop();
  await directory.stop();
  await rm(root, { recursive: true, force: true });
});

describe("a registry with the access file of the GAL document and an LDAP directory", () => {
  test("[AUT-14] [AUT-16] the write group publishes through the client; others are refused with 403", async () => {
    const project = manifest("company/tool", "1.0.0");
    for (const [who, code] of [
      ["bob", "FORBIDDEN"],
      ["ann", "FORBIDDEN"],
    ] as const) {
      const other = await client(who);
      other.write("lading.toml", project);
      const refused = await other.line("lading publish --registry main");
      expect([refused.code === 0, refused.stderr]).toEqual([false, expect.stringContaining(code)]);
    }
    const sandbox = await client("dev");
    await sandbox.ok("lading keygen --output key.pem");
    const key = sandbox.read("key.pub");
    expect((await call("/api/v1/keys", { method: "POST", who: "dev", json: { public_key: key } })).status).toBe(201);
    sandbox.write("lading.toml", project);
    await sandbox.ok("lading publish --registry company --sign key.pem");
    sandbox.write("lading.toml", manifest("company/tool", "1.1.0"));
    const published = await sandbox.ok("lading publish --registry main --sign key.pem");
    expect(published.stderr).toContain(`among the private packages at ${server.url}/trees/company/`);
  });

  test("[AUT-15] [AUT-18] a reader installs with a token; for others there is no such package", async () => {
    const wanted = manifest("app", "1.0.0", '"company/tool" = { version = "^1.0", registry = "company" }\n');
    const reader = await client("ann");
    reader.write("lading.toml", wanted);
    await reader.ok("lading install");
    expect(reader.read("lading.lock")).toContain('name = "company/tool"\nversion = "1.1.0"');
    const stranger = await client("bob");
    stranger.write("lading.toml", wanted);
    const refused = await stranger.line("lading install");
    expect([refused.code === 0, refused.stderr]).toEqual([
      false,
      expect.stringContaining("no registry at this address, or none that you may see"),
    ]);
    for (const path of ["/api/v1/packages/company%2Ftool", "/trees/company/.well-known/lading.json"]) {
      for (const who of ["bob", undefined]) {
        expect((await call(path, who === undefined ? {} : { who })).status).toBe(404);
      }
      expect((await call(path, { who: "ann" })).status).toBe(200);
    }
  });

  test("[AUT-17] [AUT-12] only the admin group and admin_users yank", async () => {
    expect((await yank("bob")).status).toBe(404);
    expect((await yank("ann")).status).toBe(403);
    expect((await yank("dev")).status).toBe(403);
    expect((await yank("mo")).status).toBe(200);
    expect((await yank("root")).status).toBe(200);
  });

  test("[AUT-13] the file is read again on SIGHUP; a bad one is told with its line and changes nothing", async () => {
    const told = async (text: string): Promise<void> => {
      process.kill(server.pid, "SIGHUP");
      await expect.poll(() => server.lines().join("\n"), { timeout: 60_000 }).toContain(text);
    };
    await writeFile(rules, RULES.replace("write_groups", "write_group"));
    await told('line 9: unknown key \\"write_group\\"');
    expect((await call("/api/v1/packages/company%2Ftool", { who: "ann" })).status).toBe(200);
    await writeFile(rules, RULES.replace('["employees"]', '["employees", "@authenticated"]'));
    process.kill(server.pid, "SIGHUP");
    await expect
      .poll(async () => (await call("/api/v1/packages/company%2Ftool", { who: "bob" })).status, { timeout: 60_000 })
      .toBe(200);
    await server.stop();
    await writeFile(rules, RULES.replace("read_public = true", "read_public = maybe"));
    await expect(startServer({ data: join(root, "data"), env })).rejects.toThrow(/line 3/);
    await writeFile(rules, RULES);
    server = await startServer({ data: join(root, "data"), env });
    expect((await call("/api/v1/packages/company%2Ftool", { who: "bob" })).status).toBe(404);
  });
});
