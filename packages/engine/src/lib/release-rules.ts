import { canonicalName, parseDuration, parsePackageName, type IndexVersion } from "@lading/core-manifest";
import type { Exclusion } from "@lading/resolver";
import { EngineError } from "./engine-error.ts";

/** How old a version must be before it is chosen, from one place that says so. */
export interface AgeRule {
  /** Milliseconds. */
  readonly minimumAge: number;
  /** Canonical names that it does not hold for; `*` stands for any text. */
  readonly except: readonly string[];
}

/** Which versions count as too new. All rules hold at once. */
export interface ReleaseRules {
  /** Milliseconds since the epoch; the engine's clock. */
  readonly now: number;
  readonly ages: readonly AgeRule[];
  /** What was published after this instant (milliseconds since the epoch) is not seen, with the text it was given as. */
  readonly newest?: { readonly instant: number; readonly text: string } | undefined;
}

/** The rules in words, for a recording: the reasons that they gave are recorded with the versions. */
export function policyWords(release: ReleaseRules): Record<string, string> {
  const ages = release.ages.map(({ minimumAge, except }) =>
    except.length === 0 ? duration(minimumAge) : `${duration(minimumAge)} except ${except.join(", ")}`,
  );
  return {
    ...(ages.length === 0 ? {} : { "minimum-release-age": ages.join("; ") }),
    ...(release.newest === undefined ? {} : { "exclude-newer": release.newest.text }),
  };
}

/** Reasons against one version for its age. */
export function releaseExclusions(rules: ReleaseRules, name: string, entry: IndexVersion): Exclusion[] {
  const published = Date.parse(entry.published);
  const found: Exclusion[] = [];
  if (rules.newest !== undefined && published > rules.newest.instant) {
    const text = `it was published on ${entry.published.slice(0, 10)}, after exclude-newer ${rules.newest.text}`;
    found.push({ reason: "exclude-newer", text });
  }
  const canonical = canonicalName(parsePackageName(name));
  const applying = rules.ages.filter(({ except }) => !except.some((pattern) => matchesName(pattern, canonical)));
  const minimumAge = Math.max(0, ...applying.map((rule) => rule.minimumAge));
  // A clock that is behind the registry's makes a version no younger than new.
  const age = Math.max(0, rules.now - published);
  if (age < minimumAge) {
    const until = Math.max(published, rules.now - age) + minimumAge;
    const text = `it is ${age < 60_000 ? "less than a minute" : duration(age, Math.floor)} old; allowed in ${duration(until - rules.now)}`;
    found.push({ reason: "cooldown", text, until: new Date(until).toISOString().replace(/\.\d+Z$/, "Z") });
  }
  return found;
}

/** `3 hours`, `45 minutes`, `2 days`: in the largest unit of which there is at least one, rounded up unless told otherwise. */
export function duration(milliseconds: number, round: (count: number) => number = Math.ceil): string {
  const units = [
    ["day", 86_400_000],
    ["hour", 3_600_000],
    ["minute", 60_000],
  ] as const;
  for (const [unit, size] of units) {
    // 36 hours says more than 2 days.
    if (milliseconds < size * (unit === "day" ? 2 : 1)) continue;
    const count = round(milliseconds / size);
    return `${count} ${unit}${count === 1 ? "" : "s"}`;
  }
  return milliseconds <= 0 ? "0 minutes" : "1 minute";
}

function matchesName(pattern: string, canonical: string): boolean {
  const parts = pattern.toLowerCase().replaceAll(/[_.]/g, "-").split("*");
  const source = parts.map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")).join(".*");
  return new RegExp(`^${source}$`, "s").test(canonical);
}

/**
 * Milliseconds of a minimum age such as `24h`, `3d` or `0s`.
 * @throws {EngineError} `CONFIG_VALUE_INVALID`
 */
export function readAge(key: string, text: unknown): number {
  if (typeof text === "string") {
    try {
      return parseDuration(text);
    } catch {
      // The message below names the setting, which is what must be corrected.
    }
  }
  throw invalid(key, text, 'a duration such as "24h" or "3d"');
}

const DATE = /^\d{4}-\d{2}-\d{2}$/;
const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/;

/**
 * A date, whose whole day in UTC still counts, or an RFC 3339 instant.
 * @throws {EngineError} `CONFIG_VALUE_INVALID`
 */
export function readCutoff(key: string, value: unknown): { instant: number; text: string } {
  // TOML has dates of its own; as JSON they are the text that was written.
  const text: unknown = typeof value === "object" && value !== null ? JSON.parse(JSON.stringify(value)) : value;
  if (typeof text === "string") {
    const instant = DATE.test(text)
      ? Date.parse(`${text}T23:59:59.999Z`)
      : INSTANT.test(text)
        ? Date.parse(text)
        : Number.NaN;
    // 2026-02-30 is no date, though Date.parse may read it as one.
    const isReal = DATE.test(text) ? new Date(instant).toISOString().startsWith(text) : true;
    if (!Number.isNaN(instant) && isReal) return { instant, text };
  }
  throw invalid(key, value, 'a date such as "2026-01-01" or an instant such as "2026-01-01T12:00:00Z"');
}

/**
 * Names or patterns of names, from a list or a text with commas.
 * @throws {EngineError} `CONFIG_VALUE_INVALID`
 */
export function readNames(key: string, value: unknown): string[] {
  const list: readonly unknown[] =
    typeof value === "string" ? value.split(",") : Array.isArray(value) ? value : [value];
  return list.map((item) => {
    const text = typeof item === "string" ? item.trim() : "";
    if (/^[A-Za-z0-9*@/._+-]+$/.test(text)) return text;
    throw invalid(key, value, 'a list of names such as "company/*"');
  });
}

function invalid(key: string, value: unknown, allowed: string): EngineError {
  return new EngineError({
    code: "CONFIG_VALUE_INVALID",
    message: `Cannot use ${JSON.stringify(value)} for "${key}": allowed is ${allowed}`,
    key,
  });
}
