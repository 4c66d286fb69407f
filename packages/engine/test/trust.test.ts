import { createHash } from "node:crypto";
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { digestFromBytes, indexDocumentPath, parsePackageName, type Digest } from "@lading/core-manifest";
import { createStatement, encodeEnvelope, generateKey, softwareSigner, type StatementFacts } from "@lading/signing";
import { openTrustStore } from "@lading/signing/node";
import { fetch, install, registryAdd, update, verifyPackage } from "../src/index.ts";
import { registriesPath } from "../src/lib/configured-registries.ts";
import { trustFile } from "../src/lib/signatures.ts";
import { createSandbox, type Sandbox } from "../src/testing.ts";

const key = softwareSigner(generateKey().seed);
const stranger = softwareSigner(generateKey().seed);

let box: Sandbox;
beforeEach(async () => {
  box = await createSandbox();
});
afterEach(() => box.remove());

const manifest = (dependency: string, security = ""): string =>
  `[package]\nname = "app"\nversion = "1.0.0"\n\n[dependencies]\n${dependency}\n${security}`;

async function trust(publicKey: Uint8Array, names?: readonly string[]): Promise<void> {
  const file = trustFile(box.context());
  await openTrustStore(file).add({ publicKey, ...(names === undefined ? {} : { names }) });
}

/** Makes the sandbox's registry one of a `registries.toml` with further settings. */
async function configure(settings: string): Promise<void> {
  const file = registriesPath(box.context());
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, `default_registry = "main"\n[registries.main]\nurl = "${box.registry.url}"\n${settings}`);
}

async function installed(name: string): Promise<void> {
  await box.write({ "lading.toml": manifest(`${name} = "1"`) });
  await box.use((context) => install({}, context));
}

describe("a statement that names a registry", () => {
  it("is one for packages of that registry, and for no other's", async () => {
    await box.registry.publish({ name: "signed", version: "1.0.0", signer: key, signedFor: box.registry.url });
    await installed("signed");
    const signedFor = "https://another.example/";
    await box.registry.publish({ name: "replayed", version: "1.0.0", signer: key, signedFor });
    await expect(installed("replayed")).rejects.toMatchObject({ code: "SIGNATURE_SUBJECT_MISMATCH" });
  });
});

describe("the publisher that a lock has pinned", () => {
  it("must have signed, though another key that the user trusts has", async () => {
    await box.registry.publish({ name: "signed", version: "1.0.0", signer: key });
    await installed("signed");
    await trust(stranger.publicKey);
    await box.registry.publish({ name: "signed", version: "1.1.0", signer: stranger });
    // What the index says of signers is signed by nobody.
    await box.registry.change("signed", "1.1.0", { signers: [`ed25519:${key.keyId}`] });
    await expect(box.use((context) => update({}, context))).rejects.toMatchObject({ code: "PUBLISHER_CHANGED" });
  });

  it("stays pinned when the index spells the name in another way", async () => {
    await box.registry.publish({ name: "my-tool", version: "1.0.0", signer: key });
    await installed("my-tool");
    await box.registry.publish({ name: "my-tool", version: "1.1.0", signer: stranger });
    const file = path.join(box.registry.directory, indexDocumentPath(parsePackageName("my-tool")));
    await writeFile(file, (await readFile(file, "utf8")).replace('"my-tool"', '"my_tool"'));
    await expect(box.use((context) => update({}, context))).rejects.toMatchObject({ code: "PUBLISHER_CHANGED" });
  });
});

describe("the publishers of two majors beside each other", () => {
  const two = 'signed = "1"\nnewer = { package = "signed", version = "2" }';

  async function installedTwo(): Promise<void> {
    await box.registry.publish({ name: "signed", version: "1.0.0", signer: key });
    await box.registry.publish({ name: "signed", version: "2.0.0", signer: stranger });
    await box.write({ "lading.toml": manifest(two) });
    await box.use((context) => install({}, context));
  }

  it("are pinned each for its own major", async () => {
    await installedTwo();
    await box.registry.publish({ name: "signed", version: "1.1.0", signer: key });
    await box.registry.publish({ name: "signed", version: "2.1.0", signer: stranger });
    const { lock } = await box.use((context) => update({}, context));
    expect(lock.lock.packages.map(({ version, publisher }) => [version, publisher])).toEqual([
      ["1.1.0", `ed25519:${key.keyId}`],
      ["2.1.0", `ed25519:${stranger.keyId}`],
    ]);
  });

  it("do not stand in for each other", async () => {
    await installedTwo();
    await box.registry.publish({ name: "signed", version: "2.1.0", signer: key });
    await expect(box.use((context) => update({}, context))).rejects.toMatchObject({
      code: "PUBLISHER_CHANGED",
      details: { pinned: `ed25519:${stranger.keyId}` },
    });
  });

  it("must be the one that is pinned when a new major comes to a name with one publisher", async () => {
    await box.registry.publish({ name: "signed", version: "1.0.0", signer: key });
    await installed("signed");
    await box.registry.publish({ name: "signed", version: "2.0.0", signer: stranger });
    await box.write({ "lading.toml": manifest('signed = "2"') });
    await expect(box.use((context) => install({}, context))).rejects.toMatchObject({ code: "PUBLISHER_CHANGED" });
  });
});

describe("a third major of a name with two publishers", () => {
  const two = 'signed = "1"\nnewer = { package = "signed", version = "2" }';
  const three = `${two}\nnewest = { package = "signed", version = "3" }`;
  const other = softwareSigner(generateKey().seed);

  async function withThird(signer: typeof key): Promise<void> {
    await box.registry.publish({ name: "signed", version: "1.0.0", signer: key });
    await box.registry.publish({ name: "signed", version: "2.0.0", signer: stranger });
    await box.registry.publish({ name: "signed", version: "3.0.0", signer });
    await box.write({ "lading.toml": manifest(two) });
    await box.use((context) => install({}, context));
    await box.write({ "lading.toml": manifest(three) });
  }

  it("is not pinned to whoever signed it first", async () => {
    await withThird(other);
    await expect(box.use((context) => install({}, context))).rejects.toMatchObject({
      code: "PUBLISHER_CHANGED",
      details: { signers: [`ed25519:${other.keyId}`] },
    });
    const { lock } = await box.use((context) => install({ acceptPublishers: ["signed"] }, context));
    expect(lock.lock.packages.at(-1)!.publisher).toBe(`ed25519:${other.keyId}`);
  });

  it("is taken from either of them", async () => {
    await withThird(stranger);
    const { lock } = await box.use((context) => install({}, context));
    expect(lock.lock.packages.at(-1)).toMatchObject({ version: "3.0.0", publisher: `ed25519:${stranger.keyId}` });
  });
});

describe("--registry", () => {
  it("does not let a mirror leave out what the registry that it stands in for demands", async () => {
    await box.registry.publish({ name: "plain", version: "1.0.0" });
    await configure("verify_signatures = true\n");
    await box.write({ "lading.toml": manifest('plain = "^1.0.0"') });
    await cp(box.registry.directory, path.join(box.root, "mirror"), { recursive: true });
    const elsewhere = pathToFileURL(`${path.join(box.root, "mirror")}/`).href;
    await expect(box.use((context) => install({}, context), { registry: elsewhere })).rejects.toMatchObject({
      code: "SIGNATURE_REQUIRED",
    });
  });
});

describe("names of registries", () => {
  it("are refused where two would read one token variable", async () => {
    const add = (name: string, url: string) => box.use((context) => registryAdd({ name, url }, context));
    await add("my-mirror", box.registry.url);
    await expect(add("my_mirror", "https://other.example/")).rejects.toMatchObject({
      code: "REGISTRY_NAME_TAKEN",
      details: { variable: "LADING_TOKEN_MY_MIRROR", other: "my-mirror" },
    });
    const file = box.use((context) => Promise.resolve(registriesPath(context)));
    const text = await readFile(await file, "utf8");
    const twin = `\n[registries.my_mirror]\nurl = "https://other.example/"\n`;
    await writeFile(await file, text + twin);
    await expect(box.use((context) => context.registries())).rejects.toMatchObject({ code: "REGISTRY_NAME_TAKEN" });
  });
});

describe("a package that the store has already", () => {
  it("is not installed as another version, whoever signed it", async () => {
    const old = await box.registry.publish({ name: "signed", version: "1.0.0", signer: key });
    await installed("signed");
    await box.registry.publish({ name: "signed", version: "1.1.0", signer: key });
    await box.registry.change("signed", "1.1.0", { artifacts: [old] });
    await expect(box.use((context) => update({}, context))).rejects.toMatchObject({ code: "PACKAGE_MISMATCH" });
  });

  it("is held to verify_signatures of its registry", async () => {
    await box.registry.publish({ name: "plain", version: "1.0.0" });
    await installed("plain");
    await configure("verify_signatures = true\n");
    await box.write({ "lading.toml": manifest('plain = "^1.0.0"') });
    await expect(box.use((context) => install({}, context))).rejects.toMatchObject({ code: "SIGNATURE_REQUIRED" });
  });

  it("is refused where signatures are demanded of a registry without signed metadata", async () => {
    await box.registry.publish({ name: "signed", version: "1.0.0", signer: key });
    await configure("verify_signatures = true\n");
    await box.write({ "lading.toml": manifest('signed = "^1.0.0"') });
    await expect(box.use((context) => install({}, context))).rejects.toMatchObject({ code: "REGISTRY_UNSIGNED" });
  });

  it("is held to public_keys of its registry", async () => {
    await box.registry.publish({ name: "signed", version: "1.0.0", signer: stranger });
    await installed("signed");
    await configure(`public_keys = ["ed25519:${key.keyId}"]\n`);
    await box.write({ "lading.toml": manifest('signed = "^1.0.0"') });
    await expect(box.use((context) => install({}, context))).rejects.toMatchObject({ code: "SIGNATURE_KEY_UNKNOWN" });
  });

  it("is held to trusted_publishers of its registry, also by a frozen lock", async () => {
    await box.registry.publish({ name: "plain", version: "1.0.0" });
    await installed("plain");
    await configure('trusted_publishers = ["somebody-else"]\n');
    await box.write({ "lading.toml": manifest('plain = "^1.0.0"') });
    await expect(box.use((context) => install({ mode: "frozen" }, context))).rejects.toMatchObject({
      code: "PUBLISHER_NOT_TRUSTED",
    });
  });

  it("is held to the keys that the user has named for it", async () => {
    await box.registry.publish({ name: "signed", version: "1.0.0", signer: stranger });
    await installed("signed");
    await trust(key.publicKey, ["signed"]);
    await box.write({ "lading.toml": manifest('signed = "^1.0.0"') });
    await expect(box.use((context) => install({}, context))).rejects.toMatchObject({ code: "SIGNATURE_KEY_UNKNOWN" });
  });

  it("is held to the licences that the manifest allows", async () => {
    await box.registry.publish({ name: "viral", version: "1.0.0", license: "GPL-3.0-only" });
    await installed("viral");
    await box.write({ "lading.toml": manifest('viral = "1"', '[security]\nallowed_licenses = ["MIT"]\n') });
    await expect(box.use((context) => install({}, context))).rejects.toMatchObject({ code: "LICENSE_NOT_ALLOWED" });
  });
});

describe("verifyStatement()", () => {
  it("refuses an unsigned package for whose name the user has named keys", async () => {
    await trust(key.publicKey, ["plain"]);
    await box.registry.publish({ name: "plain", version: "1.0.0" });
    await box.write({ "lading.toml": manifest('plain = "1"') });
    await expect(box.use((context) => install({}, context))).rejects.toMatchObject({ code: "SIGNATURE_REQUIRED" });
  });

  it("holds the document to the keys that have signed, where the index names none of them", async () => {
    await trust(key.publicKey);
    await box.registry.publish({ name: "signed", version: "1.0.0", signer: key });
    const held: string[] = [];
    const fetched = () =>
      box.use(async (context) => {
        const { default: client } = await context.registries();
        const holdSigners = (_: unknown, signers: readonly string[]) => Promise.resolve(held.push(...signers));
        Object.assign(client.trust, { holdSigners });
        await fetch({ spec: "signed" }, context);
      });
    await fetched();
    expect(held).toEqual([]);
    await box.registry.change("signed", "1.0.0", { signers: [] });
    await fetched();
    expect(held).toEqual([`ed25519:${key.keyId}`]);
  });
});

describe("the checksum that a lock holds", () => {
  it("is demanded of the download, though the tree would be the same", async () => {
    const artifact = await box.registry.publish({ name: "plain", version: "1.0.0" });
    await installed("plain");
    const other = `sha256:${"0".repeat(64)}`;
    await box.write({ "lading.lock": (await box.read("lading.lock")).replace(artifact.blob, other) });
    await rm(path.join(box.project, ".lading"), { recursive: true });
    const home = path.join(box.root, "other-home");
    await mkdir(home);
    await expect(box.use((context) => install({ mode: "frozen" }, context), { home })).rejects.toMatchObject({
      code: "LOCK_CHECKSUM_MISMATCH",
    });
  });
});

describe("fetch()", () => {
  it("leaves nothing behind when the file is another package than the index says", async () => {
    const other = await box.registry.publish({ name: "other", version: "1.0.0" });
    await box.registry.publish({ name: "plain", version: "1.0.0" });
    await box.registry.change("plain", "1.0.0", { artifacts: [other] });
    await expect(box.use((context) => fetch({ spec: "plain" }, context))).rejects.toMatchObject({
      code: "PACKAGE_MISMATCH",
    });
    expect(await readdir(box.project)).toEqual([]);
  });

  it("takes a package of a fallback registry from there, under that one's policy", async () => {
    const empty = path.join(box.root, "empty");
    await mkdir(empty);
    await box.registry.publish({ name: "plain", version: "1.0.0" });
    const file = registriesPath(box.context());
    await mkdir(path.dirname(file), { recursive: true });
    const registries = `default_registry = "first"\nfallback = ["second"]\n[registries.first]\nurl = "file://${empty}/"\n[registries.second]\nurl = "${box.registry.url}"\n`;
    await writeFile(file, `${registries}verify_signatures = false\n`);
    const env = { PATH: process.env["PATH"] };
    const fetched = await box.use((context) => fetch({ spec: "plain" }, context), { env });
    expect(fetched.name).toBe("plain");
    await writeFile(file, `${registries}verify_signatures = true\n`);
    await expect(box.use((context) => fetch({ spec: "plain" }, context), { env })).rejects.toMatchObject({
      code: "SIGNATURE_REQUIRED",
    });
  });
});

describe("verifyPackage()", () => {
  it("does not take now for the time of publication, which would lift a key's since", async () => {
    const { blob, statement } = await box.registry.publish({ name: "signed", version: "1.0.0", signer: key });
    const input = { file: box.registry.blobPath(blob), signature: box.registry.blobPath(statement as Digest) };
    const store = openTrustStore(trustFile(box.context()));
    await store.add({ publicKey: key.publicKey, sinceMs: Date.UTC(2026, 5, 1) });
    await expect(box.use((context) => verifyPackage(input, context))).rejects.toMatchObject({
      code: "SIGNATURE_KEY_NOT_ALLOWED",
    });
    await store.add({ publicKey: key.publicKey }, { replace: true });
    const verified = await box.use((context) => verifyPackage(input, context));
    expect(verified.signers).toEqual([`ed25519:${key.keyId}`]);
  });

  const zero = digestFromBytes(new Uint8Array(32));

  async function signedBytes(bytes: string, facts: Partial<StatementFacts> = {}): Promise<void> {
    const blob = digestFromBytes(createHash("sha256").update(bytes).digest());
    const rest = { kind: "binary", target: "any", tree: zero, manifestDigest: zero } as const;
    const statement = createStatement({ name: "signed", version: "1.0.0", ...rest, blob, ...facts });
    await box.write({ "file.lpk": bytes });
    await writeFile(path.join(box.project, "file.lpk.sig"), await encodeEnvelope(statement, [key]));
  }

  const verify = () => box.use((context) => verifyPackage({ file: "file.lpk" }, context));

  it("judges the signature before it reads the content", async () => {
    await signedBytes("no package at all");
    await expect(verify()).rejects.toMatchObject({ code: "SIGNATURE_KEY_UNKNOWN" });
    await rm(path.join(box.project, "file.lpk.sig"));
    await expect(verify()).rejects.toMatchObject({ code: "SIGNATURE_MISSING" });
    await box.write({ "file.lpk.sig": "{}" });
    await expect(verify()).rejects.toMatchObject({ code: "ENVELOPE_MALFORMED" });
  });

  it("compares the digest before it reads the content", async () => {
    await trust(key.publicKey);
    await signedBytes("no package at all");
    await expect(verify()).rejects.toMatchObject({ code: expect.stringMatching(/^ARCHIVE_(?!BLOB)/) });
    await box.write({ "file.lpk": "no package at alL" });
    await expect(verify()).rejects.toMatchObject({ code: "ARCHIVE_BLOB_MISMATCH" });
  });

  it("refuses a statement that calls the signed content something else", async () => {
    await trust(key.publicKey);
    const { blob, tree } = await box.registry.publish({ name: "signed", version: "1.0.0" });
    for (const facts of [
      { name: "other" },
      { version: "1.0.1" },
      { kind: "source" },
      { target: "linux-x64" },
    ] as const) {
      await signedBytes("", { blob, tree, ...facts });
      await cp(box.registry.blobPath(blob), path.join(box.project, "file.lpk"));
      await expect(verify()).rejects.toMatchObject({ code: "SIGNATURE_SUBJECT_MISMATCH" });
    }
    await signedBytes("", { blob, tree });
    await cp(box.registry.blobPath(blob), path.join(box.project, "file.lpk"));
    expect(await verify()).toMatchObject({ name: "signed", version: "1.0.0", checksum: blob, tree });
  });
});
