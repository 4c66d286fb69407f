import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { createServer as createNetServer, type AddressInfo } from "node:net";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";

const SSHD = "/usr/sbin/sshd";
const GIT_HTTP_BACKEND = path.join(
  execFileSync("git", ["--exec-path"], { encoding: "utf8" }).trim(),
  "git-http-backend",
);

const sandboxes: Sandbox[] = [];
const servers: Server[] = [];
const children: ChildProcess[] = [];
let registry: RegistryProcess;

function open(): Sandbox {
  const sandbox = createSandbox({ env: { ATTUNE_TOKEN: registry.token } });
  sandboxes.push(sandbox);
  sandbox.write("~/.gitconfig", "[user]\n  name = Ada\n  email = ada@example.com\n[init]\n  defaultBranch = main\n");
  return sandbox;
}

beforeAll(async () => {
  registry = await startRegistry();
});

afterAll(async () => {
  for (const child of children) child.kill();
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  await Promise.all(sandboxes.map((sandbox) => sandbox.dispose()));
  await registry.dispose();
});

const manifest = (ref: string, version: string, more = ""): string =>
  `ref: ${ref}\nlabel: ${ref}\ndescription: The ${ref} pack\nversion: ${version}\nauthor: Ada\nmeta:\n  license: MIT\n${more}`;

function writePack(sandbox: Sandbox, directory: string, ref: string, version: string, more = ""): void {
  sandbox.write(`${directory}/pack.yaml`, manifest(ref, version, more));
  sandbox.write(`${directory}/actions/run.sh`, `#!/bin/sh\necho ${ref} ${version}\n`);
}

/** A bare repository with a tag for each version, a branch `stable` at the first and `main` at the last. */
async function bareRepository(sandbox: Sandbox, name: string): Promise<Record<"first" | "last", string>> {
  const commits: string[] = [];
  for (const version of ["1.0.0", "1.1.0"]) {
    writePack(sandbox, "source", name, version);
    await sandbox.ok(
      `git init -q . && git add -A && git commit -q -m ${version} && git tag -a v${version} -m ${version}`,
      {
        cwd: "source",
      },
    );
    commits.push((await sandbox.ok("git rev-parse HEAD", { cwd: "source" })).stdout.trim());
  }
  await sandbox.ok("git branch stable v1.0.0", { cwd: "source" });
  await sandbox.ok(`git clone -q --bare source ${sandbox.root}/repositories/org/${name}.git`);
  return { first: commits[0]!, last: commits[1]! };
}

async function listen(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

/** Git's own server side (git-http-backend, a CGI program) behind TLS with a certificate of this test. */
async function gitOverHttps(sandbox: Sandbox): Promise<{ base: string; requests: string[] }> {
  const key = path.join(sandbox.root, "tls.key");
  const certificate = path.join(sandbox.root, "tls.crt");
  await sandbox.ok(
    `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout ${key} -out ${certificate}`,
  );
  await sandbox.ok(`git config --global http.sslCAInfo ${certificate}`);
  const requests: string[] = [];
  const { readFileSync } = await import("node:fs");
  const server = createTlsServer({ key: readFileSync(key), cert: readFileSync(certificate) }, (request, response) => {
    const { pathname, searchParams } = new URL(request.url!, "https://localhost");
    requests.push(`${request.method} ${pathname}`);
    const backend = spawn(GIT_HTTP_BACKEND, [], {
      env: {
        PATH: process.env["PATH"]!,
        GIT_PROJECT_ROOT: path.join(sandbox.root, "repositories"),
        GIT_HTTP_EXPORT_ALL: "1",
        REQUEST_METHOD: request.method!,
        PATH_INFO: pathname,
        QUERY_STRING: searchParams.toString(),
        CONTENT_TYPE: request.headers["content-type"] ?? "",
        HTTP_CONTENT_ENCODING: request.headers["content-encoding"] ?? "",
        GIT_PROTOCOL: String(request.headers["git-protocol"] ?? ""),
        REMOTE_ADDR: "127.0.0.1",
      },
    });
    request.pipe(backend.stdin);
    const chunks: Buffer[] = [];
    backend.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    backend.on("close", () => {
      const answer = Buffer.concat(chunks);
      const end = answer.indexOf("\r\n\r\n");
      const headers = answer
        .subarray(0, end)
        .toString()
        .split("\r\n")
        .map((line) => line.split(": ", 2));
      const status = Number(headers.find(([name]) => name === "Status")?.[1]?.slice(0, 3) ?? 200);
      response.writeHead(
        status,
        Object.fromEntries(headers.filter(([name]) => name !== "Status")) as Record<string, string>,
      );
      response.end(answer.subarray(end + 4));
    });
  });
  const port = await listen(server);
  return { base: `https://localhost:${port}`, requests };
}

/** An OpenSSH server on a free port that lets in the one key of this test, as the user who runs it. */
async function gitOverSsh(sandbox: Sandbox): Promise<{ url: (repository: string) => string; command: string }> {
  const at = (file: string): string => path.join(sandbox.root, "ssh", file);
  mkdirSync(at(""), { recursive: true });
  await sandbox.ok(
    `ssh-keygen -q -t ed25519 -N "" -f ${at("host")} && ssh-keygen -q -t ed25519 -N "" -f ${at("user")}`,
  );
  await sandbox.ok(`cp ${at("user.pub")} ${at("authorized_keys")}`);
  const probe = createNetServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  writeFileSync(
    at("sshd_config"),
    `Port ${port}\nListenAddress 127.0.0.1\nHostKey ${at("host")}\nPidFile ${at("pid")}\nAuthorizedKeysFile ${at("authorized_keys")}\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n`,
  );
  if (process.getuid?.() === 0) mkdirSync("/run/sshd", { recursive: true });
  const child = spawn(SSHD, ["-D", "-e", "-f", at("sshd_config")], { stdio: ["ignore", "ignore", "pipe"] });
  children.push(child);
  await new Promise<void>((resolve, reject) => {
    child.stderr.setEncoding("utf8").on("data", (text: string) => text.includes("Server listening") && resolve());
    child.once("exit", (code) => reject(new Error(`sshd ended with ${code}`)));
  });
  const user = execFileSync("id", ["-un"], { encoding: "utf8" }).trim();
  const options = `-i ${at("user")} -o IdentitiesOnly=yes -o UserKnownHostsFile=${at("known")} -o StrictHostKeyChecking=accept-new`;
  return {
    url: (repository) => `ssh://${user}@127.0.0.1:${port}${sandbox.root}/repositories/org/${repository}.git`,
    command: `ssh ${options}`,
  };
}

describe("Git", () => {
  test("[INS-02] [INS-04] [TST-06] over HTTPS: default branch, branch, tag and commit of a real server, each recorded", async () => {
    const sandbox = open();
    const { first, last } = await bareRepository(sandbox, "pack");
    const { base, requests } = await gitOverHttps(sandbox);
    const wanted = { "": last, "#stable": first, "#v1.0.0": first, "#v1.1.0": last, [`#${first}`]: first };
    for (const [index, [reference, commit]] of Object.entries(wanted).entries()) {
      const cwd = `app-${index}`;
      sandbox.write(`${cwd}/.keep`, "");
      await sandbox.ok(`attune pack install ${base}/org/pack.git${reference}`, { cwd });
      const version = commit === first ? "1.0.0" : "1.1.0";
      expect(sandbox.read(`${cwd}/packs/pack/actions/run.sh`)).toContain(`pack ${version}`);
      expect(sandbox.read(`${cwd}/pack.lock`)).toContain(commit);
      expect(sandbox.has(`${cwd}/packs/pack/.git`)).toBe(false);
    }
    expect(requests.some((line) => line.startsWith("POST /org/pack.git/git-upload-pack"))).toBe(true);
    const asked = requests.length;
    await sandbox.ok("rm -rf packs .lading && attune pack install --frozen --offline", { cwd: "app-0" });
    expect(requests).toHaveLength(asked);
  });

  test.skipIf(!existsSync(SSHD))(
    "[INS-03] over SSH: a tag and a branch of a real server, with the user's own key",
    async () => {
      const sandbox = open();
      const { first, last } = await bareRepository(sandbox, "pack");
      const { url, command } = await gitOverSsh(sandbox);
      const run = { cwd: "app", env: { GIT_SSH_COMMAND: command } };
      sandbox.write("app/.keep", "");
      await sandbox.ok(`attune pack install ${url("pack")}#v1.0.0`, run);
      expect(sandbox.read("app/pack.lock")).toContain(first);
      sandbox.write("newest/.keep", "");
      await sandbox.ok(`attune pack install ${url("pack")}#main`, { ...run, cwd: "newest" });
      expect(sandbox.read("newest/pack.lock")).toContain(last);
      const refused = await sandbox.line(`attune pack install ${url("pack")}`, {
        cwd: "app",
        env: { GIT_SSH_COMMAND: `${command} -o BatchMode=yes -i /nonexistent -F /dev/null`.replace(/-i \S+user /, "") },
      });
      expect(refused.code).toBe(5);
      expect(refused.stderr).toContain("GIT_FAILED");
    },
  );

  test("[INS-03] git@host:path asks ssh for that path of that host", async () => {
    const sandbox = open();
    sandbox.write("fake-ssh", '#!/bin/sh\necho "$@" >> "$ASKED"\nexit 255\n');
    chmodSync(sandbox.path("fake-ssh"), 0o755);
    sandbox.write("app/.keep", "");
    const failed = await sandbox.line("attune pack install git@git.example.com:org/pack.git", {
      cwd: "app",
      env: { GIT_SSH: sandbox.path("fake-ssh"), ASKED: sandbox.path("asked"), GIT_SSH_VARIANT: "ssh" },
    });
    expect(failed.code).toBe(5);
    expect(sandbox.read("asked")).toMatch(/git@git\.example\.com git-upload-pack 'org\/pack\.git'/);
    expect(readdirSync(sandbox.path("app"))).toEqual([".keep"]);
  });
});

describe("archives", () => {
  /** The same tree as each kind of archive, with a folder around it and without. */
  async function archives(sandbox: Sandbox): Promise<string[]> {
    writePack(sandbox, "made/mail-2.0.0", "mail", "2.0.0");
    await sandbox.ok("tar czf ../mail.tar.gz mail-2.0.0 && cp ../mail.tar.gz ../mail.tgz", { cwd: "made" });
    await sandbox.ok(
      "python3 -c \"import shutil; shutil.make_archive('../../mail', 'zip', '.'); shutil.make_archive('../../flat', 'gztar', '.')\"",
      { cwd: "made/mail-2.0.0" },
    );
    return ["mail.tar.gz", "mail.tgz", "mail.zip", "flat.tar.gz"];
  }

  test("[INS-07] a local .zip, .tar.gz or .tgz of somebody's source tree is unpacked, locked and recorded", async () => {
    const sandbox = open();
    for (const file of await archives(sandbox)) {
      const cwd = `app-${file}`;
      sandbox.write(`${cwd}/.keep`, "");
      await sandbox.ok(`attune pack install ../${file}`, { cwd });
      expect(sandbox.read(`${cwd}/packs/mail/actions/run.sh`)).toContain("mail 2.0.0");
      const sum = (await sandbox.ok(`sha256sum ${file}`)).stdout.slice(0, 64);
      expect(JSON.parse(sandbox.read(`${cwd}/vendor/packages/mail-2.0.0.json`))).toMatchObject({
        name: "mail",
        version: "2.0.0",
        source: `../${file}`,
        checksum: `sha256:${sum}`,
      });
    }
  });

  test("[INS-05] an archive URL of each kind installs with its checksum; a wrong one leaves nothing behind", async () => {
    const sandbox = open();
    const files = await archives(sandbox);
    const { readFileSync } = await import("node:fs");
    const port = await listen(
      createServer((request, response) => {
        const file = sandbox.path(path.basename(request.url!));
        if (existsSync(file)) response.end(readFileSync(file));
        else response.writeHead(404).end();
      }),
    );
    sandbox.write("temporary/.keep", "");
    for (const file of files.slice(0, 3)) {
      const cwd = `app-${file}`;
      sandbox.write(`${cwd}/.keep`, "");
      const url = `http://127.0.0.1:${port}/${file}`;
      const sum = (await sandbox.ok(`sha256sum ${file}`)).stdout.slice(0, 64);
      const env = { TMPDIR: sandbox.path("temporary"), XDG_CACHE_HOME: sandbox.path("cache") };
      const wrong = await sandbox.line(`attune pack install ${url} --checksum sha256:${"0".repeat(64)}`, { cwd, env });
      expect({ code: wrong.code, told: wrong.stderr.includes("SOURCE_CHECKSUM_MISMATCH") }).toEqual({
        code: 7,
        told: true,
      });
      expect(readdirSync(sandbox.path(cwd))).toEqual([".keep"]);
      const bare = await sandbox.line(`attune pack install ${url}`, { cwd, env });
      expect(bare.stderr).toContain(`--checksum sha256:${sum}`);
      await sandbox.ok(`attune pack install ${url} --checksum sha256:${sum}`, { cwd, env });
      expect(sandbox.read(`${cwd}/packs/mail/actions/run.sh`)).toContain("mail 2.0.0");
      expect(readdirSync(sandbox.path("temporary"))).toEqual([".keep"]);
      expect(readdirSync(sandbox.path("cache/attune")).filter((name) => name.startsWith("archive-"))).toEqual([]);
    }
  });

  test("an archive without a pack, with a link or with a path outside is refused", async () => {
    const sandbox = open();
    sandbox.write("none/readme.md", "nothing");
    await sandbox.ok("tar czf ../none.tar.gz readme.md && ln -s /etc/passwd link && cp ../none.tar.gz .", {
      cwd: "none",
    });
    writePack(sandbox, "bad", "bad", "1.0.0");
    await sandbox.ok("ln -s /etc/passwd link && tar czf ../link.tar.gz .", { cwd: "bad" });
    await sandbox.ok(
      "python3 -c \"import zipfile; z = zipfile.ZipFile('slip.zip', 'w'); z.writestr('../evil', 'x'); z.close()\"",
    );
    sandbox.write("app/.keep", "");
    for (const [file, code] of [
      ["none.tar.gz", "SOURCE_NO_PACKAGE"],
      ["link.tar.gz", "ARCHIVE_SYMLINK_REFUSED"],
      ["slip.zip", "ARCHIVE_PATH_TRAVERSAL"],
    ] as const) {
      const refused = await sandbox.line(`attune pack install ../${file}`, { cwd: "app" });
      expect(refused.stderr).toContain(code);
      expect(refused.code).not.toBe(0);
    }
    expect(readdirSync(sandbox.path("app"))).toEqual([".keep"]);
    expect(sandbox.has("evil")).toBe(false);
  });

  test("[INS-09] a .vitpkg given to install is installed", async () => {
    const sandbox = open();
    sandbox.write(
      "lib/vitte.toml",
      '[package]\nname = "vitte-ast"\nversion = "0.1.0"\ndescription = "Trees"\nlicense = "MIT"\n',
    );
    sandbox.write("lib/src/ast.vit", "tree\n");
    await sandbox.ok("vitte packager build", { cwd: "lib" });
    sandbox.write("app/.keep", "");
    await sandbox.ok("vitte install ../lib/target/vitte-ast-0.1.0.vitpkg", { cwd: "app" });
    expect(sandbox.read("app/vitte_packages/vitte-ast/src/ast.vit")).toBe("tree\n");
    expect(sandbox.read("app/vitte.toml")).toContain("vitte-ast");
  });
});

describe("a pack's tests", () => {
  test("[INS-21] are not run by install --skip-tests, whose dependencies are validated all the same", async () => {
    const sandbox = open();
    const testing =
      "testing:\n  enabled: true\n  runners:\n    script:\n      type: script\n      entry_point: tests/run.sh\n";
    writePack(sandbox, "tested", "tested", "1.0.0", testing);
    sandbox.write("tested/tests/run.sh", `#!/bin/sh\ntouch ${sandbox.path("ran")}\n`);
    writePack(sandbox, "needs", "needs", "1.0.0", "dependencies:\n  - absent-pack\n");
    sandbox.write("app/.keep", "");
    await sandbox.ok("attune pack install ../tested --skip-tests", { cwd: "app" });
    expect(sandbox.has("ran")).toBe(false);
    expect(sandbox.has("app/packs/tested/tests/run.sh")).toBe(true);
    await sandbox.ok(`attune registry add local ${registry.url}`);
    expect((await sandbox.line("attune pack install ../needs --skip-tests", { cwd: "app" })).code).toBe(4);
  });
});

describe("runtimes", () => {
  /** Programs of these names that print these lines; `sh` and `git` stay the machine's. */
  function programs(sandbox: Sandbox, all: Readonly<Record<string, string>>): Record<string, string> {
    for (const [name, line] of Object.entries(all)) {
      sandbox.write(`fake/${name}`, `#!/bin/sh\necho '${line}'\n`);
      chmodSync(sandbox.path(`fake/${name}`), 0o755);
    }
    return { PATH: `${sandbox.path("fake")}:${path.join(sandbox.root, "bin")}:/usr/bin:/bin` };
  }

  test("[RES-16] [RES-17] [RES-20] [INS-18] [TST-07] a python3 or node that is too old is told with found and wanted before anything is registered", async () => {
    const sandbox = open();
    writePack(sandbox, "needy", "needy", "1.0.0", 'runtime_deps:\n  - "python3>=3.8"\n  - "nodejs>=14.0"\n');
    sandbox.write("app/.keep", "");
    const old = programs(sandbox, { python3: "Python 3.7.9", node: "v12.22.0" });
    const refused = await sandbox.line("attune pack install ../needy --json --quiet", { cwd: "app", env: old });
    expect(refused.code).toBe(4);
    const { error } = JSON.parse(refused.stderr) as { error: { code: string; details: { validation: object } } };
    expect(error.code).toBe("REQUIREMENTS_UNMET");
    expect(error.details.validation).toMatchObject({
      valid: false,
      runtimes: [
        { name: "python3", wanted: ">=3.8", found: "3.7.9", state: "mismatch", requiredBy: "needy 1.0.0" },
        { name: "nodejs", wanted: ">=14.0", found: "12.22.0", state: "mismatch" },
      ],
      errors: [expect.stringContaining("python3 >=3.8, found is 3.7.9"), expect.stringContaining("nodejs")],
      warnings: [],
    });
    expect(readdirSync(sandbox.path("app"))).toEqual([".keep"]);

    await sandbox.ok("attune pack install ../needy --skip-deps", { cwd: "app", env: old });
    await sandbox.ok("rm -rf pack.yaml pack.lock packs .lading", { cwd: "app" });
    const good = programs(sandbox, { python3: "Python 3.8.0", node: "v14.0.0" });
    const { install } = (await sandbox.json("attune pack install ../needy --json --quiet", {
      cwd: "app",
      env: good,
    })) as {
      install: { validation: object };
    };
    expect(install.validation).toMatchObject({ valid: true, runtimes: [{ found: "3.8.0" }, { found: "14.0.0" }] });
  });
});
