import { parseIndexDocument } from "@lading/core-manifest";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createHash } from "node:crypto";
import { buildPackage, startServer, type BuiltPackage, type TestServer } from "./harness.ts";

type Json = Readonly<Record<string, unknown>>;

let server: TestServer;
let ada: string;
beforeAll(async () => {
  server = await startServer();
  ada = await server.account("ada");
});
afterAll(async () => server.close());

async function ask(method: string, path: string, auth = "", json?: unknown): Promise<{ status: number; body: Json }> {
  const response = await server.call(path, { method, auth, ...(json === undefined ? {} : { json }) });
  const text = await response.text();
  const isJson = /json/.test(response.headers.get("content-type") ?? "");
  return { status: response.status, body: isJson ? (JSON.parse(text) as Json) : {} };
}

async function published(name: string): Promise<{ built: BuiltPackage; blob: string; url: string; readme: string }> {
  const readme = `# ${name}\n`;
  const built = await buildPackage({ name, version: "1.0.0", readme: "README.md" }, { files: { "README.md": readme } });
  expect((await server.publish(built, { auth: ada })).status).toBe(201);
  return {
    built,
    blob: `/blobs/sha256/${built.blob.slice("sha256:".length)}`,
    url: `/api/v1/packages/${name}/versions/1.0.0`,
    readme: `/blobs/sha256/${createHash("sha256").update(readme).digest("hex")}`,
  };
}

describe("a version that was taken down", () => {
  it("can be named by no channel from then on, and is refused with the reason to whoever a channel leads to it", async () => {
    const { blob } = await published("gone");
    const second = await buildPackage({ name: "gone", version: "1.1.0" });
    expect((await server.publish(second, { auth: ada })).status).toBe(201);
    const at = "/api/v1/packages/gone/channels/stable";
    expect((await ask("PUT", at, ada, { version: "1.0.0" })).status).toBe(200);
    const down = "/api/v1/packages/gone/versions/1.0.0/takedown";
    const channels = async () => (await ask("GET", "/api/v1/packages/gone/channels", ada)).body["channels"];
    expect((await ask("POST", down, server.token, { reason: "it steals passwords" })).status).toBe(200);
    expect(await channels()).toEqual({ latest: "1.1.0", stable: "1.0.0" });
    await server.node.registry.signNow();
    const document = parseIndexDocument(await (await server.call("/index/_/go/gone.json", { auth: "" })).json());
    expect(document.channels).toEqual({ latest: "1.1.0", stable: "1.0.0" });
    const named = document.versions.find(({ version }) => version === document.channels?.["stable"]);
    expect(named).toMatchObject({ status: "removed", reason: "Removed by the registry: it steals passwords" });
    expect((await ask("GET", blob)).status).toBe(451);
    expect((await ask("PUT", at, ada, { version: "1.1.0" })).status).toBe(200);
    for (const auth of [ada, server.token]) {
      const { status, body } = await ask("PUT", at, auth, { version: "1.0.0" });
      expect([status, body["code"]]).toEqual([451, "CONTENT_REMOVED"]);
      expect(body["detail"]).toContain("it steals passwords");
    }
    expect(await channels()).toEqual({ latest: "1.1.0", stable: "1.1.0" });
    expect((await ask("DELETE", down, server.token)).status).toBe(200);
    expect((await ask("PUT", at, ada, { version: "1.0.0" })).status).toBe(200);
  });

  it("keeps its number, and sends its files to nobody", async () => {
    const { built, blob, url, readme } = await published("bad");
    const entries = (await server.node.metadata.logEntries(0, 1000)).length;
    expect([(await ask("GET", blob)).status, (await ask("GET", readme)).status]).toEqual([200, 200]);
    expect((await ask("POST", `${url}/takedown`, ada, { reason: "x" })).status).toBe(403);
    expect((await ask("POST", `${url}/takedown`, server.token, {})).status).toBe(400);
    const done = await ask("POST", `${url}/takedown`, server.token, { reason: "it steals passwords" });
    expect([done.status, done.body["status"], done.body["reason"]]).toEqual([
      200,
      "removed",
      "Removed by the registry: it steals passwords",
    ]);
    for (const path of [blob, readme, `${url}/readme`])
      for (const auth of ["", ada, server.token]) {
        const gone = await ask("GET", path, auth);
        expect([path, gone.status, gone.body["code"]]).toEqual([path, 451, "CONTENT_REMOVED"]);
        expect(gone.body["detail"]).toContain("it steals passwords");
      }
    expect((await ask("GET", url)).body["removed"]).toMatchObject({ reason: "it steals passwords", purge: false });
    const again = await server.publish(built, { auth: ada });
    expect(again.status).toBe(451);
    const other = await buildPackage({ name: "bad", version: "1.0.0" }, { files: { other: "bytes" } });
    expect((await server.publish(other, { auth: ada })).status).toBe(451);
    expect((await ask("DELETE", `${url}/yank`, ada)).status).toBe(451);
    const logged = (await server.node.metadata.logEntries(entries, 10)).map(
      (entry) => JSON.parse(new TextDecoder().decode(entry)) as Json,
    );
    expect(logged).toMatchObject([{ type: "status", name: "bad", status: "removed" }]);
    await server.node.registry.signNow();
    const document = parseIndexDocument(await (await server.call("/index/_/ba/bad.json", { auth: "" })).json());
    expect(document.versions).toMatchObject([
      { version: "1.0.0", status: "removed", reason: "Removed by the registry: it steals passwords" },
    ]);
    const query = encodeURIComponent('{ package(name: "bad") { versions(status: removed) { version status } } }');
    expect((await ask("GET", `/graphql?query=${query}`)).body["data"]).toEqual({
      package: { versions: [{ version: "1.0.0", status: "removed" }] },
    });
    const simple = await (await server.call("/simple/bad/", { auth: "" })).text();
    expect(simple).toContain('data-yanked="Removed by the registry: it steals passwords"');
  });

  it("comes back as it was", async () => {
    const { blob, url } = await published("good");
    await ask("POST", `${url}/deprecate`, ada, { reason: "old" });
    await ask("POST", `${url}/takedown`, server.token, { reason: "a mistake" });
    expect((await ask("GET", blob)).status).toBe(451);
    const back = await ask("DELETE", `${url}/takedown`, server.token);
    expect([back.status, back.body["status"], back.body["reason"], back.body["removed"]]).toEqual([
      200,
      "deprecated",
      "old",
      undefined,
    ]);
    expect((await ask("GET", blob)).status).toBe(200);
    const entries = (await server.node.metadata.logEntries(0, 1000)).length;
    expect((await ask("DELETE", `${url}/takedown`, server.token)).status).toBe(200);
    expect((await server.node.metadata.logEntries(0, 1000)).length).toBe(entries);
    const { items } = await server.node.metadata.audits({ package: "good", page: 1, perPage: 2 });
    expect(items.map(({ action }) => action)).toEqual(["version.restore", "version.takedown"]);
  });

  it("loses its files to garbage collection only where that was decided, and stays gone over a restart", async () => {
    const [kept, purged] = [await published("kept"), await published("purged")];
    await ask("POST", `${kept.url}/takedown`, server.token, { reason: "r" });
    await ask("POST", `${purged.url}/takedown`, server.token, { reason: "r", purge: true });
    const final = await ask("DELETE", `${purged.url}/takedown`, server.token);
    expect([final.status, final.body["code"]]).toEqual([409, "REMOVAL_FINAL"]);
    // Another decision does not make kept what may be deleted already.
    await ask("POST", `${purged.url}/takedown`, server.token, { reason: "again" });
    expect((await ask("DELETE", `${purged.url}/takedown`, server.token)).status).toBe(409);
    const { directory } = server;
    await server.server.close(1000);
    server = { ...(await startServer({ dataDirectory: directory })), directory };
    expect([(await ask("GET", kept.blob)).status, (await ask("GET", purged.blob)).status]).toEqual([451, 451]);
    const needed = await server.node.metadata.referencedBlobs();
    const digests = [kept.built.blob, purged.built.blob].map((digest) => [...needed].includes(digest as never));
    expect(digests).toEqual([true, false]);
  });
});
