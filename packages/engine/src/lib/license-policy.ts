import type { Project } from "./project.ts";

/** Licences that the manifests of a project allow. */
export function allowedLicenses(project: Project): readonly string[] {
  return [project.rootFile, ...project.members].flatMap(({ manifest }) => manifest.security?.allowedLicenses ?? []);
}
