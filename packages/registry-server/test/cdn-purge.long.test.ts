import { createHmac } from "node:crypto";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { loadServerConfig } from "../src/node.ts";
import { FakeClock } from "../src/testing.ts";
import { buildPackage, startServer, type TestServer } from "./harness.ts";

const KEY = Buffer.alloc(32, 7);
const SECRET = `whsec_${KEY.toString("base64")}`;
interface Purge {
  readonly type: string;
  readonly action: string;
  readonly package: string;
  readonly version: string;
  readonly paths: readonly string[];
  readonly urls: readonly string[];
}
interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

let hook: Server;
let address: string;
let server: TestServer;
let received: Received[] = [];
let refuse = 0;
const clock = new FakeClock(Date.now());
beforeAll(async () => {
  hook = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      received.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
      response.writeHead((refuse -= 1) >= 0 ? 500 : 204).end();
    });
  });
  await new Promise<void>((resolve) => hook.listen(0, "127.0.0.1", resolve));
  address = `http://127.0.0.1:${(hook.address() as AddressInfo).port}/purge`;
  const urls = { publicUrl: "https://registry.example", cdnUrl: "https://cdn.example" };
  server = await startServer({ ...urls, clock, cdnPurge: { url: address, secret: SECRET } });
});
afterAll(async () => {
  await server.close();
  hook.close();
});

const purges = (): readonly Purge[] => received.map(({ body }) => JSON.parse(body) as Purge);
async function untilPurged(action: string): Promise<void> {
  await expect.poll(() => purges().map((one) => one.action), { timeout: 30_000, interval: 50 }).toContain(action);
}

it("tells a purge hook, signed, which files caches must forget, and again where that failed", async () => {
  const built = await buildPackage(
    { name: "company/tool", version: "1.0.0", readme: "README.md" },
    { files: { "README.md": "# Tool\n" } },
  );
  refuse = 1;
  expect((await server.publish(built)).status).toBe(201);
  await untilPurged("package.publish");
  const index = "/index/@company/to/tool.json";
  const blob = `/blobs/sha256/${built.blob.slice(7)}`;
  expect(purges()[0]).toMatchObject({
    type: "cdn.purge",
    package: "company/tool",
    version: "1.0.0",
    paths: [index, blob],
    urls: [`https://registry.example${index}`, `https://cdn.example${blob}`],
  });
  const again = async (): Promise<number> => {
    clock.advance(100);
    return received.length;
  };
  await expect.poll(again, { timeout: 30_000, interval: 50 }).toBe(2);
  const [first, second] = received as [Received, Received];
  expect(second.body).toBe(first.body);
  expect(second.headers["webhook-id"]).toBe(first.headers["webhook-id"]);
  const signed = `${second.headers["webhook-id"] as string}.${second.headers["webhook-timestamp"] as string}.${second.body}`;
  expect(second.headers["webhook-signature"]).toBe(`v1,${createHmac("sha256", KEY).update(signed).digest("base64")}`);

  const version = "/api/v1/packages/company%2Ftool/versions/1.0.0";
  await server.call(`${version}/yank`, { method: "POST", json: { reason: "broken" } });
  await untilPurged("version.yank");
  expect(purges().at(-1)!.paths).toEqual([index]);
  await server.call(`${version}/takedown`, { method: "POST", json: { reason: "unlawful" } });
  await untilPurged("version.takedown");
  const gone = purges().at(-1)!;
  expect(gone.paths.slice(0, 2)).toEqual([index, blob]);
  expect(gone.paths, "and the readme").toHaveLength(3);

  // Another server may have answered with the file until it heard of the change: a cache that asked it forgets once more.
  const { deliveries } = server.node.metadata;
  const query = { channel: "cdn-purge", target: "cdn", page: 1, perPage: 9 } as const;
  const states = async () => (await deliveries.deliveries(query)).items.map(({ state }) => state);
  await expect
    .poll(states, { timeout: 30_000, interval: 50 })
    .toEqual(["waiting", ...Array<string>(3).fill("delivered")]);
  clock.advance(59_000);
  await new Promise((resolve) => setTimeout(resolve, 1500));
  expect(purges().filter(({ action }) => action === "version.takedown")).toHaveLength(1);
  clock.advance(1000);
  await expect.poll(states, { timeout: 30_000, interval: 50 }).toEqual(Array<string>(4).fill("delivered"));
  expect(purges().at(-1)).toEqual(gone);
  expect(new Set(received.slice(-2).map(({ headers }) => headers["webhook-id"])).size).toBe(2);
});

it("wants a secret for the hook", () => {
  const load = (env: Record<string, string>) => () => loadServerConfig({ env, flags: {} });
  const url = { REGISTRY_CDN_PURGE_URL: "https://hook.example/purge" };
  expect(load(url)).toThrow(/no secret is set/);
  expect(load({ ...url, REGISTRY_CDN_PURGE_SECRET: "whsec_short" })).toThrow(/at least 24 bytes/);
  const { registry } = load({ ...url, REGISTRY_CDN_PURGE_SECRET: SECRET })();
  expect(registry.cdnPurge).toEqual({ url: url.REGISTRY_CDN_PURGE_URL, secret: SECRET });
});
