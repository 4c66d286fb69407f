import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FakeClock } from "../src/testing.ts";
import { buildPackage, startServer, type TestServer } from "./harness.ts";

const clock = new FakeClock(Date.now());
const today = new Date(clock.now()).toISOString().slice(0, 10);
let server: TestServer;
let owner: string;
let stranger: string;

interface Answer<Body> {
  readonly status: number;
  readonly body: Body;
  readonly type: string;
}

async function get<Body = Record<string, unknown>>(path: string, auth = owner): Promise<Answer<Body>> {
  const response = await server.call(path, { auth });
  const type = response.headers.get("content-type") ?? "";
  return {
    status: response.status,
    type,
    body: (type.includes("json") ? await response.json() : await response.text()) as Body,
  };
}

beforeAll(async () => {
  server = await startServer({ registration: "open", clock });
  owner = await server.account("owner");
  stranger = await server.account("stranger");
  const call = (path: string, init: object) => server.call(path, { auth: owner, ...init });
  await call("/api/v1/organisations", { method: "POST", json: { name: "acme" } });
  await call("/api/v1/organisations/acme/namespaces", { method: "POST", json: { namespace: "acme" } });
  await call("/api/v1/organisations/acme/teams/core", { method: "PUT", json: { role: "publish" } });
  await call("/api/v1/organisations/acme/teams/core/members/owner", { method: "PUT", json: { role: "member" } });
  const tool = await buildPackage({ name: "acme/tool", version: "1.0.0", license: "MIT" });
  await server.publish(tool, { auth: owner });
  await server.publish(await buildPackage({ name: "other", version: "1.0.0", license: '=cmd("x")' }), {
    auth: stranger,
  });
  await call("/api/v1/packages/acme%2Ftool/owners/team:acme%2Fcore", { method: "PUT" });
  for (let times = 0; times < 3; times += 1)
    await (await server.call(`/blobs/sha256/${tool.blob.slice(7)}`)).arrayBuffer();
  const counted = async (): Promise<boolean> => {
    const { body } = await get<{ packages: { downloads: number }[] }>("/api/v1/packages/acme%2Ftool/usage");
    return body.packages[0]?.downloads === 3;
  };
  for (let left = 200; !(await counted()); left -= 1) {
    if (left === 0) throw new Error("the downloads were not counted");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
});
afterAll(() => server.close());

describe("usage reports", () => {
  it("tell owners of downloads by day, publishers, bytes and active tokens", async () => {
    const { body } = await get<{ packages: unknown[] }>("/api/v1/packages/acme%2Ftool/usage");
    expect(body).toMatchObject({
      until: today,
      teams: [],
      packages: [
        {
          package: "acme/tool",
          downloads: 3,
          downloads_by_day: [{ day: today, downloads: 3 }],
          publishers: [{ username: "owner", versions: 1 }],
          versions: 1,
          bytes: expect.any(Number) as number,
          active_tokens: 1,
        },
      ],
    });
    const past = await get<{ packages: unknown[] }>(
      "/api/v1/packages/acme%2Ftool/usage?since=2020-01-01&until=2020-01-31",
    );
    expect(past.body.packages).toMatchObject([{ downloads: 0, publishers: [], versions: 1, active_tokens: 0 }]);
  });

  it("tell an organisation of its packages and teams, as JSON and CSV", async () => {
    const { body } = await get("/api/v1/organisations/acme/usage");
    expect(body).toMatchObject({
      packages: [{ package: "acme/tool", teams: ["core"], downloads: 3 }],
      teams: [
        { team: "core", members: 1, packages: 1, downloads: 3, published: 1, publishers: ["owner"], active_tokens: 1 },
      ],
    });
    const csv = await get<string>("/api/v1/organisations/acme/usage?format=csv");
    expect(csv.type).toContain("text/csv");
    const [head, ...lines] = csv.body.trimEnd().split("\r\n");
    expect(head).toBe("kind,name,day,downloads,published,publishers,versions,bytes,active_tokens");
    expect(lines.map((line) => line.split(",").slice(0, 5).join())).toEqual([
      '"package","acme/tool","",3,1',
      `"day","acme/tool","${today}",3,""`,
      '"team","core","",3,1',
    ]);
  });

  it("are for owners, maintainers and admins", async () => {
    const codes = async (path: string, auth: string) => (await get(path, auth)).body["code"];
    expect(await codes("/api/v1/packages/acme%2Ftool/usage", stranger)).toBe("NOT_OWNER");
    expect(await codes("/api/v1/organisations/acme/usage", stranger)).toBe("NOT_MEMBER");
    expect(await codes("/api/v1/reports/usage", owner)).toBe("FORBIDDEN");
    expect(await codes("/api/v1/reports/licenses", owner)).toBe("FORBIDDEN");
    const all = await get<{ packages: { package: string }[] }>("/api/v1/reports/usage", server.token);
    expect(all.body.packages.map((one) => one.package)).toEqual(["acme/tool", "other"]);
  });

  it("refuse periods that are none, or too long", async () => {
    for (const query of [
      "since=2030-02-01&until=2030-01-01",
      "since=2001-01-01",
      "since=yesterday",
      "since=2030-13-01",
    ])
      expect([query, (await get(`/api/v1/packages/acme%2Ftool/usage?${query}`)).status]).toEqual([query, 400]);
  });
});

it("the licence report lists licences in use, month by month, and no formula for spreadsheets", async () => {
  const month = today.slice(0, 7);
  const { body } = await get("/api/v1/reports/licenses", server.token);
  const items = [
    { license: '=cmd("x")', month, published: 1, versions: 1, packages: 1 },
    { license: "MIT", month, published: 1, versions: 1, packages: 1 },
  ];
  expect(body).toEqual({ items });
  const csv = await get<string>("/api/v1/reports/licenses?format=csv", server.token);
  expect(csv.body).toBe(
    `month,license,published,versions,packages\r\n"${month}","'=cmd(""x"")",1,1,1\r\n"${month}","MIT",1,1,1\r\n`,
  );
});
