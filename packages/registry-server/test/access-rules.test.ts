import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nodeVerifier } from "@lading/signing/node";
import { MemoryCache, SigningStatementVerifier, createRegistry, type RegistryPorts } from "../src/index.ts";
import { mintToken } from "../src/lib/node/node-registry.ts";
import { DEFAULT_SETTINGS } from "../src/node.ts";
import {
  MemoryBlobStore,
  MemoryDocumentStore,
  MemoryUploadStore,
  MemoryMetadataStore,
  MemoryTreeHost,
} from "../src/testing.ts";
import { GAL_RULES, member, rulesOf, startWithRules } from "./access-world.ts";
import { buildPackage, startServer, testHasher, type TestServer } from "./harness.ts";

let server: TestServer;
const people: Record<string, string> = {};
beforeAll(async () => {
  server = await startWithRules();
  people["stranger"] = await member(server, "stranger", ["others"]);
  people["reader"] = await member(server, "reader", ["employees"]);
  people["writer"] = await member(server, "writer", ["developers"]);
  people["maintainer"] = await member(server, "maintainer", ["package-maintainers"]);
  people["root"] = await member(server, "root-of-packages", []);
  people["vouched"] = await member(server, "ann", [], { email: "admin@company.com" });
});
afterAll(async () => server.close());

function yank(name: string, version: string, who: string): Promise<Response> {
  const path = `/api/v1/packages/${encodeURIComponent(name)}/versions/${version}/yank`;
  return server.call(path, { method: "POST", auth: people[who] ?? who, json: { reason: "broken" } });
}

describe("access rules about packages that everybody may read", () => {
  it("[AUT-16] let the write group publish, also what it does not own, and nobody else", async () => {
    const first = await buildPackage({ name: "open/tool", version: "1.0.0" });
    const refused = await server.publish(first, { auth: people["stranger"]! });
    expect(refused.status).toBe(403);
    expect(await refused.json()).toMatchObject({ code: "FORBIDDEN" });
    expect((await server.publish(first, { auth: people["reader"]! })).status).toBe(403);
    expect((await server.publish(first, { auth: people["writer"]! })).status).toBe(201);
    const second = await buildPackage({ name: "open/tool", version: "2.0.0" });
    expect((await server.publish(second, { auth: people["maintainer"]! })).status).toBe(201);
    expect((await server.call("/api/v1/packages/open%2Ftool", { auth: "" })).status).toBe(200);
  });

  it("[AUT-17] let only the admin group yank or change rights, not the owner", async () => {
    expect((await yank("open/tool", "1.0.0", "writer")).status).toBe(403);
    expect((await yank("open/tool", "1.0.0", "stranger")).status).toBe(403);
    const own = (who: string): Promise<Response> =>
      server.call("/api/v1/packages/open%2Ftool/owners/stranger", { method: "PUT", auth: people[who]! });
    expect((await own("writer")).status).toBe(403);
    expect((await own("maintainer")).status).toBe(200);
    // Owning it gives no right that the rule does not give.
    expect((await yank("open/tool", "1.0.0", "stranger")).status).toBe(403);
    expect((await yank("open/tool", "1.0.0", "maintainer")).status).toBe(200);
  });

  it("limit a token of a member to its scopes and patterns", async () => {
    const readOnly = await member(server, "limited-1", ["package-maintainers"], { scopes: ["read"] });
    const elsewhere = await member(server, "limited-2", ["package-maintainers"], { packages: ["other/*"] });
    for (const auth of [readOnly, elsewhere]) {
      expect((await yank("open/tool", "2.0.0", auth)).status).toBe(403);
      const built = await buildPackage({ name: "open/tool", version: "3.0.0" });
      expect((await server.publish(built, { auth })).status).toBe(403);
    }
  });
});

describe("[AUT-12] admin_users", () => {
  it("may yank any package; others 403", async () => {
    await server.publish(await buildPackage({ name: "anything", version: "1.0.0" }), { auth: people["stranger"]! });
    expect((await yank("anything", "1.0.0", "reader")).status).toBe(403);
    expect((await yank("anything", "1.0.0", "root")).status).toBe(200);
    expect((await yank("open/tool", "2.0.0", "vouched")).status).toBe(200);
  });

  it("are not who registers with such an address or takes such a name", async () => {
    const body = (username: string): object => ({ username, password: "long enough", email: "admin@company.com" });
    const taken = await server.call("/api/v1/auth/register", {
      method: "POST",
      auth: "",
      json: body("admin@company.com"),
    });
    expect(taken.status).toBe(409);
    const claiming = await server.call("/api/v1/auth/register", { method: "POST", auth: "", json: body("claimant") });
    expect(claiming.status).toBe(201);
    const token = await server.account("claimant-2");
    expect((await yank("anything", "1.0.0", token)).status).toBe(403);
    const byAdmin = await server.call("/api/v1/auth/register", { method: "POST", json: body("admin@company.com") });
    expect(byAdmin.status).toBe(201);
  });
});

describe("createRegistry() with rules about private packages", () => {
  const ports = (): RegistryPorts => ({
    settings: { ...DEFAULT_SETTINGS, jwtSecret: new Uint8Array(32), access: rulesOf(GAL_RULES) },
    metadata: new MemoryMetadataStore(),
    blobs: new MemoryBlobStore(),
    documents: new MemoryDocumentStore(),
    uploads: new MemoryUploadStore(),
    cache: new MemoryCache({ now: () => Date.now() }),
    hasher: testHasher,
    inspector: { inspect: () => Promise.reject(new Error("nothing is published")) },
    statements: new SigningStatementVerifier(nodeVerifier),
    clock: { now: () => Date.now() },
  });

  it("refuses them where there is no place for trees", () => {
    expect(() => createRegistry(ports())).toThrowError(
      'Cannot use the access rule "company/*": its packages are private, and this registry has no place for them',
    );
  });

  it("serves trees of any host", async () => {
    const own = ports();
    const registry = createRegistry({ ...own, trees: new MemoryTreeHost() });
    await registry.start();
    try {
      const account = { id: "1", username: "root-of-packages", passwordHash: "", admin: false, created: 1 };
      const { token, record } = await mintToken(account, { name: "t", days: 1, scopes: ["read"], now: Date.now() });
      await own.metadata.createAccount(account, { at: 1, actor: "system", action: "test", details: {} }, record);
      const read = async (headers: Record<string, string>): Promise<number> =>
        (await registry.fetch(new Request("http://localhost/trees/company/api/v1/search", { headers }))).status;
      expect([await read({}), await read({ authorization: `Bearer ${token}` })]).toEqual([404, 200]);
    } finally {
      await registry.stop();
    }
  });
});

describe("Registry.replaceAccess()", () => {
  it("goes by the new rules at once, and keeps the former ones where they cannot be used", async () => {
    const own = await startServer();
    try {
      const token = await member(own, "mia", ["developers"]);
      const other = await member(own, "lou", []);
      await own.publish(await buildPackage({ name: "tool", version: "1.0.0" }), { auth: other });
      const next = async (version: string, auth: string): Promise<number> =>
        (await own.publish(await buildPackage({ name: "tool", version }), { auth })).status;
      expect(await next("1.1.0", token)).toBe(403);
      const rule = '[access.packages."tool"]\nread_groups = ["@everyone"]\nwrite_groups = ["developers"]\n';
      await own.node.registry.replaceAccess(rulesOf(rule));
      expect(await next("1.2.0", token)).toBe(201);
      expect(await next("1.3.0", other)).toBe(403);
      await expect(
        own.node.registry.replaceAccess(rulesOf('[access.packages."tool"]\nread_groups = ["employees"]\n')),
      ).rejects.toMatchObject({ code: "ACCESS_RULES_INVALID", message: expect.stringContaining('"tool"') as string });
      expect(await next("1.4.0", token)).toBe(201);
      await own.node.registry.replaceAccess(undefined);
      expect(await next("1.5.0", token)).toBe(403);
    } finally {
      await own.close();
    }
  });

  it("refuses rules that would hide what was published for everybody", async () => {
    const own = await startServer();
    try {
      await own.publish(await buildPackage({ name: "company/tool", version: "1.0.0" }));
      await expect(own.node.registry.replaceAccess(rulesOf(GAL_RULES))).rejects.toThrowError(
        'package "company/tool" is in the public packages, and would belong to tree "company"',
      );
    } finally {
      await own.close();
    }
  });
});
