import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildPackage, startServer, type TestServer } from "./harness.ts";

let server: TestServer;
let ada: string;
beforeAll(async () => {
  server = await startServer({
    quotas: { user: { versions: 3 }, package: { bytes: 2 ** 20 } },
    publicationRules: [{ names: ["held/*"], review: true }],
  });
  ada = await server.account("ada");
});
afterAll(async () => server.close());

interface Quota {
  readonly limits: Readonly<Record<string, number>>;
  readonly usage: Readonly<Record<string, number>>;
  readonly configured: boolean;
}

const quota = (subject: string, init: Parameters<TestServer["call"]>[1] = {}): Promise<Response> =>
  server.call(`/api/v1/quotas/${encodeURIComponent(subject)}`, init);
const read = async (subject: string, auth?: string): Promise<Quota> =>
  (await (await quota(subject, auth === undefined ? {} : { auth })).json()) as Quota;
const publish = async (name: string, version: string, auth = ada): Promise<Response> =>
  server.publish(await buildPackage({ name, version }), { auth });
const problem = async (response: Response): Promise<unknown> => {
  const { code, found, allowed } = (await response.json()) as Record<string, unknown>;
  return [response.status, code, found, allowed];
};

describe("/api/v1/quotas", () => {
  it("holds a publication to its account's limit, before its bytes are sent, with them, and among racing ones", async () => {
    const versions = ["1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.0", "1.5.0"];
    const statuses = (await Promise.all(versions.map((version) => publish("tool", version)))).map(
      ({ status }) => status,
    );
    expect(statuses.filter((status) => status === 201)).toHaveLength(3);
    expect(statuses.filter((status) => status === 403)).toHaveLength(3);
    expect(await problem(await publish("gear", "1.0.0"))).toEqual([403, "QUOTA_EXCEEDED", 4, 3]);
    const json = { name: "gear", version: "1.0.0", blob: `sha256:${"0".repeat(64)}`, size: 100 };
    const early = await server.call("/api/v1/uploads", { method: "POST", auth: ada, json });
    expect(await problem(early)).toEqual([403, "QUOTA_EXCEEDED", 4, 3]);
    expect((await server.call("/api/v1/packages/gear")).status).toBe(404);
    // What is there already needs no room.
    const held = versions[statuses.indexOf(201)]!;
    expect((await publish("tool", held)).status).toBe(200);
  });

  it("shows what is held and allowed to whom it concerns, and to nobody else", async () => {
    const bob = await server.account("bob");
    expect(await read("user:ada", ada)).toMatchObject({
      limits: { versions: 3 },
      usage: { packages: 1, versions: 3 },
      configured: true,
    });
    expect(await read("package:tool", ada)).toMatchObject({ limits: { bytes: 2 ** 20 }, usage: { versions: 3 } });
    expect(await read("registry")).toMatchObject({ limits: {}, usage: { packages: 1, versions: 3 } });
    for (const [subject, auth] of [
      ["user:ada", bob],
      ["package:tool", bob],
      ["registry", ada],
      ["user:nobody", server.token],
      ["organisation:none", server.token],
      ["everything", server.token],
    ] as const)
      expect(await problem(await quota(subject, { auth }))).toEqual([
        404,
        "QUOTA_SUBJECT_NOT_FOUND",
        undefined,
        undefined,
      ]);
  });

  it("can be set and given back by an admin, at once for the next publication", async () => {
    expect((await quota("user:ada", { method: "PUT", json: { versions: 4, bytes: 2 ** 30 } })).status).toBe(200);
    expect((await publish("gear", "1.0.0")).status).toBe(201);
    expect(await problem(await publish("gear", "1.1.0"))).toEqual([403, "QUOTA_EXCEEDED", 5, 4]);
    const items = (await (await server.call("/api/v1/quotas")).json()) as object;
    expect(items).toEqual({ items: [{ subject: "user:ada", limits: { versions: 4, bytes: 2 ** 30 } }], total: 1 });
    await quota("package:gear", { method: "PUT", json: { bytes: 10 } });
    expect(await read("package:gear", ada)).toMatchObject({ limits: { bytes: 10 }, configured: false });
    await quota("user:ada", { method: "DELETE" });
    await quota("package:gear", { method: "DELETE" });
    expect(await read("user:ada", ada)).toMatchObject({ limits: { versions: 3 }, configured: true });
    const audit = (await (await server.call("/api/v1/audit?action=quota.set")).json()) as {
      items: { details: object }[];
    };
    expect(audit.items.map(({ details }) => details)).toContainEqual({ subject: "package:gear", bytes: 10 });
  });

  it("has room again when files are given up", async () => {
    const gone = await server.call("/api/v1/packages/gear/versions/1.0.0/takedown", {
      method: "POST",
      json: { reason: "unlawful", purge: true },
    });
    expect(gone.status).toBe(200);
    expect((await read("user:ada", ada)).usage).toMatchObject({ versions: 3 });
    await quota("user:ada", { method: "PUT", json: { versions: 4 } });
    expect((await publish("nut", "1.0.0")).status).toBe(201);
  });

  it("counts what is in an organisation's namespaces, whoever published it", async () => {
    await quota("user:ada", { method: "PUT", json: {} });
    await server.call("/api/v1/organisations", { method: "POST", auth: ada, json: { name: "company" } });
    const claim = { method: "POST", json: { namespace: "company" } };
    expect((await server.call("/api/v1/organisations/company/namespaces", claim)).status).toBeLessThan(300);
    await quota("organisation:company", { method: "PUT", json: { packages: 1 } });
    expect((await publish("company/tool", "1.0.0")).status).toBe(201);
    expect((await publish("company/tool", "1.1.0")).status).toBe(201);
    expect(await problem(await publish("company/gear", "1.0.0", server.token))).toEqual([403, "QUOTA_EXCEEDED", 2, 1]);
    expect((await read("organisation:company", ada)).usage).toMatchObject({ packages: 1, versions: 2 });
  });

  it("lets no more names wait for a reviewer than packages are allowed, and any number of versions of them", async () => {
    const bob = await server.account("bob-who-waits");
    await quota("user:bob-who-waits", { method: "PUT", json: { packages: 1 } });
    expect((await publish("held/one", "1.0.0", bob)).status).toBe(202);
    expect((await publish("held/one", "1.1.0", bob)).status).toBe(202);
    expect(await problem(await publish("held/two", "1.0.0", bob))).toEqual([403, "QUOTA_EXCEEDED", 2, 1]);
    expect((await read("user:bob-who-waits", bob)).usage).toMatchObject({ packages: 1, versions: 2 });
  });
});
