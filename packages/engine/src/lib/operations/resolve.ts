import { canonicalName, parsePackageName, parseVersion } from "@lading/core-manifest";
import type {
  PackageChoice,
  LockedInEnvironments,
  ResolveInput,
  SolvedResolution,
  UniversalFailure,
  UniversalInput,
  UniversalRecording,
  UnsolvableResolution,
  WhyNotAnswer,
} from "@lading/resolver";
import path from "node:path";
import type { EngineContext } from "../engine-context.ts";
import { EngineError } from "../engine-error.ts";
import { readText } from "../files.ts";
import { currentRequest, type LockInput } from "../lock-step.ts";
import { parseVersionSpec } from "../package-spec.ts";
import { loadProject, type Project } from "../project.ts";
import {
  adviceOf,
  impossible,
  questionOf,
  resolveProject,
  type AskedQuestion,
  type AskedVersion,
} from "../resolution.ts";

/** What is to be resolved, and what is to be said of it. */
export interface ResolveProjectInput extends LockInput {
  /** Say of every package who asks for it and why it is not newer. */
  readonly explain?: boolean | undefined;
  /** A recording to answer instead of the project, without any network. */
  readonly replay?: string | undefined;
}

/** One package of an answer. */
export interface AnswerPackage {
  readonly name: string;
  readonly version: string;
  /** Whether a member names it. */
  readonly direct: boolean;
  /** Whether it is the version that the lock had. */
  readonly locked: boolean;
  readonly features: readonly string[];
  /** Environments that it is for, where a recording is of several and it is not for all of them. */
  readonly environments?: readonly Readonly<Record<string, string>>[];
  /** Only with `explain`. */
  readonly choice?: PackageChoice;
}

/** An answer that nothing was written for. */
export interface ResolveProjectResult {
  readonly packages: readonly AnswerPackage[];
  /** Every environment, where a recording is of several. */
  readonly environments?: readonly Readonly<Record<string, string>>[];
  /** Only of a replay: whether the answer is the recorded one. */
  readonly replay?: { readonly clock?: string; readonly same: boolean };
}

/**
 * Resolves the project, or a recording, and changes nothing.
 * @throws {EngineError} `RESOLUTION_IMPOSSIBLE`; ResolverError `RESOLVE_RECORDING_INVALID`
 */
export async function resolve(input: ResolveProjectInput, context: EngineContext): Promise<ResolveProjectResult> {
  if (input.replay !== undefined) return replay(input.replay, input.explain === true, context);
  const project = await loadProject(context);
  const request = await currentRequest(context, project, input);
  const solved = await resolveProject(context, request);
  return { packages: await describe(solved.resolution, solved.asked, input.explain === true, context) };
}

async function replay(file: string, explain: boolean, context: EngineContext): Promise<ResolveProjectResult> {
  const resolver = await import("@lading/resolver");
  const recording = resolver.parseRecording(await readText(path.resolve(context.cwd, file)), file);
  const clock = recording.clock === undefined ? {} : { clock: recording.clock };
  if (recording.format === "lading-resolution/2") return replayAll(recording, { file, explain, clock }, context);
  const question = resolver.replayResolution(recording);
  const resolution: SolvedResolution | UnsolvableResolution = await resolver.resolve(
    question.input,
    question.provider,
    { signal: context.signal },
  );
  const same = isSame(resolver.answerOf(resolution), recording.answer);
  if (resolution.status === "unsolvable") throw told(resolution, same, file, context);
  return { packages: await describe(resolution, question, explain, context), replay: { same, ...clock } };
}

/** A recording of every environment of a lock; reasons are those of the first. */
async function replayAll(
  recording: UniversalRecording,
  {
    file,
    explain,
    clock,
  }: { readonly file: string; readonly explain: boolean; readonly clock: { readonly clock?: string } },
  context: EngineContext,
): Promise<ResolveProjectResult> {
  const resolver = await import("@lading/resolver");
  const { input, provider } = resolver.replayUniversal(recording);
  const resolution = await resolver.resolveUniversal(input, provider, { signal: context.signal });
  const same = isSame(resolver.universalAnswerOf(resolution), recording.answer);
  if (resolution.status === "unsolvable") throw told(resolution, same, file, context);
  const { environments } = resolution;
  const [first] = resolution.answers;
  const question = { input: questionIn(input, environments[0]!), provider };
  const described = first === undefined ? [] : await describe(first.resolution, question, explain, context);
  const choices = new Map(described.map((one) => [`${one.name} ${one.version}`, one.choice]));
  const packages = resolution.packages.map(({ name, version, direct, locked, features, cells }) => ({
    name,
    version,
    direct,
    locked,
    features,
    ...(choices.get(`${name} ${version}`) === undefined ? {} : { choice: choices.get(`${name} ${version}`)! }),
    ...(cells.length === environments.length ? {} : { environments: cells.map((cell) => environments[cell]!) }),
  }));
  return { packages, environments, replay: { same, ...clock } };
}

/** A question for a grid as one environment asks it. */
function questionIn(
  { environments: _environments, mode: _mode, locked = [], lockedSlots = [], ...rest }: UniversalInput,
  environment: Readonly<Record<string, string>>,
): ResolveInput {
  const { target, ...hosts } = environment;
  const isHere = ({ appliesTo }: Pick<LockedInEnvironments, "appliesTo">): boolean => appliesTo?.(environment) ?? true;
  return {
    ...rest,
    hosts: Object.fromEntries(Object.entries(hosts).map(([axis, version]) => [axis, [version]])),
    ...(target === undefined ? {} : { targets: [target] }),
    locked: locked.filter(isHere),
    lockedSlots: lockedSlots.filter(isHere),
  };
}

function isSame(answer: unknown, recorded: unknown): boolean {
  return JSON.stringify(answer) === JSON.stringify(recorded);
}

function told(
  resolution: UnsolvableResolution | UniversalFailure,
  same: boolean,
  file: string,
  context: EngineContext,
): EngineError {
  if (!same) context.onEvent({ type: "warning", message: `The answer is not the one that "${file}" has recorded` });
  return impossible(resolution);
}

async function describe(
  resolution: SolvedResolution,
  question: Pick<AskedQuestion, "input" | "provider">,
  explain: boolean,
  context: EngineContext,
): Promise<AnswerPackage[]> {
  const { explainChoices } = await import("@lading/resolver");
  const choices = explain ? await explainChoices(question, resolution, { signal: context.signal }) : [];
  const byId = new Map(choices.map((choice) => [choice.id, choice]));
  return resolution.packages.map(({ id, name, version, direct, locked, features }) => {
    const choice = byId.get(id);
    return { name, version, direct, locked, features, ...(choice === undefined ? {} : { choice }) };
  });
}

/** What {@link whyNot} is told. */
export interface WhyNotInput extends LockInput {
  /** `name@version`. */
  readonly spec: string;
}

/**
 * Why a version of a package is not the one that is chosen.
 * @throws {EngineError} `PACKAGE_NOT_FOUND`, `VERSION_NOT_FOUND`
 */
export async function whyNot(input: WhyNotInput, context: EngineContext): Promise<WhyNotAnswer> {
  const asked = versionOf(input.spec);
  const project = await loadProject(context);
  const answer = await askWhyNot(context, project, asked, input);
  if (answer.verdict !== "unknown") {
    return { ...answer, suggestions: answer.suggestions.map((one) => ({ ...one, message: adviceOf(one) })) };
  }
  throw new EngineError({
    code: answer.reason.endsWith("does not exist") ? "PACKAGE_NOT_FOUND" : "VERSION_NOT_FOUND",
    message: `Cannot explain "${asked.name}" ${asked.version}: ${answer.reason}`,
    package: asked.name,
  });
}

function versionOf(spec: string): AskedVersion {
  const { name, version } = parseVersionSpec(spec);
  return { name, version: parseVersion(version) };
}

/** Asks the resolver about one version of the project as it is. */
async function askWhyNot(
  context: EngineContext,
  project: Project,
  { name, version }: AskedVersion,
  input: LockInput,
): Promise<WhyNotAnswer> {
  return (await projectReasons(context, project, input)).whyNot(name, version);
}

/** Answers questions about one project; its metadata is loaded once. */
export interface ProjectReasons {
  /** Why a version is not the one that is chosen. */
  readonly whyNot: (name: string, version: string, registry?: string) => Promise<WhyNotAnswer>;
  /** Why there were no solution if a member asked for exactly this version; `undefined` where there is one. */
  readonly conflictWith: (asked: {
    readonly member: string;
    readonly name: string;
    readonly registry?: string | undefined;
    readonly version: string;
  }) => Promise<string | undefined>;
}

/** Loads what questions about a project need. */
export async function projectReasons(
  context: EngineContext,
  project: Project,
  input: LockInput,
): Promise<ProjectReasons> {
  const resolver = await import("@lading/resolver");
  const question = await questionOf(context, await currentRequest(context, project, input));
  const options = { signal: context.signal };
  return {
    whyNot: (name, version, registry) => resolver.whyNot(question, question.keyOf(name, registry), version, options),
    async conflictWith({ member, name, registry, version }) {
      const key = question.keyOf(name, registry);
      const roots = question.input.roots.map((root) =>
        root.name === member
          ? {
              ...root,
              dependencies: root.dependencies.map((one) =>
                one.key === key ? { ...one, requirement: `=${version}` } : one,
              ),
            }
          : root,
      );
      const answer = await resolver.resolve({ ...question.input, roots, suggest: false }, question.provider, options);
      return answer.status === "solved" ? undefined : answer.explanation;
    },
  };
}

/**
 * Refuses an exact version that no solution has, with the reason.
 * @throws {EngineError} `VERSION_NOT_FOUND`, `RESOLUTION_IMPOSSIBLE`
 */
export async function checkPrecise(
  context: EngineContext,
  project: Project,
  asked: AskedVersion,
  input: LockInput,
): Promise<void> {
  const resolver = await import("@lading/resolver");
  const request = await currentRequest(context, project, input);
  const wanted = fold(asked.name);
  const locked = [...request.locked.filter(({ name }) => fold(name) !== wanted), asked];
  const question = await questionOf(context, { ...request, locked });
  const key = question.keyOf(asked.name);
  const answer = await resolver.whyNot(question, key, asked.version, { signal: context.signal });
  if (answer.verdict === "unknown") {
    throw new EngineError({
      code: "VERSION_NOT_FOUND",
      message: `Cannot update "${asked.name}" to ${asked.version}: ${answer.reason}`,
      package: asked.name,
    });
  }
  if (answer.verdict === "locked" || answer.verdict === "outranked" || answer.verdict === "chosen") return;
  const [first] = answer.suggestions;
  throw new EngineError({
    code: "RESOLUTION_IMPOSSIBLE",
    message: `Cannot update "${asked.name}" to ${asked.version}: no solution has it`,
    explanation: answer.reason,
    suggestions: answer.suggestions,
    ...(first === undefined ? {} : { hint: adviceOf(first) }),
  });
}

const fold = (name: string): string => canonicalName(parsePackageName(name));
