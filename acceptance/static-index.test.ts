import { createHash } from "node:crypto";
import { createServer, type Server } from "node:http";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSandbox, type Sandbox } from "./lib/harness.ts";

interface IndexFile {
  readonly last_updated: string;
  readonly packs: readonly {
    readonly ref: string;
    readonly version: string;
    readonly install_sources: readonly Record<string, string>[];
    readonly contents: Record<string, readonly { readonly name: string }[]>;
  }[];
}

let files: Server;
let archives = "";
const served = new Map<string, Buffer>();
const sandboxes: Sandbox[] = [];

function open(): Sandbox {
  const sandbox = createSandbox({
    replace: { "https://releases.example.com": archives, "/path/to/": "", "${{ github.repository }}": "org/my-pack" },
  });
  sandboxes.push(sandbox);
  sandbox.write("~/.gitconfig", "[user]\n  name = Ada\n  email = ada@example.com\n[init]\n  defaultBranch = main\n");
  return sandbox;
}

function writePack(sandbox: Sandbox, directory: string, version: string, ref = directory): void {
  sandbox.write(
    `${directory}/pack.yaml`,
    `ref: ${ref}\nlabel: The ${ref} pack\ndescription: What ${ref} does\nversion: ${version}\nauthor: Ada\nemail: ada@example.com\nlicense: MIT\nruntime_deps:\n  - python3>=3.8\ndependencies:\n  - core>=1.0.0\n`,
  );
  sandbox.write(`${directory}/actions/run.yaml`, `ref: ${ref}.run\ndescription: Runs\n`);
  sandbox.write(`${directory}/actions/run.sh`, "#!/bin/sh\necho run\n");
}

const read = (sandbox: Sandbox, file: string): IndexFile => JSON.parse(sandbox.read(file)) as IndexFile;

beforeAll(async () => {
  files = createServer((request, response) => {
    const body = served.get(request.url ?? "");
    if (request.url === "/moved.tar.gz") response.writeHead(302, { location: "/pack-1.0.0.tar.gz" }).end();
    else response.writeHead(body === undefined ? 404 : 200).end(body);
  });
  await new Promise<void>((resolve) => files.listen(0, "127.0.0.1", resolve));
  archives = `http://127.0.0.1:${(files.address() as AddressInfo).port}`;
});

afterAll(async () => {
  await Promise.all(sandboxes.map((sandbox) => sandbox.dispose()));
  files.close();
});

describe("checksum", () => {
  test("[ARC-16] of a directory is the same elsewhere, and another one when a file is renamed", async () => {
    const sandbox = open();
    writePack(sandbox, "pack", "1.0.0");
    const first = (await sandbox.ok("attune pack checksum pack")).stdout;
    expect(first).toMatch(/^sha256:[0-9a-f]{64} {2}pack\n$/);
    await sandbox.ok("cp -r pack elsewhere");
    expect((await sandbox.ok("attune pack checksum elsewhere")).stdout.split(" ")[0]).toBe(first.split(" ")[0]);
    await sandbox.ok("mv elsewhere/actions/run.sh elsewhere/actions/ran.sh");
    expect((await sandbox.ok("attune pack checksum elsewhere")).stdout.split(" ")[0]).not.toBe(first.split(" ")[0]);
  });

  test("[ARC-16] of a directory is Attune's sum over names, lengths and contents", async () => {
    const sandbox = open();
    sandbox.write("vector/a.txt", "first");
    sandbox.write("vector/z.txt", "last");
    const { stdout } = await sandbox.ok("attune pack checksum vector");
    expect(stdout).toContain("sha256:ca427e7c4daebdc0cb0f04df11ee68a2b2bfc1b8a6892d3fdaab82fdb4207c94");
  });

  test("[ARC-17] of a file is that of sha256sum", async () => {
    const sandbox = open();
    sandbox.write("pack.tar.gz", "not even an archive");
    const expected = (await sandbox.ok("sha256sum pack.tar.gz")).stdout.split(" ")[0];
    expect((await sandbox.ok("attune pack checksum pack.tar.gz")).stdout).toBe(`sha256:${expected}  pack.tar.gz\n`);
  });

  test("[ARC-18] [CIC-11] as JSON is an install source, and nothing else is printed", async () => {
    const sandbox = open();
    writePack(sandbox, "pack", "1.0.0");
    const inside = { cwd: "pack" };
    await sandbox.ok("git init -q . && git add -A && git commit -q -m one && git tag v1.0.0", inside);
    await sandbox.ok("git remote add origin git@github.com:org/pack.git", inside);
    const source = (await sandbox.json("attune pack checksum . --json", inside)) as Record<string, string>;
    expect(source).toEqual({
      type: "git",
      url: "https://github.com/org/pack.git",
      ref: "v1.0.0",
      checksum: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) as string,
    });
    sandbox.write("pack.tgz", "bytes");
    expect(
      await sandbox.json("attune pack checksum pack.tgz --archive-url https://releases.test/p.tgz --json"),
    ).toEqual({
      type: "archive",
      url: "https://releases.test/p.tgz",
      checksum: `sha256:${createHash("sha256").update("bytes").digest("hex")}`,
    });
  });

  test("says what is wrong where there is nothing to sum", async () => {
    const { code, stderr } = await open().line("attune pack checksum nowhere");
    expect(code).toBe(5);
    expect(stderr).toContain("nowhere");
  });
});

describe("pipes", () => {
  test.each(["attune pack checksum pipe", "lading profile check pipe"])(
    "%s refuses one instead of waiting for it",
    async (line) => {
      const sandbox = open();
      await sandbox.ok("mkfifo pipe");
      const { code, stderr } = await sandbox.line(line);
      expect(code).toBe(5);
      expect(stderr).toContain("it is a pipe, not a file");
    },
  );
});

describe("index-update", () => {
  test("[IDX-05] [IDX-06] [IDX-07] [IDX-09] [IDX-10] [IDX-11] runs as documented", async () => {
    const sandbox = open();
    writePack(sandbox, "pack", "1.0.0");
    await sandbox.ok("tar czf pack-1.0.0.tar.gz -C pack .");
    served.set("/pack-1.0.0.tar.gz", readFileSync(sandbox.path("pack-1.0.0.tar.gz")));
    const line =
      "attune pack index-update --index /path/to/index.json /path/to/pack --git-url https://github.com/org/pack --git-ref v1.0.0 --archive-url https://releases.example.com/pack-1.0.0.tar.gz --update";
    const missing = await sandbox.line(line);
    expect(missing.code).toBe(2);
    expect(missing.stderr).toContain("index-init");
    expect(sandbox.has("index.json")).toBe(false);

    await sandbox.ok("attune pack index-init . --name Packs --url https://packs.example.com");
    expect((await sandbox.ok(line)).stdout).toBe("✓ Added pack 1.0.0 in index.json: 1 pack\n");
    const directory = (await sandbox.ok("attune pack checksum pack")).stdout.split(" ")[0];
    const archive = (await sandbox.ok("attune pack checksum pack-1.0.0.tar.gz")).stdout.split(" ")[0];
    const [entry] = read(sandbox, "index.json").packs;
    expect(entry!.install_sources).toEqual([
      { type: "git", url: "https://github.com/org/pack", ref: "v1.0.0", checksum: directory },
      { type: "archive", url: `${archives}/pack-1.0.0.tar.gz`, checksum: archive },
    ]);
    expect(entry).toMatchObject({
      ref: "pack",
      label: "The pack pack",
      author: "Ada",
      email: "ada@example.com",
      runtime_deps: ["python3>=3.8"],
      contents: { actions: [{ name: "run", description: "Runs" }] },
    });
    expect((await sandbox.ok("attune pack index-validate index.json --strict")).stdout).toBe("✓ index.json: 1 pack\n");
  });

  test("[IDX-08] refuses a pack that is there, and leaves the file as it was", async () => {
    const sandbox = open();
    writePack(sandbox, "my-pack", "1.0.0");
    const line = (ref: string, more = ""): string =>
      `attune pack index-update --index registry/index.json my-pack --git-url https://github.com/org/my-pack --git-ref ${ref} ${more}`;
    await sandbox.ok("attune pack index-init registry --url https://packs.example.com");
    await sandbox.ok(line("v1.0.0"));
    const before = sandbox.read("registry/index.json");
    writePack(sandbox, "my-pack", "1.1.0");
    const refused = await sandbox.line(line("v1.1.0"));
    expect(refused.code).toBe(8);
    expect(refused.stderr).toContain("PACK_INDEX_DUPLICATE");
    expect(refused.stderr).toContain("--update");
    expect(sandbox.read("registry/index.json")).toBe(before);
    expect((await sandbox.ok(line("v1.1.0", "--update"))).stdout).toBe(
      "✓ Updated my-pack 1.1.0 (from 1.0.0) in registry/index.json: 1 pack\n",
    );
    const after = sandbox.read("registry/index.json");
    await sandbox.ok(line("v1.1.0", "--update"));
    expect(sandbox.read("registry/index.json")).toBe(after);
  });

  test("[IDX-12] changes one block and replaces the file as a whole", async () => {
    const sandbox = open();
    await sandbox.ok("attune pack index-init . --url https://packs.example.com");
    for (const ref of ["alpha", "beta", "gamma"]) {
      writePack(sandbox, ref, "1.0.0");
      await sandbox.ok(`attune pack index-update --index index.json ${ref} --git-url org/${ref} --git-ref v1.0.0`);
    }
    const before = sandbox.read("index.json").split("\n");
    const inode = (await sandbox.ok("stat -c %i index.json")).stdout;
    writePack(sandbox, "beta", "1.0.1");
    await sandbox.ok("attune pack index-update --index index.json beta --git-url org/beta --git-ref v1.0.1 --update");
    const after = sandbox.read("index.json").split("\n");
    const changed = after.filter((line, i) => line !== before[i]);
    expect(after).toHaveLength(before.length);
    expect(changed.length).toBeLessThanOrEqual(4);
    // Another file under the same name: whoever reads meanwhile has the old one or the new one, whole.
    expect((await sandbox.ok("stat -c %i index.json")).stdout).not.toBe(inode);
    expect((await sandbox.ok("ls -A")).stdout.split("\n").filter((name) => name.includes(".tmp"))).toEqual([]);
  });

  test("an archive without a checksum is downloaded, over redirects too, and refused where it cannot be", async () => {
    const sandbox = open();
    writePack(sandbox, "pack", "1.0.0");
    served.set("/pack-1.0.0.tar.gz", Buffer.from("bytes"));
    const entry = (await sandbox.json(
      "attune pack index-entry pack --archive-url https://releases.example.com/moved.tar.gz --json",
    )) as IndexFile["packs"][number];
    expect(entry.install_sources).toEqual([
      {
        type: "archive",
        url: `${archives}/moved.tar.gz`,
        checksum: `sha256:${createHash("sha256").update("bytes").digest("hex")}`,
      },
    ]);
    const gone = await sandbox.line(
      "attune pack index-entry pack --archive-url https://releases.example.com/no.tar.gz",
    );
    expect(gone.code).toBe(5);
    expect(gone.stderr).toContain("404");
    const offline = await sandbox.line(
      "attune pack index-entry pack --archive-url https://releases.example.com/moved.tar.gz --offline",
    );
    expect(offline.stderr).toContain("offline");
  });

  test("an address that others cannot read, or that holds a secret, is refused and not shown", async () => {
    const sandbox = open();
    writePack(sandbox, "pack", "1.0.0");
    const secret = await sandbox.line(
      "attune pack index-entry pack --git-url https://x:hunter2@git.test/p --git-ref v1",
    );
    expect(secret.code).toBe(2);
    expect(secret.stderr).not.toContain("hunter2");
    expect((await sandbox.line("attune pack index-entry pack --git-url http://git.test/p --git-ref v1")).code).toBe(2);
    expect((await sandbox.line("attune pack index-entry pack")).stderr).toContain("--git-url");
  });
});

describe("index-entry, index-merge, index-validate", () => {
  test("[IDX-18] an entry fits the schema, here and in an index", async () => {
    const sandbox = open();
    writePack(sandbox, "pack", "1.0.0");
    const entry = await sandbox.json("attune pack index-entry pack --git-url org/pack --git-ref v1.0.0 --json");
    const head = {
      registry_name: "P",
      registry_url: "https://p.test",
      version: "1.0",
      last_updated: "2026-01-01T00:00:00Z",
    };
    sandbox.write("index.json", JSON.stringify({ ...head, packs: [entry] }));
    await sandbox.ok("attune pack index-validate index.json --strict");
  });

  test("an index that is not there is missing to every command", async () => {
    const sandbox = open();
    const merged = await sandbox.line("attune pack index-merge no-such.json other.json -o merged.json");
    expect(merged).toMatchObject({ code: 2, stderr: expect.stringContaining("INDEX_FILE_MISSING") as string });
  });

  test("[IDX-13] [IDX-14] [IDX-15] [IDX-16] [IDX-17] [SYN-04] [RES-21] three indexes become one", async () => {
    const sandbox = open();
    const put = async (index: string, ref: string, version: string): Promise<void> => {
      writePack(sandbox, `packs/${ref}`, version, ref);
      await sandbox.ok(
        `attune pack index-update --index ${index}/index.json packs/${ref} --git-url org/${ref} --git-ref v${version}`,
      );
    };
    for (const index of ["official", "community", "enterprise"]) {
      await sandbox.ok(`attune pack index-init ${index} --url https://packs.example.com`);
    }
    await put("official", "mail", "1.9.0");
    await put("official", "core", "1.0.0");
    await put("community", "mail", "1.10.0");
    await put("enterprise", "mail", "1.2.0");
    await put("enterprise", "audit", "1.0.0");
    const line =
      "attune pack index-merge --output merged.json official/index.json community/index.json enterprise/index.json";
    expect((await sandbox.ok(line)).stdout).toBe(
      "✓ Merged 3 index files into merged.json\n  Total packs loaded: 5\n  Unique packs: 3\n  Duplicates resolved: 2\n",
    );
    const { packs } = read(sandbox, "merged.json");
    expect(packs.map(({ ref, version }) => `${ref} ${version}`)).toEqual(["audit 1.0.0", "core 1.0.0", "mail 1.10.0"]);
    const before = sandbox.read("merged.json");
    const refused = await sandbox.line(line);
    expect(refused.code).toBe(8);
    expect(sandbox.read("merged.json")).toBe(before);
    await sandbox.ok(`${line} --force`);
  });

  test("[IDX-19] every mistake of an index is listed with its place", async () => {
    const sandbox = open();
    sandbox.write("index.json", JSON.stringify({ registry_name: "", version: "2.0", packs: [{ ref: "A" }] }));
    const { code, stdout } = await sandbox.line("attune pack index-validate index.json");
    expect(code).toBe(1);
    for (const place of ["registry_name", "registry_url", "version", "packs[0].ref", "packs[0].install_sources"]) {
      expect(stdout).toContain(`✗ ${place}: `);
    }
    sandbox.write("index.json", "{");
    expect((await sandbox.line("attune pack index-validate index.json")).stdout).toContain("no JSON");
  });

  test("[IDX-20] [IDX-21] a registry repository takes a pack by one commit", async () => {
    const sandbox = open();
    await sandbox.ok("attune pack index-init registry --name Packs --url https://packs.example.com");
    expect(sandbox.read("registry/README.md")).toContain("attune pack index-update --index index.json");
    const again = await sandbox.line("attune pack index-init registry --url https://packs.example.com");
    expect(again.code).toBe(8);
    await sandbox.ok("git init -q . && git add -A && git commit -q -m start", { cwd: "registry" });
    await sandbox.ok("git clone -q --bare registry origin.git && rm -r registry");
    writePack(sandbox, "my-pack", "1.0.0");
    await sandbox.ok("git init -q . && git add -A && git commit -q -m one && git tag v1.0.0", { cwd: "my-pack" });
    await sandbox.ok("git clone -q ../origin.git registry", { cwd: "my-pack" });
    await sandbox.ok(
      'attune pack index-update --index registry/index.json . --git-url "${{ github.repository }}" --update',
      { cwd: "my-pack" },
    );
    await sandbox.ok('cd registry && git add index.json && git commit -q -m "Update" && git push -q', {
      cwd: "my-pack",
    });
    expect((await sandbox.ok("git log --oneline", { cwd: "origin.git" })).stdout.trim().split("\n")).toHaveLength(2);
    const { stdout } = await sandbox.ok("git show HEAD:index.json", { cwd: "origin.git" });
    const [entry] = (JSON.parse(stdout) as IndexFile).packs;
    expect(entry!.install_sources[0]).toMatchObject({ url: "https://github.com/org/my-pack", ref: "v1.0.0" });
    // The registry's clone lies inside the pack's directory: what is listed is what the tag has, and installs.
    await sandbox.ok("git clone -q --branch v1.0.0 my-pack fresh");
    const sum = (await sandbox.ok("attune pack checksum fresh")).stdout.split(" ")[0];
    expect(entry!.install_sources[0]!["checksum"]).toBe(sum);
    await sandbox.ok(
      `git config --global url.file://${sandbox.path("my-pack")}.insteadOf https://github.com/org/my-pack`,
    );
    await sandbox.ok("mkdir user && attune registry add local file://$PWD/my-pack/registry/index.json");
    await sandbox.ok("attune pack install my-pack --skip-deps", { cwd: "user" });
    expect(sandbox.read("user/packs/my-pack/actions/run.sh")).toContain("echo run");
  });

  test("an entry says what its reference has, whatever is checked out or changed meanwhile", async () => {
    const sandbox = open();
    writePack(sandbox, "pack", "1.0.0");
    const inside = { cwd: "pack" };
    await sandbox.ok("git init -q . && git add -A && git commit -q -m one && git tag v1.0.0", inside);
    const line = "attune pack index-entry pack --git-url org/pack --git-ref v1.0.0 --json";
    const before = await sandbox.json(line);
    expect(before).toMatchObject({ version: "1.0.0" });
    writePack(sandbox, "pack", "1.1.0");
    sandbox.write("pack/staged.txt", "staged\n");
    await sandbox.ok("git add staged.txt", inside);
    expect(await sandbox.json(line)).toEqual(before);
    expect((await sandbox.ok("git status --porcelain", inside)).stdout).toBe(" M pack.yaml\nA  staged.txt\n");
    // A reference that is not there yet is told, and stands for the files as they are.
    const later = await sandbox.ok("attune pack index-entry pack --git-url org/pack --git-ref v1.1.0 --json");
    expect(JSON.parse(later.stdout)).toMatchObject({ version: "1.1.0" });
    expect(later.stderr).toContain('"v1.1.0" is not in the checkout');
  });
});
