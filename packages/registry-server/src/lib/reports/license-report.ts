import { csvTable } from "./csv.ts";
import type { ReportStore } from "./report-store.ts";

/** What versions without a licence are counted under. */
export const NO_LICENSE = "none";

/** How many versions and packages state a licence at the end of a month. */
export interface LicenseUse {
  readonly license: string;
  /** `2030-01` */
  readonly month: string;
  /** Versions published in that month. */
  readonly published: number;
  /** Versions until then, and packages that they are of. */
  readonly versions: number;
  readonly packages: number;
}

const BATCH = 500;

/** Licences in use month by month: a line for each month in which something was published under a licence, oldest first. */
export async function licenseReport(reports: ReportStore): Promise<readonly LicenseUse[]> {
  const months = new Map<string, Map<string, string[]>>();
  for (let after = 0; ;) {
    const versions = await reports.licensedVersions(after, BATCH);
    for (const { license = NO_LICENSE, package: name, published } of versions) {
      const month = new Date(published).toISOString().slice(0, 7);
      const byLicense = months.get(month) ?? new Map<string, string[]>();
      months.set(month, byLicense.set(license, [...(byLicense.get(license) ?? []), name]));
    }
    const last = versions.at(-1);
    if (last === undefined) return linesOf(months);
    after = last.id;
  }
}

function linesOf(months: ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>): readonly LicenseUse[] {
  const known = new Map<string, { versions: number; readonly packages: Set<string> }>();
  return [...months]
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .flatMap(([month, licenses]) =>
      [...licenses]
        .sort(([left], [right]) => (left < right ? -1 : 1))
        .map(([license, names]) => {
          const all = known.get(license) ?? { versions: 0, packages: new Set<string>() };
          known.set(license, all);
          all.versions += names.length;
          for (const name of names) all.packages.add(name);
          return { license, month, published: names.length, versions: all.versions, packages: all.packages.size };
        }),
    );
}

/** The report as CSV. */
export function licenseCsv(uses: readonly LicenseUse[]): string {
  const rows = uses.map(({ month, license, published, versions, packages }) => [
    month,
    license,
    published,
    versions,
    packages,
  ]);
  return csvTable(["month", "license", "published", "versions", "packages"], rows);
}
