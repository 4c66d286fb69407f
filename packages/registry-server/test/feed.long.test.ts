import { afterAll, beforeAll, expect, it } from "vitest";
import { canonicalName, parsePackageName } from "@lading/core-manifest";
import { fakeAccount, fakePublication } from "../src/testing.ts";
import { buildPackage, startServer, type TestServer } from "./harness.ts";

interface Page {
  readonly full: boolean;
  readonly entries: readonly { readonly id: number; readonly name: string; readonly sequence: number }[];
}
let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(async () => server.close());

const read = async (page: number, headers: Record<string, string> = {}): Promise<Response> =>
  server.call(`/feed/${page}.json`, { auth: "", headers });
const bodyOf = async (response: Response): Promise<Page> => (await response.json()) as Page;

it("the feed shows publications and yanks as they come, and is revalidated until a page is full", async () => {
  expect(await bodyOf(await read(0))).toMatchObject({ schema: 1, page: 0, full: false, entries: [] });
  expect((await read(1)).status).toBe(404);
  await server.publish(await buildPackage({ name: "feed_tool", version: "1.0.0" }));
  const first = await read(0);
  const etag = first.headers.get("etag")!;
  expect(first.headers.get("cache-control")).toBe("no-cache");
  expect((await bodyOf(first)).entries).toMatchObject([{ id: 1, name: "feed-tool", sequence: 1 }]);
  expect((await read(0, { "if-none-match": etag })).status).toBe(304);
  await server.call("/api/v1/packages/feed-tool/versions/1.0.0/yank", { method: "POST", json: { reason: "broken" } });
  const second = await read(0, { "if-none-match": etag });
  expect((await bodyOf(second)).entries.map(({ sequence }) => sequence)).toEqual([1, 2]);
  const { feed } = (await (await server.call("/.well-known/lading.json")).json()) as { feed: string };
  expect(feed).toBe(`${server.url}/feed/`);
});

it("a full page is immutable, and the next goes on", async () => {
  const { metadata } = server.node;
  const admin = (await metadata.accountByName("admin"))!;
  const { latest } = await metadata.feed(1, 1);
  for (let number = latest; number < 1000; number += 50)
    await Promise.all(
      Array.from({ length: Math.min(50, 1000 - number) }, (_, index) =>
        metadata.publish(fakePublication({ ...fakeAccount("x"), id: admin.id }, "many", `1.0.${number + index}`)),
      ),
    );
  const full = await read(0);
  expect(full.headers.get("cache-control")).toContain("immutable");
  const { entries, full: isFull } = await bodyOf(full);
  expect([isFull, entries.length, entries.at(-1)?.id]).toEqual([true, 1000, 1000]);
  const etag = full.headers.get("etag");
  expect((await bodyOf(await read(1))).entries).toEqual([]);
  expect((await read(2)).status).toBe(404);
  await server.publish(await buildPackage({ name: "feed_tool", version: "1.1.0" }));
  expect((await bodyOf(await read(1))).entries).toMatchObject([{ id: 1001, name: "feed-tool", sequence: 3 }]);
  expect((await read(0)).headers.get("etag")).toBe(etag);
  expect((await metadata.package(canonicalName(parsePackageName("many"))))?.sequence).toBe(1000 - latest);
});

it.each(["/feed/-1.json", "/feed/01.json", "/feed/x.json", "/feed/0", "/feed/9999999999.json"])(
  "%s is no page of the feed",
  async (path) => {
    expect((await server.call(path, { auth: "" })).status).toBe(404);
  },
);
