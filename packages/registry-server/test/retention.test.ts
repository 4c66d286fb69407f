import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadServerConfig, runRegistry } from "../src/node.ts";
import { FakeClock } from "../src/testing.ts";
import type { RetentionPolicy } from "../src/lib/retention/retention-policy.ts";
import { RetentionService } from "../src/lib/retention/retention-service.ts";
import { buildPackage, startServer, type BuiltPackage, type TestServer } from "./harness.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
// The command has the real clock: what is to be old for it was published long ago.
const clock = new FakeClock(Date.now() - 300 * DAY_MS);
const POLICY = `
downloaded_days = 20
rejected_days = 10
held_days = 90
[[prereleases]]
keep = 1
after_days = 10
[[prereleases]]
names = ["careful/*"]
keep = 5
`;
let root: string;
let policy: RetentionPolicy;
let server: TestServer;
let ada: string;
const built = new Map<string, BuiltPackage>();
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "lading-retention-"));
  await writeFile(join(root, "retention.toml"), POLICY);
  const { retention } = loadServerConfig({
    env: { REGISTRY_RETENTION: join(root, "retention.toml") },
    flags: {},
  }).registry;
  policy = retention!;
  server = await startServer({
    dataDirectory: join(root, "data"),
    clock,
    retention: policy,
    publicationRules: [{ names: ["waiting", "undecided"], review: true }],
  });
  ada = await server.account("ada", { expires_in_days: 90 });
  for (const version of ["1.0.0-rc.1", "1.0.0-rc.2", "1.0.0-rc.3", "1.0.0-rc.4", "1.0.0-rc.5", "0.9.0"])
    await publish("tool", version);
  for (const version of ["1.0.0-rc.1", "1.0.0-rc.2"]) await publish("careful/tool", version);
});
afterAll(async () => {
  await server.close();
  await rm(root, { recursive: true, force: true });
});

async function publish(name: string, version: string): Promise<Response> {
  const file = await buildPackage({ name, version });
  built.set(`${name} ${version}`, file);
  return server.publish(file, { auth: ada });
}

interface Plan {
  readonly versions: readonly { readonly name: string; readonly version: string; readonly bytes: number }[];
  readonly submissions: readonly { readonly name: string; readonly state: string }[];
  readonly bytes: number;
}
const ask = async (method = "GET", auth = server.token): Promise<Plan> =>
  (await (await server.call("/api/v1/retention", { method, auth })).json()) as Plan;
const named = ({ versions }: Plan): string[] => versions.map(({ name, version }) => `${name} ${version}`);
const blobOf = (name: string): string => `/blobs/sha256/${built.get(name)!.blob.slice(7)}`;

async function command(...words: string[]): Promise<Record<string, unknown> & Plan> {
  let [out, err] = ["", ""];
  const code = await runRegistry(
    ["admin", "retention", ...words, "--data", join(root, "data"), "--retention", join(root, "retention.toml")],
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
  expect([code, err]).toEqual([0, ""]);
  return JSON.parse(out) as Record<string, unknown> & Plan;
}

describe("retention", () => {
  it("gives up old pre-releases beyond the newest, and nothing that a channel names or somebody downloaded", async () => {
    expect(named(await ask()), "all are young").toEqual([]);
    await server.call("/api/v1/packages/tool/channels/beta", {
      method: "PUT",
      auth: ada,
      json: { version: "1.0.0-rc.3" },
    });
    clock.advance(11 * DAY_MS);
    await (await server.call(blobOf("tool 1.0.0-rc.2"), { auth: "" })).arrayBuffer();
    const versions = "/api/v1/packages/tool/versions/1.0.0-rc.2";
    await expect
      .poll(async () => ((await (await server.call(versions)).json()) as { downloads: number }).downloads, {
        timeout: 20_000,
      })
      .toBe(1);
    const plan = await ask();
    expect(named(plan)).toEqual(["tool 1.0.0-rc.4", "tool 1.0.0-rc.1"]);
    expect(plan.bytes).toBe(built.get("tool 1.0.0-rc.4")!.size + built.get("tool 1.0.0-rc.1")!.size);
    expect((await server.call("/api/v1/packages/tool/versions/1.0.0-rc.4")).status).toBe(200);
  });

  it("retires them for good: number and digest stay, the log says so, their files are not sent", async () => {
    const entries = (await server.node.metadata.logEntries(0, 1000)).length;
    expect(named(await ask("POST"))).toEqual(["tool 1.0.0-rc.4", "tool 1.0.0-rc.1"]);
    expect(named(await ask("POST")), "once").toEqual([]);
    const gone = (await (await server.call("/api/v1/packages/tool/versions/1.0.0-rc.4")).json()) as object;
    expect(gone).toMatchObject({
      status: "removed",
      removed: { purge: true, reason: "retention: there are 1 newer pre-releases, and the newest 1 are kept" },
      artifacts: [{ blob: built.get("tool 1.0.0-rc.4")!.blob }],
    });
    expect((await server.call(blobOf("tool 1.0.0-rc.4"), { auth: "" })).status).toBe(451);
    expect((await server.publish(built.get("tool 1.0.0-rc.4")!, { auth: ada })).status).toBe(451);
    const logged = (await server.node.metadata.logEntries(entries, 10)).map(
      (entry) => JSON.parse(new TextDecoder().decode(entry)) as object,
    );
    expect(logged).toMatchObject([
      { type: "status", name: "tool", version: "1.0.0-rc.4", status: "removed" },
      { type: "status", name: "tool", version: "1.0.0-rc.1", status: "removed" },
    ]);
    const audit = (await (await server.call("/api/v1/audit?action=version.retire")).json()) as { total: number };
    expect(audit.total).toBe(2);
    clock.advance(21 * DAY_MS);
    expect(named(await ask()), "not downloaded lately any more").toEqual(["tool 1.0.0-rc.2"]);
  });

  it("leaves what a channel names, or somebody downloaded, since the plan was made", async () => {
    for (const version of ["1.0.0-rc.1", "1.0.0-rc.2", "1.0.0-rc.3", "1.0.0-rc.4"]) await publish("late", version);
    clock.advance(11 * DAY_MS);
    const retention = new RetentionService({ metadata: server.node.metadata, clock, policy });
    const planned = (await retention.plan()).versions.filter(({ canonical }) => canonical === "late");
    expect(planned.map(({ version }) => version.version)).toEqual(["1.0.0-rc.3", "1.0.0-rc.2", "1.0.0-rc.1"]);
    await server.call("/api/v1/packages/late/channels/beta", {
      method: "PUT",
      auth: ada,
      json: { version: "1.0.0-rc.3" },
    });
    expect(await retention.retire(planned[0]!, { actor: "admin" }), "named by a channel").toBe(false);
    await (await server.call(blobOf("late 1.0.0-rc.2"), { auth: "" })).arrayBuffer();
    const done = named(await ask("POST")).filter((one) => one.startsWith("late "));
    expect(done, "a download that is only counted in memory").toEqual(["late 1.0.0-rc.1"]);
    const statuses: number[] = [];
    for (const version of ["1.0.0-rc.3", "1.0.0-rc.2", "1.0.0-rc.1"])
      statuses.push((await server.call(blobOf(`late ${version}`), { auth: "" })).status);
    expect(statuses).toEqual([200, 200, 451]);
  });

  it("forgets rejected and undecided publications by command alone, with their files", async () => {
    for (const name of ["waiting", "undecided"]) expect((await publish(name, "1.0.0")).status).toBe(202);
    const reviews = (await (await server.call("/api/v1/reviews")).json()) as {
      items: { id: string; package: string }[];
    };
    const { id } = reviews.items.find((one) => JSON.stringify(one).includes('"waiting"'))!;
    await server.call(`/api/v1/reviews/${id}/reject`, { method: "POST", json: { reason: "no tests" } });
    expect((await ask()).submissions).toEqual([]);
    clock.advance(11 * DAY_MS);
    expect((await ask()).submissions).toMatchObject([{ name: "waiting", state: "rejected" }]);
    expect((await ask("POST")).submissions, "the route leaves them").toEqual([]);
    await server.close();
    const files = ["waiting 1.0.0", "undecided 1.0.0", "tool 1.0.0-rc.1", "tool 0.9.0"].map((name) => {
      const hex = built.get(name)!.blob.slice(7);
      return join(root, "data", "blobs", "sha256", hex.slice(0, 2), hex);
    });
    const dry = await command();
    expect([dry["dryRun"], dry.submissions.map(({ state }) => state).sort()]).toEqual([true, ["held", "rejected"]]);
    expect(files.map((file) => existsSync(file))).toEqual([true, true, true, true]);
    const done = await command("--apply");
    expect([done.submissions.length, done["removed"]]).toMatchObject([2, { blobs: expect.any(Number) as number }]);
    expect(
      files.map((file) => existsSync(file)),
      "final versions stay",
    ).toEqual([false, false, false, true]);
    expect(await command()).toMatchObject({ versions: [], submissions: [], bytes: 0 });
  });

  it("is refused behind a CDN while it keeps pre-releases by downloads, which nobody sees there", async () => {
    const file = join(root, "cdn.toml");
    const load = async (text: string): Promise<unknown> => {
      await writeFile(file, text);
      try {
        const env = { REGISTRY_RETENTION: file, REGISTRY_CDN_URL: "https://cdn.example" };
        return loadServerConfig({ env, flags: {} }).registry.retention;
      } catch (error) {
        return error;
      }
    };
    const rule = "[[prereleases]]\nkeep = 1\n";
    for (const text of [rule, `downloaded_days = 7\n${rule}`])
      expect(await load(text)).toMatchObject({
        code: "SERVER_CONFIG_CONTRADICTION",
        message: expect.stringMatching(/cdn\.toml.*REGISTRY_CDN_URL.*downloaded_days = \d+/) as string,
        hint: expect.stringContaining("downloaded_days = 0") as string,
      });
    expect(await load(`downloaded_days = 0\n${rule}`)).toMatchObject({ downloadedDays: 0 });
    expect(await load("rejected_days = 30\n")).toMatchObject({ rejectedDays: 30, downloadedDays: 90 });
  });

  it("reads no policy that is misspelt", async () => {
    const load = async (text: string): Promise<string> => {
      await writeFile(join(root, "wrong.toml"), text);
      try {
        loadServerConfig({ env: { REGISTRY_RETENTION: join(root, "wrong.toml") }, flags: {} });
        return "read";
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect(await load("[[prerelease]]\nkeep = 1\n")).toContain("prerelease");
    expect(await load("[[prereleases]]\nkeep = -1\n")).toContain("prereleases.0.keep");
    expect(await load("rejected_days = 0\n")).toContain("rejected_days");
    expect(await load("downloaded_days = 10\n")).toBe("read");
  });
});
