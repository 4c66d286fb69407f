import path from "node:path";
import {
  addDependency,
  canonicalName,
  importCargoManifest,
  importNpmManifest,
  parsePackageName,
  parseRequirement,
  parseVersion,
  tryParseChannel,
  type DependencyKind,
  type Diagnostic,
  type ManifestDependency,
} from "@lading/core-manifest";
import type { EngineContext } from "../engine-context.ts";
import { revokedTexts } from "../revocations.ts";
import {
  channelVersion,
  choosableVersion,
  compatibleRequirement,
  findPackage,
  withManifestText,
  writeThen,
} from "../edit.ts";
import { EngineError } from "../engine-error.ts";
import { displayPath, readText } from "../files.ts";
import { checkoutGit, checkGitUrl } from "../git.ts";
import { hostVersions } from "../hosts.ts";
import { installInput, type InstallProjectInput } from "../install-project.ts";
import { installLock, type InstallOutcome } from "../install-step.ts";
import { ensureLock, type LockInput, type LockOutcome } from "../lock-step.ts";
import { mateDependencies } from "../npm-workspace.ts";
import type { AskedVersion } from "../resolution.ts";
import { parsePackageSpec } from "../package-spec.ts";
import { readPolicy } from "../resolver-policy.ts";
import { chooseMember, loadProject, manifestIn, type Member, type MemberChoice, type Project } from "../project.ts";

/** What is to be added. */
export interface AddInput
  extends
    Omit<LockInput, "features">,
    MemberChoice,
    Pick<InstallProjectInput, "omit" | "targets" | "link" | "verify" | "allowBuild" | "skipTests"> {
  /** `name` or `name@requirement`. */
  readonly specs: readonly string[];
  /** Default: `normal`. */
  readonly kind?: DependencyKind | undefined;
  readonly optional?: boolean | undefined;
  /** Features of what is added. */
  readonly dependencyFeatures?: readonly string[] | undefined;
  /** Whether its default features are left out. */
  readonly withoutDefaultFeatures?: boolean | undefined;
  /** A directory with a package. */
  readonly path?: string | undefined;
  /** A repository with a package. */
  readonly git?: string | undefined;
  readonly tag?: string | undefined;
  readonly branch?: string | undefined;
  readonly rev?: string | undefined;
  readonly fromCargo?: string | undefined;
  readonly fromNpm?: string | undefined;
  /** Default: true. */
  readonly install?: boolean | undefined;
}

/** One dependency that was added. */
export interface AddedDependency {
  readonly name: string;
  readonly requirement?: string;
  readonly kind: DependencyKind;
  readonly source: ManifestDependency["source"];
}

/** What was added. */
export interface AddResult {
  readonly member: string;
  readonly added: readonly AddedDependency[];
  /** What an imported manifest has that could not be taken. */
  readonly findings: readonly Diagnostic[];
  readonly lock: LockOutcome;
  readonly install: InstallOutcome | undefined;
}

/**
 * Adds dependencies to a manifest, keeping its comments and order, brings the lock up to date and installs. Without a
 * requirement the newest version that may be chosen is taken. Manifest and lock stay as they were when no solution exists,
 * and when what was added cannot be downloaded or installed.
 * @throws {EngineError} `PACKAGE_NOT_FOUND`, `VERSION_NOT_FOUND`, `RESOLUTION_IMPOSSIBLE`
 */
export async function add(input: AddInput, context: EngineContext): Promise<AddResult> {
  const project = await loadProject(context);
  const member = chooseMember(project, input);
  const { dependencies, findings, exact } = await collect(input, context, { project, member });
  const edited = dependencies.reduce((text, dependency) => applyDependency(text, member, dependency), member.text);
  const after = withManifestText(project, member, edited);
  const lock = await ensureLock(context, after, {
    ...input,
    features: undefined,
    dryRun: true,
    mode: input.mode === "locked" ? "locked" : "update",
    refresh: dependencies.map((dependency) => dependency.package ?? dependency.name),
    exact,
  });
  const result = { member: member.name, added: dependencies.map(summary), findings };
  if (input.dryRun === true) return { ...result, lock, install: undefined };
  const install = await writeThen(project, { project: after, lock }, async () =>
    input.install === false ? undefined : installAdded(context, after, input, lock, result.added),
  );
  return { ...result, lock, install };
}

async function installAdded(
  context: EngineContext,
  project: Project,
  input: AddInput,
  lock: LockOutcome,
  added: readonly AddedDependency[],
): Promise<InstallOutcome> {
  const reason = `add ${added.map(({ name }) => name).join(" ")}`.slice(0, 200);
  return installLock(context, project, lock.lock, {
    ...installInput(project, { ...input, package: undefined, features: undefined }, lock),
    reason,
  });
}

function summary({ name, requirement, kind, source }: ManifestDependency): AddedDependency {
  return { name, kind, source, ...(requirement === undefined ? {} : { requirement }) };
}

function applyDependency(text: string, member: Member, dependency: ManifestDependency): string {
  return addDependency(text, { dialect: member.dialect, file: member.display, dependency });
}

interface Place {
  readonly project: Project;
  readonly member: Member;
}

async function collect(
  input: AddInput,
  context: EngineContext,
  { project, member }: Place,
): Promise<{ dependencies: ManifestDependency[]; findings: readonly Diagnostic[]; exact?: readonly AskedVersion[] }> {
  const imported = await importDependencies(input, context, { project, member });
  if (input.path !== undefined) return { ...imported, dependencies: [await pathDependency(input, context, member)] };
  if (input.git !== undefined) return { ...imported, dependencies: [await gitDependency(input, context)] };
  const asked = await Promise.all(input.specs.map((spec) => askedChannel(spec, context)));
  const named = await Promise.all(
    asked.map((one) => registryDependency(one.spec, input, context, { project, member })),
  );
  const dependencies = [...imported.dependencies, ...named];
  const exact = asked.flatMap(({ version }) => (version === undefined ? [] : [version]));
  // A manifest whose dependencies are all here already was imported, too.
  const importing = input.fromCargo !== undefined || input.fromNpm !== undefined;
  if (dependencies.length === 0 && !importing) {
    throw new EngineError({
      code: "SPEC_INVALID",
      message: "Cannot add nothing: name a package, a --path, a --git address or a manifest to import from",
    });
  }
  return { dependencies, findings: imported.findings, exact };
}

function base(input: AddInput): Omit<ManifestDependency, "name" | "source"> {
  return {
    kind: input.kind ?? "normal",
    features: input.dependencyFeatures ?? [],
    defaultFeatures: input.withoutDefaultFeatures !== true,
    optional: input.optional ?? false,
    workspace: false,
  };
}

/**
 * `name@channel` as the version that the channel names now: the manifest gets a requirement for it, the lock exactly it.
 * @throws {EngineError} `VERSION_NOT_FOUND`
 */
async function askedChannel(
  spec: string,
  context: EngineContext,
): Promise<{ readonly spec: string; readonly version?: AskedVersion }> {
  const { name, text } = parsePackageSpec(spec);
  const channel = text === undefined ? undefined : tryParseChannel(text);
  if (channel === undefined) return { spec };
  const { document } = await findPackage(context, name, await pinnedRegistry(context));
  const version = channelVersion(document, channel);
  if (version === undefined) {
    const known = Object.keys(document.channels).map((one) => `"${one}"`);
    throw new EngineError({
      code: "VERSION_NOT_FOUND",
      message: `Cannot add "${name}": it has no channel "${channel}"`,
      hint: known.length === 0 ? "It has no channels" : `Its channels are ${known.join(", ")}`,
      package: name,
    });
  }
  const requirement = compatibleRequirement(version, context.profile.manifest.requirements);
  return { spec: `${name}@${requirement}`, version: { name, version: parseVersion(version) } };
}

async function registryDependency(
  spec: string,
  input: AddInput,
  context: EngineContext,
  { project, member }: Place,
): Promise<ManifestDependency> {
  const { name, text } = parsePackageSpec(spec);
  const registry = await pinnedRegistry(context);
  const syntax = context.profile.manifest.requirements;
  const requirement = text ?? (await newestRequirement({ name, registry }, input, context, project));
  const { canonical } = parseRequirement(requirement, syntax);
  const known = member.manifest.dependencies.find(
    (dependency) => dependency.name === name && dependency.kind === (input.kind ?? "normal"),
  );
  const kept = known !== undefined && input.dependencyFeatures === undefined ? { features: known.features } : {};
  return {
    ...base(input),
    ...kept,
    name,
    requirement,
    canonicalRequirement: canonical,
    source: { type: "registry", ...(registry === undefined ? {} : { registry }) },
  };
}

/** `--registry NAME` of another than the default registry is meant for this dependency, and is written down. */
async function pinnedRegistry(context: EngineContext): Promise<string | undefined> {
  if (context.registry === undefined || context.registry.includes("://")) return undefined;
  const { readRegistries } = await import("../configured-registries.ts");
  return (await readRegistries(context)).defaultRegistry === context.registry ? undefined : context.registry;
}

async function newestRequirement(
  { name, registry }: { readonly name: string; readonly registry: string | undefined },
  input: AddInput,
  context: EngineContext,
  project: Project,
): Promise<string> {
  const hosts = await hostVersions(context, input.hosts ?? []);
  const policy = await readPolicy(context, project, input);
  const package_ = await findPackage(context, name, registry);
  const found = choosableVersion(package_.document, hosts, policy, await revokedTexts(context, package_));
  if ("version" in found) {
    const { version, heldBack } = found;
    if (heldBack !== undefined)
      context.onEvent({ type: "info", message: `"${name}" ${heldBack}; ${version} is the newest that may be chosen` });
    return compatibleRequirement(version, context.profile.manifest.requirements);
  }
  throw new EngineError({
    code: "VERSION_NOT_FOUND",
    message: `Cannot add "${name}": ${found.problem}`,
    hint: `Run "info ${name}" to see its versions, and name one with "add ${name}@VERSION"`,
    package: name,
  });
}

async function pathDependency(input: AddInput, context: EngineContext, member: Member): Promise<ManifestDependency> {
  const directory = path.resolve(context.cwd, input.path!);
  const found = await manifestIn(context, directory);
  if (found?.manifest.package === undefined) {
    throw new EngineError({
      code: "PATH_DEPENDENCY_INVALID",
      message: `Cannot add "${input.path!}": there is no package in "${displayPath(directory, context.cwd)}"`,
    });
  }
  const [spec] = input.specs;
  const { text } = spec === undefined ? { text: undefined } : parsePackageSpec(spec);
  const relative = path.relative(member.directory, directory).split(path.sep).join("/");
  return {
    ...base(input),
    name: found.manifest.package.name,
    ...(text === undefined ? {} : { requirement: text }),
    source: { type: "path", path: relative === "" ? "." : relative },
  };
}

async function gitDependency(input: AddInput, context: EngineContext): Promise<ManifestDependency> {
  const { git, tag, branch, rev } = input;
  checkGitUrl(git!);
  const reference = { url: git!, tag, branch, rev };
  const { directory } = await checkoutGit(context, reference);
  const found = await manifestIn(context, directory);
  if (found?.manifest.package === undefined) {
    throw new EngineError({
      code: "PATH_DEPENDENCY_INVALID",
      message: `Cannot add "${git!}": there is no package at its root`,
    });
  }
  return {
    ...base(input),
    name: found.manifest.package.name,
    source: {
      type: "git",
      url: git!,
      ...(tag === undefined ? {} : { tag }),
      ...(branch === undefined ? {} : { branch }),
      ...(rev === undefined ? {} : { rev }),
    },
  };
}

async function importDependencies(
  input: AddInput,
  context: EngineContext,
  { project, member }: Place,
): Promise<{ dependencies: ManifestDependency[]; findings: readonly Diagnostic[] }> {
  const file = input.fromCargo ?? input.fromNpm;
  if (file === undefined) return { dependencies: [], findings: [] };
  const text = await readText(path.resolve(context.cwd, file));
  const read = input.fromCargo === undefined ? importNpmManifest : importCargoManifest;
  const imported = read(text, { file, dialect: member.dialect });
  const { manifest } = imported;
  // What another workspace calls its own may be a member of this one.
  const mates = input.fromNpm === undefined ? [] : mateDependencies(text, member.directory, project.members);
  const findings = imported.findings.filter(({ key }) => !mates.some((mate) => mate.key === key));
  const own = new Set(member.manifest.dependencies.map(({ name, kind }) => `${kind} ${fold(name)}`));
  const taken = manifest.dependencies.filter(
    ({ name, kind, source }) => source.type === "registry" && !own.has(`${kind} ${fold(name)}`),
  );
  const skipped = manifest.dependencies.filter(({ source }) => source.type !== "registry");
  return {
    dependencies: [...taken, ...mates.map(({ dependency }) => dependency)],
    findings: [...findings, ...skipped.map((one) => sourceSkipped(one, file))],
  };
}

/** A path or address of another project means nothing here; saying so is all that can be done. */
function sourceSkipped({ name, source, location }: ManifestDependency, file: string): Diagnostic {
  const what = source.type === "path" ? "directory" : "Git";
  return {
    code: "IMPORT_SOURCE_UNSUPPORTED",
    severity: "warning",
    message: `Skipped "${name}" of "${file}": a ${what} dependency of another project is not taken over`,
    location: location ?? { file, line: 1, column: 1 },
    key: name,
    hint: `Add it by hand with --${source.type === "path" ? "path" : "git"}`,
  };
}

const fold = (name: string): string => canonicalName(parsePackageName(name));
