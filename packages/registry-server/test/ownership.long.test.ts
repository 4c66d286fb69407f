import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ABANDONED_AFTER_DAYS, CLAIM_WAIT_DAYS } from "../src/lib/organisations/ownership.ts";
import { FakeClock } from "../src/testing.ts";
import { buildPackage, startServer, type TestServer } from "./harness.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
const clock = new FakeClock();
let server: TestServer;

beforeAll(async () => {
  server = await startServer({ clock });
});
afterAll(async () => server.close());

async function call(
  method: string,
  path: string,
  auth: string,
  json?: unknown,
): Promise<[number, Record<string, unknown>]> {
  const response = await server.call(`/api/v1${path}`, { method, auth, ...(json === undefined ? {} : { json }) });
  const text = await response.text();
  return [response.status, text === "" ? {} : (JSON.parse(text) as Record<string, unknown>)];
}

async function refused(method: string, path: string, auth: string, json?: unknown): Promise<[number, unknown]> {
  const [status, body] = await call(method, path, auth, json);
  return [status, body["code"]];
}

let people = 0;
async function person(): Promise<{ readonly name: string; readonly token: string }> {
  people += 1;
  const name = `person-${people}`;
  return {
    name,
    token: await server.account(name, { scopes: ["read", "publish", "yank", "owner"], expires_in_days: 90 }),
  };
}

async function publish(name: string, auth: string, version = "1.0.0"): Promise<number> {
  return (await server.publish(await buildPackage({ name, version }), { auth })).status;
}

async function owners(name: string): Promise<unknown> {
  return (await call("GET", `/packages/${name}/owners`, ""))[1]["items"];
}

describe("transfers", () => {
  it("of a package to an account take effect when it accepts", async () => {
    const [ann, bo, cy] = [await person(), await person(), await person()];
    await publish("given", ann.token);
    const path = "/transfers";
    const given = { package: "given" };
    expect(await refused("POST", path, bo.token, { ...given, username: bo.name })).toEqual([403, "NOT_OWNER"]);
    expect(await refused("POST", path, ann.token, { ...given, username: "nobody" })).toEqual([404, "USER_NOT_FOUND"]);
    expect(await refused("POST", path, ann.token, given)).toEqual([400, "REQUEST_INVALID"]);
    const [, offered] = await call("POST", path, ann.token, { ...given, username: bo.name });
    expect(await refused("POST", path, ann.token, { ...given, username: cy.name })).toEqual([409, "TRANSFER_EXISTS"]);
    expect((await call("GET", "/transfers", bo.token))[1]["items"]).toMatchObject([
      { package: "given", sender: ann.name },
    ]);
    const answer = `/transfers/${String(offered["id"])}/answer`;
    expect(await refused("POST", answer, cy.token, { answer: "accept" })).toEqual([410, "TRANSFER_CLOSED"]);
    expect(await refused("POST", answer, bo.token, { answer: "withdraw" })).toEqual([410, "TRANSFER_CLOSED"]);
    expect((await call("POST", answer, bo.token, { answer: "accept" }))[0]).toBe(204);
    expect(await owners("given")).toEqual([{ username: bo.name }]);
    expect(await publish("given", ann.token, "2.0.0")).toBe(403);
    expect(await publish("given", bo.token, "2.0.0")).toBe(201);
    expect(await refused("POST", answer, bo.token, { answer: "accept" })).toEqual([410, "TRANSFER_CLOSED"]);
  });

  it("to an organisation are accepted by its owners for a team, and are void when the sender lost the package", async () => {
    const [ann, bo, cy] = [await person(), await person(), await person()];
    await call("POST", "/organisations", bo.token, { name: "takers" });
    await call("PUT", "/organisations/takers/teams/core", bo.token, { role: "maintain" });
    await publish("teamwork", ann.token);
    const path = "/transfers";
    const teamwork = { package: "teamwork", organisation: "takers" };
    const [, first] = await call("POST", path, ann.token, teamwork);
    const answer = `/transfers/${String(first["id"])}/answer`;
    expect(await refused("POST", answer, bo.token, { answer: "accept" })).toEqual([400, "REQUEST_INVALID"]);
    expect(await refused("POST", answer, cy.token, { answer: "accept", team: "core" })).toEqual([
      410,
      "TRANSFER_CLOSED",
    ]);
    await call("PUT", `/packages/teamwork/owners/${cy.name}`, ann.token);
    await call("DELETE", `/packages/teamwork/owners/${ann.name}`, cy.token);
    expect(await refused("POST", answer, bo.token, { answer: "accept", team: "core" })).toEqual([
      410,
      "TRANSFER_CLOSED",
    ]);
    expect((await call("POST", answer, ann.token, { answer: "withdraw" }))[0]).toBe(204);
    const [, second] = await call("POST", path, cy.token, teamwork);
    const accept = { answer: "accept", team: "core" };
    expect((await call("POST", `/transfers/${String(second["id"])}/answer`, bo.token, accept))[0]).toBe(204);
    expect(await owners("teamwork")).toEqual([{ team: "takers/core" }]);
    expect(await publish("teamwork", bo.token, "2.0.0")).toBe(201);
  });
});

describe("claims of abandoned names", () => {
  const reason = { reason: "Nobody has answered for a year" };

  it("wait for the owners, who may object", async () => {
    const ann = await person();
    await publish("quiet", ann.token);
    const early = await person();
    expect(await refused("POST", "/claims", early.token, { package: "quiet", ...reason })).toEqual([
      409,
      "CLAIM_REFUSED",
    ]);
    clock.advance(ABANDONED_AFTER_DAYS * DAY_MS);
    const bo = await person();
    const owner = String(
      (await call("POST", "/auth/login", "", { username: ann.name, password: `password of ${ann.name}` }))[1]["token"],
    );
    expect(await refused("POST", "/claims", owner, { package: "quiet", ...reason })).toEqual([409, "CLAIM_REFUSED"]);
    const [, claim] = await call("POST", "/claims", bo.token, { package: "quiet", ...reason });
    const decision = `/claims/${String(claim["id"])}/decision`;
    expect((await call("GET", "/claims", owner))[1]["items"]).toMatchObject([{ package: "quiet", claimant: bo.name }]);
    expect(await refused("POST", decision, bo.token, { decision: "approve" })).toEqual([403, "FORBIDDEN"]);
    const objection = { decision: "object", note: "In use" };
    expect((await call("POST", decision, owner, objection))[1]).toMatchObject({ state: "objected", note: "In use" });
    expect(await refused("POST", decision, bo.token, { decision: "withdraw" })).toEqual([409, "CLAIM_CLOSED"]);
  });

  it("are approved by an admin after the waiting period alone", async () => {
    const ann = await person();
    await publish("silent", ann.token);
    clock.advance(ABANDONED_AFTER_DAYS * DAY_MS);
    const bo = await person();
    const [, claim] = await call("POST", "/claims", bo.token, { package: "silent", ...reason });
    expect(await refused("POST", "/claims", bo.token, { package: "silent", ...reason })).toEqual([
      409,
      "CLAIM_REFUSED",
    ]);
    const decision = `/claims/${String(claim["id"])}/decision`;
    const root = async (): Promise<string> =>
      String((await call("POST", "/auth/login", "", { username: "admin", password: server.password }))[1]["token"]);
    expect(await refused("POST", decision, await root(), { decision: "approve" })).toEqual([409, "CLAIM_CLOSED"]);
    clock.advance(CLAIM_WAIT_DAYS * DAY_MS);
    expect((await call("POST", decision, await root(), { decision: "approve" }))[1]).toMatchObject({
      state: "approved",
    });
    expect(await owners("silent")).toEqual([{ username: bo.name }]);
    expect(await publish("silent", bo.token, "2.0.0")).toBe(201);
  });
});
