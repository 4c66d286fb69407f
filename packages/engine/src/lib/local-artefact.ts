import { randomBytes } from "node:crypto";
import { mkdir, rename } from "node:fs/promises";
import path from "node:path";
import { publishedManifest, type PackageKind, type PackageManifest, type PackageRecord } from "@lading/core-manifest";
import type { InspectedPackage } from "@lading/archive/node";
import { cacheDirectory, type EngineContext } from "./context.ts";
import { exists } from "./files.ts";
import type { LocalPackage } from "./local-packages.ts";

/** The record of a package that is packed from its manifest. */
export function recordOf(
  manifest: PackageManifest,
  options: {
    readonly manifestFile: string;
    readonly kind: PackageKind;
    readonly target: string;
    readonly versionOf: (name: string) => string | undefined;
  },
): PackageRecord {
  return {
    format: 1,
    kind: options.kind,
    target: options.target,
    manifestFile: options.manifestFile,
    executables: [...(manifest.package?.executables ?? [])].sort(),
    manifest: publishedManifest(manifest, ({ name, package: real }) => {
      const version = options.versionOf(real ?? name);
      return version === undefined ? undefined : `^${version}`;
    }),
  };
}

/** The content of a Git source as a package file in the cache, made once for each commit. */
export async function packGitSource(
  context: EngineContext,
  local: LocalPackage,
): Promise<{ readonly file: string; readonly inspected: InspectedPackage }> {
  if (local.source.type !== "git") throw new Error(`${local.name} is no Git source`);
  const { packDirectory, inspectPackage } = await import("@lading/archive/node");
  const directory = path.join(await cacheDirectory(context), "git-packages");
  const file = path.join(directory, `${local.name.replaceAll("/", "+")}-${local.source.commit}.lpk`);
  if (!(await exists(file))) {
    await mkdir(directory, { recursive: true });
    const temporary = `${file}.${randomBytes(4).toString("hex")}.tmp`;
    await packDirectory({
      directory: local.directory,
      output: temporary,
      codec: "none",
      record: recordOf(local.manifest, {
        manifestFile: manifestNameOf(context, local),
        kind: "source",
        target: "any",
        versionOf: () => undefined,
      }),
      signal: context.signal,
    });
    await rename(temporary, file);
  }
  return { file, inspected: await inspectPackage(file) };
}

function manifestNameOf(context: EngineContext, local: LocalPackage): string {
  const dialect = local.manifest.dialect;
  return context.profile.manifest.files.find((file) => file.dialect === dialect)?.name ?? dialect;
}
