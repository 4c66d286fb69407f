import { isLadingError, parseRequirement, targetsInclude } from "@lading/core-manifest";
import { acceptsHost } from "./compile.ts";
import type { Axis } from "./environments.ts";
import type { Candidate, Dependency, PackageMetadata, ResolveInput, VersionRequirement } from "./types.ts";
import { TARGET_AXIS, type TargetEnvironment } from "./universal-types.ts";

/** All that metadata asks of environments: two environments that answer all of it alike are one to a resolution. */
interface Conditions {
  /** Host axis -> canonical text -> requirement. */
  readonly hosts: Map<string, Map<string, VersionRequirement>>;
  /** Targets that are told apart. */
  readonly targets: Set<string>;
}

/** Axis -> value -> how it answers the conditions. */
type Classes = ReadonlyMap<string, ReadonlyMap<string, string>>;

const NOTHING: Conditions = { hosts: new Map(), targets: new Set() };

/** What metadata asks, read once: the same object says the same, as long as it has as many candidates. */
const conditions = new WeakMap<PackageMetadata, { readonly candidates: number; readonly asked: Conditions }>();

/** What is asked of environments, read once per text, and how each environment answers. */
export class EnvironmentConditions {
  readonly #axes: readonly Axis[];
  readonly #requirements = new Map<string, VersionRequirement | undefined>();
  readonly #answers = new Map<string, boolean>();

  constructor(axes: readonly Axis[]) {
    this.#axes = axes;
  }

  /** The requirement that a text means; `undefined` where nobody can read it. */
  requirement(given: string | VersionRequirement): VersionRequirement | undefined {
    if (typeof given !== "string") return given;
    if (!this.#requirements.has(given)) this.#requirements.set(given, tryRequirement(given));
    return this.#requirements.get(given);
  }

  /** Whether the environment has a host that the candidate asks for. What cannot be read is not for this to judge. */
  supports(candidate: Candidate, environment: TargetEnvironment): boolean {
    return this.#holds(candidate.hosts, environment);
  }

  /** Whether a dependency counts in the environment, as far as targets and hosts go. */
  counts(dependency: Dependency, environment: TargetEnvironment): boolean {
    const target = environment[TARGET_AXIS];
    const { targets } = dependency;
    if (target !== undefined && targets !== undefined && !targetsInclude(targets, target)) return false;
    return this.#holds(dependency.hosts, environment);
  }

  /** How environments answer everything that the roots and the packages that were read ask. */
  classes(input: Pick<ResolveInput, "roots">, read: Iterable<PackageMetadata>): Classes {
    const all: Conditions = { hosts: new Map(), targets: new Set() };
    for (const { dependencies } of input.roots) this.#collect(all, dependencies);
    for (const metadata of read) {
      const asked = this.#of(metadata);
      if (asked === NOTHING) continue;
      const { hosts, targets } = asked;
      for (const [axis, texts] of hosts)
        for (const [text, requirement] of texts) textsOf(all, axis).set(text, requirement);
      for (const target of targets) all.targets.add(target);
    }
    return new Map(
      this.#axes.map(({ name, values }) => [
        name,
        new Map(values.map((value) => [value, this.#class(all, name, value)])),
      ]),
    );
  }

  #holds(asked: Candidate["hosts"], environment: TargetEnvironment): boolean {
    if (asked === undefined) return true;
    for (const axis in asked) {
      const version = environment[axis];
      if (version === undefined || axis === TARGET_AXIS) continue;
      const requirement = this.requirement(asked[axis]!);
      if (requirement !== undefined && !this.#accepts(axis, requirement, version)) return false;
    }
    return true;
  }

  #accepts(axis: string, requirement: VersionRequirement, version: string): boolean {
    const key = `${axis}\0${version}\0${requirement.canonical}`;
    let known = this.#answers.get(key);
    if (known === undefined) this.#answers.set(key, (known = acceptsHost(requirement, version)));
    return known;
  }

  #class({ hosts, targets }: Conditions, axis: string, value: string): string {
    if (axis === TARGET_AXIS)
      return [...targets].map((one) => (targetsInclude([one.replace(/^!/, "")], value) ? "1" : "0")).join("");
    return [...(hosts.get(axis)?.values() ?? [])].map((one) => (this.#accepts(axis, one, value) ? "1" : "0")).join("");
  }

  #of(metadata: PackageMetadata): Conditions {
    const known = conditions.get(metadata);
    if (known?.candidates === metadata.candidates.length) return known.asked;
    const asked: Conditions = { hosts: new Map(), targets: new Set() };
    for (const { hosts, dependencies } of metadata.candidates) {
      this.#collectHosts(asked, hosts);
      this.#collect(asked, dependencies);
    }
    const isNothing = asked.hosts.size === 0 && asked.targets.size === 0;
    conditions.set(metadata, { candidates: metadata.candidates.length, asked: isNothing ? NOTHING : asked });
    return asked;
  }

  #collect(into: Conditions, dependencies: readonly Dependency[]): void {
    for (const { hosts, targets } of dependencies) {
      this.#collectHosts(into, hosts);
      for (const target of targets ?? []) into.targets.add(target);
    }
  }

  #collectHosts(into: Conditions, asked: Candidate["hosts"]): void {
    for (const axis in asked) {
      const requirement = this.requirement(asked[axis]!);
      if (requirement !== undefined) textsOf(into, axis).set(requirement.canonical, requirement);
    }
  }
}

/** Whether two environments answer all conditions alike. */
export function answerAlike(classes: Classes, left: TargetEnvironment, right: TargetEnvironment): boolean {
  for (const [axis, values] of classes) {
    if (left[axis] !== right[axis] && values.get(left[axis]!) !== values.get(right[axis]!)) return false;
  }
  return true;
}

function textsOf({ hosts }: Conditions, axis: string): Map<string, VersionRequirement> {
  let texts = hosts.get(axis);
  if (texts === undefined) hosts.set(axis, (texts = new Map()));
  return texts;
}

function tryRequirement(text: string): VersionRequirement | undefined {
  try {
    return parseRequirement(text, "canonical");
  } catch (error) {
    if (isLadingError(error) && error.code === "REQUIREMENT_INVALID") return undefined;
    throw error;
  }
}
