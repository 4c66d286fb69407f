import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { APPLICATION_ID, MIGRATIONS } from "../src/lib/node/migrations.ts";
import { SqliteMetadataStore, migrate } from "../src/node.ts";
import { fakeAccount, fakeAudit } from "../src/testing.ts";

const STEP = "names of removed organisations";

let directory: string;
let file: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "lading-removed-"));
  file = join(directory, "registry.db");
});
afterEach(async () => rm(directory, { recursive: true, force: true }));

/** A database as the release before the step left it. */
function formerDatabase(): Database.Database {
  const before = MIGRATIONS.findIndex(({ name }) => name === STEP);
  const database = new Database(file);
  for (const { statements } of MIGRATIONS.slice(0, before)) database.exec(statements);
  database.pragma(`application_id = ${APPLICATION_ID}`);
  database.pragma(`user_version = ${before}`);
  return database;
}

describe("a database of a release that kept no names of removed organisations", () => {
  it("reserves those that its audit trail has and nobody took again, and ends quotas that it left behind", async () => {
    const database = formerDatabase();
    database.exec(`
      insert into audit (at, actor, action, details) values
        (1, 'old', 'organisation.create', '{"organisation":"never"}'),
        (2, 'old', 'organisation.remove', '{"organisation":"gone"}'),
        (3, 'old', 'organisation.remove', '{"organisation":"back"}'),
        (4, 'old', 'organisation.remove', '{"organisation":"gone"}'),
        (5, 'old', 'organisation.remove', '{}'),
        (6, 'old', 'package.publish', '{"organisation":"tool"}');
      insert into organisations (id, name, created) values ('o1', 'back', 1);
      insert into quotas (subject, versions) values
        ('organisation:gone', 1), ('organisation:back', 2), ('user:gone', 3), ('package:gone', 4), ('registry', 5);
    `);
    expect(migrate(database, file)).toContain(STEP);
    database.close();
    const store = new SqliteMetadataStore(file);
    expect(await store.organisations.reservedOrganisations()).toEqual([{ name: "gone", removed: 4 }]);
    expect((await store.quotas.all()).map(({ subject }) => subject)).toEqual([
      "organisation:back",
      "package:gone",
      "registry",
      "user:gone",
    ]);
    await store.close();
  });
});

describe("an organisation under a reserved name, which a former release knows nothing of", () => {
  it("is removed as any other", async () => {
    const store = new SqliteMetadataStore(file);
    const { organisations } = store;
    const ada = fakeAccount("ada");
    await store.createAccount(ada, fakeAudit());
    await organisations.createOrganisation({ id: "o1", name: "acme", created: 1 }, ada, fakeAudit());
    await organisations.removeOrganisation("o1", fakeAudit({ at: 10 }));
    const former = new Database(file);
    former.exec("insert into organisations (id, name, created) values ('o2', 'acme', 11)");
    former.close();
    expect(await organisations.removeOrganisation("o2", fakeAudit({ at: 20 }))).toBe("removed");
    expect(await organisations.reservedOrganisations()).toEqual([{ name: "acme", removed: 20 }]);
    await store.close();
  });
});
