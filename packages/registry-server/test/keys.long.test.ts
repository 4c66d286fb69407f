import Database from "better-sqlite3";
import { copyFile, mkdtemp, readFile, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { decodeLogEvent, openCheckpoint, parseNoteKey, type Checkpoint } from "@lading/signing/log";
import {
  memoryMetadataStore,
  openMetadataClient,
  type MetadataStore,
  type RefreshedMetadata,
} from "@lading/signing/metadata";
import { nodeVerifier, readPrivateKeyFile, writeKeyFiles } from "@lading/signing/node";
import { APPLICATION_ID, MIGRATIONS } from "../src/lib/node/migrations.ts";
import { runRegistry } from "../src/node.ts";
import { buildPackage, startServer, type TestServer } from "./harness.ts";

const directories: string[] = [];
const servers: TestServer[] = [];

async function freshDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "lading-keys-"));
  directories.push(directory);
  return directory;
}

async function start(dataDirectory: string, keyPassphrase?: string): Promise<TestServer> {
  const server = await startServer({ dataDirectory, ...(keyPassphrase === undefined ? {} : { keyPassphrase }) });
  servers.push(server);
  return server;
}

async function stop(server: TestServer): Promise<void> {
  await server.close();
  servers.splice(servers.indexOf(server), 1);
}

afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
  for (const directory of directories.splice(0)) await rm(directory, { recursive: true, force: true });
});

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ["", ""];
  const io = {
    env: {},
    out: (text: string) => void (out += text),
    err: (text: string) => void (err += text),
    readInput: async () => "",
    untilAskedToEnd: () => Promise.reject(new Error("a server was started")),
    onReload: () => () => {},
  };
  const code = await runRegistry(argv, { name: "lading-registry", defaultPort: 8080 }, io);
  return { code, out, err };
}

async function done(...argv: string[]): Promise<Record<string, unknown>> {
  const { code, out, err } = await run(...argv);
  if (code !== 0) throw new Error(err);
  return JSON.parse(out) as Record<string, unknown>;
}

async function publish(server: TestServer, name: string, version = "1.0.0"): Promise<void> {
  expect((await server.publish(await buildPackage({ name, version }))).status).toBe(201);
  await server.node.registry.signNow();
}

async function bytesAt(server: TestServer, path: string): Promise<Uint8Array | undefined> {
  const answer = await fetch(`${server.url}/${path}`);
  return answer.status === 404 ? undefined : new Uint8Array(await answer.arrayBuffer());
}

/** What a client that keeps what it saw says of the registry. */
async function follow(server: TestServer, root: Uint8Array, store: MetadataStore): Promise<RefreshedMetadata> {
  const source = { fetch: ({ path }: { path: string }) => bytesAt(server, `metadata/${path}`) };
  const client = openMetadataClient({ root, source, store, verifier: nodeVerifier });
  const refreshed = await client.refresh(Date.now());
  const target = await client.find("index/_/to/tool.json");
  expect(await bytesAt(server, client.pathOf(target!))).toEqual(await bytesAt(server, "index/_/to/tool.json"));
  return refreshed;
}

async function checkpointOf(server: TestServer): Promise<Checkpoint> {
  const { origin, key } = server.node.registry.trust!.log;
  return openCheckpoint((await bytesAt(server, "log/checkpoint"))!, { origin, keys: [parseNoteKey(key)] });
}

describe("the keys of a registry", () => {
  it("are made at the first start, mode 0600, and stay", async () => {
    const directory = await freshDirectory();
    const first = await start(directory);
    const { trust } = first.node.registry;
    expect(trust).toMatchObject({ root: { version: 1, development: true }, keys: [expect.any(String)] });
    await stop(first);
    const names = await readdir(join(directory, "keys"));
    expect(names.filter((name) => name.endsWith(".pem")).sort()).toEqual(
      ["log", "root", "snapshot", "targets", "timestamp"].map((name) => `${name}.pem`),
    );
    const modes = await Promise.all(
      names
        .filter((name) => name.endsWith(".pem"))
        .map(async (name) => (await stat(join(directory, "keys", name))).mode & 0o777),
    );
    expect(new Set(modes)).toEqual(new Set([process.platform === "win32" ? modes[0] : 0o600]));
    expect((await start(directory)).node.registry.trust).toEqual(trust);
  });

  it("may be encrypted, and are then of no use without their passphrase", async () => {
    const directory = await freshDirectory();
    const first = await start(directory);
    const { trust } = first.node.registry;
    await stop(first);
    const path = join(directory, "keys", "snapshot.pem");
    const key = await readPrivateKeyFile(path);
    for (const name of ["snapshot.pem", "snapshot.pub"]) await rm(join(directory, "keys", name));
    await writeKeyFiles({ path, format: "pem", passphrase: "correct horse", key });
    for (const wrong of [undefined, "wrong"])
      await expect(start(directory, wrong)).rejects.toMatchObject({
        code: "KEYS_UNUSABLE",
        message: expect.stringContaining("snapshot.pem") as string,
        hint: expect.stringContaining("REGISTRY_KEY_PASSPHRASE") as string,
      });
    expect((await start(directory, "correct horse")).node.registry.trust).toEqual(trust);
  });

  it("are named where they are missing, damaged, or not those of the root", async () => {
    const directory = await freshDirectory();
    await stop(await start(directory));
    const keys = join(directory, "keys");
    for (const name of ["timestamp.pem", "log.pem", "log-origin", "1.root.json"]) {
      const kept = await readFile(join(keys, name));
      await rm(join(keys, name));
      await expect(start(directory)).rejects.toMatchObject({
        code: "KEYS_UNUSABLE",
        message: expect.stringContaining(name) as string,
      });
      await writeFile(join(keys, name), name === "log-origin" ? "two words" : "damaged", { mode: 0o600 });
      await expect(start(directory)).rejects.toMatchObject({
        code: "KEYS_UNUSABLE",
        message: expect.stringContaining(name) as string,
      });
      await writeFile(join(keys, name), kept, { mode: 0o600 });
    }
    await copyFile(join(keys, "targets.pem"), join(keys, "snapshot.pem"));
    await expect(start(directory)).rejects.toMatchObject({
      code: "KEYS_UNUSABLE",
      message: expect.stringContaining("snapshot") as string,
    });
  });

  it("go offline, two of three, by a ceremony that clients follow", async () => {
    const [directory, away] = [await freshDirectory(), await freshDirectory()];
    const data = ["--data", directory];
    const first = await start(directory);
    await publish(first, "tool");
    const root = (await bytesAt(first, "metadata/1.root.json"))!;
    const store = memoryMetadataStore();
    await follow(first, root, store);
    const file = (name: string): string => join(away, name);
    for (const name of ["ann", "bob", "carol"]) await done("admin", "keys", "create", file(`${name}.pem`));
    const pubs = ["ann", "bob", "carol"].map((name) => file(`${name}.pub`)).join(",");
    const draft = file("next.json");
    expect(
      await done("admin", "keys", "root", "--root-keys", pubs, "--threshold", "2", "--out", draft, ...data),
    ).toMatchObject({ version: 2, development: false, complete: false });
    await stop(first);
    const install = (): Promise<{ code: number; err: string }> => run("admin", "keys", "install", draft, ...data);
    expect(await install()).toMatchObject({
      code: 8,
      err: expect.stringContaining("previous root: 0 of 1, new root: 0 of 2") as string,
    });
    await done("admin", "keys", "sign", draft, "--key", join(directory, "keys", "root.pem"));
    await done("admin", "keys", "sign", draft, "--key", file("ann.pem"), "--out", file("next-ann.json"));
    await copyFile(file("next-ann.json"), file("copy.json"));
    expect(await install()).toMatchObject({ code: 8, err: expect.stringContaining("ROOT_REFUSED") as string });
    await done("admin", "keys", "sign", draft, "--key", file("carol.pem"), "--out", file("next-carol.json"));
    await done("admin", "keys", "combine", file("next-ann.json"), file("next-carol.json"), "--out", draft);
    expect(await done("admin", "keys", "status", draft, ...data)).toMatchObject({ complete: true });
    expect((await install()).code).toBe(0);
    expect((await install()).code).toBe(8);
    await rm(join(directory, "keys", "root.pem"));
    const second = await start(directory);
    expect(second.node.registry.trust).toMatchObject({ root: { version: 2, development: false }, keys: { length: 3 } });
    await publish(second, "tool", "1.1.0");
    expect((await follow(second, root, store)).versions).toMatchObject({ root: 2 });
    await stop(second);
    // An online key is exchanged in the same way; the snapshot's, so that clients forget what it signed.
    const rotated = file("rotated.json");
    await done("admin", "keys", "rotate", "snapshot", "--out", rotated, ...data);
    await stop(await start(directory));
    for (const name of ["ann", "bob"]) await done("admin", "keys", "sign", rotated, "--key", file(`${name}.pem`));
    await done("admin", "keys", "install", rotated, ...data);
    const third = await start(directory);
    expect((await follow(third, root, store)).versions).toMatchObject({ root: 3 });
    expect(await done("admin", "keys", "status", ...data)).toMatchObject({ version: 3, complete: true });
  });

  it("commands refuse what they cannot do, by name", async () => {
    const directory = await freshDirectory();
    await stop(await start(directory));
    const data = ["--data", directory];
    const key = join(directory, "keys", "root.pem");
    const garbage = join(directory, "garbage.json");
    await writeFile(garbage, "{}");
    const out = ["--out", join(directory, "out.json")];
    for (const [argv, code] of [
      [["keys"], "SERVER_CONFIG_INVALID"],
      [["keys", "explode", "x"], "SERVER_CONFIG_INVALID"],
      [["keys", "root", ...out], "SERVER_CONFIG_INVALID"],
      [["keys", "root", "--root-keys", key, ...out], "ROOT_REFUSED"],
      [["keys", "root", "--root-keys", key.replace(".pem", ".pub")], "SERVER_CONFIG_INVALID"],
      [
        ["keys", "root", "--root-keys", key.replace(".pem", ".pub"), "--threshold", "2", ...out],
        "SERVER_CONFIG_INVALID",
      ],
      [["keys", "rotate", "logs", ...out], "SERVER_CONFIG_INVALID"],
      [["keys", "sign", garbage], "SERVER_CONFIG_INVALID"],
      [["keys", "sign", garbage, "--key", key], "ROOT_REFUSED"],
      [["keys", "sign", join(directory, "none.json"), "--key", key], "SERVER_CONFIG_INVALID"],
      [["keys", "combine", garbage, ...out], "ROOT_REFUSED"],
      [["keys", "install", garbage], "ROOT_REFUSED"],
      [["keys", "create", key], "ROOT_REFUSED"],
    ] as [string[], string][]) {
      const { err } = await run("admin", ...argv, ...data);
      expect([argv[1], err]).toEqual([argv[1], expect.stringContaining(`[${code}]`)]);
    }
  });

  it("of the log can be exchanged: both sign until the former one is taken away, and metadata names the new one", async () => {
    const directory = await freshDirectory();
    const first = await start(directory);
    await publish(first, "tool", "1.0.0");
    const former = first.node.registry.trust!.log;
    await stop(first);
    const { key } = await done("admin", "keys", "rotate", "log", "--data", directory);
    expect(key).toBe(join(directory, "keys", "log-2.pem"));
    const second = await start(directory);
    const now = second.node.registry.trust!.log;
    expect(now.key).not.toBe(former.key);
    const opened = async (server: TestServer, text: string): Promise<Checkpoint> => {
      const answer = await fetch(`${server.url}/log/checkpoint`);
      const keys = [parseNoteKey(text)];
      return openCheckpoint(new Uint8Array(await answer.arrayBuffer()), { origin: now.origin, keys });
    };
    expect((await opened(second, former.key)).size).toBe((await opened(second, now.key)).size);
    const timestamp = (await (await fetch(`${second.url}/metadata/timestamp.json`)).json()) as {
      signed: { "x-lading-log": { key: string } };
    };
    expect(timestamp.signed["x-lading-log"].key).toBe(now.key);
    await stop(second);
    // Stolen: nobody is to be able to use it, and the stored checkpoint is still read.
    await rm(join(directory, "keys", "log.pem"));
    const third = await start(directory);
    await publish(third, "tool", "1.1.0");
    await expect(opened(third, former.key)).rejects.toMatchObject({ code: "LOG_CHECKPOINT_UNTRUSTED" });
    expect((await opened(third, now.key)).size).toBeGreaterThan(2);
  });

  it("are in a backup, under which the registry goes on", async () => {
    const [directory, target] = [await freshDirectory(), await freshDirectory()];
    const first = await start(directory);
    await publish(first, "tool");
    const { trust } = first.node.registry;
    const before = await checkpointOf(first);
    expect((await run("admin", "backup", join(target, "backup"), "--data", directory)).code).toBe(0);
    expect((await run("admin", "restore", join(target, "backup"), "--data", join(target, "data"))).code).toBe(0);
    await copyFile(join(directory, "admin-token"), join(target, "data", "admin-token"));
    const restored = await start(join(target, "data"));
    expect(restored.node.registry.trust).toEqual(trust);
    expect(await checkpointOf(restored)).toMatchObject({ size: before.size, root: before.root });
    await follow(restored, (await bytesAt(first, "metadata/1.root.json"))!, memoryMetadataStore());
  });
});

describe("a registry whose files were touched", () => {
  it("does not start with a bit flipped in any metadata file, and is repaired so that clients follow", async () => {
    const directory = await freshDirectory();
    const first = await start(directory);
    for (const version of ["1.0.0", "1.1.0"]) await publish(first, "tool", version);
    const root = (await bytesAt(first, "metadata/1.root.json"))!;
    const store = memoryMetadataStore();
    const seen = await follow(first, root, store);
    const paths = await first.node.metadata.signedFilePaths();
    expect(paths.length).toBeGreaterThan(6);
    await stop(first);
    for (const [i, path] of paths.entries()) {
      const database = new Database(join(directory, "registry.db"));
      const kept = database.prepare("select bytes from signed_files where path = ?").pluck().get(path) as Buffer;
      const bytes = Buffer.from(kept);
      bytes[(i * 7919) % bytes.length]! ^= 1 << (i % 8);
      database.prepare("update signed_files set bytes = ? where path = ?").run(bytes, path);
      database.close();
      await expect(start(directory)).rejects.toMatchObject({
        code: "METADATA_DAMAGED",
        message: expect.stringContaining(path) as string,
        hint: expect.stringContaining("admin rebuild-index") as string,
      });
      const verified = await run("admin", "verify", "--data", directory);
      expect([verified.code, verified.out.includes(path)]).toEqual([7, true]);
      const repair = new Database(join(directory, "registry.db"));
      if (path !== "metadata/timestamp.json")
        repair.prepare("update signed_files set bytes = ? where path = ?").run(kept, path);
      repair.close();
      const repaired =
        path === "metadata/timestamp.json" ? await run("admin", "rebuild-index", "--data", directory) : { code: 0 };
      expect(repaired.code).toBe(0);
    }
    const second = await start(directory);
    await publish(second, "tool", "1.2.0");
    const now = await follow(second, root, store);
    // Also how far the audit trail went when the first server ended.
    expect(now.log!.size).toBe(seen.log!.size + 2);
  });

  it("does not start with a digest or a file exchanged for another that is whole", async () => {
    const directory = await freshDirectory();
    const first = await start(directory);
    await publish(first, "tool");
    const snapshots = (await first.node.metadata.signedFilePaths()).filter((path) => path.endsWith("bins-0.json"));
    await stop(first);
    const database = new Database(join(directory, "registry.db"));
    const [path] = snapshots;
    database
      .prepare(
        "update signed_files set (bytes, sha256) = (select bytes, sha256 from signed_files where path = 'metadata/timestamp.json') where path = ?",
      )
      .run(path);
    database.close();
    const outcome = start(directory);
    await expect(outcome).rejects.toMatchObject({
      code: "METADATA_DAMAGED",
      message: expect.stringContaining("bins-0.json") as string,
    });
  });

  it("does not start with an altered tile of the log, and is repaired", async () => {
    const directory = await freshDirectory();
    const first = await start(directory);
    const audit = { at: Date.now(), actor: "system", action: "test", details: {} };
    const [entry] = await first.node.metadata.logEntries(0, 1);
    await Promise.all(Array.from({ length: 300 }, () => first.node.metadata.appendLog(entry!, audit)));
    await publish(first, "tool");
    await stop(first);
    const second = await start(directory);
    const before = await checkpointOf(second);
    await stop(second);
    const tile = join(directory, "log", "tile", "0", "000");
    const bytes = await readFile(tile);
    bytes[100]! ^= 4;
    await writeFile(tile, bytes);
    await expect(start(directory)).rejects.toMatchObject({
      code: "METADATA_DAMAGED",
      message: expect.stringContaining("log/tile/0/000") as string,
    });
    expect((await run("admin", "rebuild-index", "--data", directory)).code).toBe(0);
    expect(await checkpointOf(await start(directory))).toMatchObject({ size: before.size, root: before.root });
  });
});

describe("a registry whose log was rewritten", () => {
  it.each([
    "delete from log_entries where id = 2",
    "update log_entries set entry = (select entry from log_entries where id = 1) where id = 2",
  ])("neither starts nor is repaired over it: %s", async (statement) => {
    const directory = await freshDirectory();
    const first = await start(directory);
    for (const version of ["1.0.0", "1.1.0"]) await publish(first, "tool", version);
    await stop(first);
    const database = new Database(join(directory, "registry.db"));
    expect(database.prepare(statement).run().changes).toBe(1);
    database.close();
    await expect(start(directory)).rejects.toMatchObject({
      code: "METADATA_DAMAGED",
      message: expect.stringContaining("first 4 entries") as string,
      hint: expect.stringContaining("Restore a backup") as string,
    });
    expect(await run("admin", "rebuild-index", "--data", directory)).toMatchObject({
      code: 7,
      err: expect.stringContaining("first 4 entries") as string,
    });
  });
});

/** Makes a registry's database what an older release would have left: its schema, with what fits in it. */
async function asInSchema(version: number, directory: string): Promise<void> {
  const [file, newer] = [join(directory, "registry.db"), join(directory, "newer.db")];
  await rename(file, newer);
  const database = new Database(file);
  database.exec(
    MIGRATIONS.slice(0, version)
      .map(({ statements }) => statements)
      .join(";"),
  );
  database.exec(`attach '${newer}' as newer`);
  database.pragma("foreign_keys = off");
  const tables = database
    .prepare(
      "select name from sqlite_schema where type = 'table' and name not like 'package_search_%' and name not like 'sqlite_%'",
    )
    .pluck()
    .all() as string[];
  // What was to be rendered was rendered.
  for (const table of tables.filter((name) => name !== "outbox")) {
    const columns = (database.pragma(`table_info(${table})`) as { readonly name: string }[])
      .map(({ name }) => name)
      .join(", ");
    const rowid = table === "package_search" ? "rowid, " : "";
    database.exec(`insert into ${table} (${rowid}${columns}) select ${rowid}${columns} from newer.${table}`);
  }
  database.pragma(`application_id = ${APPLICATION_ID}`);
  database.pragma(`user_version = ${version}`);
  database.close();
  await rm(newer);
}

describe("a registry from before there was a log", () => {
  it("gets one with its versions in order of their publication, and metadata of all its packages", async () => {
    const directory = await freshDirectory();
    const first = await start(directory);
    for (const version of ["2.0.0", "1.0.0", "1.5.0"]) await publish(first, "tool", version);
    await first.call("/api/v1/packages/tool/versions/1.0.0/yank", { method: "POST", json: { reason: "broken" } });
    await stop(first);
    for (const name of ["keys", "log"]) await rm(join(directory, name), { recursive: true, force: true });
    await asInSchema(3, directory);
    expect(await run("migrate", "--data", directory)).toMatchObject({
      code: 0,
      out: expect.stringContaining("transparency log") as string,
    });
    const server = await start(directory);
    const events = (await server.node.metadata.logEntries(0, 10)).map(decodeLogEvent);
    expect(
      events.map((event) => [event.type, "version" in event ? event.version : "", "actor" in event ? event.actor : ""]),
    ).toEqual([
      ["publish", "2.0.0", "admin"],
      ["publish", "1.0.0", "admin"],
      ["publish", "1.5.0", "admin"],
      ["status", "1.0.0", ""],
      ["policy", "", ""],
    ]);
    await follow(server, (await bytesAt(server, "metadata/1.root.json"))!, memoryMetadataStore());
    const versions = await server.node.metadata.versions("tool" as never);
    expect(versions.map(({ version, artifacts }) => [version, artifacts[0]!.leaf])).toEqual([
      ["1.0.0", 1],
      ["1.5.0", 2],
      ["2.0.0", 0],
    ]);
    await publish(server, "tool", "3.0.0");
    expect((await checkpointOf(server)).size).toBe(6);
  });
});
