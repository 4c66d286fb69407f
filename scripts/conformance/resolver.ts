import { readFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import { solveConformanceFile, tallySuggestions, type SuggestionTally } from "@lading/resolver/testing";
import { UnknownFormError, isObject, tryParseJson, type SuiteResult } from "./suite.ts";

/** `[text, lo, hi, lo, hi, ...]`: inclusive intervals of version indices. */
type Range = readonly [text: string, ...bounds: number[]];

interface UniversePackage {
  readonly versions: readonly string[];
  readonly ranges: readonly Range[];
  readonly deps: readonly Readonly<Record<string, number>>[];
  readonly optional?: readonly (Readonly<Record<string, number>> | null)[];
}

type Universe = Readonly<Record<string, UniversePackage>>;
type Solution = Readonly<Record<string, string>>;

interface ResolverCase {
  readonly name: string;
  readonly universe: string;
  readonly root: Readonly<Record<string, Range>>;
  readonly rootOptional?: Readonly<Record<string, Range>>;
  readonly overrides?: Readonly<Record<string, Range>>;
  /** The source's rule that its answer rests on, where others may rule otherwise. */
  readonly policy?: string;
  readonly expect: { readonly result: "sat" | "unsat"; readonly solution?: Solution; readonly canonical?: Solution };
}

interface ResolverFile {
  readonly universes: Readonly<Record<string, Universe>>;
  readonly cases?: readonly ResolverCase[];
  readonly roots?: Readonly<Record<string, string>>;
}

interface CaseAnswer {
  readonly result: string;
  readonly solution?: Solution | undefined;
}

type Answers = Readonly<Record<string, CaseAnswer | string>>;

function holds([, ...bounds]: Range, index: number): boolean {
  return bounds.some((low, at) => at % 2 === 0 && index >= low && index <= bounds[at + 1]!);
}

function indicesOf(universe: Universe, solution: Solution): Map<string, number> | string {
  const indices = new Map<string, number>();
  for (const [name, version] of Object.entries(solution)) {
    const index = universe[name]?.versions.indexOf(version) ?? -1;
    if (index < 0) return `${name} ${version} does not exist`;
    indices.set(name, index);
  }
  return indices;
}

function rootProblem(
  { root, rootOptional = {}, overrides = {} }: ResolverCase,
  indices: Map<string, number>,
): string | undefined {
  for (const [name, range] of Object.entries({ ...root, ...overrides })) {
    const index = indices.get(name);
    if (index === undefined || !holds(range, index)) return `the root's need of ${name} ${range[0]} is not met`;
  }
  for (const [name, range] of Object.entries(rootOptional)) {
    const index = indices.get(name);
    if (index !== undefined && !holds(range, index)) return `the root's optional ${name} ${range[0]} is violated`;
  }
  return undefined;
}

function packageProblem(
  universe: Universe,
  name: string,
  indices: Map<string, number>,
  one: ResolverCase,
): string | undefined {
  const { deps, optional } = universe[name]!;
  const index = indices.get(name)!;
  const edges = [
    ...Object.entries(deps[index]!).map(([to, range]) => ({ to, range, mayLack: false })),
    ...Object.entries(optional?.[index] ?? {}).map(([to, range]) => ({ to, range, mayLack: true })),
  ];
  const broken = edges.find(({ to, range, mayLack }) => {
    // An override replaces what every package says of that dependency.
    if (!mayLack && one.overrides?.[to] !== undefined) return false;
    const chosen = indices.get(to);
    return chosen === undefined ? !mayLack : !holds(universe[to]!.ranges[range]!, chosen);
  });
  return broken && `${name}'s need of ${broken.to} ${universe[broken.to]!.ranges[broken.range]![0]} is not met`;
}

/** Why a solution is none; `undefined` for a right one. Knows nothing of the resolver. */
function solutionProblem(universe: Universe, one: ResolverCase, solution: Solution): string | undefined {
  const indices = indicesOf(universe, solution);
  if (typeof indices === "string") return indices;
  const root = rootProblem(one, indices);
  if (root !== undefined) return root;
  for (const name of indices.keys()) {
    const problem = packageProblem(universe, name, indices, one);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function sameSolution(left: Solution, right: Solution): boolean {
  const names = new Set([...Object.keys(left), ...Object.keys(right)]);
  return [...names].every((name) => left[name] === right[name]);
}

function caseProblem(
  file: ResolverFile,
  one: ResolverCase,
  answer: CaseAnswer | string | undefined,
): string | undefined {
  if (answer === undefined || typeof answer === "string") return "no answer";
  if (one.policy !== undefined) return undefined;
  if (answer.result !== one.expect.result) return `${answer.result}, expected ${one.expect.result}`;
  if (answer.result !== "sat") return undefined;
  return solutionProblem(file.universes[one.universe]!, one, answer.solution ?? {});
}

interface Tally {
  readonly passed: number;
  readonly failures: readonly string[];
  readonly note: string;
}

function judgeCases(file: ResolverFile, cases: readonly ResolverCase[], answers: Answers): Tally {
  const failures = cases.flatMap((one) => {
    const problem = caseProblem(file, one, answers[one.name]);
    return problem === undefined ? [] : [`${one.name}: ${problem}`];
  });
  const canonical = cases.filter((one) => one.expect.canonical !== undefined);
  const same = canonical.filter((one) => {
    const answer = answers[one.name];
    return isObject(answer) && sameSolution(one.expect.canonical!, (answer as CaseAnswer).solution ?? {});
  });
  const ruled = cases.filter((one) => one.policy !== undefined).length;
  const note = `${same.length} of ${canonical.length} canonical, ${ruled} rest on the source's own policy`;
  return { passed: cases.length - failures.length, failures, note };
}

function judgeRoots(roots: Readonly<Record<string, string>>, answers: Answers): Tally {
  const failures: string[] = [];
  let total = 0;
  for (const [name, letters] of Object.entries(roots)) {
    const answer = answers[name];
    for (let i = 0; i < letters.length; i++) {
      total++;
      const found = typeof answer === "string" ? answer[i] : undefined;
      if (found !== letters[i]) failures.push(`${name} version ${i}: ${found ?? "no answer"}, expected ${letters[i]}`);
    }
  }
  return { passed: total - failures.length, failures, note: `${total} roots` };
}

/** Share of the unsolvable cases that a single change would solve which must get advice that does. */
const LEAST_HELPED = 0.9;

/** Advice counts as one more test of the file: it fails as a whole where too few cases get any that helps, and never may any mislead. */
function withSuggestions(tally: Tally, { unsolvable, fixable, helped, misleading, without }: SuggestionTally): Tally {
  if (unsolvable === 0) return tally;
  const tooFew = helped < LEAST_HELPED * fixable ? without : [];
  const failures = [...misleading, ...tooFew];
  return {
    passed: tally.passed + (failures.length === 0 ? 1 : 0),
    failures: [...tally.failures, ...failures],
    note: `${tally.note}, advice helps ${helped} of ${fixable} fixable among ${unsolvable} unsolvable`,
  };
}

/** Bytes of a file, unpacked where they are gzip. */
export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes).toString("utf8");
}

function isResolverFile(value: unknown): value is ResolverFile {
  return isObject(value) && isObject(value["universes"]) && (Array.isArray(value["cases"]) || isObject(value["roots"]));
}

/** Solves a file of resolver cases and checks the answers; `undefined` for another file. */
export function runResolver(file: string, text: string): SuiteResult | undefined {
  const value = tryParseJson(text);
  if (!isResolverFile(value)) return undefined;
  const { answers } = solveConformanceFile(value);
  const tally =
    value.roots === undefined
      ? withSuggestions(judgeCases(value, value.cases ?? [], answers), tallySuggestions(value))
      : judgeRoots(value.roots, answers);
  return { suite: "resolver", form: value.roots === undefined ? "cases" : "roots", file, ...tally, data: answers };
}

/** @throws {UnknownFormError} */
export async function runResolverFile(file: string): Promise<SuiteResult> {
  const result = runResolver(file, textOf(await readFile(file)));
  if (result === undefined) throw new UnknownFormError(file, "files with universes and cases or roots");
  return result;
}
