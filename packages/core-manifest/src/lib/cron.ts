/** A cron expression of six fields, seconds first, as sets of numbers. Times are UTC. */
export interface CronSchedule {
  readonly seconds: ReadonlySet<number>;
  readonly minutes: ReadonlySet<number>;
  readonly hours: ReadonlySet<number>;
  readonly daysOfMonth: ReadonlySet<number>;
  readonly months: ReadonlySet<number>;
  readonly daysOfWeek: ReadonlySet<number>;
  /** Where both day fields are restricted, a day has to be in one of them only (POSIX crontab). */
  readonly eitherDay: boolean;
}

interface Field {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  readonly words?: readonly string[];
}

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

const FIELDS: readonly Field[] = [
  { name: "second", min: 0, max: 59 },
  { name: "minute", min: 0, max: 59 },
  { name: "hour", min: 0, max: 23 },
  { name: "day of month", min: 1, max: 31 },
  { name: "month", min: 1, max: 12, words: MONTHS },
  { name: "day of week", min: 0, max: 7, words: DAYS },
];

class CronProblem extends Error {}

function numberOf(field: Field, text: string): number {
  const word = field.words?.indexOf(text.toLowerCase()) ?? -1;
  if (word !== -1) return word + (field.name === "month" ? 1 : 0);
  if (!/^\d{1,2}$/.test(text)) throw new CronProblem(`its ${field.name} has "${text}"`);
  const value = Number(text);
  if (value < field.min || value > field.max)
    throw new CronProblem(`its ${field.name} is ${value}, allowed is ${field.min} to ${field.max}`);
  return value;
}

function addPart(field: Field, part: string, values: Set<number>): void {
  const [range, step, ...more] = part.split("/");
  if (range === undefined || range === "" || more.length > 0) throw new CronProblem(`its ${field.name} has "${part}"`);
  const every = step === undefined ? 1 : /^\d{1,2}$/.test(step) ? Number(step) : 0;
  if (every === 0) throw new CronProblem(`its ${field.name} has the step "${step}"`);
  const [low, high, ...rest] = range.split("-");
  if (rest.length > 0) throw new CronProblem(`its ${field.name} has "${part}"`);
  const start = range === "*" ? field.min : numberOf(field, low!);
  const end =
    range === "*" ? field.max : high === undefined ? (step === undefined ? start : field.max) : numberOf(field, high);
  if (end < start) throw new CronProblem(`its ${field.name} goes from ${start} down to ${end}`);
  for (let value = start; value <= end; value += every) values.add(field.name === "day of week" ? value % 7 : value);
}

function parseField(field: Field, text: string): Set<number> {
  const values = new Set<number>();
  for (const part of text.split(",")) addPart(field, part, values);
  return values;
}

/** The schedule, or what is wrong with the expression. Six fields: second minute hour day month weekday. */
export function parseCron(expression: string): { schedule: CronSchedule } | { problem: string } {
  const parts = expression.trim().split(/\s+/);
  if (expression.length > 256) return { problem: "it is longer than 256 characters" };
  if (parts.length !== FIELDS.length)
    return {
      problem: `it has ${expression.trim() === "" ? 0 : parts.length} fields, allowed are 6 (second minute hour day month weekday)`,
    };
  try {
    const [seconds, minutes, hours, daysOfMonth, months, daysOfWeek] = FIELDS.map((field, index) =>
      parseField(field, parts[index]!),
    ) as [Set<number>, Set<number>, Set<number>, Set<number>, Set<number>, Set<number>];
    const eitherDay = !parts[3]!.startsWith("*") && !parts[5]!.startsWith("*");
    return { schedule: { seconds, minutes, hours, daysOfMonth, months, daysOfWeek, eitherDay } };
  } catch (error) {
    if (error instanceof CronProblem) return { problem: error.message };
    throw error;
  }
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
// Two leap days: 29 February on a given weekday may be 28 years (40 across a century) away.
const HORIZON_DAYS = 366 * 41;

function dayMatches(schedule: CronSchedule, date: Date): boolean {
  if (!schedule.months.has(date.getUTCMonth() + 1)) return false;
  const byMonth = schedule.daysOfMonth.has(date.getUTCDate());
  const byWeek = schedule.daysOfWeek.has(date.getUTCDay());
  return schedule.eitherDay ? byMonth || byWeek : byMonth && byWeek;
}

function sorted(values: ReadonlySet<number>): number[] {
  return [...values].toSorted((left, right) => left - right);
}

/**
 * The next times of a schedule strictly after `afterMs`, ascending, in milliseconds since the epoch; fewer
 * than `count` (none for 30 February) where there are no more within 41 years.
 */
export function nextCronTimes(schedule: CronSchedule, afterMs: number, count: number): number[] {
  const times: number[] = [];
  const [hours, minutes, seconds] = [sorted(schedule.hours), sorted(schedule.minutes), sorted(schedule.seconds)];
  const firstDay = Math.floor(afterMs / DAY) * DAY;
  for (let day = 0; day < HORIZON_DAYS && times.length < count; day += 1) {
    const start = firstDay + day * DAY;
    // oxlint-disable-next-line no-restricted-globals -- a calendar of a given time, not the clock
    if (dayMatches(schedule, new Date(start))) addTimesOfDay({ start, hours, minutes, seconds }, afterMs, count, times);
  }
  return times;
}

function addTimesOfDay(
  day: { start: number; hours: number[]; minutes: number[]; seconds: number[] },
  afterMs: number,
  count: number,
  times: number[],
): void {
  for (const hour of day.hours) {
    const hourStart = day.start + hour * HOUR;
    if (hourStart + HOUR <= afterMs) continue;
    for (const minute of day.minutes) {
      const minuteStart = hourStart + minute * MINUTE;
      if (minuteStart + MINUTE <= afterMs) continue;
      for (const second of day.seconds) {
        const time = minuteStart + second * SECOND;
        if (time <= afterMs) continue;
        times.push(time);
        if (times.length === count) return;
      }
    }
  }
}
