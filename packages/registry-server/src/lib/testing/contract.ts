/** The part of a test framework that contract suites use; vitest, jest and node:test fit. */
export interface ContractTest {
  readonly describe: (name: string, body: () => void) => void;
  readonly it: (name: string, body: () => Promise<void>) => void;
}

function sortKeys(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1)));
}

/** Throws unless both are the same JSON, whatever the order of keys. */
export function same(actual: unknown, expected: unknown, what: string): void {
  const left = JSON.stringify(actual, sortKeys);
  const right = JSON.stringify(expected, sortKeys);
  if (left !== right) throw new Error(`${what}: found ${left}, expected ${right}`);
}
