import type { ResolutionRecording } from "./recording.ts";
import type { UniversalRecording } from "./recording-universal.ts";
import { ResolverError } from "./resolver-error.ts";

/** No resolution reads so much; a larger file is none of ours. */
const MOST_CHARACTERS = 256 * 1024 * 1024;

/**
 * A recording as the text of a file: JSON, two spaces, a line end. Credentials in addresses are cut out, and directories
 * of this machine are replaced by numbers.
 */
export function renderResolutionRecording(recording: ResolutionRecording | UniversalRecording): string {
  const directories = new Map<string, string>();
  const text = JSON.stringify(recording, null, 2)
    .replaceAll(/([a-z][a-z0-9+.-]*:\/\/)[^/\s"@\\]+@/gi, "$1")
    .replaceAll(/file:\/\/\/[^\s"\\)]*/gi, (address) => {
      const known = directories.get(address) ?? `file:///local-${directories.size + 1}`;
      directories.set(address, known);
      return known;
    });
  return `${text}\n`;
}

/**
 * Reads a recording strictly: everything that a replay uses has the type that the format says; unknown fields are ignored.
 * @throws {ResolverError} `RESOLVE_RECORDING_INVALID` with the place of the first fault
 */
export function parseResolutionRecording(text: string, file = "recording"): ResolutionRecording {
  return parse(text, file, ["lading-resolution/1"]) as ResolutionRecording;
}

/**
 * Reads a recording for one environment or for a grid, which its `format` tells apart, as strictly.
 * @throws {ResolverError} `RESOLVE_RECORDING_INVALID` with the place of the first fault
 */
export function parseRecording(text: string, file = "recording"): ResolutionRecording | UniversalRecording {
  return parse(text, file, Object.keys(FORMATS)) as ResolutionRecording | UniversalRecording;
}

function parse(text: string, file: string, formats: readonly string[]): unknown {
  if (text.length > MOST_CHARACTERS) throw invalid(file, "", `it has more than ${MOST_CHARACTERS} characters`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalid(file, "", "it is no JSON");
  }
  const fault = faultOf(value, formats);
  if (fault !== undefined) throw invalid(file, fault.place, fault.problem);
  return value;
}

function invalid(file: string, place: string, problem: string): ResolverError {
  return new ResolverError({
    code: "RESOLVE_RECORDING_INVALID",
    message: `Cannot replay "${file}": ${place === "" ? "" : `${place}: `}${problem}`,
    file,
    place,
  });
}

interface Fault {
  readonly place: string;
  readonly problem: string;
}

/** Says what is wrong with a value at a place; `undefined`: nothing. */
type Check = (value: unknown, place: string) => Fault | undefined;

function faultOf(value: unknown, formats: readonly string[]): Fault | undefined {
  if (!isTable(value)) return RECORDING(value, "");
  const { format } = value;
  if (typeof format !== "string" || !formats.includes(format)) {
    const allowed = formats.map((one) => `"${one}"`).join(" or ");
    return { place: "format", problem: `${shown(format)} is not ${allowed}` };
  }
  return FORMATS[format]!(value, "");
}

function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? "nothing").slice(0, 60);
}

const is =
  (what: string, accepts: (value: unknown) => boolean): Check =>
  (value, place) =>
    accepts(value) ? undefined : { place, problem: `${shown(value)} is not ${what}` };

const text: Check = is("a string", (value) => typeof value === "string");
const number: Check = is("a number", (value) => typeof value === "number");
const flag: Check = is("true or false", (value) => typeof value === "boolean");
const oneOf = (...allowed: readonly string[]): Check =>
  is(`one of ${allowed.map((one) => `"${one}"`).join(", ")}`, (value) => allowed.includes(value as string));

const listOf =
  (check: Check): Check =>
  (value, place) => {
    if (!Array.isArray(value)) return { place, problem: `${shown(value)} is not a list` };
    for (const [index, item] of value.entries()) {
      const fault = check(item, `${place}[${index}]`);
      if (fault !== undefined) return fault;
    }
    return undefined;
  };

const tableOf =
  (check: Check): Check =>
  (value, place) => {
    if (!isTable(value)) return { place, problem: `${shown(value)} is not an object` };
    for (const [key, item] of Object.entries(value)) {
      const fault = check(item, below(place, key));
      if (fault !== undefined) return fault;
    }
    return undefined;
  };

/** An object with these fields; a name that ends in `?` may be absent. */
const shape = (fields: Readonly<Record<string, Check>>): Check => {
  const all = Object.entries(fields).map(([name, check]) => ({
    name: name.replace(/\?$/, ""),
    optional: name.endsWith("?"),
    check,
  }));
  return (value, place) => {
    if (!isTable(value)) return { place, problem: `${shown(value)} is not an object` };
    for (const { name, optional, check } of all) {
      const own = Object.hasOwn(value, name) ? value[name] : undefined;
      if (own === undefined && optional) continue;
      const fault =
        own === undefined ? { place: below(place, name), problem: "it is missing" } : check(own, below(place, name));
      if (fault !== undefined) return fault;
    }
    return undefined;
  };
};

function below(place: string, key: string): string {
  const part = /^[A-Za-z][A-Za-z0-9]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
  return place === "" ? part.replace(/^\./, "") : `${place}${part}`;
}

const FEATURES: Check = tableOf(listOf(text));
const DEPENDENCY: Check = shape({
  key: text,
  "name?": text,
  requirement: text,
  "kind?": oneOf("normal", "dev", "build", "peer"),
  "features?": listOf(text),
  "defaultFeatures?": flag,
  "optional?": flag,
  "ifPossible?": flag,
  "targets?": listOf(text),
  "hosts?": tableOf(text),
});
const EXCLUSION: Check = shape({
  reason: oneOf(
    "yanked",
    "held",
    "removed",
    "revoked",
    "cooldown",
    "exclude-newer",
    "pre-release",
    "host",
    "advisory",
    "policy",
  ),
  text,
  "unlessLocked?": flag,
  "until?": text,
});
const METADATA: Check = shape({
  candidates: listOf(
    shape({
      version: text,
      dependencies: listOf(DEPENDENCY),
      "features?": FEATURES,
      "exclusiveFeatures?": listOf(listOf(text)),
      "hosts?": tableOf(text),
      "excluded?": listOf(EXCLUSION),
      "display?": text,
    }),
  ),
  "missing?": text,
});
const ROOT: Check = shape({
  name: text,
  "verb?": text,
  "version?": text,
  dependencies: listOf(DEPENDENCY),
  "features?": FEATURES,
  "exclusiveFeatures?": listOf(listOf(text)),
  "enable?": listOf(text),
  "defaultFeatures?": flag,
});
const QUESTION: Readonly<Record<string, Check>> = {
  roots: listOf(ROOT),
  "coexistence?": oneOf("single", "per-major"),
  "prefer?": oneOf("newest", "oldest", "lowest-direct"),
  "prereleases?": oneOf("named", "fallback", "allow", "never"),
  "peers?": oneOf("provide", "check"),
  "overrides?": listOf(shape({ key: text, requirement: text })),
  "budget?": number,
};
const INPUT: Check = shape({
  ...QUESTION,
  "locked?": listOf(shape({ key: text, version: text })),
  "lockedSlots?": listOf(shape({ key: text, requirement: text, version: text })),
  "hosts?": tableOf(listOf(text)),
  "targets?": listOf(text),
});
const UNIVERSAL_INPUT: Check = shape({
  ...QUESTION,
  environments: shape({ "hosts?": tableOf(listOf(text)), "targets?": listOf(text) }),
  "mode?": oneOf("each", "every"),
  "locked?": listOf(shape({ key: text, version: text, "environments?": listOf(number) })),
  "lockedSlots?": listOf(shape({ key: text, requirement: text, version: text, "environments?": listOf(number) })),
});
const ANSWER: Check = (value, place) =>
  (isTable(value) && value["status"] === "unsolvable"
    ? shape({ status: oneOf("unsolvable"), explanation: text })
    : shape({ status: oneOf("solved", "unsolvable"), packages: listOf(text) }))(value, place);
const UNIVERSAL_ANSWER: Check = (value, place) =>
  (isTable(value) && value["status"] === "unsolvable"
    ? shape({ status: oneOf("unsolvable"), explanation: text })
    : shape({ status: oneOf("solved", "unsolvable"), environments: listOf(listOf(text)) }))(value, place);
const READS: Readonly<Record<string, Check>> = {
  format: text,
  "clock?": text,
  "policies?": tableOf(text),
  packages: tableOf(METADATA),
  "known?": listOf(text),
  "displayNames?": tableOf(text),
  "names?": listOf(text),
};
const RECORDING: Check = shape({ ...READS, input: INPUT, answer: ANSWER });
const FORMATS: Readonly<Record<string, Check>> = {
  "lading-resolution/1": RECORDING,
  "lading-resolution/2": shape({ ...READS, input: UNIVERSAL_INPUT, answer: UNIVERSAL_ANSWER }),
};
