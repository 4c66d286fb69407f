import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openDatabase, runRegistry } from "../src/node.ts";
import { GAL_RULES, member, startWithRules } from "./access-world.ts";
import { buildPackage, type BuiltPackage } from "./harness.ts";

const NAME = "company%2Ftool";
let root: string;
let data: string;
let token: string;
let built: BuiltPackage;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "lading-trees-"));
  data = join(root, "data");
  built = await buildPackage({ name: "company/tool", version: "1.0.0" });
  const server = await startWithRules({ dataDirectory: data });
  token = await member(server, "mia", ["developers"]);
  await server.publish(built, { auth: token });
  await server.publish(await buildPackage({ name: "open/tool", version: "1.0.0" }), { auth: token });
  await server.close();
});
afterAll(async () => rm(root, { recursive: true, force: true }));

async function run(words: readonly string[], directory = data): Promise<{ code: number; out: string; err: string }> {
  let out = "";
  let err = "";
  const code = await runRegistry(
    [...words, "--data", directory],
    { name: "test-registry", defaultPort: 0 },
    {
      env: {},
      out: (text) => (out += text),
      err: (text) => (err += text),
      readInput: async () => "",
      untilAskedToEnd: async () => "SIGTERM",
      onReload: () => () => {},
    },
  );
  return { code, out, err };
}

async function serves(directory: string): Promise<void> {
  // The first token is no part of a backup, and nothing here needs it.
  await writeFile(join(directory, "admin-token"), "none\n");
  const server = await startWithRules({ dataDirectory: directory });
  try {
    const blob = await server.call(`/trees/company/blobs/sha256/${built.blob.slice(7)}`, { auth: token });
    expect(Buffer.from(await blob.arrayBuffer()).equals(Buffer.from(built.bytes))).toBe(true);
    expect((await server.call(`/api/v1/packages/${NAME}`, { auth: token })).status).toBe(200);
    expect((await server.call("/trees/company/index/@company/to/tool.json", { auth: token })).status).toBe(200);
    expect((await server.call("/trees/company/metadata/timestamp.json", { auth: token })).status).toBe(200);
  } finally {
    await server.close();
  }
}

describe("admin commands on a registry with private packages", () => {
  it("verify checks the files of every tree", async () => {
    const whole = await run(["admin", "verify"]);
    expect(whole.code).toBe(0);
    expect(JSON.parse(whole.out)).toMatchObject({ checked: 1, bad: [], trees: { company: { checked: 1, bad: [] } } });
    const copy = join(root, "altered");
    await run(["admin", "backup", copy]);
    const blobs = join(copy, "trees", "company", "blobs");
    await rm(blobs, { recursive: true });
    await mkdir(blobs);
    const altered = await run(["admin", "verify"], copy);
    expect(altered.code).toBe(7);
    expect(JSON.parse(altered.out)).toMatchObject({ bad: [], trees: { company: { bad: [{ problem: "missing" }] } } });
  });

  it("audit verify, seal and export know the trail of every tree", async () => {
    const whole = await run(["admin", "audit", "verify"]);
    expect(whole.code).toBe(0);
    const state = { problems: [], log: "signed", sealed: 1, unsealed: 0 };
    expect(JSON.parse(whole.out)).toMatchObject({ ...state, trees: { company: state } });
    const sealed = { sealed: "already" };
    expect(JSON.parse((await run(["admin", "audit", "seal"])).out)).toEqual({ ...sealed, trees: { company: sealed } });
    const published = ["admin", "audit", "export", "--action", "package.publish"];
    expect(JSON.parse((await run(published)).out)).toMatchObject({ package: "open/tool" });
    expect(JSON.parse((await run([...published, "--tree", "company"])).out)).toMatchObject({ package: "company/tool" });
    const copy = join(root, "bent");
    await run(["admin", "backup", copy]);
    const database = openDatabase(join(copy, "trees", "company", "registry.db"));
    database.exec("update audit set actor = 'eve' where action = 'package.publish'");
    database.close();
    const bent = await run(["admin", "audit", "verify"], copy);
    expect(bent.code).toBe(7);
    expect(JSON.parse(bent.out)).toMatchObject({
      problems: [],
      trees: { company: { problems: [{ problem: "altered" }] } },
    });
    expect((await run(["admin", "audit", "forget"])).err).toContain('"verify", "seal", "export"');
  });

  it("rebuild-index renders every tree", async () => {
    await rm(join(data, "trees", "company", "index"), { recursive: true, force: true });
    const { code, out } = await run(["admin", "rebuild-index"]);
    expect([code, out]).toEqual([0, "Rendered 2 index documents, and signed metadata and log anew\n"]);
    await serves(data);
  });

  it("backup and restore take every tree along", async () => {
    const backup = join(root, "backup");
    expect(JSON.parse((await run(["admin", "backup", backup])).out)).toMatchObject({
      trees: { company: { blobs: 1 } },
    });
    const restored = join(root, "restored");
    const { code, out } = await run(["admin", "restore", backup], restored);
    expect([code, JSON.parse(out)]).toMatchObject([0, { trees: { company: { blobs: 1, documents: 1 } } }]);
    await serves(restored);
  });

  it("migrate-to moves every tree", async () => {
    const moved = join(root, "moved");
    const file = join(root, "moved.toml");
    await writeFile(file, `[server]\ndata = ${JSON.stringify(moved)}\n${GAL_RULES}`);
    const { code, out } = await run(["admin", "migrate-to", file]);
    expect([code, JSON.parse(out)]).toMatchObject([0, { trees: { company: { blobs: 1, documents: 1 } } }]);
    await serves(moved);
  });

  it("gc, migrate and keys know every tree", async () => {
    expect(JSON.parse((await run(["admin", "gc", "--dry-run"])).out)).toMatchObject({
      trees: { company: { blobs: 0 } },
    });
    expect((await run(["migrate"])).out).toMatch(/Schema is current: .*\nSchema of tree "company" is current/);
    const base = await run(["admin", "keys", "status"]);
    const own = await run(["admin", "keys", "status", "--tree", "company"]);
    expect([base.code, own.code]).toEqual([0, 0]);
    expect(own.out).not.toBe(base.out);
    const none = await run(["admin", "keys", "status", "--tree", "nowhere"]);
    expect([none.code, none.err]).toEqual([2, expect.stringContaining('there are "company"')]);
  });
});
