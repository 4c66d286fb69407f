import { parseRequirement } from "@lading/core-manifest";
import type { VersionRequirement } from "../types.ts";

const DOT = 46;
const ZERO = 48;
const NINE = 57;
/** Numbers from here on are left to the full grammar: three smaller ones fit into one exact number. */
const LIMIT = 131_072;

/** `MAJOR.MINOR.PATCH` as one number that orders like the version; NaN for everything else, pre-releases among it. */
export function versionKey(text: string, start: number = 0, end: number = text.length): number {
  let key = 0;
  let place = start;
  for (let part = 0; part < 3; part++) {
    const first = place;
    let value = 0;
    for (; place < end; place++) {
      const code = text.charCodeAt(place);
      if (code < ZERO || code > NINE) break;
      value = value * 10 + (code - ZERO);
      if (value >= LIMIT) return Number.NaN;
    }
    if (place === first || (place > first + 1 && text.charCodeAt(first) === ZERO)) return Number.NaN;
    if (part < 2 && text.charCodeAt(place++) !== DOT) return Number.NaN;
    key = key * LIMIT + value;
  }
  return place === end ? key : Number.NaN;
}

/**
 * The range of a canonical text with one lower and one upper bound, neither of which names a pre-release: nearly all that
 * registries hold. `undefined` for the rest, and for what canon would write otherwise; the full grammar has the last word.
 */
export function simpleRange(text: string): VersionRequirement | undefined {
  if (text === "*") return new SimpleRange(text, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY);
  if (text.startsWith("=")) {
    const exact = versionKey(text, 1);
    return Number.isNaN(exact) ? undefined : new SimpleRange(text, exact, exact);
  }
  const space = text.indexOf(" ");
  const lower = text.startsWith(">") ? lowerBound(text, space === -1 ? text.length : space) : undefined;
  if (text.startsWith(">") && lower === undefined) return undefined;
  if (lower !== undefined && space === -1) return new SimpleRange(text, lower, Number.POSITIVE_INFINITY);
  const upper = upperBound(text, lower === undefined ? 0 : space + 1);
  if (upper === undefined || upper <= (lower ?? 0)) return undefined;
  return new SimpleRange(text, lower ?? Number.NEGATIVE_INFINITY, upper);
}

/** The least version key that a lower bound lets through. */
function lowerBound(text: string, end: number): number | undefined {
  const inclusive = text.charCodeAt(1) === 61;
  const key = versionKey(text, inclusive ? 2 : 1, end);
  // Canon leaves `>=0.0.0` out.
  if (Number.isNaN(key) || (inclusive && key === 0)) return undefined;
  return inclusive ? key : key + 0.5;
}

/** The greatest version key that an upper bound lets through; `<2.0.0-0` lets through what `<2.0.0` does. */
function upperBound(text: string, start: number): number | undefined {
  if (text.charCodeAt(start) !== 60) return undefined;
  const inclusive = text.charCodeAt(start + 1) === 61;
  const end = !inclusive && text.endsWith("-0") ? text.length - 2 : text.length;
  const key = versionKey(text, start + (inclusive ? 2 : 1), end);
  if (Number.isNaN(key) || key === 0) return undefined;
  return inclusive ? key : key - 0.5;
}

class SimpleRange implements VersionRequirement {
  readonly canonical: string;
  readonly #lower: number;
  readonly #upper: number;
  #full: ReturnType<typeof parseRequirement> | undefined;

  constructor(canonical: string, lower: number, upper: number) {
    this.canonical = canonical;
    this.#lower = lower;
    this.#upper = upper;
  }

  matches(version: string): boolean {
    const key = versionKey(version);
    if (Number.isNaN(key)) return this.#otherwise().matches(version as Parsed);
    return key >= this.#lower && key <= this.#upper;
  }

  matchesWithPrereleases(version: string): boolean {
    const key = versionKey(version);
    if (Number.isNaN(key)) return this.#otherwise().matchesWithPrereleases(version as Parsed);
    return key >= this.#lower && key <= this.#upper;
  }

  #otherwise(): ReturnType<typeof parseRequirement> {
    return (this.#full ??= parseRequirement(this.canonical, "canonical"));
  }

  intervals(versions: readonly string[]): readonly number[] | undefined {
    const keys = keysOf(versions);
    if (keys === undefined) return undefined;
    const from = firstFrom(keys, this.#lower);
    const to = firstFrom(keys, this.#upper + 0.25) - 1;
    return from > to ? [] : [from, to];
  }
}

type Parsed = Parameters<ReturnType<typeof parseRequirement>["matches"]>[0];

/** Place of the first key that is at least `least`. */
function firstFrom(keys: Float64Array, least: number): number {
  let [low, high] = [0, keys.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keys[middle]! < least) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Keys by list of versions, where all are plain and ascending. */
const known = new WeakMap<readonly string[], Float64Array | false>();

function keysOf(versions: readonly string[]): Float64Array | undefined {
  let keys = known.get(versions);
  if (keys === undefined) known.set(versions, (keys = readKeys(versions)));
  return keys === false ? undefined : keys;
}

function readKeys(versions: readonly string[]): Float64Array | false {
  const keys = new Float64Array(versions.length);
  for (let i = 0; i < keys.length; i++) {
    const key = versionKey(versions[i]!);
    if (Number.isNaN(key) || (i > 0 && key <= keys[i - 1]!)) return false;
    keys[i] = key;
  }
  return keys;
}
