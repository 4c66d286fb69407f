import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { APPLICATION_ID, MIGRATIONS } from "../src/lib/node/migrations.ts";
import { SqliteMetadataStore, migrate } from "../src/node.ts";
import { fakeAccount, fakeAudit, fakePublication } from "../src/testing.ts";

let directory: string;
let file: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "lading-hosts-"));
  file = join(directory, "registry.db");
});
afterEach(async () => rm(directory, { recursive: true, force: true }));

async function published(): Promise<void> {
  const store = new SqliteMetadataStore(file);
  const ada = fakeAccount("ada");
  await store.createAccount(ada, fakeAudit());
  for (const [index, [version, revit]] of [
    ["1.0.0", "<2025.0.0"],
    ["2.0.0", ">=2025.0.0"],
  ].entries())
    await store.publish(
      fakePublication(ada, "walls", version!, { tree: index + 1, manifest: { hosts: { revit: revit! } } }),
    );
  await store.publish(fakePublication(ada, "doors", "1.0.0", { tree: 9 }));
  await store.close();
}

async function foundFor(revit: string): Promise<string[]> {
  const store = new SqliteMetadataStore(file);
  const query = { text: "", page: 1, perPage: 10, sort: "name", publishedOnly: true, hosts: { revit } } as const;
  const { items } = await store.search(query);
  await store.close();
  return items.map(({ name, fitting }) => `${name} ${fitting}`);
}

function edit(statements: string): void {
  const database = new Database(file);
  database.exec(statements);
  database.close();
}

describe("hosts of versions", () => {
  it("are read from the manifests of a database that did not keep them beside the versions", async () => {
    const before = MIGRATIONS.findIndex(({ name }) => name === "hosts of versions");
    edit(
      MIGRATIONS.slice(0, before)
        .map(({ statements }) => statements)
        .join(";"),
    );
    const manifest = (hosts: string): string => `{"name":"x","version":"1.0.0"${hosts}}`;
    const version = (id: number, ofPackage: number, text: string, hosts: string): string =>
      `insert into versions (id, package_id, version, kind, manifest, status, published, publisher, downloads)
       values (${id}, ${ofPackage}, '${text}', 'binary', '${manifest(hosts)}', 'active', 1, 'ada', 0)`;
    const row = (id: number, name: string): string =>
      `insert into packages (id, canonical, name, namespace, skeleton, sequence, latest, keywords, categories, downloads, created, updated)
       values (${id}, '${name}', '${name}', '', '${name}', 1, '1.0.0', '[]', '[]', 0, 1, 1)`;
    edit(
      [
        row(1, "walls"),
        row(2, "doors"),
        version(1, 1, "1.0.0", ',"hosts":{"revit":"<2025.0.0"}'),
        version(2, 1, "2.0.0", ',"hosts":{"revit":">=2025.0.0"}'),
        version(3, 2, "1.0.0", ""),
        `pragma application_id = ${APPLICATION_ID}; pragma user_version = ${before}`,
      ].join(";"),
    );
    const database = new Database(file);
    expect(migrate(database, file)).toContain("hosts of versions");
    expect(database.prepare("select count(*) from versions where hosts is null").pluck().get()).toBe(0);
    expect(database.prepare("select count(*) from host_ranges").pluck().get()).toBe(3);
    database.close();
    expect(await foundFor("2024")).toEqual(["doors 1.0.0", "walls 1.0.0"]);
    expect(await foundFor("2025")).toEqual(["doors 1.0.0", "walls 2.0.0"]);
  });

  it("are filled in by the next search where a replica of a former release wrote", async () => {
    await published();
    edit("update versions set hosts = null where version = '2.0.0'");
    expect(await foundFor("2025")).toEqual(["doors 1.0.0", "walls 2.0.0"]);
    const database = new Database(file);
    expect(database.prepare("select count(*) from versions where hosts is null").pluck().get()).toBe(0);
    database.close();
  });

  it("are put right by rebuildHosts() where they were altered", async () => {
    await published();
    edit("update host_ranges set ranges = '{}'");
    expect(await foundFor("2025")).toEqual(["doors 1.0.0", "walls 2.0.0"]);
    expect(await foundFor("2024")).toEqual(["doors 1.0.0", "walls 2.0.0"]);
    const store = new SqliteMetadataStore(file);
    await store.rebuildHosts();
    await store.close();
    expect(await foundFor("2024")).toEqual(["doors 1.0.0", "walls 1.0.0"]);
  });
});
