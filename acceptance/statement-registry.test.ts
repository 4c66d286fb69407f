/** For which registry a publisher's signature counts. */
import { createServer, type Server } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";

let own: RegistryProcess;
let other: RegistryProcess;
let mirror: Server;
let mirrorOf: string | undefined;
let publisher: Sandbox;
const readers: Sandbox[] = [];

/** Somebody who hands on every answer of a registry under an address of his own. */
async function startMirror(of: string): Promise<Server> {
  const server = createServer((request, response) => {
    void (async () => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of request) chunks.push(chunk as Uint8Array);
      const answer = await fetch(`${of}${request.url}`, {
        method: request.method ?? "GET",
        headers: { "content-type": "application/json", host: request.headers.host ?? "" },
        ...(chunks.length === 0 ? {} : { body: Buffer.concat(chunks) }),
      });
      const text = Buffer.from(await answer.arrayBuffer());
      const isText = (answer.headers.get("content-type") ?? "").includes("json");
      const body = isText ? text.toString().replaceAll(of, addressOf(server)) : text;
      response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") ?? "text/plain" });
      const description = { ...(isText ? (JSON.parse(body.toString()) as object) : {}), mirror: { of: mirrorOf } };
      response.end(request.url === "/.well-known/lading.json" ? JSON.stringify(description) : text);
    })();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

const addressOf = (server: Server): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

async function publish(version: string, line: string): Promise<void> {
  publisher.write("tool/lading.toml", `[package]\nname = "tool"\nversion = "${version}"\nlicense = "MIT"\n`);
  await publisher.ok(`lading -C tool publish ${line}`, { env: { LADING_TOKEN: own.token } });
}

/** A new user's installation of a version from a registry. */
async function reader(url: string, version: string, more = "") {
  const sandbox = createSandbox();
  readers.push(sandbox);
  await sandbox.ok(`lading registry add there ${url}`);
  const file = "~/.config/lading/registries.toml";
  sandbox.write(file, `${sandbox.read(file)}\n${more}`);
  sandbox.write("lading.toml", `[package]\nname = "app"\nversion = "1.0.0"\n[dependencies]\ntool = "=${version}"\n`);
  return sandbox.line("lading install");
}

/** What the statement of a version says. */
async function named(version: string): Promise<unknown> {
  await publisher.ok(`lading fetch tool@${version} --output got`);
  const { payload } = JSON.parse(publisher.read(`got/tool-${version}.lpk.sig`)) as { payload: string };
  return (JSON.parse(Buffer.from(payload, "base64").toString()) as { predicate: { registry?: unknown } }).predicate
    .registry;
}

beforeAll(async () => {
  [own, other] = await Promise.all([startRegistry(), startRegistry()]);
  mirror = await startMirror(own.url);
  publisher = createSandbox();
  await publisher.ok(`lading registry add own ${own.url} --default`);
  await publisher.ok(`lading registry add other ${other.url}`);
  await publisher.ok("lading keygen --output key.pem");
  await publish("1.0.0", "--key ../key.pem");
  await publish("2.0.0", "--key ../key.pem --any-registry");
});

afterAll(async () => {
  await Promise.all([own, other, publisher, ...readers].map((one) => one?.dispose()));
  mirror?.close();
});

test("[SIG-10] publish signs for the registry that it publishes to, or with --any-registry for every one", async () => {
  expect(await named("1.0.0")).toBe(`${own.url}/`);
  expect(await named("2.0.0")).toBeUndefined();
});

test("[SIG-15] a registry refuses a statement that was made for another, and takes one for every registry", async () => {
  const env = { env: { LADING_TOKEN_OTHER: other.token } };
  const key = await publisher.line("lading publish got/tool-1.0.0.lpk --registry other --json", env);
  expect(key.code).not.toBe(0);
  expect(key.stderr).toContain("STATEMENT_REFUSED");
  expect(key.stderr).toContain(own.url);
  await publisher.ok("lading publish got/tool-2.0.0.lpk --registry other", env);
});

test("[SIG-22] an installation takes it under every name of that machine, and under no other registry's", async () => {
  expect((await reader(own.url.replace("127.0.0.1", "localhost"), "1.0.0")).code).toBe(0);
  const refused = await reader(addressOf(mirror), "1.0.0");
  expect(refused.code).toBe(7);
  expect(refused.stderr).toContain("error[SIGNATURE_SUBJECT_MISMATCH]");
  expect((await reader(addressOf(mirror), "2.0.0")).code).toBe(0);
  // Who knows that it is a mirror says so: by the address, or by the root of the registry that it says it is a mirror of.
  mirrorOf = `${own.url}/`;
  expect((await reader(addressOf(mirror), "1.0.0")).code).toBe(7);
  const root = /Root 1: (sha256:[0-9a-f]{64})/.exec(own.output())![1]!;
  expect(await reader(addressOf(mirror), "1.0.0", `root = "${root}"\n`)).toMatchObject({ code: 0 });
  expect(await reader(addressOf(mirror), "1.0.0", `aliases = ["${own.url}"]\n`)).toMatchObject({ code: 0 });
});
