import { createServer, type Server } from "node:http";
import { readFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startReleasesHost, type ReleasesHost } from "@lading/registry-static/testing";
import { createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";

/** Static registries from end to end: made, kept and installed from by the command line alone. */

const sandboxes: Sandbox[] = [];
const servers: Server[] = [];

afterAll(async () => {
  for (const server of servers) await new Promise((done) => void server.close(done));
  await Promise.all(sandboxes.map((sandbox) => sandbox.dispose()));
});

function open(env: Readonly<Record<string, string>> = {}): Sandbox {
  const sandbox = createSandbox({ env });
  sandboxes.push(sandbox);
  sandbox.write("~/.gitconfig", "[user]\n  name = Ada\n  email = ada@example.com\n[init]\n  defaultBranch = main\n");
  return sandbox;
}

/** A web server that knows nothing of registries. */
async function serve(directory: string): Promise<string> {
  const server = createServer((request, response) => {
    readFile(`${directory}${decodeURIComponent(new URL(request.url!, "http://x").pathname)}`).then(
      (bytes) => response.writeHead(200).end(bytes),
      () => response.writeHead(404).end(),
    );
  });
  servers.push(server);
  await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Packs version 1.0.0 of a package, and signs it by an author's key, which is made the first time. */
async function packed(sandbox: Sandbox, name: string, version = "1.0.0"): Promise<string> {
  sandbox.write(`${name}/lading.toml`, `[package]\nname = "${name}"\nversion = "${version}"\n`);
  sandbox.write(`${name}/readme.txt`, `${name} ${version}\n`);
  if (!sandbox.has("ann.pem")) await sandbox.ok("lading keygen --output ann.pem");
  await sandbox.ok("lading pack", { cwd: name });
  const file = `${name}/target/package/${name}-${version}.lpk`;
  await sandbox.ok(`lading sign ${file} --key ann.pem`);
  return file;
}

/** A project that depends on `tool` and has nothing yet. */
function writeApp(sandbox: Sandbox, directory = "app", requirement = "^1.0.0"): void {
  sandbox.write(
    `${directory}/lading.toml`,
    `[package]\nname = "app"\nversion = "1.0.0"\n\n[dependencies]\ntool = "${requirement}"\n`,
  );
}

const installed = (sandbox: Sandbox, directory = "app"): Promise<string> =>
  sandbox.ok(`find -L ${directory} -name readme.txt -exec cat {} +`).then(({ stdout }) => stdout);

describe("a registry in a directory", () => {
  test("begins with a root that two of three have signed, takes packages, and is installed from by its pinned root", async () => {
    const sandbox = open();
    for (const holder of ["ann", "bob", "carol"]) await sandbox.ok(`lading keygen --output holders/${holder}.pem`);
    const init =
      "lading index-init registry --native --name Packages --url https://packages.example.com --root-key holders/ann.pub,holders/bob.pub,holders/carol.pub";
    const begun = await sandbox.ok(init);
    expect(begun.stdout).toContain("index-root sign");
    expect(sandbox.has("registry/metadata/timestamp.json")).toBe(false);
    const early = await sandbox.line(init);
    expect(early).toMatchObject({ code: 5, stderr: expect.stringContaining("STATIC_KEYS_UNUSABLE") as string });
    const draft = "registry-keys/root.draft.json";
    await sandbox.ok(`lading index-root sign ${draft} --key holders/ann.pem --out ann.json`);
    const alone = await sandbox.line("lading index-root install ann.json --keys registry-keys");
    expect(alone).toMatchObject({ code: 8, stderr: expect.stringContaining("1 of 2") as string });
    await sandbox.ok(`lading index-root sign ${draft} --key holders/carol.pem --out carol.json`);
    await sandbox.ok("lading index-root install ann.json carol.json --keys registry-keys");
    const { root } = (await sandbox.json(`${init} --json`)) as { root: string };

    const file = await packed(sandbox, "tool");
    const unknown = await sandbox.line(`lading index-publish ${file} --to registry`);
    expect(unknown).toMatchObject({ code: 7, stderr: expect.stringContaining("STATIC_STATEMENT_REFUSED") as string });
    await sandbox.ok(`lading index-publish ${file} --to registry --public-key ann.pub --publisher ann`);
    expect((await sandbox.ok("lading index-validate registry")).stdout).toContain("1 package, 1 version, 2 in the log");

    const url = await serve(sandbox.path("registry"));
    writeApp(sandbox);
    await sandbox.ok(`lading registry add main ${url} --root ${root}`);
    await sandbox.ok("lading install", { cwd: "app" });
    expect(await installed(sandbox)).toContain("tool 1.0.0");
    const { stdout: layers } = await sandbox.ok("lading verify", { cwd: "app" });
    expect(layers).toContain("entry 1 of packages.example.com/log");
    expect((await sandbox.ok("lading log verify --full", { cwd: "app" })).stdout).toContain("1 policy, 1 publish");
    expect((await sandbox.ok("lading log monitor tool", { cwd: "app" })).stdout).toContain("1.0.0 published");
    await sandbox.ok("lading index-status tool 1.0.0 yanked --reason 'loses data' --to registry");
    const yanked = await sandbox.line("rm -r lading.lock && lading lock", { cwd: "app" });
    expect(yanked).toMatchObject({ code: 4, stderr: expect.stringContaining("loses data") as string });
  });

  test("is renewed by a schedule, and what is bent in it is found and not signed for", async () => {
    const sandbox = open();
    await sandbox.ok("lading index-init registry --native --signatures optional");
    await sandbox.ok(`lading index-publish ${await packed(sandbox, "tool")} --to registry --public-key ann.pub`);
    const before = JSON.parse(sandbox.read("registry/metadata/timestamp.json")) as { signed: { version: number } };
    await sandbox.ok("lading index-refresh --to registry");
    const after = JSON.parse(sandbox.read("registry/metadata/timestamp.json")) as { signed: { version: number } };
    expect(after.signed.version).toBe(before.signed.version + 1);
    await sandbox.ok("sh -c 'f=$(ls registry/index/_/to/*.tool.json); sed -i s/latest/lastest/ $f'");
    const found = await sandbox.line("lading index-validate registry");
    expect(found.code).toBe(1);
    expect(found.stdout).toContain("it is not what was signed for");
    const next = await packed(sandbox, "tool", "1.1.0");
    const refused = await sandbox.line(`lading index-publish ${next} --to registry`);
    expect(refused).toMatchObject({ code: 7, stderr: expect.stringContaining("STATIC_REGISTRY_DAMAGED") as string });
  });

  test("has channels: NAME takes latest, NAME@beta what was published there, and the log has each change", async () => {
    const sandbox = open();
    await sandbox.ok("lading index-init registry --native");
    const publish = async (version: string, flags = ""): Promise<void> => {
      const file = await packed(sandbox, "tool", version);
      await sandbox.ok(`lading index-publish ${file} --to registry --public-key ann.pub ${flags}`);
    };
    await publish("1.0.0");
    await publish("2.0.0-rc.1", "--channel beta");
    await publish("2.0.0", "--channel beta --publisher ann");
    await sandbox.ok(`lading registry add main ${await serve(sandbox.path("registry"))} --default`);
    const project = async (spec: string): Promise<string> => {
      const directory = `app-${spec.replace("@", "-")}`;
      sandbox.write(`${directory}/lading.toml`, '[package]\nname = "app"\nversion = "1.0.0"\n');
      await sandbox.ok(`lading install ${spec}`, { cwd: directory });
      return installed(sandbox, directory);
    };
    expect(await project("tool")).toMatch(/^(?:tool 1\.0\.0\n)+$/);
    expect(await project("tool@beta")).toMatch(/^(?:tool 2\.0\.0\n)+$/);
    expect((await sandbox.ok("lading channel list tool")).stdout).toMatch(/beta +2\.0\.0\nlatest +1\.0\.0/);
    expect((await sandbox.ok("lading info tool@beta")).stdout).toMatch(/^tool 2\.0\.0$/m);
    const monitored = (await sandbox.ok("lading log monitor tool --all")).stdout;
    expect(monitored).toContain('channel "beta" names 2.0.0 now');

    const moved = await sandbox.json("lading channel add tool@2.0.0 latest --to registry --json");
    expect(moved).toEqual({ name: "tool", channels: { beta: "2.0.0", latest: "2.0.0" } });
    await sandbox.ok("lading channel remove tool beta --to registry");
    expect((await sandbox.ok("lading channel list tool")).stdout).not.toContain("beta");
    expect((await sandbox.ok("lading index-validate registry")).stdout).toContain("1 package, 3 versions");
    for (const [line, code, exit] of [
      ["channel remove tool latest --to registry", "STATIC_CHANNEL_REFUSED", 8],
      ["channel add tool@9.0.0 beta --to registry", "STATIC_VERSION_MISSING", 2],
      ["channel add tool@1.0.0 1.x --to registry", "CHANNEL_INVALID", 2],
      ["channel add tool@1.0.0 beta", "REGISTRY_READ_ONLY", 8],
      ["install tool@beta", "VERSION_NOT_FOUND", 2],
    ] as const) {
      const refused = await sandbox.line(`lading ${line}`, { cwd: line.startsWith("install") ? "app-tool" : "." });
      expect([line, refused.code, refused.stderr.includes(`error[${code}]`)]).toEqual([line, exit, true]);
    }
  }, 300_000);

  test("keeps no secret among what is served", async () => {
    const sandbox = open({ GITHUB_TOKEN: "ghp_hunter2", AWS_SECRET_ACCESS_KEY: "hunter2" });
    await sandbox.ok("lading index-init registry --native");
    await sandbox.ok(`lading index-publish ${await packed(sandbox, "tool")} --to registry --public-key ann.pub`);
    const { code } = await sandbox.line("grep -rlE 'hunter2|PRIVATE KEY' registry");
    expect(code).toBe(1);
    expect(sandbox.mode("registry-keys")).toBe(0o700);
    expect(sandbox.mode("registry-keys/timestamp.pem")).toBe(0o600);
  });
});

describe("a registry in a Git repository", () => {
  test("[IDX-21] [CCH-32] takes each publication as one commit, two at once after each other, and is installed from", async () => {
    const sandbox = open();
    await sandbox.ok("git init -q --bare registry.git");
    const to = `git+file://${sandbox.path("registry.git")}`;
    await sandbox.ok(`lading index-init ${to} --native --keys keys`);
    const files = [await packed(sandbox, "tool"), await packed(sandbox, "gear")];
    const publish = (file: string): Promise<unknown> =>
      sandbox.ok(`lading index-publish ${file} --to ${to} --keys keys --public-key ann.pub`);
    await Promise.all(files.map(publish));
    const { stdout } = await sandbox.ok("git --git-dir registry.git log --format=%s");
    expect(stdout.trim().split("\n").sort()).toEqual(["Make the registry", "Publish gear 1.0.0", "Publish tool 1.0.0"]);
    const changed = await sandbox.ok("git --git-dir registry.git log --grep 'Publish tool' --name-only --format=");
    expect(changed.stdout).toMatch(/index\/_\/to\/(?:[0-9a-f]+\.)?tool\.json/);
    expect(changed.stdout).toMatch(/blobs\/sha256\//);
    writeApp(sandbox);
    await sandbox.ok(`lading registry add main ${to}`);
    await sandbox.ok("lading install", { cwd: "app" });
    expect(await installed(sandbox)).toContain("tool 1.0.0");
    expect(sandbox.read("app/lading.lock")).toContain(`registry+${to}/`);
    await publish(await packed(sandbox, "tool", "1.1.0"));
    await sandbox.ok("lading update && lading install", { cwd: "app" });
    expect(await installed(sandbox)).toContain("tool 1.1.0");
    const read = await sandbox.line(`lading publish ${files[0]!} --registry ${to}`);
    expect(read).toMatchObject({ code: 8, stderr: expect.stringContaining("index-publish") as string });
  });
});

describe("a registry in releases", () => {
  let host: ReleasesHost;
  beforeAll(async () => {
    host = await startReleasesHost();
  });
  afterAll(async () => host.stop());

  test("[CIC-08] takes packages as assets, and is installed from without a token", async () => {
    const to = `releases+${host.url}/org/packages`;
    const maintainer = open({ GITHUB_TOKEN: host.token });
    await maintainer.ok(`lading index-init ${to} --native --keys keys`);
    const file = await packed(maintainer, "tool");
    await maintainer.ok(`lading index-publish ${file} --to ${to} --keys keys --public-key ann.pub`);
    expect(host.assets("lading")).toContain("metadata_stimestamp.json");
    const user = open();
    writeApp(user);
    await user.ok(`lading registry add main ${to}`);
    await user.ok("lading install", { cwd: "app" });
    expect(await installed(user)).toContain("tool 1.0.0");
    const stranger = await user.line(
      `lading index-publish ${maintainer.path(file)} --to ${to} --keys ${maintainer.path("keys")}`,
    );
    expect(stranger).toMatchObject({ code: 6, stderr: expect.stringContaining("GITHUB_TOKEN") as string });
  });
});

describe("public and private", () => {
  let registry: RegistryProcess;
  beforeAll(async () => {
    registry = await startRegistry();
  });
  afterAll(async () => registry.dispose());

  test("[SYN-05] the same package file goes to a public server and into a private directory, and is the same there", async () => {
    const sandbox = open({ LADING_TOKEN: registry.token });
    const file = await packed(sandbox, "tool");
    await sandbox.ok(`lading publish ${file} --key ann.pem --registry ${registry.url}`);
    await sandbox.ok("lading index-init private --native");
    await sandbox.ok(`lading index-publish ${file} --to private --public-key ann.pub`);
    const checksums: string[] = [];
    for (const [directory, url] of [
      ["public-app", registry.url],
      ["private-app", `file://${sandbox.path("private")}`],
    ] as const) {
      writeApp(sandbox, directory);
      await sandbox.ok(`lading install --registry ${url}`, { cwd: directory });
      checksums.push(/checksum = "(.+)"/.exec(sandbox.read(`${directory}/lading.lock`))![1]!);
      expect(await installed(sandbox, directory)).toContain("tool 1.0.0");
    }
    expect(new Set(checksums).size).toBe(1);
  });
});
