import { spawnSync } from "node:child_process";
import { figure, median, type Contender, type Figure } from "../../scripts/bench/measure.ts";

/** What one round cost: processor time of all threads and child processes, and time on the clock. */
interface Cost {
  readonly cpuMs: number;
  readonly wallMs: number;
}

/** A contender that runs in this process, or a line of a shell whose processes are counted together. */
export type CpuContender = Contender | (Omit<Contender, "run"> & { readonly shell: string; readonly cwd: string });

/** Figures of processor time, which other work on the machine disturbs far less than time on the clock. */
export interface CpuFigure extends Figure {
  /** Median time on the clock, in milliseconds. */
  readonly wallMs: number;
}

/** Measures contenders in turn, round by round; the first two rounds warm caches and the engine and are not counted. */
export async function raceCpu(contenders: readonly CpuContender[], rounds = 7): Promise<CpuFigure[]> {
  const costs = contenders.map((): Cost[] => []);
  for (let round = -1; round <= rounds; round++) {
    for (const [index, contender] of contenders.entries()) {
      await contender.prepare?.();
      const cost = "shell" in contender ? shellCost(contender) : await ownCost(contender.run);
      if (round > 0) costs[index]!.push(cost);
    }
  }
  return contenders.map(({ name }, index) => ({
    ...figure(
      name,
      costs[index]!.map(({ cpuMs }) => cpuMs),
      "ms",
    ),
    wallMs: median(costs[index]!.map(({ wallMs }) => wallMs)),
  }));
}

async function ownCost(run: () => void | Promise<void>): Promise<Cost> {
  const [cpu, wall] = [process.cpuUsage(), performance.now()];
  await run();
  const { user, system } = process.cpuUsage(cpu);
  return { cpuMs: (user + system) / 1000, wallMs: performance.now() - wall };
}

/** Bash's own `time` counts every process of a pipe, in milliseconds. */
function shellCost({ shell, cwd }: { readonly shell: string; readonly cwd: string }): Cost {
  const script = `TIMEFORMAT="%3R %3U %3S"; set -o pipefail; time { ${shell}; }`;
  const { status, stderr } = spawnSync("bash", ["-c", script], {
    cwd,
    encoding: "utf8",
    env: { ...process.env, LC_ALL: "C" },
  });
  const [wall, user, system] = stderr.trim().split("\n").at(-1)!.split(" ").map(Number) as [number, number, number];
  if (status !== 0) throw new Error(`${shell} ended with ${status}: ${stderr}`);
  return { cpuMs: (user + system) * 1000, wallMs: wall * 1000 };
}

/** Prints processor times in a table whose ratios are to the first row, which is ours. */
export function printCpu(title: string, figures: readonly CpuFigure[]): void {
  const ours = figures[0]!;
  console.log(`\n${title}; processor time`);
  for (const row of figures) {
    const ratio = row === ours ? "" : `  ours / theirs: ${(ours.median / row.median).toFixed(2)}`;
    const numbers = `${row.median.toFixed(1).padStart(9)} ms (${row.min.toFixed(0)} to ${row.max.toFixed(0)})`.padEnd(
      34,
    );
    console.log(`  ${row.name.padEnd(36)}${numbers}wall ${row.wallMs.toFixed(0).padStart(6)} ms${ratio}`);
  }
}
