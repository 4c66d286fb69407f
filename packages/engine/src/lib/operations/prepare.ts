import path from "node:path";
import type { Digest } from "@lading/core-manifest";
import type { PlannedPackage, Store } from "@lading/installer";
import type { EngineContext } from "../engine-context.ts";
import { installInput } from "../install-project.ts";
import { fetchLocked, type InstallInput } from "../install-step.ts";
import { ensureLock, type LockInput } from "../lock-step.ts";
import { loadProject, type MemberChoice } from "../project.ts";
import { validateInstallation, type ValidationResult } from "../validation.ts";

/** What a build tool asks for. */
export interface PrepareInput extends Omit<LockInput, "dryRun">, MemberChoice, Pick<InstallInput, "omit" | "verify"> {}

/** A package that the build may read. */
export interface PreparedPackage {
  readonly name: string;
  readonly version: string;
  /** Absolute. Read-only, and shared with other projects, unless the package is a directory of the project's own. */
  readonly directory: string;
  readonly source: PlannedPackage["source"];
  /** Absent for a directory. */
  readonly tree?: Digest;
  readonly features: readonly string[];
  /** Whether a manifest of the project names it. */
  readonly direct: boolean;
  /** Name by which it knows a dependency -> that one's `directory`. */
  readonly dependencies: Readonly<Record<string, string>>;
}

/** Everything that a build needs of others, on this disk. */
export interface PrepareResult {
  readonly lockfile: string;
  /** Whether the lock file was written by this call. */
  readonly lockChanged: boolean;
  readonly downloaded: number;
  /** Sorted by name, then by where an installation would put it. */
  readonly packages: readonly PreparedPackage[];
  readonly validation: ValidationResult;
}

/**
 * What a build tool calls first: resolves where the lock does not fit the manifests, verifies, fetches what the store lacks
 * and says where each package lies. Installs nothing: the project's own files stay as they are, but for the lock.
 * @throws {EngineError} as {@link ensureLock}; `REQUIREMENTS_UNMET`
 */
export async function prepare(input: PrepareInput, context: EngineContext): Promise<PrepareResult> {
  const project = await loadProject(context);
  const lock = await ensureLock(context, project, input);
  const asked = installInput(project, input, lock);
  const { store, plan, fetched } = await fetchLocked(context, project, lock.lock, asked);
  const hosts = asked.hosts ?? {};
  const planned = plan.packages;
  const validation = await validateInstallation(context, { project, store, planned, hosts, installed: undefined });
  const directories = new Map(planned.map((one) => [one.path, directoryOf(one, store)]));
  return {
    lockfile: path.relative(context.cwd, project.lockFile) || project.lockFile,
    lockChanged: lock.changed,
    downloaded: fetched.downloaded,
    packages: planned.map((one) => preparedPackage(one, directories)),
    validation,
  };
}

function directoryOf({ tree, directory }: PlannedPackage, store: Store): string {
  return directory ?? store.path(tree!);
}

function preparedPackage(planned: PlannedPackage, directories: ReadonlyMap<string, string>): PreparedPackage {
  const { name, version, source, tree, features, direct, dependencies } = planned;
  const known = Object.entries(dependencies).map(([alias, place]) => [alias, directories.get(place)!] as const);
  return {
    name,
    version,
    directory: directories.get(planned.path)!,
    source,
    ...(tree === undefined ? {} : { tree }),
    features,
    direct,
    dependencies: Object.fromEntries(known),
  };
}
