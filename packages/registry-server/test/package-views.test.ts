import { parseDigest } from "@lading/core-manifest";
import { afterAll, beforeAll, expect, it } from "vitest";
import { buildPackage, startServer, type BuiltPackage, type TestServer } from "./harness.ts";

interface View {
  readonly downloads?: number;
  readonly owners?: readonly string[];
  readonly channels?: Readonly<Record<string, string>>;
  readonly policy?: unknown;
  readonly links: Readonly<Record<string, string>>;
}
interface Version extends View {
  readonly version: string;
  readonly status: string;
  readonly reason?: string;
}

let server: TestServer;
let first: BuiltPackage;

const build = async (version: string): Promise<BuiltPackage> => buildPackage({ name: "tool", version });
const read = async (path: string): Promise<View & Record<string, unknown>> =>
  (await (await server.call(path)).json()) as View & Record<string, unknown>;

/** What page and list of versions say; the same when asked again, which nothing has to be put together for. */
async function shown(): Promise<{ readonly page: View; readonly versions: readonly Version[] }> {
  const ask = async () => ({
    page: await read("/api/v1/packages/tool"),
    list: await read("/api/v1/packages/tool/versions"),
  });
  const { page, list } = await ask();
  expect(await ask()).toEqual({ page, list });
  expect(list).toMatchObject({ name: "tool", total: (page["versions"] as unknown[]).length, items: page["versions"] });
  return { page, versions: page["versions"] as Version[] };
}

const done = async (path: string, init: Parameters<TestServer["call"]>[1]): Promise<void> => {
  const answer = await server.call(`/api/v1/packages/tool${path}`, init);
  expect([path, answer.status, await answer.text()]).toEqual([
    path,
    expect.toSatisfy((s: number) => s < 300),
    expect.anything(),
  ]);
};

beforeAll(async () => {
  server = await startServer();
  await server.account("bob");
  first = await build("1.0.0");
  await server.publish(first);
});
afterAll(async () => server.close());

it("GET /packages/{name} and …/versions show every change to the next reader", async () => {
  expect((await shown()).versions.map(({ version }) => version)).toEqual(["1.0.0"]);
  await server.publish(await build("1.1.0"));
  expect((await shown()).versions.map(({ version }) => version)).toEqual(["1.0.0", "1.1.0"]);
  await done("/versions/1.1.0/yank", { method: "POST", json: { reason: "broken" } });
  expect((await shown()).versions[1]).toMatchObject({ status: "yanked", reason: "broken" });
  expect((await shown()).page).toMatchObject({ latest: "1.0.0" });
  await done("/versions/1.1.0/yank", { method: "DELETE" });
  expect((await shown()).versions[1]).toMatchObject({ status: "active" });
  await done("/owners/bob", { method: "PUT" });
  expect((await shown()).page.owners).toEqual(["admin", "bob"]);
  await done("/owners/bob", { method: "DELETE" });
  expect((await shown()).page.owners).toEqual(["admin"]);
  await done("/channels/next", { method: "PUT", json: { version: "1.1.0" } });
  expect((await shown()).page.channels).toMatchObject({ next: "1.1.0" });
  await server.node.metadata.addDownloads(new Map([[parseDigest(first.blob), 3]]), 0);
  expect((await shown()).page.downloads).toBe(3);
  expect((await shown()).versions[0]).toMatchObject({ downloads: 3 });
});

it("GET /packages/{name} links to the address that each reader asked at", async () => {
  const at = async (url: string): Promise<string> => {
    const answer = await server.node.registry.fetch(new Request(`${url}/api/v1/packages/tool`));
    return ((await answer.json()) as View).links["self"]!;
  };
  for (const url of ["http://one.example", "http://two.example:8080", "http://one.example"])
    expect(await at(url)).toBe(`${url}/api/v1/packages/tool`);
});

it.each(["", "/versions"])("GET and HEAD /packages/{name}%s say the same on a socket and without one", async (rest) => {
  const url = `${server.url}/api/v1/packages/tool${rest}`;
  const [there, here] = [await fetch(url), await server.node.registry.fetch(new Request(url))];
  const text = await there.text();
  expect(text).toBe(await here.text());
  expect(there.headers.get("content-length")).toBe(String(new TextEncoder().encode(text).length));
  for (const name of ["content-type", "cache-control"]) expect(there.headers.get(name)).toBe(here.headers.get(name));
  expect(there.headers.get("x-request-id")).toMatch(/^[0-9a-f]{32}$/);
  const head = await fetch(url, { method: "HEAD" });
  expect([head.status, head.headers.get("content-length"), await head.text()]).toEqual([
    200,
    there.headers.get("content-length"),
    "",
  ]);
  const absent = await fetch(`${server.url}/api/v1/packages/nothing${rest}`);
  expect([absent.status, ((await absent.json()) as { code: string }).code]).toEqual([404, "PACKAGE_NOT_FOUND"]);
});
