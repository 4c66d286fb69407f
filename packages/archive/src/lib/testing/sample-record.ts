import type { PackageRecord } from "@lading/core-manifest";

/** A complete record for tests: a source package named `sample` with the manifest `lading.toml`. */
export function sampleRecord(changes: Partial<PackageRecord> = {}): PackageRecord {
  return {
    format: 1,
    kind: "source",
    target: "any",
    manifestFile: "lading.toml",
    executables: [],
    manifest: { name: "sample", version: "1.0.0" },
    ...changes,
  };
}
