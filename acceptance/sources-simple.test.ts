import { existsSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSandbox, type Sandbox } from "./lib/harness.ts";

const sandboxes: Sandbox[] = [];
let server: Server;
let url: string;
let author: Sandbox;
let asked: string[] = [];
let withDigests = true;

function writePackage(name: string, version: string, more = ""): void {
  author.write(
    `${name}-${version}/pyproject.toml`,
    `[project]\nname = "${name}"\nversion = "${version}"\ndescription = "The ${name} package"\nlicense = "MIT"\n${more}\n[tool.revitpy]\nsupported_revit_versions = ["2024", "2025"]\n`,
  );
  author.write(`${name}-${version}/${name.replaceAll("-", "_")}/__init__.py`, `VERSION = "${version}"\n`);
}

beforeAll(async () => {
  author = createSandbox();
  sandboxes.push(author);
  writePackage("private-base", "1.4.0");
  writePackage("private-package", "1.0.0");
  writePackage("private-package", "1.10.0", 'dependencies = ["private-base>=1.2"]\n');
  writePackage("private-package", "1.9.0");
  const files: Record<string, string[]> = { "private-base": [], "private-package": [] };
  for (const [name, versions] of [
    ["private-base", ["1.4.0"]],
    ["private-package", ["1.0.0", "1.10.0", "1.9.0"]],
  ] as const) {
    for (const version of versions) {
      await author.ok(`revitpy-build package --source ./${name}-${version}`);
      files[name]!.push(`${name}-${version}.tar.gz`);
    }
  }
  // A real index has what other tools made beside it.
  author.write("sdist/setup.py", "");
  await author.ok(
    "tar czf dist/private-package-0.1.0.tar.gz sdist && touch dist/private_package-1.0.0-py3-none-any.whl",
  );
  files["private-package"]!.unshift("private-package-0.1.0.tar.gz", "private_package-1.0.0-py3-none-any.whl");
  const sums = new Map<string, string>();
  for (const file of Object.values(files).flat())
    sums.set(file, (await author.ok(`sha256sum dist/${file}`)).stdout.slice(0, 64));
  server = createServer((request, response) => {
    asked.push(request.url!);
    const page = /^\/simple\/([a-z-]+)\/$/.exec(request.url!)?.[1];
    const file = /^\/files\/(.+)$/.exec(request.url!)?.[1];
    if (page !== undefined && files[page] !== undefined) {
      const links = files[page].map((name) => {
        const digest = withDigests ? `#sha256=${sums.get(name)!}` : "";
        return `<a href="../../files/${name}${digest}" data-requires-python="&gt;=3.8">${name}</a><br/>`;
      });
      response.setHeader("content-type", "text/html");
      response.end(`<!DOCTYPE html><html><body>${links.join("\n")}</body></html>`);
    } else if (file !== undefined && existsSync(author.path("dist", file)))
      response.end(readFileSync(author.path("dist", file)));
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(async () => {
  await new Promise((resolve) => server.close(resolve));
  await Promise.all(sandboxes.map((sandbox) => sandbox.dispose()));
});

/** A user whose default registry may not be asked: nobody listens there. */
function open(): Sandbox {
  const sandbox = createSandbox({ replace: { "https://internal.company.com": url } });
  sandboxes.push(sandbox);
  sandbox.write("~/.revitpy/config.toml", '[registry]\nurl = "http://127.0.0.1:1/"\n');
  asked = [];
  return sandbox;
}

const LINE = "revitpy-install install --index-url https://internal.company.com/simple/ private-package";

describe("install --index-url", () => {
  test("[CLI-21] [INS-27] a simple index serves the package and what it needs, and only that index is asked", async () => {
    const sandbox = open();
    await sandbox.ok(LINE);
    expect(sandbox.read("revitpy_packages/private-package/private_package/__init__.py")).toContain("1.10.0");
    expect(sandbox.read("revitpy_packages/private-base/private_base/__init__.py")).toContain("1.4.0");
    expect(sandbox.read("revitpy.lock")).toContain(`${url}/simple/`);
    expect(new Set(asked.map((path) => path.split("/")[1]))).toEqual(new Set(["simple", "files"]));
    expect(
      asked
        .filter((path) => path.startsWith("/simple/"))
        .every((path) => /^\/simple\/private-(?:package|base)\/$/.test(path)),
    ).toBe(true);
    // Each file is fetched once, and the lock suffices from then on.
    const fetched = asked.filter((path) => path.startsWith("/files/"));
    expect(new Set(fetched).size).toBe(fetched.length);
    await sandbox.ok("rm -rf .lading revitpy_packages && revitpy-install install --frozen --offline");
    expect(sandbox.has("revitpy_packages/private-base")).toBe(true);
  });

  test("another machine installs from the lock where it is told of the index, which no lock may do by itself", async () => {
    const [first, second] = [open(), open()];
    await first.ok(LINE);
    for (const file of ["revitpy.toml", "revitpy.lock"]) second.write(file, first.read(file));
    expect((await second.line("revitpy-install install --frozen")).stderr).toContain("REGISTRY_UNKNOWN");
    await second.ok("revitpy-install install --frozen --index-url https://internal.company.com/simple/");
    expect(second.read("revitpy_packages/private-package/private_package/__init__.py")).toContain("1.10.0");
  });

  test("without digests on the page the lock pins what came", async () => {
    withDigests = false;
    try {
      const sandbox = open();
      await sandbox.ok(LINE);
      expect(sandbox.read("revitpy.lock")).toMatch(/checksum = "sha256:[0-9a-f]{64}"/);
    } finally {
      withDigests = true;
    }
  });

  test("a package that the index does not have is told as such", async () => {
    const sandbox = open();
    const missing = await sandbox.line(LINE.replace("private-package", "no-such-package"));
    expect({ code: missing.code, told: missing.stderr.includes("PACKAGE_NOT_FOUND") }).toEqual({ code: 2, told: true });
  });

  test("a file that is not what the page's digest says is not installed", async () => {
    const sandbox = open();
    await author.ok("cp dist/private-base-1.4.0.tar.gz kept && printf X >> dist/private-base-1.4.0.tar.gz");
    try {
      const failed = await sandbox.line(LINE);
      expect(failed.code).toBe(5);
      expect(failed.stderr).toContain("the index says sha256:");
      expect(sandbox.has("revitpy_packages")).toBe(false);
    } finally {
      await author.ok("mv kept dist/private-base-1.4.0.tar.gz");
    }
  });
});
