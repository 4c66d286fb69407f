import { chmodSync, existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { EXIT_CODES, parseSize, type LadingEvent } from "@lading/core-manifest";
import {
  createContext,
  history,
  install,
  pack,
  publish,
  registryAdd,
  rollback,
  update,
  verifyEnvironment,
  type ContextInput,
} from "@lading/engine";
import { createMemoryCache, createRegistryClient, registryConfig, type RegistryConfig } from "@lading/registry-client";
import { createDiskCache, createNodeFetch } from "@lading/registry-client/node";
import { startTestRegistry } from "@lading/registry-client/testing";
import { apiJson, createSandbox, startRegistry, type RegistryProcess } from "./lib/harness.ts";
import {
  createProject,
  failure,
  locked,
  publishPackage,
  removeTemporary,
  temporary,
  type Project,
} from "./lib/more.ts";

let registry: RegistryProcess;

beforeAll(async () => {
  registry = await startRegistry();
  for (const version of ["1.0.0", "1.1.0"]) {
    await publishPackage(registry, { name: "in-leaf", version, files: { "leaf.txt": `leaf ${version}` } });
  }
  await publishPackage(registry, {
    name: "in-tool",
    version: "1.0.0",
    needs: { "in-leaf": "1" },
    files: { "bin/tool.txt": "tool" },
  });
});

afterAll(async () => {
  await registry.dispose();
  removeTemporary();
});

const manifest = (dependencies: string): Record<string, string> => ({
  "lading.toml": `[package]\nname = "app"\nversion = "1.0.0"\n\n[dependencies]\n${dependencies}\n`,
});
const projectOf = (dependencies: string): Project =>
  createProject(manifest(dependencies), { registry: registry.url, token: registry.token });
const installed = (project: Project, file: string): string =>
  readFileSync(path.join(project.root, "lading_packages", file), "utf8");

/** Every path below a directory, without what is behind links. */
const tree = (directory: string): string[] =>
  existsSync(directory) ? readdirSync(directory, { recursive: true, encoding: "utf8" }).toSorted() : [];

describe("installing", () => {
  test("[INS-01] [INS-08] install takes a name, or exactly name@version, and records it", async () => {
    const project = createProject({}, { registry: registry.url });
    project.write({ "readme.txt": "an empty directory otherwise" });
    await project.use((context) => install({ specs: ["in-tool"] }, context));
    expect(installed(project, "in-tool/bin/tool.txt")).toBe("tool");
    expect(locked(project.lock())).toEqual(["in-leaf 1.1.0", "in-tool 1.0.0"]);
    const packs = createProject(
      { "pack.yaml": "ref: app\nversion: 1.0.0\n" },
      { profile: "attune", registry: registry.url },
    );
    await packs.use((context) => install({ specs: ["in-leaf@1.0.0"] }, context));
    expect(packs.read("packs/in-leaf/leaf.txt")).toBe("leaf 1.0.0");
    expect(locked(packs.lock())).toEqual(["in-leaf 1.0.0"]);
  });

  test("[INS-06] install takes a directory", async () => {
    const project = createProject({
      "app/lading.toml": `[package]\nname = "app"\nversion = "1.0.0"\n`,
      "near/lading.toml": `[package]\nname = "near"\nversion = "0.1.0"\n`,
      "near/near.txt": "near",
    });
    const cwd = path.join(project.root, "app");
    await project.use((context) => install({ specs: ["../near"] }, context), { cwd, offline: true });
    expect(readFileSync(path.join(cwd, "lading_packages/near/near.txt"), "utf8")).toBe("near");
  });

  test("[INS-10] two projects hold different versions of one package at the same time", async () => {
    const [old, recent] = [projectOf(`in-leaf = "=1.0.0"`), projectOf(`in-leaf = "=1.1.0"`)];
    await Promise.all([old, recent].map((project) => project.use((context) => install({}, context))));
    expect([installed(old, "in-leaf/leaf.txt"), installed(recent, "in-leaf/leaf.txt")]).toEqual([
      "leaf 1.0.0",
      "leaf 1.1.0",
    ]);
  });

  test("[INS-15] [ARC-14] a deleted or changed installed file fails verification, which names it", async () => {
    const project = projectOf(`in-tool = "1"`);
    await project.use((context) => install({ link: "copy" }, context));
    const verify = () => project.use((context) => verifyEnvironment({ full: true }, context));
    expect((await verify()).packages).toBe(2);
    const store = path.join(project.home, ".local/share/lading/store");
    expect(existsSync(store)).toBe(true);
    const file = tree(store).find((one) => one.endsWith("bin/tool.txt"))!;
    const target = path.join(store, file);
    chmodSync(path.dirname(target), 0o755);
    chmodSync(target, 0o644);
    writeFileSync(target, "toot");
    await expect(verify()).rejects.toMatchObject({
      code: "INSTALL_VERIFY_FAILED",
      details: { explanation: expect.stringContaining("bin/tool.txt") },
    });
    rmSync(target);
    await expect(verify()).rejects.toMatchObject({
      code: "INSTALL_VERIFY_FAILED",
      details: { explanation: expect.stringContaining("bin/tool.txt") },
    });
  });

  test("[INS-16] a failing update leaves the earlier state, and rollback restores one", async () => {
    await publishPackage(registry, { name: "ro-lib", version: "1.0.0", files: { "v.txt": "one" } });
    const project = projectOf(`ro-lib = "1"`);
    await project.use((context) => install({}, context));
    const second = await publishPackage(registry, { name: "ro-lib", version: "1.1.0", files: { "v.txt": "two" } });
    const { fetch: send } = createNodeFetch();
    const breaking: Partial<ContextInput> = {
      fetch: (url, init) =>
        url.includes(second.blob.slice(7)) ? Promise.reject(new Error("the cable is cut")) : send(url, init),
    };
    expect(await failure(() => project.use((context) => update({ names: ["ro-lib"] }, context), breaking))).toMatch(
      /^REGISTRY_/,
    );
    expect(installed(project, "ro-lib/v.txt")).toBe("one");
    await project.use((context) => update({ names: ["ro-lib"] }, context));
    expect(installed(project, "ro-lib/v.txt")).toBe("two");
    await project.use((context) => rollback({}, context));
    expect(installed(project, "ro-lib/v.txt")).toBe("one");
    expect((await project.use((context) => history({}, context))).length).toBeGreaterThanOrEqual(2);
  });

  test("[INS-18] [INS-19] what fails validation registers nothing, and leaves no temporary file", async () => {
    const bad = await publishPackage(registry, {
      name: "ba-lib",
      version: "1.0.0",
      files: { "x.txt": "x".repeat(5000) },
    });
    const project = projectOf(`in-leaf = "1"`);
    await project.use((context) => install({}, context));
    const before = tree(path.join(project.root, "lading_packages"));
    project.write(manifest(`in-leaf = "1"\nba-lib = "1"`));
    const blob = tree(registry.data).find((file) => file.endsWith(bad.blob.slice(7)))!;
    const file = path.join(registry.data, blob);
    chmodSync(file, 0o644);
    const damaged = Buffer.from(bad.bytes);
    damaged[damaged.length - 20]! ^= 1;
    writeFileSync(file, damaged);
    const temporaryPlaces = () => tree(project.home).filter((one) => /tmp|temp|part|incoming|download/i.test(one));
    const placesBefore = temporaryPlaces();
    expect(await failure(() => project.use((context) => install({}, context)))).toBe("DOWNLOAD_DIGEST_MISMATCH");
    expect(tree(path.join(project.root, "lading_packages"))).toEqual(before);
    expect(await project.use((context) => history({}, context))).toHaveLength(1);
    expect((await project.use((context) => verifyEnvironment({ full: true }, context))).packages).toBe(1);
    expect(temporaryPlaces()).toEqual(placesBefore);
    writeFileSync(file, bad.bytes);
    await project.use((context) => install({}, context));
    expect(installed(project, "ba-lib/x.txt")).toHaveLength(5000);
  });

  test("[LCK-05] [CCH-25] bytes other than the lock's are never installed, and a damaged stored file is fetched again", async () => {
    const project = projectOf(`in-tool = "1"`);
    await project.use((context) => install({}, context));
    const store = path.join(project.home, ".local/share/lading/store");
    const file = path.join(
      store,
      tree(store).find((one) => one.endsWith("bin/tool.txt"))!,
    );
    chmodSync(path.dirname(file), 0o755);
    chmodSync(file, 0o644);
    writeFileSync(file, "evil");
    rmSync(path.join(project.root, "lading_packages"), { recursive: true });
    rmSync(path.join(project.root, ".lading"), { recursive: true });
    const again = (offline: boolean) => project.use((context) => install({ verify: "full" }, context), { offline });
    expect(await failure(() => again(true))).toMatch(/^(?:STORE_|REGISTRY_OFFLINE)/);
    await again(false);
    expect(installed(project, "in-tool/bin/tool.txt")).toBe("tool");
  });

  test("[INS-17] the steps of an install come in order: lock, verify, download, unpack, activate", async () => {
    const project = projectOf(`in-tool = "1"`);
    await project.use((context) => install({}, context));
    const order = project.events.flatMap((event) => (event.type === "step-started" ? [event.step] : [event.type]));
    const first = (name: string): number => order.indexOf(name);
    expect(first("verify")).toBeGreaterThan(-1);
    expect(first("verify")).toBeLessThan(first("downloading"));
    expect(first("downloading")).toBeLessThan(first("install"));
    expect(project.events.at(-1)).toMatchObject({ type: "step-completed", step: "install" });
  });

  test("[INS-24] the record of an installed package has source, URL, checksum and time", async () => {
    const project = projectOf(`in-tool = "1"`);
    const { install: outcome } = await project.use((context) => install({}, context));
    const record = outcome!.result.generation.packages.find(({ name }) => name === "in-tool")!;
    expect(record).toMatchObject({
      version: "1.0.0",
      source: { type: "registry", url: `${registry.url}/` },
      checksum: project.lock().packages.find(({ name }) => name === "in-tool")!.checksum,
      installed: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    });
  });

  test("[INS-28] a finished step, a warning and a failed step have their marks, as plain text when piped", async () => {
    const sandbox = createSandbox({ env: { LADING_REGISTRY_URL: registry.url } });
    await publishPackage(registry, { name: "de-lib", version: "1.0.0" });
    await apiJson(registry, "/api/v1/packages/de-lib/versions/1.0.0/deprecate", {
      method: "POST",
      body: JSON.stringify({ reason: "use in-leaf" }),
    });
    sandbox.write("lading.toml", manifest(`de-lib = "1"`)["lading.toml"]!);
    const good = await sandbox.ok("lading install");
    sandbox.write("lading.toml", manifest(`in-nowhere = "1"`)["lading.toml"]!);
    const bad = await sandbox.line("lading install");
    await sandbox.dispose();
    expect(good.stderr).toContain("✓");
    expect(good.stderr).toContain("⚠");
    expect(bad.stderr).toMatch(/^ *✗ [^]*^error\[RESOLUTION_IMPOSSIBLE\]/m);
    expect(`${good.stdout}${good.stderr}${bad.stderr}`).not.toContain("\u001b");
  });
});

describe("progress", () => {
  test("[CCH-34] [CCH-35] [CCH-36] every kind of event is told, downloads only grow, and without a listener it is silent", async () => {
    await publishPackage(registry, {
      name: "ev-lib",
      version: "1.0.0",
      files: { "big.bin": Buffer.alloc(400_000, 7) },
      codec: "none",
    });
    await apiJson(registry, "/api/v1/packages/ev-lib/versions/1.0.0/deprecate", {
      method: "POST",
      body: JSON.stringify({ reason: "old" }),
    });
    const project = createProject({}, { registry: registry.url });
    project.write({ "a.txt": "" });
    await project.use((context) => install({ specs: ["ev-lib"] }, context));
    const types = new Set(project.events.map(({ type }) => type));
    for (const type of [
      "step-started",
      "step-completed",
      "downloading",
      "extracting",
      "verifying",
      "warning",
      "info",
    ]) {
      expect([...types]).toContain(type);
    }
    const downloads = project.events.filter(
      (event): event is LadingEvent & { type: "downloading" } => event.type === "downloading",
    );
    const bytes = downloads.map(({ downloadedBytes }) => downloadedBytes);
    expect(bytes).toEqual(bytes.toSorted((left, right) => left - right));
    expect(downloads.at(-1)).toMatchObject({
      totalBytes: bytes.at(-1),
      url: expect.stringContaining("/blobs/sha256/"),
    });
    const silent = createProject(manifest(`ev-lib = "1"`), { registry: registry.url });
    const write = vi.spyOn(process.stdout, "write");
    await silent.use(async ({ profile, cwd, home, env }) => {
      const context = createContext({ profile, cwd, home, env });
      await install({}, context).finally(() => context.close());
    });
    expect(write).not.toHaveBeenCalled();
    write.mockRestore();
  });
});

describe("the client", () => {
  /** A server of a few lines in front of the checks. */
  async function serve(listener: RequestListener): Promise<{ url: string; server: Server }> {
    const server = createServer(listener);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  }
  const clientOf = (url: string, change: Partial<RegistryConfig> = {}) =>
    createRegistryClient({
      registry: registryConfig({ name: "local", url, ...change }),
      fetch: createNodeFetch().fetch,
    });

  test("[CCH-05] publishing as a dry run validates and sends nothing", async () => {
    const fake = await startTestRegistry();
    const project = createProject(manifest(""), { registry: fake.url, token: "t" });
    const [result] = await project.use((context) => publish({ dryRun: true }, context));
    expect(result).toMatchObject({ outcome: "dry-run", name: "app", version: "1.0.0" });
    expect(fake.requests.filter(({ method }) => method !== "GET")).toEqual([]);
    expect(fake.publications).toEqual([]);
    await fake.close();
  });

  test("[CCH-06] each class of failure has its own code and exit status", async () => {
    const statuses = new Set(Object.values(EXIT_CODES));
    expect(statuses.size).toBeGreaterThanOrEqual(6);
    const sandbox = createSandbox({ env: { LADING_REGISTRY_URL: registry.url } });
    sandbox.write("broken/lading.toml", "[package\n");
    sandbox.write("none/lading.toml", manifest(`in-leaf = "9"`)["lading.toml"]!);
    sandbox.write("app/lading.toml", manifest("")["lading.toml"]!);
    const outcomes = await Promise.all([
      sandbox.line("lading install --no-such-flag", { cwd: "app" }),
      sandbox.line("lading install", { cwd: "broken" }),
      sandbox.line("lading install", { cwd: "none" }),
      sandbox.line("lading search x --registry http://127.0.0.1:9/", { cwd: "app" }),
      sandbox.line("lading whoami", { cwd: "app", env: { LADING_TOKEN: "ldg_wrong" } }),
    ]);
    await sandbox.dispose();
    expect(outcomes.map(({ code }) => code)).toEqual([2, 3, 4, 5, 6]);
    const codes = outcomes.map(({ stderr }) => /error\[([A-Z_]+)\]/.exec(stderr)?.[1]);
    expect(new Set(codes).size).toBe(5);
    expect(codes).not.toContain(undefined);
  });

  test("[CCH-09] a package that only a second registry has is found where the second is configured to be asked", async () => {
    const second = await startRegistry();
    await publishPackage(second, { name: "only-here", version: "1.0.0", files: { "here.txt": "here" } });
    const project = createProject(manifest(`only-here = "1"`), {});
    await project.use((context) => registryAdd({ name: "first", url: registry.url }, context));
    await project.use((context) => registryAdd({ name: "second", url: second.url }, context));
    expect(await failure(() => project.use((context) => install({}, context)))).toBe("RESOLUTION_IMPOSSIBLE");
    const configured = createProject(manifest(`only-here = "1"`), {});
    await configured.use((context) => registryAdd({ name: "first", url: registry.url }, context));
    await configured.use((context) => registryAdd({ name: "second", url: second.url, fallback: true }, context));
    await configured.use((context) => install({}, context));
    expect(installed(configured, "only-here/here.txt")).toBe("here");
    expect(configured.lock().packages[0]!.source).toEqual({ type: "registry", url: `${second.url}/` });
    await second.dispose();
  });

  test("[CCH-11] plain http to another machine is refused, unless it is allowed", async () => {
    const project = createProject({ "lading.toml": manifest("")["lading.toml"]! });
    const url = "http://packages.example.com/";
    expect(await failure(() => project.use((context) => registryAdd({ name: "company", url }, context)))).toBe(
      "REGISTRY_INSECURE",
    );
    const allowed = { name: "company", url, allowInsecure: true, verifySignatures: true };
    expect(await project.use((context) => registryAdd(allowed, context))).toMatchObject({ url });
  });

  test("[CCH-12] a silent server is a timeout error within the configured time", async () => {
    const { url, server } = await serve(() => {});
    const client = clientOf(url, { timeoutMs: 300, maxRetries: 0 });
    const started = performance.now();
    await expect(client.packageDocument("anything")).rejects.toMatchObject({ code: "REGISTRY_TIMEOUT" });
    expect(performance.now() - started).toBeLessThan(2_000);
    await client.close();
    server.closeAllConnections();
    server.close();
  });

  test("[CCH-13] two failures and then success succeed, four failures stop", async () => {
    const fake = await startTestRegistry();
    const attempts = async (failures: number): Promise<{ asked: number; outcome: unknown }> => {
      let asked = 0;
      fake.intercept = (request, response) => {
        if (!request.url!.includes("/index/")) return false;
        asked++;
        const failing = asked <= failures;
        const body = failing ? "{}" : `{"code":"PACKAGE_NOT_FOUND","status":404}`;
        response.writeHead(failing ? 503 : 404, { "content-type": "application/problem+json" }).end(body);
        return true;
      };
      const client = clientOf(fake.url, { maxRetries: 3 });
      const outcome = await client.packageDocument("anything").catch((error: unknown) => error);
      await client.close();
      return { asked, outcome };
    };
    expect(await attempts(2)).toEqual({ asked: 3, outcome: undefined });
    expect(await attempts(4)).toMatchObject({ asked: 4, outcome: { code: "REGISTRY_UNAVAILABLE" } });
    await fake.close();
  });

  test("sizes of the cache limit are read with their units", () => {
    expect(["512KB", "10MB", "1GB"].map(parseSize)).toEqual([512_000, 10_000_000, 1_000_000_000]);
  });

  test("[CCH-21] [CCH-26] a second look-up reads no disk in one process, and asks 304 in the next", async () => {
    const directory = temporary();
    const cache = createDiskCache(directory);
    const open = () =>
      createRegistryClient({
        registry: registryConfig({ name: "local", url: registry.url }),
        fetch: createNodeFetch().fetch,
        cache,
      });
    const first = open();
    await first.packageDocument("in-tool");
    const before = first.metrics();
    await first.packageDocument("in-tool");
    const after = first.metrics();
    expect(after.memoryHits).toBe(before.memoryHits + 1);
    expect([after.requests, after.cacheReads]).toEqual([before.requests, before.cacheReads]);
    const second = open();
    expect((await second.packageDocument("in-tool"))!.versions).toHaveLength(1);
    expect(second.metrics().notModified).toBeGreaterThanOrEqual(1);
    await Promise.all([first.close(), second.close()]);
  });

  test("[OBS-05] the client counts its requests and cache hits", async () => {
    const client = createRegistryClient({
      registry: registryConfig({ name: "local", url: registry.url }),
      fetch: createNodeFetch().fetch,
      cache: createMemoryCache(),
    });
    await client.packageDocument("in-tool");
    const first = client.metrics();
    await client.packageDocument("in-tool", { refresh: true });
    const second = client.metrics();
    await client.close();
    // Whether signed metadata has news, and whether the index has a document that it does not name yet.
    expect(second.requests).toBe(first.requests + 2);
    expect(second.cacheHits).toBe(first.cacheHits + 1);
    expect(second.cacheHits / second.cacheReads).toBeLessThanOrEqual(1);
  });

  test("[CCH-27] ten downloads that take 200 ms each are done within a second", async () => {
    const fake = await startTestRegistry();
    const blobs = Array.from({ length: 10 }, (_, n) => Buffer.from(`blob number ${n}`)).map((bytes) => ({
      bytes,
      blob: fake.addBlob(bytes),
    }));
    let delayed = 0;
    fake.intercept = (request, response) => {
      if (!request.url!.includes("/blobs/")) return false;
      delayed++;
      const found = blobs.find(({ blob }) => request.url!.includes(blob.slice(7)))!;
      setTimeout(() => response.end(found.bytes), 200);
      return true;
    };
    const client = clientOf(fake.url);
    await client.describe();
    const directory = temporary();
    const started = performance.now();
    await client.downloadMany(
      blobs.map(({ blob, bytes }, n) => ({
        artifact: { blob, size: bytes.length },
        destination: path.join(directory, `${n}`),
      })),
    );
    expect(performance.now() - started).toBeLessThan(1000);
    expect(delayed).toBe(10);
    await client.close();
    await fake.close();
  });

  test("[ARC-10] what is ignored, built or secret does not go into a package", async () => {
    const project = createProject({
      ...manifest(""),
      "src/main.txt": "main",
      ".git/config": "[core]",
      ".gitignore": "*.log\n",
      "debug.log": "noise",
      "target/old.bin": "built",
      "signing.pem":
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n-----END PRIVATE KEY-----\n",
    });
    const [packed] = await project.use((context) => pack({}, context));
    expect(packed!.contents).toContain("src/main.txt");
    for (const name of [".git/config", "debug.log", "target/old.bin", "signing.pem"])
      expect(packed!.contents).not.toContain(name);
  });
});
