/** One replacement in a text; `end` is exclusive. */
export interface Splice {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Applies replacements that do not overlap. */
export function applySplices(text: string, splices: readonly Splice[]): string {
  let result = text;
  for (const { start, end, text: inserted } of splices.toSorted(
    (left, right) => right.start - left.start || right.end - left.end,
  )) {
    result = result.slice(0, start) + inserted + result.slice(end);
  }
  return result;
}

/** The line ending that a text uses. */
export function newlineOf(text: string): string {
  return /\r?\n/.exec(text)?.[0] ?? "\n";
}

export function lineStart(text: string, offset: number): number {
  return text.lastIndexOf("\n", offset - 1) + 1;
}

/** Offset of the line break (`\r` included) that ends the line, or of the end of the text. */
export function lineEnd(text: string, offset: number): number {
  const newline = text.indexOf("\n", offset);
  if (newline === -1) return text.length;
  return newline > 0 && text[newline - 1] === "\r" ? newline - 1 : newline;
}

/** Offset after the line break of the line. */
export function nextLine(text: string, offset: number): number {
  const newline = text.indexOf("\n", offset);
  return newline === -1 ? text.length : newline + 1;
}

export function isBlank(text: string, start: number, end: number): boolean {
  return /^\s*$/.test(text.slice(start, end));
}

export function indentAt(text: string, offset: number): string {
  return /^[ \t]*/.exec(text.slice(lineStart(text, offset), offset))![0];
}

/** The item at `index` of a bracketed list or table is cut, with one comma; lines that become empty go whole. */
export function cutItem(
  text: string,
  items: readonly { start: number; end: number }[],
  index: number,
  commaAfter: number | undefined,
): Splice {
  const item = items[index]!;
  const end = commaAfter ?? item.end;
  const [from, to] = [lineStart(text, item.start), lineEnd(text, end)];
  const rest = text.slice(end, to);
  const aloneOnLine = isBlank(text, from, item.start) && /^[ \t]*(?:#.*)?$/.test(rest);
  if (aloneOnLine && from > 0) return { start: from, end: nextLine(text, end), text: "" };
  if (commaAfter !== undefined) return { start: item.start, end: end + /^[ \t]*/.exec(rest)![0].length, text: "" };
  // The last item without a comma after it takes the comma before it along.
  const before = index === 0 ? item.start : items[index - 1]!.end;
  return { start: before, end: item.end, text: "" };
}
