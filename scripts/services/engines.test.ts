import { createClient } from "@redis/client";
import { S3Client } from "@lading/registry-server/node";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startPostgres, type PostgresServer } from "./postgres.ts";
import { freshDirectory, type Directory } from "./processes.ts";
import { blobAt, indexedVersions, makePackage, publishAt } from "./publications.ts";
import { startRadosgw, type S3Server } from "./radosgw.ts";
import { startRedis, type RedisServer } from "./redis.ts";
import { adminToken, bucketVariables, runCommand, startServer, type Server } from "./server.ts";

let engines: { postgres: PostgresServer; s3: S3Server; redis: RedisServer; directory: Directory };
const running: Server[] = [];
beforeAll(async () => {
  const [postgres, s3, redis, directory] = await Promise.all([
    startPostgres(),
    startRadosgw(),
    startRedis(),
    freshDirectory("engines"),
  ]);
  engines = { postgres, s3, redis, directory };
});
afterAll(async () => {
  for (const server of running) await server.kill();
  await engines?.postgres.stop();
  await engines?.s3.stop();
  await engines?.redis.stop();
  await engines?.directory.remove();
});

async function start(name: string, env: Readonly<Record<string, string>>): Promise<{ server: Server; token: string }> {
  const data = join(engines.directory.path, name);
  const server = await startServer({ data, env });
  running.push(server);
  return { server, token: await adminToken(data) };
}

const metric = async ({ url }: Server, name: string): Promise<number> => {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1] ?? Number.NaN);
};

it("[SRV-18] takes the database's URL with a driver's suffix, as other tools write it", async () => {
  const { postgres } = engines;
  const url = new URL(await postgres.createDatabase());
  await postgres.query(url.href, `create role "user" login password 'pass'`);
  await postgres.query(url.href, `create database revitpy_registry owner "user"`);
  const DATABASE_URL = `postgresql+asyncpg://user:pass@localhost:${url.port}/revitpy_registry`;
  const { server, token } = await start("suffix", { DATABASE_URL });
  const file = await makePackage("revit-tools", "1.0.0");
  expect((await publishAt(server.url, token, file)).status).toBe(201);
  expect((await indexedVersions(server.url, "revit-tools")).get("1.0.0")).toBe(file.blob);
  const rows = await postgres.query(
    url.href.replace(/[^/]+$/, "revitpy_registry"),
    "select canonical, latest from packages",
  );
  expect(rows).toEqual([{ canonical: "revit-tools", latest: "1.0.0" }]);
  const printed = await runCommand(["--print-config"], { DATABASE_URL });
  expect(printed.out).toContain("postgresql+asyncpg://***@localhost");
  expect(printed.out).not.toContain("pass@");
});

it("[STO-03] [STO-04] signs its requests to the bucket that is named, and its objects land there", async () => {
  const access = await engines.s3.createBucket();
  const { server, token } = await start("bucket", bucketVariables(access));
  const file = await makePackage("stored", "1.0.0");
  expect((await publishAt(server.url, token, file)).status).toBe(201);
  await expect
    .poll(async () => {
      const keys: string[] = [];
      for await (const key of new S3Client(access).list("")) keys.push(key);
      return keys;
    })
    .toEqual(expect.arrayContaining([`blobs/sha256/${file.blob.slice(7)}`, "index/_/st/stored.json"]));
  expect(await blobAt(server.url, file.blob)).toBe(file.blob);
  // Nobody reads without a signature, and a wrong key does not even start.
  expect((await fetch(`${access.endpoint}/${access.bucket}/index/_/st/stored.json`)).status).toBe(403);
  const wrong = await runCommand(["--data", join(engines.directory.path, "wrong"), "--port", "0"], {
    ...bucketVariables(access),
    AWS_SECRET_ACCESS_KEY: "guessed",
  });
  expect([wrong.code, wrong.err]).toEqual([5, expect.stringContaining("STORAGE_UNUSABLE")]);
});

it("sends readers of large packages to the bucket where that is wanted, and counts them", async () => {
  const access = await engines.s3.createBucket();
  const { server, token } = await start("redirect", { ...bucketVariables(access), S3_REDIRECT_DOWNLOADS: "true" });
  const [small, large] = [await makePackage("small", "1.0.0"), await makePackage("large", "1.0.0", 600_000)];
  for (const file of [small, large]) expect((await publishAt(server.url, token, file)).status).toBe(201);
  const at = (blob: string): string => `${server.url}/blobs/sha256/${blob.slice(7)}`;
  expect((await fetch(at(small.blob), { redirect: "manual" })).status).toBe(200);
  const sent = await fetch(at(large.blob), { redirect: "manual" });
  expect([sent.status, new URL(sent.headers.get("location")!).origin]).toEqual([307, access.endpoint]);
  expect(sent.headers.get("cache-control")).toBe("no-store");
  expect(await blobAt(server.url, large.blob)).toBe(large.blob);
  expect(await metric(server, "lading_downloads_total")).toBe(3);
});

it("[SRV-19] [OBS-12] keeps look-ups in Redis and metadata in memory, shows how often that helps, and works without Redis", async () => {
  const { server, token } = await start("cached", { REDIS_URL: engines.redis.url });
  const file = await makePackage("cached", "1.0.0");
  expect((await publishAt(server.url, token, file)).status).toBe(201);
  const redis = createClient({ url: engines.redis.url });
  redis.on("error", () => {});
  await redis.connect();
  expect((await redis.keys("lading:token:*")).length).toBe(1);
  redis.destroy();
  const before = await metric(server, "lading_index_memory_hits");
  for (let turn = 0; turn < 5; turn += 1) await indexedVersions(server.url, "cached");
  // The server reads it too, when it saves a copy of the document a moment after the publication.
  expect(await metric(server, "lading_index_memory_hits")).toBeGreaterThanOrEqual(before + 5);
  const health = async (): Promise<unknown> => {
    const response = await fetch(`${server.url}/api/v1/health`);
    const { status, checks } = (await response.json()) as { status: string; checks: { cache: { status: string } } };
    return [response.status, status, checks.cache.status];
  };
  expect(await health()).toEqual([200, "ok", "up"]);
  await engines.redis.kill();
  await expect.poll(health, { timeout: 10_000 }).toEqual([200, "degraded", "down"]);
  expect((await publishAt(server.url, token, await makePackage("cached", "1.1.0"))).status).toBe(201);
  expect([...(await indexedVersions(server.url, "cached")).keys()]).toEqual(["1.0.0", "1.1.0"]);
  await engines.redis.restart();
  await expect.poll(health, { timeout: 10_000 }).toEqual([200, "ok", "up"]);
});

it("two servers count one limit of requests, in Redis", async () => {
  const env = { REDIS_URL: engines.redis.url, REGISTRY_RATE_LIMIT: "10" };
  const servers = [(await start("limit-1", env)).server, (await start("limit-2", env)).server];
  const statuses: number[] = [];
  let wait: string | null = null;
  for (let turn = 0; turn < 14; turn += 1) {
    const response = await fetch(`${servers[turn % 2]!.url}/api/v1/packages/`);
    statuses.push(response.status);
    wait = response.headers.get("retry-after");
  }
  expect(Number(wait)).toBeGreaterThan(0);
  expect(statuses.filter((status) => status === 429).length).toBe(4);
});

it("a server with other keys than the registry's is refused", async () => {
  const env = { DATABASE_URL: await engines.postgres.createDatabase() };
  await start("keys-1", env);
  const data = join(engines.directory.path, "keys-2");
  const other = await runCommand(["--data", data, "--host", "127.0.0.1", "--port", "0"], env);
  expect([other.code, other.err]).toEqual([expect.any(Number), expect.stringContaining("KEYS_UNUSABLE")]);
});
