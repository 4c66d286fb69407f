import { DateTimeText, emptyTable, type LocatedNode } from "./located.ts";

const NOWHERE = { start: 0, end: 0 };

/** A tree for a value that was read from another file. */
export function locatedFromPlain(value: unknown): LocatedNode {
  if (Array.isArray(value)) return { kind: "array", items: value.map(locatedFromPlain), ...NOWHERE };
  if (typeof value === "string") return { kind: "string", value, ...NOWHERE };
  if (typeof value === "boolean") return { kind: "boolean", value, ...NOWHERE };
  if (typeof value === "bigint") return { kind: "integer", value, ...NOWHERE };
  if (typeof value === "number") return { kind: Number.isInteger(value) ? "integer" : "float", value, ...NOWHERE };
  if (value instanceof DateTimeText) return { kind: "date", value, ...NOWHERE };
  if (value === null || typeof value !== "object") return { kind: "null", value: null, ...NOWHERE };
  const table = emptyTable(NOWHERE);
  for (const [key, inner] of Object.entries(value))
    table.entries.set(key, { key, keySpan: NOWHERE, node: locatedFromPlain(inner) });
  return table;
}
