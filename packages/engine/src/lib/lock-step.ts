import path from "node:path";
import {
  canonicalName,
  compatibilitySlot,
  lockGrid,
  parsePackageName,
  parseVersion,
  renderLockfile,
  type Digest,
  type LockEnvironment,
  type LockPackage,
  type Lockfile,
} from "@lading/core-manifest";
import { counted, step, type EngineContext } from "./engine-context.ts";
import { EngineError } from "./engine-error.ts";
import {
  declaredGrid,
  environmentHere,
  hereWithDetected,
  lockHere,
  tryEnvironmentOfLock,
  type DeclaredGrid,
  type GridInput,
  type Here,
} from "./environments.ts";
import { displayPath } from "./files.ts";
import { collectLocalPackages } from "./local-packages.ts";
import {
  compareLocks,
  lockOf,
  readLock,
  resolutionInputs,
  satisfiesMembers,
  writeLock,
  type LockChanges,
  type LockOnDisk,
} from "./lock-file.ts";
import { asFingerprint } from "./signer-text.ts";
import type { Project } from "./project.ts";
import { readPolicy, type PolicyInput } from "./resolver-policy.ts";
import {
  checkFeatureChoice,
  checkGrid,
  checkHosts,
  lockedVersions,
  resolveForLock,
  type AskedVersion,
  type CandidateData,
  type FeatureChoice,
  type ResolutionRequest,
  type LockSolution,
} from "./resolution.ts";

/** `update`: change the lock as needed; `locked`: fail where it would change; `frozen`: use it without comparing. */
export type LockMode = "update" | "locked" | "frozen";

/** How the lock is brought up to date. */
export interface LockInput extends FeatureChoice, PolicyInput {
  /** Default: `update`. */
  readonly mode?: LockMode | undefined;
  /** Packages that may move within their ranges; `all`: every one. Default: none. */
  readonly refresh?: readonly string[] | "all" | undefined;
  /** `axis=version`: the environment here. */
  readonly hosts?: readonly string[] | undefined;
  /** In order of preference; default: this machine's. */
  readonly targets?: readonly string[] | undefined;
  /** Environments that the lock is to be for from now on, axis by axis. Default: those that it is for already. */
  readonly grid?: GridInput | undefined;
  /** Packages whose change of publisher is accepted. */
  readonly acceptPublishers?: readonly string[] | undefined;
  /** Take what the manifests name, and nothing of what that depends on. */
  readonly skipDependencies?: boolean | undefined;
  /** Resolve, and write nothing. */
  readonly dryRun?: boolean | undefined;
  /** Versions that packages move to, exactly. */
  readonly exact?: readonly AskedVersion[] | undefined;
  /** File that the resolution is recorded in, relative to the working directory; nothing is taken from a fresh lock then. */
  readonly record?: string | undefined;
}

/** A lock that fits the manifests. */
export interface LockOutcome {
  readonly lock: Lockfile;
  /** The lock file's text: as it was read or written, with `dryRun` as it is to be. */
  readonly text: string;
  readonly changes: LockChanges;
  /** Whether the lock's bytes changed, or would have with `dryRun`. */
  readonly changed: boolean;
  /** Whether the lock on disk was used as it is, without asking anybody. */
  readonly fresh: boolean;
  /** The environment here, as far as it is known. */
  readonly here: Here;
  /** Every environment that the lock is for. */
  readonly environments: readonly LockEnvironment[];
  /** Manifest that declares them, as shown. */
  readonly declaredIn: string | undefined;
  /** The lock that was on disk before. */
  readonly previous: LockOnDisk | undefined;
}

const NO_CHANGES: LockChanges = { added: [], removed: [], updated: [] };

/**
 * Brings the lock up to date with the manifests: uses a fresh one as it is, without any network; else resolves, keeping
 * what can be kept, and writes.
 * @throws {EngineError} `LOCK_MISSING`, `LOCK_OUTDATED`, `RESOLUTION_IMPOSSIBLE`, `PUBLISHER_CHANGED`, `HOST_UNSUPPORTED`
 */
export async function ensureLock(context: EngineContext, project: Project, input: LockInput): Promise<LockOutcome> {
  const outcome = await bringUpToDate(context, project, input);
  return { ...outcome, here: await hereWithDetected(context, outcome.lock, outcome.here) };
}

async function bringUpToDate(context: EngineContext, project: Project, input: LockInput): Promise<LockOutcome> {
  const rewrite = input.mode === undefined || input.mode === "update";
  const previous = await readLock(context, project, { rewrite });
  for (const url of registriesOf(previous?.lock)) context.lockAddresses.add(url);
  const here = await environmentHere(context, input);
  checkHosts(project, here.hosts);
  checkFeatureChoice(project, input);
  const grid = await declaredGrid(context, project, {
    previous: previous?.lock,
    here: here.hosts,
    set: input.grid ?? {},
  });
  const rest = { here, declaredIn: grid.declaredIn, previous };
  if (input.mode === "frozen") return unchanged(present(context, project, previous), rest);
  checkGrid(project, grid.axes);
  if (input.mode === "locked") present(context, project, previous);
  const request = await requestOf(context, { project, input, previous, hosts: here.hosts, grid });
  const mayBeFresh = input.refresh === undefined && input.record === undefined;
  if (previous !== undefined && mayBeFresh && isFresh(previous.lock, request)) return unchanged(previous, rest);
  const solved = await solve(context, request);
  const lock = await pinPublishers(
    context,
    solved,
    previous?.lock,
    input.acceptPublishers ?? [],
    await gitTrees(context, request),
  );
  refuseOtherBytes(previous?.lock, lock);
  return finish(context, { project, lock, input, rest });
}

/** A lock without trees promises bytes by their checksums alone: completing it must not take others for them. */
function refuseOtherBytes(before: Lockfile | undefined, after: Lockfile): void {
  const old = new Map(
    (before?.packages ?? [])
      .filter((one) => !isInstallable(one) && one.checksum !== undefined)
      .map((one) => [`${one.name} ${one.version}`, one.checksum!]),
  );
  for (const { name, version, checksum, artifacts = [] } of after.packages) {
    const promised = old.get(`${name} ${version}`);
    const offered = [checksum, ...artifacts.map((artifact) => artifact.checksum)].filter((one) => one !== undefined);
    if (promised === undefined || offered.includes(promised)) continue;
    throw new EngineError({
      code: "LOCK_CHECKSUM_MISMATCH",
      message: `Cannot lock "${name}" ${version}: the lock names ${promised}, the registry offers ${offered.join(", ") || "no file"}`,
      hint: "A published version never changes. Compare the lock file with version control before you trust either side",
      package: name,
      version,
    });
  }
}

function registriesOf(lock: Lockfile | undefined): string[] {
  return (lock?.packages ?? []).flatMap(({ source }) =>
    source?.type === "registry" && source.url !== undefined ? [source.url] : [],
  );
}

type Surroundings = Pick<LockOutcome, "here" | "declaredIn" | "previous">;

function unchanged(found: LockOnDisk, rest: Surroundings): LockOutcome {
  const { environments } = lockGrid(found.lock.environment);
  return { ...found, changes: NO_CHANGES, changed: false, fresh: true, environments, ...rest };
}

function present(context: EngineContext, project: Project, previous: LockOnDisk | undefined): LockOnDisk {
  if (previous !== undefined) return previous;
  throw new EngineError({
    code: "LOCK_MISSING",
    message: `Cannot find the lock file "${displayPath(project.lockFile, context.cwd)}"`,
    hint: "Run lock or install once without --locked and --frozen",
  });
}

/** What a project asks of the resolver as it is, its lock included, in the environment that is meant. */
export async function currentRequest(
  context: EngineContext,
  project: Project,
  input: LockInput,
): Promise<ResolutionRequest> {
  const whole = await readLock(context, project);
  const here = await environmentHere(context, input);
  const grid = await declaredGrid(context, project, { previous: whole?.lock, here: here.hosts, set: {} });
  const environment = whole && tryEnvironmentOfLock(whole.lock, await hereWithDetected(context, whole.lock, here));
  const { target, ...hosts } = { ...here.hosts, ...environment };
  checkHosts(project, hosts);
  checkFeatureChoice(project, input);
  const previous = whole && environment && { ...whole, lock: lockHere(whole.lock, environment) };
  const request = await requestOf(context, { project, input, previous: previous ?? whole, hosts, grid });
  return target === undefined ? request : { ...request, targets: [target] };
}

async function requestOf(
  context: EngineContext,
  made: {
    readonly project: Project;
    readonly input: LockInput;
    readonly previous: LockOnDisk | undefined;
    readonly hosts: Readonly<Record<string, string>>;
    readonly grid: DeclaredGrid;
  },
): Promise<ResolutionRequest> {
  const { project, input, previous, hosts, grid } = made;
  const refresh = input.refresh === "all" ? "all" : new Set((input.refresh ?? []).map(fold));
  warnOfPatches(context, project);
  const { locals, patches } = await collectLocalPackages(context, { project, lock: previous?.lock, refresh });
  return {
    project,
    locals,
    patches,
    hosts,
    grid,
    ...(await readPolicy(context, project, input)),
    features: input.features,
    noDefaultFeatures: input.noDefaultFeatures,
    allFeatures: input.allFeatures,
    profile: input.profile,
    skipDependencies: input.skipDependencies,
    precise: input.exact,
    record: input.record === undefined ? undefined : path.resolve(context.cwd, input.record),
    locked: refresh === "all" ? [] : lockedVersions(previous?.lock, refresh),
  };
}

/** Patches are the root's to make: what it is for would not be told otherwise. */
function warnOfPatches(context: EngineContext, { members, rootFile }: Project): void {
  for (const { manifest, path: file, display } of members) {
    if (file === rootFile.path || (manifest.patches ?? []).length === 0) continue;
    context.onEvent({
      type: "warning",
      message: `[patch] of "${display}" is not used: only that of "${rootFile.display}" counts`,
    });
  }
}

const fold = (name: string): string => canonicalName(parsePackageName(name));

function isFresh(lock: Lockfile, request: ResolutionRequest): boolean {
  return lock.inputs === undefined
    ? satisfiesMembers(lock, request.project) && lock.packages.every(isInstallable)
    : lock.inputs === resolutionInputs(request);
}

/** The documents' form of a lock records no tree, without which nothing of a registry can be installed. */
function isInstallable({ source, tree }: LockPackage): boolean {
  return (source !== undefined && source.type !== "registry") || tree !== undefined;
}

async function solve(context: EngineContext, request: ResolutionRequest): Promise<LockSolution> {
  return step(
    context,
    "resolve",
    "Resolving dependencies",
    () => resolveForLock(context, request),
    ({ resolution }) => `Resolved ${counted(resolution.packages.length, "package")}`,
  );
}

async function gitTrees(
  context: EngineContext,
  { locals, patches }: Pick<ResolutionRequest, "locals" | "patches">,
): Promise<Map<string, Digest>> {
  const trees = new Map<string, Digest>();
  const patching = patches.flatMap(({ by }) => (by.type === "local" ? [by.local] : []));
  for (const local of [...locals.values(), ...patching]) {
    if (local.source.type !== "git") continue;
    const { packGitSource } = await import("./local-artefact.ts");
    trees.set(local.name, (await packGitSource(context, local)).inspected.tree);
  }
  return trees;
}

/** Keeps every pinned publisher, and refuses a version that the pinned key has not signed. */
async function pinPublishers(
  context: EngineContext,
  solved: LockSolution,
  previous: Lockfile | undefined,
  accepted: readonly string[],
  trees: ReadonlyMap<string, Digest>,
): Promise<Lockfile> {
  const lock = lockOf(solved, trees);
  const followed = await followPins(context, solved, previous);
  const signers = new Map(
    solved.resolution.packages.map(({ version, candidate }) => {
      const data = candidate.data as CandidateData;
      const own = data.type === "local" ? [] : data.entry.signers.map(asFingerprint);
      return [`${data.type === "local" ? data.package.name : data.name} ${version}`, own] as const;
    }),
  );
  const allowed = new Set(accepted.map(fold));
  return {
    ...lock,
    packages: lock.packages.map((entry) =>
      pinPublisher(entry, previous, signers.get(`${entry.name} ${entry.version}`) ?? [], allowed, followed),
    ),
  };
}

/** The keys that took the place of a pinned one, by statements in the registry's log. */
type Successors = (name: string, pin: string) => ReadonlySet<string>;

/** Follows the pins of packages whose signers are not the pinned ones any more. */
async function followPins(
  context: EngineContext,
  { resolution }: LockSolution,
  previous: Lockfile | undefined,
): Promise<Successors> {
  const found = new Map<string, ReadonlySet<string>>();
  for (const { version, candidate } of resolution.packages) {
    const data = candidate.data as CandidateData;
    if (data.type === "local") continue;
    const signers = data.entry.signers.map(asFingerprint);
    // What nobody signed needs none of the code that looks into signatures.
    if (signers.length === 0) continue;
    const pins = pinsFor({ name: data.name, version }, previous);
    if (pins.length === 0 || pins.some((pin) => signers.includes(pin))) continue;
    const client = (await context.registries()).client(data.registry);
    const { followKey } = await import("./signatures.ts");
    for (const pin of pins) found.set(`${fold(data.name)} ${pin}`, await followKey(context, client, data.name, pin));
  }
  return (name, pin) => found.get(`${fold(name)} ${pin}`) ?? new Set();
}

function pinPublisher(
  entry: LockPackage,
  previous: Lockfile | undefined,
  signers: readonly string[],
  accepted: ReadonlySet<string>,
  followed: Successors,
): LockPackage {
  const pins = pinsFor(entry, previous);
  if (pins.length === 0 || entry.source?.type !== "registry" || accepted.has(fold(entry.name))) return entry;
  const kept =
    pins.find((pin) => signers.includes(pin)) ??
    pins.flatMap((pin) => signers.filter((signer) => followed(entry.name, pin).has(signer)))[0];
  if (kept !== undefined) return { ...entry, publisher: kept };
  const pinned = pins.join('" or "');
  throw new EngineError({
    code: "PUBLISHER_CHANGED",
    message: `Cannot use "${entry.name}" ${entry.version}: it is ${signers.length === 0 ? "not signed" : `signed by "${signers.join('", "')}"`}, the lock has pinned "${pinned}"`,
    hint: `If the owner changed the key on purpose, run the command with --accept-publisher ${entry.name}`,
    package: entry.name,
    pinned,
    signers,
  });
}

/**
 * Two versions of one name beside each other may have two publishers: the pin that counts is that of the compatible
 * version; a version that is compatible with none must be signed by one of the others' publishers.
 */
function pinsFor({ name, version }: Pick<LockPackage, "name" | "version">, previous: Lockfile | undefined): string[] {
  const pins = (previous?.packages ?? []).filter(
    (other) => other.publisher !== undefined && fold(other.name) === fold(name),
  );
  const slotOf = (text: string): string => compatibilitySlot(parseVersion(text));
  const compatible = pins.filter((pin) => slotOf(pin.version) === slotOf(version));
  const counting = compatible.length > 0 ? compatible : pins;
  return [...new Set(counting.map(({ publisher }) => publisher!))].sort();
}

async function finish(
  context: EngineContext,
  made: {
    readonly project: Project;
    readonly lock: Lockfile;
    readonly input: LockInput;
    readonly rest: Surroundings;
  },
): Promise<LockOutcome> {
  const { project, lock, input, rest } = made;
  const { previous } = rest;
  const changes = compareLocks(previous?.lock, lock);
  const text = renderLockfile(lock, previous?.text);
  const changed = text !== previous?.text;
  if (changed && input.mode === "locked") {
    throw new EngineError({
      code: "LOCK_OUTDATED",
      message: `Cannot use the lock file "${displayPath(project.lockFile, context.cwd)}": it would change, and --locked forbids it`,
      changes,
    });
  }
  if (input.dryRun !== true) {
    const { updateLockProofs } = await import("./lock-proofs.ts");
    // Before the lock: a version that its registry keeps out of its log is not locked.
    if (input.mode !== "locked") await updateLockProofs(context, project.lockFile, lock);
    if (changed) await writeLock(project, lock, previous);
  }
  const { environments } = lockGrid(lock.environment);
  return { lock, text, changes, changed, fresh: false, environments, ...rest };
}
