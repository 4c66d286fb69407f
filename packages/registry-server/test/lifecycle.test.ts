import { parseIndexDocument } from "@lading/core-manifest";
import Database from "better-sqlite3";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { APPLICATION_ID, MIGRATIONS } from "../src/lib/node/migrations.ts";
import { MemoryCache, SigningStatementVerifier, createRegistry, type RegistryPorts } from "../src/index.ts";
import {
  DEFAULT_SETTINGS,
  SCHEMA_VERSION,
  SqliteMetadataStore,
  createNodeRegistry,
  migrate,
  runRegistry,
  type ServerIo,
} from "../src/node.ts";
import {
  FakeClock,
  MemoryBlobStore,
  MemoryDocumentStore,
  MemoryUploadStore,
  MemoryMetadataStore,
  fakeAccount,
  fakePublication,
} from "../src/testing.ts";
import { buildPackage, startServer, testHasher } from "./harness.ts";

const directories: string[] = [];
async function freshDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "lading-life-"));
  directories.push(directory);
  return directory;
}
afterEach(async () => {
  for (const directory of directories.splice(0)) await rm(directory, { recursive: true, force: true });
});

function memoryPorts(): RegistryPorts & {
  metadata: MemoryMetadataStore;
  blobs: MemoryBlobStore;
  documents: MemoryDocumentStore;
} {
  const clock = new FakeClock();
  return {
    settings: { ...DEFAULT_SETTINGS, jwtSecret: new Uint8Array(32) },
    metadata: new MemoryMetadataStore(),
    blobs: new MemoryBlobStore(),
    documents: new MemoryDocumentStore(),
    uploads: new MemoryUploadStore(),
    cache: new MemoryCache(clock),
    hasher: testHasher,
    inspector: {
      inspect: async () => {
        throw new Error("a fault of the inspector's own");
      },
    },
    statements: new SigningStatementVerifier(),
    clock,
  };
}

describe("a data directory", () => {
  it("keeps everything over a restart, and the secrets of the first start are only told once", async () => {
    const directory = await freshDirectory();
    const first = await startServer({ dataDirectory: directory });
    const built = await buildPackage({ name: "kept", version: "1.0.0" });
    expect((await first.publish(built)).status).toBe(201);
    const login = await first.call("/api/v1/auth/login", {
      method: "POST",
      auth: "",
      json: { username: "admin", password: first.password },
    });
    const { token: session } = (await login.json()) as { token: string };
    await first.close();
    const second = await startServer({ dataDirectory: directory });
    expect(second.node.bootstrap).toBeUndefined();
    expect((await second.call("/api/v1/auth/whoami", { auth: session })).status).toBe(200);
    expect(
      parseIndexDocument(await (await second.call("/index/_/ke/kept.json")).json()).versions[0]?.artifacts[0]?.blob,
    ).toBe(built.blob);
    expect((await second.publish(built)).status).toBe(200);
    for (const file of ["admin-token", "jwt-secret"])
      expect((await stat(join(directory, file))).mode & 0o777).toBe(0o600);
    await second.close();
  });

  it("logs the registry's policy once, whatever packages demand", async () => {
    const directory = await freshDirectory();
    const first = await startServer({ dataDirectory: directory });
    expect((await first.publish(await buildPackage({ name: "strict", version: "1.0.0" }))).status).toBe(201);
    const path = "/api/v1/packages/strict/policy";
    const demanded = await first.call(path, { method: "PUT", json: { trusted_publishers: ["admin"] } });
    expect(demanded.status).toBe(200);
    const before = await first.node.metadata.logEntries(0, 100);
    await first.close();
    const second = await startServer({ dataDirectory: directory });
    const after = await second.node.metadata.logEntries(0, 100);
    await second.close();
    const text = (entry: Uint8Array): string => new TextDecoder().decode(entry);
    // How far the audit trail went is stated when a server ends.
    const others = after.map(text).filter((entry) => !entry.includes('"type":"audit"'));
    expect(others).toEqual(before.map(text));
  });

  it("belongs to one process at a time", async () => {
    const directory = await freshDirectory();
    const server = await startServer({ dataDirectory: directory });
    await expect(createNodeRegistry({ dataDirectory: directory })).rejects.toMatchObject({
      code: "DATA_DIRECTORY_IN_USE",
    });
    await server.close();
    await (await startServer({ dataDirectory: directory })).close();
  });

  it("that cannot be used is refused", async () => {
    const directory = await freshDirectory();
    await writeFile(join(directory, "file"), "");
    await expect(createNodeRegistry({ dataDirectory: join(directory, "file", "data") })).rejects.toMatchObject({
      code: "DATA_DIRECTORY_UNUSABLE",
    });
    await mkdir(join(directory, "foreign"));
    const foreign = new Database(join(directory, "foreign", "registry.db"));
    foreign.exec("create table cats (name text)");
    foreign.close();
    await expect(createNodeRegistry({ dataDirectory: join(directory, "foreign") })).rejects.toMatchObject({
      code: "DATA_DIRECTORY_UNUSABLE",
    });
    await writeFile(
      join(directory, "foreign", "registry.db"),
      "this is not a database, and long enough to be looked at".repeat(20),
    );
    await rm(join(directory, "foreign", "registry.db-wal"), { force: true });
    await expect(createNodeRegistry({ dataDirectory: join(directory, "foreign") })).rejects.toMatchObject({
      code: "DATA_DIRECTORY_UNUSABLE",
    });
  });

  it("of an older or newer schema is refused with the command that helps, and migrated by it", async () => {
    const directory = await freshDirectory();
    const file = join(directory, "registry.db");
    const database = new Database(file);
    expect(migrate(database, file)).toHaveLength(SCHEMA_VERSION);
    expect(migrate(database, file)).toEqual([]);
    database.pragma(`user_version = ${SCHEMA_VERSION + 1}`);
    expect(() => migrate(database, file)).toThrow(expect.objectContaining({ code: "SCHEMA_TOO_NEW" }) as Error);
    database.close();
    await expect(createNodeRegistry({ dataDirectory: directory })).rejects.toMatchObject({ code: "SCHEMA_TOO_NEW" });
    await rm(file);
    const back = new Database(file);
    back.exec(MIGRATIONS[0]!.statements);
    back.pragma(`application_id = ${APPLICATION_ID}`);
    back.exec(`insert into packages (canonical, name, namespace, skeleton, sequence, latest, keywords, categories, downloads, created, updated)
      values ('old', 'old', '', 'old', 7, '1.0.0', '[]', '[]', 0, 1, 2), ('empty', 'empty', '', 'empty', 0, null, '[]', '[]', 0, 1, 1)`);
    back.pragma("user_version = 1");
    back.close();
    await expect(createNodeRegistry({ dataDirectory: directory })).rejects.toMatchObject({
      code: "SCHEMA_TOO_OLD",
      hint: expect.stringContaining("lading-registry migrate"),
    });
    const output = await run(["migrate", "--data", directory]);
    expect(output).toMatchObject({
      code: 0,
      out: `Applied to schema version ${SCHEMA_VERSION}: ${MIGRATIONS.slice(1)
        .map(({ name }) => name)
        .join("; ")}\n`,
    });
    expect((await run(["migrate", "--data", directory])).out).toBe(`Schema is current: version ${SCHEMA_VERSION}\n`);
    const server = await startServer({ dataDirectory: directory });
    expect(await server.node.metadata.feed(1, 10)).toEqual({
      entries: [{ id: 1, name: "old", sequence: 7, at: 2 }],
      latest: 1,
    });
    await server.close();
  });

  it("is repaired of what a crash left: stale uploads go, committed versions are rendered", async () => {
    const directory = await freshDirectory();
    await (await startServer({ dataDirectory: directory })).close();
    await writeFile(join(directory, "tmp", "upload-stale"), "half a package");
    const store = new SqliteMetadataStore(join(directory, "registry.db"));
    const admin = (await store.accountByName("admin"))!;
    await store.publish(fakePublication(admin, "committed", "1.0.0"));
    await store.close();
    const server = await startServer({ dataDirectory: directory });
    expect(await readdir(join(directory, "tmp"))).toEqual([]);
    expect(parseIndexDocument(await (await server.call("/index/_/co/committed.json")).json()).versions).toHaveLength(1);
    expect(await server.node.metadata.pendingIndexUpdates(10)).toEqual([]);
    await server.close();
  });
});

describe("a connection that breaks", () => {
  it("in the middle of an upload leaves nothing", async () => {
    const server = await startServer();
    // More than is kept in memory, so that there is a file.
    const noise = randomBytes(150_000).toString("base64");
    const built = await buildPackage({ name: "broken", version: "1.0.0" }, { files: { "a.txt": noise } });
    const head = `--x\r\ncontent-disposition: form-data; name="metadata"\r\n\r\n${JSON.stringify({ blob: built.blob, size: built.size })}\r\n--x\r\ncontent-disposition: form-data; name="package"; filename="p"\r\n\r\n`;
    const upload = request(`${server.url}/api/v1/packages/`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${server.token}`,
        "content-type": "multipart/form-data; boundary=x",
        "content-length": String(built.size + 1000),
      },
    });
    upload.on("error", () => {});
    upload.write(head);
    upload.write(built.bytes.subarray(0, 100_000));
    const staged = async (): Promise<number> =>
      (await readdir(join(server.directory, "tmp"))).filter((name) => name.startsWith("upload-")).length;
    await expect.poll(staged, { timeout: 5000 }).toBe(1);
    upload.destroy();
    await expect.poll(staged, { timeout: 5000 }).toBe(0);
    expect((await server.publish(built)).status).toBe(201);
    await server.close();
  });
});

describe("stopping", () => {
  it("ends requests in flight before the database closes, and refuses new changes", async () => {
    const server = await startServer();
    const built = await buildPackage(
      { name: "in-flight", version: "1.0.0" },
      { files: { "big.txt": "x".repeat(3_000_000) } },
    );
    const arrived = once(server.server.server, "request");
    const publishing = server.publish(built);
    await arrived;
    const closing = server.server.close(5000);
    expect([201, 503]).toContain((await publishing).status);
    await closing;
    await server.server.close();
    await rm(server.directory, { recursive: true, force: true });
  });

  it("answers 503 to changes and to readiness while draining", async () => {
    const registry = createRegistry(memoryPorts());
    await registry.start();
    await registry.stop();
    const write = await registry.fetch(new Request("http://localhost/api/v1/auth/login", { method: "POST" }));
    expect([write.status, ((await write.json()) as { code: string }).code]).toEqual([503, "UNAVAILABLE"]);
    expect((await registry.fetch(new Request("http://localhost/api/v1/health/ready"))).status).toBe(503);
    expect((await registry.fetch(new Request("http://localhost/api/v1/health/live"))).status).toBe(200);
  });
});

describe("a registry over other ports", () => {
  it("tells by health which part is down", async () => {
    const ports = memoryPorts();
    const registry = createRegistry(ports);
    const health = async () => {
      const response = await registry.fetch(new Request("http://localhost/api/v1/health"));
      return {
        status: response.status,
        checks: ((await response.json()) as { checks: Record<string, { status: string }> }).checks,
      };
    };
    expect((await health()).status).toBe(200);
    ports.metadata.failure = Object.assign(new Error("/secret/path is gone"), { code: "SQLITE_IOERR" });
    ports.blobs.failure = new Error("no space");
    expect(await health()).toMatchObject({
      status: 503,
      checks: {
        database: { status: "down", error: "SQLITE_IOERR" },
        storage: { status: "down", error: "failed" },
        cache: { status: "up" },
      },
    });
  });

  it("answers a fault of its own with 500 and a trace id, without its text, and logs it", async () => {
    const lines: { level: string; fields: Readonly<Record<string, unknown>> }[] = [];
    const ports = {
      ...memoryPorts(),
      log: (level: string, _message: string, fields: Readonly<Record<string, unknown>>) =>
        lines.push({ level, fields }),
    };
    ports.metadata.search = async () => {
      throw new Error("secret detail");
    };
    const registry = createRegistry(ports);
    const response = await registry.fetch(new Request("http://localhost/api/v1/search"));
    const body = (await response.json()) as { code: string; traceId: string };
    expect([response.status, body.code, JSON.stringify(body).includes("secret")]).toEqual([500, "INTERNAL", false]);
    expect(lines).toContainEqual({
      level: "error",
      fields: expect.objectContaining({
        traceId: body.traceId,
        error: expect.stringContaining("secret detail"),
      }) as Record<string, unknown>,
    });
  });

  it("serves the index from the document store when memory forgot, and never a stale one", async () => {
    const ports = memoryPorts();
    const registry = createRegistry({ ...ports, settings: { ...ports.settings, indexMemoryBytes: 1 } });
    const ada = fakeAccount("ada");
    await ports.metadata.publish(fakePublication(ada, "one", "1.0.0"));
    await ports.metadata.publish(fakePublication(ada, "two", "1.0.0"));
    await registry.start();
    for (const path of ["index/_/on/one.json", "index/_/tw/two.json", "index/_/on/one.json"]) {
      const answer = await registry.read({ method: "GET", path, headers: {} });
      expect([
        answer?.status,
        parseIndexDocument(JSON.parse(new TextDecoder().decode(answer?.bytes))).versions.length,
      ]).toEqual([200, 1]);
    }
    await ports.documents.put("index/_/on/one.json", new TextEncoder().encode("damaged"));
    expect(await registry.rebuildIndex()).toBe(2);
    expect(
      (await registry.read({ method: "GET", path: "index/_/on/one.json", headers: {} }))?.bytes?.length,
    ).toBeGreaterThan(50);
    await registry.stop();
  });
});

async function run(
  argv: readonly string[],
  io: Partial<ServerIo> = {},
): Promise<{ code: number; out: string; err: string }> {
  const texts = { out: "", err: "" };
  const code = await runRegistry(
    argv,
    { name: "test-registry", defaultPort: 8000 },
    {
      env: {},
      out: (text) => (texts.out += text),
      err: (text) => (texts.err += text),
      readInput: async () => "",
      untilAskedToEnd: async () => "SIGTERM",
      onReload: () => () => {},
      ...io,
    },
  );
  return { code, ...texts };
}

describe("runRegistry()", () => {
  it("prints help, version and configuration under its own name and port", async () => {
    const help = await run(["--help"]);
    expect([help.code, help.out]).toEqual([
      0,
      expect.stringMatching(/^test-registry:[\s\S]*--port \| REGISTRY_PORT[\s\S]*Example:/),
    ]);
    expect((await run(["--version"])).out).toMatch(/^\d+\.\d+\.\d+\n$/);
    const config = await run(["--print-config", "--host", "0.0.0.0"], {
      env: { JWT_SECRET_KEY: "3q2-7wG1zXcVbNmQwErTyUiOpAsDfGhJkL" },
    });
    expect(config.out).toContain("server.port = 8000 # default\n");
    expect(config.out).toContain('server.host = "0.0.0.0" # --host\n');
    expect(config.out).toContain('security.jwt_secret = "***" # JWT_SECRET_KEY\n');
  });

  it("starts, tells address and first secrets, and ends with 0 when asked", async () => {
    const directory = await freshDirectory();
    const { code, err } = await run(["--data", directory, "--port", "0", "--log-level", "silent"]);
    expect([code, err]).toEqual([
      0,
      expect.stringMatching(/^test-registry listens on http:\/\/127\.0\.0\.1:\d+[\s\S]*token +ldg_/),
    ]);
    expect(err).toContain((await readFile(join(directory, "admin-token"), "utf8")).trim());
    expect((await run(["--data", directory, "--port", "0", "--log-level", "silent"])).err).not.toContain("ldg_");
  });

  it("tells a start error with its code, hint and exit code", async () => {
    expect(await run([], { env: { REGISTRY_PORT: "x" } })).toMatchObject({
      code: 2,
      err: expect.stringMatching(/REGISTRY_PORT.*\[SERVER_CONFIG_INVALID\]\nhint: /),
    });
    expect(await run(["nonsense"])).toMatchObject({ code: 2, err: expect.stringContaining('Cannot run "nonsense"') });
    const directory = await freshDirectory();
    const server = await startServer({ dataDirectory: directory });
    const taken = new URL(server.url).port;
    const unused = join(await freshDirectory(), "data");
    expect(await run(["--data", unused, "--port", taken])).toMatchObject({
      code: 5,
      err: expect.stringMatching(
        new RegExp(
          `Cannot listen on "127.0.0.1" port ${taken}: another process has that port .ADDRESS_UNAVAILABLE.\\nhint: .*--port .REGISTRY_PORT.`,
        ),
      ),
    });
    // Nothing was begun: the first start that succeeds shows the password.
    await expect(stat(unused)).rejects.toMatchObject({ code: "ENOENT" });
    expect(await run(["--data", directory, "--port", "0"])).toMatchObject({
      code: 8,
      err: expect.stringContaining("DATA_DIRECTORY_IN_USE"),
    });
    await server.close();
  });

  it.each(["/proc/lading-data", "/dev/null/data"])(
    "refuses --data %s, naming it, in place of hanging",
    async (data) => {
      expect(await run(["--data", data, "--port", "0"])).toMatchObject({
        code: 5,
        err: expect.stringContaining(`Cannot use data directory "${data}"`),
      });
    },
  );

  it("admin reset-password leaves no passkey that opens the account", async () => {
    const directory = await freshDirectory();
    const server = await startServer({ dataDirectory: directory });
    await server.account("ada");
    const { metadata } = server.node;
    const { id } = (await metadata.accountByName("ada"))!;
    const made = { id: "c1", accountId: id, name: "key", publicKey: "pQ", counter: 0, transports: [], created: 1 };
    await metadata.identities.addPasskey(made, { at: 1, actor: "ada", action: "passkey.add", details: {} });
    expect(await run(["admin", "reset-password", "ada", "--data", directory])).toMatchObject({ code: 0 });
    expect(await metadata.identities.passkeysOf(id)).toEqual([]);
    await server.close();
  });

  it("admin create-user, token, verify and rebuild-index work on a data directory", async () => {
    const directory = await freshDirectory();
    const server = await startServer({ dataDirectory: directory });
    const data = ["--data", directory];
    expect(
      await run(["admin", "create-user", "ada", "--email", "ada@example.com", "--admin", "--password-stdin", ...data], {
        readInput: async () => "correct horse\n",
      }),
    ).toMatchObject({ code: 0, out: "" });
    expect(await run(["admin", "create-user", "ada", ...data])).toMatchObject({
      code: 8,
      err: expect.stringContaining("USER_EXISTS"),
    });
    const made = await run([
      "admin",
      "token",
      "ada",
      "--scopes",
      "read,publish",
      "--packages",
      "ada-*",
      "--days",
      "7",
      ...data,
    ]);
    const whoami = await server.call("/api/v1/auth/whoami", { auth: made.out.trim() });
    expect(await whoami.json()).toMatchObject({
      username: "ada",
      admin: true,
      scopes: ["read", "publish"],
      packages: ["ada-*"],
    });
    const basic = `Basic ${Buffer.from("ada:correct horse").toString("base64")}`;
    expect((await server.call("/api/v1/auth/whoami", { auth: basic })).status).toBe(200);
    for (const wrong of [
      ["--days", "91"],
      ["--scopes", "all"],
      ["--packages", "../x"],
    ]) {
      expect(await run(["admin", "token", "ada", ...wrong, ...data])).toMatchObject({ code: 2 });
    }
    expect(await run(["admin", "token", "nobody", ...data])).toMatchObject({
      code: 5,
      err: expect.stringContaining("USER_NOT_FOUND"),
    });
    const built = await buildPackage({ name: "kept", version: "1.0.0" });
    await server.publish(built);
    expect(await run(["admin", "rebuild-index", ...data])).toMatchObject({ code: 8 });
    await server.close();
    expect(JSON.parse((await run(["admin", "verify", ...data])).out)).toEqual({
      checked: 1,
      bad: [],
      unreferenced: 0,
      pending: 0,
    });
    await rm(join(directory, "index"), { recursive: true });
    expect(await run(["admin", "rebuild-index", ...data])).toMatchObject({
      code: 0,
      out: "Rendered 1 index documents, and signed metadata and log anew\n",
    });
    expect(await readdir(join(directory, "index", "_", "ke"))).toEqual(["kept.json"]);
    const blob = join(directory, "blobs", "sha256", built.blob.slice(7, 9), built.blob.slice(7));
    await writeFile(blob, "altered");
    expect(await run(["admin", "verify", ...data])).toMatchObject({
      code: 7,
      out: expect.stringContaining('"altered"'),
    });
    expect(await run(["admin", "nonsense", ...data])).toMatchObject({ code: 2 });
  });
});
