import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startServer, type TestServer } from "./harness.ts";

/** Ways to stand to an organisation, each with what it may do: the number of the highest right in {@link RIGHTS}. */
const RIGHTS = ["anybody", "caller", "member", "maintainer", "owner"] as const;
type Right = (typeof RIGHTS)[number];

/** What each role may do, and with which of its team's members it may deal. */
const ROLES: Readonly<Record<string, { readonly right: Right; readonly ofTeam?: true }>> = {
  anonymous: { right: "anybody" },
  stranger: { right: "caller" },
  "owner of another organisation": { right: "caller" },
  member: { right: "member" },
  "member of the team": { right: "member" },
  "maintainer of the team": { right: "member", ofTeam: true },
  maintainer: { right: "maintainer" },
  owner: { right: "owner" },
  "administrator of the registry": { right: "owner" },
  "token of an administrator for some packages": { right: "caller" },
};

/** What a route needs of the organisation, and a request that leaves everything as it is. */
const ROUTES: Readonly<Record<string, { readonly needs: Right; readonly ofTeam?: true; readonly json?: object }>> = {
  "GET ": { needs: "anybody" },
  "PUT ": { needs: "owner", json: { title: "Acme" } },
  // Which has a namespace, and stays.
  "DELETE ": { needs: "owner" },
  "GET /members": { needs: "member" },
  "PUT /members/{user}": { needs: "owner", json: { role: "member" } },
  "DELETE /members/{user}": { needs: "owner" },
  "PUT /teams/{team}": { needs: "owner", json: { role: "publish" } },
  "DELETE /teams/{team}": { needs: "owner" },
  "GET /teams/{team}/members": { needs: "member" },
  "PUT /teams/{team}/members/{user}": { needs: "owner", ofTeam: true, json: { role: "member" } },
  "DELETE /teams/{team}/members/{user}": { needs: "owner", ofTeam: true },
  "POST /namespaces": { needs: "owner", json: { namespace: "acme" } },
  "GET /namespaces/{namespace}/challenge": { needs: "owner" },
  "PUT /namespaces/{namespace}": { needs: "owner", json: { team: null } },
  "DELETE /namespaces/{namespace}": { needs: "owner" },
  "GET /configurations": { needs: "anybody" },
  "GET /configurations/{configuration}": { needs: "anybody" },
  "PUT /configurations/{configuration}": { needs: "owner", json: { text: "" } },
  "DELETE /configurations/{configuration}": { needs: "owner" },
  "GET /webhooks": { needs: "owner" },
  "POST /webhooks": { needs: "owner", json: { url: "http://127.0.0.1:9/", events: ["package.publish"] } },
  "PUT /webhooks/{id}": { needs: "owner", json: { events: ["package.publish"] } },
  "DELETE /webhooks/{id}": { needs: "owner" },
  "POST /webhooks/{id}/secret": { needs: "owner", json: {} },
  "POST /webhooks/{id}/test": { needs: "owner", json: {} },
  "GET /webhooks/{id}/deliveries": { needs: "owner" },
  "POST /webhooks/{id}/deliveries/{delivery}/redeliver": { needs: "owner", json: {} },
  "GET /usage": { needs: "maintainer" },
  "GET /invitations": { needs: "maintainer" },
  "POST /invitations": { needs: "maintainer", json: { username: "stranger" } },
  "DELETE /invitations/{id}": { needs: "maintainer" },
};

let server: TestServer;
const tokens: Record<string, string> = { anonymous: "" };
const AT = "/api/v1/organisations";

async function admin(method: string, path: string, json?: object): Promise<void> {
  const { status } = await server.call(`${AT}${path}`, { method, ...(json === undefined ? {} : { json }) });
  if (status >= 400) throw new Error(`${method} ${path}: ${status}`);
}

beforeAll(async () => {
  server = await startServer();
  const people = {
    stranger: "stranger",
    "owner of another organisation": "rival",
    member: "member",
    "member of the team": "player",
    "maintainer of the team": "captain",
    maintainer: "maintainer",
    owner: "owner",
  };
  for (const [role, username] of Object.entries(people)) tokens[role] = await server.account(username);
  tokens["administrator of the registry"] = server.token;
  const limited = { name: "limited", scopes: ["admin"], packages: ["acme/*"] };
  const made = await server.call("/api/v1/tokens", { method: "POST", json: limited });
  tokens["token of an administrator for some packages"] = ((await made.json()) as { token: string }).token;
  await server.account("victim");
  const rival = { method: "POST", auth: tokens["owner of another organisation"]!, json: { name: "rivals" } };
  await server.call(AT, rival);
  await server.call(AT, { method: "POST", auth: tokens["owner"]!, json: { name: "acme" } });
  for (const name of ["member", "player", "captain", "victim"])
    await admin("PUT", `/acme/members/${name}`, { role: "member" });
  await admin("PUT", "/acme/members/maintainer", { role: "maintainer" });
  await admin("PUT", "/acme/teams/core", { role: "publish" });
  await admin("PUT", "/acme/teams/core/members/player", { role: "member" });
  await admin("PUT", "/acme/teams/core/members/captain", { role: "maintainer" });
  await admin("POST", "/acme/namespaces", { namespace: "acme" });
});
afterAll(async () => server.close());

async function outcome(route: string, role: string): Promise<string> {
  const [method, path] = route.split(" ") as [string, string];
  const filled = path
    .replace("{user}", "victim")
    // Of things that go, one that is not there: who may not is told so first.
    .replace("{team}", method === "DELETE" && path.endsWith("{team}") ? "none" : "core")
    .replace("{namespace}", "none")
    .replaceAll(/\{\w+\}/g, "none");
  const query = path.endsWith("/challenge") ? "?domain=acme.example" : "";
  const { json } = ROUTES[route]!;
  const init = { method, auth: tokens[role]!, ...(json === undefined ? {} : { json }) };
  const { status } = await server.call(`${AT}/acme${filled}${query}`, init);
  await admin("PUT", "/acme/members/victim", { role: "member" });
  await admin("PUT", "/acme/teams/core/members/victim", { role: "member" });
  if (status === 401) return "no credentials";
  return status === 403 ? "denied" : "allowed";
}

function expected(route: string, role: string): string {
  const { needs, ofTeam } = ROUTES[route]!;
  const { right, ofTeam: leads } = ROLES[role]!;
  if (RIGHTS.indexOf(right) >= RIGHTS.indexOf(needs) || (ofTeam === true && leads === true)) return "allowed";
  return role === "anonymous" ? "no credentials" : "denied";
}

describe("role x route of organisations", () => {
  it("has every route that the API describes", async () => {
    const { paths } = (await (await server.call("/openapi.json")).json()) as { paths: Record<string, object> };
    const described = Object.entries(paths)
      .filter(([path]) => path.startsWith(`${AT}/{organisation}`))
      .flatMap(([path, methods]) =>
        Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.slice(`${AT}/{organisation}`.length)}`),
      );
    expect(described.sort()).toEqual(Object.keys(ROUTES).sort());
  });

  it.each(Object.keys(ROUTES))("[AUT-18] [AUT-19] %s", async (route) => {
    const found: Record<string, string> = {};
    const wanted: Record<string, string> = {};
    for (const role of Object.keys(ROLES)) {
      found[role] = await outcome(route, role);
      wanted[role] = expected(route, role);
    }
    expect(found).toEqual(wanted);
  });
});
