/** One thing that is wrong with data from outside. */
export interface ShapeProblem {
  readonly kind: "missing" | "unknown" | "invalid";
  /** Where: `bins[0].commands`. */
  readonly path: string;
  readonly found: string;
  readonly allowed: string;
}

/** Receives each problem; throws to stop at the first. */
export type ShapeReport = (problem: ShapeProblem) => void;

export type JsonObject = Readonly<Record<string, unknown>>;

/** What may be in a text. */
export interface TextRule {
  /** Said to the user, after "expected". */
  readonly allowed?: string;
  readonly pattern?: RegExp;
  /** In UTF-16 code units; 4096 unless told. */
  readonly max?: number;
}

const TEXT_MAX = 4096;
const SHOWN_MAX = 60;

// These keys reach into prototypes when somebody copies or looks up by name.
const UNSAFE_KEYS: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);

/** A value as it is shown in a message: cut to size, never a whole document. */
export function describe(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "object") return "a table";
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") return String(value);
  if (typeof value !== "string") return `a ${typeof value}`;
  return JSON.stringify(value.length > SHOWN_MAX ? `${value.slice(0, SHOWN_MAX)}…` : value);
}

/**
 * Reads `unknown` data field by field. Every method reports what is wrong and then answers with something
 * harmless, so that a caller who collects the problems hears of all of them in one pass.
 */
export class Shape {
  readonly report: ShapeReport;

  constructor(report: ShapeReport) {
    this.report = report;
  }

  invalid(path: string, value: unknown, allowed: string): void {
    this.report({ kind: value === undefined ? "missing" : "invalid", path, found: describe(value), allowed });
  }

  /** A table with keys that are safe to look up. */
  object(value: unknown, path: string): JsonObject {
    if (typeof value !== "object" || value === null || Array.isArray(value) || !isPlain(value)) {
      this.invalid(path, value, "a table");
      return {};
    }
    const unsafe = Object.keys(value).find((key) => UNSAFE_KEYS.has(key));
    if (unsafe === undefined) return value as JsonObject;
    this.report({ kind: "unknown", path: join(path, unsafe), found: `"${unsafe}"`, allowed: "another name" });
    return {};
  }

  list(value: unknown, path: string, max: number): readonly unknown[] {
    if (!Array.isArray(value)) {
      this.invalid(path, value, "a list");
      return [];
    }
    if (value.length <= max) return value;
    this.invalid(path, value, `at most ${max} entries`);
    return [];
  }

  text(value: unknown, path: string, rule: TextRule = {}): string {
    const max = rule.max ?? TEXT_MAX;
    if (typeof value !== "string") this.invalid(path, value, rule.allowed ?? "text");
    else if (value.length > max) this.invalid(path, value, `at most ${max} characters`);
    else if (rule.pattern !== undefined && !rule.pattern.test(value)) {
      this.invalid(path, value, rule.allowed ?? String(rule.pattern));
    } else return value;
    return "";
  }

  texts(value: unknown, path: string, max: number, rule: TextRule = {}): readonly string[] {
    return this.list(value, path, max).map((item, index) => this.text(item, `${path}[${index}]`, rule));
  }

  choice<T extends string>(value: unknown, path: string, choices: readonly T[]): T {
    if (typeof value === "string" && (choices as readonly string[]).includes(value)) return value as T;
    this.invalid(path, value, `one of ${choices.map((choice) => `"${choice}"`).join(", ")}`);
    return choices[0]!;
  }

  boolean(value: unknown, path: string): boolean {
    if (typeof value === "boolean") return value;
    this.invalid(path, value, "true or false");
    return false;
  }

  integer(value: unknown, path: string, min: number, max: number): number {
    if (Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max) return value as number;
    this.invalid(path, value, `an integer from ${min} to ${max}`);
    return min;
  }

  /** A table whose values all have one shape. */
  record<T>(value: unknown, path: string, read: (value: unknown, path: string) => T): Readonly<Record<string, T>> {
    const entries = Object.entries(this.object(value, path));
    return Object.fromEntries(entries.map(([key, item]) => [key, read(item, join(path, key))]));
  }

  /** Reports every key that is not in `known`. */
  closed(value: JsonObject, path: string, known: readonly string[]): void {
    for (const key of Object.keys(value)) {
      if (known.includes(key)) continue;
      this.report({ kind: "unknown", path: join(path, key), found: `"${key}"`, allowed: known.join(", ") });
    }
  }
}

/** Whether an object is a table, and no date or other class. */
export function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Path of a key below `path`: quoted where it holds more than a bare key may. */
export function join(path: string, key: string): string {
  const shown = /^[\w-]+$/.test(key) ? key : JSON.stringify(key.slice(0, SHOWN_MAX));
  return path === "" ? shown : `${path}.${shown}`;
}

/** The keys of `value` that are not in `known`; `undefined` where there are none. */
export function unknownKeys(value: JsonObject, known: ReadonlySet<string>): JsonObject | undefined {
  const entries = Object.entries(value).filter(([key]) => !known.has(key));
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

/** Whether a tree is no deeper than `depth` and holds no key that reaches into prototypes. */
export function safetyProblem(value: unknown, depth: number): string | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (depth === 0) return "its nesting is too deep";
  if (!Array.isArray(value)) {
    const unsafe = Object.keys(value).find((key) => UNSAFE_KEYS.has(key));
    if (unsafe !== undefined) return `it has a key "${unsafe}"`;
  }
  for (const item of Array.isArray(value) ? (value as unknown[]) : Object.values(value)) {
    const problem = safetyProblem(item, depth - 1);
    if (problem !== undefined) return problem;
  }
  return undefined;
}
