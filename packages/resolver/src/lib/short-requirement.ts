const BETWEEN = /^>=(\d+)\.(\d+)\.(\d+)(-[0-9A-Za-z.-]+)? <(\d+)\.(\d+)\.(\d+)(?:-0)?$/;

/**
 * Canonical requirement text as people write it: `>=1.2.0 <2.0.0` is `^1.2.0`, `=1.0.0` is `1.0.0`, `*` is `any`.
 * What has no shorter form stays as it is.
 */
export function shortRequirement(canonical: string): string {
  return canonical === "*" ? "any" : canonical.split(" || ").map(shortPart).join(" || ");
}

function shortPart(part: string): string {
  if (/^=\d+\.\d+\.\d+\S*$/.test(part)) return part.slice(1);
  const found = BETWEEN.exec(part);
  if (found === null) return part;
  const from = [Number(found[1]), Number(found[2]), Number(found[3])] as const;
  const below = [Number(found[5]), Number(found[6]), Number(found[7])].join(".");
  const low = `${from.join(".")}${found[4] ?? ""}`;
  if (below === caretBound(from)) return `^${low}`;
  return below === `${from[0]}.${from[1] + 1}.0` ? `~${low}` : part;
}

/** First version that is not compatible with this one any more. */
function caretBound([major, minor, patch]: readonly [number, number, number]): string {
  if (major > 0) return `${major + 1}.0.0`;
  return minor > 0 ? `0.${minor + 1}.0` : `0.0.${patch + 1}`;
}

/** The shortest range around a version with room for compatible newer ones, and what it means. */
export function compatibleRange(version: string): { readonly text: string; readonly canonical: string } | undefined {
  const found = /^(\d+)\.(\d+)\.(\d+)(-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$/.exec(version);
  if (found === null) return undefined;
  const numbers = [Number(found[1]), Number(found[2]), Number(found[3])] as const;
  const [major, minor, patch] = numbers;
  const below = caretBound(numbers);
  const pre = found[4];
  if (pre !== undefined) {
    const low = `${numbers.join(".")}${pre}`;
    return { text: `^${low}`, canonical: `>=${low} <${below}` };
  }
  const text = major > 0 ? `^${major}` : minor > 0 ? `^0.${minor}` : `^0.0.${patch}`;
  const low = major > 0 ? `${major}.0.0` : minor > 0 ? `0.${minor}.0` : `0.0.${patch}`;
  return { text, canonical: `>=${low} <${below}` };
}
