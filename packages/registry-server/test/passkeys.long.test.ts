import { generateKeyPairSync } from "node:crypto";
import { TOTP } from "otpauth";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Passkeys, type CredentialAnswer, type NewCredential } from "../src/lib/identity/passkeys.ts";
import { FakeClock, MemoryMetadataStore, fakeAudit } from "../src/testing.ts";
import { SoftwareAuthenticator, type Deviation } from "./authenticator.ts";
import { startServer, type TestServer } from "./harness.ts";

type Json = Record<string, unknown>;
interface Answer {
  readonly status: number;
  readonly body: Json;
}

const ORIGIN = "https://registry.test:8443";
const clock = new FakeClock(Date.now());
const secret = "a secret that is long enough for a test";
let server: TestServer;
beforeAll(async () => {
  server = await startServer({ clock, jwtSecret: secret, publicUrl: ORIGIN });
});
afterAll(async () => server.close());

async function send(method: string, path: string, options: { auth?: string; json?: unknown } = {}): Promise<Answer> {
  const response = await server.call(`/api/v1/${path}`, { method, auth: "", ...options });
  const text = await response.text();
  return { status: response.status, body: text === "" ? {} : (JSON.parse(text) as Json) };
}

const refused = (problem: string): object => ({
  status: 401,
  body: { code: "PASSKEY_REFUSED", detail: expect.stringContaining(problem) },
});
const password = (username: string, extra: Json = {}): Promise<Answer> =>
  send("POST", "auth/login", { json: { username, password: `password of ${username}`, ...extra } });

/** By session, of those whose they are. */
const passwords = new Map<string, string>();

/** A code of a second factor that the account has from now on. */
async function withCodes(session: string): Promise<() => string> {
  const enrolled = await send("POST", "account/second-factor", { auth: session });
  const code = (): string => {
    clock.advance(30_000);
    return new TOTP({ secret: enrolled.body["secret"] as string }).generate({ timestamp: clock.now() });
  };
  await send("POST", "account/second-factor/confirm", { auth: session, json: { code: code() } });
  return code;
}

/** Takes the account's password away, as those have none whom a directory knows; the session stays. */
async function withoutPassword(username: string, session: string): Promise<void> {
  const { metadata } = server.node;
  const { id } = (await metadata.accountByName(username))!;
  const { body } = await send("GET", "account/sessions", { auth: session });
  const keep = (body["items"] as { id: string; current: boolean }[]).find(({ current }) => current)!.id;
  await metadata.accounts.changePassword(id, { passwordHash: "", keep }, fakeAudit());
}

/** A new account: a session and a token of it. */
async function person(username: string): Promise<{ session: string; token: string }> {
  const token = await server.account(username);
  const session = (await password(username)).body["token"] as string;
  passwords.set(session, `password of ${username}`);
  return { token, session };
}
const askNew = (session: string, json: Json): Promise<Answer> =>
  send("POST", "account/passkeys/options", { auth: session, json });
const newOptions = async (session: string): Promise<Json> =>
  (await askNew(session, { password: passwords.get(session)! })).body;
const add = (session: string, credential: Json, name = "laptop"): Promise<Answer> =>
  send("POST", "account/passkeys", { auth: session, json: { name, credential } });
const loginOptions = async (): Promise<Json> => (await send("POST", "auth/passkey/options")).body;
const login = (credential: Json): Promise<Answer> => send("POST", "auth/passkey", { json: { credential } });

/** An account with a passkey. */
async function withPasskey(username: string, options: ConstructorParameters<typeof SoftwareAuthenticator>[1] = {}) {
  const people = await person(username);
  const authenticator = new SoftwareAuthenticator(ORIGIN, options);
  const added = await add(people.session, authenticator.create(await newOptions(people.session)));
  if (added.status !== 201) throw new Error(`no passkey of "${username}": ${JSON.stringify(added)}`);
  return { ...people, authenticator };
}

describe("passkeys", () => {
  it.each([
    ["ada", { kind: "ES256", counts: true }],
    ["bob", { kind: "EdDSA", counts: true }],
    ["cleo", { kind: "ES256", counts: false }],
  ] as const)("of %s (%j) are made, listed, opened with more than once, and removed", async (username, kind) => {
    const { session, token, authenticator } = await withPasskey(username, kind);
    for (let time = 0; time < 2; time += 1) {
      const opened = await login(authenticator.get(await loginOptions()));
      expect(opened).toMatchObject({ status: 200, body: { token_type: "Bearer", user: { username } } });
      const who = await send("GET", "auth/whoami", { auth: opened.body["token"] as string });
      expect(who.body).toMatchObject({ username, method: "session" });
    }
    const listed = await send("GET", "account/passkeys", { auth: token });
    expect(listed.body["items"]).toMatchObject([
      { id: authenticator.id, name: "laptop", last_used: expect.any(String) },
    ]);
    expect(JSON.stringify(listed.body)).not.toContain("publicKey");
    const one = `account/passkeys/${authenticator.id}`;
    expect((await send("DELETE", one, { auth: token })).status).toBe(403);
    expect((await send("DELETE", one, { auth: session })).status).toBe(204);
    expect((await send("DELETE", one, { auth: session })).status).toBe(404);
    expect(await login(authenticator.get(await loginOptions()))).toMatchObject(refused("none of this account"));
  });

  it("ask for a resident key with the person's verification, and say of nobody whether they have one", async () => {
    const { session } = await withPasskey("dora");
    expect(await newOptions(session)).toMatchObject({
      rp: { id: "registry.test" },
      user: { name: "dora" },
      attestation: "none",
      excludeCredentials: [{ type: "public-key" }],
      authenticatorSelection: { residentKey: "required", userVerification: "required" },
    });
    const options = await loginOptions();
    expect(options).toMatchObject({ rpId: "registry.test", userVerification: "required" });
    expect(options["allowCredentials"] ?? []).toEqual([]);
    expect((await loginOptions())["challenge"]).not.toBe(options["challenge"]);
  });

  it("stand in for the code of a second factor, beside the password", async () => {
    const { session, authenticator } = await withPasskey("eve");
    const other = await withPasskey("evan");
    const enrolled = await send("POST", "account/second-factor", { auth: session });
    const code = new TOTP({ secret: enrolled.body["secret"] as string }).generate({ timestamp: clock.now() });
    await send("POST", "account/second-factor/confirm", { auth: session, json: { code } });
    expect((await password("eve")).body["code"]).toBe("SECOND_FACTOR_REQUIRED");
    const passkey = authenticator.get(await loginOptions());
    const wrong = { username: "eve", password: "wrong", passkey };
    expect((await send("POST", "auth/login", { json: wrong })).body["code"]).toBe("CREDENTIALS_INVALID");
    expect(await password("eve", { passkey })).toMatchObject({ status: 200, body: { user: { username: "eve" } } });
    expect(await password("eve", { passkey })).toMatchObject(refused("answered before"));
    const foreign = other.authenticator.get(await loginOptions());
    expect(await password("eve", { passkey: foreign })).toMatchObject(refused("none of this account"));
  });

  it("are registered once, and twenty at most", async () => {
    const first = await withPasskey("fay");
    const second = await person("finn");
    const stolen = first.authenticator.create(await newOptions(second.session));
    expect(await add(second.session, stolen)).toMatchObject({ status: 409, body: { code: "PASSKEY_EXISTS" } });
    for (let count = 0; count < 20; count += 1) {
      const next = new SoftwareAuthenticator(ORIGIN);
      const { status } = await add(second.session, next.create(await newOptions(second.session)));
      expect(status).toBe(201);
    }
    const more = new SoftwareAuthenticator(ORIGIN).create(await newOptions(second.session));
    expect(await add(second.session, more)).toMatchObject(refused("20"));
  });

  it("go with the account, and with an admin's reset of the second factor", async () => {
    const gone = await withPasskey("gil");
    await send("POST", "account/delete", {
      auth: gone.session,
      json: { username: "gil", password: "password of gil" },
    });
    expect(await login(gone.authenticator.get(await loginOptions()))).toMatchObject(refused("none of this account"));
    const lost = await withPasskey("hal");
    expect((await send("POST", "users/hal/second-factor-reset", { auth: server.token })).status).toBe(204);
    expect((await send("GET", "account/passkeys", { auth: lost.session })).body["items"]).toEqual([]);
  });
});

describe("whoever found a session open", () => {
  it("adds no passkey without the password, and the second factor where there is one", async () => {
    const { session, authenticator } = await withPasskey("lea");
    const wrong = { status: 401, body: { code: "CREDENTIALS_INVALID" } };
    expect(await askNew(session, {})).toMatchObject(wrong);
    expect(await askNew(session, { password: "wrong" })).toMatchObject(wrong);
    expect((await askNew(session, { password: "password of lea" })).status).toBe(200);
    const code = await withCodes(session);
    const given = { password: "password of lea" };
    expect((await askNew(session, given)).body["code"]).toBe("SECOND_FACTOR_REQUIRED");
    expect((await askNew(session, { ...given, otp: "000000" })).body["code"]).toBe("SECOND_FACTOR_INVALID");
    expect((await askNew(session, { ...given, otp: code() })).status).toBe(200);
    const passkey = authenticator.get(await loginOptions());
    expect(await askNew(session, { password: "wrong", passkey })).toMatchObject(wrong);
    expect((await askNew(session, { ...given, passkey })).status).toBe(200);
  });

  it("adds none to an account without a password either, once that has a passkey or a second factor", async () => {
    const { session } = await person("max");
    await withoutPassword("max", session);
    const authenticator = new SoftwareAuthenticator(ORIGIN);
    expect((await add(session, authenticator.create((await askNew(session, {})).body))).status).toBe(201);
    expect(await askNew(session, {})).toMatchObject({ status: 401, body: { code: "SECOND_FACTOR_REQUIRED" } });
    const foreign = (await withPasskey("mia")).authenticator.get(await loginOptions());
    expect(await askNew(session, { passkey: foreign })).toMatchObject(refused("none of this account"));
    expect((await askNew(session, { passkey: authenticator.get(await loginOptions()) })).status).toBe(200);
    const code = await withCodes(session);
    expect((await askNew(session, {})).body["code"]).toBe("SECOND_FACTOR_REQUIRED");
    expect((await askNew(session, { otp: code() })).status).toBe(200);
  });

  it("deletes no account without a password that has a second factor", async () => {
    const { session } = await person("nele");
    await withoutPassword("nele", session);
    const code = await withCodes(session);
    const remove = (json: Json): Promise<Answer> =>
      send("POST", "account/delete", { auth: session, json: { username: "nele", ...json } });
    expect(await remove({})).toMatchObject({ status: 401, body: { code: "SECOND_FACTOR_REQUIRED" } });
    expect((await remove({ otp: code() })).status).toBe(204);
  });

  it("keeps no passkey over an admin's reset of the password", async () => {
    const { authenticator } = await withPasskey("olga");
    expect((await login(authenticator.get(await loginOptions()))).status).toBe(200);
    expect((await send("POST", "users/olga/password-reset", { auth: server.token })).status).toBe(200);
    expect(await login(authenticator.get(await loginOptions()))).toMatchObject(refused("none of this account"));
    const { items } = await server.node.metadata.audits({ action: "passkey.remove", page: 1, perPage: 1 });
    expect(items[0]).toMatchObject({ actor: "admin", details: { username: "olga", passkey: authenticator.id } });
  });
});

describe("Passkeys of people whom a directory or a provider knows", () => {
  const site = { origin: ORIGIN, rpId: "registry.test" };
  async function known(origin: string) {
    const metadata = new MemoryMetadataStore();
    const passkeys = new Passkeys({ metadata, clock, secret: new Uint8Array(32), name: "test" });
    const someone = { origin, subject: "u1", username: "lena", groups: [], admin: false };
    const account = await metadata.identities.externalAccount(someone, "lena-id", fakeAudit());
    if (account === "name-taken") throw new Error("the name is free");
    return { metadata, passkeys, account, authenticator: new SoftwareAuthenticator(ORIGIN) };
  }

  it("open nothing alone, and stand in for a code beside the directory's password", async () => {
    const { passkeys, account, authenticator } = await known("ldap");
    const options = { ...(await passkeys.registrationOptions(account, site)) };
    const credential = authenticator.create(options) as unknown as NewCredential;
    await passkeys.register(account, { name: "laptop", credential }, { site, audit: fakeAudit() });
    const answer = async (): Promise<CredentialAnswer> =>
      authenticator.get({ ...(await passkeys.loginOptions(site)) }) as unknown as CredentialAnswer;
    const alone = { code: "PASSKEY_REFUSED", message: expect.stringContaining('"lena" logs in with "ldap"') };
    await expect(passkeys.authenticate(await answer(), { site })).rejects.toMatchObject(alone);
    expect((await passkeys.authenticate(await answer(), { site, account })).id).toBe("lena-id");
  });

  it("of a provider, whose logins ask for nothing else, are not made; those that are there open nothing", async () => {
    const { metadata, passkeys, account, authenticator } = await known("oidc:https://id.test");
    const refusal = { code: "PASSKEY_REFUSED", message: expect.stringContaining("oidc:https://id.test") };
    await expect(passkeys.registrationOptions(account, site)).rejects.toMatchObject(refusal);
    // As before there was an origin.
    const { origin: _, ...own } = account;
    const credential = authenticator.create({
      ...(await passkeys.registrationOptions(own, site)),
    }) as unknown as NewCredential;
    const given = { name: "laptop", credential };
    await expect(passkeys.register(account, given, { site, audit: fakeAudit() })).rejects.toMatchObject(refusal);
    await passkeys.register(own, given, { site, audit: fakeAudit() });
    expect((await metadata.identities.passkeysOf(account.id)).length).toBe(1);
    const answer = authenticator.get({ ...(await passkeys.loginOptions(site)) }) as unknown as CredentialAnswer;
    await expect(passkeys.authenticate(answer, { site })).rejects.toMatchObject(refusal);
  });
});

describe("a passkey's registration is refused", () => {
  const cases: readonly (readonly [string, Deviation, string])[] = [
    ["for another origin", { origin: "https://registry.test" }, "origin"],
    ["for a look-alike", { origin: "https://registry.test.evil.example:8443" }, "origin"],
    ["for another site's key", { rpId: "evil.example" }, "RP ID"],
    ["without the person's verification", { verified: false }, "verif"],
    ["without the person's presence", { present: false }, "present"],
    ["for the data of a login", { type: "webauthn.get" }, "type"],
    ["in a frame of another site", { crossOrigin: true }, "another site"],
    [
      "for a challenge of nobody",
      { challenge: Buffer.alloc(54).toString("base64url") },
      "none that this registry made",
    ],
    ["for no challenge", { challenge: "" }, "none that this registry made"],
  ];
  it.each(cases)("%s", async (name, deviation, problem) => {
    const { session } = await person(`reg-${cases.findIndex(([one]) => one === name)}`);
    const credential = new SoftwareAuthenticator(ORIGIN).create(await newOptions(session), deviation);
    expect(await add(session, credential)).toMatchObject(refused(problem));
    expect((await send("GET", "account/passkeys", { auth: session })).body["items"]).toEqual([]);
  });

  it("for another account's challenge, a login's, an old one, and one that was answered", async () => {
    const { session } = await person("ida");
    const { session: other } = await person("ines");
    const authenticator = new SoftwareAuthenticator(ORIGIN);
    const options = await newOptions(session);
    const foreign = authenticator.create({ ...options, challenge: (await newOptions(other))["challenge"] });
    expect(await add(session, foreign)).toMatchObject(refused("none that this registry made"));
    const fromLogin = authenticator.create({ ...options, challenge: (await loginOptions())["challenge"] });
    expect(await add(session, fromLogin)).toMatchObject(refused("none that this registry made"));
    const good = authenticator.create(options);
    expect((await add(session, good)).status).toBe(201);
    expect(await add(session, new SoftwareAuthenticator(ORIGIN).create(options))).toMatchObject(
      refused("answered before"),
    );
    const late = new SoftwareAuthenticator(ORIGIN).create(await newOptions(session));
    clock.advance(5 * 60_000);
    expect(await add(session, late)).toMatchObject(refused("expired"));
  });

  it("with a token, and for what is no credential", async () => {
    const { session, token } = await person("jan");
    const options = await newOptions(session);
    const credential = new SoftwareAuthenticator(ORIGIN).create(options);
    expect((await add(token, credential)).status).toBe(403);
    expect((await add(session, { ...credential, type: "password" })).status).toBe(400);
    const response = { ...(credential["response"] as Json), attestationObject: "AAAA" };
    expect((await add(session, { ...credential, response })).status).toBe(401);
    expect((await add(session, { ...credential, response: { ...response, clientDataJSON: "AAAA" } })).status).toBe(401);
  });
});

describe("a login with a passkey is refused", () => {
  let authenticator: SoftwareAuthenticator;
  let count = 0;
  const cases: readonly (readonly [string, Deviation, string])[] = [
    ["of another origin", { origin: "https://evil.example" }, "origin"],
    ["of another port", { origin: "https://registry.test" }, "origin"],
    ["of another site's key", { rpId: "evil.example" }, "RP ID"],
    ["without the person's verification", { verified: false }, "verif"],
    ["without the person's presence", { present: false }, "present"],
    ["in a frame of another site", { crossOrigin: true }, "another site"],
    ["for the data of a registration", { type: "webauthn.create" }, "type"],
    ["by another key", { key: generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey }, "signature"],
    [
      "for another user's handle",
      { userHandle: Buffer.from("somebody").toString("base64url") },
      "none of this account",
    ],
    ["with a counter that went back", { counter: 1 }, "counter"],
    ["with a counter that stopped", { counter: 0 }, "counter"],
  ];
  beforeAll(async () => {
    ({ authenticator } = await withPasskey("kim"));
    for (let use = 0; use < 3; use += 1) await login(authenticator.get(await loginOptions()));
  });
  it.each(cases)("%s", async (_, deviation, problem) => {
    expect(await login(authenticator.get(await loginOptions(), deviation))).toMatchObject(refused(problem));
    // And nothing of it was noted.
    expect((await login(authenticator.get(await loginOptions()))).status).toBe(200);
  });

  it("that was sent before, also where two come at once; challenges of failed ones too", async () => {
    const credential = authenticator.get(await loginOptions());
    const both = await Promise.all([login(credential), login(credential)]);
    expect(both.map(({ status }) => status).toSorted((one, other) => one - other)).toEqual([200, 401]);
    expect(await login(credential)).toMatchObject(refused("answered before"));
    const options = await loginOptions();
    expect((await login(authenticator.get(options, { verified: false }))).status).toBe(401);
    expect(await login(authenticator.get(options))).toMatchObject(refused("answered before"));
  });

  it("with a challenge that is old, altered, a registration's, or of a registry with another secret", async () => {
    const old = await loginOptions();
    clock.advance(5 * 60_000);
    expect(await login(authenticator.get(old))).toMatchObject(refused("expired"));
    const challenge = Buffer.from((await loginOptions())["challenge"] as string, "base64url");
    // Its end, an hour later.
    challenge.writeUIntBE(challenge.readUIntBE(16, 6) + 3_600_000, 16, 6);
    const altered = { ...old, challenge: challenge.toString("base64url") };
    expect(await login(authenticator.get(altered))).toMatchObject(refused("none that this registry made"));
    const { session } = await person(`kim-${(count += 1)}`);
    const fromRegistration = { ...old, challenge: (await newOptions(session))["challenge"] };
    expect(await login(authenticator.get(fromRegistration))).toMatchObject(refused("none that this registry made"));
    const other = await startServer({ clock, jwtSecret: "another secret that is long enough too", publicUrl: ORIGIN });
    try {
      const answer = await other.call("/api/v1/auth/passkey/options", { method: "POST", auth: "" });
      const foreign = (await answer.json()) as Json;
      expect(await login(authenticator.get(foreign))).toMatchObject(refused("none that this registry made"));
    } finally {
      await other.close();
    }
  });

  it("everywhere where the operator told no address with a name", async () => {
    for (const publicUrl of [undefined, "http://127.0.0.1:8080", "http://[::1]:8080"]) {
      const lost = await startServer({ clock, jwtSecret: secret, ...(publicUrl === undefined ? {} : { publicUrl }) });
      try {
        const answer = await lost.call("/api/v1/auth/passkey/options", { method: "POST", auth: "" });
        expect([answer.status, ((await answer.json()) as Json)["hint"]]).toEqual([
          401,
          "The operator sets REGISTRY_URL to an https address with a name",
        ]);
      } finally {
        await lost.close();
      }
    }
  });
});
