import type { Style } from "./style.ts";

// Control and format characters, bidirectional overrides among them, and the separators of lines and paragraphs.
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Aligns rows in columns two spaces apart, the heading bold; the last column is not padded. */
export function table(style: Style, heading: readonly string[], rows: readonly (readonly string[])[]): string[] {
  if (rows.length === 0) return [];
  const all = [heading, ...rows];
  const widths = heading.map((_, column) => Math.max(...all.map((row) => printable(row[column] ?? "").length)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => {
        const text = printable(cell);
        return column === row.length - 1 ? text : text.padEnd(widths[column]!);
      })
      .join("  ")
      .trimEnd();
  return all.map((row, index) => (index === 0 ? style.bold(line(row)) : line(row)));
}

/**
 * Text from elsewhere (a registry, a manifest) without control characters, so that a description
 * cannot move the cursor or recolour the terminal.
 */
export function printable(text: string): string {
  return text.replaceAll(UNPRINTABLE, " ");
}

/** `1536` -> `1.5 KiB`. */
export function bytes(count: number): string {
  if (count < 1024) return `${count} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let value = count;
  let unit = "B";
  for (const next of units) {
    if (value < 1024) break;
    value /= 1024;
    unit = next;
  }
  return `${value.toFixed(1)} ${unit}`;
}

/** `1` -> `1 package`, `2` -> `2 packages`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
