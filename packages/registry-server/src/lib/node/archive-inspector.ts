import { ArchiveError, RECORD_PATH } from "@lading/archive";
import { inspectPackage, type DecodeBudget, type InspectedPackage } from "@lading/archive/node";
import { CoreError, isLadingError } from "@lading/core-manifest";
import type { InspectedUpload, PackageInspector, StagedBlob } from "../ports.ts";
import { RegistryError } from "../registry-error.ts";

/** Largest readme that is kept beside a version, in bytes. */
const README_MAX_BYTES = 512 * 1024;

function toUpload(found: InspectedPackage): InspectedUpload {
  const recordDigest = found.files.find(({ path }) => path === RECORD_PATH)!.sha256;
  const readme =
    found.record.manifest.readme === undefined ? undefined : found.members.get(found.record.manifest.readme);
  return {
    record: found.record,
    recordDigest,
    tree: found.tree,
    plainSize: found.plainSize,
    fileCount: found.files.length,
    ...(readme === undefined || readme.length > README_MAX_BYTES ? {} : { readme }),
  };
}

/** The {@link PackageInspector} over `@lading/archive`; all inspections share one memory budget for decoding. */
export class ArchiveInspector implements PackageInspector {
  readonly #budget: DecodeBudget;

  constructor(budget: DecodeBudget) {
    this.#budget = budget;
  }

  async inspect(
    source: Pick<StagedBlob, "read" | "file" | "bytes">,
    { size, signal }: { readonly size: number; readonly signal?: AbortSignal },
  ): Promise<InspectedUpload> {
    try {
      const found = await inspectPackage(source.bytes ?? source.file ?? source.read(), {
        expect: { size },
        decodeBudget: this.#budget,
        keep: (path, record) => path === record?.manifest.readme,
        signal,
      });
      return toUpload(found);
    } catch (error) {
      if (!(error instanceof ArchiveError || error instanceof CoreError) && !isLadingError(error)) throw error;
      throw new RegistryError({
        code: "PACKAGE_REFUSED",
        message: `Cannot accept the package: ${error.message}`,
        reason: error.code,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
        cause: error,
      });
    }
  }
}
