import { readdir } from "node:fs/promises";
import { createServer, request, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startPostgres, type PostgresServer } from "./postgres.ts";
import { freshDirectory, type Directory } from "./processes.ts";
import { blobAt, indexedVersions, makePackage, publishAt, type PackageFile } from "./publications.ts";
import { startRadosgw, type S3Server } from "./radosgw.ts";
import { adminToken, bucketVariables, startServer, type Server } from "./server.ts";

const PACKAGES = 12;

let engines: { postgres: PostgresServer; s3: S3Server; directory: Directory };
let upstream: Server;
let token: string;
let counter: { readonly url: string; readonly asked: Map<string, number>; readonly server: HttpServer };
const mirrors: Server[] = [];

/** Stands before a server, and counts what is asked of it. */
async function countRequests(target: string): Promise<typeof counter> {
  const asked = new Map<string, number>();
  const server = createServer((incoming, outgoing) => {
    const path = incoming.url!;
    asked.set(path, (asked.get(path) ?? 0) + 1);
    const forwarded = request(`${target}${path}`, { headers: incoming.headers }, (answer) => {
      const send = (): void => {
        outgoing.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(outgoing);
      };
      // Slow files: two servers that both looked would both be under way.
      if (path.startsWith("/blobs/")) setTimeout(send, 300);
      else send();
    });
    forwarded.on("error", () => outgoing.destroy());
    incoming.pipe(forwarded);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked, server };
}

async function publish(names: readonly string[], version: string): Promise<PackageFile[]> {
  const files = await Promise.all(names.map((name) => makePackage(name, version)));
  for (const file of files) expect((await publishAt(upstream.url, token, file)).status).toBe(201);
  return files;
}

/** Every mirror shows the files' versions, and sends their bytes. */
async function expectEverywhere(files: readonly PackageFile[]): Promise<void> {
  for (const { url } of mirrors) {
    for (const { name, version, blob } of files) {
      const shown = async (): Promise<string | undefined> => (await indexedVersions(url, name)).get(version);
      await expect.poll(shown, { timeout: 120_000, interval: 200 }).toBe(blob);
      expect(await blobAt(url, blob)).toBe(blob);
    }
  }
}

const names = Array.from({ length: PACKAGES }, (_, at) => `mirrored-${at}`);

beforeAll(async () => {
  const [postgres, s3, directory] = await Promise.all([startPostgres(), startRadosgw(), freshDirectory("mirrors")]);
  engines = { postgres, s3, directory };
  upstream = await startServer({ data: join(directory.path, "upstream") });
  token = await adminToken(join(directory.path, "upstream"));
  counter = await countRequests(upstream.url);
});
afterAll(async () => {
  for (const server of mirrors) await server.stop();
  counter?.server.close();
  await upstream?.stop();
  await engines?.postgres.stop();
  await engines?.s3.stop();
  await engines?.directory.remove();
});

const fetchesOf = (files: readonly PackageFile[]): (number | undefined)[] =>
  files.map(({ blob }) => counter.asked.get(`/blobs/sha256/${blob.slice("sha256:".length)}`));

it("[SYN-01] two servers over PostgreSQL and a bucket are one mirror: each file is fetched once, and kept in the bucket", async () => {
  const files = await publish(names, "1.0.0");
  const env = {
    DATABASE_URL: await engines.postgres.createDatabase(),
    REGISTRY_KEYS_DIR: join(engines.directory.path, "keys"),
    JWT_SECRET_KEY: "a-secret-that-all-servers-know-0123456789",
    REGISTRY_MIRROR_UPSTREAM: counter.url,
    REGISTRY_MIRROR_INTERVAL: "200ms",
    ...bucketVariables(await engines.s3.createBucket()),
  };
  for (const name of ["one", "two"]) mirrors.push(await startServer({ data: join(engines.directory.path, name), env }));
  await expectEverywhere(files);
  // While both look for news five times a second.
  const more = await publish(names, "1.1.0");
  await expectEverywhere(more);
  expect([fetchesOf(files), fetchesOf(more)]).toEqual([files.map(() => 1), more.map(() => 1)]);
  for (const { data } of mirrors) {
    const kept = await readdir(data, { recursive: true });
    for (const { blob } of files) expect(kept.filter((file) => file.includes(blob.slice(-40)))).toEqual([]);
  }
}, 300_000);

it("the other server of the mirror goes on where one was killed, whichever had the lease", async () => {
  const [killed] = mirrors.splice(0, 1);
  await killed!.kill();
  const files = await publish(names.slice(0, 4), "1.2.0");
  await expectEverywhere(files);
  expect(fetchesOf(files)).toEqual(files.map(() => 1));
}, 300_000);
