import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createStatement, encodeEnvelope } from "@lading/signing";
import { buildPackage, startServer, testSigner, type BuiltPackage, type TestServer } from "./harness.ts";

let server: TestServer;

beforeAll(async () => {
  server = await startServer({
    publicationRules: [{ names: ["acme/*", "acme-secret/*"], review: true, reviewers: ["rita"] }],
  });
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
    const query = encodeURIComponent('{ package(name: "acme/tool") { owners } }');
    const graph = (await (await server.call(`/graphql?query=${query}`, { auth: "" })).json()) as object;
    expect(graph).toEqual({ data: { package: { owners: ["left", "team:acme/workers"] } } });

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

describe("a package's demand of several signatures", () => {
  function signed(built: BuiltPackage, signers: readonly ReturnType<typeof testSigner>[]): Promise<Uint8Array> {
    const { name, version } = built.record.manifest;
    const { kind, target } = built.record;
    const facts = {
      name,
      version,
      kind,
      target,
      blob: built.blob,
      tree: built.tree,
      manifestDigest: built.recordDigest,
    };
    return encodeEnvelope(
      createStatement(facts as Parameters<typeof createStatement>[0]),
      signers.map(({ signer }) => signer),
    );
  }

  it("counts keys of its other owners, and no more of one who left the organisation", async () => {
    const keys = [testSigner(41), testSigner(42)];
    const [ann, gone] = [await server.account("ann"), await server.account("gone")];
    await done("POST", "/organisations", ann, { name: "duo" });
    await done("PUT", "/organisations/duo/members/gone", server.token, { role: "maintainer" });
    await done("POST", "/organisations/duo/namespaces", server.token, { namespace: "duo" });
    await done("POST", "/keys", ann, { public_key: keys[0]!.pem });
    await done("POST", "/keys", gone, { public_key: keys[1]!.pem });
    const publish = async (version: string): Promise<readonly unknown[]> => {
      const built = await buildPackage({ name: "duo/tool", version });
      const response = await server.publish(built, { auth: ann, statement: await signed(built, keys) });
      return [response.status, ((await response.json()) as { code?: string }).code];
    };
    expect(await publish("1.0.0")).toEqual([201, undefined]);
    await done("PUT", "/packages/duo%2Ftool/owners/gone", ann);
    await done("PUT", "/packages/duo%2Ftool/policy", ann, { threshold: 2 });
    expect(await publish("1.1.0")).toEqual([201, undefined]);
    await done("DELETE", "/organisations/duo/members/gone", ann);
    expect((await publish("1.2.0"))[0]).toBe(422);
  });
});

describe("a publication that waits when its name becomes private", () => {
  it("is not published to everybody any more", async () => {
    const rita = await server.account("rita");
    const id = await hold("acme-secret/plan", "1.0.0", await server.account("ines"));
    const groups = { readGroups: ["staff"], writeGroups: ["staff"], adminGroups: [] };
    await server.node.registry.replaceAccess({ adminUsers: [], packages: [{ pattern: "acme-secret/*", ...groups }] });
    const { status, body } = await ask("POST", `/reviews/${id}/approve`, rita);
    expect([status, body["code"]]).toEqual([409, "REVIEW_BLOCKED"]);
    expect((await ask("GET", "/search?q=plan", "")).body["total"]).toBe(0);
  });
});

describe("a registry whose packages are read with credentials", () => {
  it("sends files that wait to nobody without scope read", async () => {
    const closed = await startServer({ readPublic: false, publicationRules: [{ names: ["*"], review: true }] });
    try {
      const [builder, reader] = [
        await closed.account("builder", { scopes: ["publish"] }),
        await closed.account("builder", { scopes: ["read"] }),
      ];
      const response = await closed.publish(await buildPackage({ name: "tool", version: "1.0.0" }), { auth: builder });
      const { review } = (await response.json()) as { review: { id: string } };
      const status = async (path: string, auth: string): Promise<number> => (await closed.call(path, { auth })).status;
      const path = `/api/v1/reviews/${review.id}`;
      expect([await status(path, builder), await status(`${path}/download`, builder)]).toEqual([200, 403]);
      expect([await status(path, reader), await status(`${path}/download`, reader)]).toEqual([200, 200]);
    } finally {
      await closed.close();
    }
  });
});
