import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startPostgres, type PostgresServer } from "./postgres.ts";
import { freshDirectory, type Directory } from "./processes.ts";
import { blobAt, inParallel, indexedVersions, makePackage, publishAt, type PackageFile } from "./publications.ts";
import { startRadosgw, type S3Server } from "./radosgw.ts";
import { startRedis, type RedisServer } from "./redis.ts";
import { adminToken, bucketVariables, startServer, type Server } from "./server.ts";

/** Publications of each kind; `LADING_CONCURRENT=1000` for the whole. */
const COUNT = Number(process.env["LADING_CONCURRENT"] ?? 200);

let engines: { postgres: PostgresServer; s3: S3Server; redis: RedisServer; directory: Directory };
let servers: Server[] = [];
let token: string;
let database: string;
beforeAll(async () => {
  const [postgres, s3, redis, directory] = await Promise.all([
    startPostgres(),
    startRadosgw(),
    startRedis(),
    freshDirectory("replicas"),
  ]);
  engines = { postgres, s3, redis, directory };
  database = await postgres.createDatabase();
  const env = {
    DATABASE_URL: database.replace("postgresql://", "postgresql+asyncpg://"),
    REDIS_URL: redis.url,
    REGISTRY_KEYS_DIR: join(directory.path, "keys"),
    JWT_SECRET_KEY: "a-secret-that-all-servers-know-0123456789",
    ...bucketVariables(await s3.createBucket()),
  };
  servers.push(await startServer({ data: join(directory.path, "one"), env }));
  servers.push(await startServer({ data: join(directory.path, "two"), env }));
  token = await adminToken(join(directory.path, "one"));
});
afterAll(async () => {
  for (const server of servers) await server.stop();
  await engines?.postgres.stop();
  await engines?.s3.stop();
  await engines?.redis.stop();
  await engines?.directory.remove();
}, 600_000);

async function publishAll(files: readonly PackageFile[]): Promise<number[]> {
  const leaves: number[] = [];
  await Promise.all(
    files.map(async (file, at) => {
      const { status, body } = await publishAt(servers[at % 2]!.url, token, file);
      expect([status, body["detail"]]).toEqual([201, undefined]);
      leaves.push((body["log"] as { index: number }).index);
    }),
  );
  return leaves;
}

async function expectEverywhere(files: readonly PackageFile[]): Promise<void> {
  const names = [...new Set(files.map(({ name }) => name))];
  for (const { url } of servers) {
    const shown = new Map<string, ReadonlyMap<string, string>>();
    await inParallel(names, 16, async (name) => {
      await expect
        .poll(async () => (await indexedVersions(url, name)).size, { timeout: 120_000 })
        .toBe(files.filter((file) => file.name === name).length);
      shown.set(name, await indexedVersions(url, name));
    });
    for (const file of files) expect(shown.get(file.name)!.get(file.version)).toBe(file.blob);
    await inParallel(files, 16, async ({ blob }) => expect(await blobAt(url, blob)).toBe(blob));
  }
}

it(`two servers take ${COUNT} versions of one package at once: none lost, none twice`, async () => {
  const files = await Promise.all(
    Array.from({ length: COUNT }, (_, at) => makePackage("one-package", `1.0.${at}`, 500)),
  );
  const leaves = await publishAll(files);
  expect(new Set(leaves).size).toBe(COUNT);
  await expectEverywhere(files);
}, 600_000);

it(`two servers take ${COUNT} packages at once: none lost, none twice`, async () => {
  const files = await Promise.all(Array.from({ length: COUNT }, (_, at) => makePackage(`package-${at}`, "1.0.0", 500)));
  const leaves = await publishAll(files);
  expect(new Set(leaves).size).toBe(COUNT);
  await expectEverywhere(files);
}, 600_000);

it("two servers, one version, other bytes: one is created, the other is told of it", async () => {
  const files = await Promise.all([makePackage("contested", "1.0.0"), makePackage("contested", "1.0.0")]);
  const answers = await Promise.all(files.map((file, at) => publishAt(servers[at]!.url, token, file)));
  expect(answers.map(({ status }) => status).toSorted((left, right) => left - right)).toEqual([201, 409]);
});

it("the log has every publication once, in order, and the counters of the database agree", async () => {
  const [rows] = await engines.postgres.query(
    database,
    `select (select count(*) from versions) as versions, (select count(*) from artifacts) as artifacts,
     (select count(distinct leaf) from artifacts) as leaves, (select count(*) from feed) as feed,
     (select max(id) from feed) as last, (select max(id) + 1 - count(*) from log_entries) as gaps`,
  );
  const total = String(2 * COUNT + 1);
  expect(rows).toEqual({ versions: total, artifacts: total, leaves: total, feed: total, last: total, gaps: "0" });
});

it("a token that one server revokes is refused by the other at once, and a session of one holds at the other", async () => {
  const [one, two] = servers as [Server, Server];
  const call = async (url: string, path: string, init: RequestInit & { auth: string }): Promise<Response> =>
    fetch(`${url}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${init.auth}`, "content-type": "application/json" },
    });
  const made = await call(one.url, "/api/v1/tokens", {
    method: "POST",
    auth: token,
    body: JSON.stringify({ name: "short", scopes: ["read"] }),
  });
  const { token: short, id } = (await made.json()) as { token: string; id: string };
  expect((await call(two.url, "/api/v1/auth/whoami", { auth: short })).status).toBe(200);
  expect((await call(one.url, `/api/v1/tokens/${id}`, { method: "DELETE", auth: token })).status).toBe(204);
  expect((await call(two.url, "/api/v1/auth/whoami", { auth: short })).status).toBe(401);
});

it("a server goes on alone when the other is killed, and what that one left undone is done", async () => {
  const file = await makePackage("left-behind", "1.0.0");
  expect((await publishAt(servers[0]!.url, token, file)).status).toBe(201);
  await servers[0]!.kill();
  const next = await makePackage("left-behind", "1.1.0");
  expect((await publishAt(servers[1]!.url, token, next)).status).toBe(201);
  await expect
    .poll(async () => (await engines.postgres.query(database, "select count(*) as left from outbox"))[0], {
      timeout: 30_000,
      interval: 250,
    })
    .toEqual({ left: "0" });
  servers = [servers[1]!];
  await expectEverywhere([file, next]);
});
