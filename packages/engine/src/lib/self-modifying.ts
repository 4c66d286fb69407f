import type { PackageManifest, PackageRecord } from "@lading/core-manifest";
import type { PlannedPackage, Store } from "@lading/installer";
import { EngineError } from "./engine-error.ts";
import type { Project } from "./project.ts";

/** Whether a manifest of the project says `[security] allow_self_modifying = false`. */
function forbids(project: Project): boolean {
  return [project.rootFile, ...project.members].some(({ manifest }) => manifest.security?.allowSelfModifying === false);
}

/**
 * Refuses packages that declare themselves `self-modifying` where a manifest of the project does not allow them. What a
 * package declares is in the record that it carries; directories that the project names by path are its own.
 * @throws {EngineError} `SELF_MODIFYING_NOT_ALLOWED`
 */
export function refuseSelfModifying(project: Project, store: Store, planned: readonly PlannedPackage[]): void {
  if (!forbids(project)) return;
  for (const { tree } of planned) {
    if (tree !== undefined) refuse(store.record(tree));
  }
}

/** The same for one package file. */
export function refuseSelfModifyingRecord(project: Project, record: PackageRecord): void {
  if (forbids(project)) refuse(record);
}

/** The same for a source tree by its manifest. */
export function refuseSelfModifyingManifest(project: Project, manifest: PackageManifest): void {
  const { name, version, selfModifying } = manifest.package!;
  if (selfModifying === true && forbids(project)) throw notAllowed(name, version);
}

function refuse({ manifest: { name, version, extra } }: PackageRecord): void {
  if (extra?.["self-modifying"] === true) throw notAllowed(name, version);
}

function notAllowed(name: string, version: string): EngineError {
  return new EngineError({
    code: "SELF_MODIFYING_NOT_ALLOWED",
    message: `Cannot install "${name}" ${version}: it declares itself self-modifying, and [security] says allow_self_modifying = false`,
    package: name,
  });
}
