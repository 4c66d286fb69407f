import { expect, it } from "vitest";
import { startServer } from "./harness.ts";

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
