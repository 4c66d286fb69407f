import { parseIndexDocument } from "@lading/core-manifest";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startPostgres, type PostgresServer } from "./postgres.ts";
import { freshDirectory, type Directory } from "./processes.ts";
import { makePackage, publishAt } from "./publications.ts";
import { startRadosgw, type S3Server } from "./radosgw.ts";
import { startRedis, type RedisServer } from "./redis.ts";
import { adminToken, bucketVariables, runCommand, startServer, type Server } from "./server.ts";

const RULES = `[access.packages."company/*"]
read_groups = ["company/readers"]
write_groups = ["company/publishers"]
admin_groups = ["company/leads"]
`;
const COUNT = 20;

let engines: { postgres: PostgresServer; s3: S3Server; redis: RedisServer; directory: Directory };
let env: Record<string, string>;
const servers: Server[] = [];
const tokens: Record<string, string> = {};

async function call(
  path: string,
  { at = 0, who, method = "GET", json }: { at?: number; who?: string; method?: string; json?: unknown } = {},
): Promise<Response> {
  return fetch(`${servers[at]!.url}${path}`, {
    method,
    headers: {
      ...(who === undefined ? {} : { authorization: `Bearer ${tokens[who]}` }),
      ...(json === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
  });
}

/** How many versions the index document of the private package has. */
async function indexed(at: number, who: string): Promise<number> {
  const document = await demand("/trees/company/index/@company/to/tool.json", { at, who });
  return parseIndexDocument(document).versions.length;
}

async function demand(path: string, init: Parameters<typeof call>[1]): Promise<Record<string, unknown>> {
  const response = await call(path, init);
  const text = await response.text();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
  return text === "" ? {} : (JSON.parse(text) as Record<string, unknown>);
}

/** Makes an account with a token that may read, publish and yank. */
async function account(username: string): Promise<void> {
  const password = `password of ${username}`;
  await demand("/api/v1/auth/register", { method: "POST", json: { username, password } });
  const login = await demand("/api/v1/auth/login", { method: "POST", json: { username, password } });
  tokens[username] = login["token"] as string;
  const scopes = ["read", "publish", "yank"];
  const made = await demand("/api/v1/tokens", { method: "POST", who: username, json: { name: "test", scopes } });
  tokens[username] = made["token"] as string;
}

async function team(name: string, member: string): Promise<void> {
  const path = `/api/v1/organisations/company/teams/${name}`;
  await demand(path, { method: "PUT", who: "admin", json: { role: "read" } });
  const role = { method: "PUT", who: "admin", json: { role: "member" } };
  await demand(`/api/v1/organisations/company/members/${member}`, role);
  await demand(`${path}/members/${member}`, role);
}

beforeAll(async () => {
  const [postgres, s3, redis, directory] = await Promise.all([
    startPostgres(),
    startRadosgw(),
    startRedis(),
    freshDirectory("private"),
  ]);
  engines = { postgres, s3, redis, directory };
  const rules = join(directory.path, "access.toml");
  await writeFile(rules, RULES);
  env = {
    DATABASE_URL: await postgres.createDatabase(),
    REDIS_URL: redis.url,
    REGISTRY_KEYS_DIR: join(directory.path, "keys"),
    REGISTRY_ACCESS_FILE: rules,
    JWT_SECRET_KEY: "a-secret-that-all-servers-know-0123456789",
    ...bucketVariables(await s3.createBucket()),
  };
  for (const name of ["one", "two"]) servers.push(await startServer({ data: join(directory.path, name), env }));
  tokens["admin"] = await adminToken(join(directory.path, "one"));
  await demand("/api/v1/organisations", { method: "POST", who: "admin", json: { name: "company" } });
  for (const [group, who] of [
    ["readers", "rita"],
    ["publishers", "paul"],
    ["leads", "lea"],
  ] as const) {
    await account(who);
    await team(group, who);
  }
  await account("bob");
});
afterAll(async () => {
  for (const server of servers) await server.stop();
  await engines?.postgres.stop();
  await engines?.s3.stop();
  await engines?.redis.stop();
  await engines?.directory.remove();
});

describe("private packages on PostgreSQL, a bucket and two servers", () => {
  test(`[AUT-19] ${COUNT} versions published at both servers by a team's member, none lost, read by another team`, async () => {
    const files = await Promise.all(
      Array.from({ length: COUNT }, (_, at) => makePackage("company/tool", `1.0.${at}`, 500)),
    );
    const leaves = await Promise.all(
      files.map(async (file, at) => {
        const { status, body } = await publishAt(`${servers[at % 2]!.url}/trees/company`, tokens["paul"]!, file);
        expect([status, body["detail"]]).toEqual([201, undefined]);
        return (body["log"] as { index: number }).index;
      }),
    );
    expect(new Set(leaves).size).toBe(COUNT);
    for (const at of [0, 1]) {
      await expect.poll(() => indexed(at, "rita"), { timeout: 60_000 }).toBe(COUNT);
      for (const { blob } of files) {
        const path = `/trees/company/blobs/sha256/${blob.slice(7)}`;
        expect((await call(path, { at, who: "rita" })).status).toBe(200);
        for (const other of [path, path.slice("/trees/company".length)]) {
          expect((await call(other, { at, who: "bob" })).status).toBe(404);
          expect((await call(other, { at })).status).toBe(404);
        }
      }
    }
    const yank = "/api/v1/packages/company%2Ftool/versions/1.0.0/yank";
    const json = { reason: "broken" };
    const codes = [];
    for (const who of ["bob", "rita", "paul", "lea"])
      codes.push((await call(yank, { who, method: "POST", json })).status);
    expect(codes).toEqual([404, 403, 403, 200]);
  });

  test("a person who leaves the team reads nothing five seconds later, at either server", async () => {
    const path = "/trees/company/api/v1/packages/company%2Ftool";
    for (const at of [0, 1]) expect((await call(path, { at, who: "rita" })).status).toBe(200);
    await demand("/api/v1/organisations/company/teams/readers/members/rita", { method: "DELETE", who: "admin" });
    for (const at of [0, 1])
      await expect.poll(async () => (await call(path, { at, who: "rita" })).status, { timeout: 60_000 }).toBe(404);
  });

  test("admin verify, backup and restore take the schema, the prefix and the keys of the tree along", async () => {
    for (const server of servers.splice(0)) await server.stop();
    const data = join(engines.directory.path, "one");
    const verified = await runCommand(["admin", "verify", "--data", data], env);
    expect([verified.code, JSON.parse(verified.out)]).toMatchObject([
      0,
      { bad: [], trees: { company: { checked: COUNT, bad: [] } } },
    ]);
    const backup = join(engines.directory.path, "backup");
    expect((await runCommand(["admin", "backup", backup, "--data", data], env)).code).toBe(0);
    const restored = join(engines.directory.path, "restored");
    const own = { REGISTRY_ACCESS_FILE: env["REGISTRY_ACCESS_FILE"]!, JWT_SECRET_KEY: env["JWT_SECRET_KEY"]! };
    expect((await runCommand(["admin", "restore", backup, "--data", restored], own)).code).toBe(0);
    servers.push(await startServer({ data: restored, env: own }));
    expect(await indexed(0, "paul")).toBe(COUNT);
  });
});
