import { chmod, readdir, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { profiles } from "@lading/core-manifest";
import { createSandbox, type Sandbox } from "@lading/engine/testing";
import { runCli, runIn, transcript } from "./harness.ts";

const PACKED = `${profiles.lading.package.outputDirectory}/app-0.1.0.lpk`;
let box: Sandbox;
beforeEach(async () => {
  box = await createSandbox();
  await box.registry.publish({ name: "leaf", version: "1.0.0", license: "MIT", files: { "leaf.txt": "one" } });
  await box.registry.publish({ name: "leaf", version: "2.0.0", license: "MIT", files: { "leaf.txt": "two" } });
  await box.registry.publish({ name: "tool", version: "1.0.0", dependencies: { leaf: "^1.0.0" } });
});
afterEach(() => box.remove());

const run = async (...argv: string[]): Promise<string> => transcript(box, argv, await runIn(box, argv));

describe("transcripts", () => {
  it("of a project from init to rollback", async () => {
    const lines: string[] = [];
    for (const argv of [
      ["init", "app", "--license", "MIT", "--description", "An app"],
      ["add", "tool", "leaf@^2.0.0"],
      ["tree"],
      ["tree", "--duplicates"],
      ["why", "leaf"],
      ["install"],
      ["outdated"],
      ["remove", "tool"],
      ["history"],
      ["rollback"],
      ["verify"],
      ["check"],
    ]) {
      lines.push(await run(...argv));
    }
    expect(lines.join("\n")).toMatchSnapshot();
  });

  it("of mistakes: each says what failed, where, and what to do", async () => {
    const lines: string[] = [];
    lines.push(await run("install"), await run("tree", "--depth"));
    await box.write({
      "lading.toml": '[package]\nname = "Bad Name"\nversion = "1.0"\n\n[dependencies]\nleaf = ">>1"\n',
    });
    lines.push(await run("lock"), await run("lock", "--json"));
    await box.write({
      "lading.toml": '[package]\nname = "app"\nversion = "1.0.0"\n\n[dependencies]\nleaf = "1"\nnobody = "1"\n',
    });
    lines.push(
      await run("lock"),
      await run("why", "leaf"),
      await run("explain", "LOCK_MISING"),
      await run("config", "get", "no.such.key"),
    );
    expect(lines.join("\n")).toMatchSnapshot();
  });
});

describe("the command line", () => {
  it("prints results on standard output only, in every format", async () => {
    await runIn(box, ["init", "app"]);
    await runIn(box, ["add", "tool"]);
    const json = await runIn(box, ["tree", "--json"]);
    expect(JSON.parse(json.stdout)).toMatchObject({
      roots: [{ name: "app", dependencies: [{ name: "tool" }] }],
      packages: 2,
    });
    const { parse } = await import("yaml");
    expect(parse((await runIn(box, ["tree", "--format", "yaml"])).stdout)).toEqual(JSON.parse(json.stdout));
    const rows = (await runIn(box, ["history", "--format=ndjson"])).stdout.trim().split("\n");
    expect(rows.map((row) => (JSON.parse(row) as { number: number }).number)).toEqual([1]);
  });

  it("takes global flags before and after the command, and -C another directory", async () => {
    await runIn(box, ["init", "app"]);
    const ran = await runIn(box, ["-C", box.project, "--json", "lock"], { cwd: "/" });
    expect(ran.code).toBe(0);
    expect(JSON.parse(ran.stdout)).toMatchObject({ lock: { packages: 0 } });
  });

  it("prints events as NDJSON on standard error with --events", async () => {
    await runIn(box, ["init", "app"]);
    const { stderr } = await runIn(box, ["add", "leaf", "--events"]);
    const events = stderr
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { v: number; type: string });
    expect(new Set(events.map(({ v }) => v))).toEqual(new Set([1]));
    expect(events.map(({ type }) => type)).toEqual(
      expect.arrayContaining(["step-started", "step-completed", "downloading", "extracting", "verifying", "warning"]),
    );
  });

  it("install with nothing to do prints the same keys as one that works", async () => {
    await runIn(box, ["init", "app"]);
    await runIn(box, ["add", "leaf"]);
    const results = [];
    for (const _ of [1, 2]) results.push(JSON.parse((await runIn(box, ["install", "--json"])).stdout));
    const [worked, ready] = results as [object, object];
    expect(ready).toEqual(worked);
    expect(await box.read(".lading/ready.json")).toContain('"generation":1');
  });

  it("with --quiet prints the result and nothing else", async () => {
    await runIn(box, ["init", "app"]);
    const { stderr, stdout } = await runIn(box, ["add", "leaf", "--quiet"]);
    expect(stderr).toBe("");
    expect(stdout).toContain("Added leaf ^2.0.0 to app");
  });

  it("--locked fails with exit code 3 where the lock would change, outdated --check with 1", async () => {
    await runIn(box, ["init", "app"]);
    await runIn(box, ["add", "leaf@1.0.0"]);
    expect((await runIn(box, ["outdated", "--check"])).code).toBe(1);
    const text = await box.read("lading.toml");
    await box.write({ "lading.toml": text.replace('leaf = "1.0.0"', 'leaf = "2.0.0"') });
    expect((await runIn(box, ["lock", "--locked"])).code).toBe(3);
    expect((await runIn(box, ["install", "--frozen"])).code).toBe(0);
  });

  it("pack, keygen, sign, verify and a changed byte", async () => {
    await runIn(box, ["init", "app"]);
    expect((await runIn(box, ["pack", "--json"])).code).toBe(0);
    expect((await runIn(box, ["keygen", "--output", "../key.pem"])).code).toBe(0);
    expect((await runIn(box, ["sign", PACKED, "--key", "../key.pem"])).code).toBe(0);
    expect((await runIn(box, ["verify", PACKED])).code).toBe(0);
    expect((await runIn(box, ["verify", PACKED, "--key", "../key.pub"])).code).toBe(0);
    expect((await runIn(box, ["verify", PACKED, "--key", "../key.pem"])).stderr).toContain("KEY_IS_PRIVATE");
    await runIn(box, ["keygen", "--output", "../other.json"]);
    const other = await runIn(box, ["verify", PACKED, "--key", "../other.pub"]);
    expect([other.code, other.stderr.includes("SIGNATURE_KEY_UNKNOWN")]).toEqual([7, true]);
    expect((await runIn(box, ["keygen", "--output", "../key.pem"])).stderr).toContain("KEY_FILE_EXISTS");
  });

  it("config set and get round trip; a token is masked unless it is to be revealed", async () => {
    expect((await runIn(box, ["config", "set", "signing.auto", "true"])).code).toBe(0);
    expect((await runIn(box, ["config", "get", "signing.auto"])).stdout).toBe("true\n");
    expect((await runIn(box, ["config", "set", "signing.auto", "maybe"])).code).toBe(2);
    expect((await runIn(box, ["config", "set", "auth.token", "ldg_0123456789abcdef"])).stdout).not.toContain(
      "0123456789",
    );
    expect((await runIn(box, ["config", "get", "auth.token"])).stdout).toBe("ldg_****ef\n");
    expect((await runIn(box, ["config", "get", "auth.token", "--reveal"])).stdout).toBe("ldg_0123456789abcdef\n");
    expect((await runIn(box, ["config", "list"])).stdout).not.toContain("0123456789");
  });

  it("config unset takes a setting and a token out, and says where nothing was set", async () => {
    await runIn(box, ["config", "set", "signing.auto", "true"]);
    await runIn(box, ["config", "set", "auth.token", "ldg_0123456789abcdef"]);
    expect((await runIn(box, ["config", "unset", "signing.auto"])).stdout).toBe("Unset signing.auto\n");
    expect((await runIn(box, ["config", "get", "signing.auto"])).stdout).toBe("false\n");
    expect((await runIn(box, ["config", "unset", "signing.auto"])).stdout).toContain("was not set in");
    expect(JSON.parse((await runIn(box, ["config", "unset", "auth.token", "--json"])).stdout)).toMatchObject({
      removed: true,
    });
    expect((await runIn(box, ["config", "get", "auth.token"])).code).toBe(1);
    expect((await runIn(box, ["config", "unset", "registry.default"])).code).toBe(2);
    expect((await runIn(box, ["config", "unset", "no.such.key"])).code).toBe(2);
  });

  it("cache info, verify and clean: sizes, a damaged file, and what no project uses", async () => {
    await runIn(box, ["init", "app"]);
    await runIn(box, ["add", "leaf@1.0.0"]);
    const info = JSON.parse((await runIn(box, ["cache", "info", "--json"])).stdout) as {
      store: { packages: number; bytes: number; directory: string };
    };
    expect(info.store.packages).toBe(1);
    expect((await runIn(box, ["cache", "info"])).stdout).toContain("1 package, ");
    expect((await runIn(box, ["cache", "verify"])).code).toBe(0);
    const [file] = (await readdir(info.store.directory, { recursive: true })).filter((name) =>
      name.endsWith("leaf.txt"),
    );
    await chmod(`${info.store.directory}/${file}`, 0o644);
    await writeFile(`${info.store.directory}/${file}`, "two");
    const damaged = await runIn(box, ["cache", "verify"]);
    expect([damaged.code, damaged.stderr.includes("leaf 1.0.0 ")]).toEqual([7, true]);
    expect((await runIn(box, ["cache", "clean", "--dry-run"])).stdout).toContain("Would delete");
    expect((await runIn(box, ["cache", "clean"])).code).toBe(0);
  });

  it("completes commands, flags, values and locked packages", async () => {
    await runIn(box, ["init", "app"]);
    await runIn(box, ["add", "tool"]);
    const complete = async (...words: string[]): Promise<string> =>
      (await runIn(box, ["complete", "--", ...words])).stdout;
    expect(await complete("inst")).toBe("install\n");
    expect(await complete("registry", "")).toBe("add\nlist\nremove\ntrust\n");
    expect(await complete("tree", "--du")).toBe("--duplicates\n");
    expect(await complete("install", "--verify", "")).toBe("full\nquick\n");
    expect(await complete("remove", "t")).toBe("tool\n");
    for (const shell of ["bash", "zsh", "fish"])
      expect((await runIn(box, ["completion", shell])).stdout).toContain("lading complete --");
    expect((await runIn(box, ["completion", "cmd"])).code).toBe(2);
  });

  it("explains every code, and suggests one for a typing error", async () => {
    const all = JSON.parse((await runIn(box, ["explain", "--json"])).stdout) as {
      code: string;
      exitCode: number;
      help: string;
    }[];
    expect(all.length).toBeGreaterThan(150);
    expect((await runIn(box, ["explain", "lock_outdated"])).stdout).toContain("LOCK_OUTDATED (exit code 3, manifest)");
    expect((await runIn(box, ["explain", "LOCK_OUTDATD"])).stderr).toContain('Did you mean "LOCK_OUTDATED"?');
  });

  it("checks a profile, and lists its mistakes", async () => {
    await box.write({ "bad.toml": 'schema = 1\nid = "X"\nnonsense = true\n' });
    const ran = await runIn(box, ["profile", "check", "bad.toml"]);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain("bad.toml:2:");
    expect((await runIn(box, ["profile", "check", "gone.toml"])).code).toBe(5);
  });

  it("asks nobody where there is no terminal", async () => {
    const ran = await runIn(box, ["login"]);
    expect([ran.code, ran.stderr.includes("CLI_PROMPT_IMPOSSIBLE")]).toEqual([2, true]);
  });

  it("refuses usage that only a command can judge", async () => {
    await runIn(box, ["init", "app"]);
    for (const argv of [
      ["install", "--omit", "x"],
      ["rollback", "x"],
      ["migrate", "x"],
      ["owner", "x", "y"],
    ]) {
      expect([argv, (await runIn(box, argv)).code]).toEqual([argv, 2]);
    }
  });

  it("names a missing directory of -C, and does not advise to use -C", async () => {
    const ran = await runIn(box, ["-C", "/nowhere/at/all", "install"]);
    expect([ran.code, ran.stderr.split("\n")[0]]).toEqual([
      2,
      'error[CLI_FLAG_INVALID]: Cannot work in "/nowhere/at/all": there is no such directory',
    ]);
  });

  it("pack calls a dependency without a version a mistake of the manifest, publish a refusal", async () => {
    await box.write({
      "lading.toml": '[package]\nname = "app"\nversion = "1.0.0"\n\n[dependencies]\nlib = { path = "lib" }\n',
      "lib/lading.toml": '[package]\nname = "lib"\nversion = "1.0.0"\n',
    });
    const packed = await runIn(box, ["pack"]);
    expect([packed.code, packed.stderr.includes("Cannot pack"), packed.stderr.includes("publish")]).toEqual([
      3,
      true,
      false,
    ]);
    expect((await runIn(box, ["publish"])).code).toBe(8);
  });

  it("check lists the mistakes of every manifest of a workspace and of the lock at once", async () => {
    await box.write({
      "lading.toml": '[workspace]\nmembers = ["packages/*"]\n',
      "lading.lock": "no lock at all\n",
      "packages/one/lading.toml": '[package]\nname = "One!"\nversion = "1.0.0"\n',
      "packages/two/lading.toml": '[package]\nname = "two"\nversion = \n',
    });
    for (const cwd of [box.project, `${box.project}/packages/one`]) {
      const ran = await runIn(box, ["check"], { cwd });
      expect(ran.code).toBe(1);
      expect(ran.stdout.match(/(?:MANIFEST|LOCKFILE)_[A-Z_]+/g)).toEqual([
        "MANIFEST_NAME_INVALID",
        "MANIFEST_SYNTAX",
        "LOCKFILE_INVALID",
      ]);
    }
  });

  it("registry list keeps its table narrow, and says below it why one does not answer", async () => {
    const env = { LADING_REGISTRY_URL: "http://127.0.0.1:9" };
    const lines = (await runIn(box, ["registry", "list"], { env })).stdout.trimEnd().split("\n");
    expect(lines[1]).toMatch(/^\* +default +http:\/\/127\.0\.0\.1:9\/ +unreachable +no$/);
    expect(lines[2]).toContain("⚠ default: Cannot read the description");
  });

  it.each([
    ["LADING_DEBUG", "1", true],
    ["LADING_DEBUG", "0", false],
    ["RUST_LOG", "gal::package=debug", true],
    ["RUST_LOG", "warn,gal=trace", true],
    ["RUST_LOG", "info", false],
    ["RUST_LOG", "off", false],
  ])("%s=%s prints requests, cache and files: %s", async (name, value, expected) => {
    const profile = name === "RUST_LOG" ? "gal" : "lading";
    await runIn(box, ["init", "app"], { profile, env: { HOME: box.home } });
    const { stderr } = await runIn(box, profile === "gal" ? ["add", "leaf"] : ["add", "leaf"], {
      profile,
      env: { [name]: value },
    });
    expect(stderr.includes("debug cache: index/")).toBe(expected);
    expect(/debug file: wrote .*\.lock/.test(stderr)).toBe(expected);
  });

  it("help of a branded bin names its own files, flags and host axes", async () => {
    const gal = await runCli(["build", "--help"], { profile: "gal" });
    expect(gal.stdout).toContain("gal.toml");
    expect(gal.stdout).not.toContain("lading.toml");
    const revitpy = (await runCli(["install", "--help"], { profile: "revitpy", bin: "revitpy-install" })).stdout;
    expect(revitpy).toMatch(/--index-url NAME\|URL +Use this registry/);
    expect(revitpy).toMatch(/--revit-version VERSION +Resolve for this version of revit\n/);
  });

  it("runs without a home directory", async () => {
    const { code } = await runCli(["init", "app"], { cwd: box.project, env: { HOME: "/nonexistent" } });
    expect(code).toBe(0);
  });
});
