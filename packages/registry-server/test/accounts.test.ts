import { SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { behindProxy, isConfidential } from "../src/lib/connection.ts";
import { FakeClock } from "../src/testing.ts";
import { buildPackage, startServer, testSigner, type TestServer } from "./harness.ts";

type Json = Record<string, unknown>;
const DAY_MS = 24 * 60 * 60 * 1000;
const clock = new FakeClock(Date.now());
let server: TestServer;
beforeAll(async () => {
  server = await startServer({ clock, jwtSecret: "a secret that is long enough for a test" });
});
afterAll(async () => server.close());

async function send(
  method: string,
  path: string,
  options: { auth?: string; json?: unknown } = {},
): Promise<{ status: number; body: Json }> {
  const response = await server.call(`/api/v1/${path}`, { method, auth: "", ...options });
  const text = await response.text();
  return { status: response.status, body: text === "" ? {} : (JSON.parse(text) as Json) };
}
const whoami = (auth: string) => send("GET", "auth/whoami", { auth });
const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;

describe("accounts and sessions", () => {
  it("register, log in, log out", async () => {
    const account = { username: "ada", email: "ada@example.com", password: "correct horse" };
    expect(await send("POST", "auth/register", { json: account })).toEqual({
      status: 201,
      body: { username: "ada", email: "ada@example.com", admin: false },
    });
    expect(await send("POST", "auth/register", { json: account })).toMatchObject({
      status: 409,
      body: { code: "USER_EXISTS" },
    });
    const login = await send("POST", "auth/login", { json: { username: "ada", password: "correct horse" } });
    expect(login).toMatchObject({ status: 200, body: { token_type: "Bearer", user: { username: "ada" } } });
    const session = login.body["token"] as string;
    expect((await whoami(session)).body).toEqual({
      username: "ada",
      email: "ada@example.com",
      admin: false,
      method: "session",
      scopes: ["read", "publish", "yank", "owner"],
      packages: [],
    });
    expect((await send("POST", "auth/logout", { auth: session })).status).toBe(204);
    expect(await whoami(session)).toMatchObject({ status: 401, body: { code: "TOKEN_INVALID" } });
  });

  it("answer a wrong name and a wrong password alike", async () => {
    const wrong = await send("POST", "auth/login", { json: { username: "ada", password: "wrong" } });
    const unknown = await send("POST", "auth/login", { json: { username: "nobody", password: "wrong" } });
    expect(wrong).toMatchObject({ status: 401, body: { code: "CREDENTIALS_INVALID" } });
    expect(unknown.body["detail"]).toBe(wrong.body["detail"]);
    const empty = await send("POST", "auth/login", { json: { username: "anonymous", password: "" } });
    expect(empty.status).toBe(401);
  });

  it("refuse names and passwords that break the rules", async () => {
    for (const json of [
      { username: "Ada Lovelace", password: "correct horse" },
      { username: "bob", password: "short" },
      { username: "bob", password: "correct horse", email: "nonsense" },
      { username: "bob" },
      [],
      "text",
    ]) {
      expect(await send("POST", "auth/register", { json })).toMatchObject({
        status: 400,
        body: { code: "REQUEST_INVALID" },
      });
    }
    expect(
      (await send("POST", "auth/register", { json: { username: "system", password: "correct horse" } })).status,
    ).toBe(409);
  });

  it("refuse a session that is altered, foreign or expired", async () => {
    const { body } = await send("POST", "auth/login", { json: { username: "ada", password: "correct horse" } });
    const session = body["token"] as string;
    const [header, payload, signature] = session.split(".") as [string, string, string];
    const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as Json;
    const altered = Buffer.from(JSON.stringify({ ...claims, sub: "somebody" })).toString("base64url");
    const none = Buffer.from('{"alg":"none"}').toString("base64url");
    const foreign = await new SignJWT(claims).setProtectedHeader({ alg: "HS256" }).sign(Buffer.from("x".repeat(40)));
    for (const token of [`${header}.${altered}.${signature}`, `${none}.${payload}.`, foreign, "a.b.c", "nonsense"]) {
      expect(await whoami(token)).toMatchObject({ status: 401, body: { code: "TOKEN_INVALID" } });
    }
    expect((await whoami(session)).status).toBe(200);
    clock.advance(13 * 60 * 60 * 1000);
    expect(await whoami(session)).toMatchObject({ status: 401, body: { detail: expect.stringContaining("expired") } });
  });

  it("take Basic credentials over loopback only", async () => {
    expect((await whoami(basic("ada", "correct horse"))).body).toMatchObject({ username: "ada", method: "basic" });
    expect(await whoami(basic("ada", "wrong"))).toMatchObject({ status: 401, body: { code: "CREDENTIALS_INVALID" } });
    expect((await whoami(basic("ada", server.token))).body).toMatchObject({ username: "admin", method: "token" });
    for (const header of ["Basic", "Basic !!!", "Basic bm9jb2xvbg==", "Digest abc", "Bearer", "Bearer  "]) {
      expect((await whoami(header)).status).toBe(401);
    }
    const request = new Request("http://registry.example/api/v1/auth/whoami", {
      headers: { authorization: basic("ada", "correct horse") },
    });
    const far = await server.node.registry.fetch(request, { remoteAddress: "203.0.113.9", secure: false });
    expect([far.status, ((await far.json()) as Json)["code"]]).toEqual([401, "BASIC_AUTH_INSECURE"]);
    const claimed = new Request(request, {
      headers: { ...Object.fromEntries(request.headers), "x-forwarded-proto": "https" },
    });
    expect((await server.node.registry.fetch(claimed, { remoteAddress: "203.0.113.9" })).status).toBe(401);
    const encrypted = await server.node.registry.fetch(request, { remoteAddress: "203.0.113.9", secure: true });
    expect(encrypted.status).toBe(200);
  });

  it("behindProxy() believes the proxy of its client, and the last address only", () => {
    const loopback = { remoteAddress: "127.0.0.1", secure: false };
    const far = behindProxy(loopback, { "x-forwarded-for": "127.0.0.1, 203.0.113.9", "x-forwarded-proto": "http" });
    expect([far, isConfidential({ url: "http://localhost/" }, far)]).toEqual([
      { remoteAddress: "203.0.113.9", secure: false },
      false,
    ]);
    const encrypted = behindProxy(loopback, { "x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https" });
    expect(isConfidential({ url: "http://localhost/" }, encrypted)).toBe(true);
    expect(behindProxy(loopback, {})).toEqual(loopback);
  });

  it("isConfidential() trusts TLS and this machine", () => {
    const http = { url: "http://registry.example/" };
    expect(isConfidential(http, {})).toBe(false);
    expect(isConfidential({ url: "https://registry.example/" }, {})).toBe(true);
    expect(isConfidential({ url: "http://[::1]:8080/" }, {})).toBe(true);
    for (const remoteAddress of ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
      expect(isConfidential(http, { remoteAddress })).toBe(true);
    for (const remoteAddress of ["10.0.0.1", "::ffff:10.0.0.1", "1127.0.0.1", "127.0.0.1.example"]) {
      expect(isConfidential(http, { remoteAddress })).toBe(false);
    }
  });
});

describe("tokens", () => {
  const create = (json: Json, auth = server.token) => send("POST", "tokens", { auth, json });

  it("are shown once, listed without secret, and 401 as soon as they are revoked", async () => {
    const made = await create({ name: "ci", scopes: ["publish", "read"], packages: ["company/*"] });
    expect(made).toMatchObject({
      status: 201,
      body: { name: "ci", scopes: ["read", "publish"], packages: ["company/*"] },
    });
    const { id, token } = made.body as { id: string; token: string };
    expect(token).toMatch(/^ldg_[0-9A-Za-z]{36}$/);
    expect((await whoami(token)).body).toMatchObject({
      username: "admin",
      scopes: ["read", "publish"],
      packages: ["company/*"],
    });
    const listed = await send("GET", "tokens", { auth: server.token });
    expect(JSON.stringify(listed.body)).not.toContain(token);
    expect((listed.body["items"] as Json[]).map((item) => item["id"])).toContain(id);
    expect((await send("DELETE", `tokens/${id}`, { auth: server.token })).status).toBe(204);
    expect(await whoami(token)).toMatchObject({ status: 401, body: { code: "TOKEN_INVALID" } });
    expect((await send("DELETE", `tokens/${id}`, { auth: server.token })).status).toBe(404);
  });

  it("expire; those that write live 90 days at most", async () => {
    const short = await create({ name: "short", scopes: ["read"], expires_in_days: 1 });
    const token = short.body["token"] as string;
    expect((await whoami(token)).status).toBe(200);
    clock.advance(DAY_MS + 1);
    expect(await whoami(token)).toMatchObject({ status: 401, body: { detail: expect.stringContaining("expired") } });
    expect(await create({ name: "long", scopes: ["publish"], expires_in_days: 91 })).toMatchObject({
      status: 400,
      body: { code: "REQUEST_INVALID" },
    });
    expect((await create({ name: "long", scopes: ["read"], expires_in_days: 3650 })).status).toBe(201);
  });

  it("cannot make a mightier token of themselves", async () => {
    const weak = (await create({ name: "weak", scopes: ["publish"], packages: ["a-*"] })).body["token"] as string;
    expect(await create({ name: "up", scopes: ["owner"] }, weak)).toMatchObject({
      status: 403,
      body: { code: "FORBIDDEN" },
    });
    expect(await create({ name: "wide", scopes: ["publish"] }, weak)).toMatchObject({ status: 403 });
    expect(await create({ name: "other", scopes: ["publish"], packages: ["**"] }, weak)).toMatchObject({ status: 403 });
    expect((await create({ name: "same", scopes: ["publish"], packages: ["a-*"] }, weak)).status).toBe(201);
    const user = await server.account("tess");
    expect(await create({ name: "admin", scopes: ["admin"] }, user)).toMatchObject({ status: 403 });
  });

  it("refuse scopes and patterns that do not exist", async () => {
    for (const json of [
      { name: "x", scopes: ["everything"] },
      { name: "x", scopes: [] },
      { name: "", scopes: ["read"] },
      { name: "x", scopes: ["read"], packages: ["../*"] },
      { name: "x", scopes: ["read"], expires_in_days: 0 },
    ]) {
      expect(await create(json)).toMatchObject({ status: 400, body: { code: "REQUEST_INVALID" } });
    }
  });

  it("of a replica are revoked within five seconds", async () => {
    const made = await create({ name: "remote", scopes: ["read"] });
    const { id, token } = made.body as { id: string; token: string };
    expect((await whoami(token)).status).toBe(200);
    const admin = (await server.node.metadata.accountByName("admin"))!;
    // Revoked in the shared store, behind this server's back.
    await server.node.metadata.revokeToken(admin.id, id, {
      at: 1,
      actor: "other",
      action: "token.revoke",
      details: {},
    });
    clock.advance(5000);
    expect((await whoami(token)).status).toBe(401);
  });
});

describe("signing keys", () => {
  it("are registered, listed and removed by their account", async () => {
    const { signer, pem } = testSigner(3);
    const user = await server.account("kim");
    const added = await send("POST", "keys", { auth: user, json: { public_key: pem, name: "laptop" } });
    const fingerprint = `ed25519:${signer.keyId}`;
    expect(added).toMatchObject({ status: 201, body: { id: fingerprint, fingerprint, name: "laptop" } });
    expect((await send("POST", "keys", { auth: user, json: { public_key: pem } })).status).toBe(201);
    expect(await send("POST", "keys", { auth: server.token, json: { public_key: pem } })).toMatchObject({
      status: 409,
      body: { code: "KEY_EXISTS" },
    });
    expect((await send("GET", "keys", { auth: user })).body["items"]).toMatchObject([{ fingerprint }]);
    expect((await send("DELETE", `keys/${encodeURIComponent(fingerprint)}`, { auth: user })).status).toBe(204);
    expect((await send("DELETE", `keys/${encodeURIComponent(fingerprint)}`, { auth: user })).status).toBe(404);
  });

  it("are not taken from a publish token, and never private", async () => {
    const weak = await server.account("lee", { scopes: ["publish"] });
    expect(await send("POST", "keys", { auth: weak, json: { public_key: testSigner(4).pem } })).toMatchObject({
      status: 403,
    });
    const secret =
      "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n-----END PRIVATE KEY-----\n";
    for (const public_key of [secret, "nonsense"]) {
      expect(await send("POST", "keys", { auth: server.token, json: { public_key } })).toMatchObject({
        status: 400,
        body: { code: "KEY_REFUSED" },
      });
    }
  });
});

describe("access switches", () => {
  it("read_public = false asks credentials with scope read for every read", async () => {
    const closed = await startServer({ readPublic: false });
    try {
      for (const path of [
        "/index/_/no/nothing.json",
        `/blobs/sha256/${"0".repeat(64)}`,
        "/api/v1/packages/",
        "/api/v1/search?q=x",
        "/metrics",
      ]) {
        expect([path, (await closed.call(path, { auth: "" })).status]).toEqual([path, 401]);
        expect([200, 404]).toContain((await closed.call(path)).status);
      }
      const writer = await closed.account("writer", { scopes: ["publish"] });
      expect((await closed.call("/index/_/no/nothing.json", { auth: writer })).status).toBe(403);
      expect((await closed.call("/api/v1/packages/", { auth: writer })).status).toBe(403);
      expect((await closed.call("/api/v1/health", { auth: "" })).status).toBe(200);
      // A cache that others share must not hand out what they may not read.
      const built = await buildPackage({ name: "secret", version: "1.0.0" });
      await closed.publish(built);
      const blob = await closed.call(`/blobs/sha256/${built.blob.slice(7)}`);
      expect(blob.headers.get("cache-control")).toBe("private, max-age=31536000, immutable");
    } finally {
      await closed.close();
    }
  });

  it("write_requires_auth = false lets everybody publish as anonymous; registration may be closed", async () => {
    const open = await startServer({ writeRequiresAuth: false, registration: "closed" });
    try {
      const create = await open.call("/api/v1/packages/", { method: "POST", auth: "", json: { name: "free" } });
      expect(create.status).toBe(201);
      expect(await (await open.call("/api/v1/packages/free/owners")).json()).toEqual({
        name: "free",
        items: [{ username: "anonymous" }],
      });
      const tokens = await open.call("/api/v1/tokens", {
        method: "POST",
        auth: "",
        json: { name: "x", scopes: ["read"] },
      });
      expect(tokens.status).toBe(401);
      const json = { username: "newcomer", password: "correct horse" };
      const refused = await open.call("/api/v1/auth/register", { method: "POST", auth: "", json });
      expect([refused.status, ((await refused.json()) as Json)["code"]]).toEqual([403, "REGISTRATION_CLOSED"]);
      expect((await open.call("/api/v1/auth/register", { method: "POST", json })).status).toBe(201);
    } finally {
      await open.close();
    }
  });

  it("limit log-ins and requests, and say when to come back", async () => {
    const limited = await startServer({ loginsPerMinute: 3, requestsPerMinute: 6 });
    try {
      const login = () =>
        limited.call("/api/v1/auth/login", { method: "POST", auth: "", json: { username: "admin", password: "x" } });
      const statuses: number[] = [];
      for (let attempt = 0; attempt < 4; attempt += 1) statuses.push((await login()).status);
      expect(statuses).toEqual([401, 401, 401, 429]);
      const answered = await limited.call("/api/v1/search");
      expect(answered.headers.get("ratelimit")).toMatch(/^"api";r=1;t=\d+$/);
      await limited.call("/api/v1/search");
      const refused = await limited.call("/api/v1/search");
      expect(((await refused.clone().json()) as Json)["code"]).toBe("RATE_LIMITED");
      expect([refused.status, Number(refused.headers.get("retry-after")) > 0]).toEqual([429, true]);
      for (const path of ["/graphql?query=%7B__typename%7D", "/simple/", "/simple/nothing/"])
        expect([path, (await limited.call(path)).status]).toEqual([path, 429]);
      expect((await limited.call("/index/_/no/nothing.json")).status).toBe(404);
    } finally {
      await limited.close();
    }
  });
});
