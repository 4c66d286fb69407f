import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startServer, type Server } from "./server.ts";
import { addGroup, addPerson, startSlapd, type LdapServer } from "./slapd.ts";

let directory: LdapServer;
let data: string;
let server: Server;

const login = async (
  username: string,
  password: string,
): Promise<{ status: number; body: Record<string, unknown> }> => {
  const response = await fetch(`${server.url}/api/v1/auth/login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ username, password }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};

beforeAll(async () => {
  directory = await startSlapd();
  const ann = await addPerson(directory, { uid: "ann", password: "correct horse", mail: "ann@company.test" });
  await addPerson(directory, { uid: "bob", password: "can we fix it" });
  await addGroup(directory, "package-maintainers", [ann]);
  data = await mkdtemp(join(tmpdir(), "lading-ldap-"));
  server = await startServer({
    data,
    env: {
      REGISTRY_AUTH_TYPE: "LDAP",
      REGISTRY_LDAP_URL: directory.url,
      REGISTRY_LDAP_ADMIN_GROUPS: "package-maintainers",
    },
  });
});

afterAll(async () => {
  await server.stop();
  await directory.stop();
  await rm(data, { recursive: true, force: true });
});

describe("a registry with REGISTRY_AUTH_TYPE=ldap", () => {
  test("[AUT-07] lets people of the directory log in, with an account from the first time on", async () => {
    const first = await login("ann", "correct horse");
    expect(first).toMatchObject({
      status: 200,
      body: { user: { username: "ann", email: "ann@company.test", admin: true } },
    });
    expect(await login("bob", "can we fix it")).toMatchObject({ status: 200, body: { user: { admin: false } } });
    expect(await login("ann", "wrong")).toMatchObject({ status: 401, body: { code: "CREDENTIALS_INVALID" } });
    expect(await login("ann", "")).toMatchObject({ status: 401, body: { code: "CREDENTIALS_INVALID" } });
  });

  test("lets nobody of another entry have the account of a name that was given away", async () => {
    const dn = await addPerson(directory, { uid: "eve", password: "the first eve" });
    expect((await login("eve", "the first eve")).status).toBe(200);
    await directory.remove(dn);
    expect((await login("eve", "the first eve")).status).toBe(401);
    await addPerson(directory, { uid: "eve", password: "the second eve" });
    expect(await login("eve", "the second eve")).toMatchObject({ status: 409, body: { code: "USER_EXISTS" } });
  });

  test("keeps the accounts that have a password here while the directory is away", async () => {
    await directory.kill();
    expect(await login("ann", "correct horse")).toMatchObject({ status: 503, body: { code: "DIRECTORY_UNAVAILABLE" } });
    expect(await login("admin", "wrong")).toMatchObject({ status: 401, body: { code: "CREDENTIALS_INVALID" } });
  });
});
