import { compareVersions, isPrerelease, parseRequirement, type Version } from "@lading/core-manifest";
import type { DependencyKind } from "@lading/core-manifest";
import { acceptsHost } from "./compile.ts";
import type { ResolveOptions } from "./resolve.ts";
import { shortRequirement } from "./short-requirement.ts";
import type {
  Candidate,
  DependencyProvider,
  PackageKey,
  ResolvedPackage,
  ResolveInput,
  SolvedResolution,
  VersionRequirement,
} from "./types.ts";
import { whyNot } from "./why-not.ts";

/** One package of an answer, with who asks for it and why it is not newer. */
export interface PackageChoice {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly locked: boolean;
  /** Who asks for it, roots by name and packages as `name version`, with the range in words. */
  readonly requiredBy: readonly {
    readonly dependent: string;
    readonly requirement: string;
    readonly kind: DependencyKind;
  }[];
  /** Newest version there is; a pre-release only where the chosen one is. */
  readonly newest: string;
  /** Why it is not the newest; absent: it is. */
  readonly whyNotNewest?: string;
}

interface Question {
  readonly input: ResolveInput;
  readonly provider: DependencyProvider;
}

/**
 * Says of every package of an answer who asks for it, and why it is not the newest: from the facts at hand where they are
 * enough, by resolving again with the newest where they are not.
 * @throws {ResolverError} as {@link resolve}
 */
export async function explainChoices(
  question: Question,
  resolution: SolvedResolution,
  options: ResolveOptions = {},
): Promise<PackageChoice[]> {
  const choices: PackageChoice[] = [];
  for (const one of resolution.packages) choices.push(await explainChoice(question, resolution, one, options));
  return choices;
}

async function explainChoice(
  question: Question,
  resolution: SolvedResolution,
  chosen: ResolvedPackage,
  options: ResolveOptions,
): Promise<PackageChoice> {
  const askers = askersOf(resolution, chosen, question);
  const newest = newestOf(question.provider, chosen);
  const why =
    newest.version === chosen.version ? undefined : await whyOlder(question, { chosen, askers, newest }, options);
  return {
    id: chosen.id,
    name: chosen.name,
    version: chosen.version,
    locked: chosen.locked,
    requiredBy: askers.map(({ dependent, words, kind }) => ({ dependent, requirement: words, kind })),
    newest: newest.version,
    ...(why === undefined ? {} : { whyNotNewest: why }),
  };
}

interface Asker {
  readonly dependent: string;
  readonly requirement: string;
  readonly words: string;
  readonly kind: DependencyKind;
}

function askersOf(
  { roots, packages }: SolvedResolution,
  { id }: ResolvedPackage,
  { input: { wording = shortRequirement } }: Question,
): Asker[] {
  const all = [
    ...roots.map((root) => ({ dependent: root.name, edges: root.dependencies })),
    ...packages.map((one) => ({ dependent: `${one.name} ${one.version}`, edges: one.dependencies })),
  ];
  return all.flatMap(({ dependent, edges }) =>
    edges
      .filter((edge) => edge.id === id)
      .map(({ requirement, kind }) => ({ dependent, requirement, words: wording(requirement), kind })),
  );
}

function newestOf(provider: DependencyProvider, { key, candidate }: ResolvedPackage): Candidate {
  const early = (version: string): boolean => provider.isPrerelease?.(version, key) ?? isPrerelease(version as Version);
  const known = (provider.get(key)?.candidates ?? [candidate]).filter(
    ({ version }) => early(candidate.version) || !early(version),
  );
  return known.reduce((best, one) => (compare(provider, key, one.version, best.version) > 0 ? one : best), candidate);
}

function compare(provider: DependencyProvider, key: PackageKey, left: string, right: string): number {
  return provider.compareVersions?.(left, right, key) ?? compareVersions(left as Version, right as Version);
}

async function whyOlder(
  { input, provider }: Question,
  found: { readonly chosen: ResolvedPackage; readonly askers: readonly Asker[]; readonly newest: Candidate },
  options: ResolveOptions,
): Promise<string> {
  const { chosen, askers, newest } = found;
  const { version } = newest;
  const outside = askers.filter(({ requirement }) => !accepts(requirement, version, input));
  if (outside.length > 0) return outside.map(({ dependent, words }) => `${dependent} asks for ${words}`).join(", ");
  const [excluded] = [...(newest.excluded ?? []), ...(input.exclude?.(chosen.key, newest) ?? [])];
  if (excluded !== undefined)
    return excluded.text.startsWith("it ") ? `${version} ${excluded.text.slice(3)}` : excluded.text;
  const host = hostProblem(newest, input);
  if (host !== undefined) return host;
  const { reason } = await whyNot({ input: { ...input, suggest: false }, provider }, chosen.key, version, options);
  return reason;
}

function accepts(requirement: string, version: string, { prereleases = "named" }: ResolveInput): boolean {
  try {
    const read: VersionRequirement = parseRequirement(requirement, "canonical");
    if (prereleases === "named" || prereleases === "never") return read.matches(version);
    return read.matchesWithPrereleases?.(version) ?? read.matches(version);
  } catch {
    // A requirement of another scheme judges for itself when the question is solved again.
    return true;
  }
}

function hostProblem(newest: Candidate, { hosts = {}, wording = shortRequirement }: ResolveInput): string | undefined {
  for (const [axis, requirement] of Object.entries(newest.hosts ?? {})) {
    try {
      const read = typeof requirement === "string" ? parseRequirement(requirement, "canonical") : requirement;
      const refused = (hosts[axis] ?? []).find((given) => !acceptsHost(read, given));
      if (refused !== undefined)
        return `${newest.version} needs ${axis} ${wording(read.canonical)} and the host is ${refused}`;
    } catch {
      return `${newest.version} has a requirement on host ${axis} that cannot be read`;
    }
  }
  return undefined;
}
