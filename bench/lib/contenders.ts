import { spawn } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cargoEnvironment, writeCargoCase } from "./cargo.ts";
import { figure, printFigures, type Figure } from "../../scripts/bench/measure.ts";
import type { CaseFile } from "./universes.ts";

export const LIMIT_SECONDS = 60;

/** Whether processor time is taken where a solver tells it: on a busy machine it is what can be compared. */
export const PROCESSOR_TIME: boolean = process.argv.includes("--cpu");

/** What one run of a solver came to: its answers, and several times of the same run by name. */
export interface Run {
  readonly answers?: Readonly<Record<string, string>>;
  readonly times: Readonly<Record<string, number>>;
  /** Times of whole processes, which are compared with each other only. */
  readonly processes?: Readonly<Record<string, number>>;
}

/** A solver as a process of its own. `run` gives nothing where it took more than the limit. */
export interface Solver {
  readonly name: string;
  readonly run: () => Promise<Run | undefined>;
}

/** What became of a program within the limit. */
export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly milliseconds: number;
}

/** Prints the processor time of what it ran, as the shell counts it. */
const TIMED = '"$0" "$@"; status=$?; times >&2; exit $status';

/** Runs a program; `undefined`: it was stopped at the limit. */
export async function runLimited(
  command: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<Ended | undefined> {
  const start = performance.now();
  return new Promise((resolve, reject) => {
    const [program, ...rest] = PROCESSOR_TIME ? ["bash", "-c", TIMED, command, ...args] : [command, ...args];
    // In a group of its own, so that the limit ends what the shell has started, too.
    const child = spawn(program, rest, { ...options, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    let stdout = "";
    let stderr = "";
    let late = false;
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    const timer = setTimeout(() => {
      late = true;
      process.kill(-child.pid!, "SIGKILL");
    }, LIMIT_SECONDS * 1000);
    child.once("error", reject);
    child.once("close", (status) => {
      clearTimeout(timer);
      const milliseconds = PROCESSOR_TIME ? processorTime(stderr) : performance.now() - start;
      resolve(late ? undefined : { status, stdout, stderr, milliseconds });
    });
  });
}

/** Of the last line of `times`: user and system time of the shell's children, `0m1.234s 0m0.056s`. */
function processorTime(stderr: string): number {
  const [user, system] = [...stderr.matchAll(/(\d+)m([\d.]+)s/g)].slice(-2).map(([, minutes, seconds]) => {
    return Number(minutes) * 60_000 + Number(seconds) * 1000;
  });
  return (user ?? NaN) + (system ?? NaN);
}

/** The built bundle in a fresh process: the first answer there, later ones, and the process from start to end. */
export function lading(file: string, options: { readonly warm?: number; readonly semver?: boolean } = {}): Solver {
  const { warm = 0, semver = false } = options;
  const script = join(import.meta.dirname, "solve-cases.ts");
  const how = semver ? " resolve()" : "";
  return {
    name: `Lading${how}`,
    run: async () => {
      const ended = await runLimited(process.execPath, [
        script,
        file,
        String(1 + warm),
        ...(semver ? ["--semver"] : []),
      ]);
      if (ended === undefined) return undefined;
      const { answers, times: elapsed, cpu } = outputOf("Lading", ended) as LadingOutput;
      const times = PROCESSOR_TIME ? cpu : elapsed;
      const later = times.slice(1).toSorted((left, right) => left - right);
      return {
        answers,
        times: {
          ...(warm === 0 ? {} : { [`Lading${how}, warm`]: later[Math.floor((later.length - 1) / 2)]! }),
          [`Lading${how}, first in a process`]: times[0]!,
        },
        processes: { [`Lading${how}`]: ended.milliseconds },
      };
    },
  };
}

interface LadingOutput {
  readonly answers: Record<string, string>;
  readonly times: readonly number[];
  readonly cpu: readonly number[];
}

export const PYTHON = "/usr/bin/python3";

/** A solver with a Python interface, started with one of the scripts in `peers/`. */
export function python(name: string, script: string, file: string): Solver {
  return {
    name,
    run: async () => {
      const ended = await runLimited(PYTHON, [
        join(import.meta.dirname, "../peers", script),
        file,
        ...(PROCESSOR_TIME ? ["--cpu"] : []),
      ]);
      if (ended === undefined) return undefined;
      const found = outputOf(name, ended) as { answers: Record<string, string>; compile: number; solve: number };
      const { answers, compile, solve } = found;
      return { answers, times: { [`${name}, load and solve`]: compile + solve, [`${name}, solve alone`]: solve } };
    },
  };
}

function outputOf(name: string, { status, stdout, stderr }: Ended): unknown {
  if (status !== 0) throw new Error(`${name} ended with ${status}: ${stderr.slice(-2000)}`);
  return JSON.parse(stdout);
}

/** `cargo generate-lockfile` beside a registry of files: no network, nothing to verify. */
export function cargo(command: string, directory: string, file: CaseFile): Solver {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  writeCargoCase(directory, file);
  const project = join(directory, "project");
  const [one] = file.cases!;
  return {
    name: "cargo",
    run: async () => {
      rmSync(join(project, "Cargo.lock"), { force: true });
      const options = { cwd: project, env: cargoEnvironment(directory) };
      const ended = await runLimited(command, ["generate-lockfile", "--offline"], options);
      if (ended === undefined) return undefined;
      const refused = /failed to select a version|no matching package/.test(ended.stderr);
      if (ended.status !== 0 && !refused)
        throw new Error(`cargo ended with ${ended.status}: ${ended.stderr.slice(-2000)}`);
      return {
        answers: { [one!.name]: ended.status === 0 ? "sat" : "unsat" },
        times: {},
        processes: { cargo: ended.milliseconds },
      };
    },
  };
}

/** Enough of one contender: what takes long is not repeated as often. */
const PATIENCE = 15_000;

/**
 * Runs solvers in turn, round by round, compares their answers with the first one's, and prints every time's median. A
 * solver that took more than the limit is not asked again.
 */
export async function compare(title: string, solvers: readonly Solver[], rounds = 5): Promise<void> {
  const samples = new Map<string, number[]>();
  const processes = new Map<string, number[]>();
  const late = new Set<string>();
  const spent = new Map<string, number>();
  let first: { readonly name: string; readonly answers: Run["answers"] } | undefined;
  for (let round = 0; round < rounds; round++) {
    for (const { name, run } of solvers) {
      if (late.has(name) || (spent.get(name) ?? 0) > PATIENCE) continue;
      const start = performance.now();
      const result = await run();
      spent.set(name, (spent.get(name) ?? 0) + performance.now() - start);
      if (result === undefined) {
        late.add(name);
        continue;
      }
      first ??= { name, answers: result.answers };
      refuseDisagreement(title, first.name, first.answers ?? {}, name, result.answers);
      collect(samples, result.times);
      collect(processes, result.processes ?? {});
    }
  }
  printSamples(title, samples, late);
  // Where a peer is a process only, ours is compared as one.
  if (processes.has("cargo")) printSamples(`${title}, whole process`, processes, late);
  for (const name of late) console.log(`  ${name.padEnd(34)}    > ${LIMIT_SECONDS} s`);
}

function collect(samples: Map<string, number[]>, times: Readonly<Record<string, number>>): void {
  for (const [label, time] of Object.entries(times)) samples.set(label, [...(samples.get(label) ?? []), time]);
}

/** Ratios are to the first row, which is ours; where ours was too late there are none. */
function printSamples(title: string, samples: ReadonlyMap<string, readonly number[]>, late: ReadonlySet<string>): void {
  const figures = [...samples].map(([label, times]): Figure => figure(label, times, "ms"));
  if (!late.has("Lading")) return printFigures(title, figures);
  console.log(`\n${title}`);
  for (const { name, median } of figures) console.log(`  ${name.padEnd(34)}${median.toFixed(0).padStart(10)} ms`);
}

function refuseDisagreement(
  title: string,
  first: string,
  expected: Readonly<Record<string, string>>,
  name: string,
  answers: Run["answers"],
): void {
  for (const [key, answer] of Object.entries(answers ?? {})) {
    if (expected[key] !== answer) {
      throw new Error(`${title}: "${name}" answers "${answer}" to "${key}", "${first}" answers "${expected[key]}"`);
    }
  }
}
