import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { apiJson, createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";

let registry: RegistryProcess;
const sandboxes: Sandbox[] = [];
const passwordOf = (username: string): string => `the password of ${username}`;

/** A machine that knows the registry, and nobody there. */
async function machine(): Promise<Sandbox> {
  const sandbox = createSandbox();
  sandboxes.push(sandbox);
  await sandbox.ok(`lading registry add local ${registry.url}`);
  return sandbox;
}

/** Somebody with an account, logged in on a machine of their own. */
async function person(username: string): Promise<Sandbox> {
  const body = JSON.stringify({ username, password: passwordOf(username) });
  await apiJson(registry, "/api/v1/auth/register", { method: "POST", body });
  return logIn(await machine(), username);
}

async function logIn(sandbox: Sandbox, username: string, password = passwordOf(username)): Promise<Sandbox> {
  await sandbox.ok(`lading login --username ${username} --password-stdin`, { input: password });
  return sandbox;
}

async function publish(who: Sandbox, name: string): Promise<void> {
  await who.ok(`lading keygen --output ${name}.pem`);
  who.write(`${name}/lading.toml`, `[package]\nname = "${name}"\nversion = "1.0.0"\n`);
  await who.ok(`lading -C ${name} publish --sign ../${name}.pem`);
}

async function refused(who: Sandbox, line: string, code: string, input?: string): Promise<string> {
  const { code: exit, stderr } = await who.line(`${line} --json`, input === undefined ? {} : { input });
  expect([line, exit !== 0, stderr.includes(code) ? code : stderr]).toEqual([line, true, code]);
  return stderr;
}

beforeAll(async () => {
  registry = await startRegistry({ env: { REGISTRY_REGISTRATION: "open", REGISTRY_LOGIN_RATE_LIMIT: "0" } });
});
afterAll(async () => {
  for (const sandbox of sandboxes) await sandbox.dispose();
  await registry.dispose();
});

describe("tokens by the command line", () => {
  test("[AUT-01] are created, listed and revoked, and then open nothing", async () => {
    const ada = await person("ada");
    const token = (
      await ada.ok("lading token create build --scope read,publish --package 'ada-*' --days 3")
    ).stdout.trim();
    expect(token).toMatch(/^ldg_[0-9A-Za-z]{36}$/);
    const build = await machine();
    await build.ok("lading login --token-stdin", { input: `${token}\n` });
    expect((await build.ok("lading whoami")).stdout).toContain("ada");
    const [listed] = (await ada.json("lading token list --json")) as { id: string; name: string; packages: string[] }[];
    expect(listed).toMatchObject({ name: "build", packages: ["ada-*"], cidr: [], scopes: ["read", "publish"] });
    await ada.ok(`lading token revoke ${listed!.id}`);
    await refused(build, "lading whoami", "TOKEN_INVALID");
    expect(await ada.json("lading token list --json")).toEqual([]);
    await refused(ada, "lading token create x --cidr 10.1.2.3/8", "10.0.0.0/8");
    await refused(ada, "lading token create x --scope everything", "REQUEST_INVALID");
  });

  test("[AUT-04] open from their networks alone", async () => {
    const ann = await person("ann");
    const here = (await ann.ok("lading token create here --scope read --cidr 127.0.0.0/8,::1")).stdout.trim();
    const away = (await ann.ok("lading token create away --scope read --cidr 192.0.2.0/24")).stdout.trim();
    const status = async (token: string): Promise<number> => {
      const headers = { authorization: `Bearer ${token}`, "x-forwarded-for": "192.0.2.1" };
      return (await fetch(`${registry.url}/api/v1/auth/whoami`, { headers })).status;
    };
    expect([await status(here), await status(away)]).toEqual([200, 401]);
    expect((await ann.ok("lading token list")).stdout).toContain("192.0.2.0/24");
  });
});

describe("one's own account by the command line", () => {
  test("[AUT-08] shows logins and ends them; a changed password ends the others", async () => {
    const bo = await person("bo");
    const [phone, tablet] = [await logIn(await machine(), "bo"), await logIn(await machine(), "bo")];
    const sessions = (await bo.json("lading account session list --json")) as { id: string; current: boolean }[];
    expect(sessions.map(({ current }) => current)).toEqual([false, false, true]);
    await tablet.ok(`lading account session end ${sessions[1]!.id}`);
    await refused(phone, "lading whoami", "TOKEN_INVALID");
    await refused(bo, "lading account session end", "CLI_ARGUMENT_UNEXPECTED");
    const wrong = "not the password\nthe new password\n";
    await refused(bo, "lading account password --password-stdin", "CREDENTIALS_INVALID", wrong);
    await refused(bo, "lading account password --password-stdin", "second line", "only one line\n");
    const changed = await bo.ok("lading account password --password-stdin", {
      input: `${passwordOf("bo")}\nthe new password\n`,
    });
    expect(changed.stdout).toContain("1 other session ended");
    await refused(tablet, "lading whoami", "TOKEN_INVALID");
    expect((await bo.ok("lading whoami")).stdout).toContain("bo");
    await refused(phone, "lading login --username bo --password-stdin", "CREDENTIALS_INVALID", passwordOf("bo"));
    await logIn(phone, "bo", "the new password");
    expect((await bo.ok("lading account session end --others")).stdout).toContain("Ended 1 session");
  });

  test("[AUT-08] is deleted once its packages have other owners, and its name is nobody's again", async () => {
    const [cy, di] = [await person("cy"), await person("di")];
    await publish(cy, "cy-tool");
    const password = passwordOf("cy");
    const needed = await refused(cy, "lading account delete cy --password-stdin", "ACCOUNT_IN_USE", password);
    expect(needed).toContain("cy-tool");
    await refused(cy, "lading account delete di --password-stdin", "REQUEST_INVALID", password);
    const offer = (await cy.json("lading owner transfer offer cy-tool di --json")) as { id: string };
    await refused(cy, `lading owner transfer accept ${offer.id}`, "TRANSFER_CLOSED");
    expect((await di.ok("lading owner transfer list")).stdout).toContain("cy-tool");
    await di.ok(`lading owner transfer accept ${offer.id}`);
    expect((await di.ok("lading owner list cy-tool")).stdout.trim()).toBe("di");
    await cy.ok("lading account delete cy --password-stdin", { input: password });
    await refused(cy, "lading login --username cy --password-stdin", "CREDENTIALS_INVALID", password);
    const again = await apiJson(registry, "/api/v1/auth/register", {
      method: "POST",
      body: JSON.stringify({ username: "cy", password }),
    }).catch((error: unknown) => ({ code: String(error) }));
    expect(JSON.stringify(again)).toContain("USER_EXISTS");
    expect((await di.ok("lading info cy-tool")).stdout).toContain("1.0.0");
  });

  test("[AUT-12] is opened again by an admin where password or second factor is lost", async () => {
    const eve = await person("eve");
    const admin = createSandbox({ env: { LADING_TOKEN: registry.token } });
    sandboxes.push(admin);
    await admin.ok(`lading registry add local ${registry.url}`);
    await refused(eve, "lading account reset-password eve", "FORBIDDEN");
    const password = (await admin.ok("lading account reset-password eve")).stdout.trim();
    await refused(eve, "lading whoami", "TOKEN_INVALID");
    await logIn(eve, "eve", password);
    await refused(admin, "lading account reset-otp eve", "NOT_FOUND");
    await refused(admin, "lading account reset-password nobody", "USER_NOT_FOUND");
  });
});

describe("names of packages by the command line", () => {
  test("[AUT-17] are offered to organisations, withdrawn, and claimed only where nothing changed for a year", async () => {
    const [fay, gil] = [await person("fay"), await person("gil")];
    await publish(fay, "fay-tool");
    await gil.ok("lading org create gil-works");
    await gil.ok("lading team set gil-works/core --role maintain");
    const first = (await fay.json("lading owner transfer offer fay-tool organisation:gil-works --json")) as {
      id: string;
    };
    await refused(fay, "lading owner transfer offer fay-tool gil", "TRANSFER_EXISTS");
    await fay.ok(`lading owner transfer withdraw ${first.id}`);
    await refused(gil, `lading owner transfer accept ${first.id} --team core`, "TRANSFER_CLOSED");
    const offer = (await fay.json("lading owner transfer offer fay-tool organisation:gil-works --json")) as {
      id: string;
    };
    await refused(gil, `lading owner transfer accept ${offer.id}`, "REQUEST_INVALID");
    await gil.ok(`lading owner transfer accept ${offer.id} --team core`);
    expect((await gil.ok("lading owner list fay-tool")).stdout.trim()).toBe("team:gil-works/core");
    await refused(fay, "lading package claim create fay-tool", "CLI_FLAG_INVALID");
    const reason = "--reason 'Nobody looks after it, and I maintain the fork'";
    await refused(fay, `lading package claim create fay-tool ${reason}`, "CLAIM_REFUSED");
    expect((await fay.ok("lading package claim list")).stdout).toContain("No claim concerns you");
    const separate = await refused(gil, "lading team set gil-works core", "CLI_ARGUMENT_UNEXPECTED");
    expect(separate).toContain("gil-works/core");
  });
});
