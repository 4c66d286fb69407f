import { existsSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openDatabase } from "@lading/registry-server/node";
import { api, apiJson, runCli, startRegistry, type CliResult, type RegistryProcess } from "./lib/harness.ts";
import { publishPackage, removeTemporary, temporary } from "./lib/more.ts";

interface Report {
  readonly records: number;
  readonly head: string;
  readonly sealed: number;
  readonly unsealed: number;
  readonly log: string;
  readonly problems: readonly Readonly<Record<string, unknown>>[];
}
type Row = Readonly<Record<string, unknown>>;

let registry: RegistryProcess;
let ada: string;
beforeAll(async () => {
  registry = await startRegistry();
  const credentials = { username: "ada", password: "password of ada" };
  await apiJson(registry, "/api/v1/auth/register", { method: "POST", body: JSON.stringify(credentials) });
  const session = await apiJson<{ token: string }>(registry, "/api/v1/auth/login", {
    method: "POST",
    body: JSON.stringify(credentials),
  });
  ada = session.token;
});
afterAll(async () => {
  await registry.dispose();
  removeTemporary();
});

const audit = async (data: string, ...words: string[]): Promise<CliResult> =>
  runCli("lading-registry", ["admin", "audit", ...words, "--data", data]);
async function verified(data: string): Promise<Report & { readonly code: number }> {
  const { code, stdout, stderr } = await audit(data, "verify");
  if (stdout === "") throw new Error(stderr);
  return { ...(JSON.parse(stdout) as Report), code };
}
async function records(route: string, token?: string): Promise<Row[]> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const answer = await api(registry, route, { headers });
  expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "application/x-ndjson"]);
  return (await answer.text())
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Row);
}

describe("the audit trail", () => {
  test("[CMP-10] [OBS-11] every write gives one record; they are reported by user and time", async () => {
    const since = new Date().toISOString();
    const count = async (): Promise<number> => (await records("/api/v1/audit?format=jsonl")).length;
    const yank = "/api/v1/packages/counted/versions/1.0.0/yank";
    const writes: readonly (readonly [string, () => Promise<unknown>])[] = [
      ["package.publish", () => publishPackage(registry, { name: "counted", version: "1.0.0" })],
      ["version.yank", () => apiJson(registry, yank, { method: "POST", body: JSON.stringify({ reason: "broken" }) })],
      ["version.unyank", () => apiJson(registry, yank, { method: "DELETE" })],
      [
        "token.create",
        () =>
          apiJson(registry, "/api/v1/tokens", {
            method: "POST",
            headers: { authorization: `Bearer ${ada}` },
            body: JSON.stringify({ name: "=cmd()", scopes: ["read"] }),
          }),
      ],
    ];
    for (const [action, write] of writes) {
      const before = await count();
      await write();
      const all = await records("/api/v1/audit?format=jsonl");
      expect([action, all.length, all.at(-1)?.["action"]]).toEqual([action, before + 1, action]);
    }
    const of = async (query: string, token?: string): Promise<unknown[]> =>
      (await records(`/api/v1/audit?format=jsonl&${query}`, token)).map((record) => record["action"]);
    const time = encodeURIComponent(since);
    expect(await of(`actor=ada&since=${time}`)).toEqual(["token.create"]);
    expect(await of(`actor=admin&since=${time}`)).toEqual(writes.slice(0, 3).map(([action]) => action));
    expect(await of(`until=${time}`)).not.toContain("version.yank");
    expect(new Set((await records("/api/v1/audit?format=jsonl", ada)).map(({ actor }) => actor))).toEqual(
      new Set(["ada"]),
    );

    const csv = await api(registry, `/api/v1/audit?format=csv&actor=ada&since=${time}`);
    expect(csv.headers.get("content-type")).toMatch(/^text\/csv/);
    expect(csv.headers.get("content-disposition")).toBe('attachment; filename="audit.csv"');
    const day = since.slice(0, 10);
    const file = await audit(
      registry.data,
      "export",
      "--actor",
      "ada",
      "--since",
      day,
      "--until",
      "2999-01-01",
      "--format",
      "csv",
    );
    expect(file.stdout).toMatch(/^id,at,actor,action,package,version,details,traceId,address,previous,hash\r\n/);
    expect(file.stdout.endsWith((await csv.text()).split("\r\n").slice(1).join("\r\n"))).toBe(true);
    const lines = await audit(registry.data, "export", "--package", "counted", "--action", "version.yank");
    expect(JSON.parse(lines.stdout)).toMatchObject({ actor: "admin", package: "counted", version: "1.0.0" });
    expect(await verified(registry.data)).toMatchObject({ code: 0, problems: [], log: "signed" });
    const wrong = await audit(registry.data, "export", "--since", "yesterday");
    expect([wrong.code !== 0, wrong.stderr]).toEqual([true, expect.stringContaining("SERVER_CONFIG_INVALID")]);
  });

  describe("that somebody with the database's file changes", () => {
    let data: string;
    let ids: number[];
    beforeAll(async () => {
      await registry.stop();
    });
    beforeEach(async () => {
      data = path.join(temporary(), "data");
      const backup = path.join(temporary(), "backup");
      await runCli("lading-registry", ["admin", "backup", backup, "--data", registry.data]);
      await runCli("lading-registry", ["admin", "restore", backup, "--data", data]);
      ids = bend((database) => database.prepare("select id from audit order by id").pluck().all() as number[]);
    });
    function bend<Result>(change: (database: ReturnType<typeof openDatabase>) => Result): Result {
      const file = path.join(data, "registry.db");
      if (!existsSync(file)) throw new Error(`${file} is missing`);
      const database = openDatabase(file);
      try {
        return change(database);
      } finally {
        database.close();
      }
    }

    test("[CMP-11] is whole, and its head is in the log, when the server has ended", async () => {
      const report = await verified(data);
      expect(report).toMatchObject({
        code: 0,
        records: ids.length,
        sealed: 1,
        unsealed: 0,
        log: "signed",
        problems: [],
      });
      expect(JSON.parse((await audit(data, "seal")).stdout)).toEqual({ sealed: "already" });
    });

    test("[CMP-11] an altered, a removed, an inserted and a moved record are each found and named", async () => {
      const [first, second, third, fourth, fifth] = ids as [number, number, number, number, number];
      bend((database) => database.prepare("update audit set actor = 'eve' where id = ?").run(second));
      const altered = await verified(data);
      expect([altered.code, altered.problems]).toEqual([7, [{ problem: "altered", record: second }]]);

      bend((database) => database.prepare("delete from audit where id = ?").run(second));
      expect((await verified(data)).problems).toEqual([{ problem: "missing", after: first, before: third }]);

      bend((database) =>
        database
          .prepare("insert into audit (id, at, actor, action, details) values (?, 1, 'eve', 'token.create', '{}')")
          .run(second),
      );
      expect((await verified(data)).problems).toContainEqual({ problem: "inserted", record: second });

      bend((database) => {
        const place = database.prepare("update audit set id = ? where id = ?");
        for (const [to, from] of [
          [-1, fourth],
          [fourth, fifth],
          [fifth, -1],
        ])
          place.run(to, from);
      });
      expect((await verified(data)).problems).toContainEqual({ problem: "moved", record: fourth });
    });

    test("[CMP-11] a trail that was cut off is found by what the log states, and a log that was changed by its signature", async () => {
      const last = ids.at(-1)!;
      bend((database) => database.prepare("delete from audit where id = ?").run(last));
      const cut = await verified(data);
      expect(cut.code).toBe(7);
      expect(cut.problems).toMatchObject([{ problem: "not-as-logged", record: last }]);
      bend((database) => database.exec("delete from log_entries where id = (select max(id) from log_entries)"));
      expect(await verified(data)).toMatchObject({ code: 7, problems: [], log: "altered" });
    });
  });
});
