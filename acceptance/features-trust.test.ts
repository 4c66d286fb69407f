import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  builtinProfile,
  parseIndexDocument,
  parseLockfile,
  parseManifest,
  parseProfile,
  readManifest,
  writeManifest,
  type DialectId,
} from "@lading/core-manifest";
import { importForeignArchive, inspectPackage, judgeArchive, unpackPackage } from "@lading/archive/node";
import { hostileArchives } from "@lading/archive/testing";
import {
  check,
  fetch as fetchPackage,
  install,
  lock,
  keygen,
  pack,
  publish,
  registryAdd,
  sign,
  verifyPackage,
} from "@lading/engine";
import {
  decodeEnvelope,
  formatPublicKey,
  parseKey,
  parsePrivateKey,
  verifyEd25519,
  verifyEnvelope,
  createTrustPolicy,
} from "@lading/signing";
import { readPrivateKeyFile } from "@lading/signing/node";
import { api, apiJson, createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";
import {
  build,
  createProject,
  failure,
  newSigner,
  publishPackage,
  removeTemporary,
  statementFor,
  temporary,
  upload,
  writeFiles,
  type Problem,
  type Project,
} from "./lib/more.ts";

let registry: RegistryProcess;
let sandbox: Sandbox;

beforeAll(async () => {
  registry = await startRegistry();
  sandbox = createSandbox({ env: { LADING_REGISTRY_URL: registry.url } });
});

afterAll(async () => {
  await sandbox.dispose();
  await registry.dispose();
  removeTemporary();
});

const manifest = (dependencies = ""): Record<string, string> => ({
  "lading.toml": `[package]\nname = "app"\nversion = "1.0.0"\n\n[dependencies]\n${dependencies}\n`,
});
const register = (own: RegistryProcess, publicKey: Uint8Array) =>
  apiJson(own, "/api/v1/keys", { method: "POST", body: JSON.stringify({ public_key: formatPublicKey(publicKey) }) });

describe("keys and signatures", () => {
  test("[SIG-06] [TST-02] openssl reads our keys and verifies our signatures, and we verify its own", async () => {
    const project = createProject({ ...manifest(), "a.txt": "a" });
    await project.use((context) => keygen({ output: "key.pem", format: "pem" }, context));
    const [packed] = await project.use((context) => pack({}, context));
    const signed = await project.use((context) => sign({ file: packed!.path, key: "key.pem" }, context));
    const { envelope, payload } = decodeEnvelope(readFileSync(path.join(project.root, signed.signature)));
    const type = "application/vnd.in-toto+json";
    const message = Buffer.concat([Buffer.from(`DSSEv1 ${type.length} ${type} ${payload.length} `), payload]);
    const at = (name: string): string => path.join(project.root, name);
    writeFileSync(at("message"), message);
    writeFileSync(at("signature"), envelope.signatures[0]!.signature);
    await sandbox.ok(`openssl pkey -in ${at("key.pem")} -noout`);
    const verified = await sandbox.ok(
      `openssl pkeyutl -verify -pubin -inkey ${at("key.pub")} -rawin -in ${at("message")} -sigfile ${at("signature")}`,
    );
    expect(verified.stdout).toContain("Signature Verified Successfully");
    await sandbox.ok(`openssl genpkey -algorithm ed25519 -out ${at("theirs.pem")}`);
    await sandbox.ok(`openssl pkey -in ${at("theirs.pem")} -pubout -out ${at("theirs.pub")}`);
    await sandbox.ok(
      `openssl pkeyutl -sign -inkey ${at("theirs.pem")} -rawin -in ${at("message")} -out ${at("theirs.sig")}`,
    );
    const theirs = parseKey(readFileSync(at("theirs.pub"), "utf8")) as { publicKey: Uint8Array };
    expect(verifyEd25519(theirs.publicKey, message, readFileSync(at("theirs.sig")))).toBe(true);
    await project.use((context) => sign({ file: packed!.path, key: "theirs.pem" }, context));
    expect(
      (await project.use((context) => verifyPackage({ file: packed!.path, key: "theirs.pub" }, context))).signers,
    ).toHaveLength(1);
    await sandbox.ok(
      `openssl pkcs8 -topk8 -v2 aes-256-cbc -passout pass:secret -in ${at("theirs.pem")} -out ${at("locked.pem")}`,
    );
    const opened = await readPrivateKeyFile(at("locked.pem"), { passphrase: "secret" }).catch(() => undefined);
    if (process.platform !== "win32") await sandbox.ok(`chmod 600 ${at("locked.pem")}`);
    const again = opened ?? (await readPrivateKeyFile(at("locked.pem"), { passphrase: "secret" }));
    expect(Buffer.from(again.publicKey).equals(Buffer.from(theirs.publicKey))).toBe(true);
  });

  test("[SIG-15] [SIG-16] either variable makes the server refuse an unsigned upload, with the reason", async () => {
    for (const env of [{ REGISTRY_REQUIRE_SIGNATURES: "true" }, { ALLOW_UNSIGNED_PACKAGES: "false" }]) {
      const own = await startRegistry({ env });
      const refused = await upload(own, await build({ name: "unsigned", version: "1.0.0" }));
      expect([refused.status >= 400 && refused.status < 500, ((await refused.json()) as Problem).code]).toEqual([
        true,
        "SIGNATURE_REQUIRED",
      ]);
      expect((await api(own, "/api/v1/packages/unsigned")).status).toBe(404);
      await own.dispose();
    }
  });

  test("[SIG-18] in production mode no version without a registered signature becomes visible", async () => {
    const own = await startRegistry({
      env: { REGISTRY_MODE: "production", JWT_SECRET_KEY: randomBytes(48).toString("base64") },
    });
    const signer = newSigner();
    const built = await build({ name: "public-tool", version: "1.0.0" });
    const statement = await statementFor(built, signer);
    const [plain, unknown] = [await upload(own, built), await upload(own, built, { statement })];
    expect([((await plain.json()) as Problem).code, ((await unknown.json()) as Problem).code]).toEqual([
      "SIGNATURE_REQUIRED",
      "SIGNER_UNKNOWN",
    ]);
    expect((await api(own, "/api/v1/packages/public-tool")).status).toBe(404);
    await register(own, signer.publicKey);
    expect((await upload(own, built, { statement })).status).toBe(201);
    await own.dispose();
  });

  test("a statement about anything else than the uploaded package is refused", async () => {
    const signer = newSigner();
    await register(registry, signer.publicKey);
    const built = await build({ name: "st-lib", version: "1.0.0" });
    const other = await build({ name: "st-lib", version: "1.0.0", files: { "x.txt": "x" } });
    const broken = Buffer.from(await statementFor(built, signer))
      .toString()
      .replace(/"sig":"./, (text) => `${text.slice(0, -1)}${text.endsWith("A") ? "B" : "A"}`);
    const statements = [
      await statementFor(built, signer, { name: "st-other" }),
      await statementFor(built, signer, { version: "1.0.1" }),
      await statementFor(other, signer),
      Buffer.from(broken),
      Buffer.from("{}"),
      Buffer.from("not json"),
    ];
    for (const statement of statements) {
      const answer = await upload(registry, built, { statement });
      expect([answer.status >= 400 && answer.status < 500, ((await answer.json()) as Problem).code]).toEqual([
        true,
        "STATEMENT_REFUSED",
      ]);
    }
    expect((await api(registry, "/api/v1/packages/st-lib")).status).toBe(404);
  });

  test("[SIG-13] [SIG-14] keys and publishers outside a registry's lists are refused", async () => {
    const [listed, other] = [newSigner(), newSigner()];
    await Promise.all([listed, other].map(({ publicKey }) => register(registry, publicKey)));
    await publishPackage(registry, { name: "ks-good", version: "1.0.0" }, { signer: listed });
    await publishPackage(registry, { name: "ks-bad", version: "1.0.0" }, { signer: other });
    const attempt = async (dependency: string, change: object): Promise<string> => {
      const project = createProject(manifest(`${dependency} = "1"`));
      await project.use((context) => registryAdd({ name: "company", url: registry.url, ...change }, context));
      return failure(() => project.use((context) => install({}, context)).then(() => Promise.reject(new Accepted())));
    };
    const publicKeys = [`ed25519:${listed.keyId}`];
    await expect(attempt("ks-good", { publicKeys })).rejects.toThrow(Accepted);
    expect(await attempt("ks-bad", { publicKeys })).toMatch(/^SIGNATURE_KEY/);
    await expect(attempt("ks-good", { trustedPublishers: ["admin"] })).rejects.toThrow(Accepted);
    expect(await attempt("ks-good", { trustedPublishers: ["company-team"] })).toMatch(
      /^(?:PUBLISHER_NOT_TRUSTED|RESOLUTION_IMPOSSIBLE)$/,
    );
    // A lock that was made where the list did not count chooses nothing anew, and is held to it all the same.
    const elsewhere = createProject(manifest('ks-good = "1"'), { registry: registry.url });
    await elsewhere.use((context) => lock({}, context));
    const project = createProject({ ...manifest('ks-good = "1"'), "lading.lock": elsewhere.read("lading.lock") });
    const company = { name: "company", url: registry.url, trustedPublishers: ["company-team"] };
    await project.use((context) => registryAdd(company, context));
    expect(await failure(() => project.use((context) => install({}, context)))).toBe("PUBLISHER_NOT_TRUSTED");
  });

  class Accepted extends Error {}

  test("[SIG-22] a signature that does not hold stops install and fetch before anything is unpacked", async () => {
    const signer = newSigner();
    await register(registry, signer.publicKey);
    const built = await publishPackage(registry, { name: "fg-lib", version: "1.0.0" }, { signer });
    const statement = `${built.blob.slice(7)}.sig`;
    const forged = await statementFor(built, newSigner());
    const project = createProject(manifest(`fg-lib = "1"`), { registry: registry.url });
    const { createNodeFetch } = await import("@lading/registry-client/node");
    const { fetch: send } = createNodeFetch();
    const lie: NonNullable<Parameters<Project["use"]>[1]> = {
      fetch: async (url, init) => {
        if (!url.includes(statement)) return send(url, init);
        const { createServer } = await import("node:http");
        const server = createServer((_, response) => response.end(forged));
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
        try {
          return await send(`http://127.0.0.1:${(server.address() as { port: number }).port}/`, init);
        } finally {
          server.close();
        }
      },
    };
    expect(await failure(() => project.use((context) => install({}, context), lie))).toMatch(
      /^(?:DOWNLOAD_DIGEST|DOWNLOAD_SIZE|SIGNATURE_)/,
    );
    expect(
      await failure(() => project.use((context) => fetchPackage({ spec: "fg-lib", output: "got" }, context), lie)),
    ).toMatch(/^(?:DOWNLOAD_|SIGNATURE_)/);
    expect(project.events.filter(({ type }) => type === "extracting")).toEqual([]);
    expect(readdirSync(project.root).toSorted()).not.toContain("lading_packages");
    const policy = createTrustPolicy([{ publicKey: signer.publicKey }]);
    expect(verifyEnvelope(forged, { policy, expect: { blob: built.blob } })).toMatchObject({ ok: false });
  });
});

describe("archives", () => {
  const text = readFileSync(new URL("requirements.tsv", import.meta.url), "utf8");

  test("[ARC-07] [ARC-08] [ARC-09] [TST-01] every codec packs and unpacks to one tree", async () => {
    const trees = new Set<string>();
    for (const codec of ["zstd", "gzip", "lz4", "none"] as const) {
      const built = await build({ name: "codec", version: "1.0.0", codec, files: { "a/b.txt": text, run: "run" } });
      const directory = temporary();
      writeFiles(directory, { "in.lpk": built.bytes });
      const expected = { blob: built.blob, size: built.size, tree: built.tree };
      const seen = await unpackPackage({
        source: path.join(directory, "in.lpk"),
        destination: path.join(directory, "out"),
        expect: expected,
      });
      trees.add(seen.tree);
      expect(readFileSync(path.join(directory, "out/a/b.txt"), "utf8")).toBe(text);
    }
    expect(trees.size).toBe(1);
    expect(builtinProfile("lading").package.binary.codec).toBe("zstd");
    expect(readFileSync(new URL("../docs/spec/archive.md", import.meta.url), "utf8")).toContain("zstd");
  });

  test("[ARC-06] under its compression a package is a plain tar, which tar lists", async () => {
    const directory = temporary();
    for (const [codec, flag] of [
      ["zstd", "--zstd"],
      ["gzip", "-z"],
      ["none", ""],
    ] as const) {
      const built = await build({ name: "plain", version: "1.0.0", codec, files: { "docs/a.txt": "a" } });
      writeFiles(directory, { [codec]: built.bytes });
      const listed = await sandbox.ok(`tar ${flag} -tf ${path.join(directory, codec)}`);
      expect(listed.stdout.trim().split("\n")).toEqual([".lading/package.json", "docs/a.txt", "lading.toml"]);
    }
    const plain = gunzipSync(readFileSync(path.join(directory, "gzip")));
    expect(plain.equals(readFileSync(path.join(directory, "none")))).toBe(true);
    expect(plain.subarray(257, 263).toString("latin1")).toBe("ustar\0");
  });

  test("[ARC-04] [ARC-05] zip, tar.gz and tgz that others made are read", async () => {
    sandbox.write("foreign/pack/a.txt", "a");
    sandbox.write("foreign/pack/sub/b.txt", "b");
    await sandbox.ok(
      `tar -czf p.tar.gz pack && cp p.tar.gz p.tgz && python3 -c "import shutil; shutil.make_archive('p', 'zip', '.', 'pack')"`,
      { cwd: "foreign" },
    );
    for (const name of ["p.tar.gz", "p.tgz", "p.zip"]) {
      const destination = path.join(temporary(), "out");
      const files = await importForeignArchive({ source: sandbox.path("foreign", name), destination });
      expect(
        files
          .map((file) => file.path)
          .toSorted()
          .at(-1),
      ).toMatch(/b\.txt$/);
    }
  });

  test("[ARC-13] every hostile archive is refused with its code, and nothing is written", async () => {
    const directory = temporary();
    const parent = path.join(directory, "parent");
    mkdirSync(parent);
    const taken: string[] = [];
    const refused: [string, string[]][] = [];
    for (const { name, bytes, code } of hostileArchives()) {
      writeFiles(directory, { hostile: bytes });
      const destination = path.join(parent, "out");
      const verdict = await judgeArchive(path.join(directory, "hostile"));
      expect([name, verdict.code]).toEqual([name, code]);
      const imported = await failure(() =>
        importForeignArchive({ source: path.join(directory, "hostile"), destination }),
      ).catch(() => "taken");
      if (imported === "taken") taken.push(name);
      else refused.push([imported, readdirSync(parent)]);
      rmSync(destination, { recursive: true, force: true });
    }
    for (const outcome of refused) expect(outcome).toEqual([expect.stringMatching(/^ARCHIVE_/), []]);
    // What other tools write in all honesty is read as what it means; packages of our own may not have it.
    const harmless =
      /^(?:gzip-(?:name|comment|extra|header-crc|text-flag|time|xfl)|tar-(?:gnu-magic|no-magic|pax-xattr|base256-uid|base256-mtime|name-after-nul|link-target-on-file|setgid-directory|type-bits-in-mode|duplicate-directory))$/;
    expect(taken.filter((name) => !harmless.test(name))).toEqual([]);
    const built = await build({ name: "limits", version: "1.0.0", files: { "a.txt": "a".repeat(2000), "b.txt": "b" } });
    writeFiles(directory, { limits: built.bytes });
    for (const [limits, code] of [
      [{ entries: 2 }, "ARCHIVE_TOO_MANY_ENTRIES"],
      [{ fileBytes: 1000 }, "ARCHIVE_ENTRY_TOO_LARGE"],
      [{ totalBytes: 1000 }, "ARCHIVE_TOO_LARGE"],
    ] as const) {
      const unpack = () =>
        unpackPackage({
          source: path.join(directory, "limits"),
          destination: path.join(parent, "out"),
          expect: { blob: built.blob },
          limits,
        });
      expect(await failure(unpack)).toBe(code);
      expect(readdirSync(parent)).toEqual([]);
    }
  });

  test("[ARC-24] packages of format 1 that were made earlier still open, with their format in them", async () => {
    const fixtures = new URL("../packages/archive/test/fixtures/", import.meta.url).pathname;
    const { tree } = JSON.parse(readFileSync(path.join(fixtures, "v1.json"), "utf8")) as { tree: string };
    for (const codec of ["zstd", "gzip", "lz4", "none"]) {
      const seen = await inspectPackage(path.join(fixtures, `v1.${codec}`));
      expect([seen.tree, seen.record.format]).toEqual([tree, 1]);
    }
  });

  test("every cut and every flipped byte of a package is refused by reader and server, and nothing is written", async () => {
    const built = await build({ name: "dm-lib", version: "1.0.0", files: { "a.txt": text.slice(0, 3000) } });
    const directory = temporary();
    const parent = path.join(directory, "parent");
    mkdirSync(parent);
    const damaged = [0, 1, 4, 100, built.size - 1].map((length) => built.bytes.subarray(0, length));
    for (let at = 0; at < built.size; at += Math.ceil(built.size / 40)) {
      const copy = Buffer.from(built.bytes);
      copy[at]! ^= 0x41;
      damaged.push(copy);
    }
    for (const bytes of damaged) {
      writeFiles(directory, { damaged: bytes });
      const unpack = () =>
        unpackPackage({
          source: path.join(directory, "damaged"),
          destination: path.join(parent, "out"),
          expect: { blob: built.blob },
        });
      expect(await failure(unpack)).toMatch(/^ARCHIVE_/);
      expect(readdirSync(parent)).toEqual([]);
    }
    for (const bytes of damaged.slice(0, 12)) {
      const answer = await upload(registry, built, { bytes });
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.status).toBeLessThan(500);
    }
    const future = JSON.stringify({ blob: built.blob, size: -1 });
    expect((await upload(registry, built, { metadata: future })).status).toBe(400);
    expect((await upload(registry, built, { metadata: "{" })).status).toBe(400);
    expect((await api(registry, "/api/v1/packages/dm-lib")).status).toBe(404);
    expect((await upload(registry, built)).status).toBe(201);
  });
});

describe("manifests", () => {
  const everything = {
    "gal.toml": readFileSync(new URL("fixtures/gal.toml", import.meta.url), "utf8"),
    "vitte.toml": readFileSync(new URL("../examples/vitte/project/vitte.toml", import.meta.url), "utf8"),
    "pack.yaml": readFileSync(new URL("../examples/attune/pack/pack.yaml", import.meta.url), "utf8"),
    "pyproject.toml": readFileSync(new URL("../examples/revitpy/my-package/pyproject.toml", import.meta.url), "utf8"),
  } satisfies Partial<Record<DialectId, string>>;

  test("[MAN-02] [MAN-05] the manifests of the four systems load into one model, and survive a round trip", () => {
    for (const [dialect, content] of Object.entries(everything) as [DialectId, string][]) {
      const { manifest: read, diagnostics } = readManifest(content, { file: dialect, dialect });
      expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
      for (const key of ["package", "dependencies", "features", "profiles", "chaosProfiles", "hosts"] as const) {
        expect(read![key]).toBeDefined();
      }
      const written = writeManifest(read!, dialect);
      const again = parseManifest(written.text, { file: dialect, dialect });
      expect(withoutPlaces(again)).toEqual(withoutPlaces(read));
    }
  });

  const withoutPlaces = (value: unknown): unknown =>
    JSON.parse(JSON.stringify(value, (key, inner: unknown) => (key === "location" ? undefined : inner)));

  test("[MAN-06] [MAN-07] a missing or broken manifest is a typed error with file and line, and a missing name is named", async () => {
    sandbox.write("mb/broken/lading.toml", "[package]\nname = \n");
    sandbox.write("mb/nameless/lading.toml", `[package]\nversion = "one"\n`);
    sandbox.write("mb/empty/readme.txt", "");
    const [broken, nameless, empty] = await Promise.all(
      ["broken", "nameless", "empty"].map((name) => sandbox.line("lading lock", { cwd: `mb/${name}` })),
    );
    expect(broken).toMatchObject({ code: 3, stdout: "" });
    expect(broken!.stderr).toMatch(/lading\.toml:[23]:\d+/);
    expect(nameless!.code).toBe(3);
    expect(nameless!.stderr).toMatch(/package\.name|"name"/);
    expect(nameless!.stderr).toMatch(/package\.version|"version"/);
    expect(empty!.code).not.toBe(0);
    expect(empty!.stderr).toMatch(/error\[PROJECT_NOT_FOUND\]/);
  });

  test("[MAN-22] a table with version and features parses alike in Vitte's and GAL's manifests", () => {
    const read = (dialect: DialectId): unknown => {
      const content = `[package]\nname = "app"\nversion = "1.0.0"\n\n[dependencies]\nhttp = { version = "0.12", features = ["json", "stream"] }\n`;
      return withoutPlaces(parseManifest(content, { file: dialect, dialect }).dependencies);
    };
    expect(read("vitte.toml")).toEqual(read("gal.toml"));
    expect(read("gal.toml")).toMatchObject([{ name: "http", requirement: "0.12", features: ["json", "stream"] }]);
  });

  test("[MAN-30] [MAN-31] pack dependencies in both forms are one set; runtimes have a constraint or none", () => {
    const read = (dependencies: string) =>
      parseManifest(`ref: a\nversion: 1.0.0\n${dependencies}`, { file: "pack.yaml", dialect: "pack.yaml" });
    const names = (dependencies: string) =>
      read(dependencies).dependencies.map(({ name, canonicalRequirement }) => [name, canonicalRequirement]);
    expect(names("dependencies:\n  - core\n  - http\n")).toEqual(names("dependencies:\n  core: '*'\n  http: '*'\n"));
    expect(read("runtime_deps:\n  - python3>=3.8\n  - nodejs>=14.0\n  - perl\n").runtimes).toMatchObject([
      { runtime: "python3", requirement: ">=3.8" },
      { runtime: "nodejs", requirement: ">=14.0" },
      { runtime: "perl" },
    ]);
  });

  test("[MAN-38] the security table is read, and its unknown keys warn", async () => {
    const project = createProject({
      "lading.toml": `[package]\nname = "app"\nversion = "1.0.0"\n\n[security]\nrequire_signatures = true\nmax_risk_level = "medium"\nallowed_licenses = ["MIT"]\nsurprise = 1\n`,
    });
    const { manifest: read, diagnostics } = readManifest(project.read("lading.toml"), {
      file: "lading.toml",
      dialect: "lading.toml",
    });
    expect(read!.security).toMatchObject({ requireSignatures: true, maxRiskLevel: "medium", allowedLicenses: ["MIT"] });
    expect(diagnostics).toMatchObject([
      { severity: "warning", code: "MANIFEST_KEY_UNKNOWN", key: "security.surprise" },
    ]);
    const { problems } = await project.use((context) => check({}, context));
    expect(problems.map(({ key }) => key)).toContain("security.surprise");
  });
});

describe("bad input", () => {
  test("every broken document is refused with its typed code", async () => {
    const lockText = `version = 1\nroot = "app"\n`;
    const document = { schema: 1, name: "a", sequence: 1, channels: {}, versions: [] };
    const table: [string, () => unknown][] = [
      ["LOCKFILE_INVALID", () => parseLockfile("version = ", "x.lock")],
      ["LOCKFILE_INVALID", () => parseLockfile(`version = 1\n`, "x.lock")],
      [
        "LOCKFILE_INVALID",
        () => parseLockfile(`${lockText}[[packages]]\nname = "../x"\nversion = "1.0.0"\n`, "x.lock"),
      ],
      [
        "LOCKFILE_INVALID",
        () => parseLockfile(`${lockText}[[packages]]\nname = "x"\nversion = "1.0.0"\nchecksum = "md5:1"\n`, "x.lock"),
      ],
      ["LOCKFILE_VERSION_UNSUPPORTED", () => parseLockfile(`version = 2\nroot = "app"\n`, "x.lock")],
      ["INDEX_DOCUMENT_INVALID", () => parseIndexDocument([])],
      ["INDEX_DOCUMENT_INVALID", () => parseIndexDocument({ ...document, name: "../a" })],
      ["INDEX_DOCUMENT_INVALID", () => parseIndexDocument({ ...document, versions: [{ version: "one" }] })],
      ["INDEX_DOCUMENT_SCHEMA_UNSUPPORTED", () => parseIndexDocument({ ...document, schema: 2 })],
      ["MANIFEST_INVALID", () => parseManifest("[package", { file: "lading.toml", dialect: "lading.toml" })],
      ["MANIFEST_INVALID", () => parseManifest("a: [", { file: "pack.yaml", dialect: "pack.yaml" })],
      [
        "MANIFEST_INVALID",
        () =>
          parseManifest(`[package]\nname = "a"\nversion = "1.0"\n`, { file: "lading.toml", dialect: "lading.toml" }),
      ],
      ["PROFILE_INVALID", () => parseProfile("schema = 9\n", "profile.toml")],
      ["KEY_INVALID", () => parsePrivateKey("no key at all")],
      ["KEY_INVALID", () => parseKey("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")],
      ["ENVELOPE_MALFORMED", () => decodeEnvelope(Buffer.from("{}"))],
      ["ENVELOPE_MALFORMED", () => decodeEnvelope(Buffer.from([0xff, 0xfe]))],
    ];
    for (const [code, run] of table) expect([code, await failure(run)]).toEqual([code, code]);
  });

  test("a command that meets bad input ends with a status other than 0, and writes nothing", async () => {
    sandbox.write("bi/lading.toml", manifest(`bi-lib = "1"`)["lading.toml"]!);
    sandbox.write("bi/lading.lock", "version = 9\nroot = 'app'\n");
    sandbox.write("bi/bad.lpk", "this is no package");
    sandbox.write("bi/bad.pem", "this is no key");
    const before = readdirSync(sandbox.path("bi")).toSorted();
    const lines: [string, RegExp][] = [
      ["lading install", /LOCKFILE_VERSION_UNSUPPORTED/],
      ["lading verify bad.lpk", /ARCHIVE_|SIGNATURE_/],
      ["lading publish bad.lpk --token x", /ARCHIVE_/],
      ["lading sign bad.lpk --key bad.pem", /KEY_|ARCHIVE_/],
      ["lading add 'Not A Name!'", /NAME_INVALID|SPEC_INVALID/],
      ["lading config set registry.timeout soon", /CONFIG_VALUE_INVALID/],
    ];
    const results = await Promise.all(lines.map(([line]) => sandbox.line(line, { cwd: "bi" })));
    results.forEach((result, n) => {
      expect(result.code).not.toBe(0);
      expect(result.stdout).toBe("");
      expect(result.stderr).toMatch(lines[n]![1]);
      expect(result.stderr).not.toMatch(/\n\s+at /);
    });
    expect(readdirSync(sandbox.path("bi")).toSorted()).toEqual(before);
    expect(sandbox.read("bi/lading.lock")).toContain("version = 9");
  });

  test("publishing a version that is not SemVer is refused before anything is sent", async () => {
    const project = createProject(
      { "lading.toml": `[package]\nname = "app"\nversion = "1.0"\n` },
      { registry: registry.url, token: registry.token },
    );
    expect(await failure(() => project.use((context) => publish({}, context)))).toBe("MANIFEST_INVALID");
  });
});

describe("the project", () => {
  test("[PRJ-12] the licence is MIT", () => {
    expect(readFileSync(new URL("../LICENSE", import.meta.url), "utf8")).toMatch(/^(?:The )?MIT License/);
  });

  test("[PRJ-23] [SRC-07] one tool has every operation; help groups them and gives an example of each", async () => {
    const { stdout } = await sandbox.ok("lading --help");
    const commands = [...stdout.matchAll(/^ {2}([a-z]+(?: [a-z]+)?) {2,}/gm)].map(([, name]) => name!);
    expect(commands).toEqual(
      expect.arrayContaining(["init", "add", "install", "publish", "search", "info", "tree", "registry add"]),
    );
    expect(stdout).toMatch(/^Inspect$/m);
    expect(stdout).toMatch(/^Registry$/m);
    for (let start = 0; start < commands.length; start += 6) {
      const helps = await Promise.all(
        commands.slice(start, start + 6).map((name) => sandbox.ok(`lading ${name} --help`)),
      );
      for (const help of helps) expect(help.stdout).toMatch(/^Examples?\n {2}lading /m);
    }
  });
});
