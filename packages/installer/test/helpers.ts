import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { packDirectory } from "@lading/archive/node";
import type { Digest } from "@lading/core-manifest";
import { installPath, projectEnvironment, type Environment, type InstallPackage, type Store } from "@lading/installer";
import { onTestFinished } from "vitest";

/** A directory of this test's own, removed afterwards. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "lading-installer-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export interface BuiltPackage {
  readonly name: string;
  readonly version: string;
  readonly file: string;
  readonly blob: Digest;
  readonly tree: Digest;
  readonly size: number;
}

/** Packs a real package file. */
export async function buildPackage(
  directory: string,
  name: string,
  version: string,
  files: Readonly<Record<string, string>> = { "index.js": `export const version = "${version}";\n` },
): Promise<BuiltPackage> {
  const source = join(directory, `source-${name.replace("/", "-")}-${version}`);
  for (const [path, content] of Object.entries({
    "lading.toml": `[package]\nname = "${name}"\nversion = "${version}"\n`,
    ...files,
  })) {
    mkdirSync(dirname(join(source, path)), { recursive: true });
    writeFileSync(join(source, path), content);
    if (path.startsWith("bin/")) chmodSync(join(source, path), 0o755);
  }
  const output = join(directory, `${name.replace("/", "-")}-${version}.lpk`);
  const packed = await packDirectory({
    directory: source,
    output,
    codec: "gzip",
    record: {
      format: 1,
      kind: "binary",
      target: "any",
      manifestFile: "lading.toml",
      executables: [],
      manifest: { name, version },
    },
  });
  return { name, version, file: packed.path, blob: packed.blob, tree: packed.tree, size: packed.size };
}

/** Builds and stores a package, and says how to install it. */
export async function storedPackage(
  store: Store,
  directory: string,
  name: string,
  version: string,
  files?: Readonly<Record<string, string>>,
): Promise<InstallPackage> {
  const built = await buildPackage(directory, name, version, files);
  await store.ingest(built.file, built);
  return toInstall(built);
}

export function toInstall(built: Pick<BuiltPackage, "name" | "version" | "tree" | "blob">): InstallPackage {
  return {
    name: built.name,
    version: built.version,
    path: installPath(built.name),
    source: { type: "registry", url: "https://registry.example.org/" },
    tree: built.tree,
    blob: built.blob,
    dependencies: {},
    features: [],
    signers: [],
    direct: true,
  };
}

export function environmentIn(directory: string): Environment {
  const project = join(directory, "project");
  mkdirSync(project, { recursive: true });
  return projectEnvironment(project, "lading_packages");
}

/** Writes other bytes of the same length and puts the modification time back: what only a full check can see. */
export function changeUnseen(file: string, content: string): void {
  const { mtimeMs } = statSync(file);
  chmodSync(file, 0o644);
  writeFileSync(file, content);
  // In the middle of the millisecond, so that no rounding leads to another one.
  const seconds = (Math.trunc(mtimeMs) + 0.5) / 1000;
  utimesSync(file, seconds, seconds);
}
