import { spawnSync } from "node:child_process";
import { cpus, release, totalmem, type } from "node:os";

/** Figures of one contender of one benchmark. */
export interface Figure {
  readonly name: string;
  /** Median, smallest and largest of all rounds, in `unit`. */
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly unit: "ms" | "requests/s" | "MB/s" | "bytes";
}

/** The middle value; of an even count the lower middle. */
export function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[Math.floor((values.length - 1) / 2)]!;
}

export function figure(name: string, values: readonly number[], unit: Figure["unit"]): Figure {
  return { name, median: median(values), min: Math.min(...values), max: Math.max(...values), unit };
}

/** Something that takes time, run as one contender among others. */
export interface Contender {
  readonly name: string;
  /** Puts the world back before a round; not timed. */
  readonly prepare?: () => void | Promise<void>;
  readonly run: () => void | Promise<void>;
}

/**
 * Times contenders in turn, round by round, so that a change of the machine's load hits all of them alike.
 * The first round warms caches and is not counted.
 */
export async function race(contenders: readonly Contender[], rounds = 7): Promise<Figure[]> {
  const times = contenders.map((): number[] => []);
  for (let round = 0; round <= rounds; round++) {
    for (const [index, contender] of contenders.entries()) {
      await contender.prepare?.();
      const start = performance.now();
      await contender.run();
      if (round > 0) times[index]!.push(performance.now() - start);
    }
  }
  return contenders.map((contender, index) => figure(contender.name, times[index]!, "ms"));
}

/** Runs a program to its end; a failure ends the benchmark, for a failed run has no time. */
export function program(
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): void {
  const result = spawnSync(command, args, { stdio: ["ignore", "ignore", "pipe"], ...options });
  if (result.error !== undefined) throw result.error;
  if (result.status !== 0) {
    throw new Error(
      `${command} ${args.join(" ")} ended with ${result.status}: ${result.stderr.toString().slice(-2000)}`,
    );
  }
}

/**
 * Prints a table in which every row's ratio is to the first row, which is ours: of the medians, and of the best rounds,
 * which other work on the machine disturbs least.
 */
export function printFigures(title: string, figures: readonly Figure[]): void {
  const ours = figures[0]!;
  console.log(`\n${title}`);
  for (const row of figures) {
    const digits = row.median < 10 ? 2 : row.median < 100 ? 1 : 0;
    const numbers = `${row.median.toFixed(digits).padStart(10)} ${row.unit.padEnd(10)} (${row.min.toFixed(digits)} to ${row.max.toFixed(digits)})`;
    const ratio =
      row === ours
        ? ""
        : `  ours / theirs: ${(ours.median / row.median).toFixed(2)}, best ${(best(ours) / best(row)).toFixed(2)}`;
    console.log(`  ${row.name.padEnd(34)}${numbers}${ratio}`);
  }
}

function best({ min, max, unit }: Figure): number {
  return unit === "ms" ? min : max;
}

export function printMachine(): void {
  const processor = cpus()[0]?.model ?? "unknown processor";
  console.log(
    `${cpus().length} x ${processor}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${type()} ${release()}, Node ${process.version}`,
  );
}
