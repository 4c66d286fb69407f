import { lz4Invalid } from "./lz4-frame.ts";

const MIN_MATCH = 4;

/**
 * Decodes one LZ4 block (block format 1.6.4) into exactly `plainBytes` bytes. Written here rather than left to the
 * native library, whose buffers outlive many blocks: a reader's memory must not grow with what it is sent.
 * @throws {ArchiveError} `ARCHIVE_LZ4_INVALID` for every block that does not decode to that length, ending in literals
 */
export function decodeLz4Block(packed: Uint8Array, plainBytes: number): Uint8Array {
  const plain = new Uint8Array(plainBytes);
  let from = 0;
  let to = 0;
  for (;;) {
    if (from >= packed.length) throw damaged();
    const token = packed[from++]!;
    let literals = token >> 4;
    if (literals === 15) [literals, from] = readLength(packed, from, literals);
    if (from + literals > packed.length || to + literals > plainBytes) throw damaged();
    plain.set(packed.subarray(from, from + literals), to);
    from += literals;
    to += literals;
    if (from === packed.length) break;
    if (from + 2 > packed.length) throw damaged();
    const offset = packed[from]! | (packed[from + 1]! << 8);
    from += 2;
    let match = token & 15;
    if (match === 15) [match, from] = readLength(packed, from, match);
    match += MIN_MATCH;
    if (offset === 0 || offset > to || to + match > plainBytes) throw damaged();
    copyMatch(plain, to, offset, match);
    to += match;
  }
  if (to !== plainBytes) throw lz4Invalid(`a block holds ${to} bytes, expected ${plainBytes}`);
  return plain;
}

function readLength(packed: Uint8Array, at: number, start: number): [length: number, next: number] {
  let length = start;
  for (let i = at; i < packed.length; i += 1) {
    length += packed[i]!;
    if (packed[i] !== 255) return [length, i + 1];
  }
  throw damaged();
}

/** A match may overlap what it produces: then the bytes before it repeat. */
function copyMatch(plain: Uint8Array, to: number, offset: number, length: number): void {
  if (offset >= length && length > 32) {
    plain.copyWithin(to, to - offset, to - offset + length);
    return;
  }
  for (let i = to; i < to + length; i += 1) plain[i] = plain[i - offset]!;
}

function damaged(): Error {
  return lz4Invalid("a block is damaged");
}
