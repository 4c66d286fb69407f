type Token = { readonly letter: string } | { readonly crossesSlash: boolean };

function tokensOf(pattern: string): Token[] {
  return (pattern.match(/\*\*|\*|[^*]/g) ?? []).map((part) =>
    part === "*" || part === "**"
      ? { crossesSlash: part === "**" }
      : { letter: part === "_" || part === "." ? "-" : part },
  );
}

function accepts(token: Token, letter: string): boolean {
  return "letter" in token ? token.letter === letter : token.crossesSlash || letter !== "/";
}

/** The places that two patterns reach together from places `i` and `j`. */
function steps(left: readonly Token[], right: readonly Token[], i: number, j: number): [number, number][] {
  const [a, b] = [left[i], right[j]];
  const found: [number, number][] = [];
  if (a !== undefined && !("letter" in a)) found.push([i + 1, j]);
  if (b !== undefined && !("letter" in b)) found.push([i, j + 1]);
  if (a === undefined || b === undefined) return found;
  // Two wildcards need no letter: each may as well end.
  if ("letter" in a && accepts(b, a.letter)) found.push([i + 1, "letter" in b ? j + 1 : j]);
  else if ("letter" in b && accepts(a, b.letter)) found.push([i, j + 1]);
  return found;
}

/** Whether some name matches both package patterns; `_` and `.` equal `-`. */
export function patternsOverlap(left: string, right: string): boolean {
  const [a, b] = [tokensOf(left), tokensOf(right)];
  const seen = new Set<number>();
  const open: [number, number][] = [[0, 0]];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [i, j] = next;
    if (i === a.length && j === b.length) return true;
    const key = i * (b.length + 1) + j;
    if (seen.has(key)) continue;
    seen.add(key);
    open.push(...steps(a, b, i, j));
  }
  return false;
}
