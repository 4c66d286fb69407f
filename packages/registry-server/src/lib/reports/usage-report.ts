import type { CanonicalName } from "@lading/core-manifest";
import type { MetadataStore } from "../ports.ts";
import { csvTable } from "./csv.ts";
import { dayOf, dayText, type PackageUsage } from "./report-store.ts";

/** From which day to which, both included. */
export interface Period {
  readonly first: number;
  readonly last: number;
}

/** How a package was used. */
export interface PackageReport {
  readonly package: string;
  /** Teams of the organisation that own it. */
  readonly teams: readonly string[];
  readonly downloads: number;
  readonly downloads_by_day: readonly { readonly day: string; readonly downloads: number }[];
  /** Who published in the period. */
  readonly publishers: readonly { readonly username: string; readonly versions: number }[];
  /** All that it has. */
  readonly versions: number;
  readonly bytes: number;
  /** Tokens of its owners that count now and were used in the period. */
  readonly active_tokens: number;
}

/** How the packages of a team were used. */
export interface TeamReport {
  readonly team: string;
  readonly members: number;
  readonly packages: number;
  readonly downloads: number;
  /** Versions that were published in the period. */
  readonly published: number;
  readonly publishers: readonly string[];
  readonly bytes: number;
  /** Tokens of its members that count now and were used in the period. */
  readonly active_tokens: number;
}

/** A report of how packages were used. */
export interface UsageReport {
  readonly since: string;
  readonly until: string;
  readonly packages: readonly PackageReport[];
  readonly teams: readonly TeamReport[];
}

type Stores = Pick<MetadataStore, "reports" | "owners" | "organisations" | "accountByName" | "tokensOf">;

/** Packages that are looked up at a time. */
const BATCH = 200;

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** Counts the tokens of people, each person asked for once. */
class TokenCounts {
  readonly #stores: Stores;
  readonly #period: Period;
  readonly #now: number;
  readonly #counts = new Map<string, Promise<number>>();

  constructor(stores: Stores, period: Period, now: number) {
    this.#stores = stores;
    this.#period = period;
    this.#now = now;
  }

  async of(usernames: readonly string[]): Promise<number> {
    const counts = usernames.map((username) => {
      const known = this.#counts.get(username) ?? this.#count(username);
      this.#counts.set(username, known);
      return known;
    });
    return sum(await Promise.all(counts));
  }

  async #count(username: string): Promise<number> {
    const account = await this.#stores.accountByName(username);
    const tokens = account === undefined ? [] : await this.#stores.tokensOf(account.id);
    const { first, last } = this.#period;
    return tokens.filter(({ expires, lastUsed }) => {
      if ((expires !== undefined && expires <= this.#now) || lastUsed === undefined) return false;
      return dayOf(lastUsed) >= first && dayOf(lastUsed) <= last;
    }).length;
  }
}

/** What is to be reported: packages, with their teams where they are asked for by organisation. */
export interface UsageRequest {
  readonly packages: readonly { readonly package: CanonicalName; readonly teams: readonly string[] }[];
  /** Organisation whose teams are reported. */
  readonly organisationId?: string;
  readonly period: Period;
  readonly now: number;
}

/** Makes a report of how packages, and the teams that own them, were used. */
export async function usageReport(stores: Stores, request: UsageRequest): Promise<UsageReport> {
  const { period, packages, now } = request;
  const tokens = new TokenCounts(stores, period, now);
  const reports: PackageReport[] = [];
  for (let at = 0; at < packages.length; at += BATCH) {
    const some = packages.slice(at, at + BATCH);
    const used = await stores.reports.usage({ packages: some.map((one) => one.package), ...period });
    for (const usage of used) {
      const teams = some.find((one) => one.package === usage.package)?.teams ?? [];
      const owners = await stores.owners(usage.package);
      reports.push(packageReport(usage, teams, await tokens.of(owners)));
    }
  }
  const teams =
    request.organisationId === undefined ? [] : await teamReports(stores, request.organisationId, reports, tokens);
  return { since: dayText(period.first), until: dayText(period.last), packages: reports, teams };
}

function packageReport(usage: PackageUsage, teams: readonly string[], tokens: number): PackageReport {
  const { package: name, downloads, publishers, versions, bytes } = usage;
  return {
    package: name,
    teams,
    downloads: sum(downloads.map(({ count }) => count)),
    downloads_by_day: downloads.map(({ day, count }) => ({ day: dayText(day), downloads: count })),
    publishers,
    versions,
    bytes,
    active_tokens: tokens,
  };
}

async function teamReports(
  stores: Stores,
  organisationId: string,
  packages: readonly PackageReport[],
  tokens: TokenCounts,
): Promise<readonly TeamReport[]> {
  const reports: TeamReport[] = [];
  for (const { id, name } of await stores.organisations.teams(organisationId)) {
    const own = packages.filter(({ teams }) => teams.includes(name));
    const members = await stores.organisations.teamMembers(id);
    const publishers = own.flatMap((one) => one.publishers);
    reports.push({
      team: name,
      members: members.length,
      packages: own.length,
      downloads: sum(own.map(({ downloads }) => downloads)),
      published: sum(publishers.map(({ versions }) => versions)),
      publishers: [...new Set(publishers.map(({ username }) => username))].sort(),
      bytes: sum(own.map(({ bytes }) => bytes)),
      active_tokens: await tokens.of(members.map(({ username }) => username)),
    });
  }
  return reports;
}

const HEADER = ["kind", "name", "day", "downloads", "published", "publishers", "versions", "bytes", "active_tokens"];

/** The report as CSV: a line for each package (`package`), each day of it with downloads (`day`), and each team (`team`). */
export function usageCsv({ packages, teams }: UsageReport): string {
  const rows = packages.flatMap((one) => [
    [
      "package",
      one.package,
      "",
      one.downloads,
      sum(one.publishers.map(({ versions }) => versions)),
      one.publishers.map(({ username }) => username).join(" "),
      one.versions,
      one.bytes,
      one.active_tokens,
    ],
    ...one.downloads_by_day.map(({ day, downloads }) => ["day", one.package, day, downloads, "", "", "", "", ""]),
  ]);
  const ofTeams = teams.map((one) => [
    "team",
    one.team,
    "",
    one.downloads,
    one.published,
    one.publishers.join(" "),
    "",
    one.bytes,
    one.active_tokens,
  ]);
  return csvTable(HEADER, [...rows, ...ofTeams]);
}
