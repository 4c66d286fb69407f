import type { InspectedPackage, ReadPackageOptions } from "@lading/archive/node";

/**
 * Inspects a package file that the user has named; what is wrong with it is told with its name.
 * @throws {ArchiveError}
 */
export async function inspectFile(
  file: string,
  { shown, ...options }: ReadPackageOptions & { readonly shown: string },
): Promise<InspectedPackage> {
  const { inspectPackage } = await import("@lading/archive/node");
  try {
    return await inspectPackage(file, options);
  } catch (error) {
    const { ArchiveError } = await import("@lading/archive");
    if (!(error instanceof ArchiveError) || error.message.includes(shown)) throw error;
    const { code, message, hint, details } = error;
    throw new ArchiveError({ ...details, code, message: `${message} (file "${shown}")`, hint, cause: error });
  }
}
