import { CoreError } from "./core-error.ts";

/** Deepest nesting of arrays and objects in canonical JSON. */
export const CANONICAL_JSON_MAX_DEPTH = 64;

const LONE_SURROGATE = /\p{Surrogate}/u;

function refuse(action: "write" | "read", problem: string, path: string): never {
  throw new CoreError({
    code: "CANONICAL_JSON_INVALID",
    message: `Cannot ${action} canonical JSON: ${problem}${path === "" ? "" : ` at "${path}"`}`,
    path,
  });
}

/**
 * The one spelling of a value as JSON: keys sorted by UTF-16 code units, no white space, the escapes of
 * `JSON.stringify`; that is RFC 8785 for values whose numbers are integers between -(2^53 - 1) and 2^53 - 1.
 * Strings are kept as they are, without Unicode normalisation. Properties that are `undefined` are left out.
 * @throws {CoreError} `CANONICAL_JSON_INVALID` for a fraction or bigger number, a lone surrogate, a value that is
 * no JSON (functions, dates, byte arrays, `undefined` in an array) or nesting beyond {@link CANONICAL_JSON_MAX_DEPTH}.
 */
export function encodeCanonicalJson(value: unknown): string {
  return encode(value, "", 0);
}

function encode(value: unknown, path: string, depth: number): string {
  switch (typeof value) {
    case "string":
      return encodeString(value, path);
    case "number":
      if (Number.isSafeInteger(value)) return String(value);
      return refuse("write", `${value} is not an integer between -(2^53 - 1) and 2^53 - 1`, path);
    case "boolean":
      return String(value);
    case "object":
      break;
    default:
      return refuse("write", `a value of type ${typeof value} has no JSON form`, path);
  }
  if (value === null) return "null";
  if (depth >= CANONICAL_JSON_MAX_DEPTH) {
    return refuse("write", `nesting is deeper than ${CANONICAL_JSON_MAX_DEPTH}`, "");
  }
  if (Array.isArray(value)) {
    // Array.from turns holes into `undefined`, which is then refused; `map` would skip them.
    return `[${Array.from(value, (item, index) => encode(item, `${path}[${index}]`, depth + 1)).join(",")}]`;
  }
  return encodeObject(value, path, depth);
}

function encodeString(text: string, path: string): string {
  // A lone surrogate has no UTF-8 form: two encoders would disagree about its bytes.
  if (LONE_SURROGATE.test(text)) return refuse("write", "a string holds half of a surrogate pair", path);
  return JSON.stringify(text);
}

function encodeObject(value: object, path: string, depth: number): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype) {
    return refuse("write", `an instance of ${value.constructor.name} has no JSON form`, path);
  }
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  // The default order of sort() is the order of UTF-16 code units, which RFC 8785 §3.2.3 demands.
  entries.sort(([left], [right]) => (left < right ? -1 : 1));
  const members = entries.map(
    ([key, item]) => `${encodeString(key, path)}:${encode(item, path === "" ? key : `${path}.${key}`, depth + 1)}`,
  );
  return `{${members.join(",")}}`;
}

/**
 * Reads canonical JSON; every other spelling of the same value is refused, so that two readers cannot
 * understand one signed text differently.
 * @throws {CoreError} `CANONICAL_JSON_INVALID`
 */
export function decodeCanonicalJson(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new CoreError({
      code: "CANONICAL_JSON_INVALID",
      message: `Cannot read canonical JSON: ${error instanceof Error ? error.message : String(error)}`,
      cause: error,
    });
  }
  const canonical = encodeCanonicalJson(value);
  if (canonical !== text) {
    const at = firstDifference(canonical, text);
    refuse("read", `it differs from its canonical spelling from character ${at + 1} on`, "");
  }
  return value;
}

function firstDifference(left: string, right: string): number {
  let index = 0;
  while (index < left.length && left[index] === right[index]) index += 1;
  return index;
}
