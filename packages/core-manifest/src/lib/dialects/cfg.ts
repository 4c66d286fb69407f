import {
  both,
  either,
  isProblem,
  onHost,
  onTargets,
  opposite,
  type Condition,
  type ConditionResult,
} from "./condition-algebra.ts";
import { TokenReader } from "./token-reader.ts";

const MOST_DEPTH = 16;
const MOST_CHARACTERS = 1024;
const TARGET = /^!?[a-z0-9_*][a-z0-9_.*-]{0,127}$/;
const AXIS = /^[a-z0-9]+(?:[-_][a-z0-9]+)*$/;

const PROCESSORS: Readonly<Record<string, string>> = {
  aarch64: "arm64",
  amd64: "x86_64",
  i386: "x86",
  i586: "x86",
  i686: "x86",
};
const SYSTEMS: Readonly<Record<string, string>> = { darwin: "macos", win32: "windows" };

/** A processor as targets are called here. */
export function processorName(text: string): string {
  const lower = text.toLowerCase();
  return PROCESSORS[lower] ?? lower;
}

/** An operating system as targets are called here. */
export function systemName(text: string): string {
  const lower = text.toLowerCase();
  return SYSTEMS[lower] ?? lower;
}

/** `x86_64-unknown-linux-gnu` is `x86_64-linux`; a target that is none of Rust's triples stays as it is. */
export function shortTarget(text: string): string {
  const [processor = "", vendor = "", system = "", ...rest] = text.split("-");
  if (system === "" || rest.length > 1) return text;
  const known = ["unknown", "pc", "apple", "uwp"].includes(vendor);
  return known ? `${processorName(processor)}-${systemName(system)}` : text;
}

/**
 * The key of a `[target.KEY]` table: a target or pattern, or `cfg(...)` in which `all`, `any` and `not` join
 * `AXIS = "REQUIREMENT"`, `target = "PATTERN"`, `target_os`, `target_arch`, `target_family`, `unix` and `windows`.
 */
export function parseCondition(text: string): ConditionResult {
  if (text.length > MOST_CHARACTERS) return { problem: `it has more than ${MOST_CHARACTERS} characters` };
  if (!/^cfg\s*\(/.test(text)) {
    return TARGET.test(text) ? onTargets(shortTarget(text)) : { problem: "it is neither a target nor cfg(...)" };
  }
  const tokens = tokensOf(text);
  if (tokens === undefined) return { problem: "it has characters that mean nothing" };
  const reader = new TokenReader(tokens);
  const result = new CfgParser(reader).expression(0);
  if (!isProblem(result) && !reader.isAtEnd) return { problem: "something follows after the last parenthesis" };
  return result;
}

function tokensOf(text: string): string[] | undefined {
  const found = text.match(/"[^"]*"|[A-Za-z_][A-Za-z0-9_-]*|[(),=]|\S/g) ?? [];
  return found.every((token) => /^(?:"|[A-Za-z_]|[(),=]$)/.test(token)) ? found : undefined;
}

class CfgParser {
  readonly #tokens: TokenReader;

  constructor(tokens: TokenReader) {
    this.#tokens = tokens;
  }

  expression(depth: number): ConditionResult {
    if (depth > MOST_DEPTH) return { problem: `it is nested deeper than ${MOST_DEPTH} levels` };
    const name = this.#tokens.read();
    if (name === undefined || !/^[A-Za-z_]/.test(name)) return { problem: "a condition is missing" };
    if (this.#tokens.take("(")) return this.#call(name, depth);
    if (this.#tokens.take("=")) return this.#predicate(name);
    if (name === "unix") return onTargets("!*-windows", "!wasm*");
    if (name === "windows") return onTargets("*-windows");
    return { problem: `"${name}" says nothing about hosts and targets` };
  }

  #call(name: string, depth: number): ConditionResult {
    const parts: Condition[] = [];
    while (!this.#tokens.take(")")) {
      const part = this.expression(depth + 1);
      if (isProblem(part)) return part;
      parts.push(part);
      if (!this.#tokens.take(",") && this.#tokens.next !== ")") return { problem: `"${name}(" is not closed` };
    }
    const [first, ...rest] = parts;
    if (first === undefined) return { problem: `"${name}()" has no condition` };
    if ((name === "cfg" || name === "not") && rest.length > 0) return { problem: `"${name}" takes one condition` };
    if (name === "cfg") return first;
    if (name === "not") return opposite(first);
    if (name !== "all" && name !== "any") return { problem: `"${name}" is none of "all", "any" and "not"` };
    let result: ConditionResult = first;
    for (const part of rest) {
      if (isProblem(result)) return result;
      result = name === "all" ? both(result, part) : either(result, part);
    }
    return result;
  }

  #predicate(name: string): ConditionResult {
    const quoted = this.#tokens.read();
    if (quoted?.startsWith('"') !== true) return { problem: `"${name}" has no value in quotes` };
    const value = quoted.slice(1, -1);
    switch (name) {
      case "target":
        return TARGET.test(value) ? onTargets(shortTarget(value)) : { problem: `"${value}" is not a target` };
      case "target_os":
        return onTargets(`*-${systemName(value)}`);
      case "target_arch":
        return onTargets(value.startsWith("wasm") ? `${value}*` : `${processorName(value)}-*`);
      case "target_family":
        if (value === "unix") return onTargets("!*-windows", "!wasm*");
        if (value === "windows") return onTargets("*-windows");
        return value === "wasm" ? onTargets("wasm*") : { problem: `"${value}" is no family of targets` };
      default:
        if (name.startsWith("target_") || name === "feature" || !AXIS.test(name))
          return { problem: `"${name}" says nothing about hosts and targets` };
        return onHost(name, value);
    }
  }
}
