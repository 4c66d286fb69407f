import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildPackage, startServer, type TestServer } from "./harness.ts";

let server: TestServer;

beforeAll(async () => {
  server = await startServer({ publicationRules: [{ names: ["acme/*"], review: true, reviewers: ["rita"] }] });
});
afterAll(async () => server.close());

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

async function ask(method: string, path: string, auth: string, json?: unknown): Promise<Answer> {
  const response = await server.call(`/api/v1${path}`, { method, auth, ...(json === undefined ? {} : { json }) });
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.includes("json") === true;
  return { status: response.status, body: isJson ? (JSON.parse(text) as Record<string, unknown>) : {} };
}

async function done(method: string, path: string, auth: string, json?: unknown): Promise<Record<string, unknown>> {
  const { status, body } = await ask(method, path, auth, json);
  expect([method, path, status, body["code"]]).toEqual([
    method,
    path,
    expect.toSatisfy((code) => code < 300),
    undefined,
  ]);
  return body;
}

async function hold(name: string, version: string, auth: string): Promise<string> {
  const response = await server.publish(await buildPackage({ name, version }), { auth });
  const body = (await response.json()) as { code?: string; review?: { id: string } };
  expect([response.status, body.code]).toEqual([202, undefined]);
  return body.review!.id;
}

describe("publications that wait, of an organisation's packages", () => {
  it("are shown to owners through teams, and no more to an owner who left the organisation", async () => {
    const scopes = { scopes: ["read", "publish", "yank", "owner"] };
    const [olga, left, peer, worker, rita] = (await Promise.all(
      ["olga", "left", "peer", "worker", "rita"].map((name) => server.account(name, scopes)),
    )) as [string, string, string, string, string];
    await done("POST", "/organisations", olga, { name: "acme" });
    for (const user of ["left", "peer", "worker"])
      await done("PUT", `/organisations/acme/members/${user}`, server.token, { role: "member" });
    await done("POST", "/organisations/acme/namespaces", server.token, { namespace: "acme" });
    for (const [team, role, user] of [
      ["makers", "publish", "left"],
      ["keepers", "maintain", "peer"],
      ["workers", "publish", "worker"],
    ] as const) {
      await done("PUT", `/organisations/acme/teams/${team}`, olga, { role });
      await done("PUT", `/organisations/acme/teams/${team}/members/${user}`, olga, {});
    }
    await done("POST", `/reviews/${await hold("acme/tool", "1.0.0", left)}/approve`, rita);
    await done("PUT", `/packages/acme%2Ftool/owners/team:acme%2Fworkers`, olga);

    const waiting = await hold("acme/tool", "1.1.0", worker);
    const seen = async (auth: string): Promise<readonly unknown[]> => [
      (await ask("GET", `/reviews/${waiting}`, auth)).status,
      (await ask("GET", `/reviews/${waiting}/download`, auth)).status,
      (await ask("GET", "/reviews?package=acme%2Ftool&state=held", auth)).body["total"],
    ];
    expect(await seen(left)).toEqual([200, 200, 1]);
    expect((await seen(peer)).slice(0, 2)).toEqual([200, 200]);

    await done("DELETE", "/organisations/acme/members/left", olga);
    expect(await seen(left)).toEqual([404, 404, 0]);
    expect(await seen(worker)).toEqual([200, 200, 1]);
    await done("POST", `/reviews/${waiting}/approve`, rita);
    expect((await ask("GET", "/packages/acme%2Ftool/versions/1.1.0", "")).body["publisher"]).toBe("worker");
  });
});
