import { expect, it } from "vitest";
import { startServer } from "./harness.ts";

it("the name of an organisation that was removed is kept from strangers until the operator releases it", async () => {
  const server = await startServer();
  try {
    const [owner, mallory] = [await server.account("owner"), await server.account("mallory")];
    const ask = async (method: string, path: string, auth = server.token, json?: object) => {
      const response = await server.call(`/api/v1${path}`, { method, auth, ...(json === undefined ? {} : { json }) });
      const text = await response.text();
      return { status: response.status, body: text === "" ? {} : (JSON.parse(text) as Record<string, unknown>) };
    };
    const create = (auth: string) => ask("POST", "/organisations", auth, { name: "acme" });
    const held = async () => (await ask("GET", "/reserved-organisations")).body["items"] as { name: string }[];
    expect((await create(owner)).status).toBe(201);
    expect((await ask("PUT", "/quotas/organisation:acme", server.token, { versions: 1 })).status).toBe(200);
    expect((await ask("DELETE", "/organisations/acme", owner)).status).toBe(204);
    expect((await ask("GET", "/quotas")).body["items"]).toEqual([]);
    for (const auth of [mallory, owner]) {
      const refused = await create(auth);
      expect([refused.status, refused.body["code"]]).toEqual([409, "ORGANISATION_EXISTS"]);
      expect(refused.body["detail"]).toContain("was removed");
    }
    expect((await held()).map(({ name }) => name)).toEqual(["acme"]);
    expect((await create(server.token)).status).toBe(201);
    expect(await held()).toEqual([]);
    expect((await ask("DELETE", "/organisations/acme")).status).toBe(204);
    expect((await ask("DELETE", "/reserved-organisations/acme")).status).toBe(204);
    expect((await ask("DELETE", "/reserved-organisations/acme")).body["code"]).toBe("ORGANISATION_NOT_FOUND");
    const { body } = await ask("GET", "/audit?action=organisation.release");
    expect(body["items"]).toMatchObject([{ actor: "admin", details: { organisation: "acme" } }]);
    expect((await create(mallory)).status).toBe(201);
  } finally {
    await server.close();
  }
});

const RULE = { pattern: "hidden/*", readGroups: ["company/devs"], writeGroups: ["company/devs"], adminGroups: [] };

it("organisations that an operator's rules name by a team are created by admins alone", async () => {
  const server = await startServer({
    access: { adminUsers: [], packages: [RULE] },
    publicationRules: [{ names: ["*"], review: true, reviewers: ["group:judges/all", "rita"] }],
    directoryTeams: [{ group: "staff", organisation: "staff", team: "all" }],
  });
  try {
    const mallory = await server.account("mallory");
    const create = async (name: string, auth?: string): Promise<readonly [number, string | undefined]> => {
      const init = { method: "POST", json: { name }, ...(auth === undefined ? {} : { auth }) };
      const response = await server.call("/api/v1/organisations", init);
      return [response.status, ((await response.json()) as { code?: string }).code];
    };
    for (const name of ["company", "judges", "staff"]) {
      expect(await create(name, mallory)).toEqual([409, "ORGANISATION_EXISTS"]);
      expect(await create(name)).toEqual([201, undefined]);
    }
    expect(await create("rita", mallory)).toEqual([201, undefined]);
  } finally {
    await server.close();
  }
});
