const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
/** Metadata nests less; what nests deeper is looked at by the reader that has a limit. */
const PLAIN_DEPTH = 16;
/** Digits of the largest safe integer, less one: fewer digits cannot be too many. */
const SAFE_DIGITS = 15;

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

/** The index of the closing quote of the string that begins at `start`; -1 where it has an escape or none. */
function endOfPlainString(text: string, start: number): number {
  const end = text.indexOf('"', start + 1);
  for (let i = start + 1; i < end; i++) {
    const code = text.charCodeAt(i);
    // Escapes have several spellings, surrogates an order of their own, control characters no place here.
    if (code === BACKSLASH || code < 0x20 || code >= 0xd800) return -1;
  }
  return end;
}

/** Where an integer ends that is safe whatever its digits; -1 for other numbers. */
function endOfSmallInteger(text: string, start: number): number {
  let end = text.charCodeAt(start) === MINUS ? start + 1 : start;
  const digits = end;
  while (isDigit(text.charCodeAt(end))) end++;
  const isMinusZero = digits > start && text.charCodeAt(digits) === 0x30;
  const after = text.charCodeAt(end);
  const ends = after === COMMA || after === 0x7d || after === 0x5d || Number.isNaN(after);
  return ends && !isMinusZero && end - digits <= SAFE_DIGITS ? end : -1;
}

/**
 * Whether text that is known to be JSON is in its canonical form, as far as a single pass can tell: false also where it is
 * canonical in a way that has to be looked at more closely (escapes, characters above U+D7FF, integers of 16 digits, deep
 * nesting).
 */
export function isPlainlyCanonical(text: string): boolean {
  // The name before, of each object that is open; "" in arrays and before the first.
  const names: string[] = [];
  let name = "";
  for (let i = 0; i < text.length;) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) {
      const end = endOfPlainString(text, i);
      if (end < 0) return false;
      if (text.charCodeAt(end + 1) === COLON) {
        const next = text.slice(i, end);
        if (next <= name) return false;
        name = next;
      }
      i = end + 1;
    } else if (isDigit(code) || code === MINUS) {
      i = endOfSmallInteger(text, i);
      if (i < 0) return false;
    } else if (code <= 0x20) {
      return false;
    } else {
      if (code === 0x7b || code === 0x5b) {
        if (names.push(name) > PLAIN_DEPTH) return false;
        name = "";
      } else if (code === 0x7d || code === 0x5d) name = names.pop()!;
      i++;
    }
  }
  return true;
}
