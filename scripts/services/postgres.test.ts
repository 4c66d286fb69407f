import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkAuditTrail } from "@lading/registry-server";
import {
  PostgresCoordination,
  PostgresMetadataStore,
  SqliteMetadataStore,
  migrateDatabase,
} from "@lading/registry-server/node";
import {
  coordinationContract,
  POSTGRES_MIGRATIONS,
  fakeAccount,
  fakeAudit,
  fakePublication,
  metadataStoreContract,
} from "@lading/registry-server/testing";
import Database from "better-sqlite3";
import { join } from "node:path";
import { freshDirectory } from "./processes.ts";
import { startPostgres, type PostgresServer } from "./postgres.ts";

let postgres: PostgresServer;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(async () => postgres?.stop());

/** A database as the release before a step left it. */
async function databaseBefore(step: string): Promise<string> {
  const url = await postgres.createDatabase();
  const before = POSTGRES_MIGRATIONS.findIndex(({ name }) => name === step);
  const statements = POSTGRES_MIGRATIONS.slice(0, before).map((one) => one.statements);
  await postgres.query(url, statements.join(";\n"));
  await postgres.query(
    url,
    `create table lading_schema (one boolean primary key default true check (one), version integer not null, works_from integer not null);
     insert into lading_schema (version, works_from) values (${before}, 1)`,
  );
  return url;
}

async function pair(): Promise<readonly [PostgresMetadataStore, PostgresMetadataStore]> {
  const url = await postgres.createDatabase();
  return [await PostgresMetadataStore.open(url), await PostgresMetadataStore.open(url)];
}

describe("[SRV-17] PostgreSQL passes the suite of the embedded store", () => {
  metadataStoreContract({ describe, it }, async () => PostgresMetadataStore.open(await postgres.createDatabase()));
  coordinationContract({ describe, it }, async () => {
    const [first, second] = await pair();
    return {
      one: new PostgresCoordination(first),
      two: new PostgresCoordination(second),
      commit: async () => {
        await first.createAccount(fakeAccount("ada"), fakeAudit());
      },
      close: async () => {
        await first.close();
        await second.close();
      },
    };
  });

  it("has the tables and columns that SQLite has, so that no migration is forgotten in one of them", async () => {
    const directory = await freshDirectory("schema");
    const file = join(directory.path, "registry.db");
    await new SqliteMetadataStore(file).close();
    const sqlite = new Database(file);
    const known = sqlite
      .prepare(
        `select m.name || '.' || c.name as name from sqlite_schema m join pragma_table_info(m.name) c
         where m.type = 'table' and m.name not like 'sqlite_%' and m.name not like 'package_search%'`,
      )
      .pluck()
      .all() as string[];
    sqlite.close();
    await directory.remove();
    const url = await postgres.createDatabase();
    await (await PostgresMetadataStore.open(url)).close();
    const columns = await postgres.query(
      url,
      `select table_name || '.' || column_name as name from information_schema.columns where table_schema = current_schema()
       and table_name not in ('leases', 'lading_schema', 'package_search')`,
    );
    expect(columns.map(({ name }) => String(name)).sort()).toEqual(known.sort());
  });

  it("PostgresMetadataStore: publications of two servers at once get indices without gaps, and one winner a version", async () => {
    const stores = await pair();
    const ada = fakeAccount("ada");
    await stores[0].createAccount(ada, fakeAudit());
    const outcomes = await Promise.all(
      Array.from({ length: 120 }, (_, at) =>
        stores[at % 2]!.publish(fakePublication(ada, `tool-${at % 7}`, `1.${Math.floor(at / 2) % 40}.0`, { tree: at })),
      ),
    );
    const created = outcomes.filter(({ status }) => status === "created").length;
    const { entries, latest } = await stores[1].feed(1, 1000);
    expect(entries.map(({ id }) => id)).toEqual(Array.from({ length: created }, (_, at) => at + 1));
    expect([latest, (await stores[0].logEntries(0, 1000)).length]).toEqual([created, created]);
    const leaves = outcomes.flatMap((outcome) =>
      outcome.status === "created" ? outcome.version.artifacts.map(({ leaf }) => leaf!) : [],
    );
    expect(leaves.sort((left, right) => left - right)).toEqual(Array.from({ length: created }, (_, at) => at));
    expect((await stores[0].counts()).versions).toBe(created);
    for (const store of stores) await store.close();
  });

  it("PostgresMetadataStore: what one write throws undoes nothing of its neighbours", async () => {
    const [store, other] = await pair();
    await other.close();
    const [ada, bob] = [fakeAccount("ada"), fakeAccount("bob")];
    await store.createAccount(ada, fakeAudit());
    const publication = fakePublication(ada, "tool", "1.0.0");
    const work = await Promise.allSettled([
      store.publish(publication),
      store.addOwner(publication.canonical, ada, fakeAudit(), () => {
        throw new Error("objection");
      }),
      store.createAccount(bob, fakeAudit()),
      store.publish(fakePublication(ada, "nul", "1.0.0", { manifest: { title: "a\0b" } })),
      store.publish(fakePublication(ada, "tool", "1.1.0", { tree: 2 })),
    ]);
    expect(work.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled", "rejected", "fulfilled"]);
    expect(work[3]).toMatchObject({ reason: { code: "REQUEST_INVALID" } });
    expect((await store.counts()).versions).toBe(2);
    await store.close();
  });

  it("PostgresMetadataStore: a database that crashes loses nothing that was acknowledged, and is used again at once", async () => {
    const [store, other] = await pair();
    await other.close();
    const ada = fakeAccount("ada");
    await store.createAccount(ada, fakeAudit());
    const acknowledged: string[] = [];
    const state = { crashed: false };
    const refusals: unknown[] = [];
    const publishing = Promise.all(
      Array.from({ length: 4 }, async (_, client) => {
        for (let patch = 0; !state.crashed && patch < 200; patch += 1) {
          const version = `1.${client}.${patch}`;
          const outcome = await store.publish(fakePublication(ada, "tool", version)).catch((error: unknown) => error);
          if ((outcome as { status?: string }).status === "created") acknowledged.push(version);
          else refusals.push((outcome as { code?: string }).code);
        }
      }),
    );
    await expect.poll(() => acknowledged.length, { timeout: 60_000 }).toBeGreaterThan(0);
    await postgres.crash();
    state.crashed = true;
    await publishing;
    await postgres.restart();
    await store.check();
    const kept = new Set((await store.versions(fakePublication(ada, "tool", "1.0.0").canonical)).map((v) => v.version));
    expect(acknowledged.filter((version) => !kept.has(version as never))).toEqual([]);
    expect(acknowledged.length).toBeGreaterThan(0);
    expect([...new Set(refusals)]).toEqual(["UNAVAILABLE"]);
    expect((await store.logEntries(0, 1000)).length).toBe(kept.size);
    await store.close();
  });

  it("PostgresMetadataStore: connections that are ended in the middle of a transaction are replaced, and writes repeated", async () => {
    const url = await postgres.createDatabase();
    const store = await PostgresMetadataStore.open(url);
    const ada = fakeAccount("ada");
    await store.createAccount(ada, fakeAudit());
    let [ended, failed] = [0, 0];
    for (let patch = 0; patch < 30; patch += 1) {
      const publishing = store.publish(fakePublication(ada, "tool", `1.0.${patch}`)).catch(() => (failed += 1));
      const rows = await postgres.query(
        url,
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'lading-registry' and pid <> pg_backend_pid()",
      );
      ended += rows.length;
      await publishing;
    }
    const kept = (await store.versions(fakePublication(ada, "tool", "1.0.0").canonical)).length;
    expect(ended).toBeGreaterThan(5);
    expect(kept).toBeGreaterThanOrEqual(30 - failed);
    expect((await store.logEntries(0, 100)).length).toBe(kept);
    await store.close();
  });

  it("PostgresMetadataStore: audit records of two servers are one chain, in which what was undone leaves no gap", async () => {
    const stores = await pair();
    await stores[0].createAccount(fakeAccount("ada"), fakeAudit());
    const names = Array.from({ length: 60 }, (_, at) => `user${at}`);
    await Promise.all(
      names.flatMap((name, at) => [
        stores[at % 2]!.createAccount(fakeAccount(name), fakeAudit()),
        stores[(at + 1) % 2]!.createAccount(fakeAccount("ada"), fakeAudit()),
      ]),
    );
    const sealed = await Promise.all(stores.map((store) => store.auditTrail.seal({ at: Date.now(), intervalMs: 0 })));
    expect(sealed.filter((head) => head !== undefined)).toHaveLength(1);
    expect(await checkAuditTrail(stores[1])).toMatchObject({ records: 61, sealed: 1, unsealed: 0, problems: [] });
    for (const store of stores) await store.close();
  });

  it("chains the audit records of a former release when it migrates, and those that its replicas write meanwhile", async () => {
    const url = await databaseBefore("chained audit trail");
    const insert = "insert into audit (at, actor, action, details) select at, 'old', 'x', '{}' from generate_series";
    await postgres.query(url, `${insert}(1, 1200) as at`);
    expect((await migrateDatabase(url))[0]).toBe("chained audit trail");
    await postgres.query(url, `${insert}(1, 3) as at`);
    const store = await PostgresMetadataStore.open(url);
    await store.createAccount(fakeAccount("ada"), fakeAudit());
    expect(await checkAuditTrail(store)).toMatchObject({ records: 1204, problems: [] });
    const waiting = await postgres.query(
      url,
      "select count(*)::int as waiting from audit where hash is null or hash = ''",
    );
    expect(waiting).toEqual([{ waiting: 0 }]);
    await store.close();
  });

  it("finds out for which hosts the versions of a former release are, and those that its replicas write meanwhile", async () => {
    const url = await databaseBefore("hosts of versions");
    const insert = (version: string, revit: string): string =>
      `insert into versions (package_id, version, kind, manifest, status, published, publisher, downloads)
       values (1, '${version}', 'binary', '{"name":"walls","version":"${version}","hosts":{"revit":"${revit}"}}', 'active', 1, 'ada', 0)`;
    await postgres.query(
      url,
      `insert into packages (id, canonical, name, namespace, skeleton, sequence, latest, keywords, categories, downloads, created, updated)
       values (1, 'walls', 'walls', '', 'walls', 1, '1.0.0', '[]', '[]', 0, 1, 1); ${insert("1.0.0", "<2025.0.0")}`,
    );
    expect((await migrateDatabase(url))[0]).toBe("hosts of versions");
    const unfilled = "select count(*)::int as unfilled from versions where hosts is null";
    expect(await postgres.query(url, unfilled)).toEqual([{ unfilled: 0 }]);
    await postgres.query(url, insert("2.0.0", ">=2025.0.0"));
    const store = await PostgresMetadataStore.open(url);
    const query = { text: "", page: 1, perPage: 10, sort: "name", publishedOnly: true } as const;
    for (const [revit, version] of [
      ["2025", "2.0.0"],
      ["2024", "1.0.0"],
    ] as const) {
      const { items, total } = await store.search({ ...query, hosts: { revit } });
      expect([items.map(({ fitting }) => fitting), total]).toEqual([[version], 1]);
    }
    expect(await postgres.query(url, unfilled)).toEqual([{ unfilled: 0 }]);
    await store.close();
  });

  it("keeps the names of organisations that a former release removed, and of those that its replicas remove meanwhile", async () => {
    const url = await databaseBefore("names of removed organisations");
    await postgres.query(
      url,
      `insert into audit (at, actor, action, details) values
         (1, 'old', 'organisation.create', '{"organisation":"never"}'),
         (2, 'old', 'organisation.remove', '{"organisation":"gone"}'),
         (3, 'old', 'organisation.remove', '{"organisation":"back"}'),
         (4, 'old', 'organisation.remove', '{"organisation":"gone"}'),
         (5, 'old', 'organisation.remove', '{}'),
         (6, 'old', 'package.publish', '{"organisation":"\\u0000"}');
       insert into organisations (id, name, created) values ('o1', 'back', 1);
       insert into quotas (subject, versions) values
         ('organisation:gone', 1), ('organisation:back', 2), ('user:gone', 3), ('package:gone', 4), ('registry', 5)`,
    );
    expect((await migrateDatabase(url))[0]).toBe("names of removed organisations");
    const store = await PostgresMetadataStore.open(url);
    const { organisations } = store;
    const subjects = async () => (await store.quotas.all()).map(({ subject }) => subject).sort();
    expect(await organisations.reservedOrganisations()).toEqual([{ name: "gone", removed: 4 }]);
    expect(await subjects()).toEqual(["organisation:back", "package:gone", "registry", "user:gone"]);

    await postgres.query(url, "delete from organisations where id = 'o1'");
    expect((await organisations.reservedOrganisations()).map(({ name }) => name)).toEqual(["back", "gone"]);
    expect(await subjects()).toEqual(["package:gone", "registry", "user:gone"]);

    const ada = fakeAccount("ada");
    await store.createAccount(ada, fakeAudit());
    const back = { id: "o2", name: "back", created: 7 };
    expect(await organisations.createOrganisation(back, ada, fakeAudit())).toBe("reserved");

    // A former release knows nothing of reserved names: it makes such organisations, and removes them.
    const again = "insert into organisations (id, name, created) values ('o3', 'gone', 8)";
    await postgres.query(url, `${again}; delete from organisations where id = 'o3'; ${again}`);
    expect(await organisations.removeOrganisation("o3", fakeAudit({ at: 9 }))).toBe("removed");
    expect(await organisations.reservedOrganisations()).toMatchObject([{ name: "back" }, { name: "gone", removed: 9 }]);
    await store.close();
  });

  it("refuses what it cannot use, and says what to do", async () => {
    const nobody = await PostgresMetadataStore.open("postgresql+asyncpg://registry:wrong@127.0.0.1:1/none").catch(
      String,
    );
    expect(nobody).toMatch(/Cannot open PostgreSQL database "none" at 127.0.0.1:1/);
    const url = await postgres.createDatabase();
    await expect(PostgresMetadataStore.open(url.replace("of-the-test", "wrong"))).rejects.toMatchObject({
      code: "DATABASE_UNUSABLE",
    });
    expect((await migrateDatabase(url))[0]).toMatch(/^accounts/);
    expect(await migrateDatabase(url)).toEqual([]);
    await postgres.query(url, "update lading_schema set version = 99");
    await (await PostgresMetadataStore.open(url)).close();
    await postgres.query(url, "update lading_schema set works_from = 98");
    await expect(PostgresMetadataStore.open(url)).rejects.toMatchObject({ code: "SCHEMA_TOO_NEW" });
    await postgres.query(url, "create database latin encoding 'LATIN1' locale 'C' template template0");
    await expect(PostgresMetadataStore.open(url.replace(/[^/]+$/, "latin"))).rejects.toThrow(/its encoding is LATIN1/);
  });

  it("servers that start together on an empty database migrate it once", async () => {
    const url = await postgres.createDatabase();
    const stores = await Promise.all(
      Array.from({ length: 5 }, () => PostgresMetadataStore.open(url, { connections: 2 })),
    );
    for (const store of stores) {
      await store.check();
      await store.close();
    }
  });
});
