import { Hono } from "hono";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writers } from "../src/lib/api/access.ts";
import type { Env, Services } from "../src/lib/api/context.ts";
import { MemoryMetadataStore } from "../src/testing.ts";
import { PACKAGE_ROUTES } from "./access-routes.ts";
import { buildPackage, startServer, type TestServer } from "./harness.ts";

/**
 * Who may call each route: anybody; readers (everybody where reading is public); callers with any credentials; writers
 * with the scope; `session`: a session; `keys`: a session, or a token with scope owner;
 * `admin`: a token with scope admin.
 */
const ACCESS: Readonly<
  Record<string, "admin" | "anybody" | "reader" | "caller" | "session" | "keys" | "publish" | "yank" | "owner">
> = {
  "GET /.well-known/lading.json": "anybody",
  "GET /openapi.json": "anybody",
  "GET /docs": "anybody",
  "GET /api/v1/health": "anybody",
  "GET /api/v1/health/live": "anybody",
  "GET /api/v1/health/ready": "anybody",
  "POST /api/v1/auth/register": "anybody",
  "POST /api/v1/auth/login": "anybody",
  "GET /index/_/{ab}/{file}": "reader",
  "GET /index/@{namespace}/{ab}/{file}": "reader",
  "GET /blobs/sha256/{hex}": "reader",
  "GET /blobs/sha256/{hex}.sig": "reader",
  "GET /feed/{page}.json": "reader",
  "GET /graphql": "reader",
  "POST /graphql": "reader",
  "GET /metrics": "reader",
  "GET /trees/{tree}/{path}": "anybody",
  "GET /api/v1/packages/": "reader",
  "GET /api/v1/search": "reader",
  "GET /api/v1/packages/{name}": "reader",
  "GET /api/v1/packages/{name}/versions": "reader",
  "GET /api/v1/packages/{name}/versions/{version}": "reader",
  "GET /api/v1/packages/{name}/versions/{version}/download": "reader",
  "GET /api/v1/packages/{name}/versions/{version}/readme": "reader",
  "GET /api/v1/packages/{name}/readme": "reader",
  "GET /api/v1/packages/{name}/owners": "reader",
  "GET /api/v1/packages/{name}/channels": "reader",
  "GET /simple/": "reader",
  "GET /simple/{name}/": "reader",
  "GET /simple/{name}/{file}": "reader",
  "PUT /api/v1/packages/{name}/channels/{channel}": "publish",
  "DELETE /api/v1/packages/{name}/channels/{channel}": "publish",
  "POST /api/v1/files": "reader",
  "POST /api/v1/proofs": "reader",
  "GET /api/v1/packages/{name}/versions/{version}/proof": "reader",
  "GET /api/v1/packages/{name}/policy": "reader",
  "GET /api/v1/accounts/{username}/keys": "reader",
  "PUT /api/v1/packages/{name}/policy": "owner",
  "DELETE /api/v1/packages/{name}/policy": "owner",
  "POST /api/v1/keys/statements": "keys",
  "POST /api/v1/auth/logout": "caller",
  "GET /api/v1/auth/whoami": "caller",
  "POST /api/v1/auth/ci": "anybody",
  "GET /api/v1/auth/oidc": "anybody",
  "POST /api/v1/auth/oidc": "anybody",
  "GET /api/v1/account/second-factor": "caller",
  "POST /api/v1/account/second-factor": "session",
  "POST /api/v1/account/second-factor/confirm": "session",
  "POST /api/v1/account/second-factor/remove": "session",
  "POST /api/v1/account/second-factor/recovery-codes": "session",
  "POST /api/v1/auth/passkey/options": "anybody",
  "POST /api/v1/auth/passkey": "anybody",
  "GET /api/v1/account/passkeys": "caller",
  "POST /api/v1/account/passkeys/options": "session",
  "POST /api/v1/account/passkeys": "session",
  "DELETE /api/v1/account/passkeys/{id}": "session",
  "GET /api/v1/account/sessions": "caller",
  "DELETE /api/v1/account/sessions": "session",
  "DELETE /api/v1/account/sessions/{id}": "session",
  "POST /api/v1/account/password": "session",
  "POST /api/v1/account/delete": "session",
  "POST /api/v1/users/{username}/password-reset": "admin",
  "POST /api/v1/users/{username}/second-factor-reset": "admin",
  "GET /api/v1/packages/{name}/trusted-publishers": "owner",
  "POST /api/v1/packages/{name}/trusted-publishers": "owner",
  "DELETE /api/v1/packages/{name}/trusted-publishers/{id}": "owner",
  "GET /api/v1/organisations": "reader",
  "GET /api/v1/reserved-organisations": "admin",
  "DELETE /api/v1/reserved-organisations/{organisation}": "admin",
  "POST /api/v1/organisations": "owner",
  "GET /api/v1/organisations/{organisation}": "reader",
  "PUT /api/v1/organisations/{organisation}": "owner",
  "DELETE /api/v1/organisations/{organisation}": "owner",
  "GET /api/v1/organisations/{organisation}/members": "caller",
  "PUT /api/v1/organisations/{organisation}/members/{user}": "owner",
  "DELETE /api/v1/organisations/{organisation}/members/{user}": "owner",
  "PUT /api/v1/organisations/{organisation}/teams/{team}": "owner",
  "DELETE /api/v1/organisations/{organisation}/teams/{team}": "owner",
  "GET /api/v1/organisations/{organisation}/teams/{team}/members": "caller",
  "PUT /api/v1/organisations/{organisation}/teams/{team}/members/{user}": "owner",
  "DELETE /api/v1/organisations/{organisation}/teams/{team}/members/{user}": "owner",
  "POST /api/v1/organisations/{organisation}/namespaces": "owner",
  "GET /api/v1/organisations/{organisation}/namespaces/{namespace}/challenge": "caller",
  "PUT /api/v1/organisations/{organisation}/namespaces/{namespace}": "owner",
  "DELETE /api/v1/organisations/{organisation}/namespaces/{namespace}": "owner",
  "GET /api/v1/organisations/{organisation}/configurations": "reader",
  "GET /api/v1/organisations/{organisation}/configurations/{configuration}": "reader",
  "PUT /api/v1/organisations/{organisation}/configurations/{configuration}": "owner",
  "DELETE /api/v1/organisations/{organisation}/configurations/{configuration}": "owner",
  "GET /api/v1/packages/{name}/webhooks": "owner",
  "POST /api/v1/packages/{name}/webhooks": "owner",
  "PUT /api/v1/packages/{name}/webhooks/{id}": "owner",
  "DELETE /api/v1/packages/{name}/webhooks/{id}": "owner",
  "POST /api/v1/packages/{name}/webhooks/{id}/secret": "owner",
  "POST /api/v1/packages/{name}/webhooks/{id}/test": "owner",
  "GET /api/v1/packages/{name}/webhooks/{id}/deliveries": "owner",
  "POST /api/v1/packages/{name}/webhooks/{id}/deliveries/{delivery}/redeliver": "owner",
  "GET /api/v1/organisations/{organisation}/webhooks": "owner",
  "POST /api/v1/organisations/{organisation}/webhooks": "owner",
  "PUT /api/v1/organisations/{organisation}/webhooks/{id}": "owner",
  "DELETE /api/v1/organisations/{organisation}/webhooks/{id}": "owner",
  "POST /api/v1/organisations/{organisation}/webhooks/{id}/secret": "owner",
  "POST /api/v1/organisations/{organisation}/webhooks/{id}/test": "owner",
  "GET /api/v1/organisations/{organisation}/webhooks/{id}/deliveries": "owner",
  "POST /api/v1/organisations/{organisation}/webhooks/{id}/deliveries/{delivery}/redeliver": "owner",
  "GET /api/v1/packages/{name}/usage": "owner",
  "GET /api/v1/organisations/{organisation}/usage": "owner",
  "GET /api/v1/reports/usage": "admin",
  "GET /api/v1/reports/licenses": "admin",
  "GET /api/v1/webhooks": "admin",
  "POST /api/v1/webhooks": "admin",
  "PUT /api/v1/webhooks/{id}": "admin",
  "DELETE /api/v1/webhooks/{id}": "admin",
  "POST /api/v1/webhooks/{id}/secret": "admin",
  "POST /api/v1/webhooks/{id}/test": "admin",
  "GET /api/v1/webhooks/{id}/deliveries": "admin",
  "POST /api/v1/webhooks/{id}/deliveries/{delivery}/redeliver": "admin",
  "GET /api/v1/organisations/{organisation}/invitations": "owner",
  "POST /api/v1/organisations/{organisation}/invitations": "owner",
  "DELETE /api/v1/organisations/{organisation}/invitations/{id}": "owner",
  "GET /api/v1/invitations": "caller",
  "POST /api/v1/invitations/answers": "owner",
  "POST /api/v1/transfers": "owner",
  "GET /api/v1/transfers": "caller",
  "POST /api/v1/transfers/{id}/answer": "owner",
  "POST /api/v1/claims": "owner",
  "GET /api/v1/claims": "caller",
  "POST /api/v1/claims/{id}/decision": "owner",
  "GET /api/v1/tokens": "caller",
  "POST /api/v1/tokens": "caller",
  "DELETE /api/v1/tokens/{id}": "caller",
  "GET /api/v1/keys": "caller",
  "GET /api/v1/audit": "caller",
  "POST /api/v1/keys": "keys",
  "DELETE /api/v1/keys/{fingerprint}": "keys",
  "POST /api/v1/packages/{name}/versions/{version}/takedown": "admin",
  "DELETE /api/v1/packages/{name}/versions/{version}/takedown": "admin",
  "GET /api/v1/reviews": "caller",
  "GET /api/v1/reviews/{id}": "caller",
  "GET /api/v1/reviews/{id}/download": "caller",
  "POST /api/v1/reviews/{id}/approve": "caller",
  "POST /api/v1/reviews/{id}/reject": "caller",
  "POST /api/v1/reviews/{id}/appeal": "caller",
  "GET /api/v1/retention": "admin",
  "POST /api/v1/retention": "admin",
  "GET /api/v1/quotas": "admin",
  "GET /api/v1/quotas/{subject}": "caller",
  "PUT /api/v1/quotas/{subject}": "admin",
  "DELETE /api/v1/quotas/{subject}": "admin",
  "POST /api/v1/uploads": "publish",
  "GET /api/v1/uploads/{id}": "publish",
  "PATCH /api/v1/uploads/{id}": "publish",
  "DELETE /api/v1/uploads/{id}": "publish",
  "POST /api/v1/uploads/{id}/parts": "publish",
  "POST /api/v1/uploads/{id}/publish": "publish",
  "POST /api/v1/packages/": "publish",
  "POST /api/v1/packages/{name}/versions": "publish",
  "POST /api/v1/packages/{name}/versions/{version}/yank": "yank",
  "DELETE /api/v1/packages/{name}/versions/{version}/yank": "yank",
  "POST /api/v1/packages/{name}/versions/{version}/deprecate": "yank",
  "DELETE /api/v1/packages/{name}/versions/{version}/deprecate": "yank",
  "PUT /api/v1/packages/{name}/owners/{user}": "owner",
  "DELETE /api/v1/packages/{name}/owners/{user}": "owner",
  "GET /api/v1/upstreams": "admin",
  "POST /api/v1/upstreams/{upstream}/sync": "admin",
  "GET /api/v1/upstreams/{upstream}/exceptions": "admin",
  "POST /api/v1/upstreams/{upstream}/exceptions": "admin",
  "DELETE /api/v1/upstreams/{upstream}/exceptions/{name}/{version}": "admin",
};
const routes = Object.entries(ACCESS).map(([route, access]) => ({ route, access }));
const restricted = routes.filter(({ access }) => access !== "anybody" && access !== "reader");

let server: TestServer;
let hidden: TestServer;
let open: TestServer;
let unable: string;
let limitedAdmin: string;
beforeAll(async () => {
  server = await startServer();
  hidden = await startServer({ readPublic: false });
  open = await startServer({
    writeRequiresAuth: false,
    install: { install: () => Promise.reject(new Error("nobody may install here")) },
  });
  limitedAdmin = await tokenOfAdmin(open, ["mine-*"]);
  await server.publish(await buildPackage({ name: "tool", version: "1.0.0" }));
  unable = await server.account("unable", { scopes: ["read"] });
});
afterAll(async () => {
  await server.close();
  await hidden.close();
  await open.close();
});

/** A token of the first administrator with scope admin that is limited to packages. */
async function tokenOfAdmin(on: TestServer, packages: readonly string[]): Promise<string> {
  const login = { username: "admin", password: on.password };
  const session = await on.call("/api/v1/auth/login", { method: "POST", auth: "", json: login });
  const { token: auth } = (await session.json()) as { token: string };
  const json = { name: "limited", scopes: ["admin"], packages };
  const made = await on.call("/api/v1/tokens", { method: "POST", auth, json });
  expect(made.status).toBe(201);
  return ((await made.json()) as { token: string }).token;
}

/** Calls a route with nothing right but the address: its package is there or not, its body and query are nonsense. */
async function call(on: TestServer, route: string, auth: string, name: string): Promise<[number, string]> {
  const [method, path] = route.split(" ") as [string, string];
  const filled = path
    .replace("{name}", name)
    .replace("{page}", "0")
    .replaceAll(/\{\w+\}/g, "x");
  const json = method === "GET" || method === "DELETE" ? {} : { json: { nonsense: "x".repeat(10) } };
  const response = await on.call(`${filled}?page=nonsense`, { method, auth, ...json });
  const { code } = (await response.json()) as { code: string };
  return [response.status, code];
}

describe("access", () => {
  it("is decided here for every route that the API describes", async () => {
    const { paths } = (await (await server.call("/openapi.json")).json()) as { paths: Record<string, object> };
    const described = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(described.sort()).toEqual(Object.keys(ACCESS).sort());
  });

  it("of packages is decided for every role in access-matrix.long.test.ts", () => {
    // What only admins of the whole registry may do asks for no right on the package.
    const named = Object.entries(ACCESS)
      .filter(([route, access]) => route.includes(" /api/v1/packages/{name}") && access !== "admin")
      .map(([route]) => route);
    expect(Object.keys(PACKAGE_ROUTES).sort()).toEqual(named.sort());
  });

  it.each(restricted)("of $route: no credentials 401, whatever the body and the package are", async ({ route }) => {
    for (const name of ["tool", "missing", "NOT%20A%20NAME"])
      expect(await call(server, route, "", name)).toEqual([401, "AUTHENTICATION_REQUIRED"]);
    expect(await call(server, route, "ldg_wrong", "tool")).toEqual([401, "TOKEN_INVALID"]);
  });

  it.each(restricted.filter(({ access }) => access !== "caller"))(
    "of $route: a token without the scope 403, whatever the body and the package are",
    async ({ route }) => {
      for (const name of ["tool", "missing"])
        expect(await call(server, route, unable, name)).toEqual([403, "FORBIDDEN"]);
    },
  );

  it("of a token for other packages: 403 before a package's existence is told", async () => {
    const limited = await server.account("limited", { scopes: ["yank", "owner", "publish"], packages: ["mine-*"] });
    for (const { route, access } of routes.filter(({ route }) => route.includes("{name}"))) {
      if (!["yank", "owner", "publish"].includes(access)) continue;
      for (const name of ["tool", "missing"])
        expect([route, ...(await call(server, route, limited, name))]).toEqual([route, 403, "FORBIDDEN"]);
    }
  });

  const registryWide = [
    ...routes.filter(({ route, access }) => access === "admin" && !route.includes("/packages/{name}")),
    { route: "POST /api/v1/packs/install" },
    { route: "POST /packs/install" },
    { route: "GET /api/v1/packs/install/{id}" },
    { route: "GET /api/v1/packs/install/{id}/events" },
  ];
  it.each(registryWide)("of $route: an admin's token that is limited to packages 403", async ({ route }) => {
    expect(await call(open, route, limitedAdmin, "mine-tool")).toEqual([403, "FORBIDDEN"]);
  });

  it.each(registryWide)("of $route where everybody may publish: no credentials 401", async ({ route }) => {
    expect(await call(open, route, "", "tool")).toEqual([401, "AUTHENTICATION_REQUIRED"]);
  });

  it.each(["owner", "admin"] as const)(
    "behind writers() with scope %s is none for whoever may publish",
    async (scope) => {
      const metadata = new MemoryMetadataStore();
      const authentication = { principal: async () => undefined };
      const services = { settings: { writeRequiresAuth: false }, authentication, metadata, clock: { now: () => 1 } };
      const app = new Hono<Env>();
      app.get("/nothing-named", writers(services as unknown as Services, scope), (context) => context.text("let in"));
      app.onError((error, context) => context.text((error as { code?: string }).code ?? error.message));
      expect(await (await app.request("/nothing-named")).text()).toBe("FORBIDDEN");
    },
  );

  it("of a version's takedown where everybody may publish: no credentials 403", async () => {
    for (const method of ["POST", "DELETE"]) {
      const route = `${method} /api/v1/packages/{name}/versions/{version}/takedown`;
      expect(await call(open, route, "", "tool")).toEqual([403, "FORBIDDEN"]);
    }
  });

  it.each(routes.filter(({ access }) => access === "reader"))(
    "of $route where reading is not public: 401, whatever the query and the package are",
    async ({ route }) => {
      for (const name of ["tool", "missing"])
        expect(await call(hidden, route, "", name)).toEqual([401, "AUTHENTICATION_REQUIRED"]);
    },
  );

  it("of registration where it is closed: told before the body is looked at", async () => {
    const closed = await startServer({ registration: "closed" });
    try {
      expect(await call(closed, "POST /api/v1/auth/register", "", "")).toEqual([403, "REGISTRATION_CLOSED"]);
      expect(await call(closed, "POST /api/v1/auth/register", closed.token, "")).toEqual([400, "REQUEST_INVALID"]);
    } finally {
      await closed.close();
    }
  });

  const posts = routes.filter(({ route, access }) => route.startsWith("POST ") && access !== "session");
  it.each(posts.filter(({ route }) => !/logout|\}\/versions$|\}\/publish$/.test(route)))(
    "of $route: a body larger than any is refused, after the credentials",
    async ({ route, access }) => {
      const path = route.slice(5).replace("{name}", "tool").replace("{version}", "1.0.0");
      const send = async (auth: string): Promise<number> =>
        (await server.call(path, { method: "POST", auth, json: { name: "x".repeat(300_000) } })).status;
      expect(await send("")).toBe(access === "anybody" || access === "reader" ? 413 : 401);
      expect(await send(server.token)).toBe(413);
    },
  );
});
