/** A list of 32-bit integers that grows; `data` beyond `length` means nothing, and is another array after it has grown. */
export class Ints {
  data: Int32Array;
  length = 0;

  constructor(capacity: number = 64) {
    this.data = new Int32Array(capacity);
  }

  push(value: number): void {
    if (this.length === this.data.length) this.#grow(this.length + 1);
    this.data[this.length++] = value;
  }

  /** Makes room for `count` more, which are zero, and gives the place of the first. */
  reserve(count: number): number {
    const start = this.length;
    if (start + count > this.data.length) this.#grow(start + count);
    this.data.fill(0, start, start + count);
    this.length = start + count;
    return start;
  }

  /** Sees to it that `count` more can be written without another array taking the place of `data`. */
  room(count: number): void {
    if (this.length + count > this.data.length) this.#grow(this.length + count);
  }

  #grow(least: number): void {
    const grown = new Int32Array(Math.max(least, this.data.length * 2, 8));
    grown.set(this.data);
    this.data = grown;
  }
}

export function popcount(word: number): number {
  let bits = word - ((word >>> 1) & 0x55555555);
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333);
  return (((bits + (bits >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24;
}
