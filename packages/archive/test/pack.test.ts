import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { constants, gunzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, describe, expect, it, vi } from "vitest";
import type { Digest, LadingEvent, PackageRecord } from "@lading/core-manifest";
import {
  ArchiveError,
  attunePackChecksum,
  CanonicalTarReader,
  comparePaths,
  DEFAULT_LIMITS,
  detectFormat,
  encodeMemberHeader,
  encodeRecord,
  endOfArchive,
  memberBytes,
  paddingOf,
  treeDigest,
  type ArchiveCodec,
  type MemberHeader,
} from "@lading/archive";
import {
  attuneDirectoryChecksum,
  collectFiles,
  DecodeBudget,
  importForeignArchive,
  inspectPackage,
  packDirectory,
  unpackForStore,
  unpackPackage,
  verifyTree,
  type PackOptions,
} from "@lading/archive/node";
import {
  buildTar,
  buildTarMember,
  buildZip,
  concatBytes,
  paxMember,
  sampleRecord,
  storedZstdFrame,
  type TarMemberSpec,
} from "@lading/archive/testing";

const folder = mkdtempSync(join(tmpdir(), "lading-archive-"));
afterAll(() => rmSync(folder, { recursive: true }));
let counter = 0;
const fresh = (): string => join(folder, `n${(counter += 1)}`);
const CODECS: readonly ArchiveCodec[] = ["zstd", "gzip", "lz4", "none"];
const text = new TextEncoder();

function tree(files: Readonly<Record<string, string | Uint8Array>>): string {
  const root = fresh();
  for (const [path, content] of Object.entries({ "lading.toml": "[package]\n", ...files })) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  return root;
}

const pack = (directory: string, more: Partial<PackOptions> = {}): ReturnType<typeof packDirectory> =>
  packDirectory({ directory, record: sampleRecord(), output: fresh(), codec: "zstd", ...more });

function has(tool: string): boolean {
  try {
    execFileSync(tool, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

const long = `${"deep/".repeat(20)}${"n".repeat(120)}.txt`;
const sample = {
  "a.txt": "a",
  "src/é.txt": "é",
  "src/zero": "",
  [long]: "long",
  "big.bin": Buffer.alloc(700_001, "big!"),
};

/** Takes an ArchiveError; anything else goes on. */
function onlyArchiveErrors(error: unknown): undefined {
  if (!(error instanceof ArchiveError)) throw error;
}

// Generous: suites of all packages run at once on small machines.
vi.setConfig({ testTimeout: 60_000 });

describe.each(CODECS)("packDirectory() with %s", (codec) => {
  it("gives what inspectPackage() and unpackPackage() take, with the same tree under every codec", async () => {
    const directory = tree({ ...sample, "run.sh": "#!/bin/sh\n" });
    chmodSync(join(directory, "run.sh"), 0o755);
    const packed = await pack(directory, { codec });
    expect(packed.files[0]?.path).toBe(".lading/package.json");
    expect(packed.record.executables).toEqual(["run.sh"]);
    expect(packed.blob).toBe(`sha256:${createHash("sha256").update(readFileSync(packed.path)).digest("hex")}`);
    expect(packed.size).toBe(statSync(packed.path).size);
    const inspected = await inspectPackage(packed.path, { expect: packed, keep: ["a.txt"] });
    expect(inspected).toMatchObject({
      tree: packed.tree,
      blob: packed.blob,
      size: packed.size,
      plainSize: packed.plainSize,
      codec,
    });
    expect(inspected.files).toEqual(packed.files);
    expect(new TextDecoder().decode(inspected.members.get("a.txt"))).toBe("a");
    const destination = fresh();
    expect((await unpackPackage({ source: packed.path, destination, expect: packed })).tree).toBe(packed.tree);
    expect(readFileSync(join(destination, long), "utf8")).toBe("long");
    expect(statSync(join(destination, "run.sh")).mode & 0o777 & ~0o022).toBe(0o755);
    expect(await verifyTree(destination, packed.files)).toEqual({
      ok: true,
      tree: packed.tree,
      changed: [],
      missing: [],
      extra: [],
    });
    expect((await pack(directory, { codec: "none" })).tree).toBe(packed.tree);
    expect(treeDigest(packed.files)).toBe(packed.tree);
  });

  it("streams what is too large for one call, and reads it from a stream of odd chunks", async () => {
    const noise = Buffer.concat(
      Array.from({ length: 9_000 }, (_, i) => createHash("sha512").update(String(i)).digest()),
    );
    const directory = tree({
      "noise.bin": Buffer.concat(Array.from({ length: 18 }, (_, i) => [noise, Buffer.from([i])]).flat()),
      ...sample,
    });
    const packed = await pack(directory, { codec, ...(codec === "zstd" || codec === "gzip" ? { level: 1 } : {}) });
    expect((await inspectPackage(packed.path, { expect: packed })).tree).toBe(packed.tree);
    const bytes = readFileSync(packed.path);
    async function* pieces(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < bytes.length; at += 99_991) yield bytes.subarray(at, at + 99_991);
    }
    expect((await inspectPackage(pieces(), { expect: packed })).blob).toBe(packed.blob);
  });

  it("refuses every truncation and every extension", async () => {
    const packed = await pack(tree({ "a.txt": "a".repeat(3000), "b.txt": "b" }), { codec });
    const bytes = readFileSync(packed.path);
    const step = codec === "none" ? 512 : 11;
    const cuts = Array.from({ length: bytes.length }, (_, at) => at).filter(
      (at) => at % step === 0 || at > bytes.length - 6,
    );
    for (const variant of [
      ...cuts.map((at) => bytes.subarray(0, at)),
      Buffer.concat([bytes, Buffer.alloc(1)]),
      Buffer.concat([bytes, bytes]),
    ]) {
      const path = join(folder, "variant");
      writeFileSync(path, variant);
      await expect(inspectPackage(path)).rejects.toBeInstanceOf(ArchiveError);
    }
  });

  it("refuses a flipped bit wherever it is, or reads the same tree", async () => {
    const packed = await pack(tree({ "a.txt": "hello hello hello hello" }), { codec });
    const bytes = readFileSync(packed.path);
    const path = join(folder, "flipped");
    for (let at = 0; at < bytes.length; at += codec === "none" ? 151 : 7) {
      const flipped = Uint8Array.from(bytes);
      flipped[at]! ^= 1 << (at % 8);
      writeFileSync(path, flipped);
      await expect(inspectPackage(path, { expect: { blob: packed.blob } })).rejects.toMatchObject({
        code: "ARCHIVE_BLOB_MISMATCH",
      });
      const found = await inspectPackage(path, { expect: { tree: packed.tree } }).catch(onlyArchiveErrors);
      expect(found?.tree ?? packed.tree).toBe(packed.tree);
    }
  });
});

describe("packDirectory()", () => {
  it("gives the same bytes whatever the times, owners and order on disk, with gzip known bytes on every machine", async () => {
    const one = tree({
      "b.txt": "b",
      "a.txt": "a",
      "c/d.bin": Buffer.from(Array.from({ length: 200_000 }, (_, i) => (i * i) % 251)),
    });
    const two = tree({ "c/d.bin": readFileSync(join(one, "c/d.bin")), "a.txt": "a", "b.txt": "b" });
    utimesSync(join(two, "a.txt"), 1, 1);
    for (const codec of CODECS) {
      const [x, y] = [await pack(one, { codec }), await pack(two, { codec })];
      expect(y.blob).toBe(x.blob);
    }
    const known = { gzip: await pack(one, { codec: "gzip" }), none: await pack(one, { codec: "none" }) };
    expect({ gzip: known.gzip.blob, none: known.none.blob, tree: known.none.tree }).toMatchInlineSnapshot(`
      {
        "gzip": "sha256:a4fb1759391ea0dfb88fd77970baa5727bceb7f80a6b7c66ddc3ebde01a6f93e",
        "none": "sha256:ad47b73a2ca72a4913a82b292ba8745f1e213b0245e38bcbbc2b69ac998a6ba1",
        "tree": "sha256:8f7a4fe404a82383335caea8999d8501438ea8a5732cde667003546a97d8a7e9",
      }
    `);
  });

  it("has contents that the system's tar lists and extracts", async () => {
    if (!has("tar") || !has("zstd")) return;
    const directory = tree(sample);
    const names = (await pack(directory)).files.map((file) => file.path);
    for (const [codec, flag] of [
      ["zstd", "--zstd"],
      ["gzip", "-z"],
      ["none", "--posix"],
    ] as const) {
      const { path } = await pack(directory, { codec });
      const listed = execFileSync("tar", [flag, "--quoting-style=literal", "-tf", path], {
        encoding: "utf8",
        env: { ...process.env, LC_ALL: "C.UTF-8" },
      });
      expect(listed.trim().split("\n")).toEqual(names);
      const out = fresh();
      mkdirSync(out);
      execFileSync("tar", [flag, "-xf", path, "-C", out]);
      expect(readFileSync(join(out, long), "utf8")).toBe("long");
    }
  });

  it("writes LZ4 frames that the system's lz4 reads", async () => {
    if (!has("lz4")) return;
    const directory = tree(sample);
    const { path } = await pack(directory, { codec: "lz4" });
    const plain = execFileSync("lz4", ["-dc", path], { maxBuffer: 2 ** 24 });
    expect(plain.equals(readFileSync((await pack(directory, { codec: "none" })).path))).toBe(true);
  });

  it("states content size and checksum in one zstd frame whose window fits the content", async () => {
    const bytes = readFileSync((await pack(tree(sample))).path);
    expect(detectFormat(bytes)).toBe("tar.zst");
    expect(bytes[4]! & 0b00100100).toBe(0b00100100);
    const release = await pack(tree(sample), { release: true });
    expect((await inspectPackage(release.path)).tree).toBe(release.tree);
  });

  it("takes executables from the record where the system has no modes", async () => {
    const packed = await pack(tree({ "bin/x": "x" }), { record: sampleRecord({ executables: ["bin/x"] }) });
    expect(packed.files.find(({ path }) => path === "bin/x")?.executable).toBe(true);
  });

  it.each([
    ["a manifest that is not there", { manifestFile: "other.toml" }],
    ["an executable that is not there", { executables: ["nope"] }],
  ])("refuses a record with %s", async (_, changes: Partial<PackageRecord>) => {
    await expect(pack(tree({}), { record: sampleRecord(changes) })).rejects.toMatchObject({
      code: "ARCHIVE_RECORD_MISMATCH",
    });
  });

  it("refuses wrong levels, and leaves neither output nor temporary file", async () => {
    const output = join(fresh(), "x.lpk");
    for (const [codec, level] of [
      ["zstd", 23],
      ["zstd", 1.5],
      ["gzip", 10],
      ["lz4", 1],
      ["none", 0],
    ] as const) {
      await expect(pack(tree({}), { codec, level, output })).rejects.toMatchObject({ code: "ARCHIVE_OPTION_INVALID" });
    }
  });

  it("refuses a file that changed since it was collected, and leaves nothing", async () => {
    const directory = tree({ "a.txt": "a" });
    const files = await collectFiles(directory);
    writeFileSync(join(directory, "a.txt"), "longer");
    const output = join(fresh(), "x.lpk");
    await expect(pack(directory, { files, output })).rejects.toMatchObject({ code: "ARCHIVE_SOURCE_CHANGED" });
    expect(readdirSync(dirname(output))).toEqual([]);
  });

  it("does not pack its own earlier output", async () => {
    const directory = tree({ "a.txt": "a" });
    const output = join(directory, "out [1]/x.lpk");
    const first = await pack(directory, { output });
    expect((await pack(directory, { output })).tree).toBe(first.tree);
  });

  it("tells its steps, and stops when it is aborted", async () => {
    const events: LadingEvent[] = [];
    await pack(tree({}), { onEvent: (event) => events.push(event) });
    expect(events.map(({ type }) => type)).toEqual(["step-started", "step-completed"]);
    await expect(pack(tree({}), { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: "AbortError" });
  });
});

describe("collectFiles()", () => {
  const paths = async (...args: Parameters<typeof collectFiles>): Promise<string[]> =>
    (await collectFiles(...args)).map(({ path }) => path);

  it("honours nested .gitignore and .ladingignore as git does", async () => {
    const directory = tree({
      ".gitignore": "*.log\n/build/\n!keep.log\n",
      "a.log": "",
      "keep.log": "",
      "build/x": "",
      "src/build/y": "",
      "src/.gitignore": "*.tmp\n!a.log\n",
      "src/a.log": "",
      "src/b.tmp": "",
      ".ladingignore": "!b.log\ndocs\n",
      "b.log": "",
      "docs/a.md": "",
    });
    expect(await paths(directory)).toEqual([
      ".gitignore",
      ".ladingignore",
      "b.log",
      "keep.log",
      "lading.toml",
      "src/.gitignore",
      "src/a.log",
      "src/build/y",
    ]);
  });

  it("always leaves out version control, installed dependencies, its own directory and secrets, and says which", async () => {
    const pem = "-----BEGIN PRIVATE KEY-----\n";
    const directory = tree({
      ".git/config": "",
      "node_modules/a/b": "",
      ".lading/state": "",
      "sub/node_modules/x": "",
      "dev.key": "",
      id_ed25519: "",
      ".env": "",
      ".npmrc": "",
      "a.pem": pem,
      "dev.json": `{"private_key":"x"}`,
      "cert.pem": "-----BEGIN CERTIFICATE-----\n",
      "data.json": "{}",
      ".env.example": "",
    });
    const warned: string[] = [];
    expect(
      await paths(directory, { onEvent: (event) => event.type === "warning" && warned.push(event.message) }),
    ).toEqual([".env.example", "cert.pem", "data.json", "lading.toml"]);
    expect(warned.length).toBe(6);
  });

  it("takes only what include selects, ignored or not, and never what exclude names; the manifest always", async () => {
    const directory = tree({ ".gitignore": "dist\n", "dist/a.js": "", "dist/a.map": "", "src/a.ts": "" });
    expect(
      await paths(directory, { include: ["dist/**"], exclude: ["*.map", "lading.toml"], manifestFile: "lading.toml" }),
    ).toEqual(["dist/a.js", "lading.toml"]);
    expect(await paths(directory, { ignore: ["src/"] })).toEqual([".gitignore", "lading.toml"]);
  });

  it("refuses links, pipes and names that not every system has, unless they are ignored", async () => {
    const linked = tree({ "a.txt": "" });
    symlinkSync("/etc/passwd", join(linked, "link"));
    await expect(collectFiles(linked)).rejects.toMatchObject({
      code: "ARCHIVE_SYMLINK_REFUSED",
      details: { path: "link" },
    });
    writeFileSync(join(linked, ".ladingignore"), "link\n");
    expect(await paths(linked)).not.toContain("link");
    const piped = tree({});
    execFileSync("mkfifo", [join(piped, "pipe")]);
    await expect(collectFiles(piped)).rejects.toMatchObject({ code: "ARCHIVE_FIFO_REFUSED" });
    await expect(collectFiles(tree({ "aux.txt": "" }))).rejects.toMatchObject({ code: "ARCHIVE_PATH_DEVICE_NAME" });
    await expect(collectFiles(tree({ A: "", "b/x": "", "B/x": "" }))).rejects.toMatchObject({
      code: "ARCHIVE_PATH_COLLISION",
    });
    await expect(collectFiles(tree({ a: "12345" }), { limits: { fileBytes: 4 } })).rejects.toMatchObject({
      code: "ARCHIVE_ENTRY_TOO_LARGE",
    });
    await expect(collectFiles(join(folder, "absent"))).rejects.toMatchObject({ code: "ARCHIVE_SOURCE_MISSING" });
  });
});

/** A canonical tar of a record and further members or blocks. */
function canonical(
  members: readonly (TarMemberSpec | Uint8Array)[],
  record: PackageRecord = sampleRecord({ manifestFile: "m" }),
): Uint8Array {
  return buildTar([{ name: ".lading/package.json", content: encodeRecord(record) }, ...members]);
}
const manifest: TarMemberSpec = { name: "m", content: "m" };
const read = (bytes: Uint8Array, limits = {}): ReturnType<typeof inspectPackage> => {
  const path = fresh();
  writeFileSync(path, bytes);
  return inspectPackage(path, { limits });
};

describe("inspectPackage() refuses", () => {
  it("nothing of the plainest package", async () => {
    expect((await read(canonical([manifest]))).files.map(({ path }) => path)).toEqual([".lading/package.json", "m"]);
  });

  it.each<[string, string, Uint8Array]>([
    ["a directory member", "ARCHIVE_DIRECTORY_REFUSED", canonical([{ name: "d/", type: "5" }, manifest])],
    ["members out of order", "ARCHIVE_MEMBER_ORDER", canonical([manifest, { name: "a" }])],
    ["a member twice", "ARCHIVE_PATH_DUPLICATE", canonical([manifest, manifest])],
    ["a second record", "ARCHIVE_PATH_DUPLICATE", canonical([{ name: ".lading/package.json" }, manifest])],
    ["another file of .lading", "ARCHIVE_PATH_RESERVED", canonical([{ name: ".lading/x" }, manifest])],
    [".LADING in capitals", "ARCHIVE_PATH_RESERVED", canonical([{ name: ".LADING/x" }, manifest])],
    ["no record", "ARCHIVE_RECORD_MISSING", buildTar([manifest])],
    ["nothing at all", "ARCHIVE_RECORD_MISSING", buildTar([])],
    [
      "a record that is no JSON",
      "ARCHIVE_RECORD_INVALID",
      buildTar([{ name: ".lading/package.json", content: "{" }, manifest]),
    ],
    [
      "a record that is no UTF-8",
      "ARCHIVE_RECORD_INVALID",
      buildTar([{ name: ".lading/package.json", content: Uint8Array.of(0x22, 0xff, 0x22) }, manifest]),
    ],
    [
      "a record with spaces",
      "ARCHIVE_RECORD_INVALID",
      buildTar([
        { name: ".lading/package.json", content: `${new TextDecoder().decode(encodeRecord(sampleRecord()))} ` },
        manifest,
      ]),
    ],
    ["a record of nothing", "ARCHIVE_RECORD_INVALID", buildTar([{ name: ".lading/package.json" }, manifest])],
    [
      "a record of format 2",
      "ARCHIVE_RECORD_VERSION",
      buildTar([{ name: ".lading/package.json", content: `{"format":2}` }, manifest]),
    ],
    [
      "an executable record",
      "ARCHIVE_NOT_CANONICAL",
      buildTar([
        {
          name: ".lading/package.json",
          content: encodeRecord(sampleRecord({ manifestFile: "m" })),
          fields: { mode: "0000755" },
        },
        manifest,
      ]),
    ],
    ["a manifest that is not there", "ARCHIVE_RECORD_MISMATCH", canonical([{ name: "x" }])],
    [
      "an executable without the bit",
      "ARCHIVE_RECORD_MISMATCH",
      canonical([manifest], sampleRecord({ manifestFile: "m", executables: ["m"] })),
    ],
    [
      "a bit that the record does not name",
      "ARCHIVE_RECORD_MISMATCH",
      canonical([{ ...manifest, fields: { mode: "0000755" } }]),
    ],
    ["mode 600", "ARCHIVE_NOT_CANONICAL", canonical([{ ...manifest, fields: { mode: "0000600" } }])],
    ["a time", "ARCHIVE_NOT_CANONICAL", canonical([{ ...manifest, fields: { mtime: "00000000001" } }])],
    ["an owner", "ARCHIVE_NOT_CANONICAL", canonical([{ ...manifest, fields: { uid: "0001750" } }])],
    ["an owner's name", "ARCHIVE_NOT_CANONICAL", canonical([{ ...manifest, fields: { uname: "root" } }])],
    ["bytes in the last twelve", "ARCHIVE_NOT_CANONICAL", canonical([{ ...manifest, fields: { rest: "x" } }])],
    [
      "a needless pax header",
      "ARCHIVE_NOT_CANONICAL",
      canonical([paxMember([["path", "m"]]), { name: "PaxPath", content: "m" }]),
    ],
    ["a needless prefix", "ARCHIVE_NOT_CANONICAL", canonical([manifest, { name: "y", fields: { prefix: "x" } }])],
    [
      "a second pax record",
      "ARCHIVE_PAX_INVALID",
      canonical([
        paxMember([
          ["path", "é"],
          ["path", "m"],
        ]),
        manifest,
      ]),
    ],
    ["another pax key", "ARCHIVE_PAX_KEY_REFUSED", canonical([paxMember([["mtime", "1"]]), manifest])],
    ["a sparse pax header", "ARCHIVE_SPARSE_REFUSED", canonical([paxMember([["GNU.sparse.map", "1"]]), manifest])],
    ["a pax header without record", "ARCHIVE_PAX_INVALID", canonical([{ name: "PaxHeader", type: "x" }, manifest])],
    ["a huge pax header", "ARCHIVE_PAX_INVALID", canonical([{ name: "PaxHeader", type: "x", statedSize: 10_000 }])],
    [
      "a pax header before another",
      "ARCHIVE_PAX_INVALID",
      canonical([paxMember([["path", "é"]]), paxMember([["path", "é"]]), manifest]),
    ],
    ["a pax header at the end", "ARCHIVE_PAX_INVALID", canonical([manifest, paxMember([["path", "é"]])])],
    ["a global pax header", "ARCHIVE_PAX_GLOBAL_REFUSED", canonical([paxMember([["comment", "x"]], "g"), manifest])],
    [
      "a symbolic link",
      "ARCHIVE_SYMLINK_REFUSED",
      canonical([{ name: "l", type: "2", fields: { linkname: "m" } }, manifest]),
    ],
    [
      "a hard link",
      "ARCHIVE_HARDLINK_REFUSED",
      canonical([{ name: "l", type: "1", fields: { linkname: "m" } }, manifest]),
    ],
    ["a NUL type", "ARCHIVE_TYPE_UNKNOWN", canonical([{ ...manifest, fields: { type: "\0" } }])],
    ["GNU's header", "ARCHIVE_GNU_EXTENSION_REFUSED", canonical([{ ...manifest, fields: { magic: "ustar  \0" } }])],
    ["no magic", "ARCHIVE_HEADER_INVALID", canonical([{ ...manifest, fields: { magic: "" } }])],
    ["a wrong checksum", "ARCHIVE_HEADER_CHECKSUM", canonical([{ ...manifest, fields: { checksum: "000001\0 " } }])],
    [
      "a checksum in another form",
      "ARCHIVE_NOT_CANONICAL",
      canonical([buildTarMember(manifest).map((byte, i, all) => (i === 154 ? all[155]! : i === 155 ? 0 : byte))]),
    ],
    [
      "base-256",
      "ARCHIVE_NUMBER_BASE256",
      canonical([{ ...manifest, fields: { size: Uint8Array.of(128, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1) } }]),
    ],
    ["setuid", "ARCHIVE_MODE_REFUSED", canonical([{ ...manifest, fields: { mode: "0004644" } }])],
    ["a path outside", "ARCHIVE_PATH_TRAVERSAL", canonical([{ name: "../m" }, manifest])],
    ["names that fold into one", "ARCHIVE_PATH_COLLISION", canonical([{ name: "M" }, manifest])],
    [
      "padding with bytes",
      "ARCHIVE_PADDING_NOT_ZERO",
      canonical([{ ...manifest, padding: new Uint8Array(511).fill(1) }]),
    ],
    ["a third end block", "ARCHIVE_TRAILING_DATA", concatBytes([canonical([manifest]), new Uint8Array(512)])],
    ["a zip", "ARCHIVE_FORMAT_UNKNOWN", buildZip([])],
    ["text", "ARCHIVE_FORMAT_UNKNOWN", text.encode("hello")],
    ["zstd without size and checksum", "ARCHIVE_ZSTD_INVALID", storedZstdFrame(canonical([manifest]))],
  ])("%s", async (_, code, bytes) => {
    await expect(read(bytes)).rejects.toMatchObject({ code });
  });

  it("what is beyond a limit, each with its code", async () => {
    const bytes = canonical([manifest, { name: "n", content: "12345" }]);
    await expect(read(bytes, { entries: 2 })).rejects.toMatchObject({ code: "ARCHIVE_TOO_MANY_ENTRIES" });
    await expect(read(bytes, { pathsBytes: 21 })).rejects.toMatchObject({ code: "ARCHIVE_PATHS_TOO_LARGE" });
    await expect(
      read(canonical([manifest, { name: "n", content: "1".repeat(500) }]), { fileBytes: 400 }),
    ).rejects.toMatchObject({ code: "ARCHIVE_ENTRY_TOO_LARGE" });
    await expect(read(bytes, { recordBytes: 10 })).rejects.toMatchObject({ code: "ARCHIVE_ENTRY_TOO_LARGE" });
    await expect(read(bytes, { totalBytes: 2048 })).rejects.toMatchObject({ code: "ARCHIVE_TOO_LARGE" });
    const zeros = canonical([manifest, { name: "n", content: new Uint8Array(9e6) }]);
    const zstd = { params: { [constants.ZSTD_c_checksumFlag]: 1 }, pledgedSrcSize: zeros.length };
    await expect(read(zstdCompressSync(zeros, zstd))).rejects.toMatchObject({ code: "ARCHIVE_RATIO_TOO_HIGH" });
    await expect(read(zstdCompressSync(zeros, zstd), { totalBytes: 1e6 })).rejects.toMatchObject({
      code: "ARCHIVE_TOO_LARGE",
    });
    await expect(read(zstdCompressSync(zeros, zstd), { windowBytes: 1e6 })).rejects.toMatchObject({
      code: "ARCHIVE_WINDOW_TOO_LARGE",
    });
    expect((await read(zstdCompressSync(zeros, zstd), { ratio: 1e6 })).plainSize).toBe(zeros.length);
  });

  it("what is not what was promised, each with its code", async () => {
    const packed = await pack(tree({ "a.txt": "a" }));
    const other = (await pack(tree({ "a.txt": "b" }))).tree;
    const path = packed.path;
    await expect(inspectPackage(path, { expect: { size: 1 } })).rejects.toMatchObject({
      code: "ARCHIVE_SIZE_MISMATCH",
    });
    await expect(inspectPackage(path, { expect: { blob: other } })).rejects.toMatchObject({
      code: "ARCHIVE_BLOB_MISMATCH",
    });
    await expect(inspectPackage(path, { expect: { tree: other } })).rejects.toMatchObject({
      code: "ARCHIVE_TREE_MISMATCH",
    });
    await expect(inspectPackage(join(folder, "absent"))).rejects.toMatchObject({ code: "ARCHIVE_SOURCE_MISSING" });
    await expect(inspectPackage(folder)).rejects.toMatchObject({ code: "ARCHIVE_SOURCE_MISSING" });
  });

  it("a large file with another digest before it decompresses anything", async () => {
    const directory = tree({
      "noise.bin": Buffer.concat(
        Array.from({ length: 150_000 }, (_, i) => createHash("sha512").update(`n${i}`).digest()),
      ),
    });
    const packed = await pack(directory, { codec: "none" });
    const seen: string[] = [];
    const wrong = `sha256:${"0".repeat(64)}` as Digest;
    await expect(
      inspectPackage(packed.path, { expect: { blob: wrong }, onMember: ({ path }) => seen.push(path) }),
    ).rejects.toMatchObject({ code: "ARCHIVE_BLOB_MISMATCH" });
    expect(seen).toEqual([]);
    expect((await inspectPackage(packed.path, { expect: packed })).files.length).toBe(3);
  });
});

describe("unpackPackage()", () => {
  it("leaves nothing behind when the tree is wrong, a member is refused, or the destination exists", async () => {
    const parent = fresh();
    mkdirSync(parent);
    const good = await pack(tree({ "a.txt": "a" }));
    const bad = fresh();
    writeFileSync(bad, canonical([{ name: "a" }, { name: "l", type: "2" }]));
    const destination = join(parent, "out");
    const wrong = `sha256:${"0".repeat(64)}` as Digest;
    await expect(unpackPackage({ source: good.path, destination, expect: { tree: wrong } })).rejects.toMatchObject({
      code: "ARCHIVE_TREE_MISMATCH",
    });
    await expect(unpackPackage({ source: bad, destination })).rejects.toMatchObject({
      code: "ARCHIVE_SYMLINK_REFUSED",
    });
    expect(readdirSync(parent)).toEqual([]);
    writeFileSync(destination, "");
    await expect(unpackPackage({ source: good.path, destination })).rejects.toMatchObject({
      code: "ARCHIVE_DESTINATION_EXISTS",
    });
    expect(readdirSync(parent)).toEqual(["out"]);
  });
});

describe("verifyTree()", () => {
  it("names what changed, is missing and is extra", async () => {
    const packed = await pack(tree({ "a.txt": "a", "b.txt": "b", "c.txt": "c" }));
    const destination = fresh();
    await unpackPackage({ source: packed.path, destination });
    expect((await verifyTree(destination, packed.tree)).ok).toBe(true);
    writeFileSync(join(destination, "a.txt"), "A");
    chmodSync(join(destination, "c.txt"), 0o755);
    rmSync(join(destination, "b.txt"));
    symlinkSync("a.txt", join(destination, "z"));
    expect(await verifyTree(destination, packed.files)).toMatchObject({
      ok: false,
      changed: ["a.txt", "c.txt"],
      missing: ["b.txt"],
      extra: ["z"],
    });
    expect((await verifyTree(destination, packed.tree)).ok).toBe(false);
  });
});

describe("importForeignArchive()", () => {
  it("strips the folder that wraps everything, keeps modes, and forgets times and owners", async () => {
    const source = fresh();
    writeFileSync(
      source,
      buildTar([
        { name: "package/", type: "5" },
        { name: "package/run", content: "x", fields: { mode: "0000755" } },
        { name: "package/lib/a", content: "a" },
      ]),
    );
    const files = await importForeignArchive({ source, destination: fresh() });
    expect(files.map(({ path, executable }) => [path, executable])).toEqual([
      ["lib/a", false],
      ["run", true],
    ]);
    const kept = await importForeignArchive({ source, destination: fresh(), stripPrefix: false });
    expect(kept.map(({ path }) => path)).toEqual(["package/lib/a", "package/run"]);
    writeFileSync(source, buildTar([{ name: "a" }, { name: "b" }]));
    await expect(importForeignArchive({ source, destination: fresh(), stripPrefix: true })).rejects.toMatchObject({
      code: "ARCHIVE_OPTION_INVALID",
    });
  });

  it("takes what the system's tar, gzip and zip write", async () => {
    const directory = tree({ "a.txt": "a", [long]: "long", "é.txt": "é", "bin/run": "x".repeat(5000) });
    chmodSync(join(directory, "bin/run"), 0o755);
    const made: string[] = [];
    const make = (tool: string, args: string[], output: string): void => {
      if (!has(tool)) return;
      execFileSync(tool, args, { cwd: directory, stdio: "ignore" });
      made.push(output);
    };
    for (const format of ["gnu", "posix", "v7", "ustar"]) {
      const output = `${fresh()}.tar.gz`;
      make(
        "tar",
        [
          `--format=${format}`,
          "-czf",
          output,
          ...(format === "v7" || format === "ustar" ? ["a.txt", "é.txt", "bin", "lading.toml"] : ["."]),
        ],
        output,
      );
    }
    const zipped = `${fresh()}.zip`;
    make("zip", ["-qr", zipped, "a.txt", "bin", "lading.toml", "deep"], zipped);
    for (const source of made) {
      const files = await importForeignArchive({ source, destination: fresh(), stripPrefix: false });
      expect(files.find(({ path }) => path === "bin/run")).toMatchObject({ size: 5000, executable: true });
      expect(files.length).toBeGreaterThanOrEqual(4);
    }
    expect(made.length).toBeGreaterThan(0);
  });
});

describe("DecodeBudget", () => {
  it("lets claims wait in order, caps a large one, and frees what was aborted", async () => {
    const budget = new DecodeBudget(100);
    const first = await budget.acquire(60);
    const order: string[] = [];
    const aborting = new AbortController();
    const second = budget.acquire(1000, aborting.signal).catch(() => order.push("aborted"));
    const third = budget.acquire(40).then((release) => (order.push("third"), release));
    await Promise.resolve();
    expect(order).toEqual([]);
    aborting.abort();
    await second;
    (await third)();
    first();
    first();
    expect(budget.freeBytes).toBe(100);
    (await budget.acquire(1000))();
    expect([budget.freeBytes, ...order]).toEqual([100, "third", "aborted"]);
  });

  it("is shared by readers, and whole again after them, failed ones too", async () => {
    const budget = new DecodeBudget(2 ** 20);
    const packed = await pack(tree({ "big.bin": Buffer.alloc(900_000, "abc") }));
    const damaged = fresh();
    writeFileSync(
      damaged,
      readFileSync(packed.path).map((byte, i) => (i === 60 ? byte ^ 255 : byte)),
    );
    await Promise.all([
      ...Array.from({ length: 6 }, () => inspectPackage(packed.path, { decodeBudget: budget })),
      expect(inspectPackage(damaged, { decodeBudget: budget })).rejects.toBeInstanceOf(ArchiveError),
    ]);
    expect(budget.freeBytes).toBe(2 ** 20);
  });
});

describe("attunePackChecksum()", () => {
  it("gives the documented value, in memory and on disk", async () => {
    const expected = "sha256:ca427e7c4daebdc0cb0f04df11ee68a2b2bfc1b8a6892d3fdaab82fdb4207c94";
    expect(
      attunePackChecksum([
        { path: "z.txt", content: text.encode("last") },
        { path: "a.txt", content: text.encode("first") },
      ]),
    ).toBe(expected);
    const directory = tree({ "a.txt": "first", "z.txt": "last", ".git/HEAD": "x" });
    rmSync(join(directory, "lading.toml"));
    expect(await attuneDirectoryChecksum(directory)).toBe(expected);
  });
});

describe("CanonicalTarReader", () => {
  const part = fc.stringMatching(/^f[a-z0-9éß漢]{1,11}$/);
  const path = fc.array(part, { minLength: 1, maxLength: 6 }).map((parts) => parts.join("/"));

  it("reads what encodeMemberHeader() writes, in chunks of any size", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(path, { maxLength: 8 }),
        fc.array(fc.uint8Array({ maxLength: 1500 }), { minLength: 8, maxLength: 8 }),
        fc.integer({ min: 1, max: 2000 }),
        (paths, contents, step) => {
          const record = encodeRecord(sampleRecord({ manifestFile: "m.toml" }));
          const members: [MemberHeader, Uint8Array][] = [
            ...paths.filter((p) => !paths.some((q) => q.startsWith(`${p}/`))),
            "m.toml",
          ]
            .sort(comparePaths)
            .map((p, i) => [{ path: p, size: contents[i % 8]!.length, executable: false }, contents[i % 8]!]);
          members.unshift([{ path: ".lading/package.json", size: record.length, executable: false }, record]);
          const bytes = concatBytes([
            ...members.flatMap(([header, content]) => [
              encodeMemberHeader(header),
              content,
              new Uint8Array(paddingOf(content.length)),
            ]),
            endOfArchive(),
          ]);
          expect(bytes.length).toBe(members.reduce((sum, [header]) => sum + memberBytes(header), 1024));
          const seen: [MemberHeader, Uint8Array][] = [];
          const reader = new CanonicalTarReader(
            {
              member: (header) => seen.push([header, new Uint8Array(0)]),
              data: (chunk) => (seen.at(-1)![1] = concatBytes([seen.at(-1)![1], chunk])),
              memberEnd() {},
            },
            DEFAULT_LIMITS,
          );
          try {
            for (let at = 0; at < bytes.length; at += step) reader.push(bytes.subarray(at, at + step));
            reader.finish();
          } catch (error) {
            // Generated names may fold into one another; nothing else may go wrong.
            if (error instanceof ArchiveError && error.code === "ARCHIVE_PATH_COLLISION") return;
            throw error;
          }
          expect(seen).toEqual(members);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("throws nothing but ArchiveError on damaged archives", () => {
    const whole = canonical([manifest, paxMember([["path", "é"]]), { name: "PaxPath" }]);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 6 }),
        fc.nat(whole.length),
        (edits, cut) => {
          const bytes = whole.slice(0, cut % 3 === 0 ? cut : whole.length);
          for (const [at, value] of edits) if (at < bytes.length) bytes[at] = value;
          const reader = new CanonicalTarReader({ member() {}, data() {}, memberEnd() {} }, DEFAULT_LIMITS);
          try {
            reader.push(bytes);
            reader.finish();
          } catch (error) {
            onlyArchiveErrors(error);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

it("packDirectory() writes gzip that node:zlib and every other reader take", async () => {
  const packed = await pack(tree({ "a.txt": "a" }), { codec: "gzip" });
  expect(gunzipSync(readFileSync(packed.path)).length).toBe(packed.plainSize);
});

describe("unpackForStore()", () => {
  it("writes read-only files whatever the umask, into a private directory, and tells their times", async () => {
    const directory = tree({ "run.sh": "#!/bin/sh\n" });
    chmodSync(join(directory, "run.sh"), 0o755);
    const packed = await pack(directory);
    const target = fresh();
    const script = `process.umask(0o077);
      const { unpackForStore } = await import("@lading/archive/node");
      const { files, times } = await unpackForStore(${JSON.stringify({ source: packed.path, directory: target, expect: { blob: packed.blob, tree: packed.tree } })});
      console.log(JSON.stringify(files.map(({ path }, i) => [path, times[i]])));`;
    const printed = execFileSync(process.execPath, ["-C", "@lading/source", "--input-type=module", "-e", script], {
      cwd: dirname(import.meta.dirname),
      encoding: "utf8",
    });
    const mode = (path: string): number => statSync(join(target, path)).mode & 0o777;
    expect([mode("."), mode("lading.toml"), mode("run.sh")]).toEqual([0o700, 0o444, 0o555]);
    const times = packed.files.map(({ path }) => [path, Math.trunc(statSync(join(target, path)).mtimeMs)]);
    expect(JSON.parse(printed)).toEqual(times);
  });

  it("refuses a directory that exists, and leaves what another program put there", async () => {
    const packed = await pack(tree({}));
    const target = tree({ "kept.txt": "kept" });
    await expect(unpackForStore({ source: packed.path, directory: target })).rejects.toMatchObject({
      code: "ARCHIVE_IO",
    });
    expect(readFileSync(join(target, "kept.txt"), "utf8")).toBe("kept");
  });
});

it.skipIf(process.platform === "win32")(
  "inspectPackage() refuses a pipe at once, without waiting for a writer",
  async () => {
    const path = fresh();
    execFileSync("mkfifo", [path]);
    await expect(inspectPackage(path)).rejects.toMatchObject({ code: "ARCHIVE_SOURCE_MISSING" });
  },
);
