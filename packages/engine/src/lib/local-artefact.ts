import { randomBytes } from "node:crypto";
import { rename } from "node:fs/promises";
import path from "node:path";
import {
  parseRequirement,
  publishedManifest,
  type PackageKind,
  type PackageManifest,
  type PackageRecord,
} from "@lading/core-manifest";
import type { InspectedPackage } from "@lading/archive/node";
import { cacheDirectory, type EngineContext } from "./engine-context.ts";
import { exists, makeDirectory } from "./files.ts";
import type { LocalPackage } from "./local-packages.ts";

/** What {@link recordOf} needs beside the manifest. */
export interface RecordOptions {
  /** Path of the manifest inside the package. */
  readonly manifestFile: string;
  readonly kind: PackageKind;
  readonly target: string;
  /** Version of a package that path dependencies lead to. */
  readonly versionOf: (name: string) => string | undefined;
  /** Addresses of configured registries by name. */
  readonly registryUrls?: ReadonlyMap<string, string>;
}

/**
 * The record of a package that is packed from its manifest. Whether it may be published is asked when it is.
 * @throws {ManifestError} `MANIFEST_NOT_PUBLISHABLE`
 */
export function recordOf(manifest: PackageManifest, options: RecordOptions): PackageRecord {
  const { publish: _, ...info } = manifest.package!;
  return {
    format: 1,
    kind: options.kind,
    target: options.target,
    manifestFile: options.manifestFile,
    executables: [...info.executables].sort(),
    manifest: publishedManifest(
      { ...manifest, package: info },
      {
        file: options.manifestFile,
        requirementOf: ({ name, package: real }) => {
          const version = options.versionOf(real ?? name);
          return version === undefined ? undefined : parseRequirement(`^${version}`, "caret").canonical;
        },
        registryUrl: (name) => options.registryUrls?.get(name),
      },
    ),
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
    await makeDirectory(directory);
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
