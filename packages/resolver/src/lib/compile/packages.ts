import { tryParseVersion } from "@lading/core-manifest";
import { emptyBits, setBit, setBits, wordsFor, type Bits } from "../bits.ts";
import { ResolverError } from "../resolver-error.ts";
import type { Candidate, PackageKey, VersionRequirement } from "../types.ts";
import type { PackageInfo } from "./facts.ts";
import type { Ints } from "../core/ints.ts";
import { NONE, type State } from "../core/state.ts";
import type { Policy } from "./policy.ts";
import { versionKey } from "./simple-range.ts";

/** A package as the compiler keeps it. */
export interface PackageEntry extends PackageInfo {
  /** Slot -> node, for the slots that the search has met. */
  readonly nodes: Map<string, number>;
  /** Canonical text -> versions that it accepts. */
  sets: Map<string, Bits> | undefined;
  /** Whether a version has default features; `undefined` until something asks. */
  hasDefault: boolean | undefined;
  /** Versions of all candidates, once something asks for them. */
  versions: readonly string[] | undefined;
}

/** Packages that were read: sorted, checked, with the versions that each requirement accepts. */
export class Packages {
  /** Packages that were asked for and are not known yet. */
  readonly needs: Set<PackageKey> = new Set();
  readonly known: Map<PackageKey, PackageEntry> = new Map();
  readonly #policy: Policy;

  constructor(policy: Policy) {
    this.#policy = policy;
  }

  /** `undefined` while the provider does not know it: then it is among the needs. */
  read(key: PackageKey): PackageEntry | undefined {
    const known = this.known.get(key);
    if (known !== undefined) return known;
    const metadata = this.#policy.provider.get(key);
    if (metadata === undefined) {
      this.needs.add(key);
      return undefined;
    }
    const candidates = this.#sorted(key, metadata.candidates);
    const slots = this.#slots(key, candidates);
    const entry: PackageEntry = {
      key,
      candidates,
      slots,
      missing: metadata.missing,
      nodes: new Map(),
      sets: undefined,
      hasDefault: undefined,
      versions: undefined,
    };
    this.known.set(key, entry);
    return entry;
  }

  #slots(key: PackageKey, candidates: readonly Candidate[]): ReadonlyMap<string, readonly number[]> {
    if ((this.#policy.input.coexistence ?? "single") === "single") {
      return onlySlot(candidates.length);
    }
    const slots = new Map<string, number[]>();
    candidates.forEach(({ version }, index) => {
      const slot = this.#policy.slotOf(key, version);
      const known = slots.get(slot);
      if (known === undefined) slots.set(slot, [index]);
      else known.push(index);
    });
    return slots;
  }

  #sorted(key: PackageKey, candidates: readonly Candidate[]): readonly Candidate[] {
    const policy = this.#policy;
    if (policy.provider.compareVersions === undefined) {
      if (arePlainAndAscending(candidates)) return candidates;
      for (const { version } of candidates) this.#checkVersion(key, version);
    }
    if (this.#areAscending(key, candidates)) return candidates;
    // Versions that compare as equal are told apart by their text, so that no order of arrival matters.
    const sorted = candidates.toSorted(
      (a, b) => policy.compare(key, a.version, b.version) || (a.version < b.version ? -1 : 1),
    );
    const twice = sorted.find((candidate, i) => i > 0 && candidate.version === sorted[i - 1]!.version);
    if (twice === undefined) return sorted;
    throw new ResolverError({
      code: "RESOLVE_METADATA_INVALID",
      message: `Cannot resolve with package "${policy.displayName(key)}": version "${twice.version}" is listed twice`,
      package: key,
      version: twice.version,
    });
  }

  #areAscending(key: PackageKey, candidates: readonly Candidate[]): boolean {
    for (let i = 1; i < candidates.length; i++)
      if (!(this.#policy.compare(key, candidates[i - 1]!.version, candidates[i]!.version) < 0)) return false;
    return true;
  }

  #checkVersion(key: PackageKey, text: string): void {
    if (tryParseVersion(text) !== undefined) return;
    throw new ResolverError({
      code: "RESOLVE_METADATA_INVALID",
      message: `Cannot resolve with package "${this.#policy.displayName(key)}": "${text}" is not a version, expected MAJOR.MINOR.PATCH`,
      package: key,
      version: text,
    });
  }

  /** Versions of a package that a requirement accepts, over all slots; once per package and text. */
  accepted(info: PackageInfo, requirement: VersionRequirement): Bits {
    const entry = this.known.get(info.key)!;
    entry.sets ??= new Map();
    const known = entry.sets.get(requirement.canonical);
    if (known !== undefined) return known;
    const set = this.#select(entry, requirement);
    entry.sets.set(requirement.canonical, set);
    return set;
  }

  #select(entry: PackageEntry, requirement: VersionRequirement): Bits {
    const set = emptyBits(entry.candidates.length + 1);
    this.#selectInto(set, 0, entry, requirement);
    return set;
  }

  /** Adds what a requirement accepts to words that begin at a place. */
  #selectInto(words: Int32Array, at: number, entry: PackageEntry, requirement: VersionRequirement): void {
    const { candidates } = entry;
    const bounds = this.#intervals(entry, requirement);
    if (bounds === undefined) {
      candidates.forEach(({ version }, i) => {
        if (this.#policy.accepts(requirement, version)) setBit(words, at * 32 + i + 1);
      });
      return;
    }
    for (let i = 0; i + 1 < bounds.length; i += 2) {
      const from = Math.max(bounds[i]!, 0);
      const to = Math.min(bounds[i + 1]!, candidates.length - 1);
      if (from <= to) setBits(words, at * 32 + from + 1, at * 32 + to + 1);
    }
  }

  #intervals(entry: PackageEntry, requirement: VersionRequirement): readonly number[] | undefined {
    if (requirement.intervals === undefined || !this.#policy.acceptsAsMatched(requirement)) return undefined;
    entry.versions ??= entry.candidates.map(({ version }) => version);
    return requirement.intervals(entry.versions);
  }

  /** What a requirement accepts of a package with one slot, absence not among it, kept for statements. */
  acceptedInto(entry: PackageEntry, requirement: VersionRequirement, masks: Ints): number {
    const at = masks.reserve(wordsFor(entry.candidates.length + 1));
    this.#selectInto(masks.data, at, entry, requirement);
    return at;
  }

  /** What a requirement refuses of a package with one slot, absence among it, kept for statements; NONE where it is all. */
  refused(entry: PackageEntry, requirement: VersionRequirement, state: State): number {
    const width = wordsFor(entry.candidates.length + 1);
    const at = state.masks.reserve(width);
    const masks = state.masks.data;
    this.#selectInto(masks, at, entry, requirement);
    let accepted = 0;
    for (let i = at; i < at + width; i++) {
      accepted |= masks[i]!;
      masks[i] = ~masks[i]!;
    }
    if (accepted === 0) return NONE;
    const rest = (entry.candidates.length + 1) & 31;
    if (rest !== 0) masks[at + width - 1]! &= (1 << rest) - 1;
    return at;
  }

  hasDefault(entry: PackageEntry): boolean {
    return (entry.hasDefault ??= entry.candidates.some(
      ({ features }) => features !== undefined && Object.hasOwn(features, "default"),
    ));
  }
}

/** 0, 1, 2, ...: shared, since most packages need such a list. */
function indexes(count: number): readonly number[] {
  return (lists[count] ??= Array.from({ length: count }, (_, i) => i));
}

const lists: (readonly number[])[] = [];

/** The slots of a package whose versions exclude each other: shared, too. */
function onlySlot(count: number): ReadonlyMap<string, readonly number[]> {
  return (onlySlots[count] ??= new Map(count === 0 ? [] : [["", indexes(count)]]));
}

const onlySlots: ReadonlyMap<string, readonly number[]>[] = [];

/** Whether nothing needs sorting; where that is not plain to see, `false`. */
function arePlainAndAscending(candidates: readonly Candidate[]): boolean {
  let before = -1;
  for (const { version } of candidates) {
    const key = versionKey(version);
    // Not a number is not greater, either.
    if (!(key > before)) return false;
    before = key;
  }
  return true;
}
