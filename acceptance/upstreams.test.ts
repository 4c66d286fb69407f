/** Mirrors and proxies as their operators and users see them: real servers on loopback, real command lines. */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { apiJson, createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";

// Many processes one after the other, on machines that do other things meanwhile.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 300_000 });

const place = mkdtempSync(path.join(tmpdir(), "lading-upstreams-"));
const opened: RegistryProcess[] = [];
const sandboxes: Sandbox[] = [];
let upstream: RegistryProcess;
let root: string;
let publisher: Sandbox;

function sandbox(env: Readonly<Record<string, string>> = {}): Sandbox {
  const made = createSandbox({ env });
  sandboxes.push(made);
  return made;
}

async function open(options: Parameters<typeof startRegistry>[0]): Promise<RegistryProcess> {
  const registry = await startRegistry(options);
  opened.push(registry);
  return registry;
}

/** Publishes upstream, for the upstream: a mirror's users know its root, by which they know whose packages it hands on. */
async function publish(name: string, version: string, flags = ""): Promise<void> {
  publisher.write("lib/lading.toml", `[package]\nname = "${name}"\nversion = "${version}"\n`);
  await publisher.ok(`lading publish --key ../first.pem ${flags}`, { cwd: "lib" });
}

/** Somebody with the publisher's key who never saw the registry before. */
function newPublisher(): Sandbox {
  const made = sandbox({ LADING_REGISTRY_URL: upstream.url, LADING_TOKEN: upstream.token });
  writeFileSync(made.path("first.pem"), publisher.read("first.pem"), { mode: 0o600 });
  made.write("lib/src/index.txt", "1");
  return made;
}

/** A user of a registry whose root is known from elsewhere. */
async function userOf(url: string): Promise<Sandbox> {
  const user = sandbox();
  await user.ok(`lading registry add pinned ${url} --root ${root}`);
  await user.ok("lading config set default-registry pinned");
  user.write("app/lading.toml", '[package]\nname = "app"\nversion = "1.0.0"\n');
  return user;
}

async function codeOf(url: string): Promise<string> {
  const answer = await fetch(url);
  const text = await answer.text();
  return answer.ok ? "ok" : (JSON.parse(text) as { code: string }).code;
}

const mirrorEnv = (change: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> => ({
  REGISTRY_MIRROR_UPSTREAM: upstream.url,
  REGISTRY_MIRROR_ROOT: root,
  REGISTRY_MIRROR_INTERVAL: "200ms",
  ...change,
});

beforeAll(async () => {
  upstream = await startRegistry({ data: path.join(place, "upstream") });
  root = /Root 1: (sha256:[0-9a-f]{64})/.exec(upstream.output())![1]!;
  publisher = sandbox({ LADING_REGISTRY_URL: upstream.url, LADING_TOKEN: upstream.token });
  await publisher.ok("lading keygen --output first.pem --no-trust");
  publisher.write("lib/src/index.txt", "1");
  await publish("mylib", "1.0.0");
});

afterAll(async () => {
  await Promise.all([...opened, upstream].map((registry) => registry?.dispose()));
  await Promise.all(sandboxes.map((one) => one.dispose()));
  rmSync(place, { recursive: true, force: true, maxRetries: 3 });
});

describe("a mirror", () => {
  let mirror: RegistryProcess;
  const data = path.join(place, "mirror");

  test("[SYN-01] pulls a new version of its upstream, with equal checksums", async () => {
    mirror = await open({ data, env: mirrorEnv() });
    await expect.poll(() => codeOf(`${mirror.url}/api/v1/health/ready`), { timeout: 120_000 }).toBe("ok");
    await publish("mylib", "1.1.0");
    const index = async (url: string): Promise<string> => (await fetch(`${url}/index/_/my/mylib.json`)).text();
    await expect.poll(async () => (await index(mirror.url)).includes("1.1.0"), { timeout: 120_000 }).toBe(true);
    expect(await index(mirror.url)).toBe(await index(upstream.url));
    const [theirs, ours] = [await userOf(upstream.url), await userOf(mirror.url)];
    for (const user of [theirs, ours]) await user.ok("lading add mylib", { cwd: "app" });
    const checksum = (user: Sandbox): string =>
      /checksum = "(sha256:[0-9a-f]{64})"/.exec(user.read("app/lading.lock"))![1]!;
    expect(checksum(ours)).toBe(checksum(theirs));
    expect(ours.read("app/lading.lock")).toContain("1.1.0");
    // The upstream's log proves the version to a client of the mirror.
    await ours.ok("lading install --locked", { cwd: "app" });
  });

  test("[SYN-02] goes on without its upstream, also after its own restart", async () => {
    await upstream.stop();
    const user = await userOf(mirror.url);
    await user.ok("lading add mylib", { cwd: "app" });
    expect(user.read("app/lading.lock")).toContain("1.1.0");
    await mirror.stop();
    mirror = await open({ data, env: mirrorEnv() });
    expect(await codeOf(`${mirror.url}/api/v1/health/ready`)).toBe("ok");
    const another = await userOf(mirror.url);
    await another.ok("lading add mylib@1.0.0", { cwd: "app" });
    const health = (await (await fetch(`${mirror.url}/api/v1/health`)).json()) as { upstreams: object[] };
    expect(health.upstreams).toMatchObject([{ name: "mirror", status: "stale" }]);
  });

  test("follows no upstream whose log was forked, and serves what it verified", async () => {
    // Two histories with the same keys: what somebody has who broke into the upstream.
    cpSync(path.join(place, "upstream"), path.join(place, "forked"), { recursive: true });
    const port = Number(new URL(upstream.url).port);
    upstream = await startRegistry({ data: path.join(place, "upstream"), port });
    const seen = async (): Promise<string> => (await fetch(`${mirror.url}/log/checkpoint`)).text();
    await publish("mylib", "1.2.0");
    await publish("mylib", "1.3.0");
    const index = async (): Promise<string> => (await fetch(`${mirror.url}/index/_/my/mylib.json`)).text();
    await expect.poll(async () => (await index()).includes("1.3.0"), { timeout: 120_000 }).toBe(true);
    const before = await seen();
    await upstream.stop();
    upstream = await startRegistry({ data: path.join(place, "forked"), port });
    publisher = newPublisher();
    // More than the mirror has seen, so that neither timestamp nor bins look older.
    for (const version of ["2.0.0", "2.1.0", "2.2.0", "2.3.0"]) await publish("mylib", version);
    const forked = /Cannot trust the log \S+ of \d+ entries: its first \d+ are not those that were there before/;
    await expect.poll(() => mirror.output(), { timeout: 120_000 }).toMatch(forked);
    const health = (await (await fetch(`${mirror.url}/api/v1/health`)).json()) as { upstreams: object[] };
    expect(health.upstreams).toMatchObject([{ error: "UPSTREAM_REFUSED" }]);
    expect(await seen()).toBe(before);
    expect(await index()).not.toContain("2.0.0");
  });
});

describe("the command mirror", () => {
  test("copies once, is incremental, and refuses another root", async () => {
    const operator = sandbox();
    const line = `lading-registry mirror --from ${upstream.url} --root ${root} --data data`;
    const first = (await operator.json(line)) as { packages: number; blobs: number; bytes: number; changed: boolean };
    expect(first).toMatchObject({ changed: true, packages: 1 });
    expect(first.bytes).toBeGreaterThan(0);
    expect(await operator.json(line)).toMatchObject({ changed: false, packages: 0, blobs: 0, bytes: 0 });
    await publish("another", "1.0.0");
    expect(await operator.json(line)).toMatchObject({ changed: true, packages: 1 });
    const wrong = await operator.line(
      `lading-registry mirror --from ${upstream.url} --root sha256:${"0".repeat(64)} --data other`,
    );
    expect([wrong.code, wrong.stderr]).toEqual([7, expect.stringContaining("[UPSTREAM_REFUSED]")]);
    operator.write("list.txt", "# what we use\nanother\n");
    const partial = (await operator.json(`${line.replace("--data data", "--data partial")} --list list.txt`)) as {
      blobs: number;
    };
    expect(partial.blobs).toBeLessThan(first.blobs);
  });
});

describe("an air gap", () => {
  test("is crossed by bundles, which are verified, incremental, and name what they carry", async () => {
    const outside = sandbox();
    const inside = sandbox();
    const copy = `lading-registry mirror --from ${upstream.url} --root ${root} --data data`;
    await outside.ok(copy);
    const first = (await outside.json("lading-registry admin export-bundle one --data data")) as Record<string, number>;
    expect(first.bytes).toBeGreaterThan(0);
    expect(first.left).toBe(0);
    await publish("carried", "1.0.0");
    await outside.ok(copy);
    const second = (await outside.json("lading-registry admin export-bundle two --since one --data data")) as Record<
      string,
      number
    >;
    expect(second.packages).toBe(1);
    expect(second.bytes).toBeLessThan(first.bytes!);
    const carry = (name: string): void => cpSync(outside.path(name), inside.path(name), { recursive: true });
    const take = (name: string): string => `lading-registry admin import-bundle ${name} --root ${root} --data mirror`;
    carry("one");
    carry("two");
    const early = await inside.line(take("two"));
    expect([early.code, early.stderr]).toEqual([7, expect.stringContaining("[UPSTREAM_REFUSED]")]);
    expect(await inside.json(take("one"))).toMatchObject({ changed: true });
    expect(await inside.json(take("two"))).toMatchObject({ changed: true, packages: 1 });
    const back = await inside.line(take("one"));
    expect([back.code, back.stderr]).toEqual([7, expect.stringContaining("seen before")]);
    const server = await open({
      data: inside.path("mirror"),
      env: { REGISTRY_MIRROR_UPSTREAM: upstream.url, REGISTRY_MIRROR_INTERVAL: "0s" },
    });
    const user = await userOf(server.url);
    await user.ok("lading add carried", { cwd: "app" });
    expect(user.read("app/lading.lock")).toContain('name = "carried"');
    const file = /blobs\/sha256\/[0-9a-f]{64}$/m.exec(outside.read("one/files.txt"))![0];
    writeFileSync(inside.path("one", "registries/0", file), "bent");
    const bent = await inside.line(take("one").replace("--data mirror", "--data other"));
    expect([bent.code, bent.stderr]).toEqual([7, expect.stringContaining("[UPSTREAM_REFUSED]")]);
  });
});

describe("a proxy", () => {
  test("gives out an upstream's packages beside its own, and never another package of a name of its own", async () => {
    await publish("secret-tool", "9.9.9");
    const data = path.join(place, "company");
    let company = await open({ data });
    const own = sandbox({ LADING_REGISTRY_URL: company.url, LADING_TOKEN: company.token });
    own.write("lib/lading.toml", '[package]\nname = "secret-tool"\nversion = "1.0.0"\n');
    await own.ok("lading publish", { cwd: "lib" });
    await company.stop();
    const file = path.join(place, "upstreams.toml");
    writeFileSync(
      file,
      `[[upstreams]]\nname = "public"\nurl = "${upstream.url}"\nroot = "${root}"\npackages = ["**"]\ninterval = "200ms"\n`,
    );
    company = await open({ data, env: { REGISTRY_UPSTREAMS_FILE: file } });
    const tree = `${company.url}/upstreams/public`;
    await expect.poll(() => codeOf(`${tree}/.well-known/lading.json`), { timeout: 120_000 }).toBe("ok");
    const user = await userOf(tree);
    await user.ok("lading add mylib", { cwd: "app" });
    await user.ok(`lading registry add company ${company.url}`);
    user.write("own/lading.toml", '[package]\nname = "own"\nversion = "1.0.0"\n');
    await user.ok("lading add secret-tool --registry company", { cwd: "own" });
    expect(user.read("app/lading.lock")).toContain('name = "mylib"');
    expect(user.read("own/lading.lock")).toMatch(/name = "secret-tool"\nversion = "1.0.0"/);
    const confused = await user.line("lading add secret-tool --registry pinned", { cwd: "app" });
    expect(confused.code).not.toBe(0);
    expect(user.read("app/lading.lock")).not.toContain("9.9.9");
    expect(await codeOf(`${tree}/index/_/se/secret-tool.json`)).toBe("NOT_MIRRORED");
  });
});

describe("a proxy that waits", () => {
  test("tells which age it demands: versions that are too young are passed over with the reason, but for exceptions", async () => {
    await publish("young", "1.0.0");
    await publish("young", "1.1.0");
    const file = path.join(place, "waiting.toml");
    writeFileSync(
      file,
      `[[upstreams]]\nname = "public"\nurl = "${upstream.url}"\nroot = "${root}"\npackages = ["**"]\ninterval = "200ms"\nminimum_release_age = "7d"\n`,
    );
    const company = await open({ env: { REGISTRY_UPSTREAMS_FILE: file } });
    const tree = `${company.url}/upstreams/public`;
    await expect.poll(() => codeOf(`${tree}/.well-known/lading.json`), { timeout: 120_000 }).toBe("ok");
    const early = await userOf(tree);
    const none = await early.line("lading add young", { cwd: "app" });
    expect(none.code).toBe(4);
    expect(none.stderr).toContain('registry "pinned" gives out nothing younger than 7 days, and this from ');
    // The setting is the reader's: what the registry holds back it does not lift.
    const lifted = await early.line("lading add young --minimum-release-age 0s", { cwd: "app" });
    expect(lifted.code).toBe(4);
    await apiJson(company, "/api/v1/upstreams/public/exceptions", {
      method: "POST",
      body: JSON.stringify({ package: "young", version: "1.0.0", reason: "closes a hole", days: 7 }),
    });
    const description = async (): Promise<string> => (await fetch(`${tree}/.well-known/lading.json`)).text();
    await expect.poll(description, { timeout: 60_000 }).toContain("young@1.0.0");
    const user = await userOf(tree);
    user.write("app/lading.toml", `${user.read("app/lading.toml")}\n[dependencies]\nyoung = "^1.0.0"\n`);
    const added = await user.ok("lading install", { cwd: "app" });
    expect(user.read("app/lading.lock")).toMatch(/name = "young"\nversion = "1.0.0"/);
    expect(added.stderr).toContain("young 1.1.0, are passed over");
  });
});

describe("staging", () => {
  test("[SRV-31] a version is promoted to production without new bytes, with its statement, once", async () => {
    await publish("promoted", "1.0.0", "--any-registry");
    const production = await open({});
    const env = { REGISTRY_PROMOTE_FROM_TOKEN: upstream.token, REGISTRY_PROMOTE_TO_TOKEN: production.token };
    const line = `lading-registry promote promoted@1.0.0 --from ${upstream.url} --to ${production.url}`;
    const operator = sandbox();
    // Rights are production's to judge, and a version that staging does not have is none.
    const nobody = await operator.line(line, { env: { REGISTRY_PROMOTE_TO_TOKEN: "" } });
    expect([nobody.code, nobody.stderr]).toEqual([8, expect.stringContaining("[PROMOTION_REFUSED]")]);
    const missing = await operator.line(line.replace("@1.0.0", "@9.0.0"), { env });
    expect([missing.code, missing.stderr]).toEqual([8, expect.stringContaining("Cannot find version")]);
    const first = (await operator.json(line, { env })) as { artifacts: { blob: string; status: string }[] };
    expect(first.artifacts).toMatchObject([{ status: "created" }]);
    const again = (await operator.json(line, { env })) as typeof first;
    expect(again.artifacts).toEqual([{ ...first.artifacts[0], status: "same" }]);
    const versionOf = async (registry: RegistryProcess): Promise<Record<string, unknown>> => {
      const route = "/api/v1/packages/promoted/versions/1.0.0";
      const { artifacts } = await apiJson<{ artifacts: Record<string, unknown>[] }>(registry, route);
      const { blob, tree, size, statement, signers } = artifacts[0]!;
      return { blob, tree, size, statement, signers };
    };
    expect(await versionOf(production)).toEqual(await versionOf(upstream));
    const { items } = await apiJson<{ items: { details: object }[] }>(
      production,
      "/api/v1/audit?action=package.publish",
    );
    expect(items).toMatchObject([{ actor: "admin", package: "promoted", details: { origin: `${upstream.url}/` } }]);
    const log = await (await fetch(`${production.url}/log/tile/entries/000.p/2`)).text();
    expect(log).toContain('"name":"promoted"');
  });
});
