import type { EngineContext } from "../engine-context.ts";
import { EngineError } from "../engine-error.ts";
import { findCycle } from "../local-packages.ts";
import { chooseMembers, loadProject, type Member, type MemberChoice, type Project } from "../project.ts";

/** One package in the order in which a workspace is published. */
export interface PublishStep {
  readonly name: string;
  readonly version: string;
  /** Directory relative to the workspace's root. */
  readonly directory: string;
  /** Members that have to be visible first. */
  readonly after: readonly string[];
  /** `published`: the registry has this version; `new`: it has not; `unknown`: it was not asked (offline). */
  readonly state: "new" | "published" | "unknown";
}

/**
 * What `publish` would send, in its order: a member comes after every member that it depends on by path.
 * @throws {EngineError} `PATH_DEPENDENCY_CYCLE`
 */
export async function publishList(input: MemberChoice, context: EngineContext): Promise<readonly PublishStep[]> {
  const project = await loadProject(context);
  refuseMemberCycle(project);
  const chosen = new Set(chooseMembers(project, input).filter(({ manifest }) => manifest.package!.publish !== false));
  const ordered = orderedMembers(project).filter((member) => chosen.has(member));
  return Promise.all(ordered.map((member) => stepOf(context, project, member)));
}

async function stepOf(context: EngineContext, project: Project, member: Member): Promise<PublishStep> {
  const { name, relative, manifest } = member;
  const { version } = manifest.package!;
  const after = membersBelow(project, member).map((other) => other.name);
  return { name, version, directory: relative, after, state: await stateOf(context, name, version) };
}

async function stateOf(context: EngineContext, name: string, version: string): Promise<PublishStep["state"]> {
  if (context.offline) return "unknown";
  const { default: client } = await context.registries();
  const document = await client.packageDocument(name, { refresh: true, signal: context.signal });
  return document?.versions.some((entry) => entry.version === version) === true ? "published" : "new";
}

/** Members that others need first; among equals by name. */
function orderedMembers(project: Project): Member[] {
  const done = new Set<Member>();
  const visit = (member: Member): void => {
    if (done.has(member)) return;
    for (const below of membersBelow(project, member)) visit(below);
    done.add(member);
  };
  for (const member of project.members) visit(member);
  return [...done];
}

function membersBelow(project: Project, member: Member): Member[] {
  const names = member.manifest.dependencies
    .filter(({ source, kind }) => source.type === "path" && kind !== "dev")
    .map((dependency) => dependency.package ?? dependency.name);
  return project.members.filter(({ name }) => names.includes(name));
}

/** @throws {EngineError} `PATH_DEPENDENCY_CYCLE` */
export function refuseMemberCycle(project: Project): void {
  const edges = new Map(
    project.members.map((member) => [member.name, new Set(membersBelow(project, member).map(({ name }) => name))]),
  );
  const cycle = findCycle(edges);
  if (cycle === undefined) return;
  throw new EngineError({
    code: "PATH_DEPENDENCY_CYCLE",
    message: `Cannot order the workspace's members to publish them: ${cycle.map((name) => `"${name}"`).join(" needs ")}`,
    cycle,
  });
}
