/** `[text, lo, hi, lo, hi, ...]`: inclusive intervals of version indices. */
export type Range = readonly [text: string, ...bounds: number[]];

/** A package of a `resolver-cases/1` file: versions oldest first, one table of dependencies for each. */
export interface CasePackage {
  readonly versions: readonly string[];
  readonly ranges: readonly Range[];
  /** Dependency -> index into the dependency's `ranges`. */
  readonly deps: readonly Readonly<Record<string, number>>[];
  readonly optional?: readonly (Readonly<Record<string, number>> | null)[];
}

export type CaseUniverse = Readonly<Record<string, CasePackage>>;

export interface Case {
  readonly name: string;
  readonly universe: string;
  readonly root: Readonly<Record<string, Range>>;
  readonly expect: { readonly result?: "sat" | "unsat" };
}

/** A file of cases, or of roots: every version of the packages named there by itself, `s` or `u`. */
export interface CaseFile {
  readonly format: "resolver-cases/1";
  readonly universes: Readonly<Record<string, CaseUniverse>>;
  readonly cases?: readonly Case[];
  readonly roots?: Readonly<Record<string, string>>;
}

/** Numbers in [0, 1) that are the same for the same seed everywhere (mulberry32). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

class Builder {
  readonly #packages: Record<string, { versions: string[]; ranges: Range[]; deps: Record<string, number>[] }> = {};
  readonly #known = new Map<string, number>();

  /** A package of `versions` versions `1.0.0`, `1.0.1`, ... */
  package(name: string, versions: number): void {
    const numbers = Array.from({ length: versions }, (_, index) => `1.0.${index}`);
    this.#packages[name] = { versions: numbers, ranges: [], deps: numbers.map(() => ({})) };
  }

  /** Version number `version` of `from` needs a version of `to` from number `low` to `high`. */
  need(from: string, version: number, to: string, low: number, high: number): void {
    const id = `${to} ${low} ${high}`;
    const { ranges } = this.#packages[to]!;
    let index = this.#known.get(id);
    if (index === undefined) {
      this.#known.set(id, (index = ranges.length));
      const [text, ...bounds] = interval(low, high);
      // A package without versions has nothing to be in the interval.
      ranges.push(this.#packages[to]!.versions.length === 0 ? [text] : [text, ...bounds]);
    }
    this.#packages[from]!.deps[version]![to] = index;
  }

  file(name: string, root: Readonly<Record<string, Range>>): CaseFile {
    return {
      format: "resolver-cases/1",
      universes: { one: this.#packages },
      cases: [{ name, universe: "one", root, expect: { result: "sat" } }],
    };
  }
}

/** The requirement text is canonical syntax, so that the same file can be read as SemVer. */
export function interval(low: number, high: number): Range {
  return [low === high ? `=1.0.${low}` : `>=1.0.${low} <=1.0.${high}`, low, high];
}

export interface Planted {
  readonly packages: number;
  readonly versions: number;
  readonly dependencies: number;
  /** Versions that an interval reaches to either side of its middle. */
  readonly tightness: number;
  readonly seed: number;
  /** Whether packages may need each other in circles, which cargo refuses. */
  readonly cyclic?: boolean;
}

/**
 * A random registry in which a solution is hidden. Every package has one planted version; it depends on `dependencies` other
 * packages, the same in all of its versions, in an interval that is random, but for the planted version, whose intervals
 * hold the planted versions of the others. The project needs any version of the first package.
 */
export function planted({ packages, versions, dependencies, tightness, seed, cyclic = false }: Planted): CaseFile {
  const next = random(seed);
  const integer = (below: number): number => Math.floor(next() * below);
  const solution = Array.from({ length: packages }, () => integer(versions));
  const builder = new Builder();
  for (let from = 0; from < packages; from++) builder.package(`p${from}`, versions);
  for (let from = 0; from < packages; from++) {
    const first = cyclic ? 0 : from + 1;
    const targets = new Set<number>();
    while (targets.size < Math.min(dependencies, packages - first - (cyclic ? 1 : 0))) {
      const to = first + integer(packages - first);
      if (to !== from) targets.add(to);
    }
    for (let version = 0; version < versions; version++) {
      for (const to of targets) {
        const isPlanted = version === solution[from];
        const middle = isPlanted ? solution[to]! + integer(2 * tightness + 1) - tightness : integer(versions);
        const high = Math.min(versions - 1, middle + tightness);
        builder.need(`p${from}`, version, `p${to}`, Math.max(0, middle - tightness), high);
      }
    }
  }
  const name = `planted:${packages},${versions},${dependencies},${tightness}${cyclic ? " in circles" : ""}, seed ${seed}`;
  return builder.file(name, { p0: interval(0, versions - 1) });
}

/**
 * A chain of packages in which each version needs exactly the same version of the next, and the last package has no
 * version at all: every version of the first has to be followed to the end, until its oldest, which needs nothing.
 */
export function singletons(packages: number, versions: number): CaseFile {
  const builder = chain(packages - 1, versions);
  builder.package("end", 0);
  for (let version = 0; version < versions - 1; version++)
    builder.need(`p${packages - 2}`, version, "end", version, version);
  return builder.file(`singletons:${packages},${versions}`, { p0: interval(0, versions - 1) });
}

/** The same chain, but its end needs a version of a package of which the project itself needs another. */
export function disjoint(packages: number, versions: number): CaseFile {
  const builder = chain(packages, versions);
  builder.package("z", versions);
  for (let version = 0; version < versions - 1; version++) {
    builder.need(`p${packages - 1}`, version, "z", version + 1, version + 1);
  }
  const root = { p0: interval(0, versions - 1), z: interval(0, 0) };
  return builder.file(`disjoint:${packages},${versions}`, root);
}

/** The first package has one version more than the others, its oldest, and that needs nothing. */
function chain(packages: number, versions: number): Builder {
  const builder = new Builder();
  for (let one = 0; one < packages; one++) builder.package(`p${one}`, one === 0 ? versions : versions - 1);
  for (let version = 1; version < versions; version++) builder.need("p0", version, "p1", version - 1, version - 1);
  for (let from = 1; from + 1 < packages; from++) {
    for (let version = 0; version < versions - 1; version++) {
      builder.need(`p${from}`, version, `p${from + 1}`, version, version);
    }
  }
  return builder;
}

/** A short chain of open ranges, the newer the version the wider; the last package has no version at all. */
export function ranges(packages: number, versions: number): CaseFile {
  const builder = new Builder();
  for (let one = 0; one < packages - 1; one++) builder.package(`p${one}`, one === 0 ? versions : versions - 1);
  builder.package("end", 0);
  for (let from = 0; from + 2 < packages; from++) {
    for (let step = 1; step < versions; step++) {
      builder.need(`p${from}`, from === 0 ? step : step - 1, `p${from + 1}`, versions - 1 - step, versions - 2);
    }
  }
  for (let version = 0; version < versions - 1; version++) {
    builder.need(`p${packages - 2}`, version, "end", versions - 2, versions - 2);
  }
  return builder.file(`ranges:${packages},${versions}`, { p0: interval(0, versions - 1) });
}

/** A binary tree of packages of one version each, without any choice. */
export function tree(packages: number): CaseFile {
  const builder = new Builder();
  for (let one = 0; one < packages; one++) builder.package(`p${one}`, 1);
  for (let one = 1; one < packages; one++) builder.need(`p${Math.floor((one - 1) / 2)}`, 0, `p${one}`, 0, 0);
  return builder.file(`tree:${packages}`, { p0: interval(0, 0) });
}

/**
 * What a typical project needs: `packages` packages in `depth` layers, each with several releases; every release needs
 * three packages of the next layer from some release on. The project needs every package of the first.
 */
export function typical(options: { packages: number; depth: number; versions: number; seed: number }): CaseFile {
  const { packages, depth, versions, seed } = options;
  const next = random(seed);
  const width = Math.floor(packages / depth);
  // What is left over when layers are alike is in the last.
  const widthOf = (layer: number): number => (layer === depth - 1 ? packages - width * (depth - 1) : width);
  const builder = new Builder();
  for (let layer = 0; layer < depth; layer++)
    for (let one = 0; one < widthOf(layer); one++) builder.package(`l${layer}-${one}`, versions);
  for (let layer = 0; layer + 1 < depth; layer++) {
    for (let one = 0; one < widthOf(layer); one++) {
      for (let version = 0; version < versions; version++) {
        for (const step of [0, 7, 13]) {
          const to = (one + step) % widthOf(layer + 1);
          const low = Math.floor(next() * versions * 0.5);
          builder.need(`l${layer}-${one}`, version, `l${layer + 1}-${to}`, low, versions - 1);
        }
      }
    }
  }
  const root = Array.from({ length: width }, (_, one): [string, Range] => [`l0-${one}`, interval(0, versions - 1)]);
  return builder.file(`typical:${packages} packages, depth ${depth}`, Object.fromEntries(root));
}

/** Projects that need any version of some packages of a real registry, chosen by chance. */
export function projects(universe: CaseUniverse, options: { count: number; needs: number; seed: number }): CaseFile {
  const next = random(options.seed);
  const names = Object.keys(universe).filter((name) => universe[name]!.versions.length > 0);
  const cases = Array.from({ length: options.count }, (_, number): Case => {
    const wanted = new Set<string>();
    while (wanted.size < options.needs) wanted.add(names[Math.floor(next() * names.length)]!);
    const root = [...wanted].map((name): [string, Range] => [name, ["*", 0, universe[name]!.versions.length - 1]]);
    return { name: `project ${number + 1}`, universe: "one", root: Object.fromEntries(root), expect: {} };
  });
  return { format: "resolver-cases/1", universes: { one: universe }, cases };
}
