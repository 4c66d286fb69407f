import { execFileSync } from "node:child_process";
import { copyFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Digest } from "@lading/core-manifest";
import { install, keygen, pack, sign } from "../src/index.ts";
import { createSandbox, type Sandbox } from "../src/testing.ts";

let box: Sandbox;
let file: string;
let checksum: Digest;
let server: Server | undefined;
beforeEach(async () => {
  box = await createSandbox();
  await box.registry.publish({ name: "leaf", version: "1.0.0" });
  ({ blob: checksum } = await box.registry.publish({ name: "tool", version: "1.2.0", files: { "tool.txt": "tool" } }));
  file = path.join(box.root, "tool-1.2.0.lpk");
  await copyFile(box.registry.blobPath(checksum), file);
  await box.write({ "lading.toml": '[package]\nname = "app"\nversion = "1.0.0"\n' });
});
afterEach(async () => {
  await new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)));
  server = undefined;
  await box.remove();
});

const run = (specs: readonly string[], given?: string, env: Readonly<Record<string, string>> = {}) =>
  box.use((context) => install({ specs, checksum: given }, context), {
    env: { PATH: process.env["PATH"], LADING_REGISTRY_URL: box.registry.url, ...env },
  });

/** Serves files of the sandbox's root. */
async function serve(): Promise<string> {
  server = createServer((request, response) => {
    readFile(path.join(box.root, path.basename(request.url!.split("?")[0]!))).then(
      (bytes) => response.end(bytes),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`;
}

const untouched = async (): Promise<void> => {
  expect(await box.read("lading.toml")).not.toContain("tool");
  await expect(readdir(path.join(box.project, "vendor/packages"))).rejects.toMatchObject({ code: "ENOENT" });
};

describe("install of what is no package file", () => {
  it("names the file, and is one kind of failure whatever is wrong with it", async () => {
    const bytes = await readFile(file);
    const named = gzipSync(bytes);
    named[3] = 0x08;
    const broken = { empty: "", text: "hello", cut: bytes.subarray(0, -9), named };
    for (const [name, content] of Object.entries(broken)) {
      await writeFile(path.join(box.root, `${name}.lpk`), content);
      await expect(run([path.join(box.root, `${name}.lpk`)])).rejects.toMatchObject({
        exitCode: 7,
        message: expect.stringContaining(`${name}.lpk`),
      });
    }
    await untouched();
  });

  it.skipIf(process.platform === "win32")("refuses a pipe and a directory, and asks no registry for them", async () => {
    execFileSync("mkfifo", [path.join(box.project, "pipe.lpk")]);
    await mkdir(path.join(box.project, "dir.lpk"));
    for (const [spec, kind] of [
      ["pipe.lpk", "a pipe"],
      ["./pipe.lpk", "a pipe"],
      ["dir.lpk", "a directory"],
    ] as const) {
      await expect(run([spec])).rejects.toMatchObject({
        code: "SPEC_INVALID",
        message: `Cannot install "${spec}": it is ${kind}, not a package file`,
      });
    }
  });
});

describe("install of a package file", () => {
  it("unpacks it below the project, names it in the manifest and keeps a record of its origin", async () => {
    const { install: installed } = await run([file], checksum);
    expect(installed?.packages).toBe(1);
    expect(await box.read("lading_packages/tool/tool.txt")).toBe("tool");
    expect(await box.read("lading.toml")).toContain(
      'tool = { version = "^1.2.0", path = "vendor/packages/tool-1.2.0" }',
    );
    expect(JSON.parse(await box.read("vendor/packages/tool-1.2.0.json"))).toMatchObject({
      format: 1,
      name: "tool",
      version: "1.2.0",
      source: file,
      checksum,
      signers: [],
    });
    // Once more is harmless, and what others made is no part of this package.
    await run([file], checksum);
    const [packed] = await box.use((context) => pack({}, context));
    expect(packed!.contents.filter((one) => one.startsWith("vendor/"))).toEqual([]);
  });

  it("warns where nothing vouches for it, and says so of a checksum alone", async () => {
    await run([file]);
    expect(box.events).toContainEqual(expect.objectContaining({ type: "warning", code: "SIGNATURE_MISSING" }));
  });

  it("refuses other bytes than the checksum's, before it reads them, and leaves no trace", async () => {
    await expect(run([file], `sha256:${"0".repeat(64)}`)).rejects.toMatchObject({ code: "SOURCE_CHECKSUM_MISMATCH" });
    await writeFile(file, "no package at all");
    await expect(run([file], checksum)).rejects.toMatchObject({ code: "SOURCE_CHECKSUM_MISMATCH" });
    await expect(run([file])).rejects.toMatchObject({ code: expect.stringMatching(/^ARCHIVE_/) });
    await untouched();
  });

  it("takes a trusted signature for a checksum, and a broken one for none", async () => {
    const key = path.join(box.root, "key.pem");
    await box.use((context) => keygen({ output: key }, context));
    await box.use((context) => sign({ file, key }, context));
    await run([file], undefined, { LADING_SECURITY_VERIFY_SIGNATURES: "true" });
    const record = JSON.parse(await box.read("vendor/packages/tool-1.2.0.json")) as { signers: string[] };
    expect(record.signers).toEqual([expect.stringMatching(/^ed25519:/)]);
    const bytes = await readFile(file);
    bytes[bytes.length - 1]! ^= 1;
    await writeFile(file, bytes);
    await expect(run([file])).rejects.toMatchObject({ category: "integrity" });
  });

  it("does not take a checksum for the signature that the policy demands", async () => {
    await expect(run([file], checksum, { LADING_SECURITY_VERIFY_SIGNATURES: "true" })).rejects.toMatchObject({
      code: "SIGNATURE_REQUIRED",
    });
    await untouched();
  });

  it("downloads from an address only with a checksum or a signature", async () => {
    const url = `${await serve()}/tool-1.2.0.lpk?token=secret`;
    await expect(run([url])).rejects.toMatchObject({
      code: "SOURCE_UNVERIFIED",
      hint: expect.stringContaining(`--checksum ${checksum}`),
      message: expect.not.stringContaining("secret"),
    });
    await untouched();
    await run([url], checksum);
    expect(await box.read("vendor/packages/tool-1.2.0.json")).not.toContain("secret");
    expect(await box.read("lading_packages/tool/tool.txt")).toBe("tool");
  });

  it("finds the signature beside the address", async () => {
    const key = path.join(box.root, "key.pem");
    await box.use((context) => keygen({ output: key }, context));
    await box.use((context) => sign({ file, key }, context));
    const { install: installed } = await run([`${await serve()}/tool-1.2.0.lpk`]);
    expect(installed?.packages).toBe(1);
  });

  it("refuses a plain address elsewhere, an absent file and a checksum without a package file", async () => {
    await expect(run(["http://example.org/tool-1.2.0.lpk"], checksum)).rejects.toMatchObject({
      code: "REMOTE_FILE_FAILED",
    });
    await expect(run([`${await serve()}/gone.lpk`], checksum)).rejects.toMatchObject({ code: "REMOTE_FILE_FAILED" });
    await expect(run(["./gone.lpk"])).rejects.toMatchObject({ code: "SPEC_INVALID" });
    await expect(run(["leaf"], checksum)).rejects.toMatchObject({ code: "SPEC_INVALID" });
    await untouched();
  });

  it("takes everything back where the project cannot be locked, and does not touch what is there already", async () => {
    const manifest = '[package]\nname = "tool"\nversion = "1.3.0"\n\n[dependencies]\nnobody = "1"\n';
    const { blob } = await box.registry.publish({ name: "tool", version: "1.3.0", files: { "lading.toml": manifest } });
    await expect(run([box.registry.blobPath(blob)])).rejects.toMatchObject({ code: "RESOLUTION_IMPOSSIBLE" });
    expect(await box.read("lading.toml")).not.toContain("tool");
    expect(await readdir(box.project)).not.toContain("vendor");
    await box.write({ "vendor/packages/tool-1.2.0/mine.txt": "mine" });
    await copyFile(box.registry.blobPath(checksum), file);
    await expect(run([file])).rejects.toMatchObject({ code: "SOURCE_EXISTS" });
    expect(await box.read("vendor/packages/tool-1.2.0/mine.txt")).toBe("mine");
  });

  it("refuses a package's own file as its dependency, and takes another version's", async () => {
    const own = (version: string): Promise<void> =>
      box.write({ "lading.toml": `[package]\nname = "tool"\nversion = "${version}"\n` });
    await own("1.2.0");
    await expect(run([file])).rejects.toMatchObject({
      code: "SELF_DEPENDENCY",
      exitCode: 3,
      message: expect.stringContaining('"tool" 1.2.0 of "lading.toml" depend on itself'),
    });
    expect(await box.read("lading.toml")).not.toContain("dependencies");
    expect(await readdir(box.project)).not.toContain("vendor");
    await own("2.0.0");
    await run([file]);
    expect(await box.read("lading_packages/tool/tool.txt")).toBe("tool");
    await own("3.0.0");
    await run(["tool@^1.0"]);
    expect(await box.read("lading.toml")).toContain('tool = "^1.0"');
  });

  it("makes a project of another name where the directory is called as what is installed", async () => {
    await box.write({ "../tool/.keep": "" });
    const cwd = path.join(box.project, "../tool");
    await box.use((context) => install({ specs: [file] }, context), { cwd });
    expect(await readFile(path.join(cwd, "lading.toml"), "utf8")).toContain('name = "tool-project"');
  });
});
