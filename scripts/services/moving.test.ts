import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startPostgres, type PostgresServer } from "./postgres.ts";
import { freshDirectory, type Directory } from "./processes.ts";
import { blobAt, indexedVersions, makePackage, publishAt, type PackageFile } from "./publications.ts";
import { startRadosgw, type S3Server } from "./radosgw.ts";
import { adminToken, runCommand, startServer, type Server } from "./server.ts";

let postgres: PostgresServer;
let s3: S3Server;
let directory: Directory;
const files: PackageFile[] = [];
const at = (name: string): string => join(directory.path, name);

beforeAll(async () => {
  [postgres, s3, directory] = await Promise.all([startPostgres(), startRadosgw(), freshDirectory("moving")]);
});
afterAll(async () => {
  await postgres?.stop();
  await s3?.stop();
  await directory?.remove();
});

/** A configuration file of a registry on PostgreSQL and S3, or in its directory alone. */
async function configuration(name: string, engines: boolean): Promise<string> {
  const lines = ["[server]", `data = ${JSON.stringify(at(name))}`];
  if (engines) {
    const access = await s3.createBucket();
    lines.push("[storage]", `database_url = ${JSON.stringify(await postgres.createDatabase())}`);
    for (const [key, value] of Object.entries({
      s3_bucket: access.bucket,
      s3_endpoint: access.endpoint,
      s3_region: access.region,
      s3_access_key: access.accessKeyId,
      s3_secret_key: access.secretAccessKey,
    }))
      lines.push(`${key} = ${JSON.stringify(value)}`);
  }
  const file = at(`${name}.toml`);
  await writeFile(file, `${lines.join("\n")}\n`);
  return file;
}

// The flags of the other tests name a data directory; here the file does.
const start = (name: string, file: string): Promise<Server> =>
  startServer({ data: at(name), flags: ["--config", file] });

async function admin(words: readonly string[]): Promise<Record<string, unknown>> {
  const { code, out, err } = await runCommand(["admin", ...words]);
  expect([code, err.includes("Error")]).toEqual([0, false]);
  return JSON.parse(out) as Record<string, unknown>;
}

const documents = async ({ url }: Server): Promise<readonly string[]> => {
  const paths = [
    "/index/_/to/tool.json",
    "/index/_/ot/other.json",
    "/feed/0.json",
    "/log/checkpoint",
    "/metadata/1.root.json",
  ];
  return Promise.all(
    paths.map(async (path) => {
      const response = await fetch(url + path);
      return `${path} ${response.status} ${await response.text()}`;
    }),
  );
};

async function expectWhole(server: Server): Promise<void> {
  for (const file of files) {
    expect((await indexedVersions(server.url, file.name)).get(file.version)).toBe(file.blob);
    expect(await blobAt(server.url, file.blob)).toBe(file.blob);
  }
}

it("admin migrate-to moves a registry from SQLite and a directory to PostgreSQL and S3, and back, the same to the byte", async () => {
  const [home, engines, back] = [
    await configuration("home", false),
    await configuration("engines", true),
    await configuration("back", false),
  ];
  const first = await start("home", home);
  const token = await adminToken(at("home"));
  for (const name of ["tool", "other"])
    for (let patch = 0; patch < 5; patch += 1) files.push(await makePackage(name, `1.0.${patch}`, 100_000));
  for (const file of files) expect((await publishAt(first.url, token, file)).status).toBe(201);
  expect((await runCommand(["admin", "migrate-to", engines, "--config", home])).err).toContain("DATA_DIRECTORY_IN_USE");
  await first.stop();
  // As it left it: at its end, the server stated in the log how far its audit trail went.
  const again = await start("home", home);
  const before = await documents(again);
  await again.stop();

  const moved = await admin(["migrate-to", engines, "--config", home]);
  expect(moved).toMatchObject({ blobs: 10, copied: 10, documents: 2, tables: { versions: { rows: 10 } } });
  const second = await start("engines", engines);
  try {
    expect(await documents(second)).toEqual(before);
    await expectWhole(second);
    // The token of before is good, and the counters go on.
    const more = await makePackage("tool", "1.1.0");
    files.push(more);
    expect(await publishAt(second.url, token, more)).toMatchObject({
      status: 201,
      body: { log: { index: expect.any(Number) } },
    });
    expect((await runCommand(["admin", "gc", "--config", engines, "--data", at("elsewhere")])).err).toContain(
      "DATA_DIRECTORY_IN_USE",
    );
  } finally {
    await second.stop();
  }
  expect(await admin(["verify", "--config", engines])).toMatchObject({ checked: 11, bad: [], unreferenced: 0 });
  expect((await runCommand(["admin", "migrate-to", engines, "--config", home])).err).toContain(
    "DATA_DIRECTORY_NOT_EMPTY",
  );

  expect(await admin(["migrate-to", back, "--config", engines])).toMatchObject({ blobs: 11, copied: 11 });
  const third = await start("back", back);
  try {
    await expectWhole(third);
    expect((await fetch(`${third.url}/api/v1/packages/?q=tool`)).status).toBe(200);
    expect((await publishAt(third.url, token, await makePackage("tool", "1.2.0"))).status).toBe(201);
  } finally {
    await third.stop();
  }
  expect(await admin(["verify", "--config", back])).toMatchObject({ checked: 12, bad: [], unreferenced: 0 });
});

it("admin backup, restore, rebuild-index and gc work on PostgreSQL and S3", async () => {
  const engines = await configuration("source", true);
  const server = await start("source", engines);
  const token = await adminToken(at("source"));
  const [kept, during] = [await makePackage("tool", "1.0.0"), await makePackage("tool", "2.0.0")];
  let backup: Record<string, unknown>;
  try {
    expect((await publishAt(server.url, token, kept)).status).toBe(201);
    // Beside the running server, by another data directory: one process has one.
    const publishing = publishAt(server.url, token, during);
    backup = await admin(["backup", at("backup"), "--config", engines]);
    expect((await publishing).status).toBe(201);
    // Refused for its content, after its bytes were stored.
    const other = await makePackage("tool", "1.0.0");
    expect((await publishAt(server.url, token, other)).status).toBe(409);
  } finally {
    await server.stop();
  }
  expect(Number(backup["blobs"])).toBeGreaterThanOrEqual(1);
  expect(await readdir(at("backup"))).toEqual(expect.arrayContaining(["backup.json", "registry.db", "blobs", "keys"]));

  const restored = await configuration("restored", true);
  expect(await admin(["restore", at("backup"), "--config", restored])).toMatchObject({
    blobs: backup["blobs"],
    documents: 1,
  });
  const plain = await configuration("plain", false);
  expect(await admin(["restore", at("backup"), "--config", plain])).toMatchObject({ blobs: backup["blobs"] });
  await mkdir(at("unused"), { recursive: true });
  for (const [name, file] of [
    ["restored", restored],
    ["plain", plain],
  ] as const) {
    const copy = await start(name, file);
    try {
      expect((await indexedVersions(copy.url, "tool")).get("1.0.0")).toBe(kept.blob);
      expect(await blobAt(copy.url, kept.blob)).toBe(kept.blob);
    } finally {
      await copy.stop();
    }
  }

  const counted = await admin(["gc", "--dry-run", "--config", engines]);
  const removed = await admin(["gc", "--config", engines]);
  expect(removed).toEqual({ ...counted, dryRun: false });
  expect(await admin(["gc", "--config", engines])).toEqual({
    blobs: 0,
    bytes: 0,
    uploads: 0,
    uploadBytes: 0,
    dryRun: false,
  });
  const rebuilt = await runCommand(["admin", "rebuild-index", "--config", engines]);
  expect([rebuilt.code, rebuilt.out]).toEqual([0, "Rendered 1 index documents, and signed metadata and log anew\n"]);
  expect(await admin(["verify", "--config", engines])).toMatchObject({ bad: [], unreferenced: 0 });
  const again = await start("source", engines);
  try {
    expect([...(await indexedVersions(again.url, "tool")).keys()]).toEqual(["1.0.0", "2.0.0"]);
    expect(await blobAt(again.url, during.blob)).toBe(during.blob);
  } finally {
    await again.stop();
  }
});
