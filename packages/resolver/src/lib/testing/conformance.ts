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
  readonly #universe: CaseUniverse;
  readonly #metadata = new Map<string, PackageMetadata>();
  readonly #places = new Map<string, Map<string, number>>();
  readonly #requirements = new Map<string, { bounds: string; requirement: VersionRequirement }>();

  constructor(universe: CaseUniverse) {
    this.#universe = universe;
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
    return this.#place(key, left) - this.#place(key, right);
  }

  isPrerelease(version: string, key: string): boolean {
    return this.#universe[key]?.pre?.includes(this.#place(key, version)) ?? false;
  }

  need(key: string, range: Range): Dependency {
    return { key, requirement: this.#requirement(key, range) };
  }

  #place(key: string, version: string): number {
    let places = this.#places.get(key);
    if (places === undefined) {
      const versions = this.#universe[key]?.versions ?? [];
      this.#places.set(key, (places = new Map(versions.map((one, i) => [one, i]))));
    }
    return places.get(version) ?? -1;
  }

  /** A set given as intervals of indexes; where one text stands for two sets, the bounds tell them apart. */
  #requirement(key: string, [text, ...bounds]: Range): VersionRequirement {
    const known = this.#requirements.get(`${key}\0${text}`);
    if (known?.bounds === bounds.join()) return known.requirement;
    const canonical = known === undefined ? text : `${text} (${bounds.join("-")})`;
    const requirement: VersionRequirement = {
      canonical,
      matches: (version) => {
        const place = this.#place(key, version);
        for (let i = 0; i + 1 < bounds.length; i += 2) if (place >= bounds[i]! && place <= bounds[i + 1]!) return true;
        return false;
      },
    };
    this.#requirements.set(`${key}\0${canonical}`, { bounds: bounds.join(), requirement });
    return requirement;
  }

  #candidates(key: string): Candidate[] {
    const own = this.#universe[key];
    const yanked = new Set(own?.yanked);
    return (own?.versions ?? []).map((version, i): Candidate => {
      const dependencies = this.#dependencies(own!.deps[i] ?? {});
      for (const one of this.#dependencies(own!.optional?.[i] ?? {})) {
        dependencies.push({ ...one, kind: "peer", optional: true });
      }
      return { version, dependencies, excluded: yanked.has(i) ? [YANKED] : [] };
    });
  }

  #dependencies(table: Readonly<Record<string, number>>): Dependency[] {
    return Object.entries(table).map(([key, place]) =>
      this.need(key, this.#universe[key]?.ranges[place] ?? ["missing"]),
    );
  }
}

const YANKED: Exclusion = { reason: "yanked", text: "it was yanked" };
