import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Digest } from "@lading/core-manifest";
import { describe, expect, it, onTestFinished } from "vitest";
import { buildPackage, changeUnseen, temporaryDirectory } from "../../test/helpers.ts";
import { openStore } from "./store.ts";
import type { Store } from "./store-types.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

function newStore(): { root: string; store: Store } {
  const root = temporaryDirectory();
  const store = openStore(join(root, "v1"));
  onTestFinished(() => store.close());
  return { root, store };
}

function temporaryEntries(store: Store): string[] {
  return readdirSync(join(store.directory, "tmp"));
}

describe("Store.ingest()", () => {
  it("unpacks once, read-only, addressed by tree digest, and lists the files with sizes and digests", async () => {
    const { root, store } = newStore();
    const built = await buildPackage(root, "tool", "1.0.0", { "a.js": "a", "bin/run": "#!" });
    const stored = await store.ingest(built.file, built, { signers: ["ed25519:ab"] });

    expect(stored).toMatchObject({
      tree: built.tree,
      blob: built.blob,
      name: "tool",
      version: "1.0.0",
      signers: ["ed25519:ab"],
    });
    expect(store.path(built.tree)).toContain(join("trees", built.tree.slice(7, 9), built.tree.slice(7)));
    expect(store.files(built.tree).map((file) => [file.path, file.executable])).toEqual([
      [".lading/package.json", false],
      ["a.js", false],
      ["bin/run", true],
      ["lading.toml", false],
    ]);
    expect(statSync(join(store.path(built.tree), "a.js")).mode & 0o777).toBe(0o444);
    expect(temporaryEntries(store)).toEqual([]);
  });

  it("survives closing and opening, and finds packages by either digest", async () => {
    const root = temporaryDirectory();
    const first = openStore(join(root, "v1"));
    const built = await buildPackage(root, "tool", "1.0.0");
    await first.ingest(built.file, built);
    first.close();
    const again = openStore(join(root, "v1"));
    onTestFinished(() => again.close());
    expect(again.get(built.tree)).toMatchObject({ name: "tool" });
    expect(again.byBlob(built.blob)?.tree).toBe(built.tree);
    expect(await again.verify(built.tree, { full: true })).toEqual([]);
    expect(again.size()).toMatchObject({ packages: 1, files: 3 });
  });

  it("does not unpack a package a second time", async () => {
    const { root, store } = newStore();
    const built = await buildPackage(root, "tool", "1.0.0");
    await store.ingest(built.file, built);
    rmSync(built.file);
    expect(await store.ingest(built.file, built)).toMatchObject({ tree: built.tree });
  });

  it("keeps nothing of a file that is not what was expected", async () => {
    const { root, store } = newStore();
    const built = await buildPackage(root, "tool", "1.0.0");
    const other = await buildPackage(root, "other", "1.0.0");
    await expect(store.ingest(built.file, { ...built, blob: other.blob })).rejects.toMatchObject({
      category: "integrity",
    });
    await expect(store.ingest(built.file, { tree: other.tree })).rejects.toMatchObject({ category: "integrity" });
    truncateSync(built.file, built.size - 10);
    await expect(store.ingest(built.file, {})).rejects.toMatchObject({
      code: expect.stringContaining("ARCHIVE_") as string,
    });
    expect(store.list()).toEqual([]);
    expect(temporaryEntries(store)).toEqual([]);
  });

  it("replaces an unindexed directory that a power failure emptied, and adopts one that is whole", async () => {
    const { root, store } = newStore();
    const built = await buildPackage(root, "tool", "1.0.0", { "a.js": "content" });
    await store.ingest(built.file, built);
    const file = join(store.path(built.tree), "a.js");
    forgetRow(store, built.tree);
    chmodSync(file, 0o644);
    truncateSync(file, 0);
    await store.ingest(built.file, built);
    expect(readFileSync(file, "utf8")).toBe("content");
    const inode = statSync(file).ino;
    store.list();
    forgetRow(store, built.tree);
    await store.ingest(built.file, built);
    expect(statSync(file).ino).toBe(inode);
    expect(await store.verify(built.tree)).toEqual([]);
  });

  it("stores each package once when processes store the same ones at the same time", async () => {
    const { root, store } = newStore();
    const built = await Promise.all([1, 2, 3, 4].map((number) => buildPackage(root, `tool-${number}`, "1.0.0")));
    const script = fileURLToPath(new URL("../../test/fixtures-ingest.ts", import.meta.url));
    const run = async (): Promise<number> => {
      const child = spawn(
        process.execPath,
        ["-C", "@lading/source", script, store.directory, ...built.map((item) => item.file)],
        { stdio: ["ignore", "ignore", "inherit"] },
      );
      const [code] = (await once(child, "exit")) as [number];
      return code;
    };
    expect(await Promise.all([run(), run(), run()])).toEqual([0, 0, 0]);
    expect(store.list().map((item) => item.name)).toEqual(["tool-1", "tool-2", "tool-3", "tool-4"]);
    for (const item of built) expect(await store.verify(item.tree, { full: true })).toEqual([]);
    expect(temporaryEntries(store)).toEqual([]);
  }, 30_000);
});

// What a process that died between the rename and the index leaves.
function forgetRow(store: Store, tree: Digest): void {
  store.list();
  const database = new DatabaseSync(join(store.directory, "index.sqlite"));
  database.prepare("DELETE FROM packages WHERE tree = ?").run(tree);
  database.close();
}

describe("Store.record()", () => {
  it("is what the package says of itself", async () => {
    const { root, store } = newStore();
    const built = await buildPackage(root, "tool", "1.0.0", { "a.js": "a" });
    await store.ingest(built.file, built);
    expect(store.record(built.tree)).toMatchObject({ format: 1, manifest: { name: "tool", version: "1.0.0" } });
  });

  it("refuses one that is gone or damaged", async () => {
    const { root, store } = newStore();
    const built = await buildPackage(root, "tool", "1.0.0", { "a.js": "a" });
    expect(() => store.record(built.tree)).toThrow(expect.objectContaining({ code: "STORE_PACKAGE_DAMAGED" }));
    await store.ingest(built.file, built);
    const file = join(store.path(built.tree), ".lading", "package.json");
    chmodSync(file, 0o644);
    truncateSync(file, 10);
    expect(() => store.record(built.tree)).toThrow(expect.objectContaining({ code: "STORE_PACKAGE_DAMAGED" }));
  });
});

describe("Store.verify() and missing()", () => {
  it("names changed, missing and extra files", async () => {
    const { root, store } = newStore();
    const built = await buildPackage(root, "tool", "1.0.0", { "a.js": "a", "b.js": "b" });
    await store.ingest(built.file, built);
    const place = store.path(built.tree);
    chmodSync(join(place, "a.js"), 0o644);
    writeFileSync(join(place, "a.js"), "x");
    rmSync(join(place, "b.js"));
    writeFileSync(join(place, "c.js"), "c");
    expect(await store.verify(built.tree, { full: true })).toEqual([
      { kind: "changed", path: "a.js" },
      { kind: "missing", path: "b.js" },
      { kind: "extra", path: "c.js" },
    ]);
  });

  it("removes damaged packages so that they are fetched again", async () => {
    const { root, store } = newStore();
    const good = await buildPackage(root, "good", "1.0.0");
    const bad = await buildPackage(root, "bad", "1.0.0", { "a.js": "aaaa" });
    const absent = await buildPackage(root, "absent", "1.0.0");
    for (const item of [good, bad]) await store.ingest(item.file, item);
    changeUnseen(join(store.path(bad.tree), "a.js"), "bbbb");

    const trees = [good.tree, bad.tree, absent.tree];
    expect(await store.missing(trees)).toEqual([absent.tree]);
    expect(await store.missing(trees, { verify: "full" })).toEqual([absent.tree, bad.tree]);
    expect(store.has(bad.tree)).toBe(false);
    await store.ingest(bad.file, bad);
    expect(await store.missing(trees, { verify: "full" })).toEqual([absent.tree]);
  });

  it("refuses a package that it does not have", async () => {
    const { store } = newStore();
    expect(() => store.files(`sha256:${"0".repeat(64)}` as Digest)).toThrow(
      expect.objectContaining({ code: "STORE_PACKAGE_MISSING" }) as Error,
    );
  });
});

describe("Store.gc()", () => {
  async function filled(): Promise<{ store: Store; trees: Digest[]; root: string }> {
    const { root, store } = newStore();
    const trees: Digest[] = [];
    for (const name of ["a", "b", "c"]) {
      const built = await buildPackage(root, name, "1.0.0", { "data.bin": name.repeat(1000) });
      await store.ingest(built.file, built);
      trees.push(built.tree);
    }
    store.list();
    const database = new DatabaseSync(join(store.directory, "index.sqlite"));
    for (const [age, tree] of trees.entries()) {
      database.prepare("UPDATE packages SET used_at = ? WHERE tree = ?").run(Date.now() - (3 - age) * DAY_MS, tree);
    }
    database.close();
    return { store, trees, root };
  }

  it("removes the least recently used packages until the store is small enough", async () => {
    const { store, trees } = await filled();
    const epoch = store.epoch;
    const { bytes } = store.size();
    const report = await store.gc({ maxBytes: bytes - 1 });
    expect(report.removed.map((item) => item.tree)).toEqual([trees[0]]);
    expect(existsSync(store.path(trees[0]!))).toBe(false);
    expect(store.size().bytes).toBe(report.keptBytes);
    expect(store.epoch).not.toBe(epoch);
  });

  it("removes packages that were not used for long, and only says so in a dry run", async () => {
    const { store, trees } = await filled();
    const options = { maxAgeMs: 1.5 * DAY_MS };
    expect((await store.gc({ ...options, dryRun: true })).removed).toHaveLength(2);
    expect(store.size().packages).toBe(3);
    expect((await store.gc(options)).removed.map((item) => item.tree)).toEqual(trees.slice(0, 2));
    expect(store.list().map((item) => item.name)).toEqual(["c"]);
  });

  it("keeps what an existing environment needs, and what was used a moment ago", async () => {
    const { store, trees, root } = await filled();
    store.retain(root, [trees[0]!]);
    store.touch([trees[1]!]);
    expect((await store.gc({ maxBytes: 0 })).removed.map((item) => item.tree)).toEqual([trees[2]]);
    store.retain(join(root, "gone"), [trees[1]!]);
    expect((await store.gc({ maxBytes: 0, graceMs: -1 })).removed.map((item) => item.tree)).toEqual([trees[1]]);
    expect((await store.gc({ maxBytes: 0, graceMs: -1, includeInUse: true })).keptPackages).toBe(0);
  });
});

describe("openStore()", () => {
  it("refuses an index of a newer release", () => {
    const root = temporaryDirectory();
    openStore(root).close();
    const database = new DatabaseSync(join(root, "index.sqlite"));
    database.exec("PRAGMA user_version = 99");
    database.close();
    expect(() => openStore(root)).toThrow(expect.objectContaining({ code: "STORE_VERSION_UNSUPPORTED" }) as Error);
  });

  it("refuses an index that is not a database, and a place that is a file", () => {
    const root = temporaryDirectory();
    openStore(join(root, "a")).close();
    writeFileSync(join(root, "a", "index.sqlite"), "not a database ".repeat(100));
    expect(() => openStore(join(root, "a"))).toThrow(expect.objectContaining({ code: "STORE_UNUSABLE" }) as Error);
    expect(() => openStore(join(root, "a", "index.sqlite"))).toThrow(
      expect.objectContaining({ code: "STORE_UNUSABLE" }) as Error,
    );
  });
});
