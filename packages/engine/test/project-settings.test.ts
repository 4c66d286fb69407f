import { mkdir, readFile, writeFile } from "node:fs/promises";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { builtinProfile } from "@lading/core-manifest";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { install } from "../src/index.ts";
import { readRegistries } from "../src/lib/configured-registries.ts";
import { loadSettings, type Settings } from "../src/lib/settings.ts";
import { createSandbox, type Sandbox } from "../src/testing.ts";

const profile = builtinProfile("lading");
let box: Sandbox;
beforeAll(async () => {
  box = await createSandbox();
});
afterAll(() => box.remove());
beforeEach(() => userSays(""));

const userSays = (text: string): Promise<void> => writeFile(path.join(box.home, profile.config.file), text);
const settings = (table: Readonly<Record<string, unknown>>, env: Readonly<Record<string, string>> = {}) =>
  loadSettings({ profile, configDirectory: box.home, env, home: box.home, project: { table, file: "lading.toml" } });
const told = async (key: string, own: string, theirs: unknown): Promise<ReturnType<Settings["get"]>> => {
  await userSays(own);
  return (await settings({ security: { [key]: theirs } })).get(`security.${key}`);
};

describe("the [config] table of a project", () => {
  it("may demand signatures, and cannot take back that its user does", async () => {
    expect(await told("verify_signatures", "", true)).toMatchObject({ value: true, origin: "project" });
    const own = "[security]\nverify_signatures = true\n";
    expect(await told("verify_signatures", own, false)).toMatchObject({ value: true, origin: "user" });
    expect(await told("verify_signatures", "", false)).toMatchObject({ value: false, origin: "default" });
  });

  it("may shorten how old a stored state may be, and not prolong it", async () => {
    expect(await told("offline_max_age", "", "7d")).toMatchObject({ value: "7d", origin: "project" });
    expect(await told("offline_max_age", "", "9000d")).toMatchObject({ value: "30d", origin: "default" });
    const own = '[security]\noffline_max_age = "2d"\n';
    expect(await told("offline_max_age", own, "7d")).toMatchObject({ value: "2d", origin: "user" });
  });

  it("may name a team's configuration, and not take the place of its user's team", async () => {
    const table = { team: { config: "other/default" } };
    expect((await settings(table)).get("team.config")).toMatchObject({ value: "other/default", origin: "project" });
    await userSays('[team]\nconfig = "acme/default"\n');
    expect((await settings(table)).get("team.config")).toMatchObject({ value: "acme/default", origin: "user" });
  });

  it("brings no bundle along, from which trust in the user's registries would begin", async () => {
    const table = { registry: { bundle: "bundle" } };
    const code = "CONFIG_VALUE_INVALID";
    const found = await settings(table);
    expect(() => found.string("registry.bundle")).toThrow(expect.objectContaining({ code }) as Error);
    const env = { LADING_REGISTRY_BUNDLE: "/media/bundle" };
    expect((await settings(table, env)).string("registry.bundle")).toBe("/media/bundle");
    const text =
      '[package]\nname = "app"\nversion = "1.0.0"\n[dependencies]\ntool = "1"\n[config.registry]\nbundle = "bundle"\n';
    await box.write({ "lading.toml": text });
    await expect(box.use((context) => install({}, context))).rejects.toMatchObject({ code });
  });

  it("says nothing of what runs on this machine", async () => {
    for (const key of ["compiler", "allow"]) {
      const found = await settings({ native: { [key]: "./evil" } });
      const refused = expect.objectContaining({ code: "CONFIG_VALUE_INVALID" }) as Error;
      expect(() => found.string(`native.${key}`)).toThrow(refused);
    }
  });

  it("sends no token of the user to an address that it names", async () => {
    const seen: (string | undefined)[] = [];
    const server = createServer(({ headers }, response) => {
      seen.push(headers.authorization);
      response.writeHead(404).end();
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const manifest = '[package]\nname = "app"\nversion = "1.0.0"\n[dependencies]\ntool = "1"\n';
    await box.write({ "lading.toml": `${manifest}[config.registry]\nurl = "${url}"\n` });
    const tokens = { LADING_TOKEN: "general", LADING_TOKEN_DEFAULT: "of its name" };
    const run = (env: Readonly<Record<string, string>>): Promise<unknown> =>
      box.use((context) => install({}, context), { env: { ...tokens, ...env } }).catch(() => undefined);
    await run({});
    // What a guess asked for in vain is asked for again when it is needed.
    expect(new Set(seen)).toEqual(new Set([undefined]));
    expect(box.events).toContainEqual(expect.objectContaining({ code: "TOKEN_WITHHELD" }));
    await run({ LADING_REGISTRY_URL: url });
    expect(seen.at(-1)).toBe("Bearer of its name");
    server.close();
  });
});

describe("a registry of files that a project alone names", () => {
  const manifest = (url: string): string =>
    `[package]\nname = "app"\nversion = "1.0.0"\n[dependencies]\ntool = "1"\n[config.registry]\nurl = "${url}"\n`;

  it("in a bucket is read without its user's keys, which one that the user names is read with", async () => {
    const seen: (string | undefined)[] = [];
    const server = createServer(({ headers }, response) => {
      seen.push(headers.authorization);
      response.writeHead(404).end();
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `s3+http://127.0.0.1:${(server.address() as AddressInfo).port}/bucket/`;
    const keys = { AWS_ACCESS_KEY_ID: "AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY: "secret", AWS_REGION: "eu-1" };
    await box.write({ "lading.toml": manifest(url) });
    const run = (env: Readonly<Record<string, string>>): Promise<unknown> =>
      box.use((context) => install({}, context), { env: { ...keys, ...env } }).catch(() => undefined);
    await run({});
    expect(seen.length).toBeGreaterThan(0);
    expect(seen.every((header) => header === undefined)).toBe(true);
    expect(box.events).toContainEqual(
      expect.objectContaining({
        code: "TOKEN_WITHHELD",
        message: expect.stringContaining("AWS_ACCESS_KEY_ID") as string,
      }),
    );
    await run({ LADING_REGISTRY_URL: url });
    expect(seen.at(-1)).toMatch(/^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/);
    server.close();
  });

  it("in a Git repository is read by a git that knows no token of its user", async () => {
    const bin = path.join(box.home, "bin");
    const seen = path.join(box.home, "seen.txt");
    await mkdir(bin, { recursive: true });
    await writeFile(path.join(bin, "git"), `#!/bin/sh\nenv >> ${seen}\nexit 1\n`, { mode: 0o755 });
    await box.write({ "lading.toml": manifest("git+https://git.example/registry.git") });
    const env = { PATH: `${bin}:${process.env["PATH"]}`, GITHUB_TOKEN: "secret-token", GIT_ASKPASS: "/bin/echo" };
    const run = (more: Readonly<Record<string, string>>): Promise<unknown> =>
      box.use((context) => install({}, context), { env: { ...env, ...more } }).catch(() => undefined);
    await run({});
    const alone = await readFile(seen, "utf8");
    expect(alone).toContain("GIT_CONFIG_GLOBAL=/dev/null");
    expect(alone).not.toMatch(/secret-token|GIT_ASKPASS/);
    expect(alone).not.toContain(`HOME=${box.home}\n`);
    await writeFile(seen, "");
    await run({ LADING_REGISTRY_URL: "git+https://git.example/registry.git" });
    expect(await readFile(seen, "utf8")).toContain("secret-token");
  });
});

describe("setting registry.root", () => {
  it("is of the profile's own registry where no address is set", async () => {
    const root = `sha256:${"a".repeat(64)}`;
    const url = "https://registry.example/";
    const own = { ...profile, registry: { ...profile.registry, defaultUrl: url } };
    const { registries } = await box.use((context) => readRegistries(context), {
      profile: own,
      env: { LADING_REGISTRY_ROOT: root },
    });
    expect(registries).toMatchObject([{ url, root }]);
  });
});
