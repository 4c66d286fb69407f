import { packDirectory } from "@lading/archive/node";
import { indexDocumentPath, parseIndexDocument, parsePackageName, type PackageRecord } from "@lading/core-manifest";
import { createHash, randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A package file to publish. */
export interface PackageFile {
  readonly name: string;
  readonly version: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly blob: string;
  readonly tree: string;
}

/** Packs a package with `size` random bytes in it. */
export async function makePackage(name: string, version: string, size = 2000): Promise<PackageFile> {
  const directory = await mkdtemp(join(tmpdir(), "lading-pack-"));
  try {
    const source = join(directory, "source");
    await mkdir(source);
    await writeFile(join(source, "lading.toml"), `[package]\nname = "${name}"\nversion = "${version}"\n`);
    await writeFile(join(source, "random.bin"), randomBytes(size));
    const record: PackageRecord = {
      format: 1,
      kind: "binary",
      target: "any",
      manifestFile: "lading.toml",
      executables: [],
      manifest: { name, version },
    };
    const output = join(directory, "out.lpk");
    const { blob, tree, path } = await packDirectory({ directory: source, record, output, codec: "zstd", level: 1 });
    return { name, version, bytes: Uint8Array.from(await readFile(path)), blob, tree };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** What a server answered to a publication. */
export interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Publishes a package file at a server. Rejects where the connection broke. */
export async function publishAt(url: string, token: string, file: PackageFile): Promise<Answer> {
  const form = new FormData();
  form.append("metadata", JSON.stringify({ blob: file.blob, size: file.bytes.length, tree: file.tree }));
  form.append("package", new Blob([file.bytes]), "package.lpk");
  const response = await fetch(`${url}/api/v1/packages/`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
    body: form,
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

/** The versions of a package in the index document that a server shows, with the digests of their files. */
export async function indexedVersions(url: string, name: string): Promise<ReadonlyMap<string, string>> {
  const response = await fetch(`${url}/${indexDocumentPath(parsePackageName(name))}`);
  if (response.status === 404) return new Map();
  const { versions } = parseIndexDocument(await response.json());
  return new Map(versions.map(({ version, artifacts }) => [version, artifacts[0]!.blob]));
}

/** The digest of a blob as a server sends it. */
export async function blobAt(url: string, digest: string): Promise<string> {
  const response = await fetch(`${url}/blobs/sha256/${digest.slice("sha256:".length)}`);
  const hash = createHash("sha256");
  for await (const chunk of response.body ?? []) hash.update(chunk);
  return response.ok ? `sha256:${hash.digest("hex")}` : `status ${response.status}`;
}

/** Runs `work` for each item, at most `width` at a time. */
export async function inParallel<Item>(
  items: readonly Item[],
  width: number,
  work: (item: Item, at: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let at = next++; at < items.length; at = next++) await work(items[at]!, at);
  };
  await Promise.all(Array.from({ length: width }, worker));
}
