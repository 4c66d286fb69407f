import { CoreError } from "./core-error.ts";

const SIZE = /^(\d{1,15}(?:\.\d{1,6})?)\s?(?:([kmgtp])(i)?)?(b)?$/i;
const POWERS = "kmgtp";

/**
 * Bytes of a size such as `1GB`, `64MiB`, `1.5 gb`, `512` or `10k`: `k m g t p` are powers of 1000,
 * `ki mi gi ti pi` powers of 1024, `B` is optional, case does not matter, fractions of a byte are cut off.
 * @throws {CoreError} `SIZE_INVALID`
 */
export function parseSize(text: string): number {
  const match = text.length <= 40 ? SIZE.exec(text.trim()) : null;
  const bytes = match === null ? Number.NaN : sizeBytes(match[1]!, match[2], match[3] !== undefined);
  if (Number.isSafeInteger(bytes)) return bytes;
  throw new CoreError({
    code: "SIZE_INVALID",
    message: `Cannot read size "${text.slice(0, 40)}": expected a number and a unit, such as "500MB", "1GB" or "64MiB"`,
    size: text.slice(0, 40),
  });
}

function sizeBytes(number: string, prefix: string | undefined, binary: boolean): number {
  const power = prefix === undefined ? 0 : POWERS.indexOf(prefix.toLowerCase()) + 1;
  return Math.floor(Number(number) * (binary ? 1024 : 1000) ** power);
}

const UNITS: Readonly<Record<string, number>> = {
  w: 604_800_000,
  d: 86_400_000,
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
};
const DURATION = /^(?:\d{1,12}(?:\.\d{1,6})?(?:ms|w|d|h|m|s)){1,6}$/;
const DURATION_PART = /(\d{1,12}(?:\.\d{1,6})?)(ms|w|d|h|m|s)/g;

/**
 * Milliseconds of a duration such as `5s`, `1m`, `100ms`, `1h30m`, `0.5s` or `7d`, rounded to whole ones.
 * A number without a unit is refused, since nobody could tell seconds from milliseconds.
 * @throws {CoreError} `DURATION_INVALID`
 */
export function parseDuration(text: string): number {
  const trimmed = text.length <= 80 ? text.trim() : "";
  const milliseconds = DURATION.test(trimmed) ? durationMs(trimmed) : Number.NaN;
  if (Number.isSafeInteger(milliseconds)) return milliseconds;
  throw new CoreError({
    code: "DURATION_INVALID",
    message: `Cannot read duration "${text.slice(0, 40)}": expected numbers with units, such as "100ms", "5s" or "1h30m"`,
    duration: text.slice(0, 40),
  });
}

function durationMs(text: string): number {
  let total = 0;
  for (const [, number, unit] of text.matchAll(DURATION_PART)) total += Number(number) * UNITS[unit!]!;
  return Math.round(total);
}

/**
 * A duration in the shortest text of whole units that {@link parseDuration} reads back: `90000` is `1m30s`.
 * `milliseconds` is a safe integer of at least 0.
 */
export function formatDuration(milliseconds: number): string {
  let rest = milliseconds;
  let text = "";
  for (const unit of ["d", "h", "m", "s", "ms"]) {
    const count = Math.floor(rest / UNITS[unit]!);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * UNITS[unit]!;
  }
  return text === "" ? "0s" : text;
}
