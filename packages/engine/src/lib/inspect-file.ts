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
    throw await toldOf(shown, error);
  }
}

/** What is wrong with an archive, with the name of the file where the message does not have it. */
export async function toldOf(shown: string, error: unknown): Promise<unknown> {
  const { ArchiveError } = await import("@lading/archive");
  if (!(error instanceof ArchiveError) || error.message.includes(shown)) return error;
  const { code, message, hint, details } = error;
  return new ArchiveError({ ...details, code, message: `${message} (file "${shown}")`, hint, cause: error });
}
