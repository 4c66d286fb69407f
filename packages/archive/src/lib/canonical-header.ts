import { BLOCK, encodeMemberHeader, FIELD, headerChecksum, type MemberHeader } from "./tar-header.ts";

/** Bytes of a canonical header that every member of one mode shares; its own fields are marked in {@link OWN}. */
const FILE: Uint8Array = encodeMemberHeader({ path: "", size: 0, executable: false });
const EXECUTABLE: Uint8Array = encodeMemberHeader({ path: "", size: 0, executable: true });
/** 1 where a member has bytes of its own: name, size, checksum. */
const OWN: Uint8Array = new Uint8Array(BLOCK);
for (const name of ["name", "size", "checksum"] as const) {
  const [offset, length] = FIELD[name];
  OWN.fill(1, offset, offset + length);
}
/** The first digit in which 644 and 755 differ. */
const MODE: number = FIELD.mode[0] + 4;
const [, NAME_BYTES] = FIELD.name;
const [SIZE, SIZE_BYTES] = FIELD.size;
const [CHECKSUM] = FIELD.checksum;
const ZERO = 0x30;

/**
 * Reads a header that is the canonical encoding of one member in a single block with its path in `name`, as nearly all
 * are; `undefined` for everything else, right or wrong, which the caller then takes apart. Proven equal to encoding again
 * and comparing by a property test; several times faster, since it allocates nothing but the path.
 */
export function readPlainHeader(block: Uint8Array): MemberHeader | undefined {
  const executable = block[MODE] === EXECUTABLE[MODE];
  const expected = executable ? EXECUTABLE : FILE;
  for (let i = 0; i < BLOCK; i += 1) if (block[i] !== expected[i] && OWN[i] === 0) return undefined;
  const path = plainName(block);
  const size = octalDigits(block, SIZE, SIZE_BYTES - 1);
  if (path === undefined || size === undefined || block[SIZE + SIZE_BYTES - 1] !== 0) return undefined;
  const sum = octalDigits(block, CHECKSUM, 6);
  if (sum !== headerChecksum(block) || block[CHECKSUM + 6] !== 0 || block[CHECKSUM + 7] !== 0x20) return undefined;
  return { path, size, executable };
}

/** ASCII up to the first NUL, after which all is NUL. */
function plainName(block: Uint8Array): string | undefined {
  let length = 0;
  while (length < NAME_BYTES && block[length] !== 0) {
    if (block[length]! > 0x7f) return undefined;
    length += 1;
  }
  for (let i = length; i < NAME_BYTES; i += 1) if (block[i] !== 0) return undefined;
  return length === 0
    ? undefined
    : String.fromCharCode.apply(undefined, block.subarray(0, length) as unknown as number[]);
}

function octalDigits(block: Uint8Array, offset: number, digits: number): number | undefined {
  let value = 0;
  for (let i = offset; i < offset + digits; i += 1) {
    const digit = block[i]! - ZERO;
    if (digit < 0 || digit > 7) return undefined;
    value = value * 8 + digit;
  }
  return value;
}
