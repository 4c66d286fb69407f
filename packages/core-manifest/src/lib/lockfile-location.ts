/** Line and column, from 1, of a field of a lock file. */
export interface LockFieldLocation {
  readonly line: number;
  readonly column: number;
}

const PACKAGE_HEADER = /^\s*\[\[\s*packages\s*\]\]/;
const ARTIFACT_HEADER = /^\s*\[\[\s*packages\s*\.\s*artifacts\s*\]\]/;
const HEADER = /^\s*\[/;

/** The index in `name[3]`, or 0 where there is none. */
function nth(part: string | undefined): number {
  return Number(/\[(\d+)\]$/.exec(part ?? "")?.[1] ?? 0);
}

/**
 * Where the field with `path` (`packages[3].checksum`, `inputs`) is. Looks at lines only, after an error: parsing
 * with positions would make every good lock pay for the rare bad one. Falls back to the nearest header above.
 */
export function locateLockField(text: string, path: string): LockFieldLocation {
  const lines = text.split(/\r?\n/);
  const parts = path.split(".");
  let from = 0;
  let key = parts[0]!;
  if (key.startsWith("packages[")) {
    from = findNth(lines, PACKAGE_HEADER, 0, lines.length, nth(key));
    key = parts[1] ?? "";
    if (key.startsWith("artifacts[")) {
      from = findNth(lines, ARTIFACT_HEADER, from, lines.length, nth(key));
      key = parts[2] ?? "";
    }
  } else if (parts.length > 1) {
    from = Math.max(
      0,
      lines.findIndex((line) => line.trim() === `[${key}]`),
    );
    key = parts[1]!;
  }
  return locateKey(lines, from, key.replace(/\[\d+\]$/, ""));
}

function findNth(lines: readonly string[], header: RegExp, start: number, end: number, count: number): number {
  let seen = -1;
  for (let index = start; index < end; index += 1) {
    if (header.test(lines[index]!)) seen += 1;
    if (seen === count) return index;
  }
  return start;
}

function locateKey(lines: readonly string[], from: number, key: string): LockFieldLocation {
  for (let index = from; index < lines.length; index += 1) {
    const line = lines[index]!;
    if (index > from && HEADER.test(line)) break;
    const found = /^(\s*)("?)([^\s"=]+)\2\s*=/.exec(line);
    if (found !== null && found[3] === key) return { line: index + 1, column: found[1]!.length + 1 };
  }
  return { line: from + 1, column: 1 };
}
