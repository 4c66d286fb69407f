import type { ErrorCatalogue, ErrorCatalogueEntry } from "@lading/core-manifest";

/** Every code that this program can end with, sorted, with its explanation. */
export async function loadCatalogue(): Promise<ReadonlyMap<string, ErrorCatalogueEntry>> {
  const [core, archive, signing, log, metadata, resolver, client, installer, registry, engine, own] = await Promise.all(
    [
      import("@lading/core-manifest"),
      import("@lading/archive"),
      import("@lading/signing"),
      import("@lading/signing/log"),
      import("@lading/signing/metadata"),
      import("@lading/resolver"),
      import("@lading/registry-client"),
      import("@lading/installer"),
      import("@lading/registry-static"),
      import("@lading/engine"),
      import("./cli-errors.ts"),
    ],
  );
  const all: readonly ErrorCatalogue[] = [
    core.CORE_ERRORS,
    core.MANIFEST_ERRORS,
    archive.ARCHIVE_ERRORS,
    signing.SIGNING_ERRORS,
    log.LOG_ERRORS,
    metadata.METADATA_ERRORS,
    resolver.RESOLVER_ERRORS,
    client.REGISTRY_CLIENT_ERRORS,
    installer.INSTALLER_ERRORS,
    registry.STATIC_REGISTRY_ERRORS,
    engine.ENGINE_ERRORS,
    own.CLI_ERRORS,
  ];
  const entries = all.flatMap((catalogue) => Object.entries(catalogue));
  return new Map(entries.sort(([left], [right]) => (left < right ? -1 : 1)));
}
