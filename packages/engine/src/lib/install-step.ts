import { rm } from "node:fs/promises";
import path from "node:path";
import {
  satisfiesLicensePolicy,
  type Digest,
  type IndexArtifact,
  type IndexVersion,
  type LadingEvent,
  type LockEnvironment,
  type Lockfile,
} from "@lading/core-manifest";
import type {
  Environment,
  Generation,
  InstallPackage,
  InstallPlan,
  InstallRecord,
  InstallResult,
  LinkStrategy,
  PlannedPackage,
  Store,
} from "@lading/installer";
import type { InputContent, InstallInputs } from "@lading/installer/state";
import type { RegistryClient, RegistryConfig } from "@lading/registry-client";
import { cacheDirectory, counted, step, storeDirectory, storeLimit, type EngineContext } from "./engine-context.ts";
import { EngineError } from "./engine-error.ts";
import { lockHere } from "./environments.ts";
import { linksFile, readLinks, withLinks } from "./links.ts";
import { collectLocalPackages } from "./local-packages.ts";
import { exists, hashFile, makeTemporaryDirectory } from "./files.ts";
import { buildNative } from "./native-build.ts";
import { packGitSource } from "./local-artefact.ts";
import { readRegistries, registriesPath, replacedRegistry } from "./configured-registries.ts";
import { refuseSelfModifying } from "./self-modifying.ts";
import {
  checkIdentity,
  needsVerification,
  policiesFor,
  signatureRequirement,
  trustFile,
  verifyStatement,
} from "./signatures.ts";
import { allowedLicenses } from "./license-policy.ts";
import type { Project } from "./project.ts";
import type { SharedCache } from "./shared-cache.ts";
import { refuseWithdrawn, storedPackages } from "./stored-revocations.ts";
import { validateInstallation, type ValidationResult } from "./validation.ts";

/** What is to be installed, and how. */
export interface InstallInput {
  /** The lock file's text, as the lock was read from it or written to it. */
  readonly lockText: string;
  /** Kinds to leave out. */
  readonly omit?: readonly ("dev" | "build" | "peer" | "optional")[] | undefined;
  /** Targets in order of preference, before `any`. */
  readonly targets?: readonly string[] | undefined;
  /** Members whose dependencies are wanted; default: all. */
  readonly members?: readonly string[] | undefined;
  readonly link?: LinkStrategy | "auto" | undefined;
  /** `full` re-hashes every file of the store that is used. Default: `quick`. */
  readonly verify?: "quick" | "full" | undefined;
  /** Recorded in the generation. */
  readonly reason?: string | undefined;
  readonly hosts?: Readonly<Record<string, string>> | undefined;
  /** Which of the lock's environments this is. */
  readonly environment: LockEnvironment;
  /** Packages whose native build steps may run, beside those of the settings. */
  readonly allowBuild?: readonly string[] | undefined;
  /** Look for no runtimes and compare no hosts before installing. */
  readonly skipValidation?: boolean | undefined;
  /** Run no tests of packages, whatever the profile says. */
  readonly skipTests?: boolean | undefined;
}

/** What an installation came to. */
export interface InstallOutcome {
  /** Whether the environment was already what is asked for, so that nothing was done. */
  readonly upToDate: boolean;
  readonly result: InstallResult;
  readonly packages: number;
  readonly downloaded: number;
  readonly downloadedBytes: number;
  /** Packages whose statement was verified now. */
  readonly verified: number;
  readonly skipped: readonly { readonly name: string; readonly version: string; readonly reason: string }[];
  /** What was found of runtimes and hosts; absent where nothing was validated. */
  readonly validation?: ValidationResult;
}

/** Where a project's packages are installed. */
export function environmentOf(context: EngineContext, project: Project): Environment {
  return {
    state: path.join(project.root, ".lading"),
    link: path.join(project.root, context.profile.install.directory),
  };
}

/** A package of the plan that the store does not have, or whose signature must be looked at. */
interface Pending {
  readonly planned: PlannedPackage;
  readonly missing: boolean;
}

/**
 * Installs what a lock names: plan, verify, fetch what the store lacks, build the new generation, switch to it. Until the
 * switch the installed generation is untouched.
 */
export async function installLock(
  context: EngineContext,
  project: Project,
  lock: Lockfile,
  input: InstallInput,
): Promise<InstallOutcome> {
  const state = await installState(context, project, input);
  const known = input.verify === "full" ? undefined : await upToDate(state);
  if (known !== undefined) return known;
  const read = await contentsRead(context, project, input);
  const { installGeneration } = await import("@lading/installer");
  const { store, plan, fetched } = await fetchLocked(context, project, lock, input);
  refuseSelfModifying(project, store, plan.packages);
  const validation =
    input.skipValidation === true
      ? {}
      : {
          validation: await validateInstallation(context, {
            project,
            store,
            planned: plan.packages,
            hosts: input.hosts ?? {},
            installed: await readableGeneration(environmentOf(context, project)),
          }),
        };
  const buildable = await buildNative(context, {
    environment: state.environment,
    store,
    planned: plan.packages,
    installed: await readableGeneration(state.environment),
    allow: input.allowBuild,
  });
  const tested = input.skipTests !== true && (await runTests(context, { state, store, planned: buildable }));
  const packages = buildable.map((planned) => withSigners(planned, store));
  const { writeInstallState } = await import("@lading/installer/state");
  const same = input.verify === "full" ? undefined : await sameGeneration(state.environment, packages, context, input);
  if (same !== undefined) {
    writeInstallState(state, read);
    return { ...unchangedOutcome(same), skipped: plan.skipped, ...fetched, ...validation };
  }
  const result = await step(
    context,
    "install",
    `Installing ${counted(plan.packages.length, "package")}`,
    async () =>
      installGeneration({
        environment: environmentOf(context, project),
        store,
        layout: context.profile.install.layout,
        packages,
        link: input.link ?? (await linkSetting(context)),
        // All of it was looked at a moment ago, as thoroughly as was asked for, to know what has to be fetched; tests of
        // packages have had their neighbours in reach since.
        verify: tested ? (input.verify ?? "quick") : "none",
        ...(input.reason === undefined ? {} : { reason: input.reason }),
        ...(input.hosts === undefined ? {} : { hosts: input.hosts }),
        now: context.now(),
        onEvent: context.onEvent,
        signal: context.signal,
      }),
    (done) => installedMessage(done),
  );
  await collectGarbage(context, store);
  writeInstallState(state, read);
  return { upToDate: false, result, packages: plan.packages.length, skipped: plan.skipped, ...fetched, ...validation };
}

async function runTests(
  context: EngineContext,
  {
    state,
    ...input
  }: { readonly state: InstallInputs; readonly store: Store; readonly planned: readonly PlannedPackage[] },
): Promise<boolean> {
  const { testBeforeInstall } = await import("./install-tests.ts");
  return testBeforeInstall(context, { ...input, installed: await readableGeneration(state.environment) });
}

/** What a lock means here, once the store has all of it. */
export interface FetchedLock {
  readonly store: Store;
  readonly plan: InstallPlan;
  readonly fetched: Fetched;
}

/** The first half of an installation: plan, verify, fetch what the store lacks. Nothing of the project is touched. */
export async function fetchLocked(
  context: EngineContext,
  project: Project,
  lock: Lockfile,
  input: Pick<InstallInput, "environment" | "targets" | "omit" | "members" | "verify">,
): Promise<FetchedLock> {
  const { planInstall } = await import("@lading/installer");
  const store = await context.store();
  const locked = planInstall(lockHere(lock, input.environment), {
    project: project.root,
    ...(input.targets === undefined ? {} : { targets: input.targets }),
    ...(input.omit === undefined ? {} : { omit: input.omit }),
    ...(input.members === undefined ? {} : { members: input.members }),
  });
  const plan = { ...locked, packages: withLinks(locked.packages, await readLinks(project)) };
  const fetched = await fetchMissing(context, {
    project,
    store,
    planned: plan.packages,
    verify: input.verify ?? "quick",
  });
  return { store, plan, fetched };
}

/** Everything that decides what is installed: the files and, as one text, the settings. */
async function installState(context: EngineContext, project: Project, input: InstallInput): Promise<InstallInputs> {
  const requirement = await signatureRequirement(context, [], project);
  const { reason: _, verify: __, lockText: ___, skipTests: ____, ...settings } = input;
  return {
    environment: environmentOf(context, project),
    files: [
      project.lockFile,
      project.rootFile.path,
      ...project.members.map(({ path: file }) => file),
      // What is demanded of signatures and publishers.
      registriesPath(context),
      trustFile(context),
      linksFile(project),
    ],
    settings: JSON.stringify([settings, requirement, context.profile.install, await linkSetting(context)]),
    store: storeDirectory(context),
  };
}

/**
 * What the files of {@link installState} held when they were read. Somebody may edit one while packages are fetched; what
 * is installed then is what was read, not what is on disk in the end.
 */
async function contentsRead(context: EngineContext, project: Project, input: InstallInput): Promise<InputContent[]> {
  const { contentOf, readContent } = await import("@lading/installer/state");
  return [
    ...[input.lockText, project.rootFile.text, ...project.members.map(({ text }) => text)].map(contentOf),
    context.registriesRead() ?? readContent(registriesPath(context)),
    readContent(trustFile(context)),
    readContent(linksFile(project)),
  ];
}

async function upToDate(state: InstallInputs): Promise<InstallOutcome | undefined> {
  const { checkInstallState } = await import("@lading/installer/state");
  if (!checkInstallState(state).fresh) return undefined;
  const generation = await readableGeneration(state.environment);
  return generation === undefined ? undefined : unchangedOutcome(generation);
}

/** The current generation. One that was deleted or damaged is no reason to fail here: a good one takes its place. */
async function readableGeneration(environment: Environment): Promise<Generation | undefined> {
  const { current, InstallerError } = await import("@lading/installer");
  try {
    return current(environment);
  } catch (error) {
    if (error instanceof InstallerError) return undefined;
    throw error;
  }
}

function unchangedOutcome(generation: Generation): InstallOutcome {
  const nothing = { added: [], removed: [], changed: [], files: 0, durationMs: 0, cleanup: Promise.resolve() };
  return {
    upToDate: true,
    result: { generation, previous: generation.number, ...nothing },
    packages: generation.packages.length,
    downloaded: 0,
    downloadedBytes: 0,
    verified: 0,
    skipped: [],
  };
}

/**
 * The current generation, where it is what would be built again: a manifest whose dependencies did not change, or a lock
 * that is used without comparing, is no reason for a new one. Its files are looked at as a quick verification does.
 */
async function sameGeneration(
  environment: Environment,
  packages: readonly InstallPackage[],
  context: EngineContext,
  input: InstallInput,
): Promise<Generation | undefined> {
  const { verifyInstalled } = await import("@lading/installer");
  const generation = await readableGeneration(environment);
  if (generation === undefined || generation.layout !== context.profile.install.layout) return undefined;
  const wanted = input.link ?? (await linkSetting(context));
  if (wanted !== "auto" && generation.link !== "symlink" && generation.link !== wanted) return undefined;
  if (sortedText(generation.hosts) !== sortedText(input.hosts ?? {})) return undefined;
  const sorted = [...packages].sort((left, right) => (left.path < right.path ? -1 : 1));
  if (JSON.stringify(sorted.map(contentOf)) !== JSON.stringify(generation.packages.map(contentOf))) return undefined;
  const { ok } = await verifyInstalled({ environment, store: await context.store() });
  return ok ? generation : undefined;
}

function sortedText(table: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.entries(table).sort(([left], [right]) => (left < right ? -1 : 1)));
}

/** All of a package that decides what is in an environment. */
function contentOf(one: InstallPackage | InstallRecord): unknown[] {
  const { name, version, path: place, source, tree, features, signers, direct, dependencies } = one;
  const checksum = "installed" in one ? one.checksum : one.blob;
  return [
    name,
    version,
    place,
    source,
    checksum ?? "",
    tree ?? "",
    features,
    signers,
    direct,
    sortedText(dependencies),
  ];
}

function installedMessage({ added, removed, changed, generation }: InstallResult): string {
  if (added.length + removed.length + changed.length === 0) {
    return `${counted(generation.packages.length, "package")} installed, nothing to change`;
  }
  return `Installed ${counted(generation.packages.length, "package")}: ${added.length} added, ${changed.length} changed, ${removed.length} removed`;
}

async function linkSetting(context: EngineContext): Promise<LinkStrategy | "auto"> {
  const value = (await context.settings()).string("installer.link") ?? "auto";
  if (value === "auto" || value === "hardlink" || value === "reflink" || value === "copy") return value;
  throw new EngineError({
    code: "CONFIG_VALUE_INVALID",
    message: `Cannot use "${value}" for "installer.link": allowed are "auto", "hardlink", "reflink", "copy"`,
  });
}

function withSigners(planned: PlannedPackage, store: Store): InstallPackage {
  const { lock: _, size: __, ...own } = planned;
  const stored = planned.tree === undefined ? undefined : store.get(planned.tree);
  if (stored !== undefined) checkIdentity(planned.lock, stored);
  return { ...own, signers: stored?.signers ?? [] };
}

async function collectGarbage(context: EngineContext, store: Store): Promise<void> {
  const maxBytes = await storeLimit(context);
  if (maxBytes !== undefined && store.size().bytes > maxBytes) await store.gc({ maxBytes });
}

interface FetchPlan {
  readonly project: Project;
  readonly store: Store;
  readonly planned: readonly PlannedPackage[];
  readonly verify: "quick" | "full";
}

type Fetched = Pick<InstallOutcome, "downloaded" | "downloadedBytes" | "verified">;

async function fetchMissing(context: EngineContext, plan: FetchPlan): Promise<Fetched> {
  const { store, planned } = plan;
  const trees = planned.flatMap(({ tree }) => (tree === undefined ? [] : [tree]));
  const missing = new Set(await store.missing(trees, { verify: plan.verify }));
  if (missing.size > 0) {
    const { ingestVendored } = await import("./vendored.ts");
    const registryOf = await configuredRegistries(context);
    for (const tree of await ingestVendored(context, { ...plan, missing, registryOf })) missing.delete(tree);
  }
  const remote = await pendingRemote(context, plan, missing);
  const git = planned.filter(({ source, tree }) => source.type === "git" && tree !== undefined && missing.has(tree));
  await ingestGit(context, plan, git);
  const stored = storedPackages(planned, store, new Set(remote.map((one) => one.planned)));
  const delegated = await refuseWithdrawn(context, stored);
  const pending = [...remote, ...delegated.map((one) => ({ planned: one, missing: false }))];
  if (pending.length === 0) return { downloaded: 0, downloadedBytes: 0, verified: 0 };
  const sources = await verifyAll(context, plan.project, pending);
  const downloads = sources.filter(({ pending }) => pending.missing);
  for (const { pending, signers } of sources) {
    if (!pending.missing) store.setSigners(pending.planned.tree!, signers);
  }
  const downloadedBytes = downloads.length === 0 ? 0 : await download(context, store, downloads);
  const verified = sources.filter(({ signers }) => signers.length > 0).length;
  return { downloaded: downloads.length, downloadedBytes, verified };
}

async function pendingRemote(
  context: EngineContext,
  plan: FetchPlan,
  missing: ReadonlySet<Digest>,
): Promise<Pending[]> {
  const registryOf = await configuredRegistries(context);
  const replaced = await replacedRegistry(context);
  const result: Pending[] = [];
  const seen = new Set<string>();
  for (const planned of plan.planned) {
    const { tree, source, lock } = planned;
    if (source.type !== "registry" || tree === undefined || seen.has(tree)) continue;
    const absent = missing.has(tree);
    const policies = policiesFor(registryOf(source.url), undefined, replaced);
    const signature = { entry: lock, signers: plan.store.get(tree)?.signers ?? [], policies };
    if (!absent && !(await needsVerification(context, plan.project, signature))) {
      checkStoredLicense(plan, planned, tree);
      continue;
    }
    seen.add(tree);
    result.push({ planned, missing: absent });
  }
  return result;
}

/** What `registries.toml` says of a registry by its URL; without that file a registry has no policy of its own. */
async function configuredRegistries(
  context: EngineContext,
): Promise<(url: string | undefined) => RegistryConfig | undefined> {
  if (!(await exists(registriesPath(context)))) return () => undefined;
  const { registries, defaultRegistry } = await readRegistries(context);
  return (url) =>
    registries.find((registry) => (url === undefined ? registry.name === defaultRegistry : registry.url === url));
}

/** The store does not record licences; the package's own record does. */
function checkStoredLicense({ project, store }: FetchPlan, planned: PlannedPackage, tree: Digest): void {
  if (allowedLicenses(project).length === 0) return;
  checkLicense(project, store.record(tree).manifest.license, planned);
}

/** A package with where it comes from and who was found to have signed it. */
interface VerifiedSource {
  readonly pending: Pending;
  readonly client: RegistryClient;
  readonly artifact: IndexArtifact;
  readonly signers: readonly string[];
}

async function verifyAll(
  context: EngineContext,
  project: Project,
  pending: readonly Pending[],
): Promise<VerifiedSource[]> {
  return step(
    context,
    "verify",
    `Verifying ${counted(pending.length, "package")}`,
    () => verifyInOrder(context, project, pending),
    (sources) => {
      const signed = sources.filter(({ signers }) => signers.length > 0).length;
      const packages = counted(sources.length, "package");
      // What is not signed was not verified; the digest of every package is compared while it arrives.
      if (signed === 0) return `No signature to verify: ${packages} without one`;
      if (signed === sources.length) return `Verified ${counted(signed, "signature")} of ${packages}`;
      return `Verified ${counted(signed, "signature")}; ${counted(sources.length - signed, "package")} without one`;
    },
  );
}

/** Checks many at once, and warns in the order of the packages, however the answers come in. */
async function verifyInOrder(
  context: EngineContext,
  project: Project,
  pending: readonly Pending[],
): Promise<VerifiedSource[]> {
  const warnings = new Map(pending.map((one): [Pending, LadingEvent[]] => [one, []]));
  try {
    return await mapLimited(pending, 16, (one) => {
      const onEvent = (event: LadingEvent): void => {
        if (event.type === "warning") warnings.get(one)!.push(event);
        else context.onEvent(event);
      };
      return verifySource({ ...context, onEvent }, project, one);
    });
  } finally {
    for (const event of [...warnings.values()].flat()) context.onEvent(event);
  }
}

async function verifySource(context: EngineContext, project: Project, pending: Pending): Promise<VerifiedSource> {
  const { planned } = pending;
  const registries = await context.registries();
  // `--registry` names a mirror: what it serves is held to the lock's digests like everything else.
  const client = context.registry === undefined ? registries.client(planned.source.url) : registries.default;
  const { entry, artifact } = await findArtifact(context, client, planned);
  checkLicense(project, entry.license, planned);
  context.onEvent({ type: "verifying", message: `${planned.name} ${planned.version}`, package: planned.name });
  const registryOf = await configuredRegistries(context);
  const policies = policiesFor(registryOf(planned.source.url), client.registry, await replacedRegistry(context));
  const signers = await verifyStatement(context, {
    client,
    policies,
    entry,
    artifact,
    name: planned.lock.name,
    version: planned.version,
    pinned: planned.lock.publisher,
    requirement: await signatureRequirement(context, policies, project),
  });
  return { pending, client, artifact, signers };
}

async function findArtifact(
  context: EngineContext,
  client: RegistryClient,
  planned: PlannedPackage,
): Promise<{ entry: IndexVersion; artifact: IndexArtifact }> {
  const { name, version } = planned.lock;
  const find = async (refresh: boolean): Promise<IndexVersion | undefined> => {
    const document = await client.packageDocument(name, { refresh, signal: context.signal });
    return document?.versions.find((candidate) => candidate.version === version);
  };
  let entry = await find(false);
  let artifact = lockedArtifact(entry, planned);
  if (artifact === undefined && !context.offline) {
    entry = await find(true);
    artifact = lockedArtifact(entry, planned);
  }
  if (entry === undefined) throw lockedVersionMissing(client, planned);
  if (artifact === undefined) throw lockedBytesDiffer(client, entry, planned);
  return { entry, artifact };
}

/** Both digests count: other compressed bytes of the same tree are not what was locked, and were perhaps made to harm. */
function lockedArtifact(entry: IndexVersion | undefined, planned: PlannedPackage): IndexArtifact | undefined {
  return entry?.artifacts.find(
    ({ tree, blob }) => tree === planned.tree && (planned.blob === undefined || blob === planned.blob),
  );
}

function lockedVersionMissing(client: RegistryClient, { lock: { name, version } }: PlannedPackage): EngineError {
  return new EngineError({
    code: "VERSION_NOT_FOUND",
    message: `Cannot install "${name}" ${version}: registry "${client.registry.name}" does not have what the lock names`,
    hint: "Run `lock` to resolve again, or ask the registry's owner where the version went",
    package: name,
    version,
  });
}

function lockedBytesDiffer(client: RegistryClient, entry: IndexVersion, planned: PlannedPackage): EngineError {
  const { name, version } = planned.lock;
  const offered = entry.artifacts.map(({ blob, tree }) => `${blob} (tree ${tree})`).join(", ") || "no file";
  return new EngineError({
    code: "LOCK_CHECKSUM_MISMATCH",
    message: `Cannot install "${name}" ${version}: the lock names ${planned.blob ?? "no checksum"} (tree ${planned.tree}), registry "${client.registry.name}" offers ${offered}`,
    hint: "A published version never changes. Compare the lock file with version control before you trust either side",
    package: name,
    version,
  });
}

function checkLicense(project: Project, license: string | undefined, planned: PlannedPackage): void {
  const allowed = allowedLicenses(project);
  if (allowed.length === 0) return;
  if (license !== undefined && satisfiesLicensePolicy(license, allowed)) return;
  throw new EngineError({
    code: "LICENSE_NOT_ALLOWED",
    message: `Cannot install "${planned.name}" ${planned.version}: its licence is ${license === undefined ? "not stated" : `"${license}"`}, allowed are ${allowed.map((one) => `"${one}"`).join(", ")}`,
    package: planned.name,
  });
}

async function download(context: EngineContext, store: Store, sources: readonly VerifiedSource[]): Promise<number> {
  const cache = await cacheDirectory(context);
  const directory = await makeTemporaryDirectory(cache, "download-");
  const bytes = sources.reduce((sum, { artifact }) => sum + artifact.size, 0);
  try {
    await step(
      context,
      "download",
      `Downloading ${counted(sources.length, "package")}`,
      async () => {
        const clients = new Set(sources.map(({ client }) => client));
        await Promise.all([...clients].map((client) => downloadFrom(context, store, directory, client, sources)));
      },
      () => `Downloaded ${counted(sources.length, "package")}`,
    );
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  return bytes;
}

async function downloadFrom(
  context: EngineContext,
  store: Store,
  directory: string,
  client: RegistryClient,
  sources: readonly VerifiedSource[],
): Promise<void> {
  const own = new Map(
    sources
      .filter((source) => source.client === client)
      .map((source) => [path.join(directory, fileNameOf(source.artifact)), source]),
  );
  const { openSharedCache } = await import("./shared-cache.ts");
  const shared = await openSharedCache(context);
  const ingest = async (destination: string): Promise<void> => {
    const { artifact, signers, pending } = own.get(destination)!;
    context.onEvent({ type: "extracting", file: path.basename(destination), package: pending.planned.name });
    await store.ingest(
      destination,
      { blob: artifact.blob, size: artifact.size, tree: artifact.tree },
      { signers, signal: context.signal },
    );
  };
  const downloads: DownloadRequest[] = [];
  for (const [destination, { artifact, pending }] of own) {
    if (shared !== undefined && (await fromShared(shared, artifact.blob, destination, ingest))) continue;
    downloads.push({
      destination,
      artifact: { blob: artifact.blob, size: artifact.size, package: pending.planned.name },
    });
  }
  try {
    await client.downloadMany(downloads, {
      signal: context.signal,
      onEvent: context.onEvent,
      onFile: async ({ destination }) => {
        await ingest(destination);
        await shared?.put(own.get(destination)!.artifact.blob, destination);
        await rm(destination, { force: true });
      },
    });
  } finally {
    // What came before a failure counts too.
    if (downloads.length > 0) await shared?.evict();
  }
}

type DownloadRequest = Parameters<RegistryClient["downloadMany"]>[0][number];

/** Whether the team's cache had the file; one that is not what its name says is taken out, and the registry is asked. */
async function fromShared(
  shared: SharedCache,
  blob: Digest,
  destination: string,
  ingest: (destination: string) => Promise<void>,
): Promise<boolean> {
  if (!(await shared.take(blob, destination))) return false;
  try {
    if ((await hashFile(destination)) !== blob) {
      await shared.drop(blob);
      return false;
    }
    await ingest(destination);
    return true;
  } finally {
    await rm(destination, { force: true });
  }
}

const fileNameOf = ({ blob }: IndexArtifact): string => `${blob.slice("sha256:".length)}.pkg`;

async function ingestGit(context: EngineContext, plan: FetchPlan, packages: readonly PlannedPackage[]): Promise<void> {
  if (packages.length === 0) return;
  const { readLock } = await import("./lock-file.ts");
  const lock = (await readLock(context, plan.project))?.lock;
  const { locals, patches } = await collectLocalPackages(context, { project: plan.project, lock, refresh: new Set() });
  const patching = patches.flatMap(({ by }) => (by.type === "local" ? [by.local] : []));
  for (const planned of packages) {
    const local = [...locals.values(), ...patching].find(({ name }) => name === planned.lock.name);
    if (local === undefined) continue;
    const { file, inspected } = await packGitSource(context, local);
    await plan.store.ingest(file, { blob: inspected.blob, tree: planned.tree }, { signal: context.signal });
  }
}

async function mapLimited<Item, Result>(
  items: readonly Item[],
  limit: number,
  run: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = Array.from({ length: items.length });
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++;
      results[index] = await run(items[index]!);
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  return results;
}
