import {
  both,
  either,
  isProblem,
  onTargets,
  opposite,
  sameCondition,
  type Condition,
  type ConditionResult,
} from "./condition-algebra.ts";
import { TokenReader } from "./token-reader.ts";
import { processorName, systemName } from "./cfg.ts";
import { canonicalOf } from "./values.ts";

const MOST_DEPTH = 16;

/** An environment marker of PEP 508, as far as it speaks of Python's version, the operating system and the processor. */
export function parseMarker(text: string): ConditionResult {
  const tokens = text.match(/"[^"]*"|'[^']*'|[A-Za-z_][A-Za-z0-9_.]*|<=|>=|==|!=|~=|===|[<>()]|\S/g) ?? [];
  const reader = new TokenReader(tokens);
  const result = new MarkerParser(reader).alternatives(0);
  if (!isProblem(result) && !reader.isAtEnd) return { problem: "something follows after the marker" };
  return result;
}

const SWAPPED: Readonly<Record<string, string>> = {
  "<": ">",
  ">": "<",
  "<=": ">=",
  ">=": "<=",
  "==": "==",
  "!=": "!=",
};

class MarkerParser {
  readonly #tokens: TokenReader;

  constructor(tokens: TokenReader) {
    this.#tokens = tokens;
  }

  alternatives(depth: number): ConditionResult {
    return this.#joined("or", either, () => this.#joined("and", both, () => this.#atom(depth)));
  }

  #joined(
    word: string,
    join: (left: Condition, right: Condition) => ConditionResult,
    next: () => ConditionResult,
  ): ConditionResult {
    let result = next();
    while (this.#tokens.take(word)) {
      const right = next();
      if (isProblem(result)) return result;
      if (isProblem(right)) return right;
      result = join(result, right);
    }
    return result;
  }

  #atom(depth: number): ConditionResult {
    if (depth > MOST_DEPTH) return { problem: `it is nested deeper than ${MOST_DEPTH} levels` };
    if (this.#tokens.take("(")) {
      const inner = this.alternatives(depth + 1);
      return this.#tokens.take(")") || isProblem(inner) ? inner : { problem: "a parenthesis is not closed" };
    }
    const [left, operator, right] = [this.#tokens.read(), this.#tokens.read(), this.#tokens.read()];
    if (left === undefined || operator === undefined || right === undefined) return { problem: "it is cut short" };
    const [l, r] = [unquoted(left), unquoted(right)];
    if (l === undefined && r !== undefined) return comparison(left, operator, r);
    if (l !== undefined && r === undefined) return comparison(right, SWAPPED[operator] ?? operator, l);
    return { problem: "a variable is compared with a text in quotes" };
  }
}

function unquoted(token: string): string | undefined {
  return /^(["']).*\1$/.test(token) ? token.slice(1, -1) : undefined;
}

function comparison(variable: string, operator: string, value: string): ConditionResult {
  if (variable === "python_version" || variable === "python_full_version")
    return pythonCondition(variable === "python_version", operator, value);
  const targets = targetsOf(variable, value);
  if (targets === undefined) return { problem: `"${variable}" says nothing about hosts and targets` };
  if (operator === "==") return targets;
  return operator === "!=" ? opposite(targets) : { problem: `"${operator}" is none of "==" and "!="` };
}

function targetsOf(variable: string, value: string): Condition | undefined {
  switch (variable) {
    case "sys_platform":
    case "platform_system":
      return onTargets(`*-${systemName(value)}`);
    case "platform_machine":
      return onTargets(`${processorName(value)}-*`);
    case "os_name":
      return value === "nt" ? onTargets("*-windows") : value === "posix" ? onTargets("!*-windows") : undefined;
    default:
      return undefined;
  }
}

/** `python_version` has two parts: `> "3.8"` begins at 3.9. */
function pythonCondition(isShort: boolean, operator: string, value: string): ConditionResult {
  const parts = /^(\d+)\.(\d+)$/.exec(value);
  const next = parts === null ? undefined : `${parts[1]}.${Number(parts[2]) + 1}`;
  const short: Readonly<Record<string, string>> = {
    ">": `>=${next}`,
    "<=": `<${next}`,
    "==": `==${value}.*`,
    "!=": `!=${value}.*`,
  };
  const text = (isShort && next !== undefined ? short[operator] : undefined) ?? `${operator}${value}`;
  const result = canonicalOf(text, "pep440");
  return "problem" in result ? { problem: result.problem } : { targets: [], hosts: { python: result.canonical } };
}

/** A condition as a marker, or `undefined` where markers have no words for it. */
export function markerText(condition: Condition): string | undefined {
  const { targets, hosts } = condition;
  if (Object.keys(hosts).some((axis) => axis !== "python")) return undefined;
  const positive = targets.filter((item) => !item.startsWith("!")).map((item) => targetMarker(item, "=="));
  const negative = targets.filter((item) => item.startsWith("!")).map((item) => targetMarker(item.slice(1), "!="));
  const parts = [
    positive.length > 1 ? `(${positive.join(" or ")})` : positive[0],
    ...negative,
    ...(hosts["python"] === undefined ? [] : pythonMarkers(hosts["python"])),
  ].filter((part) => part !== undefined);
  const text = parts.join(" and ");
  const back = text === "" ? undefined : parseMarker(text);
  return back !== undefined && !isProblem(back) && sameCondition(back, condition) ? text : undefined;
}

function targetMarker(pattern: string, operator: string): string {
  const [processor, system] = pattern.split("-", 2) as [string, string | undefined];
  const python: Readonly<Record<string, string>> = { windows: "win32", macos: "darwin" };
  const machine = `platform_machine ${operator} "${processor}"`;
  const platform = `sys_platform ${operator} "${python[system ?? ""] ?? system}"`;
  if (processor === "*") return platform;
  return system === "*" ? machine : `${machine} and ${platform}`;
}

function pythonMarkers(canonical: string): string[] {
  return canonical.split(" ").map((comparator) => {
    const [, operator, version = ""] = /^(>=|<=|>|<|=)(.+?)(?:-0)?$/.exec(comparator) ?? [];
    const short = /^(\d+\.\d+)\.0$/.exec(version)?.[1];
    const name = short === undefined ? "python_full_version" : "python_version";
    return `${name} ${operator === "=" ? "==" : operator} "${short ?? version}"`;
  });
}
