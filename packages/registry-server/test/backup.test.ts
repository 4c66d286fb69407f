import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runRegistry } from "../src/node.ts";
import { buildPackage, signPackage, startServer, testSigner, type BuiltPackage, type TestServer } from "./harness.ts";

let root: string;
let server: TestServer;
let signed: BuiltPackage;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "lading-backup-"));
  server = await startServer({ dataDirectory: join(root, "data") });
  const { signer, pem } = testSigner(7);
  await server.call("/api/v1/keys", { method: "POST", json: { public_key: pem } });
  signed = await buildPackage(
    { name: "signed", version: "1.0.0", readme: "README.md" },
    { files: { "README.md": "# S" } },
  );
  await server.publish(signed, { statement: await signPackage(signed, signer) });
});
afterAll(async () => {
  await server.close();
  await rm(root, { recursive: true, force: true });
});

interface Run {
  readonly code: number;
  readonly report: Record<string, unknown>;
  readonly err: string;
}
async function admin(words: readonly string[], data = join(root, "data")): Promise<Run> {
  let out = "";
  let err = "";
  const code = await runRegistry(
    ["admin", ...words, "--data", data],
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
  return { code, report: out === "" ? {} : (JSON.parse(out) as Record<string, unknown>), err };
}

const document = async (url: string, path: string): Promise<string> => (await fetch(`${url}${path}`)).text();

describe("admin backup and restore", () => {
  it("beside a running server make a registry that is the same, with all that was acknowledged before", async () => {
    const backup = join(root, "backup");
    const before = await Promise.all(
      Array.from({ length: 5 }, (_, patch) => buildPackage({ name: "busy", version: `1.0.${patch}` })),
    );
    for (const built of before) await server.publish(built);
    const during = await Promise.all(
      Array.from({ length: 10 }, (_, patch) => buildPackage({ name: "busy", version: `2.0.${patch}` })),
    );
    const publishing = Promise.all(during.map((built) => server.publish(built)));
    const first = await admin(["backup", backup]);
    await publishing;
    expect(first).toMatchObject({ code: 0, err: "", report: { backup } });
    // The package file, its statement, readme and signer's key, and five more files at least.
    expect(first.report["blobs"]).toBeGreaterThanOrEqual(9);
    expect(first.report["copied"]).toBe(first.report["blobs"]);

    const again = await admin(["backup", backup]);
    expect(again).toMatchObject({ code: 0, report: { blobs: 19 } });
    expect(again.report["copied"]).toBe(19 - Number(first.report["blobs"]));

    const restored = join(root, "restored");
    expect(await admin(["restore", backup], restored)).toMatchObject({
      code: 0,
      report: { restored: backup, blobs: 19, documents: 2 },
    });
    expect(await admin(["verify"], restored)).toMatchObject({
      code: 0,
      report: { checked: 19, bad: [], unreferenced: 0 },
    });
    await writeFile(join(restored, "admin-token"), server.token);
    const copy = await startServer({ dataDirectory: restored });
    try {
      for (const path of [
        "/index/_/bu/busy.json",
        "/index/_/si/signed.json",
        `/blobs/sha256/${signed.blob.slice(7)}.sig`,
      ])
        expect(await document(copy.url, path)).toBe(await document(server.url, path));
      expect((await copy.call("/api/v1/auth/whoami")).status).toBe(200);
      expect((await copy.publish(await buildPackage({ name: "busy", version: "3.0.0" }))).status).toBe(201);
    } finally {
      await copy.close();
    }
  });

  it("refuse to write over a registry, and what is no backup, unfinished or altered", async () => {
    expect(await admin(["backup", join(root, "data")])).toMatchObject({
      code: 8,
      err: expect.stringContaining("DATA_DIRECTORY_NOT_EMPTY"),
    });
    expect(await admin(["backup", join(root, "b2")], join(root, "nothing"))).toMatchObject({ code: 5 });
    const backup = join(root, "backup");
    expect(await admin(["restore", backup], join(root, "restored"))).toMatchObject({
      code: 8,
      err: expect.stringContaining("DATA_DIRECTORY_NOT_EMPTY"),
    });
    const damaged = { code: 7, err: expect.stringContaining("BACKUP_DAMAGED") as string };
    expect(await admin(["restore", join(root, "nothing")], join(root, "n1"))).toMatchObject(damaged);
    const record = await readFile(join(backup, "backup.json"), "utf8");
    for (const text of ["", '{"format":1,"unfinished":true}', '{"format":2}', record.replace(/sha256:./, "sha256:x")]) {
      await writeFile(join(backup, "backup.json"), text);
      expect(await admin(["restore", backup], join(root, "n2"))).toMatchObject(damaged);
    }
    await writeFile(join(backup, "backup.json"), record);
    const blob = join(backup, "blobs", "sha256", signed.blob.slice(7, 9), signed.blob.slice(7));
    const bytes = await readFile(blob);
    await writeFile(blob, "altered");
    expect(await admin(["restore", backup], join(root, "n3"))).toMatchObject({
      code: 7,
      err: expect.stringContaining(`blob "${signed.blob}" is altered`),
    });
    await rm(blob);
    expect(await admin(["restore", backup], join(root, "n3"))).toMatchObject({
      code: 7,
      err: expect.stringContaining(`blob "${signed.blob}" is missing`),
    });
    // What the failed attempts left is no obstacle, and no registry.
    expect(await readdir(join(root, "n3"))).not.toContain("registry.db");
    await writeFile(blob, bytes);
    expect(await admin(["restore", backup], join(root, "n3"))).toMatchObject({ code: 0 });
  });
});

describe("admin gc", () => {
  it("counts and removes what no version needs, and keeps keys, statements and readmes", async () => {
    const own = await startServer({ dataDirectory: join(root, "gc") });
    const data = join(root, "gc");
    const { signer, pem } = testSigner(9);
    await own.call("/api/v1/keys", { method: "POST", json: { public_key: pem } });
    await own.publish(signed, { statement: await signPackage(signed, signer) });
    const other = await buildPackage({ name: "signed", version: "1.0.0" }, { files: { "other.txt": "x" } });
    // A refused publication leaves no version, and may leave blobs.
    expect((await own.publish(other, { statement: await signPackage(other, signer) })).status).toBe(409);
    await own.publish(await buildPackage({ name: "kept", version: "1.0.0" }));
    const folder = join(data, "blobs", "sha256", "00");
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "0".repeat(64)), "orphan");
    const counted = await admin(["gc", "--dry-run"], data);
    expect(counted.report["dryRun"]).toBe(true);
    expect(Number(counted.report["bytes"])).toBeGreaterThanOrEqual(6);
    expect((await admin(["gc"], data)).err).toContain("DATA_DIRECTORY_IN_USE");
    await own.close();
    expect((await admin(["gc"], data)).report).toEqual({ ...counted.report, dryRun: false });
    expect((await admin(["gc"], data)).report).toEqual({
      blobs: 0,
      bytes: 0,
      uploads: 0,
      uploadBytes: 0,
      dryRun: false,
    });
    expect(await admin(["verify"], data)).toMatchObject({ code: 0, report: { bad: [], unreferenced: 0, checked: 5 } });
    const key = signer.keyId;
    expect(await readdir(join(data, "blobs", "sha256", key.slice(0, 2)))).toContain(key);
  });
});
