import type { Version } from "@lading/core-manifest";
import { compareVersions } from "@lading/core-manifest";
import { resolve, type ResolveOptions } from "./resolve.ts";
import { shortRequirement } from "./short-requirement.ts";
import type {
  DependencyProvider,
  PackageKey,
  ResolveInput,
  SolvedResolution,
  Suggestion,
  UnsolvableResolution,
} from "./types.ts";

/**
 * `chosen`: it is in the answer. `unknown`: there is no such version. `unsolvable`: the project has no solution, with it or
 * without. `impossible`: no solution has it. `unneeded`: nothing that the roots lead to takes it. `locked`: the lock has
 * another. `outranked`: an earlier choice is preferred.
 */
export type WhyNotVerdict = "chosen" | "unknown" | "unsolvable" | "impossible" | "unneeded" | "locked" | "outranked";

/** A version that would be another one. */
export interface WhyNotChange {
  readonly name: string;
  /** Absent: the package would come. */
  readonly from?: string;
  /** Absent: the package would go. */
  readonly to?: string;
}

/** Why one version of one package is not in the answer. */
export interface WhyNotAnswer {
  readonly name: string;
  readonly version: string;
  readonly verdict: WhyNotVerdict;
  /** The version, or versions, that the answer has instead. */
  readonly chosen: readonly string[];
  /** The reason in sentences, one a line. */
  readonly reason: string;
  /** What choosing it would change, where it could be chosen. */
  readonly changes: readonly WhyNotChange[];
  /** Changes with which it was really chosen, where it cannot be as things are. */
  readonly suggestions: readonly Suggestion[];
}

interface Question {
  readonly input: ResolveInput;
  readonly provider: DependencyProvider;
}

/** Name of the root that stands for the question. */
const ASKER = "you";

/**
 * Why a version is not chosen, exactly: with it assumed, is there a solution, and if so, what is preferred to it?
 * @throws {ResolverError} as {@link resolve}
 */
export async function whyNot(
  question: Question,
  key: PackageKey,
  version: string,
  options: ResolveOptions = {},
): Promise<WhyNotAnswer> {
  const { input, provider } = question;
  const base = await resolve({ ...input, suggest: true }, provider, options);
  const name = (): string => provider.displayName?.(key) ?? key;
  const answer = (
    verdict: WhyNotVerdict,
    reason: string,
    more: Partial<Pick<WhyNotAnswer, "changes" | "suggestions">> = {},
  ): WhyNotAnswer => ({
    name: name(),
    version,
    verdict,
    chosen: base.status === "solved" ? versionsOf(base, key) : [],
    reason,
    changes: [],
    suggestions: [],
    ...more,
  });
  if (base.status === "unsolvable") return answer("unsolvable", base.explanation, { suggestions: base.suggestions });
  if (versionsOf(base, key).includes(version)) return answer("chosen", `${name()} ${version} is in the answer`);
  const candidates = await candidatesOf(provider, key, options);
  if (!candidates.includes(version)) return answer("unknown", unknownReason(name(), version, candidates));
  const forced = await resolve(asking(input, key, version), provider, options);
  if (forced.status === "unsolvable") return answer("impossible", forced.explanation, { suggestions: helpful(forced) });
  if (!isReached(forced, key, version)) return answer("unneeded", unneededReason(base, key, name(), version, input));
  const changes = changesBetween(base, forced, provider);
  const free = await resolve(unlocked(input, key), provider, options);
  if (free.status === "solved" && versionsOf(free, key).includes(version)) {
    const kept = versionsOf(base, key).join(" and ");
    return answer("locked", `the lock has ${name()} ${kept}, and a lock is kept wherever a solution allows it`, {
      changes,
    });
  }
  return answer("outranked", outrankedReason(question, base, { key, version, changes, name: name() }), { changes });
}

function versionsOf({ packages }: SolvedResolution, key: PackageKey): string[] {
  return packages.filter((one) => one.key === key).map((one) => one.version);
}

async function candidatesOf(
  provider: DependencyProvider,
  key: PackageKey,
  { signal }: ResolveOptions,
): Promise<string[]> {
  if (provider.get(key) === undefined)
    await provider.load([key], { speculative: [], ...(signal === undefined ? {} : { signal }) });
  return (provider.get(key)?.candidates ?? []).map((one) => one.version);
}

function unknownReason(name: string, version: string, candidates: readonly string[]): string {
  if (candidates.length === 0) return `${name} does not exist`;
  const shown = candidates.toSorted((a, b) => compareVersions(a as Version, b as Version)).slice(-5);
  return `${name} has no version ${version}; ${candidates.length > 5 ? "its newest are" : "it has"} ${shown.join(", ")}`;
}

/** The same question with one more root that asks for exactly this version. */
function asking(input: ResolveInput, key: PackageKey, version: string): ResolveInput {
  const root = { name: ASKER, verb: "ask for", dependencies: [{ key, requirement: `=${version}` }] };
  return { ...input, roots: [...input.roots, root] };
}

/** To go without what stands against a version is no way to get it. */
function helpful({ suggestions }: UnsolvableResolution): Suggestion[] {
  return suggestions.filter(({ type }) => type !== "remove-root");
}

/** Whether something other than the question leads to it. */
function isReached({ packages, roots }: SolvedResolution, key: PackageKey, version: string): boolean {
  const id = packages.find((one) => one.key === key && one.version === version)?.id;
  const byId = new Map(packages.map((one) => [one.id, one]));
  const queue = roots.filter(({ name }) => name !== ASKER).flatMap((root) => root.dependencies.map((edge) => edge.id));
  const seen = new Set(queue);
  for (const next of queue) {
    for (const edge of byId.get(next)?.dependencies ?? []) {
      if (seen.has(edge.id)) continue;
      seen.add(edge.id);
      queue.push(edge.id);
    }
  }
  return id !== undefined && seen.has(id);
}

function unneededReason(
  base: SolvedResolution,
  key: PackageKey,
  name: string,
  version: string,
  { wording = shortRequirement }: ResolveInput,
): string {
  const askers = [
    ...base.roots.map((root) => ({ who: root.name, edges: root.dependencies })),
    ...base.packages.map((one) => ({ who: one.id, edges: one.dependencies })),
  ].flatMap(({ who, edges }) =>
    edges.filter((edge) => edge.key === key).map((edge) => `${who} asks for ${wording(edge.requirement)}`),
  );
  if (askers.length === 0) return `nothing here needs ${name}`;
  return `nobody takes ${name} ${version}: ${askers.join(", ")}`;
}

function changesBetween(
  base: SolvedResolution,
  forced: SolvedResolution,
  provider: DependencyProvider,
): WhyNotChange[] {
  const keys = new Set([...base.packages, ...forced.packages].map((one) => one.key));
  return [...keys].sort().flatMap((key) => {
    const gone = versionsOf(base, key).filter((one) => !versionsOf(forced, key).includes(one));
    const come = versionsOf(forced, key).filter((one) => !versionsOf(base, key).includes(one));
    const name = provider.displayName?.(key) ?? key;
    return Array.from({ length: Math.max(gone.length, come.length) }, (_, i) => ({
      name,
      ...(gone[i] === undefined ? {} : { from: gone[i] }),
      ...(come[i] === undefined ? {} : { to: come[i] }),
    }));
  });
}

function unlocked(input: ResolveInput, key: PackageKey): ResolveInput {
  const { locked = [], lockedSlots = [] } = input;
  return {
    ...input,
    suggest: false,
    locked: locked.filter((one) => one.key !== key),
    lockedSlots: lockedSlots.filter((one) => one.key !== key),
  };
}

/** Two solutions exist; says by which rule the one that has another version is preferred. */
function outrankedReason(
  { input, provider }: Question,
  base: SolvedResolution,
  asked: {
    readonly key: PackageKey;
    readonly version: string;
    readonly name: string;
    readonly changes: readonly WhyNotChange[];
  },
): string {
  const { key, version, name, changes } = asked;
  const [instead] = versionsOf(base, key);
  const others = changes.filter((one) => one.name !== name);
  const compare = (left: string, right: string): number =>
    provider.compareVersions?.(left, right, key) ?? compareVersions(left as Version, right as Version);
  if (instead !== undefined && others.every(({ from }) => from === undefined)) {
    const newer = compare(version, instead) < 0;
    const rule = newer ? "newer" : "older";
    const by = (input.prefer ?? "newest") === "newest" ? "" : ` (prefer is "${input.prefer}")`;
    return `${name} ${instead} is allowed as well and ${rule}, which is preferred${by}`;
  }
  const moved = others.map((one) => `${one.name} ${one.from ?? "(absent)"} would be ${one.to ?? "absent"}`);
  return `a solution with ${name} ${version} exists, but earlier choices are preferred: ${moved.join(", ")}`;
}
