import { rm, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startPostgres, type PostgresServer } from "./postgres.ts";
import { freshDirectory, run, type Directory } from "./processes.ts";
import { blobAt, indexedVersions, makePackage, publishAt, type Answer, type PackageFile } from "./publications.ts";
import { startRadosgw, type S3Server } from "./radosgw.ts";
import { adminToken, bucketVariables, startServer, type Server } from "./server.ts";

let s3: S3Server;
const running: Server[] = [];
let directory: Directory;
const mounted: string[] = [];
beforeAll(async () => {
  [s3, directory] = await Promise.all([startRadosgw(), freshDirectory("full")]);
});
afterAll(async () => {
  for (const server of running) await server.kill();
  await s3?.stop();
  for (const path of mounted) await run("umount", [path]);
  await directory?.remove();
});

/** A disk of its own, that is soon full. */
async function smallDisk(name: string, megabytes: number): Promise<string> {
  const path = join(directory.path, name);
  await run("mkdir", ["-m", "777", path]);
  await run("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m,mode=0777`, "none", path]);
  mounted.push(path);
  return path;
}

/** Takes what is left of a disk but for some bytes, until it is given back. */
async function fill(disk: string, left = 0): Promise<() => Promise<void>> {
  const { bavail, bsize } = await statfs(disk);
  const file = join(disk, "filler");
  await writeFile(file, new Uint8Array(Math.max(0, bavail * bsize - left))).catch((error: unknown) => {
    // The server wrote meanwhile: full it is.
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  });
  return () => rm(file);
}

async function expectKept(server: Server, files: readonly PackageFile[]): Promise<void> {
  for (const file of files) {
    expect((await indexedVersions(server.url, file.name)).get(file.version)).toBe(file.blob);
    expect(await blobAt(server.url, file.blob)).toBe(file.blob);
  }
}

it("a full disk under SQLite and blobs: a clear error, nothing lost, and the next publication works", async () => {
  const disk = await smallDisk("data", 48);
  const server = await startServer({ data: disk });
  running.push(server);
  const token = await adminToken(disk);
  const kept = await makePackage("tool", "1.0.0");
  expect((await publishAt(server.url, token, kept)).status).toBe(201);
  const free = await fill(disk, 20_000);
  const refused = await makePackage("tool", "1.1.0", 2_000_000);
  const answer = await publishAt(server.url, token, refused);
  expect([answer.status, answer.body["code"]]).toEqual([507, "STORAGE_FULL"]);
  await expectKept(server, [kept]);
  expect((await indexedVersions(server.url, "tool")).has("1.1.0")).toBe(false);
  await free();
  expect((await publishAt(server.url, token, refused)).status).toBe(201);
  await expectKept(server, [kept, refused]);
  expect(await server.stop()).toBe(0);
});

it("a bucket that refuses in the middle of a publication: a clear error, nothing lost, and the next one works", async () => {
  const data = join(directory.path, "s3");
  const server = await startServer({ data, env: bucketVariables(await s3.createBucket()) });
  const token = await adminToken(data);
  const kept = [await makePackage("tool", "1.0.0")];
  expect((await publishAt(server.url, token, kept[0]!)).status).toBe(201);
  await s3.limitObjects(1);
  // The gateway counts a bucket's objects a moment late.
  const { refused, answer } = await untilRefused(server, token, kept);
  expect([answer.status, answer.body["code"], answer.body["detail"]]).toEqual([
    507,
    "STORAGE_FULL",
    expect.stringMatching(/S3 bucket "packages-\d+" at 127\.0\.0\.1:\d+ is full, it answered 403 QuotaExceeded/),
  ]);
  await expectKept(server, kept);
  await s3.limitObjects(undefined);
  await expect
    .poll(async () => (await publishAt(server.url, token, refused)).status, { timeout: 30_000, interval: 500 })
    .toBe(201);
  await expectKept(server, [...kept, refused]);
  expect(await server.stop()).toBe(0);
});

/** Publishes versions, which are added to `kept`, until one is not taken. */
async function untilRefused(
  server: Server,
  token: string,
  kept: PackageFile[],
): Promise<{ readonly refused: PackageFile; readonly answer: Answer }> {
  for (let minor = 1; minor < 200; minor += 1) {
    const refused = await makePackage("tool", `1.${minor}.0`);
    const answer = await publishAt(server.url, token, refused);
    if (answer.status !== 201) return { refused, answer };
    kept.push(refused);
  }
  throw new Error("nothing was refused");
}

it("a full disk under PostgreSQL: a clear error, nothing lost, and the next publication works", async () => {
  const disk = await smallDisk("postgres", 160);
  const postgres: PostgresServer = await startPostgres({ directory: disk });
  const data = join(directory.path, "pg");
  const server = await startServer({ data, env: { DATABASE_URL: await postgres.createDatabase() } });
  const token = await adminToken(data);
  const published: PackageFile[] = [];
  const statuses = new Set<number>();
  const free = await fill(disk);
  let answer = { status: 0, body: {} as Readonly<Record<string, unknown>> };
  for (let patch = 0; patch < 200 && answer.status !== 507; patch += 1) {
    const file = await makePackage(`tool-${patch}`, "1.0.0", 100);
    answer = await publishAt(server.url, token, file);
    statuses.add(answer.status);
    if (answer.status === 201) published.push(file);
  }
  expect([...statuses].filter((status) => ![201, 503, 507].includes(status))).toEqual([]);
  expect(answer.body).toMatchObject({
    code: "STORAGE_FULL",
    detail: expect.stringMatching(/disk of PostgreSQL database/),
  });
  await expectKept(server, published);
  await free();
  const next = await makePackage("tool-last", "1.0.0");
  await expect
    .poll(async () => (await publishAt(server.url, token, next)).status, { timeout: 30_000, interval: 500 })
    .toBe(201);
  await expectKept(server, [...published, next]);
  expect(await server.stop()).toBe(0);
  await postgres.stop();
});
