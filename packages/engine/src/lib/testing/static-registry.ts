import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { pathToFileURL } from "node:url";
import {
  compareVersions,
  digestFromBytes,
  digestHex,
  indexDocumentPath,
  parseIndexDocument,
  parsePackageName,
  parseRequirement,
  parseVersion,
  renderIndexDocument,
  type Digest,
  type IndexArtifact,
  type IndexDocument,
  type IndexVersion,
  type PackageRecord,
  type RecordedDependency,
} from "@lading/core-manifest";
import { inspectPackage, packDirectory } from "@lading/archive/node";
import { encodeEnvelope, spkiOf, type Signer } from "@lading/signing";
import { hasErrno } from "../files.ts";
import { statementOf } from "../operations/signing.ts";

/** A package to publish in a {@link StaticRegistry}. */
export interface PublishedFixture {
  readonly name: string;
  readonly version: string;
  /** Name -> requirement as in a TOML manifest, or a whole dependency with a canonical one. */
  readonly dependencies?: Readonly<Record<string, string | Partial<RecordedDependency>>>;
  readonly features?: Readonly<Record<string, readonly string[]>>;
  readonly exclusiveFeatures?: readonly (readonly string[])[];
  readonly hosts?: Readonly<Record<string, string>>;
  readonly license?: string;
  /** What travels along in the package's record, such as `self-modifying`. */
  readonly extra?: Readonly<Record<string, unknown>>;
  /** Path -> content; a manifest is always there. */
  readonly files?: Readonly<Record<string, string>>;
  readonly signer?: Signer;
  /** Address of the registry that the statement is for; absent: any. */
  readonly signedFor?: string;
  readonly publisher?: string;
  readonly status?: IndexVersion["status"];
  /** RFC 3339, UTC, whole seconds. */
  readonly published?: string;
}

/** A registry of real packages as a directory of files, read over `file:`. */
export interface StaticRegistry {
  readonly directory: string;
  readonly url: string;
  /** Packs, signs and lists a version; the same version again replaces it. */
  publish(fixture: PublishedFixture): Promise<IndexArtifact>;
  /** Changes what the index says of a version. */
  change(name: string, version: string, change: Partial<IndexVersion>): Promise<void>;
  /** Path of a blob, for tests that damage it. */
  blobPath(digest: Digest): string;
}

/** Makes an empty static registry below a directory. */
export async function createStaticRegistry(directory: string): Promise<StaticRegistry> {
  const blobPath = (digest: Digest): string => path.join(directory, "blobs", "sha256", digestHex(digest));
  await mkdir(path.join(directory, "blobs", "sha256"), { recursive: true });
  await mkdir(path.join(directory, "index"), { recursive: true });
  const putBlob = async (bytes: Uint8Array): Promise<Digest> => {
    const digest = digestFromBytes(createHash("sha256").update(bytes).digest());
    await writeFile(blobPath(digest), bytes);
    return digest;
  };
  const edit = (name: string, change: (document: IndexDocument) => IndexDocument): Promise<void> =>
    editDocument(path.join(directory, indexDocumentPath(parsePackageName(name))), name, change);
  return {
    directory,
    url: pathToFileURL(`${directory}/`).href,
    blobPath,
    async publish(fixture) {
      const artifact = await packFixture(fixture, directory, blobPath, putBlob);
      await edit(fixture.name, (document) => withVersion(document, entryOf(fixture, artifact)));
      return artifact;
    },
    change: (name, version, change) =>
      edit(name, (document) => ({
        ...document,
        versions: document.versions.map((entry) => (entry.version === version ? { ...entry, ...change } : entry)),
      })),
  };
}

function dependenciesOf({ dependencies = {} }: PublishedFixture): RecordedDependency[] {
  return Object.entries(dependencies).map(([name, value]) =>
    typeof value === "string"
      ? { name, kind: "normal", requirement: parseRequirement(value, "caret").canonical }
      : { name, kind: "normal", requirement: "*", ...value },
  );
}

function recordOf(fixture: PublishedFixture): PackageRecord {
  const { name, version, features, exclusiveFeatures, hosts, license, extra } = fixture;
  return {
    format: 1,
    kind: "binary",
    target: "any",
    manifestFile: "lading.toml",
    executables: [],
    manifest: {
      name,
      version,
      ...(license === undefined ? {} : { license }),
      dependencies: dependenciesOf(fixture),
      ...(features === undefined ? {} : { features }),
      ...(exclusiveFeatures === undefined ? {} : { exclusiveFeatures }),
      ...(hosts === undefined ? {} : { hosts }),
      ...(extra === undefined ? {} : { extra }),
    },
  };
}

async function packFixture(
  fixture: PublishedFixture,
  directory: string,
  blobPath: (digest: Digest) => string,
  putBlob: (bytes: Uint8Array) => Promise<Digest>,
): Promise<IndexArtifact> {
  const tree = await mkdtemp(path.join(directory, "pack-"));
  try {
    const source = path.join(tree, "source");
    const manifest = `[package]\nname = "${fixture.name}"\nversion = "${fixture.version}"\n`;
    for (const [file, content] of Object.entries({ "lading.toml": manifest, ...fixture.files })) {
      await mkdir(path.dirname(path.join(source, file)), { recursive: true });
      await writeFile(path.join(source, file), content);
    }
    const output = path.join(tree, "package.lpk");
    const packed = await packDirectory({ directory: source, record: recordOf(fixture), output, codec: "none" });
    const { signer, signedFor } = fixture;
    const statement = signer === undefined ? undefined : await signFixture(output, { signer, signedFor }, putBlob);
    await rename(output, blobPath(packed.blob));
    return {
      target: "any",
      blob: packed.blob,
      size: packed.size,
      tree: packed.tree,
      ...(statement === undefined ? {} : { statement }),
    };
  } finally {
    await rm(tree, { recursive: true, force: true });
  }
}

async function signFixture(
  file: string,
  { signer, signedFor }: { readonly signer: Signer; readonly signedFor: string | undefined },
  putBlob: (bytes: Uint8Array) => Promise<Digest>,
): Promise<Digest> {
  await putBlob(spkiOf(signer.publicKey));
  const statement = await statementOf(await inspectPackage(file));
  const registry = signedFor === undefined ? {} : { registry: signedFor };
  return putBlob(await encodeEnvelope({ ...statement, predicate: { ...statement.predicate, ...registry } }, [signer]));
}

function entryOf(fixture: PublishedFixture, artifact: IndexArtifact): IndexVersion {
  return {
    schema: 1,
    version: fixture.version,
    kind: "binary",
    artifacts: [artifact],
    dependencies: dependenciesOf(fixture),
    features: fixture.features ?? {},
    ...(fixture.exclusiveFeatures === undefined ? {} : { exclusiveFeatures: fixture.exclusiveFeatures }),
    hosts: fixture.hosts ?? {},
    published: fixture.published ?? "2026-01-01T00:00:00Z",
    status: fixture.status ?? "active",
    ...(fixture.license === undefined ? {} : { license: fixture.license }),
    signers: fixture.signer === undefined ? [] : [`ed25519:${fixture.signer.keyId}`],
    publisher: fixture.publisher ?? "tester",
  };
}

function withVersion(document: IndexDocument, entry: IndexVersion): IndexDocument {
  const versions = [...document.versions.filter(({ version }) => version !== entry.version), entry];
  versions.sort((left, right) => compareVersions(parseVersion(left.version), parseVersion(right.version)));
  return { ...document, versions };
}

async function editDocument(
  file: string,
  name: string,
  change: (document: IndexDocument) => IndexDocument,
): Promise<void> {
  const before = await readDocument(file, name);
  const after = change({ ...before, sequence: before.sequence + 1 });
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, renderIndexDocument(after));
}

async function readDocument(file: string, name: string): Promise<IndexDocument> {
  try {
    return parseIndexDocument(JSON.parse(await readFile(file, "utf8")));
  } catch (error) {
    if (hasErrno(error, "ENOENT")) return { schema: 1, name, sequence: 0, channels: {}, versions: [] };
    throw error;
  }
}
