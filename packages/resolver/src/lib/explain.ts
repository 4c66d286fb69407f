import type { Derivation } from "./types.ts";

/** How an explanation is laid out. */
export interface ExplainOptions {
  /** Longest line in characters; absent: no wrapping. */
  readonly width?: number;
}

/** The sentences of a proof as text: numbered shared parts, ranges rather than lists, both requirers of every conflict. */
export function explainDerivation(derivation: Derivation, options: ExplainOptions = {}): string {
  const { width } = options;
  const lines = width === undefined ? derivation.lines : derivation.lines.flatMap((line) => wrap(line, width));
  return lines.join("\n");
}

function wrap(line: string, width: number): string[] {
  const lines: string[] = [];
  let current = "";
  for (const word of line.split(" ")) {
    if (current !== "" && current.length + 1 + word.length > width) {
      lines.push(current);
      current = `  ${word}`;
    } else current = current === "" ? word : `${current} ${word}`;
  }
  return [...lines, current];
}
