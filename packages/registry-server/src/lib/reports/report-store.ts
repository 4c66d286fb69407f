import type { CanonicalName } from "@lading/core-manifest";

const DAY_MS = 24 * 60 * 60 * 1000;

/** Number of a day (UTC) since the epoch. */
export function dayOf(at: number): number {
  return Math.floor(at / DAY_MS);
}

/** A day as `2030-01-31`. */
export function dayText(day: number): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 10);
}

/** How a package was used from one day to another, both included. */
export interface PackageUsage {
  readonly package: CanonicalName;
  /** Days without a download are left out. */
  readonly downloads: readonly { readonly day: number; readonly count: number }[];
  /** Who published in these days, and how many versions. */
  readonly publishers: readonly { readonly username: string; readonly versions: number }[];
  /** All of its versions, and the bytes of their files, whenever they were published. */
  readonly versions: number;
  readonly bytes: number;
}

/** Which packages, and from which day to which. */
export interface UsageQuery {
  readonly packages: readonly CanonicalName[];
  readonly first: number;
  readonly last: number;
}

/** A version with the licence that it states. */
export interface LicensedVersion {
  /** Rises with every version. */
  readonly id: number;
  readonly package: CanonicalName;
  readonly version: string;
  readonly license?: string;
  /** Milliseconds since the epoch. */
  readonly published: number;
}

/** What reports are made of; read only. */
export interface ReportStore {
  /** One entry for each of the packages that is there, by name. */
  usage(query: UsageQuery): Promise<readonly PackageUsage[]>;
  /** Packages in an organisation's namespaces or owned by its teams, with the names of those teams; by name. */
  packagesOf(
    organisationId: string,
  ): Promise<readonly { readonly package: CanonicalName; readonly teams: readonly string[] }[]>;
  /** Versions with ids above `after`, in order, at most `limit`. */
  licensedVersions(after: number, limit: number): Promise<readonly LicensedVersion[]>;
}
