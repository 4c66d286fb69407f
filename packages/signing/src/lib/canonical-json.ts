// Nothing that we sign is deep; the bound keeps hostile nesting from exhausting the stack.
const MAX_DEPTH = 32;

function isWellFormed(text: string): boolean {
  return !/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(text);
}

function encodeObject(value: object, depth: number): string | undefined {
  const members: string[] = [];
  for (const key of Object.keys(value).sort()) {
    const member = encode((value as Record<string, unknown>)[key], depth + 1);
    if (member === undefined || !isWellFormed(key)) return undefined;
    members.push(`${JSON.stringify(key)}:${member}`);
  }
  return `{${members.join(",")}}`;
}

function encodeArray(value: readonly unknown[], depth: number): string | undefined {
  const items = value.map((item) => encode(item, depth + 1));
  return items.includes(undefined) ? undefined : `[${items.join(",")}]`;
}

function encode(value: unknown, depth: number): string | undefined {
  if (depth > MAX_DEPTH) return undefined;
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "string") return isWellFormed(value) ? JSON.stringify(value) : undefined;
  if (typeof value === "number")
    return Number.isSafeInteger(value) && !Object.is(value, -0) ? String(value) : undefined;
  if (Array.isArray(value)) return encodeArray(value, depth);
  return typeof value === "object" ? encodeObject(value, depth) : undefined;
}

/** RFC 8785 for JSON without fractions; `undefined` for a value that has no canonical form. */
export function tryEncodeCanonical(value: unknown): string | undefined {
  return encode(value, 0);
}

/** The value of canonical text; `undefined` where the text is not JSON, or not in its one canonical spelling. */
export function tryDecodeCanonical(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  return tryEncodeCanonical(value) === text ? value : undefined;
}
