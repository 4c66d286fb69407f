import { createHash } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";
import { publishPackage } from "./lib/more.ts";

let registry: RegistryProcess;
let cdn: Server;
let origin = "";
const asked: { readonly path: string; readonly authorization: string | undefined }[] = [];
const sandboxes: Sandbox[] = [];

beforeAll(async () => {
  // Passes on what the registry has, as a pull-through cache does.
  cdn = createServer((request, response) => {
    asked.push({ path: request.url!, authorization: request.headers.authorization });
    void fetch(`${origin}${request.url!}`).then(async (found) => {
      response.writeHead(found.status, { "content-length": found.headers.get("content-length") ?? "0" });
      response.end(Buffer.from(await found.arrayBuffer()));
    });
  });
  await new Promise<void>((resolve) => cdn.listen(0, "127.0.0.1", resolve));
  const { port } = cdn.address() as AddressInfo;
  registry = await startRegistry({ env: { REGISTRY_CDN_URL: `http://127.0.0.1:${port}` } });
  origin = registry.url;
});
afterAll(async () => {
  await Promise.all(sandboxes.map((sandbox) => sandbox.dispose()));
  await new Promise((resolve) => cdn.close(resolve));
  await registry.dispose();
});

function open(): Sandbox {
  const sandbox = createSandbox({ env: { LADING_TOKEN: registry.token, LADING_REGISTRY_URL: registry.url } });
  sandboxes.push(sandbox);
  return sandbox;
}

test("[CCH-24] immutable files carry cache headers, and clients fetch them from the CDN that is set, without a token", async () => {
  const built = await publishPackage(registry, { name: "cached", version: "1.0.0", files: { "data.txt": "data" } });
  const hex = built.blob.slice("sha256:".length);
  const direct = await fetch(`${registry.url}/blobs/sha256/${hex}`);
  await direct.arrayBuffer();
  expect(direct.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
  expect(direct.headers.get("etag")).toContain(hex);

  const box = open();
  box.write("app/lading.toml", '[package]\nname = "app"\nversion = "1.0.0"\n\n[dependencies]\ncached = "1"\n');
  await box.ok("lading install", { cwd: "app" });
  expect(box.read("app/lading_packages/cached/data.txt")).toBe("data");
  expect(asked.map(({ path }) => path)).toContain(`/blobs/sha256/${hex}`);
  expect(asked.every(({ path, authorization }) => path.startsWith("/blobs/") && authorization === undefined)).toBe(
    true,
  );

  const redirect = await fetch(`${registry.url}/api/v1/packages/cached/versions/1.0.0/download`, {
    redirect: "manual",
  });
  const { port } = cdn.address() as AddressInfo;
  expect(redirect.headers.get("location")).toBe(`http://127.0.0.1:${port}/blobs/sha256/${hex}`);
});

test("a registry that asks for credentials to read sends nobody to a CDN", async () => {
  const closed = await startRegistry({
    env: { REGISTRY_CDN_URL: "https://cdn.example", REGISTRY_READ_PUBLIC: "false" },
  });
  const found = (await (await fetch(`${closed.url}/.well-known/lading.json`)).json()) as { blobs: string };
  expect(found.blobs).toBe(`${closed.url}/blobs/sha256/`);
  await closed.dispose();
});

test("[IDX-23] /simple/ and /simple/NAME/ list files with #sha256=, and an installer of simple indexes takes them", async () => {
  const box = open();
  for (const [name, needs] of [
    ["simple-base", ""],
    ["simple-tool", '\n[dependencies]\nsimple-base = ">=1.0"\n'],
  ] as const) {
    box.write(`${name}/revitpy.toml`, `[package]\nname = "${name}"\nversion = "1.0.0"\nlicense = "MIT"\n${needs}`);
    box.write(`${name}/data.txt`, name);
    await box.ok(`revitpy-build package --source . --registry ${registry.url}`, { cwd: name });
    await box.ok(`revitpy-build publish --registry ${registry.url} --token ${registry.token}`, { cwd: name });
  }
  const names = await (await fetch(`${registry.url}/simple/`)).text();
  expect(names).toContain(`<a href="${registry.url}/simple/simple-tool/">simple-tool</a>`);
  const files = await (await fetch(`${registry.url}/simple/simple-tool/`)).text();
  const [, href, digest, file] = /<a href="([^"#]+)#sha256=([0-9a-f]{64})">([^<]+)<\/a>/.exec(files)!;
  expect(file).toBe("simple-tool-1.0.0.tar.gz");
  expect(href!.endsWith(`/${file!}`)).toBe(true);
  const bytes = Buffer.from(await (await fetch(href!)).arrayBuffer());
  expect(createHash("sha256").update(bytes).digest("hex")).toBe(digest);

  const missing = await fetch(`${registry.url}/simple/nothing/`);
  expect([missing.status, ((await missing.json()) as { code: string }).code]).toEqual([404, "PACKAGE_NOT_FOUND"]);

  box.write("app/revitpy.toml", '[package]\nname = "app"\nversion = "1.0.0"\n');
  await box.ok(`revitpy-install install --index-url ${registry.url}/simple/ simple-tool`, {
    cwd: "app",
    env: { LADING_REGISTRY_URL: "" },
  });
  expect(box.read("app/revitpy_packages/simple-tool/data.txt")).toBe("simple-tool");
  expect(box.read("app/revitpy_packages/simple-base/data.txt")).toBe("simple-base");
});
