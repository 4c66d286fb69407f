import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { containsNetwork, formatNetwork, isInNetworks, networkProblem } from "../src/lib/network.ts";
import { startServer, type TestServer } from "./harness.ts";

type Json = Record<string, unknown>;

describe("networkProblem()", () => {
  it.each([
    "192.0.2.0/24",
    "10.0.0.0/8",
    "0.0.0.0/0",
    "192.0.2.7",
    "2001:db8::/32",
    "::/0",
    "::1",
    "::ffff:10.0.0.0/104",
  ])("has nothing to say of %s", (text) => expect(networkProblem(text)).toBeUndefined());
  it.each([
    "",
    "/8",
    "10.0.0.0/33",
    "10.0.0/8",
    "::/129",
    "::ffff:10.0.0.0/95",
    "fe80::1%eth0",
    "example.com",
    "10.0.0.0/8/8",
    "10.0.0.0/-1",
  ])("refuses %j", (text) => expect(networkProblem(text)).toContain("not an address"));
  it("refuses bits beyond the prefix, and names the range that was likely meant", () => {
    expect(networkProblem("10.1.2.3/8")).toBe("has bits beyond its prefix; the range is 10.0.0.0/8");
    expect(networkProblem("2001:db8::1/64")).toBe("has bits beyond its prefix; the range is 2001:db8::/64");
  });
});

describe("formatNetwork()", () => {
  it.each([
    ["192.0.2.7", "192.0.2.7/32"],
    ["2001:DB8:0:0::/32", "2001:db8::/32"],
    ["::1", "::1/128"],
    ["::/0", "::/0"],
    ["::ffff:10.0.0.0/104", "10.0.0.0/8"],
    ["::ffff:c000:207", "192.0.2.7/32"],
  ])("writes %s as %s", (text, expected) => expect(formatNetwork(text)).toBe(expected));
});

describe("isInNetworks()", () => {
  const networks = ["192.0.2.0/24", "2001:db8::/32", "198.51.100.7/32"];
  it.each([
    "192.0.2.0",
    "192.0.2.255",
    "198.51.100.7",
    "::ffff:192.0.2.9",
    "::ffff:c000:0209",
    "2001:db8:ffff::1",
    "192.0.2.9:4711",
    "[2001:db8::1]:4711",
    "[2001:db8::1]",
    "2001:db8::1%eth0",
  ])("has %s", (address) => expect(isInNetworks(address, networks)).toBe(true));
  it.each([
    undefined,
    "",
    "unknown",
    "192.0.3.0",
    "192.0.1.255",
    "198.51.100.8",
    "::ffff:192.0.3.9",
    "::192.0.2.9",
    "2001:db9::1",
    "192.0.2.9 ",
    "192.0.2.9,10.0.0.1",
    "0xc0.0.2.9",
    "192.0.2",
  ])("has not %j", (address) => expect(isInNetworks(address, networks)).toBe(false));
  it("never takes one family for the other", () => {
    expect(isInNetworks("192.0.2.9", ["::/0"])).toBe(false);
    expect(isInNetworks("::ffff:192.0.2.9", ["::/0"])).toBe(false);
    expect(isInNetworks("2001:db8::1", ["0.0.0.0/0"])).toBe(false);
    expect(isInNetworks("::ffff:192.0.2.9", ["0.0.0.0/0"])).toBe(true);
  });
});

describe("containsNetwork()", () => {
  it.each([
    ["10.0.0.0/8", "10.1.0.0/16", true],
    ["10.0.0.0/8", "10.0.0.0/8", true],
    ["10.1.0.0/16", "10.0.0.0/8", false],
    ["10.0.0.0/8", "11.0.0.1/32", false],
    ["::/0", "10.0.0.0/8", false],
  ])("%s around %s: %s", (outer, inner, expected) => expect(containsNetwork([outer], inner)).toBe(expected));
});

describe("tokens that are limited to networks", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer();
  });
  afterAll(async () => server.close());

  const create = async (json: Json, auth = server.token): Promise<{ status: number; body: Json }> => {
    const answer = await server.call("/api/v1/tokens", { method: "POST", auth, json });
    return { status: answer.status, body: (await answer.json()) as Json };
  };
  /** A request as it comes from `remoteAddress`. */
  const from = async (
    token: string,
    remoteAddress: string | undefined,
    {
      path = "/api/v1/auth/whoami",
      headers = {},
      node = server,
    }: { path?: string; headers?: Record<string, string>; node?: TestServer } = {},
  ): Promise<[number, string | undefined]> => {
    const authorization = token.includes(" ") ? token : `Bearer ${token}`;
    const request = new Request(`http://localhost${path}`, { headers: { authorization, ...headers } });
    const answer = await node.node.registry.fetch(request, remoteAddress === undefined ? undefined : { remoteAddress });
    const text = await answer.text();
    return [answer.status, answer.status < 400 ? undefined : ((JSON.parse(text) as Json)["code"] as string)];
  };

  it("open from there alone, and say so in the list", async () => {
    const made = await create({
      name: "ci",
      scopes: ["read"],
      cidr: ["192.0.2.0/24", "2001:DB8::/32", "192.0.2.0/24"],
    });
    expect(made).toMatchObject({ status: 201, body: { cidr: ["192.0.2.0/24", "2001:db8::/32"] } });
    const token = made.body["token"] as string;
    for (const address of ["192.0.2.9", "::ffff:192.0.2.9", "2001:db8::9"])
      expect([address, await from(token, address)]).toEqual([address, [200, undefined]]);
    for (const address of ["203.0.113.9", "::ffff:203.0.113.9", "2001:db9::9", "::1", undefined])
      expect([address, await from(token, address)]).toEqual([address, [401, "TOKEN_INVALID"]]);
    const listed = (await (await server.call("/api/v1/tokens")).json()) as { items: Json[] };
    expect(listed.items.find(({ id }) => id === made.body["id"])).toMatchObject({
      cidr: ["192.0.2.0/24", "2001:db8::/32"],
    });
    expect(listed.items.find(({ name }) => name === "bootstrap")).toMatchObject({ cidr: [] });
    const outside = await server.call("/api/v1/auth/whoami", { auth: token });
    const { detail } = (await outside.json()) as { detail: string };
    expect([outside.status, detail.includes("192.0.2.0")]).toEqual([401, false]);
  });

  it("are limited as a password of Basic credentials too, and on reads past the API", async () => {
    const { body } = await create({ name: "far", scopes: ["read"], cidr: ["192.0.2.0/24"] });
    const token = body["token"] as string;
    const basic = `Basic ${Buffer.from(`admin:${token}`).toString("base64")}`;
    expect((await server.call("/api/v1/auth/whoami", { auth: basic })).status).toBe(401);
    for (const path of ["/index/_/to/tool.json", "/api/v1/packages/", "/graphql?query={__typename}", "/simple/"])
      expect([path, (await server.call(path, { auth: token })).status]).toEqual([path, 401]);
  });

  it("count no use that was refused", async () => {
    const { body } = await create({ name: "unused", scopes: ["read"], cidr: ["192.0.2.0/24"] });
    await from(body["token"] as string, "203.0.113.9");
    const admin = (await server.node.metadata.accountByName("admin"))!;
    const used = async (): Promise<number | undefined> =>
      (await server.node.metadata.tokensOf(admin.id)).find(({ id }) => id === body["id"])?.lastUsed;
    await from(body["token"] as string, "192.0.2.1");
    await expect.poll(used, { timeout: 20_000 }).toBeTypeOf("number");
  });

  it("go by the proxy's word where the proxy is trusted, by its last address, and by nobody's elsewhere", async () => {
    const behind = await startServer({ trustProxy: true });
    try {
      const minted = await behind.call("/api/v1/tokens", {
        method: "POST",
        json: { name: "ci", scopes: ["read"], cidr: ["192.0.2.0/24"] },
      });
      const { token } = (await minted.json()) as { token: string };
      const through = (forwarded: string) =>
        from(token, "127.0.0.1", { node: behind, headers: { "x-forwarded-for": forwarded } });
      expect(await through("192.0.2.9")).toEqual([200, undefined]);
      expect(await through("203.0.113.9, 192.0.2.9")).toEqual([200, undefined]);
      // What stands before the proxy's own entry is the client's claim.
      expect(await through("192.0.2.9, 203.0.113.9")).toEqual([401, "TOKEN_INVALID"]);
      expect(await through("unknown")).toEqual([401, "TOKEN_INVALID"]);
      expect(await from(token, "127.0.0.1", { node: behind })).toEqual([401, "TOKEN_INVALID"]);
    } finally {
      await behind.close();
    }
    const { body } = await create({ name: "direct", scopes: ["read"], cidr: ["192.0.2.0/24"] });
    const claimed = { headers: { "x-forwarded-for": "192.0.2.9" } };
    expect(await from(body["token"] as string, "203.0.113.9", claimed)).toEqual([401, "TOKEN_INVALID"]);
  });

  it("make no token that opens from elsewhere", async () => {
    const { body } = await create({ name: "local", scopes: ["read"], cidr: ["127.0.0.0/8"] });
    const local = body["token"] as string;
    const child = (cidr?: string[]) =>
      create({ name: "child", scopes: ["read"], ...(cidr === undefined ? {} : { cidr }) }, local);
    expect(await child()).toMatchObject({ status: 403, body: { code: "FORBIDDEN" } });
    expect(await child(["0.0.0.0/0"])).toMatchObject({ status: 403 });
    expect(await child(["127.0.0.0/8", "10.0.0.0/8"])).toMatchObject({ status: 403 });
    expect(await child(["127.0.0.1"])).toMatchObject({ status: 201, body: { cidr: ["127.0.0.1/32"] } });
  });

  it("are refused for what is no network", async () => {
    for (const cidr of [["10.1.2.3/8"], ["example.com"], [""], "10.0.0.0/8"])
      expect(await create({ name: "x", scopes: ["read"], cidr })).toMatchObject({
        status: 400,
        body: { code: "REQUEST_INVALID" },
      });
  });
});
