import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { parseDigest, type Digest } from "@lading/core-manifest";
import type { UpstreamOptions } from "../src/index.ts";
import { buildPackage, signPackage, startServer, testSigner, type BuiltPackage, type TestServer } from "./harness.ts";

const DAY_MS = 86_400_000;

/** A mirror that looks only when it is told to. */
function mirrorOf(url: string, change: Partial<UpstreamOptions> = {}): UpstreamOptions {
  const rest = { fetch: "all", others: "refuse", intervalMs: 0, isWholeServer: true, minimumAgeMs: 0 } as const;
  return { name: "mirror", url, packages: ["**"], ...rest, ...change };
}

function proxyOf(url: string, change: Partial<UpstreamOptions> = {}): UpstreamOptions {
  return mirrorOf(url, { name: "public", fetch: "on-demand", isWholeServer: false, ...change });
}

/** Something between a mirror and its upstream that sees every request, and may bend every answer. */
interface Between {
  readonly url: string;
  readonly asked: string[];
  bend: (path: string, bytes: Buffer) => Buffer | undefined;
  isDown: boolean;
  close(): Promise<void>;
}

async function startBetween(upstream: () => TestServer): Promise<Between> {
  const between: Between = { url: "", asked: [], bend: (_, bytes) => bytes, isDown: false, close: async () => {} };
  const server: Server = createServer((request, answer) => {
    const path = request.url!.slice(1);
    between.asked.push(path);
    const go = async (): Promise<void> => {
      if (between.isDown) {
        request.socket.destroy();
        return;
      }
      const got = await upstream().call(`/${path}`, { auth: "" });
      let bytes: Buffer | undefined = Buffer.from(await got.arrayBuffer());
      if (path === ".well-known/lading.json") {
        const { files: _, ...described } = JSON.parse(
          bytes.toString().replaceAll(upstream().url, between.url),
        ) as Record<string, unknown>;
        bytes = Buffer.from(JSON.stringify(described));
      }
      bytes = between.bend(path, bytes);
      answer.writeHead(bytes === undefined ? 404 : got.status).end(bytes);
    };
    go().catch(() => answer.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return Object.assign(between, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

const hexOf = ({ blob }: BuiltPackage): string => blob.slice("sha256:".length);

async function bodyOf(server: TestServer, path: string): Promise<{ status: number; hex: string; code?: string }> {
  const answer = await server.call(path, { auth: "" });
  const bytes = Buffer.from(await answer.arrayBuffer());
  const code = answer.status < 400 ? {} : { code: (JSON.parse(bytes.toString()) as { code: string }).code };
  return { status: answer.status, hex: bytes.toString("hex"), ...code };
}

async function rootOf(server: TestServer): Promise<Digest> {
  const described = (await (await server.call("/.well-known/lading.json")).json()) as { root: { digest: string } };
  return parseDigest(described.root.digest);
}

/** Looks at an upstream now; the code of what was refused. */
async function look(server: TestServer, upstream = "mirror"): Promise<string> {
  const answer = await server.call(`/api/v1/upstreams/${upstream}/sync`, { method: "POST" });
  const body = (await answer.json()) as { changed?: boolean; code?: string; reason?: string };
  if (answer.status === 200) return body.changed === true ? "changed" : "unchanged";
  return [body.code, body.reason].filter((part) => part !== undefined).join(" ");
}

describe("upstreams", () => {
  let upstream: TestServer;
  let between: Between;
  const opened: TestServer[] = [];
  const { signer, pem } = testSigner(1);
  let tool: BuiltPackage;
  let other: BuiltPackage;

  async function open(options: Parameters<typeof startServer>[0]): Promise<TestServer> {
    const server = await startServer(options);
    opened.push(server);
    return server;
  }

  async function publish(name: string, version: string): Promise<BuiltPackage> {
    const built = await buildPackage({ name, version });
    const answer = await upstream.publish(built, { statement: await signPackage(built, signer) });
    expect(answer.status).toBe(201);
    await upstream.node.registry.signNow();
    return built;
  }

  beforeAll(async () => {
    upstream = await startServer();
    between = await startBetween(() => upstream);
    await upstream.call("/api/v1/keys", { method: "POST", json: { public_key: pem } });
    tool = await publish("tool", "1.0.0");
    other = await publish("company/other", "1.0.0");
  });
  afterEach(async () => {
    between.bend = (_, bytes) => bytes;
    between.isDown = false;
    for (const server of opened.splice(0)) await server.close();
  });
  afterAll(async () => {
    await between.close();
    await upstream.close();
  });

  test("a mirror serves the upstream's very bytes, follows it, and goes on without it", async () => {
    const mirror = await open({ upstreams: [mirrorOf(upstream.url, { root: await rootOf(upstream) })] });
    expect((await bodyOf(mirror, "/.well-known/lading.json")).code).toBe("UPSTREAM_UNAVAILABLE");
    expect(await look(mirror)).toBe("changed");
    const paths = [
      "metadata/1.root.json",
      "metadata/timestamp.json",
      "index/_/to/tool.json",
      "log/checkpoint",
      "log/tile/entries/000.p/1",
      "log/tile/0/000.p/2",
      "feed/0.json",
      `blobs/sha256/${hexOf(tool)}`,
      `blobs/sha256/${hexOf(tool)}.sig`,
    ];
    for (const path of paths) {
      const [ours, theirs] = [await bodyOf(mirror, `/${path}`), await bodyOf(upstream, `/${path}`)];
      expect([path, ours]).toEqual([path, theirs]);
      expect(ours.status).toBe(200);
    }
    const index = (await (await upstream.call("/index/_/to/tool.json")).json()) as { versions: unknown };
    const signers = JSON.stringify(index)
      .match(/ed25519:[0-9a-f]{64}/)![0]
      .slice("ed25519:".length);
    expect((await bodyOf(mirror, `/blobs/sha256/${signers}`)).status).toBe(200);
    const next = await publish("tool", "1.1.0");
    expect(await look(mirror)).toBe("changed");
    expect(await look(mirror)).toBe("unchanged");
    const kept = await bodyOf(upstream, `/blobs/sha256/${hexOf(next)}`);
    expect(await bodyOf(mirror, `/blobs/sha256/${hexOf(next)}`)).toEqual(kept);
    for (const path of ["/api/v1/packages/tool", "/graphql?query=%7B__typename%7D", "/simple/", "/simple/tool/"])
      expect([path, (await bodyOf(mirror, path)).code]).toEqual([path, "MIRROR_READ_ONLY"]);
    expect((await bodyOf(mirror, "/blobs/sha256/" + "0".repeat(64))).code).toBe("BLOB_NOT_FOUND");
    expect((await mirror.call("/index/_/to/tool.json")).headers.get("age")).toMatch(/^\d+$/);
  });

  test("a mirror is ready only after its first look, tells its age, and outlives its upstream", async () => {
    const mirror = await open({ upstreams: [mirrorOf(between.url)] });
    expect((await mirror.call("/api/v1/health/ready")).status).toBe(503);
    expect(await look(mirror)).toBe("changed");
    expect((await mirror.call("/api/v1/health/ready")).status).toBe(200);
    between.isDown = true;
    expect(await look(mirror)).toBe("UPSTREAM_UNAVAILABLE");
    expect((await bodyOf(mirror, "/index/_/to/tool.json")).status).toBe(200);
    const health = (await (await mirror.call("/api/v1/health")).json()) as {
      status: string;
      upstreams: { name: string; status: string; code?: string }[];
    };
    expect(health.status).toBe("degraded");
    expect(health.upstreams).toMatchObject([{ name: "mirror", status: "stale", error: "UPSTREAM_UNAVAILABLE" }]);
    const metrics = await (await mirror.call("/metrics")).text();
    expect(metrics).toMatch(/lading_upstream_age_seconds\{upstream="mirror"\} \d/);
    expect(metrics).toContain('lading_upstream_looks{upstream="mirror",result="UPSTREAM_UNAVAILABLE"} 1');
  });

  test("a mirror whose look was cut off goes on where it ended", async () => {
    const mirror = await open({ upstreams: [mirrorOf(between.url)] });
    between.bend = (path, bytes) => (path === `blobs/sha256/${hexOf(other)}` ? undefined : bytes);
    expect(await look(mirror)).toBe("UPSTREAM_REFUSED");
    expect((await bodyOf(mirror, "/index/_/to/tool.json")).status).toBe(502);
    between.bend = (_, bytes) => bytes;
    expect(await look(mirror)).toBe("changed");
    expect((await bodyOf(mirror, `/blobs/sha256/${hexOf(other)}`)).status).toBe(200);
  });

  test.each([
    ["a package file", (path: string) => path === `blobs/sha256/${hexOf(tool)}`, "UPSTREAM_REFUSED"],
    ["a statement", (path: string) => path === `blobs/sha256/${hexOf(tool)}.sig`, "UPSTREAM_REFUSED"],
    [
      "an index document",
      (path: string) => /^index\/.*\.tool\.json$/.test(path),
      "UPSTREAM_REFUSED TARGET_DIGEST_MISMATCH",
    ],
    ["the timestamp", (path: string) => path === "metadata/timestamp.json", "UPSTREAM_REFUSED METADATA_"],
    ["a bin", (path: string) => path.includes("bins-"), "UPSTREAM_REFUSED METADATA_"],
    ["the root", (path: string) => path === "metadata/1.root.json", "UPSTREAM_REFUSED METADATA_"],
    ["an entry of the log", (path: string) => path.startsWith("log/tile/entries"), "UPSTREAM_REFUSED LOG_"],
    ["the checkpoint", (path: string) => path === "log/checkpoint", "UPSTREAM_REFUSED LOG_"],
  ])("a mirror serves nothing of an upstream that bends %s", async (_what, isBent, code) => {
    const mirror = await open({ upstreams: [mirrorOf(between.url, { root: await rootOf(upstream) })] });
    between.bend = (path, bytes) => {
      if (!isBent(path)) return bytes;
      const bent = Buffer.from(bytes);
      bent[bent.length >> 1]! ^= 1;
      return bent;
    };
    expect(await look(mirror)).toContain(code);
    for (const path of ["/.well-known/lading.json", "/index/_/to/tool.json", `/blobs/sha256/${hexOf(tool)}`])
      expect((await bodyOf(mirror, path)).status).toBe(502);
  });

  test("a mirror refuses a root that is not the pinned one, and an upstream that was rolled back or forked", async () => {
    const pinned = await open({
      upstreams: [mirrorOf(between.url, { root: parseDigest(`sha256:${"0".repeat(64)}`) })],
    });
    expect(await look(pinned)).toBe("UPSTREAM_REFUSED METADATA_ROOT_PIN_MISMATCH");
    const mirror = await open({ upstreams: [mirrorOf(between.url)] });
    const before = Buffer.from((await bodyOf(upstream, "/log/checkpoint")).hex, "hex");
    await publish("tool", "1.2.0");
    expect(await look(mirror)).toBe("changed");
    const seen = await bodyOf(mirror, "/log/checkpoint");
    await publish("tool", "1.3.0");
    between.bend = (path, bytes) => (path === "log/checkpoint" ? before : bytes);
    expect(await look(mirror)).toContain("UPSTREAM_REFUSED LOG_ROLLBACK");
    expect(await bodyOf(mirror, "/log/checkpoint")).toEqual(seen);
  });

  test("a partial mirror has the whole index, and files of its packages alone", async () => {
    const partial = mirrorOf(upstream.url, { packages: ["company/*"] });
    const mirror = await open({ upstreams: [partial] });
    expect(await look(mirror)).toBe("changed");
    expect((await bodyOf(mirror, "/index/_/to/tool.json")).status).toBe(200);
    expect((await bodyOf(mirror, `/blobs/sha256/${hexOf(other)}`)).status).toBe(200);
    expect(await bodyOf(mirror, `/blobs/sha256/${hexOf(tool)}`)).toMatchObject({ status: 404, code: "NOT_MIRRORED" });
    const redirecting = await open({ upstreams: [{ ...partial, others: "redirect" }] });
    await look(redirecting);
    const answer = await redirecting.call(`/blobs/sha256/${hexOf(tool)}`);
    expect([answer.status, answer.headers.get("location")]).toEqual([
      307,
      `${upstream.url}/blobs/sha256/${hexOf(tool)}`,
    ]);
  });

  test("a mirror takes in packages that are chosen later, with statements that its log told of before", async () => {
    const first = await open({ upstreams: [mirrorOf(upstream.url, { packages: ["company/*"] })] });
    await look(first);
    const { directory } = first;
    await first.server.close(1000);
    const more = await open({ dataDirectory: directory, upstreams: [mirrorOf(upstream.url)] });
    expect(await look(more)).toBe("changed");
    expect((await bodyOf(more, `/blobs/sha256/${hexOf(tool)}.sig`)).status).toBe(200);
  });

  test("a proxy fetches a file when it is first asked for, once, and asks nothing about other names", async () => {
    const proxy = await open({ upstreams: [proxyOf(between.url, { packages: ["tool", "tool-*"] })] });
    between.asked.length = 0;
    expect(await look(proxy, "public")).toBe("changed");
    expect(between.asked.filter((path) => path.startsWith("index/") || path.startsWith("blobs/"))).toEqual([]);
    const path = `/upstreams/public/blobs/sha256/${hexOf(tool)}`;
    const answers = await Promise.all([1, 2, 3].map(() => bodyOf(proxy, path)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(between.asked.filter((one) => one === `blobs/sha256/${hexOf(tool)}`)).toHaveLength(1);
    expect((await bodyOf(proxy, "/upstreams/public/index/_/to/tool.json")).status).toBe(200);
    between.asked.length = 0;
    const refused = [
      "/upstreams/public/index/@company/ot/other.json",
      `/upstreams/public/blobs/sha256/${hexOf(other)}`,
      "/upstreams/public/index/_/se/secret.json",
      "/upstreams/unknown/index/_/to/tool.json",
    ];
    for (const one of refused) expect([one, (await bodyOf(proxy, one)).status]).toEqual([one, 404]);
    expect(between.asked).toEqual([]);
    between.isDown = true;
    expect((await bodyOf(proxy, path)).status).toBe(200);
  });

  test("a proxy keeps nothing of a file whose bytes are bent, and asks for it again after a while only", async () => {
    const proxy = await open({ upstreams: [proxyOf(between.url)] });
    await look(proxy, "public");
    between.bend = (path, bytes) => (path.startsWith("blobs/") ? Buffer.concat([bytes, bytes]) : bytes);
    const path = `/upstreams/public/blobs/sha256/${hexOf(tool)}`;
    between.asked.length = 0;
    for (let at = 0; at < 3; at += 1) expect((await bodyOf(proxy, path)).code).toBe("UPSTREAM_REFUSED");
    expect(between.asked).toHaveLength(1);
  });

  test("a name that is published here is never given out of an upstream, and one of an upstream cannot be taken here", async () => {
    const proxy = await open({ upstreams: [proxyOf(between.url, { packages: ["company/*", "tool"] })] });
    await look(proxy, "public");
    const taken = await proxy.publish(await buildPackage({ name: "tool", version: "9.0.0" }));
    expect([taken.status, ((await taken.json()) as { code: string }).code]).toEqual([409, "NAME_RESERVED"]);
    const own = await open({ upstreams: [] });
    expect((await own.publish(await buildPackage({ name: "tool", version: "9.0.0" }))).status).toBe(201);
    const { directory } = own;
    await own.server.close(1000);
    const both = await open({ dataDirectory: directory, upstreams: [proxyOf(between.url)] });
    await look(both, "public");
    between.asked.length = 0;
    const refused = await bodyOf(both, "/upstreams/public/index/_/to/tool.json");
    expect(refused).toMatchObject({ status: 404, code: "NOT_MIRRORED" });
    expect((await bodyOf(both, `/upstreams/public/blobs/sha256/${hexOf(tool)}`)).code).toBe("NOT_MIRRORED");
    expect((await bodyOf(both, "/upstreams/public/index/@company/ot/other.json")).status).toBe(200);
    expect(between.asked.some((path) => path.includes("tool") || path.includes(hexOf(tool)))).toBe(false);
    expect((await bodyOf(both, "/index/_/to/tool.json")).status).toBe(200);
  });

  test("a proxy gives out no version that is too young, but for an exception that was granted, audited and logged", async () => {
    const proxy = await open({ upstreams: [proxyOf(upstream.url, { minimumAgeMs: 7 * DAY_MS })] });
    await look(proxy, "public");
    const path = `/upstreams/public/blobs/sha256/${hexOf(other)}`;
    expect(await bodyOf(proxy, path)).toMatchObject({ status: 403, code: "RELEASE_TOO_YOUNG" });
    const exceptions = "/api/v1/upstreams/public/exceptions";
    const wanted = { package: "company/other", version: "1.0.0", reason: "closes a hole", days: 3 };
    const carol = await proxy.account("carol");
    expect((await proxy.call(exceptions, { method: "POST", json: wanted, auth: carol })).status).toBe(403);
    expect((await proxy.call(exceptions, { method: "POST", json: { ...wanted, reason: "" } })).status).toBe(400);
    expect((await proxy.call(exceptions, { method: "POST", json: wanted })).status).toBe(201);
    await expect.poll(async () => (await bodyOf(proxy, path)).status, { timeout: 10_000 }).toBe(200);
    expect((await bodyOf(proxy, `/upstreams/public/blobs/sha256/${hexOf(tool)}`)).code).toBe("RELEASE_TOO_YOUNG");
    const audit = (await (await proxy.call("/api/v1/audit?action=upstream.except")).json()) as { items: unknown[] };
    expect(audit.items).toMatchObject([{ package: "company/other", version: "1.0.0", actor: "admin" }]);
    const log = Buffer.from((await bodyOf(proxy, "/log/tile/entries/000.p/2")).hex, "hex").toString();
    expect(log).toContain('"names":"company/other"');
    const listed = (await (await proxy.call(exceptions)).json()) as { items: unknown[] };
    expect(listed.items).toMatchObject([{ package: "company/other", version: "1.0.0", reason: "closes a hole" }]);
    const gone = await proxy.call(`${exceptions}/company%2Fother/1.0.0`, { method: "DELETE" });
    expect(gone.status).toBe(204);
    await expect.poll(async () => (await bodyOf(proxy, path)).code, { timeout: 10_000 }).toBe("RELEASE_TOO_YOUNG");
    expect((await proxy.call(`${exceptions}/company%2Fother/1.0.0`, { method: "DELETE" })).status).toBe(404);
  });
});
