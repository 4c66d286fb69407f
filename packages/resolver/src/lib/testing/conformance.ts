import { lifting } from "../lift.ts";
import { createResolver } from "../resolve.ts";
import { ResolverError } from "../resolver-error.ts";
import type {
  Candidate,
  Dependency,
  DependencyProvider,
  Exclusion,
  Override,
  PackageMetadata,
  Resolution,
  ResolveInput,
  VersionPreference,
  VersionRequirement,
} from "../types.ts";
import { followSuggestion, type Question } from "./follow-suggestion.ts";
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
  const roots = Object.keys(file.roots ?? {});
  if (roots.length > 0) {
    const [only] = Object.values(file.universes);
    return { answers: solveRoots(worldOf(only ?? {}), roots) };
  }
  const answers: Record<string, CaseAnswer> = {};
  for (const one of file.cases ?? []) {
    const world = worldOfCase(file, one);
    answers[one.name] = answer(
      solveInMemory({ input: { ...questionOf(one, world), suggest: false }, provider: world }),
    );
  }
  return { answers };
}

/** How far the advice on a file's unsolvable cases goes. */
export interface SuggestionTally {
  readonly unsolvable: number;
  /** Those that a single change solves: another range of the root, one dependency less, one override, one version allowed. */
  readonly fixable: number;
  /** Fixable cases that got advice with which, followed to the letter, they are solved. */
  readonly helped: number;
  /** One line for each fixable case without such advice. */
  readonly without: readonly string[];
  /** One line for each piece of advice that did not help. */
  readonly misleading: readonly string[];
}

/**
 * Follows every suggestion for every case of a `resolver-cases/1` file that has no solution, and solves again. Which cases a
 * single change could solve at all is found by trying such changes one by one, whatever is suggested.
 * @throws {ResolverError} `RESOLVE_INPUT_INVALID` where `data` is not of that form
 */
export function tallySuggestions(data: unknown): SuggestionTally {
  const file = readCaseFile(data);
  const without: string[] = [];
  const misleading: string[] = [];
  let unsolvable = 0;
  let helped = 0;
  for (const one of file.cases ?? []) {
    const provider = worldOfCase(file, one);
    const question = { input: questionOf(one, provider), provider };
    const failure = solveInMemory(question);
    if (failure.status === "solved") continue;
    unsolvable++;
    const vain = failure.suggestions.filter((suggestion) => !isSolvable(followSuggestion(question, suggestion)));
    misleading.push(...vain.map(({ message }) => `${one.name}: does not help: ${message}`));
    if (failure.suggestions.length > vain.length) helped++;
    else if (singleChanges(question, Object.keys(file.universes[one.universe]!)).some(isSolvable)) {
      without.push(`${one.name}: nothing is suggested that helps, though a single change would`);
    }
  }
  return { unsolvable, fixable: helped + without.length, helped, without, misleading };
}

function isSolvable({ input, provider }: Question): boolean {
  return solveInMemory({ input: { ...input, suggest: false }, provider }).status === "solved";
}

/** Every change of the kinds that a user can make, as far-reaching as its kind allows. */
function singleChanges({ input, provider }: Question, keys: readonly string[]): Question[] {
  const [root] = input.roots;
  const own = root!.dependencies;
  const withOwn = (dependencies: readonly Dependency[]): Question => ({
    input: { ...input, roots: [{ ...root!, dependencies }] },
    provider,
  });
  const others = (key: string): readonly Override[] => (input.overrides ?? []).filter((other) => other.key !== key);
  return [
    { input: { ...input, prereleases: "allow" }, provider },
    ...own.map((one) => withOwn(own.filter((other) => other !== one))),
    ...own.map((one) => withOwn(own.map((other) => (other === one ? { ...one, requirement: ANY } : other)))),
    ...keys.map((key) => ({ input: { ...input, overrides: [...others(key), { key, requirement: ANY }] }, provider })),
    ...keys.map((key) => lifting(input, provider, { key, reason: "yanked", which: () => true })),
  ];
}

function worldOfCase(file: CaseFile, one: Case): World {
  const universe = file.universes[one.universe];
  if (universe === undefined) {
    throw malformed(`case "${one.name}" names universe "${one.universe}", which is not there`);
  }
  return worldOf(universe);
}

/** Registries by what they were read from, which nobody changes: a file that is asked about again is not read again. */
const worlds = new WeakMap<CaseUniverse, World>();

function worldOf(universe: CaseUniverse): World {
  let world = worlds.get(universe);
  if (world === undefined) worlds.set(universe, (world = new World(universe)));
  return world;
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
  // Without a prototype nothing is special about a package that is called like a part of one.
  const solution: Record<string, string> = Object.create(null);
  for (const { key, version } of resolution.packages) solution[key] = version;
  return { result: "sat", solution };
}

/** What one case asks. */
function questionOf(one: Case, world: World): ResolveInput {
  const { overrides = {}, locked = {}, rootOptional = {} } = one;
  // An override is a dependency of the root in this form, and it replaces the root's own.
  const dependencies = Object.entries({ ...one.root, ...overrides }).map(([key, range]) => world.need(key, range));
  for (const [key, range] of Object.entries(rootOptional)) {
    dependencies.push({ ...world.need(key, range), kind: "peer", optional: true });
  }
  return {
    roots: [{ name: "myapp", dependencies }],
    prefer: preferenceOf(one),
    prereleases: one.prereleases === "allow" ? "allow" : "fallback",
    locked: Object.entries(locked).map(([key, version]) => ({ key, version })),
    overrides: Object.entries(overrides).map(([key, range]) => world.need(key, range)),
  };
}

function solveInMemory({ input, provider }: Question): Resolution {
  const step = createResolver(input, provider).step();
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
  readonly #packages = new Map<string, WorldPackage>();
  /** Whoever goes through a package's versions asks for it again and again. */
  #latest: WorldPackage | undefined;

  constructor(universe: CaseUniverse) {
    this.#universe = universe;
    const hasEarly = Object.values(universe).some(({ pre }) => pre !== undefined && pre.length > 0);
    if (hasEarly) this.isPrerelease = (version, key) => this.#package(key).isEarly(version);
  }

  get(key: string): PackageMetadata {
    return (this.#package(key).metadata ??= { candidates: this.#candidates(key) });
  }

  load(): Promise<void> {
    return Promise.resolve();
  }

  compareVersions(left: string, right: string, key: string): number {
    if (left === right) return 0;
    const versions = this.#package(key);
    const place = versions.placeOf(left);
    return versions.isAt(right, place + 1) ? -1 : place - versions.placeOf(right);
  }

  need(key: string, range: Range): Dependency {
    return { key, requirement: this.#package(key).requirement(range) };
  }

  #package(key: string): WorldPackage {
    if (this.#latest?.key === key) return this.#latest;
    let known = this.#packages.get(key);
    if (known === undefined) this.#packages.set(key, (known = new WorldPackage(key, this.#own(key))));
    return (this.#latest = known);
  }

  #own(key: string): CasePackage | undefined {
    return Object.hasOwn(this.#universe, key) ? this.#universe[key] : undefined;
  }

  #candidates(key: string): Candidate[] {
    const own = this.#own(key);
    if (own === undefined) return [];
    const yanked = own.yanked === undefined || own.yanked.length === 0 ? undefined : new Set(own.yanked);
    const reader = new TableReader((name) => this.#package(name));
    return own.versions.map((version, i): Candidate => {
      let dependencies = reader.read(own.deps[i]);
      const optional = own.optional?.[i];
      if (optional !== undefined && optional !== null) dependencies = [...dependencies, ...this.#optional(optional)];
      return yanked?.has(i) === true ? { version, dependencies, excluded: [YANKED] } : { version, dependencies };
    });
  }

  #optional(table: Readonly<Record<string, number>>): Dependency[] {
    return Object.entries(table).map(([name, place]) => {
      return { ...this.#package(name).dependency(place), kind: "peer", optional: true };
    });
  }
}

/** Reads the tables of one package's versions; a version that needs the same as the one before shares its list. */
class TableReader {
  readonly #package: (name: string) => WorldPackage;
  #before: readonly Dependency[] = [];
  #places: number[] = [];

  constructor(packageOf: (name: string) => WorldPackage) {
    this.#package = packageOf;
  }

  read(table: Readonly<Record<string, number>> | undefined): readonly Dependency[] {
    const before = this.#before;
    let found: Dependency[] | undefined;
    let count = 0;
    for (const name in table) {
      const place = table[name]!;
      let one = before[count];
      if (one === undefined || one.key !== name || this.#places[count] !== place) {
        found ??= before.slice(0, count);
        one = this.#package(name).dependency(place);
        this.#places[count] = place;
      }
      if (found !== undefined) found.push(one);
      count++;
    }
    if (found !== undefined) this.#before = found;
    else if (count < before.length) this.#before = before.slice(0, count);
    return this.#before;
  }
}

/** Versions of which a list is searched from its beginning, rather than kept by text. */
const FEW = 24;

/** One package of a universe, and what others ask of it. */
class WorldPackage {
  metadata: PackageMetadata | undefined;
  readonly key: string;
  readonly #own: CasePackage | undefined;
  readonly #dependencies: (Dependency | undefined)[] = [];
  readonly #requirements = new Map<string, Interval>();
  #places: Map<string, number> | undefined;
  #last = 0;

  constructor(key: string, own: CasePackage | undefined) {
    this.key = key;
    this.#own = own;
  }

  isAt(version: string, place: number): boolean {
    return this.#own?.versions[place] === version;
  }

  /** Place of a version; -1 where there is none such. */
  placeOf(version: string): number {
    const { versions } = this.#own ?? NO_PACKAGE;
    // Whoever goes through a list asks for one and the next.
    const last = this.#last;
    if (versions[last] === version) return last;
    if (versions[last + 1] === version) return ++this.#last;
    if (versions.length <= FEW) return versions.indexOf(version);
    this.#places ??= new Map(versions.map((one, i) => [one, i]));
    return this.#places.get(version) ?? -1;
  }

  isEarly(version: string): boolean {
    return this.#own?.pre?.includes(this.placeOf(version)) ?? false;
  }

  dependency(place: number): Dependency {
    return (this.#dependencies[place] ??= {
      key: this.key,
      requirement: this.requirement(this.#own?.ranges[place] ?? NO_RANGE),
    });
  }

  /** A set given as intervals of indexes; where one text stands for two sets, the bounds tell them apart. */
  requirement(range: Range): VersionRequirement {
    const known = this.#requirements.get(range[0]);
    if (known?.isOf(range) === true) return known;
    const canonical = known === undefined ? range[0] : `${range[0]} (${range.slice(1).join("-")})`;
    let requirement = this.#requirements.get(canonical);
    if (requirement === undefined)
      this.#requirements.set(canonical, (requirement = new Interval(canonical, range, this)));
    return requirement;
  }
}

/** Versions by their places: inclusive intervals. */
class Interval implements VersionRequirement {
  readonly canonical: string;
  readonly #range: Range;
  readonly #of: WorldPackage;

  constructor(canonical: string, range: Range, of: WorldPackage) {
    this.canonical = canonical;
    this.#range = range;
    this.#of = of;
  }

  isOf(range: Range): boolean {
    const own = this.#range;
    return own === range || (own.length === range.length && own.every((bound, i) => bound === range[i]));
  }

  matches(version: string): boolean {
    const place = this.#of.placeOf(version);
    if (place === -1) return false;
    const range = this.#range as readonly number[];
    for (let i = 1; i + 1 < range.length; i += 2) if (place >= range[i]! && place <= range[i + 1]!) return true;
    return false;
  }

  intervals(): readonly number[] {
    return this.#range.slice(1) as readonly number[];
  }
}

const NO_PACKAGE: CasePackage = { versions: [], ranges: [], deps: [] };

const NO_RANGE: Range = ["missing"];

const ANY: VersionRequirement = { canonical: "(any version)", matches: () => true };

const YANKED: Exclusion = { reason: "yanked", text: "it was yanked" };
