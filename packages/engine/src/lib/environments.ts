import {
  isLadingError,
  lockForEnvironment,
  lockGrid,
  parseRequirement,
  renderLockfile,
  tryParseVersion,
  type LockEnvironment,
  type Lockfile,
} from "@lading/core-manifest";
import { detectVersion } from "./detect.ts";
import type { EngineContext } from "./engine-context.ts";
import { EngineError } from "./engine-error.ts";
import {
  checkHostVersion,
  fullVersion,
  hostVersion,
  hostVersions,
  isPartOf,
  listedHosts,
  parseHost,
  refuseOtherHost,
  withDetected,
} from "./hosts.ts";
import { ownTable } from "./own-table.ts";
import type { Project } from "./project.ts";

/** Axis -> values, oldest first: every combination is an environment. */
export type Grid = Readonly<Record<string, readonly string[]>>;

/** Axis under which targets are. */
const TARGET = "target";

/** The environments that a lock is for. */
export interface DeclaredGrid {
  readonly axes: Grid;
  /** `each`: environments may differ where they must. `every`: one answer for all of them. */
  readonly mode: "each" | "every";
  /** Display name of the manifest that declares them, where one does. */
  readonly declaredIn: string | undefined;
}

/** What a command line says of environments. */
export interface GridInput {
  /** `axis=version`. */
  readonly hosts?: readonly string[] | undefined;
  readonly targets?: readonly string[] | undefined;
  /** Every known version of every host that the members support. */
  readonly allHosts?: boolean | undefined;
}

/** Where something is to be installed, or looked at. */
export interface HereInput {
  /** `axis=version`; several versions of one axis are refused. */
  readonly hosts?: readonly string[] | undefined;
  /** In order of preference. Default: this machine's. */
  readonly targets?: readonly string[] | undefined;
}

/**
 * The grid to lock for. Axis by axis the first that says something counts: the command line (of a command that sets the
 * grid), the manifest's `[environments]`, settings that list several versions, the lock that is there, the host version of
 * this machine.
 * @throws {EngineError} `HOST_INVALID`, `ENVIRONMENTS_INVALID`
 */
export async function declaredGrid(
  context: EngineContext,
  project: Project,
  made: {
    readonly previous: Lockfile | undefined;
    readonly here: Readonly<Record<string, string>>;
    readonly set: GridInput;
  },
): Promise<DeclaredGrid> {
  const { previous, here } = made;
  const set = { ...made.set, hosts: await withDetected(context, made.set.hosts) };
  const manifest = await manifestGrid(context, project);
  const sticky = Object.fromEntries(lockGrid(previous?.environment).axes.map(({ name, values }) => [name, values]));
  const current = Object.fromEntries(Object.entries(here).map(([axis, version]) => [axis, [version]]));
  const listed = await listedHosts(context);
  const axes = { ...current, ...sticky, ...listed, ...manifest.axes, ...flagGrid(context, project, set) };
  return {
    axes: Object.fromEntries(
      Object.keys(axes)
        .sort()
        .map((axis) => [axis, inOrder(axis, axes[axis]!)]),
    ),
    mode: await gridMode(context, project),
    declaredIn: manifest.file,
  };
}

function inOrder(axis: string, values: readonly string[]): string[] {
  const unique = [...new Set(values)];
  if (axis === TARGET) return unique.sort();
  const parts = (text: string): number[] => text.split(/[.+-]/).map((part) => Number(part) || 0);
  return unique.sort((left, right) => {
    const [a, b] = [parts(left), parts(right)];
    for (let i = 0; i < Math.max(a.length, b.length); i++)
      if ((a[i] ?? 0) !== (b[i] ?? 0)) return (a[i] ?? 0) - (b[i] ?? 0);
    return left < right ? -1 : 1;
  });
}

function flagGrid(context: EngineContext, project: Project, { hosts, targets, allHosts }: GridInput): Grid {
  const axes: Record<string, string[]> = {};
  if (allHosts === true) {
    for (const { axis, versions } of context.profile.hosts) {
      const pinned = context.pinnedHosts.get(axis);
      const supported = versions.filter(
        (version) => (pinned === undefined || version === pinned) && isSupported(project, axis, version),
      );
      if (supported.length > 0) axes[axis] = supported;
    }
  }
  const named: Record<string, string[]> = {};
  for (const text of hosts ?? []) {
    const [axis, version] = parseHost(context, text);
    refuseOtherHost(context, axis, version);
    (named[axis] ??= []).push(checkHostVersion(context, axis, version));
  }
  const wrong = (targets ?? []).find((target) => !TARGET_NAME.test(target));
  if (wrong !== undefined) throw invalid(`"${wrong}" is no target, expected a triple such as "x86_64-linux"`);
  return { ...axes, ...named, ...((targets ?? []).length === 0 ? {} : { [TARGET]: targets! }) };
}

const TARGET_NAME = /^[a-z0-9][a-z0-9_.-]{0,63}$/;

function isSupported(project: Project, axis: string, version: string): boolean {
  const full = tryParseVersion(fullVersion(version));
  return project.members.every(({ manifest }) => {
    const asked = manifest.hosts[axis];
    return (
      asked === undefined || full === undefined || parseRequirement(asked, "canonical").matchesWithPrereleases(full)
    );
  });
}

/** `[environments]` of the root manifest, at the top or in the ecosystem's own table. */
async function manifestGrid(
  context: EngineContext,
  project: Project,
): Promise<{ axes: Grid; file: string | undefined }> {
  const { display } = project.rootFile;
  const table = ownTable(project, "environments");
  if (table === undefined) return { axes: {}, file: undefined };
  if (typeof table !== "object" || table === null || Array.isArray(table))
    throw invalid(`"environments" of ${display} is no table`);
  const known = [...context.profile.hosts.map(({ axis }) => axis), TARGET];
  const axes: Record<string, readonly string[]> = {};
  for (const [axis, value] of Object.entries(table)) {
    if (!known.includes(axis)) {
      const allowed = known.map((name) => `"${name}"`).join(", ");
      throw invalid(`"environments.${axis}" of ${display} is no axis, allowed are ${allowed}`);
    }
    axes[axis] = await manifestValues(context, project, axis, value);
  }
  return { axes, file: display };
}

async function manifestValues(
  context: EngineContext,
  project: Project,
  axis: string,
  value: unknown,
): Promise<readonly string[]> {
  const place = `"environments.${axis}" of ${project.rootFile.display}`;
  if (value === "all" && axis !== TARGET) return flagGrid(context, project, { allHosts: true })[axis] ?? [];
  const values: unknown[] = Array.isArray(value) ? value : [value];
  const texts = values.map((one) => (typeof one === "number" ? String(one) : one));
  if (texts.length === 0 || !texts.every((one) => typeof one === "string"))
    throw invalid(`${place} is ${JSON.stringify(value)}, expected a list such as ["2024", "2025"]`);
  const meant: string[] = [];
  for (const text of texts) {
    if (axis !== TARGET) meant.push(await hostVersion(context, axis, text));
    else if (!TARGET_NAME.test(text)) throw invalid(`${place} has "${text}", expected a target such as "x86_64-linux"`);
  }
  return axis === TARGET ? texts : meant;
}

async function gridMode(context: EngineContext, project: Project): Promise<"each" | "every"> {
  const table = ownTable(project, "resolver");
  const own =
    typeof table === "object" && table !== null ? (table as Record<string, unknown>)["environments"] : undefined;
  const value = own ?? (await context.settings()).string("resolver.environments") ?? "each";
  if (value === "each" || value === "every") return value;
  throw new EngineError({
    code: "CONFIG_VALUE_INVALID",
    message: `Cannot use ${JSON.stringify(value)} for "resolver.environments": allowed are "each", "every"`,
    key: "resolver.environments",
  });
}

function invalid(problem: string): EngineError {
  return new EngineError({ code: "ENVIRONMENTS_INVALID", message: `Cannot use the environments: ${problem}` });
}

/** What is known of the environment here: host versions that somebody chose, and the targets in order of preference. */
export interface Here {
  readonly hosts: Readonly<Record<string, string>>;
  readonly targets: readonly string[];
}

/**
 * @throws {EngineError} `HOST_INVALID`
 */
export async function environmentHere(context: EngineContext, { hosts, targets }: HereInput): Promise<Here> {
  const seen = new Map<string, string>();
  for (const text of hosts ?? []) {
    const [axis, version] = parseHost(context, text);
    const other = seen.get(axis);
    if (other !== undefined && other !== version) {
      throw new EngineError({
        code: "HOST_INVALID",
        message: `Cannot use ${axis} ${other} and ${axis} ${version} at once: one environment has one version of each host`,
        hint: `To lock for several, run "lock --host ${axis}=${other} --host ${axis}=${version}"`,
      });
    }
    seen.set(axis, version);
  }
  return { hosts: await hostVersions(context, hosts ?? []), targets: targets ?? [machineTarget()] };
}

const SYSTEMS: Readonly<Record<string, string>> = { win32: "windows", darwin: "macos" };
const PROCESSORS: Readonly<Record<string, string>> = { x64: "x86_64", ia32: "x86" };

/** This machine as a target: `x86_64-linux`, `arm64-macos`. */
export function machineTarget(): string {
  const { arch, platform } = process;
  return `${PROCESSORS[arch] ?? arch}-${SYSTEMS[platform] ?? platform}`;
}

/**
 * The environment of a lock that is meant here. An axis of which nothing is known does not matter where the lock says the
 * same for all of its values.
 * @throws {EngineError} `LOCK_ENVIRONMENT_MISSING`, `LOCK_ENVIRONMENT_AMBIGUOUS`
 */
export function environmentOfLock(lock: Lockfile, here: Here, declaredIn?: string): LockEnvironment {
  const grid = lockGrid(lock.environment);
  const known = new Map<string, string>();
  for (const { name, values } of grid.axes) {
    const wanted = name === TARGET ? here.targets : [here.hosts[name]].filter((one) => one !== undefined);
    const found = wanted.map((one) => sameValue(values, one)).find((one) => one !== undefined);
    if (found !== undefined) known.set(name, found);
    else if (wanted.length > 0) throw notCovered(lock, name, values, wanted[0]!, declaredIn);
  }
  const cells = grid.environments.filter((one) => [...known].every(([axis, value]) => one[axis] === value));
  const [first] = cells;
  if (first === undefined) throw new Error("A lock without environments was read");
  const open = grid.axes.find(({ name, values }) => !known.has(name) && values.length > 1);
  if (open === undefined) return first;
  const texts = new Set(cells.map((cell) => contentOf(lock, cell)));
  if (texts.size === 1) return first;
  throw new EngineError({
    code: "LOCK_ENVIRONMENT_AMBIGUOUS",
    message: `Cannot tell which environment is meant: the lock differs between ${open.name} ${open.values.join(", ")}`,
    hint: `Name one with --host ${open.name}=${open.values.at(-1)!}, or set it for this machine: config set hosts.${open.name} ${open.values.at(-1)!}`,
    axis: open.name,
    values: open.values,
  });
}

/**
 * What is known here, and of axes in which the lock differs and nobody has chosen a value, the one on this machine, where the
 * profile names a program that says it.
 */
export async function hereWithDetected(context: EngineContext, lock: Lockfile, here: Here): Promise<Here> {
  const hosts: Record<string, string> = { ...here.hosts };
  for (const { name, values } of lockGrid(lock.environment).axes) {
    const detect = context.profile.hosts.find(({ axis }) => axis === name)?.detect;
    if (values.length < 2 || hosts[name] !== undefined || detect === undefined) continue;
    const found = await detectVersion(context, detect);
    const value = found === undefined ? undefined : values.find((one) => isPartOf(one, found));
    if (value !== undefined) hosts[name] = value;
  }
  return { ...here, hosts };
}

/** The same, or `undefined` where the lock does not cover what is here. */
export function tryEnvironmentOfLock(lock: Lockfile, here: Here): LockEnvironment | undefined {
  try {
    return environmentOfLock(lock, here);
  } catch (error) {
    if (isLadingError(error) && error.code === "LOCK_ENVIRONMENT_MISSING") return undefined;
    throw error;
  }
}

/** `3.11` and `3.11.0` are one version of a host. */
function sameValue(values: readonly string[], wanted: string): string | undefined {
  return values.find((value) => value === wanted || fullVersion(value) === fullVersion(wanted));
}

function contentOf(lock: Lockfile, environment: LockEnvironment): string {
  const { environment: _environment, ...own } = lockForEnvironment(lock, environment)!;
  return renderLockfile(own);
}

function notCovered(
  lock: Lockfile,
  axis: string,
  values: readonly string[],
  wanted: string,
  declaredIn: string | undefined,
): EngineError {
  const flag = (value: string): string => (axis === TARGET ? `--target ${value}` : `--host ${axis}=${value}`);
  const command = `lock ${[...values, wanted].map(flag).join(" ")}`;
  return new EngineError({
    code: "LOCK_ENVIRONMENT_MISSING",
    message: `Cannot use the lock of "${lock.root}" for ${axis} ${wanted}: it covers ${axis} ${values.join(", ")}`,
    hint:
      declaredIn === undefined
        ? `To cover it as well, run "${command}"; to lock for it alone, "lock ${flag(wanted)}"`
        : `To cover it as well, add "${wanted}" to "environments.${axis}" in ${declaredIn} and run "lock"`,
    axis,
    wanted,
    covered: values,
  });
}

/** The lock of one environment. */
export function lockHere(lock: Lockfile, environment: LockEnvironment): Lockfile {
  const own = lockForEnvironment(lock, environment);
  if (own === undefined) throw new Error("The environment is none of the lock's");
  return own;
}
