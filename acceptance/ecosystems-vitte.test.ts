import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { apiJson, createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";

let registry: RegistryProcess;
let sandbox: Sandbox;

/** Lines are those of the documents; the one address in them stands for the local registry. */
const inRegistry = (more: Readonly<Record<string, string>> = {}): Sandbox =>
  createSandbox({
    replace: { "https://registry.vitte.dev": registry.url },
    env: { VITTE_TOKEN: registry.token, ...more },
  });

const manifest = (name: string, version: string, more = ""): string =>
  `[package]\nname = "${name}"\nversion = "${version}"\ndescription = "The ${name} package"\nlicense = "MIT"\n${more}`;

beforeAll(async () => {
  registry = await startRegistry();
  sandbox = inRegistry();
});

afterAll(async () => {
  await sandbox.dispose();
  await registry.dispose();
});

describe("vitte packager", () => {
  test("[CLI-05] `vitte packager` --help lists build, sign, publish and verify", async () => {
    const { stdout } = await sandbox.ok("vitte packager --help");
    for (const command of ["build", "sign", "publish", "verify"])
      expect(stdout).toMatch(new RegExp(`^ {2}packager ${command} `, "m"));
  });

  test("[CLI-01] [MAN-01] [ARC-11] [ARC-12] build writes the package named by vitte.toml into target/", async () => {
    sandbox.write("vitte/vitte.toml", manifest("vitte", "0.1.0"));
    sandbox.write("vitte/src/main.vitte", "module main\n");
    await sandbox.ok("vitte packager build --manifest vitte.toml --out target/", { cwd: "vitte" });
    expect(sandbox.has("vitte/target/vitte-0.1.0.vitpkg")).toBe(true);
    const listed = await sandbox.ok("tar --zstd -tf target/vitte-0.1.0.vitpkg", { cwd: "vitte" });
    expect(listed.stdout.split("\n")).toContain("src/main.vitte");
    const record = await sandbox.ok("tar --zstd -xOf target/vitte-0.1.0.vitpkg .lading/package.json", { cwd: "vitte" });
    expect(JSON.parse(record.stdout)).toMatchObject({ manifest: { name: "vitte", version: "0.1.0" } });
  });

  test("[CLI-02] [SIG-01] [SIG-02] [SIG-04] sign reads the JSON key of mode 0600 in ~/.vitte/keys", async () => {
    await sandbox.ok("vitte keygen --output ~/.vitte/keys/dev.json");
    expect(sandbox.mode("~/.vitte/keys/dev.json")).toBe(0o600);
    expect(() => JSON.parse(sandbox.read("~/.vitte/keys/dev.json")) as unknown).not.toThrow();
    await sandbox.ok("vitte packager sign target/vitte-0.1.0.vitpkg --key ~/.vitte/keys/dev.json", { cwd: "vitte" });
    const envelope = JSON.parse(sandbox.read("vitte/target/vitte-0.1.0.vitpkg.sig")) as {
      signatures: { sig: string }[];
    };
    expect(Buffer.from(envelope.signatures[0]!.sig, "base64")).toHaveLength(64);
    await sandbox.ok("vitte packager verify target/vitte-0.1.0.vitpkg", { cwd: "vitte" });
  });

  test("[CLI-03] [SIG-03] verify checks the signature against the trusted keys, and refuses an unknown one", async () => {
    const good = await sandbox.ok("vitte packager verify target/vitte-0.1.0.vitpkg", { cwd: "vitte" });
    expect(good.stdout).toMatch(/signer +ed25519:[0-9a-f]{64}/);
    const stranger = inRegistry();
    stranger.copy(sandbox.path("vitte/target"), "target");
    const refused = await stranger.line("vitte packager verify target/vitte-0.1.0.vitpkg");
    await stranger.dispose();
    expect(refused).toMatchObject({ code: 7, stdout: "" });
    expect(refused.stderr).toContain("SIGNATURE");
  });

  test("[SIG-23] a changed byte and a bad signature are different failures", async () => {
    sandbox.copy(sandbox.path("vitte/target"), "damaged/target");
    const file = sandbox.path("damaged/target/vitte-0.1.0.vitpkg");
    await sandbox.ok(`printf X | dd of=${file} bs=1 seek=60 conv=notrunc status=none`);
    const content = await sandbox.line("vitte packager verify target/vitte-0.1.0.vitpkg --format json", {
      cwd: "damaged",
    });
    sandbox.copy(sandbox.path("vitte/target"), "forged/target");
    const envelope = JSON.parse(sandbox.read("forged/target/vitte-0.1.0.vitpkg.sig")) as {
      signatures: { sig: string }[];
    };
    const bytes = Buffer.from(envelope.signatures[0]!.sig, "base64");
    bytes[3]! ^= 1;
    sandbox.write(
      "forged/target/vitte-0.1.0.vitpkg.sig",
      sandbox
        .read("forged/target/vitte-0.1.0.vitpkg.sig")
        .replace(envelope.signatures[0]!.sig, bytes.toString("base64")),
    );
    const signature = await sandbox.line("vitte packager verify target/vitte-0.1.0.vitpkg --format json", {
      cwd: "forged",
    });
    expect(content.code).not.toBe(0);
    expect(signature.code).toBe(7);
    expect(code(content.stderr)).toMatch(/^ARCHIVE_/);
    expect(code(signature.stderr)).toMatch(/^SIGNATURE_/);
  });

  test("[ARC-01] [ARC-02] a project builds as binary .vitpkg and as source .vitmod", async () => {
    await sandbox.ok("vitte packager build --kind source", { cwd: "vitte" });
    const kinds = await Promise.all(
      ["vitpkg", "vitmod"].map(async (extension) => {
        await sandbox.ok(`vitte packager sign target/vitte-0.1.0.${extension} --key ~/.vitte/keys/dev.json`, {
          cwd: "vitte",
        });
        return sandbox.json(`vitte packager verify target/vitte-0.1.0.${extension} --json`, { cwd: "vitte" });
      }),
    );
    expect(kinds).toMatchObject([{ kind: "binary" }, { kind: "source" }]);
    await sandbox.ok("rm target/vitte-0.1.0.vitmod target/vitte-0.1.0.vitmod.sig", { cwd: "vitte" });
  });

  test("[CLI-04] [CCH-31] publish sends the newest artefact of target/, and refuses to choose between two", async () => {
    await sandbox.ok("vitte packager publish --registry https://registry.vitte.dev --token $VITTE_TOKEN", {
      cwd: "vitte",
    });
    const found = await apiJson<{ items: { name: string }[] }>(registry, "/api/v1/search?q=vitte");
    expect(found.items.map(({ name }) => name)).toContain("vitte");
    const local = createHash("sha256")
      .update(readFileSync(sandbox.path("vitte/target/vitte-0.1.0.vitpkg")))
      .digest("hex");
    const version = await apiJson<{ artifacts: { blob: string }[] }>(registry, "/api/v1/packages/vitte/versions/0.1.0");
    expect(version.artifacts.map(({ blob }) => blob)).toContain(`sha256:${local}`);

    await sandbox.ok("vitte packager build --kind source", { cwd: "vitte" });
    const ambiguous = await sandbox.line(
      "vitte packager publish --registry https://registry.vitte.dev --token $VITTE_TOKEN",
      { cwd: "vitte" },
    );
    expect(ambiguous.code).not.toBe(0);
    expect(ambiguous.stderr).toContain("ARTEFACT_AMBIGUOUS");
  });
});

describe("the example's package", () => {
  test("it has no problems and packs", async () => {
    sandbox.copy("examples/vitte/project", "example");
    expect((await sandbox.ok("vitte check", { cwd: "example" })).stdout).toContain("No problems");
    await sandbox.ok("vitte packager build --manifest vitte.toml --out target/", { cwd: "example" });
    expect(sandbox.has("example/target/vitte-ast-0.1.0.vitpkg")).toBe(true);
  });
});

describe("vitte package and vitte registry", () => {
  test("[CLI-06] [CLI-10] [CCH-29] package publish and registry publish are the same command", async () => {
    for (const [name, line] of [
      ["vitte-ast", "vitte package publish --registry https://registry.vitte.dev --token $VITTE_TOKEN"],
      ["vitte-lexer", "vitte registry publish --registry https://registry.vitte.dev"],
    ] as const) {
      sandbox.write(`${name}/vitte.toml`, manifest(name, "0.1.0"));
      sandbox.write(`${name}/src/lib.vitte`, "module lib\n");
      await sandbox.ok(line, { cwd: name });
      expect(await apiJson(registry, `/api/v1/packages/${name}`)).toMatchObject({ name, latest: "0.1.0" });
    }
  });

  test("[CLI-07] registry search finds a package by its name", async () => {
    await sandbox.ok("vitte config set registry.url https://registry.vitte.dev");
    const { stdout } = await sandbox.ok("vitte registry search vitte-ast");
    expect(stdout).toMatch(/^vitte-ast +0\.1\.0 +The vitte-ast package$/m);
  });

  test("[CLI-08] [RES-07] registry fetch downloads exactly that version, verified", async () => {
    sandbox.write("vitte-ast/vitte.toml", manifest("vitte-ast", "0.2.0"));
    await sandbox.ok("vitte package publish --registry https://registry.vitte.dev --token $VITTE_TOKEN", {
      cwd: "vitte-ast",
    });
    sandbox.write("downloads/.keep", "");
    await sandbox.ok("vitte registry fetch vitte-ast@0.1.0", { cwd: "downloads" });
    const bytes = readFileSync(sandbox.path("downloads/vitte-ast-0.1.0.vitpkg"));
    const version = await apiJson<{ artifacts: { blob: string }[] }>(
      registry,
      "/api/v1/packages/vitte-ast/versions/0.1.0",
    );
    expect(version.artifacts[0]!.blob).toBe(`sha256:${createHash("sha256").update(bytes).digest("hex")}`);
  });

  test("[CLI-09] registry list lists the registry's packages", async () => {
    const { stdout } = await sandbox.ok("vitte registry list");
    for (const name of ["vitte", "vitte-ast", "vitte-lexer"]) expect(stdout).toMatch(new RegExp(`^${name} `, "m"));
  });

  test("[MAN-21] a path with a version is the path at home and the version when published", async () => {
    sandbox.write("pair/vitte-core/vitte.toml", manifest("vitte-core", "0.1.0"));
    sandbox.write("pair/vitte-core/src/lib.vitte", "module core\n");
    sandbox.write(
      "pair/vitte-key/vitte.toml",
      manifest("vitte-key", "0.1.0", `\n[dependencies]\nvitte-core = { path = "../vitte-core", version = "0.1.0" }\n`),
    );
    await sandbox.ok("vitte install", { cwd: "pair/vitte-key" });
    expect(sandbox.read("pair/vitte-key/vitte_packages/vitte-core/src/lib.vitte")).toBe("module core\n");
    await sandbox.ok("vitte package publish", { cwd: "pair/vitte-core" });
    await sandbox.ok("vitte package publish", { cwd: "pair/vitte-key" });
    const version = await apiJson<{ dependencies: { name: string; requirement: string }[] }>(
      registry,
      "/api/v1/packages/vitte-key/versions/0.1.0",
    );
    expect(JSON.stringify(version.dependencies)).toContain("vitte-core");
    expect(JSON.stringify(version)).not.toContain("../vitte-core");
  });
});

function code(stderr: string): string {
  const { error } = JSON.parse(stderr.slice(stderr.indexOf("{"))) as { error: { code: string } };
  return error.code;
}
