import { splitName, type PackageName } from "@lading/core-manifest";
import type { InstallPackage } from "./install-types.ts";
import { InstallerError } from "./installer-error.ts";

/** Directory of the versions that are not the one under the plain name. */
export const VERSIONS_DIRECTORY = ".versions";

/**
 * Where a package is inside an environment (`docs/spec/store.md` §paths): `tool`, `@company/tool`, or
 * `.versions/tool@1.2.3` for a second version of a name. The `@` keeps a namespace apart from a package of that name.
 */
export function installPath(name: string, version?: string): string {
  const { namespace, bare } = splitName(name as PackageName);
  const last = version === undefined ? bare : `${bare}@${version}`;
  const path = namespace === undefined ? last : `@${namespace}/${last}`;
  return version === undefined ? path : `${VERSIONS_DIRECTORY}/${path}`;
}

// The grammar of names leaves nothing that could climb out of the environment, meet its record or hide.
const NAME = "[a-z0-9]+(?:[-_.][a-z0-9]+)*";
const PLAIN = new RegExp(`^(?:@${NAME}/)?${NAME}$`);
const VERSIONED = new RegExp(`^\\.versions/(?:@${NAME}/)?${NAME}@[0-9A-Za-z.+-]*[0-9A-Za-z]$`);
const PATH_MAX_LENGTH = 400;

/** Refuses paths outside the grammar of {@link installPath}, and two packages at one path. */
export function checkPaths(packages: readonly InstallPackage[]): void {
  const taken = new Map<string, InstallPackage>();
  for (const item of packages) {
    const problem = pathProblem(item.path) ?? conflict(taken.get(item.path.toLowerCase()));
    if (problem !== undefined) {
      throw new InstallerError({
        code: "INSTALL_PATH_INVALID",
        message: `Cannot install "${item.name}" ${item.version} at "${item.path}": ${problem}`,
        hint: "Give the dependency another alias",
        path: item.path,
      });
    }
    taken.set(item.path.toLowerCase(), item);
  }
}

function pathProblem(path: string): string | undefined {
  if (path.length <= PATH_MAX_LENGTH && (PLAIN.test(path) || VERSIONED.test(path))) return undefined;
  return 'allowed are "name", "@namespace/name" and ".versions/name@version"';
}

function conflict(other: InstallPackage | undefined): string | undefined {
  return other === undefined ? undefined : `"${other.name}" ${other.version} is installed there`;
}
