import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkAuditTrail, type AuditReport } from "../src/lib/governance/audit-check.ts";
import { exportAudit } from "../src/lib/governance/audit-export.ts";
import { CHAIN_START, auditRecords, chainHash } from "../src/lib/governance/audit-trail.ts";
import { readAuditExport } from "../src/lib/node/audit-commands.ts";
import { APPLICATION_ID, MIGRATIONS } from "../src/lib/node/migrations.ts";
import { SqliteMetadataStore, migrate } from "../src/node.ts";
import { MemoryMetadataStore, fakeAccount, fakeAudit } from "../src/testing.ts";

let directory: string;
let file: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "lading-audit-"));
  file = join(directory, "registry.db");
});
afterEach(async () => rm(directory, { recursive: true, force: true }));

/** A trail of eight records, its head stated in the log after the sixth. */
async function written(): Promise<void> {
  const store = new SqliteMetadataStore(file);
  for (let at = 1; at <= 8; at += 1) {
    await store.createAccount(fakeAccount(`user${at}`), fakeAudit({ actor: "ada", package: `p${at}` }));
    if (at === 6) await store.auditTrail.seal({ at: fakeAudit().at, intervalMs: 0 });
  }
  await store.close();
}

/** Writes the trail, changes the database as somebody with the file could, and checks. */
async function bent(change: (database: Database.Database) => void): Promise<AuditReport> {
  await written();
  const database = new Database(file);
  change(database);
  database.close();
  const store = new SqliteMetadataStore(file);
  try {
    return await checkAuditTrail(store);
  } finally {
    await store.close();
  }
}

type Row = { readonly id: number } & Readonly<Record<string, unknown>>;

function swap(database: Database.Database, left: number, right: number): void {
  database.exec(`update audit set id = -1 where id = ${left}; update audit set id = ${left} where id = ${right};
    update audit set id = ${right} where id = -1`);
}

/** Chains everything anew from a record on, as somebody who knows the rule would. */
function chainAnew(database: Database.Database, from: number): void {
  let previous = database
    .prepare("select hash from audit where id = ?")
    .pluck()
    .get(from - 1) as string;
  for (const row of database.prepare("select * from audit where id >= ? order by id").all(from) as Row[]) {
    const { at, actor, action, details, package: name } = row as unknown as Parameters<typeof chainHash>[1];
    const hash = chainHash(previous, { at, actor, action, details, package: name! });
    database.prepare("update audit set previous = ?, hash = ? where id = ?").run(previous, hash, row.id);
    previous = hash;
  }
}

describe("checkAuditTrail()", () => {
  it("finds nothing wrong with what was written", async () => {
    const report = await bent(() => {});
    expect(report).toMatchObject({ records: 8, sealed: 1, unsealed: 2, problems: [], more: 0 });
    expect(report.head).toMatch(/^[0-9a-f]{64}$/);
  });

  it.each([
    ["an altered actor", "update audit set actor = 'eve' where id = 4"],
    ["altered details", `update audit set details = '{"a":1}' where id = 4`],
    ["details that are no JSON any more", "update audit set details = '{' where id = 4"],
    ["an altered time", "update audit set at = at + 1 where id = 4"],
    ["an emptied column", "update audit set package = null where id = 4"],
    ["an altered hash of the one before", "update audit set previous = hash where id = 4"],
    ["a hash that was set to wait", "update audit set hash = '' where id = 4"],
  ])("names a record with %s", async (_, statement) => {
    const { problems } = await bent((database) => database.exec(statement));
    expect(problems).toContainEqual({ problem: "altered", record: 4 });
    expect(problems.filter(({ problem }) => problem === "altered")).toHaveLength(1);
  });

  it("names the place of removed records", async () => {
    expect((await bent((database) => database.exec("delete from audit where id in (4, 5)"))).problems).toEqual([
      { problem: "missing", after: 3, before: 6 },
    ]);
  });

  it("names removed first records", async () => {
    expect((await bent((database) => database.exec("delete from audit where id = 1"))).problems).toEqual([
      { problem: "missing", after: 0, before: 2 },
    ]);
  });

  it("names an inserted record, at the end and in between, with and without a hash", async () => {
    const columns = "at, actor, action, details";
    const insert = (id: number, more = "", values = ""): string =>
      `insert into audit (id, ${columns}${more}) values (${id}, 1, 'eve', 'x', '{}'${values})`;
    const report = await bent((database) => {
      database.exec(insert(9));
      database.exec("update audit set id = id + 100 where id >= 4");
      database.exec(insert(4));
      const before = database.prepare("select hash from audit where id = 3").pluck().get() as string;
      const hash = chainHash(before, { at: 1, actor: "eve", action: "x", details: "{}" });
      database.exec(insert(5, ", previous, hash", `, '${before}', '${hash}'`));
    });
    expect(report.problems).toContainEqual({ problem: "inserted", record: 4 });
    expect(report.problems).toContainEqual({ problem: "inserted", record: 5 });
    expect(report.problems).toContainEqual({ problem: "inserted", record: 109 });
    expect(report.problems.every(({ problem }) => problem === "inserted")).toBe(true);
  });

  it("names records that changed places", async () => {
    const { problems } = await bent((database) => swap(database, 4, 5));
    expect(problems).toEqual([{ problem: "moved", record: 4 }]);
  });

  it("has nothing to hold against what was chained anew after the last head in the log", async () => {
    const { problems } = await bent((database) => {
      database.exec("update audit set actor = 'eve' where id = 7");
      chainAnew(database, 7);
    });
    expect(problems).toEqual([]);
  });

  it("sees by the log that the trail was chained anew before a stated head, or cut off", async () => {
    const anew = await bent((database) => {
      database.exec("update audit set actor = 'eve' where id = 2");
      chainAnew(database, 2);
    });
    expect(anew.problems).toEqual([{ problem: "not-as-logged", record: 6, leaf: 0 }]);
    await rm(file);
    const cut = await bent((database) => database.exec("delete from audit where id >= 5"));
    expect(cut.problems).toEqual([{ problem: "not-as-logged", record: 6, leaf: 0 }]);
    await rm(file);
    expect((await bent((database) => database.exec("delete from audit"))).problems).toHaveLength(1);
  });

  it("goes on from what was bent, without hiding it", async () => {
    await bent((database) =>
      database.exec(
        "update audit set actor = 'eve' where id = 8; insert into audit (at, actor, action, details) values (1, 'eve', 'x', '{}')",
      ),
    );
    const store = new SqliteMetadataStore(file);
    await store.createAccount(fakeAccount("later"), fakeAudit());
    expect((await checkAuditTrail(store)).problems).toEqual([
      { problem: "altered", record: 8 },
      { problem: "inserted", record: 9 },
    ]);
    await store.close();
  });
});

describe("a database of a release without a chain", () => {
  it("is chained by its migration, in the order of its records", async () => {
    const before = MIGRATIONS.findIndex(({ name }) => name === "chained audit trail");
    const database = new Database(file);
    for (const { statements } of MIGRATIONS.slice(0, before)) database.exec(statements);
    database.pragma(`application_id = ${APPLICATION_ID}`);
    database.pragma(`user_version = ${before}`);
    const insert = database.prepare("insert into audit (at, actor, action, details) values (?, 'old', 'x', '{}')");
    for (let at = 1; at <= 1100; at += 1) insert.run(at);
    database.exec("delete from audit where id = 7");
    expect(migrate(database, file)).toContain("chained audit trail");
    database.close();
    const store = new SqliteMetadataStore(file);
    await store.createAccount(fakeAccount("ada"), fakeAudit());
    expect(await checkAuditTrail(store)).toMatchObject({ records: 1100, problems: [] });
    const [first] = await store.auditTrail.records({}, 0, 1);
    expect(first?.previous).toBe(CHAIN_START);
    await store.close();
  });

  it("is chained by the next write where a replica of that release still wrote", async () => {
    await written();
    const database = new Database(file);
    const insert = "insert into audit (at, actor, action, details, hash) values (1, 'old', 'x', '{}', '')";
    database.exec(`${insert}; ${insert}`);
    database.close();
    const store = new SqliteMetadataStore(file);
    expect(await checkAuditTrail(store)).toMatchObject({ records: 10, problems: [] });
    await store.createAccount(fakeAccount("later"), fakeAudit());
    for await (const record of auditRecords(store.auditTrail)) expect(record.hash).toMatch(/^[0-9a-f]{64}$/);
    expect(await checkAuditTrail(store)).toMatchObject({ records: 11, problems: [] });
    await store.close();
  });
});

describe("exportAudit()", () => {
  async function exported(format: "jsonl" | "csv", change: Parameters<typeof fakeAudit>[0]): Promise<string> {
    const store = new MemoryMetadataStore();
    await store.createAccount(fakeAccount("ada"), fakeAudit(change));
    let text = "";
    for await (const piece of exportAudit(store.auditTrail, { format, filter: {} })) text += piece;
    return text;
  }

  it("writes an object a line, with what the chain needs", async () => {
    const line = await exported("jsonl", { details: { z: "\n", a: [1] } });
    const record = JSON.parse(line) as Record<string, unknown>;
    expect(line.endsWith("}\n")).toBe(true);
    expect(record).toMatchObject({ id: 1, at: "2023-11-14T22:13:20.000Z", details: { z: "\n", a: [1] } });
    expect(record["hash"]).toBe(
      chainHash(String(record["previous"]), {
        at: Date.parse(String(record["at"])),
        actor: String(record["actor"]),
        action: String(record["action"]),
        details: JSON.stringify(record["details"]),
      }),
    );
  });

  it.each(["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "＝1"])(
    "writes %j into CSV as text that no spreadsheet calculates",
    async (actor) => {
      const [head, ...lines] = (await exported("csv", { actor })).split("\r\n");
      expect(head).toBe("id,at,actor,action,package,version,details,traceId,address,previous,hash");
      expect(lines.join("\r\n")).toContain(`Z","'${actor}","test","",`);
    },
  );

  it("keeps quotes, commas and line ends of CSV in their cell", async () => {
    const text = await exported("csv", { actor: 'a "b", c', details: { text: "x" } });
    expect(text).toContain(`,"a ""b"", c","test","","","{""text"":""x""}",`);
  });
});

describe("readAuditExport()", () => {
  it("reads days, to their end where they are the last", () => {
    expect(readAuditExport({ since: "2030-01-31", until: "2030-01-31", format: "csv", actor: "ada" })).toEqual({
      format: "csv",
      filter: {
        since: Date.parse("2030-01-31T00:00:00Z"),
        until: Date.parse("2030-01-31T23:59:59.999Z"),
        actor: "ada",
      },
    });
    const { filter } = readAuditExport({ since: "2030-01-31T10:00:00+02:00", package: "tool", action: "x" });
    expect(filter).toEqual({ since: Date.parse("2030-01-31T08:00:00Z"), package: "tool", action: "x" });
  });

  it.each([{ since: "yesterday" }, { until: "2030-13-01" }, { until: "2030-01-31T10:00:00" }, { format: "xml" }])(
    "refuses %j",
    (flags) => {
      expect(() => readAuditExport(flags)).toThrow(expect.objectContaining({ code: "SERVER_CONFIG_INVALID" }) as Error);
    },
  );
});
