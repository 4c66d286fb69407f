const PATTERN = /^[a-z0-9*][a-z0-9*._-]*(?:\/[a-z0-9*][a-z0-9*._-]*)?$/;

/** Longest package pattern, in characters. */
export const PATTERN_MAX_LENGTH = 140;

/**
 * Whether `text` is a package pattern: a package name in which `*` stands for any characters but `/`
 * and `**` for any characters.
 */
export function isPackagePattern(text: string): boolean {
  return text.length <= PATTERN_MAX_LENGTH && PATTERN.test(text) && !text.includes("***");
}

type Piece = { readonly literal: string } | { readonly crossesSlash: boolean };

function pieces(pattern: string): Piece[] {
  return pattern
    .split(/(\*\*|\*)/)
    .filter((part) => part !== "")
    .map((part) =>
      part === "*" || part === "**" ? { crossesSlash: part === "**" } : { literal: part.replaceAll(/[_.]/g, "-") },
    );
}

// A table over positions instead of a regular expression: patterns come from users, and `*a*a*a*b` must stay linear per piece.
function advance(name: string, reachable: readonly boolean[], piece: Piece): boolean[] {
  const next = Array.from({ length: name.length + 1 }, () => false);
  for (let at = 0; at <= name.length; at += 1) {
    if ("literal" in piece) {
      if (reachable[at] === true && name.startsWith(piece.literal, at)) next[at + piece.literal.length] = true;
    } else {
      const carried = at > 0 && next[at - 1] === true && (piece.crossesSlash || name[at - 1] !== "/");
      next[at] = reachable[at] === true || carried;
    }
  }
  return next;
}

/** Whether a canonical package name matches a pattern; `_` and `.` of the pattern equal `-`. */
export function matchesPackagePattern(pattern: string, canonical: string): boolean {
  let reachable = Array.from({ length: canonical.length + 1 }, (_, at) => at === 0);
  for (const piece of pieces(pattern)) reachable = advance(canonical, reachable, piece);
  return reachable[canonical.length] === true;
}
