import { createResolver } from "../resolve.ts";
import { ResolverError } from "../resolver-error.ts";
import type {
  Candidate,
  Dependency,
  DependencyProvider,
  Exclusion,
  PackageMetadata,
  Resolution,
  ResolveInput,
  VersionPreference,
  VersionRequirement,
} from "../types.ts";
import { solveRoots, type SolvedRoots } from "./whole-universe.ts";

type Range = readonly [text: string, ...bounds: number[]];

interface CasePackage {
  readonly versions: readonly string[];
  readonly pre?: readonly number[];
  readonly yanked?: readonly number[];
  readonly ranges: readonly Range[];
  readonly deps: readonly Readonly<Record<string, number>>[];
  readonly optional?: readonly (Readonly<Record<string, number>> | null | undefined)[];
}

type CaseUniverse = Readonly<Record<string, CasePackage>>;

interface Case {
  readonly name: string;
  readonly universe: string;
  readonly root: Readonly<Record<string, Range>>;
  readonly rootOptional?: Readonly<Record<string, Range>>;
  readonly locked?: Readonly<Record<string, string>>;
  readonly overrides?: Readonly<Record<string, Range>>;
  readonly prefer?: string;
  readonly prereleases?: string;
}

/** A file of the form `resolver-cases/1`. */
interface CaseFile {
  readonly format?: string;
  readonly universes: Readonly<Record<string, CaseUniverse>>;
  readonly cases?: readonly Case[];
  readonly roots?: Readonly<Record<string, string>>;
}

/** The answer to one case. */
export interface CaseAnswer {
  readonly result: "sat" | "unsat";
  readonly solution?: Readonly<Record<string, string>>;
  readonly explanation?: string;
}

/** Answers to a whole file: by case name, or one letter a version by package. */
export interface ConformanceResult {
  readonly answers: Readonly<Record<string, CaseAnswer>> | SolvedRoots;
}

/**
 * Solves every case of a `resolver-cases/1` file. Versions are opaque there: their order is that of the file, ranges are
 * intervals of indexes.
 * @throws {ResolverError} `RESOLVE_INPUT_INVALID` where `data` is not of that form
 */
export function solveConformanceFile(data: unknown): ConformanceResult {
  const file = readCaseFile(data);
  if (file.roots !== undefined && Object.keys(file.roots).length > 0) {
    const [only] = Object.values(file.universes);
    return { answers: solveRoots(new World(only ?? {}), Object.keys(file.roots)) };
  }
  const worlds = new Map<string, World>();
  const answers: Record<string, CaseAnswer> = {};
  for (const one of file.cases ?? []) {
    const universe = file.universes[one.universe];
    if (universe === undefined)
      throw malformed(`case "${one.name}" names universe "${one.universe}", which is not there`);
    const world = worlds.get(one.universe) ?? new World(universe);
    worlds.set(one.universe, world);
    answers[one.name] = answer(solveCase(one, world));
  }
  return { answers };
}

function malformed(detail: string): ResolverError {
  return new ResolverError({ code: "RESOLVE_INPUT_INVALID", message: `Cannot read resolver cases: ${detail}` });
}

function readCaseFile(data: unknown): CaseFile {
  if (typeof data !== "object" || data === null) throw malformed("expected an object");
  const file = data as Partial<CaseFile>;
  if (file.format !== undefined && file.format !== "resolver-cases/1") {
    throw malformed(`format is "${file.format}", expected "resolver-cases/1"`);
  }
  if (typeof file.universes !== "object" || file.universes === null) throw malformed('"universes" is missing');
  if (file.cases !== undefined && !Array.isArray(file.cases)) throw malformed('"cases" is not a list');
  return file as CaseFile;
}

function answer(resolution: Resolution): CaseAnswer {
  if (resolution.status === "unsolvable") return { result: "unsat", explanation: resolution.explanation };
  const chosen = resolution.packages.map((one) => [one.key, one.version] as const);
  return { result: "sat", solution: Object.fromEntries(chosen) };
}

function solveCase(one: Case, world: World): Resolution {
  const { overrides = {}, locked = {}, rootOptional = {} } = one;
  // An override is a dependency of the root in this form, and it replaces the root's own.
  const dependencies = Object.entries({ ...one.root, ...overrides }).map(([key, range]) => world.need(key, range));
  for (const [key, range] of Object.entries(rootOptional)) {
    dependencies.push({ ...world.need(key, range), kind: "peer", optional: true });
  }
  const input: ResolveInput = {
    roots: [{ name: "myapp", dependencies }],
    prefer: preferenceOf(one),
    prereleases: one.prereleases === "allow" ? "allow" : "fallback",
    locked: Object.entries(locked).map(([key, version]) => ({ key, version })),
    overrides: Object.entries(overrides).map(([key, range]) => world.need(key, range)),
    suggest: false,
  };
  const step = createResolver(input, world).step();
  if (step.status === "needs") throw new Error("A universe in memory needs no loading");
  return step.resolution;
}

function preferenceOf(one: Case): VersionPreference {
  if (one.prefer === "oldest" || one.prefer === "lowest") return "oldest";
  return one.prefer === "lowest-direct" ? "lowest-direct" : "newest";
}

/** One universe of a file as a provider; versions are places in its lists. */
class World implements DependencyProvider {
  readonly isPrerelease?: (version: string, key: string) => boolean;
  readonly #universe: CaseUniverse;
  readonly #metadata = new Map<string, PackageMetadata>();
  readonly #places = new Map<string, Map<string, number>>();
  readonly #requirements = new Map<string, Map<string, Interval>>();
  readonly #dependencies = new Map<string, (Dependency | undefined)[]>();

  constructor(universe: CaseUniverse) {
    this.#universe = universe;
    const early = new Map(Object.entries(universe).map(([key, one]) => [key, new Set(one.pre)]));
    if ([...early.values()].some(({ size }) => size > 0)) {
      this.isPrerelease = (version, key) => early.get(key)?.has(this.#place(key, version)) ?? false;
    }
  }

  get(key: string): PackageMetadata {
    let metadata = this.#metadata.get(key);
    if (metadata === undefined) this.#metadata.set(key, (metadata = { candidates: this.#candidates(key) }));
    return metadata;
  }

  load(): Promise<void> {
    return Promise.resolve();
  }

  compareVersions(left: string, right: string, key: string): number {
    const places = this.#placesOf(key);
    return places.get(left)! - places.get(right)!;
  }

  need(key: string, range: Range): Dependency {
    return { key, requirement: this.#requirement(key, range) };
  }

  #placesOf(key: string): Map<string, number> {
    let places = this.#places.get(key);
    if (places === undefined) {
      const versions = this.#universe[key]?.versions ?? [];
      this.#places.set(key, (places = new Map()));
      for (let i = 0; i < versions.length; i++) places.set(versions[i]!, i);
    }
    return places;
  }

  #place(key: string, version: string): number {
    return this.#placesOf(key).get(version) ?? -1;
  }

  /** A set given as intervals of indexes; where one text stands for two sets, the bounds tell them apart. */
  #requirement(key: string, range: Range): VersionRequirement {
    let texts = this.#requirements.get(key);
    if (texts === undefined) this.#requirements.set(key, (texts = new Map()));
    const known = texts.get(range[0]);
    if (known?.isOf(range) === true) return known;
    const canonical = known === undefined ? range[0] : `${range[0]} (${range.slice(1).join("-")})`;
    let requirement = texts.get(canonical);
    if (requirement === undefined)
      texts.set(canonical, (requirement = new Interval(canonical, range, this.#placesOf(key))));
    return requirement;
  }

  #candidates(key: string): Candidate[] {
    const own = this.#universe[key];
    const yanked = new Set(own?.yanked);
    return (own?.versions ?? []).map((version, i): Candidate => {
      const dependencies = this.#named(own!.deps[i]);
      const optional = own!.optional?.[i];
      if (optional !== undefined && optional !== null) {
        for (const one of this.#named(optional)) dependencies.push({ ...one, kind: "peer", optional: true });
      }
      return yanked.has(i) ? { version, dependencies, excluded: [YANKED] } : { version, dependencies };
    });
  }

  #named(table: Readonly<Record<string, number>> | undefined): Dependency[] {
    const found: Dependency[] = [];
    for (const key in table) found.push(this.#dependency(key, table[key]!));
    return found;
  }

  #dependency(key: string, place: number): Dependency {
    let known = this.#dependencies.get(key);
    if (known === undefined) this.#dependencies.set(key, (known = []));
    return (known[place] ??= this.need(key, this.#universe[key]?.ranges[place] ?? NO_RANGE));
  }
}

/** Versions by their places: inclusive intervals. */
class Interval implements VersionRequirement {
  readonly canonical: string;
  readonly #range: Range;
  readonly #places: ReadonlyMap<string, number>;

  constructor(canonical: string, range: Range, places: ReadonlyMap<string, number>) {
    this.canonical = canonical;
    this.#range = range;
    this.#places = places;
  }

  isOf(range: Range): boolean {
    const own = this.#range;
    return own.length === range.length && own.every((bound, i) => bound === range[i]);
  }

  matches(version: string): boolean {
    const place = this.#places.get(version);
    if (place === undefined) return false;
    const range = this.#range as readonly number[];
    for (let i = 1; i + 1 < range.length; i += 2) if (place >= range[i]! && place <= range[i + 1]!) return true;
    return false;
  }

  intervals(): readonly number[] {
    return this.#range.slice(1) as readonly number[];
  }
}

const NO_RANGE: Range = ["missing"];

const YANKED: Exclusion = { reason: "yanked", text: "it was yanked" };
