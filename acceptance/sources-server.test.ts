import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { api, createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";

let registry: RegistryProcess;
let home: Sandbox;
const sandboxes: Sandbox[] = [];

const yaml = (ref: string, version: string, more = ""): string =>
  `ref: ${ref}\nlabel: ${ref}\ndescription: The ${ref} pack\nversion: ${version}\nauthor: Ada\nmeta:\n  license: MIT\n${more}`;

function open(): Sandbox {
  const sandbox = createSandbox({ env: { ATTUNE_TOKEN: registry.token, ATTUNE_REGISTRY_URL: registry.url } });
  sandboxes.push(sandbox);
  return sandbox;
}

beforeAll(async () => {
  home = createSandbox();
  home.write(
    "~/.gitconfig",
    `[user]\n  name = Ada\n  email = ada@example.com\n[init]\n  defaultBranch = main\n[url "file://${home.root}/repositories/"]\n  insteadOf = https://github.com/org/\n`,
  );
  home.write("fake/python3", "#!/bin/sh\necho Python 3.7.9\n");
  await home.ok("chmod +x fake/python3");
  const bin = path.dirname(execFileSync("/bin/sh", ["-c", "command -v git"], { encoding: "utf8" }).trim());
  registry = await startRegistry({
    bin: "attune-registry",
    env: {
      ATTUNE_PACKS_DIR: home.path("packs-of-the-server"),
      HOME: home.home,
      PATH: `${home.path("fake")}:${bin}:/usr/bin:/bin`,
    },
  });
  for (const [ref, more] of [
    ["pack", ""],
    ["needy", 'runtime_deps:\n  - "python3>=3.8"\n'],
    ["lonely", "dependencies:\n  - absent-pack\n"],
  ] as const) {
    home.write(`${ref}/pack.yaml`, yaml(ref, "1.0.0", more));
    await home.ok("git init -q . && git add -A && git commit -q -m 1 && git tag v1.0.0", { cwd: ref });
    await home.ok(`git clone -q --bare ${ref} ${home.root}/repositories/${ref}.git`);
  }
});

afterAll(async () => {
  await Promise.all(sandboxes.map((sandbox) => sandbox.dispose()));
  await registry.dispose();
  await home.dispose();
});

const post = (body: object, route = "/api/v1/packs/install", headers: Record<string, string> = {}): Promise<Response> =>
  api(registry, route, { method: "POST", body: JSON.stringify(body), headers });

const git = (name: string): string => `https://github.com/org/${name}.git`;

function serverState(): string[] {
  try {
    return readdirSync(home.path("packs-of-the-server")).sort();
  } catch {
    return [];
  }
}

describe("POST /packs/install", () => {
  test("[SRV-11] [INS-22] [SRV-13] [TST-12] a missing dependency is 400 with the list, and nothing is registered", async () => {
    const before = serverState();
    const missing = await post({ source: git("lonely") });
    expect(missing.status).toBe(400);
    expect(await missing.json()).toMatchObject({
      code: "INSTALL_REFUSED",
      reason: "RESOLUTION_IMPOSSIBLE",
      errors: [{ field: "pack", message: expect.stringContaining("absent-pack") }],
    });
    const runtime = await post({ source: git("needy") });
    expect(runtime.status).toBe(400);
    expect(await runtime.json()).toMatchObject({
      reason: "REQUIREMENTS_UNMET",
      errors: [{ message: expect.stringContaining("python3 >=3.8, found is 3.7.9") }],
    });
    expect(serverState()).toEqual(before);
  });

  test("[SRV-11] [INS-22] [SRV-13] a request as it was before skip_deps existed installs, 201; the alias answers the same", async () => {
    for (const route of ["/api/v1/packs/install", "/packs/install", "/api/v1/packs/install/"]) {
      const answer = await post({ source: git("pack"), ref: "v1.0.0" }, route);
      expect(answer.status).toBe(201);
      expect(await answer.json()).toMatchObject({
        status: "installed",
        packs: [
          {
            name: "pack",
            version: "1.0.0",
            source: { type: "git", url: git("pack"), commit: expect.stringMatching(/^[0-9a-f]{40}$/) },
            installed: expect.stringMatching(/^\d{4}-/),
            direct: true,
          },
        ],
      });
    }
    expect(home.has("packs-of-the-server/packs/pack/pack.yaml")).toBe(true);
    const skipped = await post({ source: git("needy"), skip_deps: true });
    expect(skipped.status).toBe(201);
  });

  test("[STO-07] what the server says of an installation is what lies in its packs' directory", async () => {
    const done = (await (await post({ source: git("pack"), ref: "v1.0.0" })).json()) as {
      packs: { name: string; version: string; source: { commit?: string } }[];
    };
    const recorded = done.packs.find(({ name }) => name === "pack")!;
    const file = home.read("packs-of-the-server/packs/pack/pack.yaml");
    expect(file).toContain(`version: ${recorded.version}`);
    const { stdout } = await home.ok("git rev-parse v1.0.0", { cwd: "pack" });
    expect(recorded.source.commit).toBe(stdout.trim());
    const lock = home.read("packs-of-the-server/pack.lock");
    expect(lock).toContain(stdout.trim());
  });

  test("[SRV-14] curl -N on the events URL shows the steps while installing", async () => {
    const begun = await post({ source: git("pack"), async: true });
    expect(begun.status).toBe(202);
    const { links } = (await begun.json()) as { links: { events: string; self: string } };
    expect(begun.headers.get("location")).toBe(links.self);
    const text = execFileSync(
      "curl",
      ["-sN", "-H", `authorization: Bearer ${registry.token}`, `${registry.url}${links.events}`],
      { encoding: "utf8" },
    );
    const events = text.split("\n\n").filter((block) => block.startsWith("id:") || block.startsWith("event:"));
    expect(text).toMatch(/event: progress\ndata: \{"v":1,"type":"step-started"/);
    expect(events.at(-1)).toMatch(/^event: installed\ndata: \{"id"/);
    const streamed = await post({ source: git("lonely") }, "/api/v1/packs/install", { accept: "text/event-stream" });
    expect(streamed.headers.get("content-type")).toMatch(/^text\/event-stream/);
    expect(await streamed.text()).toMatch(/event: refused\ndata: .*absent-pack/);
    expect(await (await api(registry, links.self)).json()).toMatchObject({ status: "installed" });
  });

  test("files of the server's machine, plain addresses and strangers are refused", async () => {
    for (const source of ["/etc", "./x", "../x.tar.gz", "file:///etc", "http://127.0.0.1/x.zip", "pack.zip"]) {
      const answer = await post({ source });
      expect({ source, status: answer.status }).toEqual({ source, status: 400 });
    }
    expect((await post({ source: git("pack"), ref: "--upload-pack=x" })).status).toBe(400);
    const body = JSON.stringify({ source: git("pack") });
    const headers = { "content-type": "application/json" };
    expect((await fetch(`${registry.url}/packs/install`, { method: "POST", body, headers })).status).toBe(401);
    expect((await post({})).status).toBe(400);
    expect((await api(registry, "/api/v1/packs/install/none/events")).status).toBe(404);
  });
});

describe("attune pack install --remote", () => {
  test("[CLI-28] --skip-deps is in the body that the server gets", async () => {
    const bodies: Record<string, unknown>[] = [];
    const proxy: Server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const { port } = proxy.address() as AddressInfo;
        const base = `http://127.0.0.1:${port}/`;
        if (request.method === "POST")
          bodies.push(JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>);
        if (request.url === "/.well-known/lading.json") {
          response.setHeader("content-type", "application/json");
          response.end(
            JSON.stringify({
              protocol: 1,
              mode: "development",
              index: base,
              blobs: `${base}blobs/sha256/`,
              api: `${base}api/v1/`,
              auth: ["token"],
              limits: {},
              signatures: "optional",
              keys: [],
            }),
          );
        } else response.writeHead(503).end();
      });
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    try {
      const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
      const sandbox = open();
      for (const flags of ["", "--skip-deps", "--skip-tests"]) {
        const result = await sandbox.line(
          `attune pack install ${git("pack")}#v1.0.0 --remote --registry ${url} ${flags}`,
        );
        expect(result.code).toBe(5);
      }
      expect(bodies).toEqual([
        { source: git("pack"), ref: "v1.0.0", skip_deps: false, skip_tests: false },
        { source: git("pack"), ref: "v1.0.0", skip_deps: true, skip_tests: false },
        { source: git("pack"), ref: "v1.0.0", skip_deps: false, skip_tests: true },
      ]);
    } finally {
      await new Promise((resolve) => proxy.close(resolve));
    }
  });

  test("[INS-28] the server's steps are shown as they happen, and its refusal with its reason", async () => {
    const sandbox = open();
    const done = await sandbox.ok(`attune pack install ${git("pack")} --remote`);
    expect(done.stderr).toMatch(/^ {2}✓ Resolved \d+ packages?$/m);
    expect(done.stdout).toContain("✓ pack 1.0.0");
    const refused = await sandbox.line(`attune pack install ${git("lonely")} --remote`);
    expect({ code: refused.code, named: refused.stderr.includes("absent-pack") }).toEqual({ code: 8, named: true });
    const stranger = await sandbox.line(`attune pack install ${git("pack")} --remote`, { env: { ATTUNE_TOKEN: "" } });
    expect(stranger.code).toBe(6);
    expect(sandbox.has("pack.yaml")).toBe(false);
  });
});

test("a server that is told to stop lets a running installation come to its end, and begins none that waits", async () => {
  const own = createSandbox();
  sandboxes.push(own);
  own.write(
    "pack/pack.yaml",
    `${yaml("slow", "1.0.0")}testing:\n  runners:\n    one: { type: script, entry_point: t.sh }\n`,
  );
  own.write(
    "pack/t.sh",
    `touch ${own.path("began")}\nwhile [ ! -e ${own.path("go-on")} ]; do sleep 0.05; done\necho "Total Tests: 1"\necho "Passed: 1"\necho "Failed: 0"\n`,
  );
  own.write(
    "~/.gitconfig",
    `[user]\n  name = A\n  email = a@example.com\n[url "file://${own.root}/"]\n  insteadOf = https://github.com/org/\n`,
  );
  await own.ok("git init -q . && git add -A && git commit -q -m 1", { cwd: "pack" });
  await own.ok(`git clone -q --bare pack ${own.root}/slow.git`);
  const server = await startRegistry({
    bin: "attune-registry",
    env: { ATTUNE_PACKS_DIR: own.path("packs-of-the-server"), HOME: own.home, PATH: "/usr/local/bin:/usr/bin:/bin" },
  });
  const begin = (): Promise<Response> =>
    api(server, "/packs/install", { method: "POST", body: JSON.stringify({ source: git("slow"), async: true }) });
  expect((await begin()).status).toBe(202);
  await expect.poll(() => own.has("began"), { timeout: 20_000 }).toBe(true);
  expect((await begin()).status).toBe(202);
  const stopped = server.stop();
  await expect.poll(() => server.output().includes("stopping"), { timeout: 20_000 }).toBe(true);
  own.write("go-on", "");
  expect(await stopped).toBe(0);
  expect(own.has("packs-of-the-server/packs/slow/pack.yaml")).toBe(true);
  expect(readdirSync(own.path("packs-of-the-server/.lading/gen"))).toEqual(["1"]);
  await server.dispose();
});
