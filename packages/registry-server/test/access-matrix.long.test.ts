import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PACKAGE_ROUTES as ROUTES } from "./access-routes.ts";
import { member, startWithRules } from "./access-world.ts";
import { buildPackage, publishBody, type BuiltPackage, type TestServer } from "./harness.ts";

const RANK = { none: 0, read: 1, write: 2, admin: 3 } as const;
type Rank = keyof typeof RANK;
const LIMITED_ADMIN = "token of a server administrator for other packages";

/** What each role may do with a package that no rule is about, one that a rule opens to readers, and a private one. */
const ROLES: Readonly<Record<string, { readonly plain: Rank; readonly open: Rank; readonly hidden: Rank }>> = {
  anonymous: { plain: "read", open: "read", hidden: "none" },
  stranger: { plain: "read", open: "read", hidden: "none" },
  owner: { plain: "admin", open: "read", hidden: "none" },
  reader: { plain: "read", open: "read", hidden: "read" },
  writer: { plain: "read", open: "write", hidden: "write" },
  maintainer: { plain: "read", open: "admin", hidden: "admin" },
  "reader-only token of a maintainer": { plain: "read", open: "read", hidden: "read" },
  "token of a maintainer for other packages": { plain: "read", open: "read", hidden: "read" },
  "package administrator": { plain: "admin", open: "admin", hidden: "admin" },
  "server administrator": { plain: "admin", open: "admin", hidden: "admin" },
  [LIMITED_ADMIN]: { plain: "read", open: "read", hidden: "none" },
};
const NAMES = { plain: "plain", open: "open/tool", hidden: "company/tool" } as const;
type Kind = keyof typeof NAMES;

let server: TestServer;
const tokens: Record<string, string> = {};
const built: Partial<Record<Kind, BuiltPackage>> = {};

beforeAll(async () => {
  server = await startWithRules();
  tokens["anonymous"] = "";
  tokens["server administrator"] = server.token;
  const maintainers = ["package-maintainers"];
  const people: readonly [string, string, readonly string[], object?][] = [
    ["stranger", "stranger", ["others"]],
    ["owner", "owner", []],
    ["reader", "reader", ["employees"]],
    ["writer", "writer", ["developers"]],
    ["maintainer", "maintainer", maintainers],
    ["reader-only token of a maintainer", "mo", maintainers, { scopes: ["read"] }],
    ["token of a maintainer for other packages", "max", maintainers, { packages: ["other/*"] }],
    ["package administrator", "root-of-packages", []],
  ];
  for (const [role, username, groups, options] of people)
    tokens[role] = await member(server, username, groups, options);
  const limited = { name: "limited", scopes: ["admin"], packages: ["other/*"] };
  const made = await server.call("/api/v1/tokens", { method: "POST", json: limited });
  tokens[LIMITED_ADMIN] = ((await made.json()) as { token: string }).token;
  await member(server, "extra", []);
  for (const kind of ["plain", "open", "hidden"] as const) {
    const one = await buildPackage(
      { name: NAMES[kind], version: "1.0.0", readme: "README.md" },
      { files: { "README.md": "# R\n" } },
    );
    built[kind] = one;
    const auth = tokens[kind === "plain" ? "owner" : "maintainer"]!;
    const { status } = await server.publish(one, { auth });
    if (status !== 201) throw new Error(`"${NAMES[kind]}" was not published: ${status}`);
    // An owner by name, whom the rules do not name.
    const name = encodeURIComponent(NAMES[kind]);
    await server.call(`/api/v1/packages/${name}/owners/owner`, { method: "PUT" });
  }
});
afterAll(async () => server.close());

type Outcome = "allowed" | "no credentials" | "denied" | "hidden";

async function outcome(route: string, kind: Kind, role: string, mount = ""): Promise<[Outcome, number]> {
  const { json, upload } = ROUTES[route]!;
  const [method, path] = route.split(" ") as [string, string];
  const filled = path
    .replace("{name}", encodeURIComponent(NAMES[kind]))
    .replace("{version}", "1.0.0")
    .replace("{user}", "extra")
    .replace("{channel}", "beta")
    .replace("{id}", "none")
    .replace("{delivery}", "none");
  const response = await server.call(`${mount}${filled}`, {
    method,
    auth: tokens[role]!,
    ...(json === undefined ? {} : { json }),
    ...(upload === undefined ? {} : { body: publishBody(built[kind]!) }),
  });
  const text = await response.text();
  const code = /"code":"(\w+)"/.exec(text)?.[1] ?? "";
  if (response.status === 401) return ["no credentials", 401];
  if (response.status === 403) return ["denied", 403];
  // What a path names below a package that is seen may be missing.
  const missing =
    code === "PACKAGE_NOT_FOUND" || (code === "NOT_FOUND" && (text.includes("/trees/") || !route.endsWith("{id}")));
  return [response.status === 404 && missing ? "hidden" : "allowed", response.status];
}

function expected(route: string, kind: Kind, role: string): Outcome {
  const { needs, upload } = ROUTES[route]!;
  const rank = ROLES[role]![kind];
  if (RANK[rank] >= RANK[needs]) return "allowed";
  if (role === "anonymous" && needs !== "read") return "no credentials";
  // Whoever may not publish under a name hears so, whether there is a package or not.
  // A token for other packages is refused by its patterns before anything is looked up.
  if (rank === "none" && upload === undefined) return role === LIMITED_ADMIN && needs !== "read" ? "denied" : "hidden";
  return "denied";
}

describe("role x route", () => {
  it.each(Object.keys(ROUTES))("[AUT-18] %s", async (route) => {
    const table: Record<string, string> = {};
    const wanted: Record<string, string> = {};
    for (const kind of Object.keys(NAMES) as Kind[]) {
      for (const role of Object.keys(ROLES)) {
        const [found, status] = await outcome(route, kind, role);
        const right = expected(route, kind, role);
        table[`${kind}, ${role}`] = found === right ? right : `${found} (${status})`;
        wanted[`${kind}, ${role}`] = right;
      }
    }
    expect(table).toEqual(wanted);
  });

  it.each(Object.keys(ROUTES))("[AUT-18] %s at the tree's own address", async (route) => {
    const table: Record<string, string> = {};
    const wanted: Record<string, string> = {};
    for (const [role, { hidden }] of Object.entries(ROLES)) {
      const [found, status] = await outcome(route, "hidden", role, "/trees/company");
      // Whoever may not read a tree learns nothing of it, not even that something else would be needed.
      const right = hidden === "none" ? "hidden" : expected(route, "hidden", role);
      table[role] = found === right ? right : `${found} (${status})`;
      wanted[role] = right;
    }
    expect(table).toEqual(wanted);
  });
});
