import type { CanonicalName } from "@lading/core-manifest";
import type { VersionRecord } from "../records.ts";
import {
  dayOf,
  type LicensedVersion,
  type PackageUsage,
  type ReportStore,
  type UsageQuery,
} from "../reports/report-store.ts";

/** What a {@link MemoryReportStore} needs of the metadata store that it is of. */
export interface ReportSurroundings {
  readonly versions: (canonical: CanonicalName) => readonly VersionRecord[] | undefined;
  readonly names: () => readonly CanonicalName[];
  /** Names of an organisation's teams that own a package; `undefined`: it is none of the organisation's. */
  readonly teams: (organisationId: string, canonical: CanonicalName) => readonly string[] | undefined;
}

/** The {@link ReportStore} in memory. */
export class MemoryReportStore implements ReportStore {
  readonly #store: ReportSurroundings;
  readonly #days = new Map<CanonicalName, Map<number, number>>();

  constructor(store: ReportSurroundings) {
    this.#store = store;
  }

  /** Adds to a day's downloads. */
  count(canonical: CanonicalName, count: number, at: number): void {
    const days = this.#days.get(canonical) ?? new Map<number, number>();
    days.set(dayOf(at), (days.get(dayOf(at)) ?? 0) + count);
    this.#days.set(canonical, days);
  }

  async usage({ packages, first, last }: UsageQuery): Promise<readonly PackageUsage[]> {
    const isIn = (day: number): boolean => day >= first && day <= last;
    return [...new Set(packages)].sort().flatMap((name) => {
      const versions = this.#store.versions(name);
      if (versions === undefined) return [];
      const downloads = [...(this.#days.get(name) ?? [])]
        .filter(([day]) => isIn(day))
        .sort(([left], [right]) => left - right)
        .map(([day, count]) => ({ day, count }));
      const published = versions.filter((version) => isIn(dayOf(version.published)));
      const publishers = [...new Set(published.map(({ publisher }) => publisher))].sort().map((username) => ({
        username,
        versions: published.filter(({ publisher }) => publisher === username).length,
      }));
      const sizes = versions.flatMap(({ artifacts }) => artifacts.map(({ size }) => size));
      const bytes = sizes.reduce((sum, size) => sum + size, 0);
      return [{ package: name, downloads, publishers, versions: versions.length, bytes }];
    });
  }

  async packagesOf(
    organisationId: string,
  ): Promise<readonly { readonly package: CanonicalName; readonly teams: readonly string[] }[]> {
    return [...this.#store.names()].sort().flatMap((name) => {
      const teams = this.#store.teams(organisationId, name);
      return teams === undefined ? [] : [{ package: name, teams: [...teams].sort() }];
    });
  }

  async licensedVersions(after: number, limit: number): Promise<readonly LicensedVersion[]> {
    const all = this.#store
      .names()
      .flatMap((name) => (this.#store.versions(name) ?? []).map((version) => ({ name, version })))
      .sort((left, right) => left.version.published - right.version.published);
    return all.slice(after, after + limit).map(({ name, version: { version, manifest, published } }, at) => {
      const stated = manifest.license === undefined ? {} : { license: manifest.license };
      return { id: after + at + 1, package: name, version, ...stated, published };
    });
  }
}
