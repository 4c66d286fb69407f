import { wordsFor } from "../bits.ts";
import { acceptsHost, requirementText } from "../compile/facts.ts";
import { Packages, type PackageEntry } from "../compile/packages.ts";
import type { Policy } from "../compile/policy.ts";
import { Ints } from "../core/ints.ts";
import type { Candidate, Dependency, PackageKey } from "../types.ts";

const NONE = -1;

/** Something more than "this package in this range" plays a part, or metadata is missing: another search has to tell. */
export class BeyondPlain extends Error {}

/**
 * The rules of a question of which all is known and in which every dependency is plain, as flat arrays. Packages, dependencies
 * (a range of a package, whoever wants it) and groups (the versions of one package that have one dependency) are numbers; a
 * set of versions is words from a place on, bit 0 for absence. A package's versions are read when it is opened.
 */
export class PlainRules {
  readonly masks: Ints = new Ints(4096);

  // Packages.
  readonly keys: PackageKey[] = [];
  readonly entries: (PackageEntry | undefined)[] = [];
  readonly orders: (readonly number[] | undefined)[] = [];
  /** Place of a package's words in a state, NONE until it is opened; how many values it has, and words. */
  readonly offset: Ints = new Ints(256);
  readonly size: Ints = new Ints(256);
  readonly width: Ints = new Ints(256);
  /** First of the dependencies on a package, or NONE. */
  readonly firstOn: Ints = new Ints(256);
  /** Place of a package's first value in `rowStart` and `rowEnd`. */
  readonly firstRow: Ints = new Ints(256);
  words = 0;

  // Dependencies.
  readonly target: Ints = new Ints(1024);
  /** What is accepted, once the target is open. */
  readonly accepted: Ints = new Ints(1024);
  readonly support: Ints = new Ints(1024);
  readonly nextOn: Ints = new Ints(1024);
  readonly firstGroup: Ints = new Ints(1024);
  readonly #dependencies: Dependency[] = [];

  // Groups.
  readonly owner: Ints = new Ints(2048);
  readonly having: Ints = new Ints(2048);
  readonly dependency: Ints = new Ints(2048);
  readonly nextGroup: Ints = new Ints(2048);

  /** Groups of each value. */
  readonly rowStart: Ints = new Ints(1024);
  readonly rowEnd: Ints = new Ints(1024);
  readonly rows: Ints = new Ints(4096);

  readonly #policy: Policy;
  readonly #packages: Packages;
  readonly #numbers = new Map<PackageKey, number>();
  /** Package -> text -> dependency. */
  readonly #byText: Map<string, number>[] = [];
  readonly #hasHosts: boolean;
  readonly #hasChoice: boolean;

  constructor(policy: Policy) {
    this.#policy = policy;
    this.#packages = new Packages(policy);
    const { hosts, targets } = policy.input;
    this.#hasHosts = hosts !== undefined;
    this.#hasChoice = hosts !== undefined || targets !== undefined;
  }

  /** Packages that were read. */
  get opened(): number {
    return this.#packages.known.size;
  }

  /** Number of a package; it is not opened by that. */
  package(key: PackageKey): number {
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const made = this.keys.length;
    this.#numbers.set(key, made);
    this.keys.push(key);
    this.#byText.push(new Map());
    this.offset.push(NONE);
    this.size.push(0);
    this.width.push(0);
    this.firstOn.push(NONE);
    this.firstRow.push(NONE);
    return made;
  }

  /**
   * Number of a dependency of a package, or of a root; NONE where it does not count.
   * @throws {BeyondPlain}
   */
  dependencyOf(one: Dependency, ofRoot: boolean, near: number): number {
    if (!this.#isBare(one)) {
      if (one.kind === "dev" && !ofRoot) return NONE;
      if (this.#policy.isGated(one)) return NONE;
      const isMore = one.ifPossible === true || (one.features?.length ?? 0) > 0 || this.#policy.isConditional(one);
      if (isMore) throw new BeyondPlain();
      if (this.#hasChoice && !this.#policy.counts(one, ofRoot)) return NONE;
    }
    const to =
      near !== NONE && this.keys[this.target.data[near]!] === one.key ? this.target.data[near]! : this.package(one.key);
    const text = requirementText(one.requirement);
    const known = this.#byText[to]!.get(text);
    return known === undefined ? this.#add(to, text, one) : known;
  }

  #isBare(one: Dependency): boolean {
    return (
      one.kind === undefined &&
      one.optional === undefined &&
      one.features === undefined &&
      one.ifPossible === undefined &&
      one.targets === undefined &&
      one.hosts === undefined
    );
  }

  #add(to: number, text: string, one: Dependency): number {
    if (!this.#policy.isReadable(one)) throw new BeyondPlain();
    const made = this.target.length;
    this.#byText[to]!.set(text, made);
    this.#dependencies.push(one);
    this.target.push(to);
    this.accepted.push(NONE);
    this.support.push(0);
    this.nextOn.push(this.firstOn.data[to]!);
    this.firstOn.data[to] = made;
    this.firstGroup.push(NONE);
    if (this.offset.data[to] !== NONE) this.select(made);
    return made;
  }

  /** Finds what a dependency accepts of its target, which is open. */
  select(dependency: number): void {
    const entry = this.entries[this.target.data[dependency]!]!;
    const requirement = this.#policy.effective(this.#dependencies[dependency]!);
    this.accepted.data[dependency] = this.#packages.acceptedInto(entry, requirement, this.masks);
  }

  /**
   * Reads a package: its rows, and the groups of its versions. Gives its words, with what is ruled out from the beginning.
   * @throws {BeyondPlain}
   */
  open(number: number): Int32Array {
    const entry = this.#packages.read(this.keys[number]!);
    if (entry === undefined) throw new BeyondPlain();
    const size = entry.candidates.length + 1;
    const width = wordsFor(size);
    this.entries[number] = entry;
    this.offset.data[number] = this.words;
    this.words += width;
    this.size.data[number] = size;
    this.width.data[number] = width;
    this.orders[number] = this.#policy.preference(entry, entry.candidates.length === 0 ? [] : entry.slots.get("")!);
    this.#readRows(number, entry, width);
    for (let one = this.firstOn.data[number]!; one !== NONE; one = this.nextOn.data[one]!)
      if (this.accepted.data[one] === NONE) this.select(one);
    return this.#possible(entry, size, width);
  }

  #possible(entry: PackageEntry, size: number, width: number): Int32Array {
    const words = new Int32Array(width).fill(-1);
    if ((size & 31) !== 0) words[width - 1] = (1 << (size & 31)) - 1;
    for (let i = 0; i < entry.candidates.length; i++) {
      const candidate = entry.candidates[i]!;
      if (!this.#isExcluded(entry.key, candidate)) continue;
      words[(i + 1) >>> 5]! &= ~(1 << ((i + 1) & 31));
    }
    return words;
  }

  #isExcluded(key: PackageKey, candidate: Candidate): boolean {
    const policy = this.#policy;
    if (policy.exclusionsOf(key, candidate).length > 0) return true;
    if (!this.#hasHosts || candidate.hosts === undefined) return false;
    return Object.entries(policy.input.hosts!).some(([axis, versions]) => {
      const asked = candidate.hosts![axis];
      if (asked === undefined) return false;
      const requirement = policy.requirement(asked);
      return versions.some((version) => !acceptsHost(requirement, version));
    });
  }

  #readRows(number: number, { candidates }: PackageEntry, width: number): void {
    const { rowStart, rowEnd, rows, masks } = this;
    const first = rowStart.reserve(candidates.length + 1);
    rowEnd.reserve(candidates.length + 1);
    this.firstRow.data[number] = first;
    // Groups of this package begin here; of a dependency, the latest group is the head of its list.
    const firstGroup = this.owner.length;
    let before: readonly Dependency[] = [];
    const nears: number[] = [];
    for (let i = 0; i < candidates.length; i++) {
      const { dependencies, features } = candidates[i]!;
      // Whoever depends on a package asks for its feature `default`.
      if (features !== undefined && Object.hasOwn(features, "default")) throw new BeyondPlain();
      const word = (i + 1) >>> 5;
      const bit = 1 << ((i + 1) & 31);
      const start = rows.length;
      for (let j = 0; j < dependencies.length; j++) {
        const one = dependencies[j]!;
        const known = one === before[j] ? nears[j]! : (nears[j] = this.dependencyOf(one, false, nears[j] ?? NONE));
        if (known === NONE) continue;
        let group = this.firstGroup.data[known]!;
        if (group < firstGroup) group = this.#addGroup(number, known, width);
        masks.data[this.having.data[group]! + word]! |= bit;
        rows.push(group);
      }
      rowStart.data[first + i + 1] = start;
      rowEnd.data[first + i + 1] = rows.length;
      before = dependencies;
    }
  }

  #addGroup(number: number, known: number, width: number): number {
    const group = this.owner.length;
    this.owner.push(number);
    this.having.push(this.masks.reserve(width));
    this.dependency.push(known);
    this.nextGroup.push(this.firstGroup.data[known]!);
    this.firstGroup.data[known] = group;
    return group;
  }
}
