import { randomBytes } from "node:crypto";
import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";

let registry: RegistryProcess;
const sandboxes: Sandbox[] = [];

function open(env: Readonly<Record<string, string>> = {}): Sandbox {
  const box = createSandbox({ env: { LADING_TOKEN: registry.token, LADING_REGISTRY_URL: registry.url, ...env } });
  sandboxes.push(box);
  return box;
}

const manifest = (name: string, version: string, more = ""): string =>
  `[package]\nname = "${name}"\nversion = "${version}"\ndescription = "d"\nlicense = "MIT"\n${more}`;

async function publish(box: Sandbox, name: string, version: string, more = "", script = ""): Promise<void> {
  const directory = `f/${name}-${version}`;
  box.write(`${directory}/lading.toml`, manifest(name, version, more));
  box.write(`${directory}/bin/${name}.sh`, `#!/bin/sh\necho ${name} ${version} "$@"\n${script}`);
  await box.ok("lading publish", { cwd: directory });
}

const executable = (name: string): string => `executables = ["bin/${name}.sh"]\n`;
const inside = { cwd: "p" } as const;

beforeAll(async () => {
  registry = await startRegistry();
  const box = open();
  await publish(box, "linter", "1.0.0", executable("linter"), "exit $LINT_STATUS\n");
  await publish(box, "linter", "1.1.0", executable("linter"));
  await publish(box, "helper", "1.0.0", executable("helper"));
  await publish(box, "plain", "1.0.0");
});
afterAll(async () => {
  await Promise.all(sandboxes.map((sandbox) => sandbox.dispose()));
  await registry.dispose();
});

/** A project that depends on the linter and a library. */
async function project(env: Readonly<Record<string, string>> = {}): Promise<Sandbox> {
  const box = open(env);
  box.write(
    "p/lading.toml",
    manifest(
      "app",
      "1.0.0",
      '\n[dependencies]\nlinter = "=1.0.0"\nplain = "1"\n\n[scripts]\nlint = "linter src"\nshow = "printf \'%s|\'"\nfail = "exit 7"\n',
    ),
  );
  await box.ok("lading install", inside);
  return box;
}

describe("run and exec", () => {
  test("run lists scripts, runs them with their arguments as they are, and ends with their exit status", async () => {
    const box = await project({ LINT_STATUS: "0" });
    expect((await box.ok("lading run", inside)).stdout).toMatch(/^lint +linter src$/m);
    expect((await box.ok("lading run lint --fix -v --help", inside)).stdout).toBe("linter 1.0.0 src --fix -v --help\n");
    expect((await box.ok(`lading run show 'a b' '$HOME' ';' '"'`, inside)).stdout).toBe('a b|$HOME|;|"|');
    expect((await box.line("lading run fail", inside)).code).toBe(7);
    // From a directory below, and with flags of ours before the name.
    box.write("p/src/.keep", "");
    expect((await box.ok("lading -C p/src run --package app lint", { cwd: "." })).stdout).toBe("linter 1.0.0 src\n");
    expect((await box.ok("lading run linter x", inside)).stdout).toBe("linter 1.0.0 x\n");
    const unknown = await box.line("lading run lnt", inside);
    expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining('"lint", "show", "fail"')]);
    const { stdout, stderr } = await box.ok("lading --json run lint", inside);
    expect([JSON.parse(stdout), stderr]).toEqual([{ command: "lint", exitCode: 0 }, "linter 1.0.0 src\n"]);
    box.write("p/lading.toml", `${manifest("app", "1.0.0")}\n[scripts]\nbad = 7\n`);
    expect((await box.line("lading run bad", inside)).stderr).toContain("SCRIPTS_INVALID");
  });

  test("exec finds programs of installed packages before those of the machine, and passes input and status on", async () => {
    const box = await project({ LINT_STATUS: "3" });
    const linted = await box.line("lading exec linter --json", inside);
    expect([linted.code, linted.stdout]).toEqual([3, "linter 1.0.0 --json\n"]);
    expect((await box.ok("lading exec cat", { ...inside, input: "through" })).stdout).toBe("through");
    expect((await box.ok("lading exec -- sh -c 'command -v linter >/dev/null && echo there'", inside)).stdout).toBe(
      "there\n",
    );
    expect((await box.line("lading exec sh -c 'kill -TERM $$'", inside)).code).toBe(143);
    const missing = await box.line("lading exec no-such-program", inside);
    expect([missing.code, missing.stderr]).toEqual([2, expect.stringContaining('"linter"')]);
    expect(box.read("p/lading.lock")).toContain("linter");
  });
});

describe("tool", () => {
  test("install, update, list and uninstall: an environment each, programs on the path, nobody else's replaced", async () => {
    const box = open();
    const bin = path.join(box.home, ".local/bin");
    const first = await box.ok("lading tool install linter@=1.0.0");
    expect(first.stdout).toContain(`Installed linter 1.0.0: linter in ${bin}`);
    expect(first.stdout).toContain(`export PATH="${bin}:$PATH"`);
    const call = (): Promise<string> =>
      box.ok(`${bin}/linter x`, { env: { LINT_STATUS: "0" } }).then(({ stdout }) => stdout);
    expect(await call()).toBe("linter 1.0.0 x\n");
    await box.ok("lading tool install linter@^1");
    expect(await call()).toBe("linter 1.1.0 x\n");
    // What fails leaves the tool as it was.
    expect((await box.line("lading tool install linter@^9")).code).toBe(4);
    expect(await call()).toBe("linter 1.1.0 x\n");
    await box.ok("lading tool install helper");
    expect((await box.ok("lading tool list")).stdout).toMatch(/helper +1\.0\.0 +helper\nlinter +1\.1\.0 +linter\n/);

    const none = await box.line("lading tool install plain");
    expect([none.code, none.stderr]).toEqual([8, expect.stringContaining("TOOL_WITHOUT_COMMANDS")]);
    expect((await box.ok("lading tool list")).stdout).not.toContain("plain");
    await box.ok("lading tool uninstall linter");
    expect(existsSync(`${bin}/linter`)).toBe(false);
    writeFileSync(`${bin}/linter`, "mine\n");
    const taken = await box.line("lading tool install linter");
    expect([taken.code, taken.stderr]).toEqual([8, expect.stringContaining("COMMAND_TAKEN")]);
    expect(readFileSync(`${bin}/linter`, "utf8")).toBe("mine\n");
    await box.ok("lading tool install linter --force");
    expect(lstatSync(`${bin}/linter`).isSymbolicLink()).toBe(true);
    expect((await box.line("lading tool uninstall nothing")).stderr).toContain('"helper", "linter"');
    // A project around the working directory plays no part.
    expect(readdirSync(box.work)).toEqual([]);
    expect(readlinkSync(`${bin}/linter`)).toContain("/tools/linter/");
  });
});

describe("link", () => {
  test("a directory stands in for a package until unlink, over every install, and manifest and lock stay", async () => {
    const box = await project();
    const lock = box.read("p/lading.lock");
    box.write("mine/lading.toml", manifest("linter", "9.9.9", executable("linter")));
    box.write("mine/bin/linter.sh", '#!/bin/sh\necho mine "$@"\n');
    await box.ok("chmod +x mine/bin/linter.sh");
    expect((await box.ok("lading link ../mine", inside)).stdout).toBe("+ linter -> ../mine\n");
    const call = async (): Promise<string> =>
      (await box.line("lading exec linter x", { ...inside, env: { LINT_STATUS: "0" } })).stdout;
    expect(await call()).toBe("mine x\n");
    await box.ok("lading install && lading install --frozen && lading install --locked", inside);
    expect(await call()).toBe("mine x\n");
    expect((await box.ok("lading link", inside)).stdout).toContain("linter -> ../mine");
    expect([box.read("p/lading.lock"), box.read("p/lading.toml")]).toEqual([
      lock,
      expect.stringContaining('linter = "=1.0.0"'),
    ]);
    await box.ok("lading unlink linter", inside);
    expect(await call()).toBe("linter 1.0.0 x\n");
    expect((await box.ok("lading link", inside)).stdout).toBe("No packages are linked\n");

    box.write("other/lading.toml", manifest("other", "1.0.0"));
    const stranger = await box.line("lading link ../other", inside);
    expect([stranger.code, stranger.stderr]).toEqual([2, expect.stringContaining("does not depend on it")]);
    expect((await box.line("lading link ../nowhere", inside)).stderr).toContain("LINK_INVALID");
    expect((await box.line("lading unlink linter", inside)).stderr).toContain("LINK_UNKNOWN");
  });
});

describe("vendor", () => {
  test("installs again from the project alone: no registry, no network, an empty home", async () => {
    const box = await project();
    const { stdout } = await box.ok("lading vendor", inside);
    expect(stdout).toMatch(/^Copied 2 packages to vendor/);
    expect(readdirSync(box.path("p/vendor")).sort()).toEqual([
      "lading-vendor.json",
      "linter-1.0.0.pkg",
      "plain-1.0.0.pkg",
    ]);

    const alone = createSandbox({ env: { LADING_REGISTRY_URL: "http://127.0.0.1:9", LINT_STATUS: "0" } });
    sandboxes.push(alone);
    await box.ok(`cp -r p/lading.toml p/lading.lock p/vendor ${alone.work}`);
    await alone.ok("lading install --offline --locked");
    expect((await alone.ok("lading exec linter x")).stdout).toBe("linter 1.0.0 x\n");
    await alone.ok("lading verify");

    // Other bytes are refused, whatever the list says of them.
    await alone.ok("rm -rf .lading lading_packages ~/.local");
    const intact = readFileSync(alone.path("vendor/plain-1.0.0.pkg"));
    writeFileSync(alone.path("vendor/plain-1.0.0.pkg"), Buffer.concat([intact, Buffer.from("x")]));
    const damaged = await alone.line("lading install --offline --locked");
    expect([damaged.code, damaged.stderr]).toEqual([7, expect.stringContaining("VENDOR_INVALID")]);
    expect(alone.has("lading_packages")).toBe(false);
    writeFileSync(alone.path("vendor/plain-1.0.0.pkg"), intact);
    await alone.ok("lading install --offline --locked");
  });

  test("demands signatures as of a registry, and never replaces a directory that it did not make", async () => {
    const box = open();
    await box.ok("lading keygen --output key.pem");
    box.write("f/signed/lading.toml", manifest("signed", "1.0.0"));
    await box.ok("lading publish --key ../../key.pem", { cwd: "f/signed" });
    box.write(
      "p/lading.toml",
      manifest("app", "1.0.0", '\n[dependencies]\nsigned = "1"\n\n[security]\nrequire_signatures = true\n'),
    );
    await box.ok("lading install && lading vendor", inside);
    await box.ok("rm -rf .lading lading_packages ~/.local ~/.cache", inside);
    await box.ok("lading install --offline --locked", {
      ...inside,
      env: { LADING_REGISTRY_URL: "http://127.0.0.1:9" },
    });
    expect((await box.ok("lading verify", inside)).stdout).toContain("1");
    await box.ok("rm -rf .lading lading_packages ~/.local ~/.cache vendor/signatures", inside);
    const unsigned = await box.line("lading install --offline --locked", inside);
    expect([unsigned.code, unsigned.stderr]).toEqual([7, expect.stringContaining("VENDOR_INVALID")]);

    box.write("p/third_party/mine.txt", "mine\n");
    const taken = await box.line("lading vendor third_party", inside);
    expect([taken.code, taken.stderr]).toEqual([8, expect.stringContaining("VENDOR_DIRECTORY_TAKEN")]);
    expect(box.read("p/third_party/mine.txt")).toBe("mine\n");
    const elsewhere = await box.ok("lading vendor third", inside);
    expect(elsewhere.stdout).toContain('installer.vendor_dir = "third"');
  });
});

describe("the team's shared cache", () => {
  /** Files named by a digest. */
  const blobs = (directory: string): string[] =>
    existsSync(directory)
      ? readdirSync(directory, { recursive: true, encoding: "utf8" }).filter((name) => /[0-9a-f]{64}$/.test(name))
      : [];

  test("[CCH-23] a second user with another home takes package files from it, and not from the registry", async () => {
    const local = await startRegistry();
    try {
      const team = open({ LADING_TOKEN: local.token, LADING_REGISTRY_URL: local.url });
      const shared = team.path("shared");
      const env = {
        LADING_INSTALLER_SHARED_CACHE: shared,
        LADING_REGISTRY_URL: local.url,
        LADING_TOKEN: local.token,
      };
      for (const name of ["linter", "plain"]) await publish(team, name, "1.0.0");
      const user = async (): Promise<Sandbox> => {
        const box = open(env);
        box.write("p/lading.toml", manifest("app", "1.0.0", '\n[dependencies]\nlinter = "=1.0.0"\nplain = "1"\n'));
        await box.ok("lading install && lading verify", inside);
        return box;
      };
      await user();
      expect(blobs(shared)).toHaveLength(2);
      // Colleagues are other users of the machine: who may read the files is what everybody's umask says.
      team.write("ordinary", "");
      for (const blob of blobs(shared)) expect(team.mode(path.join(shared, blob))).toBe(team.mode("ordinary"));
      // What somebody put there in a package's place is dropped, and the registry is asked.
      for (const blob of blobs(shared)) writeFileSync(path.join(shared, blob), "evil");
      await user();
      for (const blob of blobs(shared)) expect(readFileSync(path.join(shared, blob), "utf8")).not.toBe("evil");
      // The registry has no package file any more: all that the next user gets is the team's.
      const removed = blobs(path.join(local.data, "blobs")).map((blob) => path.join(local.data, "blobs", blob));
      expect(removed.length).toBeGreaterThan(1);
      for (const blob of removed) rmSync(blob);
      await user();
    } finally {
      await local.dispose();
    }
    // Out of reach, it is done without.
    const fourth = open({ LADING_INSTALLER_SHARED_CACHE: "/dev/null/shared" });
    fourth.write("p/lading.toml", manifest("app", "1.0.0", '\n[dependencies]\nplain = "1"\n'));
    expect((await fourth.ok("lading install", inside)).stderr).toContain("shared cache");
  });

  test("[CCH-18] shrinks below max_cache_size, what was not used for longest first; units parse", async () => {
    const team = open();
    const shared = team.path("shared");
    await project({ LADING_INSTALLER_SHARED_CACHE: shared });
    const [old, young] = blobs(shared).map((blob) => path.join(shared, blob));
    const size = statSync(old!).size + statSync(young!).size;
    utimesSync(old!, 1, 1);
    const user = open({ LADING_INSTALLER_SHARED_CACHE: shared });
    for (const [text, code] of [
      ["1GB", 0],
      ["512MB", 0],
      ["10KB", 0],
      [`${size}B`, 0],
      ["much", 2],
    ] as const) {
      expect([text, (await user.line(`lading config set installer.max_cache_size ${text}`)).code]).toEqual([
        text,
        code,
      ]);
    }
    user.write("p/lading.toml", manifest("app", "1.0.0", '\n[dependencies]\nhelper = "1"\n'));
    await user.ok("lading install", inside);
    expect(existsSync(old!)).toBe(false);
    const total = blobs(shared).reduce((sum, blob) => sum + statSync(path.join(shared, blob)).size, 0);
    expect(total).toBeLessThanOrEqual(size);
    expect(blobs(shared).length).toBeGreaterThan(0);
  });

  test("[CCH-18] [CCH-23] users at the same time keep it within max_cache_size, and none loses what it is installing from", async () => {
    const local = await startRegistry();
    try {
      const author = open({ LADING_TOKEN: local.token, LADING_REGISTRY_URL: local.url });
      const names = Array.from({ length: 8 }, (_, i) => `part-${i}`);
      for (const name of names) {
        author.write(`${name}/lading.toml`, manifest(name, "1.0.0"));
        writeFileSync(author.path(name, "data.bin"), randomBytes(100_000));
        await author.ok("lading publish", { cwd: name });
      }
      const shared = author.path("shared");
      const limit = 350_000;
      const held = (): number =>
        blobs(shared).reduce(
          (sum, blob) => sum + (statSync(path.join(shared, blob), { throwIfNoEntry: false })?.size ?? 0),
          0,
        );
      // Each needs more than fits, in another order, so that each one's room is made from what others use.
      const users = [0, 3, 6].map((first) => {
        const box = open({
          LADING_INSTALLER_SHARED_CACHE: shared,
          LADING_INSTALLER_MAX_CACHE_SIZE: `${limit}B`,
          LADING_REGISTRY_URL: local.url,
          LADING_TOKEN: local.token,
        });
        const own = Array.from({ length: 5 }, (_, i) => names[(first + i) % names.length]!);
        return { box, own };
      });
      for (let round = 0; round < 2; round++) {
        const installs = users.map(async ({ box, own }, user) => {
          const cwd = `p${round}`;
          const wanted = own.map((name) => `${name} = "1"`).join("\n");
          box.write(`${cwd}/lading.toml`, manifest("app", "1.0.0", `\n[dependencies]\n${wanted}\n`));
          if (round > 0) await box.ok("chmod -R u+w ~/.local/share/lading && rm -rf ~/.local/share/lading ~/.cache");
          const { stderr } = await box.ok("lading install && lading verify", { cwd });
          expect([user, stderr.includes("shared cache")]).toEqual([user, false]);
          for (const name of own)
            expect(statSync(box.path(cwd, "lading_packages", name, "data.bin")).size).toBe(100_000);
        });
        await Promise.all(installs);
        expect(held()).toBeLessThanOrEqual(limit);
        expect(held()).toBeGreaterThan(0);
      }
      // What is larger than all that is allowed comes past it, and nothing else goes for it.
      const before = blobs(shared).toSorted();
      author.write("huge/lading.toml", manifest("huge", "1.0.0"));
      writeFileSync(author.path("huge", "data.bin"), randomBytes(limit + 1));
      await author.ok("lading publish", { cwd: "huge" });
      const [{ box }] = users as [(typeof users)[number]];
      box.write("huge/lading.toml", manifest("app", "1.0.0", '\n[dependencies]\nhuge = "1"\n'));
      await box.ok("lading install", { cwd: "huge" });
      expect(blobs(shared).toSorted()).toEqual(before);
    } finally {
      await local.dispose();
    }
  }, 400_000);
});
