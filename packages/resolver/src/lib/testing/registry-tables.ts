import { wordsFor } from "../bits.ts";
import { Packages, type PackageEntry } from "../compile/packages.ts";
import type { Policy } from "../compile/policy.ts";
import { Ints } from "../core/ints.ts";
import type { Dependency, PackageKey } from "../types.ts";

/**
 * Packages, versions and dependencies as flat arrays: packages and versions by number, the versions of a package one after the
 * other, oldest first; sets of versions as words that begin at a place.
 */
export interface RegistryTables {
  readonly packages: readonly PackageEntry[];
  readonly numbers: ReadonlyMap<PackageKey, number>;
  /** Package -> its first version; one more at the end. */
  readonly firstVersion: Int32Array;
  /** Package -> first word of a set of its versions; one more at the end. */
  readonly firstWord: Int32Array;
  readonly ownerOf: Int32Array;
  /** Version -> its dependencies: places in `rows`. */
  readonly rowStart: Int32Array;
  readonly rowEnd: Int32Array;
  /** Numbers of dependencies. */
  readonly rows: Int32Array;
  readonly dependencies: readonly Dependency[];
  /** Dependency -> package that is wanted, and place of the set in `masks`. */
  readonly target: Int32Array;
  readonly mask: Int32Array;
  readonly masks: Int32Array;
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
  readonly #ownerOf = new Ints(4096);
  readonly #rowStart = new Ints(4096);
  readonly #rowEnd = new Ints(4096);
  readonly #rows = new Ints(16384);
  readonly #known = new Map<Dependency, number>();
  readonly #dependencies: Dependency[] = [];
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
    this.#firstVersion.push(this.#ownerOf.length);
    this.#firstWord.push(this.#words);
    return true;
  }

  #readVersions(number: number, entry: PackageEntry): boolean {
    this.#packages.push(entry);
    this.#firstVersion.push(this.#ownerOf.length);
    this.#firstWord.push(this.#words);
    this.#words += wordsFor(entry.candidates.length);
    let before: readonly Dependency[] | undefined;
    let start = 0;
    for (const { dependencies, features } of entry.candidates) {
      // Whoever depends on a package asks for its feature `default`.
      if (features !== undefined && Object.hasOwn(features, "default")) return false;
      if (dependencies !== before) {
        before = dependencies;
        start = this.#rows.length;
        for (const one of dependencies) {
          const known = this.#known.get(one) ?? this.#add(one);
          if (known < 0) return false;
          this.#rows.push(known);
        }
      }
      this.#ownerOf.push(number);
      this.#rowStart.push(start);
      this.#rowEnd.push(this.#rows.length);
    }
    return true;
  }

  /** Number of a dependency that was not seen before; -1 where it is not plain. */
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
    if (!isPlain || !policy.isReadable(one)) return -1;
    this.meet(one.key);
    const number = this.#dependencies.push(one) - 1;
    this.#known.set(one, number);
    return number;
  }

  tables(): RegistryTables {
    const count = this.#dependencies.length;
    const target = new Int32Array(count);
    const mask = new Int32Array(count);
    const masks = new Ints(4096);
    for (let number = 0; number < count; number++) {
      const one = this.#dependencies[number]!;
      target[number] = this.#numbers.get(one.key)!;
      mask[number] = this.#select(this.#packages[target[number]!]!, one, masks);
    }
    const filled = ({ data, length }: Ints): Int32Array => data.subarray(0, length);
    return {
      packages: this.#packages,
      numbers: this.#numbers,
      firstVersion: filled(this.#firstVersion),
      firstWord: filled(this.#firstWord),
      ownerOf: filled(this.#ownerOf),
      rowStart: filled(this.#rowStart),
      rowEnd: filled(this.#rowEnd),
      rows: filled(this.#rows),
      dependencies: this.#dependencies,
      target,
      mask,
      masks: filled(masks),
    };
  }

  /** Versions in range, the oldest as bit 0. */
  #select(entry: PackageEntry, one: Dependency, masks: Ints): number {
    const accepted = this.#source.accepted(entry, this.#policy.effective(one));
    const width = wordsFor(entry.candidates.length);
    const at = masks.reserve(width);
    // There, bit 0 is absence.
    for (let i = 0; i < width; i++) masks.data[at + i] = (accepted[i]! >>> 1) | ((accepted[i + 1] ?? 0) << 31);
    return at;
  }
}
