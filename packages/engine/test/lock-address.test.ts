import { once } from "node:events";
import { readFile, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { install, registryAdd, update } from "../src/index.ts";
import type { ContextInput } from "../src/lib/engine-context.ts";
import { createSandbox, type Sandbox } from "../src/testing.ts";

let box: Sandbox;
let server: Server;
let url: string;
let tokens: (string | undefined)[];

/** The sandbox's registry over HTTP, so that what is sent along can be seen. */
beforeEach(async () => {
  box = await createSandbox();
  tokens = [];
  server = createServer((request, response) => {
    tokens.push(request.headers.authorization);
    if (request.url === "/.well-known/lading.json") {
      response.end(JSON.stringify({ protocol: 1 }));
      return;
    }
    const file = path.join(box.root, "registry", decodeURIComponent(new URL(request.url!, "http://x").pathname));
    readFile(file).then(
      (bytes) => response.end(bytes),
      () => response.writeHead(404).end(),
    );
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  await box.registry.publish({ name: "tool", version: "1.0.0", files: { "tool.txt": "one" } });
  await box.write({ "lading.toml": '[package]\nname = "app"\nversion = "1.0.0"\n[dependencies]\ntool = "1"\n' });
});
afterEach(async () => {
  server.close();
  await box.remove();
});

const TOKENS = { LADING_TOKEN: "general", LADING_TOKEN_DEFAULT: "default", LADING_TOKEN_LOCK: "lock" };
/** Nothing but the command line ever says where packages come from. */
const plain = (more: Partial<ContextInput> = {}): Partial<ContextInput> => ({
  env: { PATH: process.env["PATH"] },
  ...more,
});
const forget = async (): Promise<void> => {
  for (const directory of [".local", ".cache"])
    await rm(path.join(box.home, directory), { recursive: true, force: true });
  for (const directory of [".lading", "lading_packages"])
    await rm(path.join(box.project, directory), { recursive: true, force: true });
};

describe("what was locked with --registry URL, where no registry is configured", () => {
  beforeEach(async () => {
    await box.use((context) => install({}, context), plain({ registry: url }));
    box.events.length = 0;
    tokens.length = 0;
  });

  it("is installed from the address in the lock, without any token of its user", async () => {
    await forget();
    const named = new URL(url).host.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_");
    const env = { PATH: process.env["PATH"], ...TOKENS, [`LADING_TOKEN_${named}`]: "of its name" };
    await box.use((context) => install({}, context), { env });
    expect(await box.read("lading_packages/tool/tool.txt")).toBe("one");
    expect(tokens.length).toBeGreaterThan(0);
    expect(tokens.every((token) => token === undefined)).toBe(true);
    expect(box.events).toContainEqual(expect.objectContaining({ code: "TOKEN_WITHHELD" }));
    expect(box.events).toContainEqual({
      type: "info",
      message: `No registry is configured: asking ${url}, which the lock names`,
    });
  });

  it("is updated from there, and the lock goes on naming it", async () => {
    await box.registry.publish({ name: "tool", version: "1.1.0", files: { "tool.txt": "two" } });
    await box.use((context) => update({}, context), plain());
    const lock = await box.read("lading.lock");
    expect(lock).toContain('version = "1.1.0"');
    expect(lock).toContain(`registry+${url}`);
  });

  it("is held to the lock's digests", async () => {
    await forget();
    const lock = await box.read("lading.lock");
    await box.write({ "lading.lock": lock.replaceAll(/sha256:[0-9a-f]{8}/g, "sha256:00000000") });
    await expect(box.use((context) => install({ mode: "frozen" }, context), plain())).rejects.toMatchObject({
      code: "LOCK_CHECKSUM_MISMATCH",
    });
  });

  it("still needs a registry where the lock names several, or its user has configured another", async () => {
    await forget();
    const lock = await box.read("lading.lock");
    const [head, entry] = lock.split("[[packages]]");
    const other = entry!.replace('"tool"', '"tool-b"').replace(url, "https://other.example/");
    await box.write({ "lading.lock": `${head}[[packages]]${entry}\n[[packages]]${other}` });
    await expect(box.use((context) => install({ mode: "frozen" }, context), plain())).rejects.toMatchObject({
      code: "REGISTRY_NOT_CONFIGURED",
    });
    await box.write({ "lading.lock": lock });
    await box.use((context) => registryAdd({ name: "own", url: box.registry.url }, context), plain());
    tokens.length = 0;
    await expect(box.use((context) => install({ mode: "frozen" }, context), plain())).rejects.toMatchObject({
      code: "REGISTRY_UNKNOWN",
    });
    expect(tokens).toEqual([]);
  });
});
