import { execFileSync } from "node:child_process";
import { packDirectory } from "@lading/archive/node";
import type { PackageRecord } from "@lading/core-manifest";
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { openAsBlob } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startRegistry as startProcess, type RegistryProcess } from "../demo/server.ts";

export type { RegistryProcess } from "../demo/server.ts";

/** Starts the server, quiet but for errors; `wrapper` is put before its command line (`strace -f …`). */
export async function startRegistry(
  data: string,
  options: { wrapper?: readonly string[]; flags?: readonly string[]; built?: boolean } = {},
): Promise<RegistryProcess> {
  return startProcess(data, { ...options, flags: ["--log-level", "error", ...(options.flags ?? [])] });
}

/** A package file on disk. */
export interface Packed {
  readonly name: string;
  readonly version: string;
  readonly path: string;
  readonly blob: string;
  readonly size: number;
  readonly tree: string;
}

/** Packs a package with `bytes` random bytes in it. */
export async function pack(options: {
  readonly directory: string;
  readonly name: string;
  readonly version: string;
  readonly bytes: number;
  readonly level?: number;
}): Promise<Packed> {
  const { name, version } = options;
  const source = await mkdtemp(join(options.directory, "source-"));
  await writeFile(join(source, "lading.toml"), `[package]\nname = "${name}"\nversion = "${version}"\n`);
  await mkdir(join(source, "data"));
  await writeRandom(join(source, "data", "random.bin"), options.bytes);
  const record: PackageRecord = {
    format: 1,
    kind: "binary",
    target: "any",
    manifestFile: "lading.toml",
    executables: [],
    manifest: { name, version },
  };
  const output = join(options.directory, `${name}-${version}.lpk`);
  const packed = await packDirectory({ directory: source, record, output, codec: "zstd", level: options.level ?? 1 });
  await rm(source, { recursive: true });
  return { name, version, path: packed.path, blob: packed.blob, size: packed.size, tree: packed.tree };
}

async function writeRandom(path: string, bytes: number): Promise<void> {
  const file = await open(path, "w");
  try {
    for (let left = bytes; left > 0; left -= 2 ** 20) await file.write(randomBytes(Math.min(left, 2 ** 20)));
  } finally {
    await file.close();
  }
}

/** Publishes a package file; the answer as it came. */
export async function publish(
  registry: Pick<RegistryProcess, "url" | "token">,
  packed: Packed,
): Promise<{ status: number; body: string }> {
  const form = new FormData();
  form.append("metadata", JSON.stringify({ blob: packed.blob, size: packed.size, tree: packed.tree }));
  form.append("package", await openAsBlob(packed.path), "package.lpk");
  const response = await fetch(`${registry.url}/api/v1/packages/`, {
    method: "POST",
    headers: { authorization: `Bearer ${registry.token}` },
    body: form,
  });
  return { status: response.status, body: await response.text() };
}

/** A fresh directory below the system's temporary one. */
export async function temporaryDirectory(): Promise<string> {
  return mkdtemp(join(tmpdir(), "lading-stress-"));
}

/** Why system calls cannot be traced here, or `undefined`. */
export function straceProblem(): string | undefined {
  try {
    execFileSync("strace", ["-o", "/dev/null", "true"], { stdio: "ignore" });
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT" ? "strace is not installed" : "strace may not trace here";
  }
}
