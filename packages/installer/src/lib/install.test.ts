import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { LadingEvent } from "@lading/core-manifest";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  buildPackage,
  changeUnseen,
  environmentIn,
  storedPackage,
  temporaryDirectory,
  toInstall,
} from "../../test/helpers.ts";
import { current, history, rollback } from "./history.ts";
import { installGeneration } from "./install.ts";
import type { InstallGenerationOptions, InstallPackage } from "./install-types.ts";
import { openStore } from "./store.ts";
import type { Store } from "./store-types.ts";
import { verifyInstalled } from "./verify-installed.ts";

function setUp(): { root: string; store: Store; options: Omit<InstallGenerationOptions, "packages"> } {
  const root = temporaryDirectory();
  const store = openStore(join(root, "data", "store", "v1"));
  onTestFinished(() => store.close());
  return { root, store, options: { environment: environmentIn(root), store, layout: "copied" } };
}

describe("installGeneration()", () => {
  it("shows packages through one link, as read-only hard links into the store", async () => {
    const { root, store, options } = setUp();
    const tool = await storedPackage(store, root, "tool", "1.0.0", { "src/a.js": "a\n", "bin/run": "#!/bin/sh\n" });
    const result = await installGeneration({ ...options, packages: [tool] });

    const { link } = options.environment;
    expect(readlinkSync(link)).toBe(join(".lading", "gen", "1"));
    expect(readFileSync(join(link, "tool/src/a.js"), "utf8")).toBe("a\n");
    expect(statSync(join(link, "tool/src/a.js")).ino).toBe(statSync(join(store.path(tool.tree!), "src/a.js")).ino);
    expect(statSync(join(link, "tool/src/a.js")).mode & 0o777).toBe(0o444);
    expect(statSync(join(link, "tool/bin/run")).mode & 0o777).toBe(0o555);
    expect(result).toMatchObject({ previous: undefined, generation: { number: 1, link: "hardlink", current: true } });
    expect(result.added.map((record) => record.name)).toEqual(["tool"]);
  });

  it("makes one relative symlink per package in the linked layout", async () => {
    const { root, store, options } = setUp();
    const packages = [
      await storedPackage(store, root, "tool", "1.0.0"),
      await storedPackage(store, root, "company/tool", "1.0.0"),
    ];
    await installGeneration({ ...options, layout: "linked", packages });

    const { link } = options.environment;
    expect(readlinkSync(join(link, "tool"))).toMatch(/^\.\.[\\/]/);
    expect(realpathSync(join(link, "@company/tool"))).toBe(realpathSync(store.path(packages[1]!.tree!)));
    expect(readFileSync(join(link, "tool/index.js"), "utf8")).toContain("1.0.0");
  });

  it.each(["hardlink", "copy"] as const)("installs by %s when told to", async (link) => {
    const { root, store, options } = setUp();
    const tool = await storedPackage(store, root, "tool", "1.0.0");
    const { generation } = await installGeneration({ ...options, link, packages: [tool] });
    expect(generation.link).toBe(link);
    const shared = statSync(join(options.environment.link, "tool/index.js")).nlink > 1;
    expect(shared).toBe(link === "hardlink");
  });

  it("records source, checksum, time and dependencies of every package, and keeps the time of unchanged ones", async () => {
    const { root, store, options } = setUp();
    const tool = await storedPackage(store, root, "tool", "1.0.0");
    const other = await storedPackage(store, root, "other", "2.0.0");
    await installGeneration({
      ...options,
      packages: [{ ...tool, dependencies: { other: "other" } }],
      now: 1_000_000,
      reason: "install",
    });
    const { generation } = await installGeneration({
      ...options,
      packages: [tool, other],
      now: 2_000_000_000,
      reason: "add other",
    });

    expect(generation).toMatchObject({ number: 2, reason: "add other", created: "1970-01-24T03:33:20.000Z" });
    expect(generation.packages).toMatchObject([
      { name: "other", installed: "1970-01-24T03:33:20.000Z" },
      {
        name: "tool",
        checksum: tool.blob,
        tree: tool.tree,
        installed: "1970-01-01T00:16:40.000Z",
        source: { type: "registry", url: "https://registry.example.org/" },
      },
    ]);
  });

  it("keeps the last three generations and deletes older ones after the switch", async () => {
    const { root, store, options } = setUp();
    const tool = await storedPackage(store, root, "tool", "1.0.0");
    for (let count = 0; count < 5; count++) await (await installGeneration({ ...options, packages: [tool] })).cleanup;
    expect(history(options.environment).map((generation) => generation.number)).toEqual([3, 4, 5]);
    expect(readdirSync(join(options.environment.state, "trash"))).toEqual([]);
    expect(current(options.environment)?.number).toBe(5);
  });

  it("leaves the earlier generation and no temporary files when it fails in the middle", async () => {
    const { root, store, options } = setUp();
    const good = await storedPackage(store, root, "good", "1.0.0");
    await installGeneration({ ...options, packages: [good] });
    const absent = toInstall(await buildPackage(root, "zzz", "1.0.0"));

    await expect(installGeneration({ ...options, packages: [good, absent] })).rejects.toMatchObject({
      code: "STORE_PACKAGE_MISSING",
    });
    expect(current(options.environment)?.number).toBe(1);
    expect(readdirSync(join(options.environment.state, "gen"))).toEqual(["1"]);
    expect(existsSync(join(options.environment.link, "good/index.js"))).toBe(true);
  });

  it("reports a failure of the disk as INSTALL_WRITE_FAILED and keeps the earlier generation", async () => {
    const { root, store, options } = setUp();
    const good = await storedPackage(store, root, "good", "1.0.0");
    await installGeneration({ ...options, packages: [good] });
    // What the disk does when it is full, without filling it: the record of the new generation cannot be written.
    const broken = {
      ...good,
      name: "x".repeat(20),
      get dependencies(): Record<string, string> {
        throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
      },
    };
    await expect(installGeneration({ ...options, packages: [broken] })).rejects.toMatchObject({
      code: "INSTALL_WRITE_FAILED",
    });
    expect(current(options.environment)?.number).toBe(1);
    expect(readdirSync(join(options.environment.state, "gen"))).toEqual(["1"]);
  });

  it("sweeps what an installation that was killed left behind", async () => {
    const { root, store, options } = setUp();
    const tool = await storedPackage(store, root, "tool", "1.0.0");
    mkdirSync(join(options.environment.state, "gen", ".tmp-dead", "half"), { recursive: true });
    await (
      await installGeneration({ ...options, packages: [tool] })
    ).cleanup;
    expect(readdirSync(join(options.environment.state, "gen"))).toEqual(["1"]);
    expect(readdirSync(join(options.environment.state, "trash"))).toEqual([]);
  });

  it("stops at an aborted signal", async () => {
    const { root, store, options } = setUp();
    const tool = await storedPackage(store, root, "tool", "1.0.0");
    const reason = new Error("stopped by the user");
    await expect(installGeneration({ ...options, packages: [tool], signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    );
    expect(current(options.environment)).toBeUndefined();
  });

  it("refuses to replace a directory that it did not make", async () => {
    const { root, store, options } = setUp();
    const tool = await storedPackage(store, root, "tool", "1.0.0");
    mkdirSync(options.environment.link);
    writeFileSync(join(options.environment.link, "precious"), "x");
    await expect(installGeneration({ ...options, packages: [tool] })).rejects.toMatchObject({
      code: "INSTALL_TARGET_OCCUPIED",
    });
    expect(existsSync(join(options.environment.link, "precious"))).toBe(true);
  });

  it.each(["../tool", "/tool", ".lading", "a/b", "tool@1", ".versions/tool", "@x", "Tool", "tool/../x", ""])(
    "refuses the path %j",
    async (path) => {
      const { root, store, options } = setUp();
      const tool = await storedPackage(store, root, "tool", "1.0.0");
      await expect(installGeneration({ ...options, packages: [{ ...tool, path }] })).rejects.toMatchObject({
        code: "INSTALL_PATH_INVALID",
      });
    },
  );

  it("refuses two packages at one path", async () => {
    const { root, store, options } = setUp();
    const tool = await storedPackage(store, root, "tool", "1.0.0");
    await expect(installGeneration({ ...options, packages: [tool, tool] })).rejects.toMatchObject({
      code: "INSTALL_PATH_INVALID",
    });
  });

  it("symlinks path sources, and refuses one that does not exist", async () => {
    const { root, options } = setUp();
    const member = join(root, "member");
    mkdirSync(member);
    writeFileSync(join(member, "a.js"), "live");
    const {
      tree: _,
      blob: _blob,
      ...rest
    } = toInstall({ name: "member", version: "0.1.0", tree: "" as never, blob: "" as never });
    const local: InstallPackage = { ...rest, source: { type: "path", url: "../member" }, directory: member };
    await installGeneration({ ...options, packages: [local] });
    writeFileSync(join(member, "a.js"), "edited");
    expect(readFileSync(join(options.environment.link, "member/a.js"), "utf8")).toBe("edited");
    await expect(
      installGeneration({ ...options, packages: [{ ...local, directory: join(root, "nowhere") }] }),
    ).rejects.toMatchObject({ code: "INSTALL_PLAN_INVALID" });
  });

  it("does not spread a store file whose size or time changed", async () => {
    const { root, store, options } = setUp();
    const tool = await storedPackage(store, root, "tool", "1.0.0");
    const file = join(store.path(tool.tree!), "index.js");
    chmodSync(file, 0o644);
    writeFileSync(file, "tampered");
    await expect(installGeneration({ ...options, packages: [tool] })).rejects.toMatchObject({
      code: "STORE_PACKAGE_DAMAGED",
    });
  });

  it("finds a change that keeps size and time when every byte is read", async () => {
    const { root, store, options } = setUp();
    const tool = await storedPackage(store, root, "tool", "1.0.0", { "a.js": "aaaa" });
    changeUnseen(join(store.path(tool.tree!), "a.js"), "bbbb");
    await expect(installGeneration({ ...options, packages: [tool], verify: "full" })).rejects.toMatchObject({
      code: "STORE_PACKAGE_DAMAGED",
    });
  });

  it("says what it does in events", async () => {
    const { root, store, options } = setUp();
    const tool = await storedPackage(store, root, "tool", "1.0.0");
    const events: LadingEvent[] = [];
    await installGeneration({ ...options, packages: [tool], onEvent: (event) => events.push(event) });
    expect(events.map((event) => event.type)).toEqual(["step-started", "step-completed"]);
  });
});

describe("rollback()", () => {
  it("switches to the generation before, and forward again by number", async () => {
    const { root, store, options } = setUp();
    const one = await storedPackage(store, root, "tool", "1.0.0");
    const two = await storedPackage(store, root, "tool", "2.0.0");
    await installGeneration({ ...options, packages: [one] });
    const { changed } = await installGeneration({ ...options, packages: [two] });
    expect(changed.map(({ from, to }) => [from.version, to.version])).toEqual([["1.0.0", "2.0.0"]]);

    expect(await rollback(options.environment)).toMatchObject({ from: 2, to: { number: 1 } });
    expect(readFileSync(join(options.environment.link, "tool/index.js"), "utf8")).toContain("1.0.0");
    await rollback(options.environment, 2);
    expect(readFileSync(join(options.environment.link, "tool/index.js"), "utf8")).toContain("2.0.0");
    // A new generation never takes the number of one that was left.
    await rollback(options.environment, 1);
    expect((await installGeneration({ ...options, packages: [two] })).generation.number).toBe(3);
  });

  it("refuses where there is nothing to go back to, or no such number", async () => {
    const { root, store, options } = setUp();
    await expect(rollback(options.environment)).rejects.toMatchObject({ code: "INSTALL_NO_GENERATION" });
    await installGeneration({ ...options, packages: [await storedPackage(store, root, "tool", "1.0.0")] });
    await expect(rollback(options.environment)).rejects.toMatchObject({ code: "INSTALL_NO_GENERATION" });
    await expect(rollback(options.environment, 7)).rejects.toMatchObject({
      code: "INSTALL_NO_GENERATION",
      message: expect.stringMatching(/: there is only 1$/) as string,
    });
  });

  it("refuses a linked generation whose packages the store no longer has", async () => {
    const { root, store, options } = setUp();
    const one = await storedPackage(store, root, "tool", "1.0.0");
    await installGeneration({ ...options, layout: "linked", packages: [one] });
    await installGeneration({ ...options, layout: "linked", packages: [] });
    await store.remove([one.tree!]);
    await expect(rollback(options.environment)).rejects.toMatchObject({ code: "INSTALL_GENERATION_DAMAGED" });
  });

  it("refuses a generation whose record was damaged, and history leaves it out", async () => {
    const { root, store, options } = setUp();
    const tool = await storedPackage(store, root, "tool", "1.0.0");
    await installGeneration({ ...options, packages: [tool] });
    await installGeneration({ ...options, packages: [tool] });
    writeFileSync(
      join(options.environment.state, "gen/1/.lading/generation.json"),
      '{"format":1,"number":1,"packages":[{}]}',
    );
    await expect(rollback(options.environment)).rejects.toMatchObject({ code: "INSTALL_GENERATION_DAMAGED" });
    expect(history(options.environment).map(({ number }) => number)).toEqual([2]);
  });
});

describe("verifyInstalled()", () => {
  it.each(["copied", "linked"] as const)("passes right after an installation (%s)", async (layout) => {
    const { root, store, options } = setUp();
    const tool = await storedPackage(store, root, "tool", "1.0.0");
    await installGeneration({ ...options, layout, packages: [tool] });
    for (const full of [false, true]) {
      expect(await verifyInstalled({ environment: options.environment, store, full })).toMatchObject({
        ok: true,
        packages: 1,
        damaged: [],
        strangers: [],
      });
    }
  });

  it("names changed, missing and extra files, and entries that belong to no package", async () => {
    const { root, store, options } = setUp();
    const tool = await storedPackage(store, root, "tool", "1.0.0", { "a.js": "a", "b.js": "b", "deep/c.js": "c" });
    await installGeneration({ ...options, packages: [tool], link: "copy" });
    const place = join(options.environment.link, "tool");
    chmodSync(join(place, "a.js"), 0o644);
    writeFileSync(join(place, "a.js"), "A");
    rmSync(join(place, "b.js"));
    writeFileSync(join(place, "deep/new.js"), "new");
    mkdirSync(join(options.environment.link, "squatter"));

    const report = await verifyInstalled({ environment: options.environment, store });
    expect(report).toMatchObject({ ok: false, strangers: ["squatter"] });
    expect(report.damaged).toEqual([
      {
        package: "tool",
        version: "1.0.0",
        path: "tool",
        problems: [
          { kind: "changed", path: "a.js" },
          { kind: "missing", path: "b.js" },
          { kind: "extra", path: "deep/new.js" },
        ],
      },
    ]);
  });

  it("compares the tree digest where the store no longer has the package", async () => {
    const { root, store, options } = setUp();
    const tool = await storedPackage(store, root, "tool", "1.0.0", { "bin/run": "#!/bin/sh\n" });
    await installGeneration({ ...options, packages: [tool], link: "copy" });
    await store.remove([tool.tree!]);
    expect(await verifyInstalled({ environment: options.environment, store })).toMatchObject({ ok: true });
    rmSync(join(options.environment.link, "tool/bin/run"));
    expect(await verifyInstalled({ environment: options.environment, store })).toMatchObject({
      ok: false,
      damaged: [{ problems: [{ kind: "changed", path: "." }] }],
    });
  });

  it("notices a package link that leads elsewhere, and one that is gone", async () => {
    const { root, store, options } = setUp();
    const one = await storedPackage(store, root, "one", "1.0.0");
    const two = await storedPackage(store, root, "two", "1.0.0");
    await installGeneration({ ...options, layout: "linked", packages: [one, two] });
    const place = join(options.environment.link, "one");
    expect(lstatSync(place).isSymbolicLink()).toBe(true);
    rmSync(place);
    mkdirSync(place);
    rmSync(join(options.environment.link, "two"));
    const report = await verifyInstalled({ environment: options.environment, store });
    expect(report.damaged.map(({ package: name, problems }) => [name, problems[0]?.kind])).toEqual([
      ["one", "changed"],
      ["two", "missing"],
    ]);
  });

  it("refuses where nothing is installed", async () => {
    const { store, options } = setUp();
    await expect(verifyInstalled({ environment: options.environment, store })).rejects.toMatchObject({
      code: "INSTALL_NO_GENERATION",
      message: expect.stringContaining("nothing is installed there"),
      hint: 'Run "install" first',
    });
  });
});
