import { canonicalName, parsePackageName } from "@lading/core-manifest";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { mintToken } from "../src/lib/node/node-registry.ts";
import { member, startWithRules } from "./access-world.ts";
import { buildPackage, type TestServer } from "./harness.ts";

const SOURCES = fileURLToPath(new URL("../src/lib", import.meta.url));
const DAY_MS = 24 * 60 * 60 * 1000;

let server: TestServer;
/** A token with scope `admin` for package "mine", and one for a package in the private tree. */
const tokens = { mine: "", tree: "" };
const ids = { review: "", claim: "" };

async function adminToken(packages: readonly string[]): Promise<string> {
  const account = (await server.node.metadata.accountByName("admin"))!;
  const limits = { name: packages.join(), days: 1, scopes: ["admin"] as const, packages, now: Date.now() };
  const { token, record } = await mintToken(account, limits);
  const audit = { at: Date.now(), actor: "admin", action: "token.create", details: {} };
  await server.node.metadata.createToken(record, audit);
  return token;
}

beforeAll(async () => {
  server = await startWithRules({
    registration: "closed",
    publicationRules: [{ names: ["held"], review: true, reviewers: ["nobody"] }],
  });
  const stranger = await member(server, "stranger", []);
  await member(server, "guest", []);
  tokens.mine = await adminToken(["mine"]);
  tokens.tree = await adminToken(["company/tool"]);
  for (const name of ["mine", "theirs", "held", "company/tool"]) {
    const auth = name === "company/tool" ? server.token : stranger;
    const answer = await server.publish(await buildPackage({ name, version: "1.0.0" }), { auth });
    if (!answer.ok) throw new Error(`"${name}" was not published: ${answer.status}`);
    const { review } = (await answer.json()) as { review?: { id: string } };
    ids.review = review?.id ?? ids.review;
  }
  await server.call("/api/v1/organisations", { method: "POST", auth: stranger, json: { name: "acme" } });
  await server.call("/api/v1/organisations/acme/configurations/build", {
    method: "PUT",
    auth: stranger,
    json: { text: "" },
  });
  const { metadata } = server.node;
  const { id: accountId } = (await metadata.accountByName("stranger"))!;
  ids.claim = "claim-1";
  const created = Date.now() - 100 * DAY_MS;
  const canonical = canonicalName(parsePackageName("theirs"));
  const claim = { id: ids.claim, canonical, accountId, reason: "a reason", created, decidable: created };
  await metadata.ownership.createClaim(claim, { at: created, actor: "stranger", action: "name.claim", details: {} });
});
afterAll(async () => server.close());

async function ask(
  auth: string,
  [method, path, json]: readonly [string, string, object?],
): Promise<{ readonly status: number; readonly body: Record<string, unknown> }> {
  const filled = path.replace("{review}", ids.review).replace("{claim}", ids.claim);
  const at = filled.startsWith("/trees") ? filled : `/api/v1${filled}`;
  const answer = await server.call(at, { method, auth, ...(json === undefined ? {} : { json }) });
  const text = await answer.text();
  return { status: answer.status, body: text.startsWith("{") ? (JSON.parse(text) as Record<string, unknown>) : {} };
}

/** What an administrator does, and how it ends for the token that administrates package "mine" alone. */
const REFUSED: readonly (readonly [request: readonly [string, string, object?], limited: number, whole: number])[] = [
  [["GET", "/reviews/{review}"], 404, 200],
  [["POST", "/reviews/{review}/reject", { reason: "no" }], 404, 200],
  [["POST", "/claims/{claim}/decision", { decision: "reject" }], 403, 200],
  [["POST", "/auth/register", { username: "newcomer", password: "a long password" }], 403, 201],
  [["GET", "/organisations/acme/members"], 403, 200],
  [["PUT", "/organisations/acme/members/guest", { role: "owner" }], 403, 200],
  [["GET", "/organisations/acme/configurations/build"], 404, 200],
  [["POST", "/organisations/acme/namespaces", { namespace: "acme" }], 403, 201],
  [["POST", "/organisations", { name: "own" }], 403, 201],
  [["POST", "/webhooks", { url: "ftp://example.com/" }], 403, 400],
  [["GET", "/webhooks"], 403, 200],
  [["GET", "/quotas"], 403, 200],
  [["GET", "/quotas/registry"], 404, 200],
  [["GET", "/quotas/user:stranger"], 404, 200],
  [["GET", "/quotas/package:theirs"], 404, 200],
  [["GET", "/retention"], 403, 200],
  [["GET", "/trees/company/api/v1/packages"], 404, 200],
  [["GET", "/packages/company%2Ftool"], 404, 200],
  [["PUT", "/packages/company%2Ftool/channels/beta", { version: "1.0.0" }], 403, 200],
  [["PUT", "/packages/theirs/owners/guest"], 403, 200],
  [["POST", "/packages/theirs/versions/1.0.0/takedown", { reason: "because" }], 403, 200],
];

const ALLOWED: readonly (readonly [string, string, object | undefined])[] = [
  ["GET", "/quotas/package:mine", undefined],
  ["PUT", "/packages/mine/channels/beta", { version: "1.0.0" }],
  ["PUT", "/packages/mine/owners/guest", undefined],
  ["POST", "/packages/mine/versions/1.0.0/takedown", { reason: "because" }],
];

describe("a token with scope admin that is limited to packages", () => {
  it.each(["/reviews", "/claims"])("lists nothing of others at %s", async (path) => {
    const listed = async (auth: string) => ((await ask(auth, ["GET", path])).body["items"] as object[]).length;
    expect([await listed(tokens.mine), await listed(server.token)]).toEqual([0, 1]);
  });

  it.each(REFUSED)("%j: %i, and without the limit %i", async (request, limited, whole) => {
    const found = await ask(tokens.mine, request);
    const full = await ask(server.token, request);
    const refused = [found.status, typeof found.body["code"], full.status];
    expect(refused).toEqual([limited, "string", whole]);
  });

  it.each(ALLOWED)("still administrates its own: %s %s", async (method, path, json) => {
    const { status, body } = await ask(tokens.mine, json === undefined ? [method, path] : [method, path, json]);
    expect([status, body["code"]]).toEqual([200, undefined]);
  });

  it("hears of its own account's doings alone", async () => {
    const actors = async (auth: string): Promise<readonly unknown[]> => {
      const { body } = await ask(auth, ["GET", "/audit?actor=stranger&per_page=100"]);
      return [...new Set((body["items"] as { actor: string }[]).map(({ actor }) => actor))];
    };
    expect(await actors(server.token)).toEqual(["stranger"]);
    expect(await actors(tokens.mine)).toEqual(["admin"]);
  });

  it("opens the private tree that its packages are in", async () => {
    expect((await ask(tokens.tree, ["GET", "/trees/company/api/v1/packages"])).status).toBe(200);
    expect((await ask(tokens.tree, ["GET", "/packages/company%2Ftool"])).status).toBe(200);
    const change = ["PUT", "/packages/company%2Ftool/channels/beta", { version: "1.0.0" }] as const;
    expect((await ask(tokens.tree, change)).status).toBe(200);
  });
});

it("nothing but administers() and its kin asks credentials for scope admin by itself", () => {
  const asking = readdirSync(SOURCES, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .filter((file) => /\.has\("admin"\)/.test(readFileSync(join(SOURCES, file), "utf8")));
  expect(asking).toEqual(["authentication.ts"]);
});
