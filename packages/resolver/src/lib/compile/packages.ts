import { tryParseVersion } from "@lading/core-manifest";
import { emptyBits, setBit, setBits, type Bits } from "../bits.ts";
import { ResolverError } from "../resolver-error.ts";
import type { Candidate, PackageKey, VersionRequirement } from "../types.ts";
import type { PackageInfo } from "./facts.ts";
import type { Policy } from "./policy.ts";

/** A package as the compiler keeps it. */
export interface PackageEntry extends PackageInfo {
  /** Slot -> node, for the slots that the search has met. */
  readonly nodes: Map<string, number>;
  /** Canonical text -> versions that it accepts. */
  readonly sets: Map<string, Bits>;
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
    const entry = {
      key,
      candidates,
      slots,
      missing: metadata.missing,
      nodes: new Map(),
      sets: new Map(),
      versions: undefined,
    };
    this.known.set(key, entry);
    return entry;
  }

  #slots(key: PackageKey, candidates: readonly Candidate[]): Map<string, number[]> {
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
    if (policy.provider.compareVersions === undefined)
      for (const { version } of candidates) this.#checkVersion(key, version);
    const isAscending = candidates.every(
      ({ version }, i) => i === 0 || policy.compare(key, candidates[i - 1]!.version, version) < 0,
    );
    if (isAscending) return candidates;
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

  #checkVersion(key: PackageKey, text: string): void {
    if (PLAIN_VERSION.test(text) || tryParseVersion(text) !== undefined) return;
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
    const known = entry.sets.get(requirement.canonical);
    if (known !== undefined) return known;
    const set = this.#select(entry, requirement);
    entry.sets.set(requirement.canonical, set);
    return set;
  }

  #select(entry: PackageEntry, requirement: VersionRequirement): Bits {
    const { candidates } = entry;
    const set = emptyBits(candidates.length + 1);
    if (requirement.intervals !== undefined && this.#policy.acceptsAsMatched(requirement)) {
      entry.versions ??= candidates.map(({ version }) => version);
      const bounds = requirement.intervals(entry.versions);
      for (let i = 0; i + 1 < bounds.length; i += 2) {
        const [from, to] = [Math.max(bounds[i]!, 0), Math.min(bounds[i + 1]!, candidates.length - 1)];
        if (from <= to) setBits(set, from + 1, to + 1);
      }
      return set;
    }
    candidates.forEach(({ version }, i) => {
      if (this.#policy.accepts(requirement, version)) setBit(set, i + 1);
    });
    return set;
  }
}

/** Most versions look like this; the rest is left to the full grammar. */
const PLAIN_VERSION = /^(?:0|[1-9]\d{0,8})\.(?:0|[1-9]\d{0,8})\.(?:0|[1-9]\d{0,8})$/;
