import { createServer, type Server } from "node:http";
import { readFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSandbox, type Sandbox } from "./lib/harness.ts";

/** A flat index as a source of packs: one file behind a web server that knows nothing of packages. */

let maintainer: Sandbox;
let server: Server;
let url: string;
const users: Sandbox[] = [];

function writePack(ref: string, version: string, needs: readonly string[] = []): void {
  const dependencies = needs.length === 0 ? "" : `dependencies:\n${needs.map((one) => `  - ${one}\n`).join("")}`;
  maintainer.write(
    `packs/${ref}/pack.yaml`,
    `ref: ${ref}\nlabel: The ${ref} pack\ndescription: What ${ref} does\nversion: ${version}\nauthor: Ada\nlicense: MIT\n${dependencies}`,
  );
  maintainer.write(`packs/${ref}/actions/${ref}.yaml`, `ref: ${ref}.run\ndescription: Runs ${ref}\n`);
}

function user(env: Readonly<Record<string, string>> = {}): Sandbox {
  const sandbox = createSandbox({ env: { ATTUNE_REGISTRY_URL: `${url}/index.json`, ...env } });
  users.push(sandbox);
  sandbox.write("~/.gitconfig", "[user]\n  name = Ada\n  email = ada@example.com\n");
  return sandbox;
}

beforeAll(async () => {
  maintainer = createSandbox();
  maintainer.write("~/.gitconfig", "[user]\n  name = Ada\n  email = ada@example.com\n[init]\n  defaultBranch = main\n");
  server = createServer((request, response) => {
    readFile(maintainer.path(`registry${new URL(request.url!, "http://x").pathname}`)).then(
      (bytes) => response.writeHead(200).end(bytes),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await maintainer.ok(`attune pack index-init registry --name Packs --url ${url}`);
  writePack("core", "1.2.0");
  writePack("mail", "2.0.0", ["core>=1.0.0"]);
  for (const [ref, version] of [
    ["core", "1.2.0"],
    ["mail", "2.0.0"],
  ] as const) {
    await maintainer.ok(`tar czf registry/${ref}-${version}.tar.gz -C packs/${ref} .`);
    await maintainer.ok(
      `attune pack index-update --index registry/index.json packs/${ref} --archive-url ${url}/${ref}-${version}.tar.gz`,
    );
  }
});

afterAll(async () => {
  await new Promise((done) => void server.close(done));
  await Promise.all([maintainer, ...users].map((sandbox) => sandbox.dispose()));
});

describe("a flat index as a registry", () => {
  test("[IDX-04] served over plain HTTP, it is installed from with what its packs need", async () => {
    const sandbox = user();
    await sandbox.ok("attune pack install mail");
    const { stdout } = await sandbox.ok("find -L . ~ -path '*actions*' -name '*.yaml' -exec cat {} +");
    expect(stdout).toContain("Runs mail");
    expect(stdout).toContain("Runs core");
  });

  test("[IDX-22] other bytes than the index states are refused, and no token is written into it or shown", async () => {
    const archive = maintainer.path("registry/core-1.2.0.tar.gz");
    const honest = await readFile(archive);
    await maintainer.ok(
      "sh -c 'echo more >> packs/core/actions/core.yaml && tar czf registry/core-1.2.0.tar.gz -C packs/core .'",
    );
    const refused = await user().line("attune pack install mail");
    expect(refused).toMatchObject({ code: 7, stderr: expect.stringContaining("SOURCE_CHECKSUM_MISMATCH") as string });
    await (await import("node:fs/promises")).writeFile(archive, honest);
    // The token that a job has is sent to the registry alone, and is in nothing that is printed or kept for others.
    const sandbox = user({ ATTUNE_TOKEN: "hunter2", GITHUB_TOKEN: "hunter2" });
    const installed = await sandbox.ok("attune pack install mail --verbose");
    expect(installed.stdout + installed.stderr).not.toContain("hunter2");
    expect((await sandbox.line("grep -r hunter2 . ~")).code).toBe(1);
    const secret = await maintainer.line(
      "attune pack index-update --index registry/index.json packs/core --update --archive-url https://x:hunter2@releases.test/core.tar.gz",
    );
    expect(secret.code).toBe(2);
    expect(secret.stderr).not.toContain("hunter2");
    expect(maintainer.read("registry/index.json")).not.toContain("hunter2");
    const guide = await readFile(new URL("../docs/guides/static-registry.md", import.meta.url), "utf8");
    expect(guide).toContain("Tokens");
  });
});
