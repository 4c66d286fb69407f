import { wordsFor } from "../bits.ts";
import { acceptsHost, requirementText, signatureOf } from "../compile/facts.ts";
import { Packages, type PackageEntry } from "../compile/packages.ts";
import type { Policy } from "../compile/policy.ts";
import { Ints } from "../core/ints.ts";
import type { Candidate, Dependency, PackageKey, PackageMetadata } from "../types.ts";

const NONE = -1;
const NO_VALUES: readonly number[] = [];
/** An order that nobody has asked for yet. */
const UNREAD: readonly number[] = [];

/** Something more than "this package in this range" plays a part, or metadata is missing: another search has to tell. */
export class BeyondPlain extends Error {}

/**
 * The rules of a question of which all is known and in which every dependency is plain, as flat arrays. Packages, dependencies
 * (a range of a package, whoever wants it) and groups (the versions of one package that have one dependency) are numbers; a
 * set of versions is words from a place on, bit 0 for absence. A package's versions are read when it is first opened; what was
 * read serves other questions of the same registry, too, which differ in environment and lock only.
 */
export class PlainRules {
  readonly masks: Ints = new Ints(4096);

  // Packages.
  readonly keys: PackageKey[] = [];
  readonly entries: (PackageEntry | undefined)[] = [];
  /** Values best first, locks apart; `undefined`: the highest first. */
  readonly orders: (readonly number[] | undefined)[] = [];
  /** Values that the lock has, best first. */
  readonly locked: (readonly number[])[] = [];
  /** Place of a package's words in a state, NONE until it is read; how many values it has, and words. */
  readonly offset: Ints = new Ints(256);
  readonly size: Ints = new Ints(256);
  readonly width: Ints = new Ints(256);
  /** Words of all values that there are. */
  readonly all: Ints = new Ints(256);
  /** First of the dependencies on a package, or NONE. */
  readonly firstOn: Ints = new Ints(256);
  /** Latest of the pairs of a package and one that has dependencies on it, or NONE. */
  readonly firstPair: Ints = new Ints(256);
  /** 1 for packages of which a dependency accepts nothing; 1 for those that depend on themselves. */
  readonly isOnNothing: Ints = new Ints(256);
  readonly isOnItself: Ints = new Ints(256);
  /** Place of a package's first value in `rowStart` and `rowEnd`. */
  readonly firstRow: Ints = new Ints(256);
  /** Number of the environments in which the same dependencies count. */
  mode = 0;
  /** Whether a package was found to be other than it was when it was read. */
  isStale = false;
  /** Whether a package was read in part only. */
  isBroken = false;

  // Dependencies.
  readonly target: Ints = new Ints(1024);
  /** What is accepted, once the target is read. */
  readonly accepted: Ints = new Ints(1024);
  readonly support: Ints = new Ints(1024);
  readonly nextOn: Ints = new Ints(1024);
  readonly firstGroup: Ints = new Ints(1024);
  /** 1 for those that count in some environments only. */
  readonly isSometimes: Ints = new Ints(1024);
  /** 1 for those that do not count in the environment of the question. */
  readonly isOff: Ints = new Ints(1024);
  readonly #dependencies: Dependency[] = [];

  // Groups.
  readonly owner: Ints = new Ints(2048);
  readonly having: Ints = new Ints(2048);
  readonly dependency: Ints = new Ints(2048);
  readonly nextGroup: Ints = new Ints(2048);
  /** The next group of the same pair, or NONE. */
  readonly nextOfPair: Ints = new Ints(2048);
  /** Groups of a package: from one number to before another. */
  readonly firstGroupOf: Ints = new Ints(256);
  readonly endGroupOf: Ints = new Ints(256);

  // Pairs of a package and one that depends on it.
  readonly pairOwner: Ints = new Ints(512);
  readonly pairGroup: Ints = new Ints(512);
  readonly nextPair: Ints = new Ints(512);

  /** The value of a package that was asked for last, and what it is called: one text, so that it is hashed once. */
  readonly #named = new Ints(256);
  readonly #ids: string[] = [];
  /** Groups of each value. */
  readonly rowStart: Ints = new Ints(1024);
  readonly rowEnd: Ints = new Ints(1024);
  readonly rows: Ints = new Ints(4096);

  #policy: Policy;
  readonly #packages: Packages;
  readonly #numbers = new Map<PackageKey, number>();
  /** Package -> text -> dependency. */
  readonly #byText: Map<string, number>[] = [];
  readonly #metadata: (PackageMetadata | undefined)[] = [];
  /** Dependencies that count in some environments only. */
  readonly #sometimes: number[] = [];
  readonly #modes = new Map<string, number>();
  /** 1 for packages of which a version has reasons against it, or asks for hosts. */
  readonly #isSpecial = new Ints(256);
  /** Values best first, locks apart, once something asks for them: newest first, and oldest first. */
  readonly #newest: (readonly number[] | undefined)[] = [];
  readonly #oldest: (readonly number[] | undefined)[] = [];
  #excludes: boolean;

  constructor(policy: Policy) {
    this.#policy = policy;
    this.#packages = new Packages(policy);
    this.#excludes = policy.excludesAny;
  }

  /** Words of all packages that were read. */
  get words(): number {
    return this.all.length;
  }

  /** Goes over to another question of the same registry. */
  begin(policy: Policy): void {
    this.#policy = policy;
    this.#excludes = policy.excludesAny;
    let off = "";
    for (const one of this.#sometimes) off += this.isOff.data[one] = this.#offNow(this.#dependencies[one]!);
    const known = this.#modes.get(off);
    // What was learned while fewer dependencies were known belongs to another mode: there are as many as texts.
    if (known === undefined) this.#modes.set(off, (this.mode = this.#modes.size + 1));
    else this.mode = known;
  }

  #offNow(one: Dependency): number {
    // Those that only count for roots are told apart by whoever reads them.
    return this.#policy.counts(one, true) ? 0 : 1;
  }

  /** Number of a package that a dependency leads to. */
  numberOf(key: PackageKey): number {
    return this.#numbers.get(key)!;
  }

  /** Package and version of a value of a package that is read. */
  idOf(number: number, value: number): string {
    if (this.#named.data[number] === value) return this.#ids[number]!;
    this.#named.data[number] = value;
    return (this.#ids[number] = `${this.keys[number]!} ${this.entries[number]!.candidates[value - 1]!.version}`);
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
    this.firstPair.push(NONE);
    this.isOnNothing.push(0);
    this.isOnItself.push(0);
    this.firstRow.push(NONE);
    this.firstGroupOf.push(0);
    this.endGroupOf.push(0);
    this.#isSpecial.push(0);
    this.#named.push(0);
    this.#ids.push("");
    this.#newest.push(UNREAD);
    this.#oldest.push(UNREAD);
    return made;
  }

  /**
   * Number of a dependency of a package, or of a root; NONE where it never counts.
   * @throws {BeyondPlain}
   */
  dependencyOf(one: Dependency, ofRoot: boolean, near: number): number {
    let text = requirementText(one.requirement);
    if (!this.#isBare(one)) {
      if (one.kind === "dev" && !ofRoot) return NONE;
      if (this.#policy.isGated(one)) return NONE;
      const isMore = one.ifPossible === true || (one.features?.length ?? 0) > 0 || this.#policy.isConditional(one);
      if (isMore) throw new BeyondPlain();
      if (one.hosts !== undefined || one.targets !== undefined) text = signatureOf(one);
    }
    const to =
      near !== NONE && this.keys[this.target.data[near]!] === one.key ? this.target.data[near]! : this.package(one.key);
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
    const isSometimes = one.hosts !== undefined || one.targets !== undefined;
    if (isSometimes) this.#sometimes.push(made);
    this.isSometimes.push(isSometimes ? 1 : 0);
    this.isOff.push(isSometimes ? this.#offNow(one) : 0);
    if (this.offset.data[to] !== NONE) this.#select(made);
    return made;
  }

  /** Finds what a dependency accepts of its target, which is read. */
  #select(dependency: number): void {
    const to = this.target.data[dependency]!;
    const requirement = this.#policy.effective(this.#dependencies[dependency]!);
    const accepted = this.#packages.acceptedInto(this.entries[to]!, requirement, this.masks);
    this.accepted.data[dependency] = accepted;
    let any = 0;
    for (let i = this.width.data[to]! - 1; i >= 0; i--) any |= this.masks.data[accepted + i]!;
    if (any === 0) this.isOnNothing.data[to] = 1;
  }

  /**
   * Opens a package: its rows, and the groups of its versions.
   * @throws {BeyondPlain}
   */
  open(number: number): void {
    const metadata = this.#policy.provider.get(this.keys[number]!);
    if (metadata === undefined) throw new BeyondPlain();
    if (this.offset.data[number] === NONE) this.#read(number, metadata);
    const entry = this.entries[number]!;
    if (this.#metadata[number] !== metadata || entry.candidates.length !== metadata.candidates.length) {
      this.isStale = true;
      throw new BeyondPlain();
    }
    this.orders[number] = this.#orderOf(number, entry);
    this.locked[number] = this.#lockedOf(number, entry);
  }

  #orderOf(number: number, entry: PackageEntry): readonly number[] | undefined {
    const known = this.#policy.prefersOldest(entry.key) ? this.#oldest : this.#newest;
    if (known[number] === UNREAD) known[number] = this.#policy.order(entry, entry.slots.get("") ?? []);
    return known[number];
  }

  #lockedOf(number: number, { key, candidates }: PackageEntry): readonly number[] {
    const versions = this.#policy.lockedVersions(key);
    if (versions === undefined) return NO_VALUES;
    if (versions.size === 1) {
      // Mostly it is the version of the question before.
      const known = this.locked[number] ?? NO_VALUES;
      if (known.length === 1 && versions.has(candidates[known[0]! - 1]!.version)) return known;
    }
    const values: number[] = [];
    for (let i = 0; i < candidates.length; i++) if (versions.has(candidates[i]!.version)) values.push(i + 1);
    if (values.length < 2) return values;
    const order = this.orders[number];
    return order === undefined ? values.reverse() : order.filter((value) => values.includes(value));
  }

  #read(number: number, metadata: PackageMetadata): void {
    const entry = this.#packages.read(this.keys[number]!)!;
    const size = entry.candidates.length + 1;
    const width = wordsFor(size);
    this.#metadata[number] = metadata;
    this.entries[number] = entry;
    this.offset.data[number] = this.#allOf(size, width);
    const isSpecial = entry.candidates.some(
      ({ excluded, hosts }) => (excluded?.length ?? 0) > 0 || hosts !== undefined,
    );
    this.#isSpecial.data[number] = isSpecial ? 1 : 0;
    this.size.data[number] = size;
    this.width.data[number] = width;
    this.isBroken = true;
    this.#readRows(number, entry, width);
    this.isBroken = false;
    for (let one = this.firstOn.data[number]!; one !== NONE; one = this.nextOn.data[one]!)
      if (this.accepted.data[one] === NONE) this.#select(one);
  }

  /** Adds the words of a package; gives their place. */
  #allOf(size: number, width: number): number {
    const at = this.all.reserve(width);
    this.all.data.fill(-1, at, at + width);
    if ((size & 31) !== 0) this.all.data[at + width - 1] = (1 << (size & 31)) - 1;
    return at;
  }

  /** Whether nothing of a package is ruled out from the beginning. */
  isWhole(number: number): boolean {
    return this.#isSpecial.data[number] === 0 && !this.#excludes;
  }

  /** Writes a package's words, without what is ruled out from the beginning, at their place. */
  possibleInto(words: Int32Array, number: number): void {
    const at = this.offset.data[number]!;
    for (let i = at; i < at + this.width.data[number]!; i++) words[i] = this.all.data[i]!;
    if (this.isWhole(number)) return;
    const { key, candidates } = this.entries[number]!;
    for (let i = 0; i < candidates.length; i++) {
      if (!this.#isExcluded(key, candidates[i]!)) continue;
      words[at + ((i + 1) >>> 5)]! &= ~(1 << ((i + 1) & 31));
    }
  }

  #isExcluded(key: PackageKey, candidate: Candidate): boolean {
    const policy = this.#policy;
    if (policy.exclusionsOf(key, candidate).length > 0) return true;
    const { hosts } = policy.input;
    if (hosts === undefined || candidate.hosts === undefined) return false;
    return Object.entries(hosts).some(([axis, versions]) => {
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
    this.firstGroupOf.data[number] = firstGroup;
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
    this.endGroupOf.data[number] = this.owner.length;
  }

  #addGroup(number: number, known: number, width: number): number {
    const group = this.owner.length;
    this.owner.push(number);
    this.having.push(this.masks.reserve(width));
    this.dependency.push(known);
    this.nextGroup.push(this.firstGroup.data[known]!);
    this.firstGroup.data[known] = group;
    if (this.target.data[known] === number) this.isOnItself.data[number] = 1;
    const pair = this.#pairOf(number, this.target.data[known]!);
    this.nextOfPair.push(this.pairGroup.data[pair]!);
    this.pairGroup.data[pair] = group;
    return group;
  }

  /** The pair of a package whose rows are read, and one that it depends on. */
  #pairOf(number: number, to: number): number {
    const latest = this.firstPair.data[to]!;
    if (latest !== NONE && this.pairOwner.data[latest] === number) return latest;
    const pair = this.pairOwner.length;
    this.pairOwner.push(number);
    this.pairGroup.push(NONE);
    this.nextPair.push(latest);
    this.firstPair.data[to] = pair;
    return pair;
  }
}
