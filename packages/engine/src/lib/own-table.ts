import type { Project } from "./project.ts";

/** A table of the root manifest that the canonical model leaves to the engine, at the top or in the ecosystem's own table. */
export function ownTable(project: Project, key: string): unknown {
  const { extra } = project.rootFile.manifest;
  const own = extra["revitpy"];
  return extra[key] ?? (typeof own === "object" && own !== null ? (own as Record<string, unknown>)[key] : undefined);
}
