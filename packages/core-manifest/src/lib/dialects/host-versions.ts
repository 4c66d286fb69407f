import { canonicalOf } from "./values.ts";

/** Versions of a host as one canonical range: neighbours that touch become one. */
export function normalizeHostVersions(versions: readonly string[]): { canonical: string } | { problem: string } {
  if (versions.length === 0) return { problem: "it lists no version" };
  const majors = versions.map((version) => (/^\d{1,9}$/.test(version) ? Number(version) : undefined));
  if (majors.every((major) => major !== undefined)) return { canonical: rangesOf(majors) };
  return canonicalOf(versions.map((version) => `=${version}`).join(" || "), "caret");
}

function rangesOf(majors: readonly number[]): string {
  const ordered = [...new Set(majors)].toSorted((left, right) => left - right);
  const ranges: { from: number; to: number }[] = [];
  for (const major of ordered) {
    const last = ranges.at(-1);
    if (last !== undefined && last.to === major) last.to = major + 1;
    else ranges.push({ from: major, to: major + 1 });
  }
  return ranges.map(({ from, to }) => `>=${from}.0.0 <${to}.0.0`).join(" || ");
}

/**
 * The list of whole versions that a canonical range stands for (`["2024", "2025"]`), or `undefined` where it
 * holds more or less than such a list.
 */
export function hostVersionList(canonical: string): string[] | undefined {
  const versions: string[] = [];
  for (const range of canonical.split(" || ")) {
    const match = /^>=(\d{1,9})\.0\.0 <(\d{1,9})\.0\.0(?:-0)?$/.exec(range);
    if (match === null) return undefined;
    const [from, to] = [Number(match[1]), Number(match[2])];
    if (to <= from || to - from > 100) return undefined;
    for (let major = from; major < to; major += 1) versions.push(String(major));
  }
  return versions;
}
