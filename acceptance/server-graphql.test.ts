import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { api, apiJson, startRegistry, type RegistryProcess } from "./lib/harness.ts";
import { publishPackage, removeTemporary } from "./lib/more.ts";

let registry: RegistryProcess;
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(async () => {
  await registry.dispose();
  removeTemporary();
});

describe("a registry's GraphQL", () => {
  test("[SRV-15] answers with the same data as the routes of packages", async () => {
    for (const version of ["1.0.0", "1.1.0", "2.0.0"]) await publishPackage(registry, { name: "asked", version });
    const yank = { method: "POST", body: JSON.stringify({ reason: "broken" }) };
    expect((await api(registry, "/api/v1/packages/asked/versions/1.1.0/yank", yank)).status).toBe(200);

    const query =
      "query ($name: String!) { package(name: $name) { name sequence owners latest { version } versions { version status reason published publisher signed } } }";
    const { data } = await apiJson<{ data: { package: Record<string, unknown> } }>(registry, "/graphql", {
      method: "POST",
      body: JSON.stringify({ query, variables: { name: "asked" } }),
    });
    const rest = await apiJson<Record<string, unknown> & { versions: Record<string, unknown>[] }>(
      registry,
      "/api/v1/packages/asked",
    );
    expect(data.package).toEqual({
      name: rest["name"],
      sequence: rest["sequence"],
      owners: rest["owners"],
      latest: { version: rest["latest"] },
      versions: rest.versions.map(({ version, status, reason = null, published, publisher, signed }) => ({
        version,
        status,
        reason,
        published,
        publisher,
        signed,
      })),
    });
    expect(rest.versions.map(({ status }) => status)).toEqual(["active", "yanked", "active"]);
  });
});
