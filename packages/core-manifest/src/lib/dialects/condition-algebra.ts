import { targetsInclude } from "../targets.ts";
import { canonicalOf } from "./values.ts";

/** Where a dependency counts: for these targets, and for hosts in these ranges (canonical), all at once. */
export interface Condition {
  /** Patterns; empty: every target. */
  readonly targets: readonly string[];
  readonly hosts: Readonly<Record<string, string>>;
}

/** A condition, or what is wrong with its text. */
export type ConditionResult = Condition | { readonly problem: string };

export function isProblem(result: ConditionResult): result is { readonly problem: string } {
  return "problem" in result;
}

/** A host axis in a range, in the comma syntax. */
export function onHost(axis: string, requirement: string): ConditionResult {
  const result = canonicalOf(requirement, "caret");
  if ("problem" in result) return { problem: `"${axis}": ${result.problem}` };
  return { targets: [], hosts: { [axis]: result.canonical } };
}

export function onTargets(...targets: readonly string[]): Condition {
  return { targets, hosts: {} };
}

/** The canonical range in the comma syntax, one text for each alternative. */
function alternatives(canonical: string): string[] {
  return canonical.split(" || ").map((range) => range.replaceAll(/ (?=[<>=])/g, ", "));
}

export function both(left: Condition, right: Condition): ConditionResult {
  let result: Condition = { ...left, hosts: { ...left.hosts } };
  for (const [axis, range] of Object.entries(right.hosts)) {
    const known = result.hosts[axis];
    const joined =
      known === undefined
        ? range
        : alternatives(known)
            .flatMap((a) => alternatives(range).map((b) => `${a}, ${b}`))
            .join(" || ");
    const met = onHost(axis, joined);
    if (isProblem(met)) return met;
    result = { ...result, hosts: { ...result.hosts, ...met.hosts } };
  }
  const targets = bothTargets(left.targets, right.targets);
  return "problem" in targets ? targets : { ...result, targets: targets.targets };
}

function bothTargets(
  left: readonly string[],
  right: readonly string[],
): { readonly targets: readonly string[] } | { readonly problem: string } {
  const negative = [...left, ...right].filter((item) => item.startsWith("!"));
  const [a, b] = [left, right].map((list) => list.filter((item) => !item.startsWith("!"))) as [string[], string[]];
  const positive = a.length === 0 ? b : b.length === 0 ? a : a.flatMap((one) => b.flatMap((other) => meet(one, other)));
  if (positive.length === 0 && a.length > 0 && b.length > 0) {
    return { problem: `no target is both ${a.join(" or ")} and ${b.join(" or ")}` };
  }
  return { targets: [...new Set([...positive, ...negative])] };
}

/** The pattern that means what two mean: at most one. */
function meet(left: string, right: string): string[] {
  if (left === right || targetsInclude([left], right)) return [right];
  if (targetsInclude([right], left)) return [left];
  const processor = [left, right].find((one) => /^[^*]+-\*$/.test(one));
  const system = [left, right].find((one) => /^\*-[^*]+$/.test(one));
  return processor === undefined || system === undefined ? [] : [`${processor.slice(0, -2)}${system.slice(1)}`];
}

export function either(left: Condition, right: Condition): ConditionResult {
  const axes = [...new Set([...Object.keys(left.hosts), ...Object.keys(right.hosts)])];
  const [axis] = axes;
  const noTargets = left.targets.length + right.targets.length === 0;
  if (axis !== undefined && axes.length === 1 && noTargets) {
    const ranges = [left.hosts[axis], right.hosts[axis]];
    if (ranges.every((range) => range !== undefined)) return onHost(axis, ranges.flatMap(alternatives).join(" || "));
  }
  const targets = [...left.targets, ...right.targets];
  const plain = left.targets.length > 0 && right.targets.length > 0 && !targets.some((item) => item.startsWith("!"));
  if (axes.length === 0 && plain) return onTargets(...new Set(targets));
  return { problem: "alternatives are possible between versions of one host, or between targets" };
}

export function opposite({ targets, hosts }: Condition): ConditionResult {
  const [host, ...others] = Object.entries(hosts);
  if (host === undefined) {
    const negative = targets.filter((item) => item.startsWith("!"));
    if (negative.length === 0) return onTargets(...targets.map((item) => `!${item}`));
    if (negative.length === targets.length) return onTargets(...targets.map((item) => item.slice(1)));
  }
  if (host === undefined || others.length > 0 || targets.length > 0)
    return { problem: "the opposite of several conditions at once cannot be said" };
  const [axis, range] = host;
  const outside = range.split(" ").map(outsideOf);
  if (range.includes("||") || outside.includes(undefined))
    return { problem: `the opposite of ${axis} ${range} cannot be said` };
  return onHost(axis, outside.join(" || "));
}

function outsideOf(comparator: string): string | undefined {
  const [, operator, version] = /^(>=|<=|>|<|=)(.+)$/.exec(comparator) ?? [];
  switch (operator) {
    case ">=":
      return `<${version}`;
    case ">":
      return `<=${version}`;
    case "<=":
      return `>${version}`;
    case "<":
      return `>=${version!.replace(/-0$/, "")}`;
    case "=":
      return `<${version} || >${version}`;
    default:
      return undefined;
  }
}

/** Whether two conditions say the same, whatever the order of what they list. */
export function sameCondition(left: Condition, right: Condition): boolean {
  return conditionKey(left) === conditionKey(right);
}

/** Equal texts for equal conditions. */
export function conditionKey({
  targets = [],
  hosts = {},
}: {
  readonly targets?: readonly string[];
  readonly hosts?: Readonly<Record<string, string>>;
}): string {
  const axes = Object.entries(hosts).toSorted(([left], [right]) => (left < right ? -1 : 1));
  return JSON.stringify([[...targets].sort(), axes]);
}
