import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { SignJWT, exportJWK, exportSPKI, generateKeyPair, type JWTPayload } from "jose";
import { TOTP } from "otpauth";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FakeClock } from "../src/testing.ts";
import { buildPackage, startServer, type TestServer } from "./harness.ts";

type Json = Record<string, unknown>;
type Keys = Awaited<ReturnType<typeof generateKeyPair>>;
interface Answer {
  readonly status: number;
  readonly body: Json;
}

const clock = new FakeClock(Date.now());
const AUDIENCE = "https://registry.test";
const PROJECT = { repository_id: "700", repository_owner_id: "70" };
let server: TestServer;
let issuer: Issuer;
let ada: string;

/** A build system as the registry sees it: its discovery document and its keys. */
interface Issuer {
  readonly url: string;
  readonly keys: Keys;
  /** Addresses that were asked for. */
  readonly asked: string[];
  sign(
    claims?: JWTPayload,
    change?: { keys?: Keys; kid?: string; times?: { iat?: number; exp?: number } },
  ): Promise<string>;
  close(): Promise<void>;
}

async function startIssuer(): Promise<Issuer> {
  const keys = await generateKeyPair("RS256", { extractable: true });
  const asked: string[] = [];
  const jwk = { ...(await exportJWK(keys.publicKey)), kid: "k1", alg: "RS256", use: "sig" };
  const http: Server = createServer((request, response) => {
    asked.push(request.url!);
    const found: Record<string, unknown> = {
      "/.well-known/openid-configuration": { issuer: url, jwks_uri: `${url}/keys` },
      "/keys": { keys: [jwk] },
    };
    const body = found[request.url!];
    response.writeHead(body === undefined ? 404 : 200, { "content-type": "application/json" });
    response.end(JSON.stringify(body ?? {}));
  });
  await new Promise<void>((done) => http.listen(0, "127.0.0.1", done));
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  let count = 0;
  return {
    url,
    keys,
    asked,
    sign: async (claims = {}, change = {}) => {
      const now = Math.floor(clock.now() / 1000);
      count += 1;
      const payload = {
        iss: url,
        aud: AUDIENCE,
        sub: "repo:ada/tool:ref:refs/tags/v1",
        jti: `run-${count}`,
        ...claims,
      };
      return new SignJWT({ ...PROJECT, ...payload })
        .setProtectedHeader({ alg: "RS256", kid: change.kid ?? "k1" })
        .setIssuedAt(change.times?.iat ?? now)
        .setExpirationTime(change.times?.exp ?? now + 300)
        .sign((change.keys ?? keys).privateKey);
    },
    close: () => new Promise<void>((done) => void http.close(() => done())),
  };
}

async function send(method: string, path: string, options: { auth?: string; json?: unknown } = {}): Promise<Answer> {
  const response = await server.call(`/api/v1/${path}`, { method, auth: "", ...options });
  const text = await response.text();
  return { status: response.status, body: text === "" ? {} : (JSON.parse(text) as Json) };
}

const exchange = (token: string): Promise<Answer> => send("POST", "auth/ci", { json: { token } });
const refusal = { status: 401, body: { code: "IDENTITY_TOKEN_REFUSED" } };

beforeAll(async () => {
  issuer = await startIssuer();
  server = await startServer({
    clock,
    jwtSecret: "a secret that is long enough for a test",
    ciIssuers: [{ kind: "github", url: issuer.url }],
    ciAudience: AUDIENCE,
  });
  ada = await server.account("ada");
  await server.publish(await buildPackage({ name: "ada/tool", version: "1.0.0" }), { auth: ada });
  await server.publish(await buildPackage({ name: "other", version: "1.0.0" }), { auth: ada });
});
afterAll(async () => {
  await server.close();
  await issuer.close();
});

const PUBLISHERS = "packages/ada%2Ftool/trusted-publishers";
const trust = (claims: Json, auth = ada): Promise<Answer> =>
  send("POST", PUBLISHERS, { auth, json: { issuer: issuer.url, claims } });

describe("trusted publishers", () => {
  it("are added, listed and removed by owners alone", async () => {
    const bob = await server.account("bob");
    expect(await trust(PROJECT, bob)).toMatchObject({ status: 403, body: { code: "NOT_OWNER" } });
    const added = await trust({ ...PROJECT, workflow: "release.yml" });
    expect(added).toMatchObject({ status: 201, body: { issuer: issuer.url, account: "ada" } });
    expect(await trust({ workflow: "release.yml", ...PROJECT })).toMatchObject({
      status: 409,
      body: { code: "TRUSTED_PUBLISHER_EXISTS" },
    });
    expect(await send("GET", PUBLISHERS, { auth: bob })).toMatchObject({ status: 403 });
    expect((await send("GET", PUBLISHERS, { auth: ada })).body).toEqual({ items: [added.body] });
    const one = `${PUBLISHERS}/${added.body["id"] as string}`;
    expect(await send("DELETE", one, { auth: bob })).toMatchObject({ status: 403 });
    expect(await send("DELETE", one, { auth: ada })).toMatchObject({ status: 204 });
    expect(await send("DELETE", one, { auth: ada })).toMatchObject({ status: 404 });
  });

  it.each([
    ["a name that can be given away", { repository: "ada/tool" }],
    ["half of what stays", { repository_id: "700" }],
    ["a claim that the issuer does not make", { ...PROJECT, colour: "red" }],
    ["an empty claim", { ...PROJECT, environment: "" }],
  ])("are not %s", async (_, claims) => {
    expect(await trust(claims)).toMatchObject({ status: 400, body: { code: "REQUEST_INVALID" } });
  });

  it("are of issuers that the operator named", async () => {
    const json = { issuer: "https://ci.example.com", claims: { sub: "x" } };
    const answer = await send("POST", PUBLISHERS, { auth: ada, json });
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ field: "body.issuer" }] } });
  });
});

describe("POST /api/v1/auth/ci", () => {
  beforeAll(async () => {
    await trust({ ...PROJECT, workflow: "release.yml", environment: "release" });
  });
  const RUN = {
    workflow_ref: "ada/tool/.github/workflows/release.yml@refs/tags/v1",
    environment: "release",
    event_name: "push",
  };

  it("gives a build a token that publishes its package, and nothing else, for fifteen minutes", async () => {
    const answer = await exchange(await issuer.sign(RUN));
    expect(answer).toMatchObject({ status: 201, body: { token_type: "Bearer", packages: ["ada/tool"] } });
    const token = answer.body["token"] as string;
    const publish = async (name: string, version: string): Promise<number> =>
      (await server.publish(await buildPackage({ name, version }), { auth: token })).status;
    expect(await publish("ada/tool", "1.1.0")).toBe(201);
    expect(await publish("other", "1.1.0")).toBe(403);
    expect(
      await send("POST", "packages/ada%2Ftool/versions/1.1.0/yank", { auth: token, json: { reason: "x" } }),
    ).toMatchObject({ status: 403 });
    const keys = await send("POST", "keys", {
      auth: token,
      json: { public_key: await exportSPKI(issuer.keys.publicKey) },
    });
    expect(keys.status).toBe(403);
    expect(await trust(PROJECT, token)).toMatchObject({ status: 403 });
    clock.advance(14 * 60_000);
    expect(await publish("ada/tool", "1.2.0")).toBe(201);
    clock.advance(2 * 60_000);
    expect(await publish("ada/tool", "1.3.0")).toBe(401);
    const [record] = (await server.node.metadata.audits({ action: "token.exchange", page: 1, perPage: 1 })).items;
    expect(record).toMatchObject({ actor: "ada", details: { repository_id: "700", packages: ["ada/tool"] } });
  });

  it("opens once for each token, also where two come at once", async () => {
    const token = await issuer.sign(RUN);
    const answers = await Promise.all([exchange(token), exchange(token), exchange(token)]);
    expect(answers.map(({ status }) => status).toSorted((one, other) => one - other)).toEqual([201, 401, 401]);
    expect(await exchange(token)).toMatchObject(refusal);
  });

  it.each<[string, JWTPayload]>([
    ["another repository of that name", { ...RUN, repository_id: "701" }],
    ["the repository of another owner", { ...RUN, repository_owner_id: "71" }],
    ["another workflow", { ...RUN, workflow_ref: "ada/tool/.github/workflows/test.yml@refs/heads/main" }],
    [
      "a workflow that ends like it",
      { ...RUN, workflow_ref: "ada/tool/.github/workflows/x/release.yml@refs/heads/main" },
    ],
    ["another environment", { ...RUN, environment: "staging" }],
    ["no environment", { workflow_ref: RUN.workflow_ref }],
    ["an event that runs a stranger's change", { ...RUN, event_name: "pull_request_target" }],
    ["another audience", { ...RUN, aud: "https://other.test" }],
    ["several audiences without ours", { ...RUN, aud: ["https://other.test", "https://third.test"] }],
    ["another issuer", { ...RUN, iss: "https://token.actions.githubusercontent.com" }],
  ])("refuses a token of %s", async (_, claims) => {
    expect(await exchange(await issuer.sign(claims))).toMatchObject(refusal);
  });

  it("refuses a token that expired, is of the future, or lives for days", async () => {
    const now = Math.floor(clock.now() / 1000);
    const at = (times: { iat: number; exp: number }) => issuer.sign(RUN, { times });
    expect(await exchange(await at({ iat: now - 600, exp: now - 60 }))).toMatchObject(refusal);
    expect(await exchange(await at({ iat: now + 600, exp: now + 900 }))).toMatchObject(refusal);
    expect(await exchange(await at({ iat: now - 86_400, exp: now + 86_400 }))).toMatchObject(refusal);
  });

  it("refuses a token that another key signed, under the issuer's key id or its own", async () => {
    const keys = await generateKeyPair("RS256");
    expect(await exchange(await issuer.sign(RUN, { keys }))).toMatchObject(refusal);
    expect(await exchange(await issuer.sign(RUN, { keys, kid: "k2" }))).toMatchObject(refusal);
  });

  it("refuses `alg none`, and the public key taken for a shared secret", async () => {
    const [, payload] = (await issuer.sign(RUN)).split(".");
    const none = Buffer.from(JSON.stringify({ alg: "none" })).toString("base64url");
    expect(await exchange(`${none}.${payload!}.`)).toMatchObject(refusal);
    const secret = new TextEncoder().encode(await exportSPKI(issuer.keys.publicKey));
    const claims = JSON.parse(Buffer.from(payload!, "base64url").toString()) as JWTPayload;
    const confused = await new SignJWT(claims).setProtectedHeader({ alg: "HS256", kid: "k1" }).sign(secret);
    expect(await exchange(confused)).toMatchObject(refusal);
  });

  it("refuses what is no token, and asks nobody about it", async () => {
    const before = issuer.asked.length;
    for (const text of ["x", "a.b.c", "....", "ldg_".padEnd(40, "0")])
      expect(await exchange(text)).toMatchObject(refusal);
    expect(issuer.asked.length).toBe(before);
  });

  it("accepts nothing where the registry was not told its address, whatever the request calls it", async () => {
    const lost = await startServer({ clock, ciIssuers: [{ kind: "github", url: issuer.url }] });
    try {
      const token = await issuer.sign({ ...RUN, aud: lost.url });
      const answer = await lost.call("/api/v1/auth/ci", { method: "POST", auth: "", json: { token } });
      expect([answer.status, ((await answer.json()) as Json)["hint"]]).toEqual([401, "The operator sets REGISTRY_URL"]);
    } finally {
      await lost.close();
    }
  });

  it("stops when the publisher is removed", async () => {
    const { body } = await send("GET", PUBLISHERS, { auth: ada });
    for (const { id } of body["items"] as { id: string }[]) await send("DELETE", `${PUBLISHERS}/${id}`, { auth: ada });
    expect(await exchange(await issuer.sign(RUN))).toMatchObject(refusal);
  });
});

describe("namespaces that builds prove", () => {
  const RUN = { repository_owner: "Ada-Works", event_name: "push" };
  const claim = (namespace: string, token: string): Promise<Answer> =>
    send("POST", "organisations/ada-labs/namespaces", {
      auth: ada,
      json: { namespace, proof: { kind: "ci", token } },
    });
  beforeAll(async () => {
    await send("POST", "organisations", { auth: ada, json: { name: "ada-labs" } });
  });

  it.each<[string, JWTPayload]>([
    ["another audience", { ...RUN, aud: "https://other.test" }],
    ["another issuer", { ...RUN, iss: "https://token.actions.githubusercontent.com" }],
    ["an event that runs a stranger's change", { ...RUN, event_name: "pull_request_target" }],
  ])("are not given for a token of %s", async (_, claims) => {
    expect(await claim("ada-works", await issuer.sign(claims))).toMatchObject(refusal);
  });

  it("are not given for a token that expired, or that another key signed", async () => {
    const now = Math.floor(clock.now() / 1000);
    const old = await issuer.sign(RUN, { times: { iat: now - 600, exp: now - 60 } });
    expect(await claim("ada-works", old)).toMatchObject(refusal);
    const forged = await issuer.sign(RUN, { keys: await generateKeyPair("RS256") });
    expect(await claim("ada-works", forged)).toMatchObject(refusal);
  });

  it("are those of the project's owner alone, by a token that opens once", async () => {
    const unproven = { status: 422, body: { code: "NAMESPACE_UNPROVEN" } };
    const foreign = await issuer.sign({ ...RUN, repository_owner: "somebody" });
    expect(await claim("ada-works", foreign)).toMatchObject(unproven);
    expect(await claim("somebody", foreign)).toMatchObject(refusal);
    expect(await claim("ada-works", await issuer.sign({ event_name: "push" }))).toMatchObject(unproven);
    const good = await issuer.sign(RUN);
    expect(await claim("ada-works", good)).toMatchObject({
      status: 201,
      body: { name: "ada-works", proof: `${issuer.url} Ada-Works` },
    });
    expect(await exchange(good)).toMatchObject(refusal);
    expect(await claim("ada-works", await issuer.sign(RUN))).toMatchObject({ body: { code: "NAMESPACE_TAKEN" } });
  });
});

describe("second factors", () => {
  const login = (otp?: string): Promise<Answer> =>
    send("POST", "auth/login", {
      json: { username: "carol", password: "password of carol", ...(otp === undefined ? {} : { otp }) },
    });
  const FACTOR = "account/second-factor";
  const codeOf = (secret: string): string => new TOTP({ secret }).generate({ timestamp: clock.now() });

  it("protect an account once confirmed: each code opens once, and recovery codes open when it is lost", async () => {
    const token = await server.account("carol");
    const session = (await login()).body["token"] as string;
    expect(await send("POST", FACTOR, { auth: token })).toMatchObject({ status: 403 });
    const { body } = await send("POST", FACTOR, { auth: session });
    const secret = body["secret"] as string;
    expect(body["uri"]).toMatch(/^otpauth:\/\/totp\/.*carol/);
    expect((await login()).status).toBe(200);
    expect(await send("POST", `${FACTOR}/confirm`, { auth: session, json: { code: "000000" } })).toMatchObject({
      status: 401,
      body: { code: "SECOND_FACTOR_INVALID" },
    });
    const confirmed = await send("POST", `${FACTOR}/confirm`, { auth: session, json: { code: codeOf(secret) } });
    const codes = confirmed.body["recovery_codes"] as string[];
    expect(codes).toHaveLength(10);
    expect(await login()).toMatchObject({ status: 401, body: { code: "SECOND_FACTOR_REQUIRED" } });
    expect(await login(codeOf(secret))).toMatchObject({ status: 401, body: { code: "SECOND_FACTOR_INVALID" } });
    clock.advance(30_000);
    const both = await Promise.all([login(codeOf(secret)), login(codeOf(secret))]);
    expect(both.map(({ status }) => status).toSorted((one, other) => one - other)).toEqual([200, 401]);
    expect((await login(codes[0]?.toUpperCase())).status).toBe(200);
    expect((await login(codes[0])).status).toBe(401);
    expect((await send("GET", FACTOR, { auth: session })).body).toEqual({ enabled: true, recovery_codes: 9 });
    const basic = `Basic ${Buffer.from("carol:password of carol").toString("base64")}`;
    expect(await send("GET", "auth/whoami", { auth: basic })).toMatchObject({
      status: 401,
      body: { code: "SECOND_FACTOR_REQUIRED" },
    });
    expect((await send("GET", "auth/whoami", { auth: token })).status).toBe(200);
    expect((await send("POST", `${FACTOR}/remove`, { auth: session, json: { code: "111111" } })).status).toBe(401);
    clock.advance(60_000);
    expect((await send("POST", `${FACTOR}/remove`, { auth: session, json: { code: codeOf(secret) } })).status).toBe(
      204,
    );
    expect((await login()).status).toBe(200);
  });

  it("says nothing of a second factor to whoever does not know the password", async () => {
    const answer = await send("POST", "auth/login", { json: { username: "carol", password: "wrong", otp: "123456" } });
    expect(answer).toMatchObject({ status: 401, body: { code: "CREDENTIALS_INVALID" } });
  });

  it("stores no secret in the clear", async () => {
    await server.account("dave");
    const json = { username: "dave", password: "password of dave" };
    const session = (await send("POST", "auth/login", { json })).body["token"] as string;
    const secret = (await send("POST", FACTOR, { auth: session })).body["secret"] as string;
    const account = await server.node.metadata.accountByName("dave");
    const stored = await server.node.metadata.identities.secondFactor(account!.id);
    expect(stored!.secret).not.toContain(secret);
    expect(Buffer.from(stored!.secret, "base64").toString("latin1")).not.toContain(secret);
  });
});
