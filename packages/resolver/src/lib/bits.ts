// A set over [absent, v0, v1, ...]: bit 0 is "not installed", bit i + 1 is version i.

/** A set of versions of one node, absence among them. */
export type Bits = Int32Array;

/** The bit that means "not installed". */
export const ABSENT = 0;

export function wordsFor(size: number): number {
  return (size + 31) >>> 5;
}

export function emptyBits(size: number): Bits {
  return new Int32Array(wordsFor(size));
}

export function fullBits(size: number): Bits {
  const bits = new Int32Array(wordsFor(size)).fill(-1);
  const rest = size & 31;
  if (rest !== 0) bits[bits.length - 1] = (1 << rest) - 1;
  return bits;
}

export function singleBit(size: number, bit: number): Bits {
  const bits = emptyBits(size);
  setBit(bits, bit);
  return bits;
}

export function setBit(bits: Bits, bit: number): void {
  bits[bit >>> 5]! |= 1 << (bit & 31);
}

/** Adds every bit from `from` to `to`, both included. */
export function setBits(bits: Bits, from: number, to: number): void {
  for (let word = from >>> 5; word <= to >>> 5; word++) {
    const low = Math.max(from - (word << 5), 0);
    const high = Math.min(to - (word << 5), 31);
    bits[word]! |= (-1 << low) & (-1 >>> (31 - high));
  }
}

export function clearBit(bits: Bits, bit: number): void {
  bits[bit >>> 5]! &= ~(1 << (bit & 31));
}

export function hasBit(bits: Bits, bit: number): boolean {
  return (bits[bit >>> 5]! & (1 << (bit & 31))) !== 0;
}

export function isEmpty(bits: Bits): boolean {
  for (let i = 0; i < bits.length; i++) if (bits[i] !== 0) return false;
  return true;
}

/** Whether every member of `left` is in `right`. */
export function isSubset(left: Bits, right: Bits): boolean {
  for (let i = 0; i < left.length; i++) if ((left[i]! & ~right[i]!) !== 0) return false;
  return true;
}

export function intersects(left: Bits, right: Bits): boolean {
  for (let i = 0; i < left.length; i++) if ((left[i]! & right[i]!) !== 0) return true;
  return false;
}

export function equalBits(left: Bits, right: Bits): boolean {
  for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return false;
  return true;
}

export function union(left: Bits, right: Bits): Bits {
  return left.map((word, i) => word | right[i]!);
}

export function intersection(left: Bits, right: Bits): Bits {
  return left.map((word, i) => word & right[i]!);
}

export function difference(left: Bits, right: Bits): Bits {
  return left.map((word, i) => word & ~right[i]!);
}

/** Everything of `size` that is not in `bits`. */
export function complement(bits: Bits, size: number): Bits {
  return difference(fullBits(size), bits);
}

export function countBits(bits: Bits): number {
  let count = 0;
  for (let i = 0; i < bits.length; i++) for (let word = bits[i]!; word !== 0; word &= word - 1) count++;
  return count;
}

/** The only member, or -1 where there are none or several. */
export function onlyBit(bits: Bits): number {
  let found = -1;
  for (let i = 0; i < bits.length; i++) {
    const word = bits[i]!;
    if (word === 0) continue;
    if (found !== -1 || (word & (word - 1)) !== 0) return -1;
    found = (i << 5) + 31 - Math.clz32(word);
  }
  return found;
}

/** Members, ascending. */
export function members(bits: Bits): number[] {
  const found: number[] = [];
  for (let i = 0; i < bits.length; i++) {
    for (let word = bits[i]!; word !== 0; word &= word - 1) found.push((i << 5) + 31 - Math.clz32(word & -word));
  }
  return found;
}
