import type { PackageManifest } from "@lading/core-manifest";
import type { Project } from "./project.ts";

/** A table of the root manifest that the canonical model leaves to the engine, at the top or in the ecosystem's own table. */
export function ownTable(project: Project, key: string): unknown {
  return tableOf(project.rootFile.manifest, key);
}

/** The same of any manifest. */
export function tableOf({ extra }: PackageManifest, key: string): unknown {
  return tableIn(extra, key);
}

/** The same of what a package's record keeps beside the canonical model. */
export function tableIn(extra: Readonly<Record<string, unknown>>, key: string): unknown {
  const own = extra["revitpy"];
  return extra[key] ?? (typeof own === "object" && own !== null ? (own as Record<string, unknown>)[key] : undefined);
}
