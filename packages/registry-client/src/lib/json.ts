import { RegistryClientError } from "./registry-client-error.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function optionalString(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

export function stringList(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
}

/** `{key: value}`, or `{}` where the value is absent: for types under exactOptionalPropertyTypes. */
export function optional<Key extends string, Value>(key: Key, value: Value | undefined): { [K in Key]?: Value } {
  return (value === undefined ? {} : { [key]: value }) as { [K in Key]?: Value };
}

/** The error for an answer that no registry gives. */
export function invalidAnswer(action: string, registry: string, problem: string, cause?: unknown): RegistryClientError {
  return new RegistryClientError({
    code: "REGISTRY_ANSWER_INVALID",
    message: `Cannot ${action}: registry "${registry}" answered with something unexpected: ${problem}`,
    hint: "Check that the address is a registry's and that no proxy or login page answers in its place",
    registry,
    cause,
  });
}

/** A reader of the fields of one answer, which turns a wrong type into `REGISTRY_ANSWER_INVALID`. */
export function answerReader(
  action: string,
  registry: string,
): {
  object(value: unknown, what: string): JsonObject;
  array(value: unknown, what: string): readonly unknown[];
  string(value: unknown, what: string): string;
  number(value: unknown, what: string): number;
} {
  const fail = (what: string, wanted: string, value: unknown): never => {
    const found = value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
    throw invalidAnswer(action, registry, `${what} is ${found}, expected ${wanted}`);
  };
  return {
    object: (value, what) => (isObject(value) ? value : fail(what, "an object", value)),
    array: (value, what) => (Array.isArray(value) ? (value as unknown[]) : fail(what, "an array", value)),
    string: (value, what) => (typeof value === "string" ? value : fail(what, "a string", value)),
    number: (value, what) => (typeof value === "number" ? value : fail(what, "a number", value)),
  };
}
