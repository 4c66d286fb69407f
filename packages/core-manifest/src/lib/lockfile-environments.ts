import type { LockPackage, Lockfile } from "./lockfile-model.ts";
import { lockReferences, splitReference } from "./lockfile-references.ts";

/** One environment of a lock: axis -> value. A lock without axes has one environment, `{}`. */
export type LockEnvironment = Readonly<Record<string, string>>;

/** Most environments of one lock. */
export const LOCK_ENVIRONMENTS_MAX = 1024;

/** Keys of `[environment]` that are no axes: they say how a lock was made, and are the same everywhere. */
const NO_AXES: ReadonlySet<string> = new Set(["features", "profile"]);

/** The environments that a lock is valid for, and the conditions that name some of them (`docs/spec/lockfile.md`). */
export interface LockGrid {
  /** By name; values as the lock lists them. */
  readonly axes: readonly { readonly name: string; readonly values: readonly string[] }[];
  /** Every combination, the first axis changing slowest. */
  readonly environments: readonly LockEnvironment[];
  /** Index of an environment; values of axes that the lock does not have are ignored. `undefined`: not one of the lock's. */
  indexOf(environment: LockEnvironment): number | undefined;
  /** The canonical conditions that mean exactly these environments; `undefined` where they are all of them. */
  conditionsOf(cells: ReadonlySet<number>): readonly string[] | undefined;
  /** The environments that a condition means; `undefined` where it is none of this grid. */
  cellsOf(condition: string): ReadonlySet<number> | undefined;
}

/** Reads the axes of a lock's `[environment]`. */
export function lockGrid(environment: Lockfile["environment"]): LockGrid {
  const axes = Object.keys(environment ?? {})
    .filter((name) => !NO_AXES.has(name) && environment![name]!.length > 0)
    .sort()
    .map((name) => ({ name, values: [...new Set(environment![name])] }));
  const size = axes.reduce((count, { values }) => count * values.length, 1);
  const environments = size > LOCK_ENVIRONMENTS_MAX ? [] : expand(axes);
  const rendered = new Map<string, readonly string[] | undefined>();
  const read = new Map<string, ReadonlySet<number> | undefined>();
  return {
    axes,
    environments,
    indexOf: (wanted) => place(axes, wanted),
    conditionsOf(cells) {
      const key = [...cells].sort((a, b) => a - b).join();
      if (!rendered.has(key)) {
        const mask = environments.map((_, cell) => cells.has(cell));
        rendered.set(key, mask.every(Boolean) ? undefined : products(axes, mask).map(productText));
      }
      return rendered.get(key);
    },
    cellsOf(condition) {
      if (!read.has(condition)) read.set(condition, readProduct(axes, environments, condition));
      return read.get(condition);
    },
  };
}

type Axes = LockGrid["axes"];

function expand(axes: Axes): LockEnvironment[] {
  let cells: LockEnvironment[] = [{}];
  for (const { name, values } of axes) {
    cells = cells.flatMap((cell) => values.map((value) => ({ ...cell, [name]: value })));
  }
  return cells;
}

function place(axes: Axes, wanted: LockEnvironment): number | undefined {
  let index = 0;
  for (const { name, values } of axes) {
    const at = values.indexOf(wanted[name] ?? "");
    if (at === -1) return undefined;
    index = index * values.length + at;
  }
  return index;
}

type Product = readonly { readonly name: string; readonly values: readonly string[] }[];

/**
 * The one way in which a set is written: values of the first axis that leave the same rest are taken together, an axis
 * that leaves the same rest for all of its values is left out, and the rest is written likewise.
 */
function products([axis, ...rest]: Axes, mask: readonly boolean[]): Product[] {
  if (axis === undefined) return mask[0] === true ? [[]] : [];
  const stride = mask.length / axis.values.length;
  const groups = new Map<string, { readonly values: string[]; readonly mask: readonly boolean[] }>();
  for (const [index, value] of axis.values.entries()) {
    const part = mask.slice(index * stride, (index + 1) * stride);
    if (!part.some(Boolean)) continue;
    const key = part.map(Number).join("");
    const group = groups.get(key) ?? { values: [], mask: part };
    group.values.push(value);
    groups.set(key, group);
  }
  return [...groups.values()].flatMap((group) => {
    const own = group.values.length === axis.values.length ? [] : [{ name: axis.name, values: group.values }];
    return products(rest, group.mask).map((product) => [...own, ...product]);
  });
}

function productText(product: Product): string {
  return product.map(({ name, values }) => `${name}=${values.join("|")}`).join(" & ");
}

function readProduct(
  axes: Axes,
  environments: readonly LockEnvironment[],
  condition: string,
): ReadonlySet<number> | undefined {
  const wanted = new Map<string, ReadonlySet<string>>();
  for (const factor of condition.split("&")) {
    const [name, values, ...more] = factor.trim().split("=");
    const axis = axes.find((one) => one.name === name);
    const chosen = values?.split("|");
    if (axis === undefined || chosen === undefined || more.length > 0 || wanted.has(axis.name)) return undefined;
    if (!chosen.every((value) => axis.values.includes(value))) return undefined;
    wanted.set(axis.name, new Set(chosen));
  }
  const meant = environments.map((one) => [...wanted].every(([name, values]) => values.has(one[name]!)));
  return new Set(meant.flatMap((is, cell) => (is ? [cell] : [])));
}

/** The texts of a reference that holds in some environments only: one for each condition; without any, the reference. */
export function conditionalReferences(reference: string, conditions: readonly string[] | undefined): string[] {
  return conditions === undefined ? [reference] : conditions.map((condition) => `[${condition}] ${reference}`);
}

/**
 * What a lock says of one environment: a lock with the packages and references that are there, and without conditions.
 * `undefined` where the lock does not cover the environment.
 */
export function lockForEnvironment(lock: Lockfile, environment: LockEnvironment): Lockfile | undefined {
  const grid = lockGrid(lock.environment);
  const cell = grid.indexOf(environment);
  if (cell === undefined) return undefined;
  const here = (conditions: readonly string[] | undefined): boolean =>
    conditions === undefined || conditions.some((condition) => grid.cellsOf(condition)?.has(cell) === true);
  const present = new Set(lock.packages.filter(({ environments }) => here(environments)));
  const all = lockReferences(lock.packages);
  const own = (references: readonly string[]): string[] => {
    const kept = references.flatMap((text) => {
      const { condition, reference } = splitReference(text);
      if (condition !== undefined && !here([condition])) return [];
      const target = all.find(reference);
      // A reference may mean a root, which is everywhere.
      return target === undefined || present.has(target) ? [reference] : [];
    });
    return [...new Set(kept)];
  };
  const packages = [...present].map((entry): LockPackage => {
    const { environments: _environments, ranges: _ranges, ...rest } = entry;
    const ranges = (entry.ranges ?? []).flatMap((text) => {
      const { condition, reference } = splitReference(text);
      return condition === undefined || here([condition]) ? [reference] : [];
    });
    return {
      ...rest,
      ...(ranges.length === 0 ? {} : { ranges: [...new Set(ranges)] }),
      dependencies: own(entry.dependencies),
    };
  });
  const single = Object.fromEntries(grid.axes.map(({ name }) => [name, [environment[name]!]]));
  return {
    ...lock,
    ...(lock.environment === undefined ? {} : { environment: { ...lock.environment, ...single } }),
    ...(lock.members === undefined
      ? {}
      : { members: Object.fromEntries(Object.entries(lock.members).map(([name, list]) => [name, own(list)])) }),
    packages,
  };
}
