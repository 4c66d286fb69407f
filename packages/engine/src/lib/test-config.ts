import path from "node:path";
import { EngineError } from "./engine-error.ts";
import type { ResultFormat } from "./test-results/results.ts";

/** How the tests of a runner are started. */
export type RunnerType = "script" | "unittest" | "pytest" | "node" | "command";

/** One runner of a package's tests. */
export interface TestRunner {
  readonly name: string;
  readonly type: RunnerType;
  /** File or directory below the package; absent for `command`. */
  readonly entryPoint?: string;
  /** Program and arguments, for `command`. */
  readonly command?: readonly string[];
  readonly args: readonly string[];
  readonly timeoutMs: number;
  readonly resultFormat: ResultFormat;
  /** File or directory below the package where the runner leaves its results; absent: what it prints. */
  readonly resultPath?: string;
  readonly env: Readonly<Record<string, string>>;
}

/** What a package says of its tests (`docs/spec/package-tests.md`). */
export interface TestConfig {
  readonly enabled: boolean;
  readonly runners: readonly TestRunner[];
  /** Where runners are looked for, if none is named. */
  readonly discover?: string;
  /** Share of the tests that were not skipped which must pass, 0 to 1. */
  readonly minPassRate: number;
  /** What failing tests mean for an installation. */
  readonly onFailure: "block" | "warn" | "ignore";
}

type Table = Readonly<Record<string, unknown>>;

/** What holds for every runner that does not say it itself. */
interface Shared {
  readonly resultFormat: ResultFormat;
  readonly resultPath: string | undefined;
}

const TESTING_KEYS = ["enabled", "discovery", "runners", "result_format", "result_path", "min_pass_rate", "on_failure"];
const TYPES: readonly RunnerType[] = ["script", "unittest", "pytest", "node", "command"];
const FORMATS: readonly ResultFormat[] = ["simple", "junit-xml", "tap", "json"];
const FORMAT_ALIASES: Readonly<Record<string, ResultFormat>> = {
  junit: "junit-xml",
  junit_xml: "junit-xml",
  xml: "junit-xml",
};
const ON_FAILURE = ["block", "warn", "ignore"] as const;
const DEFAULT_TIMEOUT_S = 300;
const MAX_TIMEOUT_S = 86_400;

/**
 * Reads the `testing` table of a manifest.
 * @param file for messages
 * @throws {EngineError} `TEST_CONFIG_INVALID`
 */
export function readTestConfig(value: unknown, file: string): TestConfig {
  const reader = new Reader(file);
  const table = reader.table(value, "testing");
  reader.keys(table, "testing", TESTING_KEYS);
  const shared: Shared = {
    resultFormat: readFormat(reader, table["result_format"] ?? "simple", "testing.result_format"),
    resultPath: reader.path(table["result_path"], "testing.result_path"),
  };
  const runners = Object.entries(reader.table(table["runners"] ?? {}, "testing.runners")).map(([name, runner]) =>
    readRunner(reader, { name, key: `testing.runners.${name}`, value: runner, shared }),
  );
  const discover = readDiscovery(reader, table["discovery"]);
  return {
    enabled: reader.boolean(table["enabled"] ?? true, "testing.enabled"),
    runners,
    ...(discover === undefined ? {} : { discover }),
    minPassRate: reader.number(table["min_pass_rate"] ?? 1, "testing.min_pass_rate", 1),
    onFailure: reader.choice(table["on_failure"] ?? "block", "testing.on_failure", ON_FAILURE),
  };
}

function readDiscovery(reader: Reader, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  const table = reader.table(value, "testing.discovery");
  reader.keys(table, "testing.discovery", ["method", "path"]);
  const method = reader.choice(table["method"] ?? "directory", "testing.discovery.method", ["directory", "manual"]);
  return method === "manual" ? undefined : (reader.path(table["path"], "testing.discovery.path") ?? "tests");
}

const RUNNER_KEYS = ["type", "entry_point", "command", "args", "timeout", "result_format", "result_path", "env"];

function readRunner(
  reader: Reader,
  { name, key, value, shared }: { name: string; key: string; value: unknown; shared: Shared },
): TestRunner {
  const table = reader.table(value, key);
  reader.keys(table, key, RUNNER_KEYS);
  const type = reader.choice(table["type"] ?? "script", `${key}.type`, TYPES);
  const needed = type === "command" ? "command" : "entry_point";
  if (table[needed] === undefined) reader.fail(`${key}.${needed}`, "it is missing", `what the runner "${type}" starts`);
  const entryPoint = reader.path(table["entry_point"], `${key}.entry_point`);
  const written = table["result_format"];
  const resultPath = reader.path(table["result_path"], `${key}.result_path`) ?? shared.resultPath;
  const env = Object.entries(reader.table(table["env"] ?? {}, `${key}.env`));
  return {
    name,
    type,
    ...(entryPoint === undefined ? {} : { entryPoint }),
    ...(table["command"] === undefined ? {} : { command: reader.texts(table["command"], `${key}.command`) }),
    args: reader.texts(table["args"] ?? [], `${key}.args`),
    timeoutMs: reader.number(table["timeout"] ?? DEFAULT_TIMEOUT_S, `${key}.timeout`, MAX_TIMEOUT_S) * 1000,
    resultFormat: written === undefined ? shared.resultFormat : readFormat(reader, written, `${key}.result_format`),
    ...(resultPath === undefined ? {} : { resultPath }),
    env: Object.fromEntries(env.map(([variable, text]) => [variable, reader.text(text, `${key}.env.${variable}`)])),
  };
}

function readFormat(reader: Reader, value: unknown, key: string): ResultFormat {
  const alias = typeof value === "string" && Object.hasOwn(FORMAT_ALIASES, value) ? FORMAT_ALIASES[value] : undefined;
  return alias ?? reader.choice(value, key, FORMATS);
}

/** Reads values, and says of a bad one which, what was found and what is allowed. */
class Reader {
  readonly file: string;

  constructor(file: string) {
    this.file = file;
  }

  fail(key: string, problem: string, allowed: string): never {
    throw new EngineError({
      code: "TEST_CONFIG_INVALID",
      message: `Cannot read "${key}" of "${this.file}": ${problem}, allowed is ${allowed}`,
      file: this.file,
      key,
    });
  }

  table(value: unknown, key: string): Table {
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Table;
    return this.fail(key, `found ${shown(value)}`, "a table");
  }

  keys(table: Table, key: string, known: readonly string[]): void {
    const unknown = Object.keys(table).find((name) => !known.includes(name));
    if (unknown !== undefined) this.fail(`${key}.${unknown}`, "there is no such key", known.join(", "));
  }

  boolean(value: unknown, key: string): boolean {
    return typeof value === "boolean" ? value : this.fail(key, `found ${shown(value)}`, "true or false");
  }

  /** Above zero, but for a limit of 1, which is a share and may be zero. */
  number(value: unknown, key: string, most: number): number {
    const good = typeof value === "number" && value <= most && (value > 0 || (most === 1 && value === 0));
    return good ? value : this.fail(key, `found ${shown(value)}`, `a number from 0 to ${most}`);
  }

  text(value: unknown, key: string): string {
    return typeof value === "string" ? value : this.fail(key, `found ${shown(value)}`, "a string");
  }

  texts(value: unknown, key: string): readonly string[] {
    if (Array.isArray(value)) return value.map((item, index) => this.text(item, `${key}.${index}`));
    return this.fail(key, `found ${shown(value)}`, "a list of strings");
  }

  choice<Choice extends string>(value: unknown, key: string, allowed: readonly Choice[]): Choice {
    const found = allowed.find((one) => one === value);
    return found ?? this.fail(key, `found ${shown(value)}`, allowed.map((one) => `"${one}"`).join(", "));
  }

  /** A path below the package: a manifest of a stranger names no file elsewhere. */
  path(value: unknown, key: string): string | undefined {
    if (value === undefined) return undefined;
    const text = path.posix.normalize(this.text(value, key).replaceAll("\\", "/"));
    const outside = text.startsWith("/") || text === ".." || text.startsWith("../") || /^[A-Za-z]:/.test(text);
    if (outside || text.includes("\0")) this.fail(key, `found ${shown(value)}`, "a path below the package");
    return text.replace(/\/$/, "");
  }
}

const shown = (value: unknown): string => (value === undefined ? "nothing" : JSON.stringify(value));
