import { TOTP } from "otpauth";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FakeClock } from "../src/testing.ts";
import { buildPackage, startServer, type TestServer } from "./harness.ts";

type Json = Record<string, unknown>;
interface Answer {
  readonly status: number;
  readonly body: Json;
}

const clock = new FakeClock(Date.now());
let server: TestServer;
beforeAll(async () => {
  server = await startServer({ clock, jwtSecret: "a secret that is long enough for a test" });
});
afterAll(async () => server.close());

async function send(method: string, path: string, options: { auth?: string; json?: unknown } = {}): Promise<Answer> {
  const response = await server.call(`/api/v1/${path}`, { method, auth: "", ...options });
  const text = await response.text();
  return { status: response.status, body: text === "" ? {} : (JSON.parse(text) as Json) };
}
const passwordOf = (username: string): string => `password of ${username}`;
const login = (username: string, password = passwordOf(username), otp?: string): Promise<Answer> =>
  send("POST", "auth/login", { json: { username, password, ...(otp === undefined ? {} : { otp }) } });
const whoami = async (auth: string): Promise<number> => (await send("GET", "auth/whoami", { auth })).status;

/** A new account with so many sessions, and a token of it. */
async function person(username: string, count = 1): Promise<{ token: string; sessions: string[] }> {
  const token = await server.account(username);
  const sessions: string[] = [];
  for (let at = 0; at < count; at += 1) {
    clock.advance(1000);
    sessions.push((await login(username)).body["token"] as string);
  }
  return { token, sessions };
}

async function withSecondFactor(session: string): Promise<{ code: () => string; recovery: string[] }> {
  const { body } = await send("POST", "account/second-factor", { auth: session });
  const code = (): string => {
    clock.advance(30_000);
    return new TOTP({ secret: body["secret"] as string }).generate({ timestamp: clock.now() });
  };
  const confirmed = await send("POST", "account/second-factor/confirm", { auth: session, json: { code: code() } });
  return { code, recovery: confirmed.body["recovery_codes"] as string[] };
}

const last = async (action: string): Promise<Json | undefined> =>
  (await server.node.metadata.audits({ action, page: 1, perPage: 1 })).items[0] as Json | undefined;

describe("sessions of one's own", () => {
  it("are listed newest first, ended one at a time or all others, and no session of somebody else", async () => {
    const { token, sessions } = await person("ada", 3);
    const mine = sessions[2]!;
    const { body } = await send("GET", "account/sessions", { auth: mine });
    const items = body["items"] as { id: string; created: string; current: boolean }[];
    // One more: the harness logged in for the token.
    expect(items.map(({ current }) => current)).toEqual([true, false, false, false]);
    expect(items.map(({ created }) => created)).toEqual(
      items
        .map(({ created }) => created)
        .toSorted()
        .toReversed(),
    );
    expect((await send("GET", "account/sessions", { auth: token })).body["items"]).toMatchObject(
      items.map(({ id }) => ({ id, current: false })),
    );
    const other = (await person("bob")).sessions[0]!;
    expect(await send("DELETE", `account/sessions/${items[1]!.id}`, { auth: other })).toMatchObject({
      status: 404,
      body: { code: "NOT_FOUND" },
    });
    expect(await send("DELETE", `account/sessions/${items[1]!.id}`, { auth: token })).toMatchObject({ status: 403 });
    expect([await whoami(sessions[1]!), await whoami(sessions[0]!)]).toEqual([200, 200]);
    expect((await send("DELETE", `account/sessions/${items[1]!.id}`, { auth: mine })).status).toBe(204);
    expect([await whoami(sessions[1]!), await whoami(sessions[0]!)]).toEqual([401, 200]);
    expect((await send("DELETE", `account/sessions/${items[1]!.id}`, { auth: mine })).status).toBe(404);
    expect(await send("DELETE", "account/sessions", { auth: mine })).toEqual({ status: 200, body: { ended: 2 } });
    expect([await whoami(sessions[0]!), await whoami(mine), await whoami(token), await whoami(other)]).toEqual([
      401, 200, 200, 200,
    ]);
    expect(await last("session.end")).toMatchObject({ actor: "ada", details: { others: true } });
  });
});

describe("POST /api/v1/account/password", () => {
  const change = (auth: string, json: Json): Promise<Answer> => send("POST", "account/password", { auth, json });

  it("takes the present password, ends other sessions and leaves tokens", async () => {
    const { token, sessions } = await person("cleo", 2);
    const [old, mine] = sessions as [string, string];
    const wrong = { current: "something else", password: "a new password" };
    expect(await change(mine, wrong)).toMatchObject({ status: 401, body: { code: "CREDENTIALS_INVALID" } });
    expect(await change(token, { ...wrong, current: passwordOf("cleo") })).toMatchObject({ status: 403 });
    expect(await change(mine, { current: passwordOf("cleo"), password: "short" })).toMatchObject({ status: 400 });
    expect(await whoami(old)).toBe(200);
    expect(await change(mine, { current: passwordOf("cleo"), password: "a new password" })).toEqual({
      status: 200,
      body: { ended: 2 },
    });
    expect([await whoami(old), await whoami(mine), await whoami(token)]).toEqual([401, 200, 200]);
    expect((await login("cleo")).status).toBe(401);
    expect((await login("cleo", "a new password")).status).toBe(200);
    const record = await last("account.password");
    expect([record?.["actor"], JSON.stringify(record)]).toEqual(["cleo", expect.not.stringContaining("password of")]);
  });

  it("takes a code as well where the account has a second factor", async () => {
    const { sessions } = await person("dora");
    const { code } = await withSecondFactor(sessions[0]!);
    const json = { current: passwordOf("dora"), password: "a new password" };
    expect(await change(sessions[0]!, json)).toMatchObject({ status: 401, body: { code: "SECOND_FACTOR_REQUIRED" } });
    expect(await change(sessions[0]!, { ...json, otp: "000000" })).toMatchObject({ status: 401 });
    expect((await change(sessions[0]!, { ...json, otp: code() })).status).toBe(200);
  });

  it("is refused for an account that no password opens, and for one that is kept elsewhere", async () => {
    const { metadata } = server.node;
    const person = { origin: "ldap", subject: "u1", username: "lena", groups: [], admin: false };
    await metadata.identities.externalAccount(person, "lena-id", { at: 1, actor: "x", action: "x", details: {} });
    const reset = await send("POST", "users/lena/password-reset", { auth: server.token });
    expect(reset).toMatchObject({ status: 403, body: { code: "FORBIDDEN", detail: expect.stringContaining("ldap") } });
  });
});

describe("POST /api/v1/account/second-factor/recovery-codes", () => {
  it("makes codes in the place of all old ones, for a code of the factor", async () => {
    const { sessions } = await person("eve");
    const auth = sessions[0]!;
    const renew = (code: string): Promise<Answer> =>
      send("POST", "account/second-factor/recovery-codes", { auth, json: { code } });
    expect(await renew("123456")).toMatchObject({ status: 404, body: { code: "NOT_FOUND" } });
    const { code, recovery } = await withSecondFactor(auth);
    expect(await renew("000000")).toMatchObject({ status: 401, body: { code: "SECOND_FACTOR_INVALID" } });
    const renewed = await renew(code());
    const codes = renewed.body["recovery_codes"] as string[];
    expect([renewed.status, codes.length, codes.some((one) => recovery.includes(one))]).toEqual([200, 10, false]);
    expect((await login("eve", undefined, recovery[0])).status).toBe(401);
    expect((await login("eve", undefined, codes[0])).status).toBe(200);
    expect((await send("GET", "account/second-factor", { auth })).body).toEqual({ enabled: true, recovery_codes: 9 });
  });
});

describe("POST /api/v1/account/delete", () => {
  const remove = (auth: string, json: Json): Promise<Answer> => send("POST", "account/delete", { auth, json });

  it("is refused while the account alone owns a package or an organisation, and says which", async () => {
    const { token, sessions } = await person("fay");
    await server.publish(await buildPackage({ name: "fay-tool", version: "1.0.0" }), { auth: token });
    await send("POST", "organisations", { auth: token, json: { name: "fay-works" } });
    const json = { username: "fay", password: passwordOf("fay") };
    expect(await remove(sessions[0]!, { ...json, username: "ada" })).toMatchObject({ status: 400 });
    expect(await remove(sessions[0]!, { ...json, password: "wrong" })).toMatchObject({ status: 401 });
    expect(await remove(sessions[0]!, { username: "fay" })).toMatchObject({ status: 401 });
    expect(await remove(token, json)).toMatchObject({ status: 403 });
    const refused = await remove(sessions[0]!, json);
    expect(refused).toMatchObject({ status: 409, body: { code: "ACCOUNT_IN_USE" } });
    expect(refused.body["detail"]).toContain(
      'only owner of "fay-tool"; it is the last owner of organisation "fay-works"',
    );
    expect([await whoami(token), await whoami(sessions[0]!)]).toEqual([200, 200]);
    await person("gil");
    await send("PUT", "packages/fay-tool/owners/gil", { auth: token });
    await send("DELETE", "organisations/fay-works", { auth: token });
    expect((await remove(sessions[0]!, json)).status).toBe(204);
    expect((await send("GET", "packages/fay-tool/owners")).body["items"]).toEqual([{ username: "gil" }]);
  });

  it("ends all that opens it, keeps what it published, and gives its name to nobody", async () => {
    const { token, sessions } = await person("hal", 2);
    await server.publish(await buildPackage({ name: "hal-tool", version: "1.0.0" }), { auth: token });
    await send("PUT", "packages/hal-tool/owners/admin", { auth: token });
    const published = async (): Promise<unknown[]> => {
      const { body } = await send("GET", "packages/hal-tool/versions/1.0.0");
      return [body["publisher"] ?? (body["trust"] as Json | undefined)?.["publisher"], body["artifacts"]];
    };
    const before = await published();
    const json = { username: "hal", password: passwordOf("hal") };
    expect((await remove(sessions[1]!, json)).status).toBe(204);
    expect([await whoami(token), await whoami(sessions[0]!), await whoami(sessions[1]!)]).toEqual([401, 401, 401]);
    expect((await login("hal")).status).toBe(401);
    for (const username of ["hal", "HAL".toLowerCase()])
      expect(await send("POST", "auth/register", { json: { username, password: "another password" } })).toMatchObject({
        status: 409,
        body: { code: "USER_EXISTS" },
      });
    expect([before.length, await published()]).toEqual([2, before]);
    expect((await send("GET", "packages/hal-tool/owners")).body["items"]).toEqual([{ username: "admin" }]);
    const missing = { status: 404, body: { code: "USER_NOT_FOUND" } };
    const admin = server.token;
    expect(await send("PUT", "packages/hal-tool/owners/hal", { auth: admin })).toMatchObject(missing);
    expect(
      await send("POST", "transfers", { auth: admin, json: { package: "hal-tool", username: "hal" } }),
    ).toMatchObject(missing);
    expect(await send("POST", "users/hal/password-reset", { auth: admin })).toMatchObject(missing);
    expect(await last("account.delete")).toMatchObject({ actor: "hal", details: { username: "hal" } });
  });

  it("is refused to the last administrator", async () => {
    const session = (await login("admin", server.password)).body["token"] as string;
    const refused = await remove(session, { username: "admin", password: server.password });
    expect(refused).toMatchObject({ status: 409, body: { code: "ACCOUNT_IN_USE" } });
    expect(refused.body["detail"]).toContain("last administrator");
  });
});

describe("what admins reset", () => {
  it("a password: shown once, sessions end, tokens stay", async () => {
    const { token, sessions } = await person("ida", 1);
    const reset = await send("POST", "users/ida/password-reset", { auth: server.token });
    expect(reset).toMatchObject({ status: 200, body: { username: "ida", ended: 2 } });
    const password = reset.body["password"] as string;
    expect([await whoami(sessions[0]!), await whoami(token)]).toEqual([401, 200]);
    expect((await login("ida")).status).toBe(401);
    expect((await login("ida", password)).status).toBe(200);
    const record = await last("account.password-reset");
    expect(record).toMatchObject({ actor: "admin", details: { username: "ida" } });
    expect(JSON.stringify(record)).not.toContain(password);
  });

  it("a second factor", async () => {
    const { sessions } = await person("jan");
    await withSecondFactor(sessions[0]!);
    expect((await login("jan")).body["code"]).toBe("SECOND_FACTOR_REQUIRED");
    expect((await send("POST", "users/jan/second-factor-reset", { auth: server.token })).status).toBe(204);
    expect((await login("jan")).status).toBe(200);
    expect((await send("POST", "users/jan/second-factor-reset", { auth: server.token })).status).toBe(404);
  });

  it("nothing for a token that is limited to packages, and nothing for others than admins", async () => {
    const limited = await send("POST", "tokens", {
      auth: server.token,
      json: { name: "x", scopes: ["admin"], packages: ["a-*"] },
    });
    const { sessions } = await person("kim");
    for (const auth of [limited.body["token"] as string, sessions[0]!])
      for (const path of ["users/ada/password-reset", "users/ada/second-factor-reset", "users/nobody/password-reset"])
        expect(await send("POST", path, { auth })).toMatchObject({ status: 403, body: { code: "FORBIDDEN" } });
    const anonymous = { status: 404, body: { code: "USER_NOT_FOUND" } };
    expect(await send("POST", "users/nobody/password-reset", { auth: server.token })).toMatchObject(anonymous);
  });
});
