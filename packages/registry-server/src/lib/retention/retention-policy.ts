import { compareVersions, isPrerelease, type CanonicalName, type Digest } from "@lading/core-manifest";
import type { Review } from "../governance/review-store.ts";
import { matchesPackagePattern } from "../package-pattern.ts";
import type { PackageSummary, VersionRecord } from "../records.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

/** Which pre-releases of packages whose names match are kept; of several rules the one that keeps most holds. */
export interface PrereleaseRule {
  /** Package patterns, such as `company/*`. */
  readonly names: readonly string[];
  /** How many of the newest are kept, by precedence. */
  readonly keep: number;
  /** Younger ones are kept, too. */
  readonly afterDays: number;
}

/** What is removed after a time. Final versions never are. */
export interface RetentionPolicy {
  readonly prereleases: readonly PrereleaseRule[];
  /** What was downloaded within so many days is kept. */
  readonly downloadedDays: number;
  /** Days after which a rejected publication is forgotten; absent: never. */
  readonly rejectedDays?: number;
  /** Days after which a publication is forgotten that nobody decided about; absent: never. */
  readonly heldDays?: number;
}

/** A pre-release that the policy gives up. */
export interface RetiredVersion {
  readonly canonical: CanonicalName;
  readonly version: VersionRecord;
  /** Bytes of its package files. */
  readonly bytes: number;
  readonly reason: string;
}

/** A publication that waited for a reviewer, or was rejected, for too long. */
export interface ForgottenSubmission {
  readonly review: Review;
  readonly bytes: number;
}

function sizeOf({ artifacts }: VersionRecord): number {
  return artifacts.reduce((sum, { size }) => sum + size, 0);
}

/** The reason for which a version may go, `undefined` while something keeps it. */
function reasonToRetire(
  rules: readonly PrereleaseRule[],
  { published, newer, now }: { readonly published: number; readonly newer: number; readonly now: number },
): string | undefined {
  // Of several rules all must give it up.
  if (rules.some(({ keep, afterDays }) => newer < keep || now - published < afterDays * DAY_MS)) return undefined;
  const keep = Math.max(...rules.map((rule) => rule.keep));
  return `retention: there are ${newer} newer pre-releases, and the newest ${keep} are kept`;
}

/**
 * The pre-releases of a package that the policy gives up at `now`. Kept is what a channel names, what was downloaded lately,
 * what is taken down already, and every final version.
 */
export function retiredVersions(
  policy: RetentionPolicy,
  summary: Pick<PackageSummary, "canonical" | "channels" | "latest">,
  { versions, now }: { readonly versions: readonly VersionRecord[]; readonly now: number },
): readonly RetiredVersion[] {
  const { canonical } = summary;
  const rules = policy.prereleases.filter(({ names }) => names.some((name) => matchesPackagePattern(name, canonical)));
  if (rules.length === 0) return [];
  const standing = versions
    .filter(({ version, removed }) => isPrerelease(version) && removed === undefined)
    .sort((left, right) => compareVersions(right.version, left.version));
  return standing.flatMap((version, newer) => {
    if (isNamed(summary, version) || isInUse(policy, version, now)) return [];
    const reason = reasonToRetire(rules, { published: version.published, newer, now });
    return reason === undefined ? [] : [{ canonical, version, bytes: sizeOf(version), reason }];
  });
}

/** Whether a channel of its package names a version, or it is the one that is taken where nobody asks for another. */
export function isNamed(
  { channels = {}, latest }: Pick<PackageSummary, "channels" | "latest">,
  { version }: Pick<VersionRecord, "version">,
): boolean {
  return version === latest || Object.values(channels).includes(version);
}

/** Whether a version was downloaded lately. */
export function isInUse({ downloadedDays }: RetentionPolicy, { downloaded }: VersionRecord, now: number): boolean {
  return downloaded !== undefined && now - downloaded < downloadedDays * DAY_MS;
}

/** Whether the policy forgets a publication that is not published. */
export function isForgotten(policy: RetentionPolicy, { state, updated }: Review, now: number): boolean {
  const days = state === "rejected" ? policy.rejectedDays : state === "published" ? undefined : policy.heldDays;
  return days !== undefined && now - updated >= days * DAY_MS;
}

/** Files of a publication: those that go with it unless something else has them. */
export function filesOf({ publication }: Review): readonly Digest[] {
  const { blob, statement, readme } = publication.artifact;
  return [blob, statement, readme].filter((digest) => digest !== undefined);
}
