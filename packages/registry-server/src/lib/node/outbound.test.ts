import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { createOutbound, isAllowedHostEntry, type Resolve } from "./outbound.ts";
import { isPublicAddress } from "./public-address.ts";

const servers: Server[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => new Promise((done) => void server.close(done))));
});

async function listen(handler: RequestListener): Promise<number> {
  const server = createServer(handler);
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return (server.address() as AddressInfo).port;
}

/** A name server that says one thing after the other, the last for ever. */
function saying(...answers: readonly string[]): Resolve & { asked: number } {
  const resolve = Object.assign(
    async () => {
      const address = answers[Math.min(resolve.asked, answers.length - 1)]!;
      resolve.asked += 1;
      return [{ address, family: address.includes(":") ? 6 : 4 }];
    },
    { asked: 0 },
  );
  return resolve;
}

const refusal = { code: "OUTBOUND_REFUSED" };

describe("isPublicAddress()", () => {
  it("knows what is inside by every spelling", () => {
    const inside = [
      "127.0.0.1",
      "10.1.2.3",
      "172.31.0.1",
      "192.168.1.1",
      "169.254.169.254",
      "100.64.0.1",
      "0.0.0.0",
      "224.0.0.1",
      "255.255.255.255",
      "::1",
      "::",
      "fe80::1",
      "fe80::1%eth0",
      "fd00::1",
      "ff02::1",
      "::ffff:127.0.0.1",
      "::ffff:7f00:1",
      "::ffff:a00:1",
      "64:ff9b::10.0.0.1",
      "2002:7f00:1::",
      "2001::1",
      "2001:db8::1",
      "localhost",
      "",
    ];
    expect(inside.filter(isPublicAddress)).toEqual([]);
    const outside = ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1", "::ffff:1.1.1.1", "64:ff9b::101:101"];
    expect(outside.filter((address) => !isPublicAddress(address))).toEqual([]);
  });
});

describe("Outbound", () => {
  it("refuses private addresses, however they are written, before it connects", async () => {
    let asked = 0;
    const port = await listen((_request, response) => {
      asked += 1;
      response.end();
    });
    const outbound = createOutbound({ allow: [], resolve: saying("127.0.0.1") });
    const hosts = [
      "127.0.0.1",
      "127.1",
      "2130706433",
      "0x7f.1",
      "[::1]",
      "[::ffff:127.0.0.1]",
      "hook.example",
      "hook.example.",
    ];
    for (const host of hosts) {
      await expect(outbound.fetch(`http://${host}:${port}/`)).rejects.toMatchObject(refusal);
      await expect(outbound.check(`http://${host}:${port}/`)).rejects.toMatchObject(refusal);
    }
    for (const url of ["file:///etc/passwd", "ftp://hook.example/", "no url"])
      await expect(outbound.fetch(url)).rejects.toMatchObject(refusal);
    expect(asked).toBe(0);
  });

  it("refuses a name of which one address is inside, and one that is unknown", async () => {
    const resolve = async (): ReturnType<Resolve> => [
      { address: "1.1.1.1", family: 4 },
      { address: "10.0.0.1", family: 4 },
    ];
    await expect(createOutbound({ allow: [], resolve }).check("https://both.example")).rejects.toMatchObject(refusal);
    const none = createOutbound({ allow: [], resolve: async () => Promise.reject(new Error("ENOTFOUND")) });
    await expect(none.check("https://none.example")).rejects.toThrow(/its name is unknown/);
  });

  it("connects to the address that was judged, and resolves no second time", async () => {
    const port = await listen((request, response) => response.end(request.headers.host));
    const resolve = saying("127.0.0.1", "10.9.9.9");
    const outbound = createOutbound({ allow: ["127.0.0.0/8"], resolve });
    const answer = await outbound.fetch(`http://rebinding.example:${port}/`);
    expect(await answer.text()).toBe(`rebinding.example:${port}`);
    expect(resolve.asked).toBe(1);
    await expect(outbound.fetch(`http://rebinding.example:${port}/`)).rejects.toMatchObject(refusal);
  });

  it("judges what a redirect names as it judged the first address", async () => {
    const inner = await listen((_request, response) => response.end("inside"));
    const port = await listen((_request, response) => {
      response.writeHead(302, { location: `http://127.0.0.1:${inner}/` }).end();
    });
    const outbound = createOutbound({ allow: [`hook.example:${port}`], resolve: saying("127.0.0.1") });
    const url = `http://hook.example:${port}/`;
    await expect(outbound.fetch(url, { redirect: "follow" })).rejects.toMatchObject(refusal);
    await expect(outbound.fetch(url)).rejects.toThrow(/redirects/);
    expect((await outbound.fetch(url, { redirect: "manual" })).status).toBe(302);
    const both = outbound.allowing([`127.0.0.1:${inner}`]);
    expect(await (await both.fetch(url, { redirect: "follow" })).text()).toBe("inside");
  });

  it("sends credentials to the origin that they are for alone, and ends a circle", async () => {
    const seen: (string | undefined)[] = [];
    const second = await listen((request, response) => {
      seen.push(request.headers.authorization);
      response.end(request.method);
    });
    const port = await listen((request, response) => {
      seen.push(request.headers.authorization);
      const location = request.url === "/circle" ? "/circle" : `http://localhost:${second}/`;
      response.writeHead(request.url === "/see" ? 303 : 307, { location }).end();
    });
    const outbound = createOutbound({ allow: ["127.0.0.1", "localhost"] });
    const request = { method: "POST", body: "x", redirect: "follow", headers: { authorization: "Bearer t" } } as const;
    expect(await (await outbound.fetch(`http://127.0.0.1:${port}/`, request)).text()).toBe("POST");
    expect(await (await outbound.fetch(`http://127.0.0.1:${port}/see`, request)).text()).toBe("GET");
    expect(seen).toEqual(["Bearer t", undefined, "Bearer t", undefined]);
    await expect(outbound.fetch(`http://127.0.0.1:${port}/circle`, request)).rejects.toThrow(/more than 5 times/);
  });

  it("ends with its signal", async () => {
    const port = await listen(() => {});
    const outbound = createOutbound({ allow: ["127.0.0.1"] });
    const signal = AbortSignal.timeout(20);
    await expect(outbound.fetch(`http://127.0.0.1:${port}/`, { signal })).rejects.toThrow(/abort/i);
  });
});

describe("isAllowedHostEntry()", () => {
  it("takes hosts and ranges, and nothing else", () => {
    const good = [
      "git.example",
      "git.example:8443",
      "*.corp.example",
      "10.0.0.0/8",
      "fd00::/8",
      "10.1.2.3",
      "::1",
      "[::1]:80",
    ];
    expect(good.filter((entry) => !isAllowedHostEntry(entry))).toEqual([]);
    const bad = ["http://git.example", "git.example/path", "10.0.0.0/33", "*", "a b", "-", "git.example:", ""];
    expect(bad.filter(isAllowedHostEntry)).toEqual([]);
  });
});
