import { execFileSync } from "node:child_process";
import { mkdtempSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { pathToFileURL } from "node:url";
import { dirname, join } from "node:path";
import * as fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import {
  canonicalRegistryUrl,
  movedTransport,
  parseStaticAddress,
  registryConfig,
  releaseAssetOf,
} from "../src/index.ts";
import { directoryTransport, gitTransport } from "../src/node.ts";
import { transportContract, transportFixture } from "../src/testing.ts";

const made: string[] = [];
function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), "lading-places-"));
  made.push(directory);
  return directory;
}
afterAll(() => {
  for (const directory of made) rmSync(directory, { recursive: true, force: true });
});

function place(directory: string, nameOf: (path: string) => string = (path) => path): void {
  for (const [path, bytes] of Object.entries(transportFixture)) {
    const file = join(directory, nameOf(path));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, bytes);
  }
}

describe("directoryTransport()", () => {
  it("takes one byte more than it is allowed to, and nothing from what is no file", async () => {
    const directory = temporary();
    place(directory);
    symlinkSync("/dev/zero", join(directory, "endless.json"));
    const url = `${pathToFileURL(directory).href}/`;
    const transport = directoryTransport(registryConfig({ name: "files", url }));
    const cut = await transport.metadata(`${url}blobs/sha256/${"0".repeat(64)}`, { action: "test", maxBytes: 70_000 });
    expect(cut.status === "found" && cut.bytes.length).toBe(70_001);
    const endless = transport.metadata(`${url}endless.json`, { action: "test" });
    await expect(endless).rejects.toMatchObject({ code: "REGISTRY_UNREACHABLE" });
  });
});

describe("gitTransport()", () => {
  const work = temporary();
  place(work);
  const git = (...args: string[]): void =>
    void execFileSync("git", ["-C", work, "-c", "user.name=a", "-c", "user.email=a@b.test", ...args]);
  git("init", "--quiet", "--initial-branch", "main");
  git("add", "--all", "--force", ".");
  git("commit", "--quiet", "--message", "Files");
  const url = `git+file://${work}/`;
  const open = (address = url) =>
    gitTransport({
      registry: registryConfig({ name: "git", url: address }),
      url: address.slice("git+".length, -1),
      cache: temporary(),
    });

  it.each(transportContract)("$name", async ({ run }) => {
    const transport = open();
    await run({ transport, base: url });
    await transport.close();
  });

  it("takes one byte more than it is allowed to, and goes on with the next file", async () => {
    const transport = open();
    const [long, short] = [`${url}blobs/sha256/${"0".repeat(64)}`, `${url}index/_/to/tool.json`];
    const cut = await transport.metadata(long, { action: "test", maxBytes: 70_000 });
    expect(cut.status === "found" && cut.bytes.length).toBe(70_001);
    expect(await transport.metadata(short, { action: "test" })).toMatchObject({ status: "found" });
    await transport.close();
  });

  it("says what is wrong with a repository that is not there, and what it cannot do", async () => {
    const action = "test";
    await expect(
      open(`git+file://${work}/none/`).metadata(`git+file://${work}/none/x`, { action }),
    ).rejects.toMatchObject({
      code: "REGISTRY_UNREACHABLE",
    });
    await expect(open().call(url, { method: "GET" }, { action })).rejects.toMatchObject({ code: "REGISTRY_READ_ONLY" });
  });
});

describe("movedTransport()", () => {
  const directory = temporary();
  place(directory, (path) => {
    const { tag, name } = releaseAssetOf(path);
    return `${tag}/${name}`;
  });
  const base = "releases+https://github.com/org/packages/";
  const registry = registryConfig({ name: "releases", url: base });
  const inner = directoryTransport({ ...registry, url: `file://${directory}/` });
  const address = { ...parseStaticAddress(base)!, url: `file://${directory}/` } as Parameters<typeof movedTransport>[1];

  it.each(transportContract)("$name", ({ run }) => run({ transport: movedTransport(registry, address, inner), base }));

  it("asks for nothing outside the place, whatever addresses the registry gives", async () => {
    const asked: string[] = [];
    const own = registryConfig({ name: "bucket", url: "s3+https://s3.test/bucket/own/" });
    const recorder = { ...inner, metadata: (url: string) => Promise.reject(new Error(String(asked.push(url)))) };
    const place = parseStaticAddress(own.url) as Parameters<typeof movedTransport>[1];
    for (const path of ["..%2f..%2fother/x", "a%2f..%2f..%2fx", "%zz", "a%0ab"]) {
      await expect(
        movedTransport(own, place, recorder).metadata(`${own.url}${path}`, { action: "read" }),
      ).rejects.toMatchObject({ code: "REGISTRY_ANSWER_INVALID" });
    }
    expect(asked).toEqual([]);
  });
});

describe("parseStaticAddress()", () => {
  it("reads every kind, and the canonical address reads the same", () => {
    const kinds = {
      "git+https://host.test/a/registry.git": "https://host.test/a/registry.git",
      "git+ssh://git@host.test/registry.git": "ssh://git@host.test/registry.git",
      "s3+https://s3.test/bucket/a/b": "https://s3.test/bucket/a/b/",
      "releases+https://github.com/org/packages": "https://github.com/org/packages/releases/download/",
    };
    for (const [text, url] of Object.entries(kinds)) {
      expect(parseStaticAddress(text)?.url).toBe(url);
      expect(parseStaticAddress(canonicalRegistryUrl(text))?.url).toBe(url);
    }
  });

  it("refuses secrets, other schemes and what is not whole", () => {
    for (const text of [
      "git+http://host.test/r.git",
      "git+https://x:y@host.test/r.git",
      "git+ext://sh",
      "s3+https://s3.test/",
      "s3+file:///bucket/",
      "releases+https://github.com/org",
      "releases+https://github.com/a/b/c",
      "https://host.test/",
    ])
      expect([text, parseStaticAddress(text)]).toEqual([text, undefined]);
  });

  it("never throws, and gives no two paths one asset", () => {
    fc.assert(fc.property(fc.string(), (text) => void parseStaticAddress(text)));
    const part = fc.stringMatching(/^[a-z0-9@._-]{1,6}$/);
    const path = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
    fc.assert(
      fc.property(path, path, (left, right) => {
        const [one, two] = [releaseAssetOf(left), releaseAssetOf(right)];
        expect(one.tag === two.tag && one.name === two.name).toBe(left === right);
        expect(one.name).toMatch(/^[A-Za-z0-9_-][A-Za-z0-9._-]*$/);
      }),
    );
  });
});
