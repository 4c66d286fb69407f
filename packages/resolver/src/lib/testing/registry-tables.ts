import { wordsFor } from "../bits.ts";
import { Packages, type PackageEntry } from "../compile/packages.ts";
import type { Policy } from "../compile/policy.ts";
import { Ints } from "../core/ints.ts";
import type { Dependency, PackageKey } from "../types.ts";

const NONE = -1;
const UNKNOWN = -2;

/**
 * Packages, versions and dependencies as flat arrays. Packages are numbers, and so are versions: those of a package one after
 * the other, oldest first. Within its package a version is a value, from 1 on; a set of values is words from a place on, bit 0
 * for absence. The versions of one package that have one dependency are a group: a rule speaks of them together.
 */
export interface RegistryTables {
  readonly packages: readonly PackageEntry[];
  readonly numbers: ReadonlyMap<PackageKey, number>;
  /** Package -> its first version; one more at the end. */
  readonly firstVersion: Int32Array;
  /** Package -> first word of a set of its values; one more at the end. */
  readonly firstWord: Int32Array;
  /** Words of all values that there are, absence among them. */
  readonly all: Int32Array;
  /** Version -> its dependencies: places in `rows` and `rowGroups`. */
  readonly rowStart: Int32Array;
  readonly rowEnd: Int32Array;
  /** Numbers of dependencies, and the groups that the version is in for each. */
  readonly rows: Int32Array;
  readonly rowGroups: Int32Array;
  readonly dependencies: readonly Dependency[];
  /** Dependency -> package that is wanted, and place in `masks` of what is accepted there. */
  readonly target: Int32Array;
  readonly mask: Int32Array;
  /**
   * Dependencies by the package that they want: those on one begin at `firstOn`, one more place at the end. Their sets lie one
   * after the other, from `firstMask` on.
   */
  readonly firstOn: Int32Array;
  readonly on: Int32Array;
  readonly firstMask: Int32Array;
  /** Dependency -> the first of its groups; group -> the next; NONE at the end. */
  readonly firstGroup: Int32Array;
  readonly nextGroup: Int32Array;
  /** Package -> its first group; one more at the end. */
  readonly firstGroupOf: Int32Array;
  /** Group -> package, place in `masks` of its values, and the dependency that they have. */
  readonly owner: Int32Array;
  readonly having: Int32Array;
  readonly dependency: Int32Array;
  readonly masks: Int32Array;
  /** Versions against which there may be reasons, as packages and values. */
  readonly doubtfulOwner: Int32Array;
  readonly doubtfulValue: Int32Array;
  /**
   * Spans: neighbouring versions of one package that have the same dependency on whatever most depend on. Span -> package, and its
   * oldest and newest value, and that dependency, NONE for versions without any. Those with one such dependency are next to each
   * other: they mostly go together.
   */
  readonly spanOwner: Int32Array;
  readonly spanOldest: Int32Array;
  readonly spanNewest: Int32Array;
  readonly spanHub: Int32Array;
}

/**
 * Reads everything that `keys` lead to. `undefined` where something is more than "this package in this range": features,
 * conditions, reasons that cannot be read.
 */
export function readTables(policy: Policy, keys: readonly PackageKey[]): RegistryTables | undefined {
  const reader = new Reader(policy);
  for (const key of keys) reader.meet(key);
  return reader.readAll() ? reader.tables() : undefined;
}

class Reader {
  readonly #policy: Policy;
  readonly #source: Packages;
  readonly #keys: PackageKey[] = [];
  readonly #numbers = new Map<PackageKey, number>();
  readonly #packages: PackageEntry[] = [];
  readonly #firstVersion = new Ints(1024);
  readonly #firstWord = new Ints(1024);
  readonly #rowStart = new Ints(8192);
  readonly #rowEnd = new Ints(8192);
  readonly #rows = new Ints(16384);
  readonly #rowGroups = new Ints(16384);
  readonly #known = new Map<Dependency, number>();
  readonly #dependencies: Dependency[] = [];
  readonly #target = new Ints(4096);
  readonly #firstGroup = new Ints(4096);
  readonly #nextGroup = new Ints(8192);
  readonly #firstGroupOf = new Ints(1024);
  readonly #owner = new Ints(8192);
  readonly #having = new Ints(8192);
  readonly #dependency = new Ints(8192);
  readonly #masks = new Ints(16384);
  readonly #doubtfulOwner = new Ints();
  readonly #doubtfulValue = new Ints();
  #words = 0;

  constructor(policy: Policy) {
    this.#policy = policy;
    this.#source = new Packages(policy);
  }

  meet(key: PackageKey): number {
    let number = this.#numbers.get(key);
    if (number === undefined) this.#numbers.set(key, (number = this.#keys.push(key) - 1));
    return number;
  }

  /** Whether all of it is plain. */
  readAll(): boolean {
    for (let number = 0; number < this.#keys.length; number++) {
      const entry = this.#source.read(this.#keys[number]!);
      if (entry === undefined || !this.#readVersions(number, entry)) return false;
    }
    this.#firstVersion.push(this.#rowStart.length);
    this.#firstWord.push(this.#words);
    this.#firstGroupOf.push(this.#owner.length);
    return true;
  }

  #readVersions(number: number, entry: PackageEntry): boolean {
    const { candidates } = entry;
    const width = wordsFor(candidates.length + 1);
    this.#packages.push(entry);
    this.#firstVersion.push(this.#rowStart.length);
    this.#firstWord.push(this.#words);
    this.#words += width;
    const firstGroup = this.#owner.length;
    this.#firstGroupOf.push(firstGroup);
    let before: readonly Dependency[] = [];
    let start = this.#rows.length;
    const { excludesAny } = this.#policy;
    for (let i = 0; i < candidates.length; i++) {
      const { dependencies, features, excluded, hosts } = candidates[i]!;
      // Whoever depends on a package asks for its feature `default`.
      if (features !== undefined && Object.hasOwn(features, "default")) return false;
      if (excludesAny || excluded !== undefined || hosts !== undefined) {
        this.#doubtfulOwner.push(number);
        this.#doubtfulValue.push(i + 1);
      }
      if (dependencies !== before) {
        const near = start;
        const count = this.#rows.length - start;
        start = this.#rows.length;
        for (let j = 0; j < dependencies.length; j++) {
          const one = dependencies[j]!;
          // Mostly a version needs what the one before it needs.
          const isSame = j < count && before[j] === one;
          const known = isSame ? this.#rows.data[near + j]! : (this.#known.get(one) ?? this.#add(one));
          if (known === NONE) return false;
          this.#rows.push(known);
          const group = this.#firstGroup.data[known]!;
          this.#rowGroups.push(group >= firstGroup ? group : this.#addGroup(number, known, width));
        }
        before = dependencies;
      }
      this.#addToGroups(start, i + 1);
      this.#rowStart.push(start);
      this.#rowEnd.push(this.#rows.length);
    }
    return true;
  }

  #addToGroups(start: number, value: number): void {
    const masks = this.#masks.data;
    const having = this.#having.data;
    const groups = this.#rowGroups.data;
    const [word, bit] = [value >>> 5, 1 << (value & 31)];
    for (let at = start; at < this.#rows.length; at++) masks[having[groups[at]!]! + word]! |= bit;
  }

  #addGroup(owner: number, dependency: number, width: number): number {
    const group = this.#owner.length;
    this.#owner.push(owner);
    this.#having.push(this.#masks.reserve(width));
    this.#dependency.push(dependency);
    this.#nextGroup.push(this.#firstGroup.data[dependency]!);
    this.#firstGroup.data[dependency] = group;
    return group;
  }

  /** Number of a dependency that was not seen before; NONE where it is not plain. */
  #add(one: Dependency): number {
    const policy = this.#policy;
    const { features, ifPossible, kind = "normal", hosts, targets } = one;
    const isPlain =
      kind === "normal" &&
      (features?.length ?? 0) === 0 &&
      ifPossible !== true &&
      one.optional !== true &&
      hosts === undefined &&
      targets === undefined;
    if (!isPlain || !policy.isReadable(one)) return NONE;
    const number = this.#dependencies.push(one) - 1;
    this.#known.set(one, number);
    this.#target.push(this.meet(one.key));
    this.#firstGroup.push(NONE);
    return number;
  }

  tables(): RegistryTables {
    const count = this.#dependencies.length;
    const mask = new Int32Array(count);
    const { firstOn, on } = this.#byTarget();
    const firstMask = new Int32Array(this.#packages.length);
    for (let target = 0; target < this.#packages.length; target++) {
      firstMask[target] = this.#masks.length;
      for (let i = firstOn[target]!; i < firstOn[target + 1]!; i++) {
        const requirement = this.#policy.effective(this.#dependencies[on[i]!]!);
        mask[on[i]!] = this.#source.acceptedInto(this.#packages[target]!, requirement, this.#masks);
      }
    }
    return {
      packages: this.#packages,
      numbers: this.#numbers,
      firstVersion: filled(this.#firstVersion),
      firstWord: filled(this.#firstWord),
      all: this.#all(),
      rowStart: filled(this.#rowStart),
      rowEnd: filled(this.#rowEnd),
      rows: filled(this.#rows),
      rowGroups: filled(this.#rowGroups),
      dependencies: this.#dependencies,
      target: filled(this.#target),
      mask,
      firstOn,
      on,
      firstMask,
      firstGroup: filled(this.#firstGroup),
      nextGroup: filled(this.#nextGroup),
      firstGroupOf: filled(this.#firstGroupOf),
      owner: filled(this.#owner),
      having: filled(this.#having),
      dependency: filled(this.#dependency),
      masks: filled(this.#masks),
      doubtfulOwner: filled(this.#doubtfulOwner),
      doubtfulValue: filled(this.#doubtfulValue),
      ...this.#spans(),
    };
  }

  #spans(): Pick<RegistryTables, "spanOwner" | "spanOldest" | "spanNewest" | "spanHub"> {
    const owner = new Ints(4096);
    const oldest = new Ints(4096);
    const newest = new Ints(4096);
    const hubs = new Ints(4096);
    const wanted = this.#wanted();
    const firstVersion = this.#firstVersion.data;
    for (let one = this.#packages.length - 1; one >= 0; one--) {
      const first = firstVersion[one]!;
      let hub = UNKNOWN;
      for (let version = first; version < firstVersion[one + 1]!; version++) {
        const next = version > first && this.#needsTheSame(version) ? hub : this.#hubOf(version, wanted);
        if (next !== hub) {
          owner.push(one);
          oldest.push(version - first + 1);
          newest.push(0);
          hub = next;
          hubs.push(hub);
        }
        newest.data[newest.length - 1] = version - first + 1;
      }
    }
    const order = orderOf(hubs, this.#dependencies.length);
    const ordered = ({ data }: Ints): Int32Array => order.map((place) => data[place]!);
    return {
      spanOwner: ordered(owner),
      spanOldest: ordered(oldest),
      spanNewest: ordered(newest),
      spanHub: ordered(hubs),
    };
  }

  /** Whether a version has the list of the one before it. */
  #needsTheSame(version: number): boolean {
    const { data: start } = this.#rowStart;
    const { data: end } = this.#rowEnd;
    return start[version] === start[version - 1] && end[version] === end[version - 1];
  }

  /** Package -> how many groups want it. */
  #wanted(): Int32Array {
    const wanted = new Int32Array(this.#packages.length);
    const target = this.#target.data;
    const { data, length } = this.#dependency;
    for (let group = 0; group < length; group++) wanted[target[data[group]!]!]!++;
    return wanted;
  }

  /** A version's dependency on the package that most want. */
  #hubOf(version: number, wanted: Int32Array): number {
    const rows = this.#rows.data;
    const target = this.#target.data;
    let most = 0;
    let hub = NONE;
    for (let row = this.#rowStart.data[version]!, end = this.#rowEnd.data[version]!; row < end; row++) {
      const count = wanted[target[rows[row]!]!]!;
      if (count <= most) continue;
      most = count;
      hub = rows[row]!;
    }
    return hub;
  }

  #byTarget(): { readonly firstOn: Int32Array; readonly on: Int32Array } {
    const { data: target, length } = this.#target;
    const firstOn = new Int32Array(this.#packages.length + 1);
    for (let number = 0; number < length; number++) firstOn[target[number]! + 1]!++;
    for (let one = 0; one < this.#packages.length; one++) firstOn[one + 1]! += firstOn[one]!;
    const next = firstOn.slice();
    const on = new Int32Array(length);
    for (let number = 0; number < length; number++) on[next[target[number]!]!++] = number;
    return { firstOn, on };
  }

  #all(): Int32Array {
    const all = new Int32Array(this.#words).fill(-1);
    for (let number = 0; number < this.#packages.length; number++) {
      const rest = (this.#packages[number]!.candidates.length + 1) & 31;
      if (rest !== 0) all[this.#firstWord.data[number + 1]! - 1] = (1 << rest) - 1;
    }
    return all;
  }
}

function filled({ data, length }: Ints): Int32Array {
  return data.subarray(0, length);
}

/** Places of numbers from NONE up to a limit, the smallest number first; equal ones in their order. */
function orderOf({ data, length }: Ints, limit: number): Int32Array {
  const next = new Int32Array(limit + 2);
  for (let i = 0; i < length; i++) next[data[i]! + 2]!++;
  for (let i = 0; i <= limit; i++) next[i + 1]! += next[i]!;
  const order = new Int32Array(length);
  for (let i = 0; i < length; i++) order[next[data[i]! + 1]!++] = i;
  return order;
}
