import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  digestHex,
  tryParseDigest,
  type Digest,
  type IndexArtifact,
  type IndexVersion,
  type LockPackage,
} from "@lading/core-manifest";
import { counted, step, type EngineContext } from "../engine-context.ts";
import { EngineError } from "../engine-error.ts";
import { displayPath, exists, makeDirectory, makeTemporaryDirectory } from "../files.ts";
import { packGitSource } from "../local-artefact.ts";
import { collectLocalPackages } from "../local-packages.ts";
import { readLock } from "../lock-file.ts";
import { loadProject } from "../project.ts";
import { readVendorIndex, vendorDirectory, VENDOR_FILE, type VendoredPackage, type VendorIndex } from "../vendored.ts";

/** Where packages are copied to. */
export interface VendorInput {
  /** Default: `installer.vendor_dir`, else `vendor` in the project. */
  readonly directory?: string | undefined;
  readonly dryRun?: boolean | undefined;
}

/** What was copied. */
export interface VendorResult {
  readonly directory: string;
  readonly packages: readonly {
    readonly name: string;
    readonly version: string;
    readonly file: string;
    readonly size: number;
  }[];
  readonly bytes: number;
  /** Packages that were there before and are not locked any more. */
  readonly removed: readonly string[];
  /** Setting that makes `install` look there, where it is not the usual place. */
  readonly setting?: string;
}

/**
 * Copies the package files of everything that the lock names into a directory of the project, with signatures and keys, so
 * that `install` needs no network and no registry. The directory is replaced as a whole.
 * @throws {EngineError} `LOCK_MISSING`, `VENDOR_DIRECTORY_TAKEN`
 */
export async function vendor(input: VendorInput, context: EngineContext): Promise<VendorResult> {
  const project = await loadProject(context);
  const lock = (await readLock(context, project))?.lock;
  if (lock === undefined) {
    throw new EngineError({
      code: "LOCK_MISSING",
      message: `Cannot find the lock file "${displayPath(project.lockFile, context.cwd)}"`,
      hint: "Run lock or install first",
    });
  }
  const usual = await vendorDirectory(context, project);
  const directory = input.directory === undefined ? usual : path.resolve(context.cwd, input.directory);
  const before = await ownDirectory(context, directory);
  const place = await placeFor(directory, input);
  try {
    const { locals } = await collectLocalPackages(context, { project, lock, refresh: new Set() });
    const git = [...locals.values()].filter(({ source }) => source.type === "git");
    const packages = await step(context, "vendor", `Copying ${counted(lock.packages.length, "package")}`, async () => {
      const copied: VendoredPackage[] = [];
      for (const one of lock.packages) {
        if (one.source === undefined || one.source.type === "registry")
          copied.push(...(await copyRegistry(context, one, place)));
        const local = git.find(({ name }) => one.source?.type === "git" && name === one.name);
        if (local !== undefined) copied.push(await copyGit(one, await packGitSource(context, local), place));
      }
      return copied;
    });
    const index: VendorIndex = { format: 1, packages };
    await writeFile(path.join(place, VENDOR_FILE), `${JSON.stringify(index, null, 2)}\n`);
    if (input.dryRun !== true) await replace(place, directory);
    const now = new Set(packages.map(nameVersion));
    return {
      directory: displayPath(directory, context.cwd),
      packages: packages.map(({ name, version, file, size }) => ({ name, version, file, size })),
      bytes: packages.reduce((sum, { size }) => sum + size, 0),
      removed: before.map(nameVersion).filter((one) => !now.has(one)),
      ...(directory === usual ? {} : { setting: path.relative(project.root, directory) }),
    };
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

/** Beside the directory, from where one rename brings it into place; a dry run leaves the project alone. */
async function placeFor(directory: string, { dryRun }: VendorInput): Promise<string> {
  if (dryRun === true) return makeTemporaryDirectory(tmpdir(), "lading-vendor-");
  await makeDirectory(path.dirname(directory));
  return makeTemporaryDirectory(path.dirname(directory), ".vendor-");
}

const nameVersion = ({ name, version }: { readonly name: string; readonly version: string }): string =>
  `${name} ${version}`;

/** A directory of somebody else's is never replaced. */
async function ownDirectory(context: EngineContext, directory: string): Promise<readonly VendoredPackage[]> {
  const index = await readVendorIndex(context, directory);
  if (index !== undefined) return index.packages;
  if (!(await exists(directory))) return [];
  throw new EngineError({
    code: "VENDOR_DIRECTORY_TAKEN",
    message: `Cannot write to "${displayPath(directory, context.cwd)}": it is there, and was not made by vendor`,
    hint: "Name another directory: vendor third_party",
  });
}

async function replace(place: string, directory: string): Promise<void> {
  const old = `${place}-old`;
  const there = await exists(directory);
  if (there) await rename(directory, old);
  await rename(place, directory);
  if (there) await rm(old, { recursive: true, force: true });
}

/** Every artefact that the lock names: the project may be for several targets. */
async function copyRegistry(context: EngineContext, one: LockPackage, place: string): Promise<VendoredPackage[]> {
  const registries = await context.registries();
  const url = one.source?.type === "registry" ? one.source.url : undefined;
  const client = context.registry === undefined ? registries.client(url) : registries.default;
  const wanted = new Set([one.tree, ...(one.artifacts ?? []).map(({ tree }) => tree)]);
  const entry = await lockedEntry(client, one, context);
  const artifacts = entry.artifacts.filter(({ tree }) => wanted.has(tree));
  const copied: VendoredPackage[] = [];
  for (const artifact of artifacts) {
    const target = artifact.target === "any" ? "" : `-${artifact.target}`;
    const file = `${one.name.replaceAll("/", "-")}-${one.version}${target}.pkg`;
    const { blob, tree, size } = artifact;
    await client.downloadMany([{ destination: path.join(place, file), artifact: { blob, size, package: one.name } }], {
      signal: context.signal,
    });
    await copySignatures(client, { entry, artifact, place }, context);
    copied.push({ name: one.name, version: one.version, file, blob, tree, size, entry, artifact });
  }
  return copied;
}

type Client = Awaited<ReturnType<EngineContext["registries"]>>["default"];

async function lockedEntry(client: Client, one: LockPackage, context: EngineContext): Promise<IndexVersion> {
  const document = await client.packageDocument(one.name, { signal: context.signal });
  const entry = document?.versions.find(({ version }) => version === one.version);
  const artifact = entry?.artifacts.find(({ tree, blob }) => tree === one.tree && (one.checksum ?? blob) === blob);
  if (entry !== undefined && (artifact !== undefined || one.artifacts !== undefined)) return entry;
  throw new EngineError({
    code: entry === undefined ? "VERSION_NOT_FOUND" : "LOCK_CHECKSUM_MISMATCH",
    message: `Cannot copy "${one.name}" ${one.version}: registry "${client.registry.name}" ${entry === undefined ? "does not have what the lock names" : "offers other bytes than the lock names"}`,
  });
}

/** The statement under the package file's digest, and the signers' keys under theirs. */
async function copySignatures(
  client: Client,
  {
    entry,
    artifact,
    place,
  }: { readonly entry: IndexVersion; readonly artifact: IndexArtifact; readonly place: string },
  context: EngineContext,
): Promise<void> {
  if (artifact.statement === undefined) return;
  const signatures = path.join(place, "signatures");
  await mkdir(signatures, { recursive: true });
  const put = (digest: Digest, bytes: Uint8Array): Promise<void> =>
    writeFile(path.join(signatures, digestHex(digest)), bytes);
  const signed = { blob: artifact.blob, statement: artifact.statement };
  await put(artifact.blob, await client.statementOf(signed, { signal: context.signal }));
  for (const signer of entry.signers) {
    const digest = tryParseDigest(`sha256:${signer.replace(/^ed25519:/, "")}`);
    const key = digest === undefined ? undefined : await client.statement(digest);
    if (digest !== undefined && key !== undefined) await put(digest, key);
  }
}

async function copyGit(
  one: LockPackage,
  packed: Awaited<ReturnType<typeof packGitSource>>,
  place: string,
): Promise<VendoredPackage> {
  const { copyFile, stat } = await import("node:fs/promises");
  const file = `${one.name.replaceAll("/", "-")}-${one.version}.pkg`;
  await copyFile(packed.file, path.join(place, file));
  const { size } = await stat(packed.file);
  const { blob, tree } = packed.inspected;
  return { name: one.name, version: one.version, file, blob, tree, size };
}
