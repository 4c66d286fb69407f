import { describe, expect, it } from "vitest";
import type { RegistryClient } from "@lading/registry-client";
import { createFakeClock, fetchFromHandler } from "@lading/registry-client/testing";
import { clientOf } from "./helpers.ts";

interface Seen {
  readonly call: string;
  readonly body: unknown;
}

function against(answers: Readonly<Record<string, unknown>>): { client: RegistryClient; seen: Seen[] } {
  const seen: Seen[] = [];
  const handler = async (request: Request): Promise<Response> => {
    const url = new URL(request.url);
    if (url.pathname.endsWith("lading.json"))
      return Response.json({ protocol: 1, api: "https://registry.example.org/api/v1/" });
    const text = await request.text();
    const call = `${request.method} ${url.pathname.replace("/api/v1/", "")}${url.search}`;
    seen.push({ call, body: text === "" ? undefined : JSON.parse(text) });
    const answer = answers[call];
    if (answer instanceof Response) return answer;
    return answer === undefined
      ? Response.json({ code: "NOT_FOUND", detail: "no such thing" }, { status: 404 })
      : Response.json(answer);
  };
  return {
    seen,
    client: clientOf("https://registry.example.org", { fetch: fetchFromHandler(handler), clock: createFakeClock() }),
  };
}

describe("the registry's API", () => {
  it("search() sends query and page, and reads the answer", async () => {
    const { client } = against({
      "GET search?q=a+b&page=2&per_page=20&keyword=k": {
        items: [{ name: "actor", version: "1.0.0", description: "d", keywords: ["k"], downloads: 3 }],
        page: 2,
        per_page: 20,
        total: 21,
      },
    });
    expect(await client.search("a b", { page: 2, perPage: 20, keyword: "k" })).toMatchObject({
      page: 2,
      perPage: 20,
      total: 21,
      items: [{ name: "actor", version: "1.0.0", description: "d", keywords: ["k"], downloads: 3 }],
    });
  });

  it("search() names hosts one by one, and says whether the registry chose by them", async () => {
    const answer = { items: [], page: 1, per_page: 20, total: 0 };
    const hosts = { revit: "2025", python: "3.11" };
    const call = "GET search?q=x&host=revit%3D2025&host=python%3D3.11";
    const told = async (more: object): Promise<unknown> => {
      const { client } = against({ [call]: { ...answer, ...more } });
      return (await client.search("x", { hosts })).hosts;
    };
    expect(await told({ hosts })).toEqual(hosts);
    expect(await told({})).toBeUndefined();
    // Half of a filter is none.
    expect(await told({ hosts: { revit: "2025" } })).toBeUndefined();
    expect(await told({ hosts: { revit: "2024", python: "3.11" } })).toBeUndefined();
  });

  it("list() sends category and keyword", async () => {
    const { client } = against({
      "GET packages/?page=1&category=c&keyword=k": { items: [], page: 1, per_page: 20, total: 0 },
    });
    expect((await client.list({ page: 1, category: "c", keyword: "k" })).total).toBe(0);
  });

  it("list(), versions(), info() and readme() read, and know what is absent", async () => {
    const { client } = against({
      "GET packages/?q=x": { items: [{ name: "xy", latest: "1.0.0" }], page: 1, per_page: 10, total: 1 },
      "GET packages/company%2Ftool": { name: "company/tool" },
      "GET packages/company%2Ftool/versions": { items: [{ version: "1.0.0" }] },
      "GET packages/company%2Ftool/versions/1.0.0%2Bb": { version: "1.0.0+b" },
      "GET packages/company%2Ftool/versions/1.0.0/readme": new Response("# hi", {
        headers: { "content-type": "text/markdown" },
      }),
    });
    expect((await client.list({ query: "x" })).items[0]?.name).toBe("xy");
    expect(await client.info("company/tool")).toMatchObject({ name: "company/tool" });
    expect(await client.info("company/tool", "1.0.0+b")).toMatchObject({ version: "1.0.0+b" });
    expect((await client.versions("company/tool"))?.map((item) => item.version)).toEqual(["1.0.0"]);
    expect(await client.readme("company/tool", "1.0.0")).toBe("# hi");
    expect(await client.info("none")).toBeUndefined();
    expect(await client.versions("none")).toBeUndefined();
    expect(await client.readme("none", "1.0.0")).toBeUndefined();
  });

  it("yank, deprecate, owners, tokens and keys send what the contract says", async () => {
    const version = "packages/tool/versions/1.0.0";
    const calls = [
      `POST ${version}/yank`,
      `DELETE ${version}/yank`,
      `POST ${version}/deprecate`,
      `DELETE ${version}/deprecate`,
      "PUT packages/tool/owners/anna",
      "DELETE packages/tool/owners/anna",
      "DELETE tokens/7",
      "DELETE keys/k",
    ];
    const { client, seen } = against({
      ...Object.fromEntries(calls.map((call) => [call, {}])),
      "POST packages/": Response.json({ name: "tool" }, { status: 201 }),
      "GET packages/tool/owners": { items: [{ username: "anna" }] },
      "GET tokens": { items: [{ id: 7, name: "ci", scopes: ["read"] }] },
      "POST tokens": { id: "8", name: "ci", scopes: ["read"], token: "ldg_x", expires: "2027-01-01T00:00:00Z" },
      "GET keys": { items: [{ id: "k" }] },
      "POST keys": { id: "k" },
      "GET audit?page=1": { items: [{ action: "publish" }], page: 1, per_page: 50, total: 1 },
      "POST auth/register": { user: { username: "anna" } },
    });
    expect(await client.createPackage("tool")).toBe("created");
    await client.yank("tool", "1.0.0", "broken");
    await client.unyank("tool", "1.0.0");
    await client.deprecate("tool", "1.0.0", { reason: "old", replacement: "new-tool" });
    await client.undeprecate("tool", "1.0.0");
    await client.addOwner("tool", "anna");
    await client.removeOwner("tool", "anna");
    await client.revokeToken("7");
    await client.removeKey("k");
    expect(seen.slice(1).map((item) => item.call)).toEqual(calls);
    expect(seen[1]?.body).toEqual({ reason: "broken" });
    expect(seen[3]?.body).toEqual({ reason: "old", replacement: "new-tool" });
    expect(await client.owners("tool")).toEqual([{ username: "anna" }]);
    expect(await client.tokens()).toMatchObject([{ id: "7", scopes: ["read"] }]);
    expect(
      await client.createToken({ name: "ci", scopes: ["read"], packages: ["a*"], expiresInDays: 3 }),
    ).toMatchObject({ id: "8", token: "ldg_x" });
    expect(seen.at(-1)?.body).toEqual({ name: "ci", scopes: ["read"], packages: ["a*"], expires_in_days: 3 });
    expect(await client.keys()).toEqual([{ id: "k" }]);
    expect(await client.addKey("PEM", { name: "laptop" })).toEqual({ id: "k" });
    expect(seen.at(-1)?.body).toEqual({ public_key: "PEM", name: "laptop" });
    expect((await client.audit({ page: 1 })).items).toHaveLength(1);
    expect(await client.register({ username: "anna", password: "p" })).toMatchObject({ username: "anna" });
  });

  it("an absent version to yank is an error, with the registry's words", async () => {
    await expect(against({}).client.yank("tool", "1.0.0", "x")).rejects.toMatchObject({
      code: "REGISTRY_NOT_FOUND",
      message: expect.stringContaining("no such thing") as string,
      details: { serverCode: "NOT_FOUND" },
    });
  });

  it("health() tells how long the answer took, and whether it is good", async () => {
    expect(await against({ "GET health": { status: "ok" } }).client.health()).toMatchObject({
      ok: true,
      raw: { status: "ok" },
    });
    expect(await against({ "GET health": { status: "degraded" } }).client.health()).toMatchObject({ ok: false });
  });

  it.each([
    [[]],
    ["text"],
    [{ items: 3, page: 1, per_page: 1, total: 0 }],
    [{ items: [{}], page: 1, per_page: 1, total: 0 }],
    [{ items: [], page: "1", per_page: 1, total: 0 }],
  ])("refuses %j as an answer to a search", async (answer) => {
    await expect(against({ "GET search?q=x": answer }).client.search("x")).rejects.toMatchObject({
      code: "REGISTRY_ANSWER_INVALID",
    });
  });

  it("refuses an answer that says it is JSON and is not", async () => {
    const broken = new Response("<html>", { headers: { "content-type": "application/json" } });
    await expect(against({ "GET health": broken }).client.health()).rejects.toMatchObject({
      code: "REGISTRY_ANSWER_INVALID",
    });
  });

  it("a call that must not happen twice is not repeated", async () => {
    const { client, seen } = against({ "POST tokens": new Response("", { status: 503 }) });
    await expect(client.createToken({ name: "x", scopes: [] })).rejects.toMatchObject({ code: "REGISTRY_UNAVAILABLE" });
    expect(seen).toHaveLength(1);
  });
});
