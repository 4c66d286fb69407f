import { TomlDate } from "smol-toml";

// One writer for what Lading generates, so that the bytes depend on the data alone and not on a library's release.

const BARE_KEY = /^[A-Za-z0-9_-]+$/;

const ESCAPES: Readonly<Record<string, string>> = {
  "\b": String.raw`\b`,
  "\t": String.raw`\t`,
  "\n": String.raw`\n`,
  "\f": String.raw`\f`,
  "\r": String.raw`\r`,
  '"': String.raw`\"`,
  "\\": String.raw`\\`,
};

/** A TOML basic string. */
export function tomlString(text: string): string {
  const escaped = text.replaceAll(
    // oxlint-disable-next-line no-control-regex -- TOML 1.0 forbids exactly these unescaped
    /["\\\u0000-\u001f\u007f]/g,
    (character) => ESCAPES[character] ?? `\\u${character.codePointAt(0)!.toString(16).padStart(4, "0")}`,
  );
  return `"${escaped}"`;
}

/** A TOML key, quoted where it has to be. */
export function tomlKey(key: string): string {
  return BARE_KEY.test(key) ? key : tomlString(key);
}

/** A value on one line; tables become inline tables, in the order of their keys. */
export function tomlValue(value: unknown): string {
  if (typeof value === "string") return tomlString(value);
  if (typeof value === "number") return tomlNumber(value);
  if (typeof value === "boolean" || typeof value === "bigint") return String(value);
  if (value instanceof TomlDate) return value.toISOString();
  if (Array.isArray(value)) return tomlList(value.map(tomlValue));
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value).filter(([, item]) => item !== undefined);
    if (members.length === 0) return "{}";
    return `{ ${members.map(([key, item]) => `${tomlKey(key)} = ${tomlValue(item)}`).join(", ")} }`;
  }
  throw new TypeError(`A value of type ${value === null ? "null" : typeof value} has no TOML form`);
}

function tomlNumber(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  return String(value);
}

function tomlList(items: readonly string[]): string {
  return `[${items.join(", ")}]`;
}

/** A list with one entry a line where it has more than one, so that two branches' changes merge. */
export function tomlLines(items: readonly string[]): string {
  if (items.length < 2) return tomlList(items.map(tomlString));
  return `[\n${items.map((item) => `  ${tomlString(item)},\n`).join("")}]`;
}
