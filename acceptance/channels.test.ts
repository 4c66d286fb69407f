import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { api, createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";

let registry: RegistryProcess;
let box: Sandbox;
beforeAll(async () => {
  registry = await startRegistry();
  box = createSandbox();
  await box.ok(`lading registry add local ${registry.url} --default`);
  await box.ok("lading login --token-stdin", { input: registry.token });
});
afterAll(async () => {
  await box.dispose();
  await registry.dispose();
});

const manifest = (name: string, version: string): string =>
  `[package]\nname = "${name}"\nversion = "${version}"\nlicense = "MIT"\n`;

async function publish(version: string, flags = ""): Promise<string> {
  box.write("tool/lading.toml", manifest("tool", version));
  box.write("tool/data.txt", version);
  return (await box.ok(`lading publish ${flags}`, { cwd: "tool" })).stdout;
}

async function channels(): Promise<Record<string, string>> {
  return ((await box.json("lading channel list tool --json")) as { channels: Record<string, string> }).channels;
}

async function project(name: string): Promise<{ readonly cwd: string }> {
  box.write(`${name}/lading.toml`, manifest("app", "0.1.0"));
  return { cwd: name };
}

describe("channels", () => {
  test("publish --channel leaves latest; NAME, NAME@latest and NAME@beta mean what the channels name", async () => {
    await publish("1.0.0");
    await publish("2.0.0-rc.1", "--channel beta");
    await publish("2.0.0", "--channel beta");
    expect(await channels()).toEqual({ beta: "2.0.0", latest: "1.0.0" });

    const plain = await project("plain");
    await box.ok("lading install tool", plain);
    expect(box.read("plain/lading.toml")).toContain('tool = "^1.0.0"');
    expect(box.read("plain/lading.lock")).toContain('version = "1.0.0"');

    await publish("2.1.0", "--channel canary");
    const beta = await project("beta");
    await box.ok("lading install tool@beta", beta);
    expect(box.read("beta/lading.toml")).toContain('tool = "^2.0.0"');
    expect(box.read("beta/lading.lock")).toContain('version = "2.0.0"');
    expect(box.read("beta/lading_packages/tool/data.txt")).toBe("2.0.0");

    await publish("1.1.0");
    expect(await channels()).toEqual({ beta: "2.0.0", canary: "2.1.0", latest: "1.1.0" });
    const info = await box.ok("lading info tool");
    expect(info.stdout).toMatch(/^tool 1\.1\.0/);
    expect(info.stdout).toMatch(/channels +beta 2\.0\.0, canary 2\.1\.0, latest 1\.1\.0/);
    expect((await box.ok("lading info tool@beta")).stdout).toMatch(/^tool 2\.0\.0/);
  });

  test("channel add and remove move them, with a trace in index, audit and log", async () => {
    expect((await box.ok("lading channel add tool@2.0.0 latest")).stdout).toMatch(/latest +2\.0\.0/);
    expect((await box.ok("lading channel add tool@1.1.0 lts-1")).stdout).toMatch(/lts-1 +1\.1\.0/);
    const document = (await (await api(registry, "/index/_/to/tool.json")).json()) as { channels: object };
    expect(document.channels).toEqual({ beta: "2.0.0", canary: "2.1.0", latest: "2.0.0", "lts-1": "1.1.0" });
    await box.ok("lading channel remove tool canary");
    expect(Object.keys(await channels())).not.toContain("canary");
    const log = await box.ok("lading log monitor tool --all");
    expect(log.stdout).toContain('channel "lts-1" names 1.1.0 now');
    expect(log.stdout).toContain('channel "canary" was removed');
    await box.ok("lading audit verify");
  });

  test("what is no channel, or nobody's to change, is refused and changes nothing", async () => {
    const before = await channels();
    const refused = async (line: string, code: string, status: number): Promise<string> => {
      const { stderr, code: exit } = await box.line(line);
      expect(stderr).toContain(`error[${code}]`);
      expect(exit).toBe(status);
      return stderr;
    };
    for (const name of ["1.0.0", "1.x", "constructor"])
      await refused(`lading channel add tool@1.0.0 ${name}`, "CHANNEL_INVALID", 2);
    await refused("lading channel add tool@9.9.9 beta", "REGISTRY_NOT_FOUND", 5);
    await refused("lading channel remove tool nothing", "REGISTRY_NOT_FOUND", 5);
    await refused("lading channel remove tool latest", "REGISTRY_REFUSED", 8);
    const missing = await refused("lading add tool@nightly -C plain", "VERSION_NOT_FOUND", 2);
    expect(missing).toContain('it has no channel "nightly"');
    expect(missing).toContain('Its channels are "beta", "latest", "lts-1"');

    await api(registry, "/api/v1/auth/register", {
      method: "POST",
      body: JSON.stringify({ username: "eve", password: "correct horse battery" }),
    });
    const login = await api(registry, "/api/v1/auth/login", {
      method: "POST",
      body: JSON.stringify({ username: "eve", password: "correct horse battery" }),
    });
    const { token } = (await login.json()) as { token: string };
    const stolen = await box.line("lading channel add tool@1.0.0 latest", { env: { LADING_TOKEN: token } });
    expect([stolen.code, stolen.stderr.includes("answered 403")]).toEqual([6, true]);
    expect(await channels()).toEqual(before);
  });

  test("one that leads to a version that was taken down installs nothing in its place, and says why", async () => {
    await publish("3.0.0", "--channel risky");
    await publish("3.0.1", "--channel other");
    await box.ok('lading takedown tool@3.0.0 --reason "steals passwords"');
    expect((await channels())["risky"]).toBe("3.0.0");
    const { code, stderr } = await box.line("lading install tool@risky", await project("risky"));
    expect(code).toBe(4);
    expect(stderr).toContain("tool 3.0.0 is excluded: the registry has taken it down");
    expect(stderr).toContain("steals passwords");
    expect(box.read("risky/lading.toml")).not.toContain("tool");
    await box.ok("lading channel add tool@3.0.1 risky");
    await box.ok("lading install tool@risky", await project("risky"));
    expect(box.read("risky/lading_packages/tool/data.txt")).toBe("3.0.1");
  });

  test("the other ecosystems have them under their own words", async () => {
    for (const line of ["gal-pkg", "vitte", "revitpy-install", "attune pack"]) {
      const shown = await box.ok(`${line} channel list tool --registry ${registry.url}`);
      expect(shown.stdout).toMatch(/beta +2\.0\.0/);
    }
  });
});
