const P1 = 0x9e3779b1;
const P2 = 0x85ebca77;
const P3 = 0xc2b2ae3d;
const P4 = 0x27d4eb2f;
const P5 = 0x165667b1;

const rotate = (x: number, by: number): number => (x << by) | (x >>> (32 - by));
const round = (lane: number, word: number): number => Math.imul(rotate((lane + Math.imul(word, P2)) | 0, 13), P1);

/** XXH32 with seed 0 over chunks, the checksum of LZ4 frames (xxHash specification 0.1.1). */
export class Xxh32 {
  readonly #lanes: Int32Array = Int32Array.of(P1 + P2, P2, 0, -P1);
  readonly #tail: Uint8Array = new Uint8Array(16);
  #tailLength = 0;
  #total = 0;

  update(bytes: Uint8Array): this {
    this.#total += bytes.length;
    let at = 0;
    if (this.#tailLength > 0) {
      const taken = bytes.subarray(0, 16 - this.#tailLength);
      this.#tail.set(taken, this.#tailLength);
      this.#tailLength += taken.length;
      at = taken.length;
      if (this.#tailLength < 16) return this;
      this.#stripes(this.#tail, 0, 16);
    }
    const end = at + Math.floor((bytes.length - at) / 16) * 16;
    this.#stripes(bytes, at, end);
    this.#tail.set(bytes.subarray(end));
    this.#tailLength = bytes.length - end;
    return this;
  }

  #stripes(bytes: Uint8Array, from: number, to: number): void {
    let [a, b, c, d] = this.#lanes as unknown as [number, number, number, number];
    for (let at = from; at < to; at += 16) {
      a = round(a, word(bytes, at));
      b = round(b, word(bytes, at + 4));
      c = round(c, word(bytes, at + 8));
      d = round(d, word(bytes, at + 12));
    }
    this.#lanes.set([a, b, c, d]);
  }

  /** The unsigned 32-bit value; more may be added afterwards. */
  digest(): number {
    const [a, b, c, d] = this.#lanes as unknown as [number, number, number, number];
    let hash = this.#total >= 16 ? rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18) : P5;
    hash = (hash + this.#total) | 0;
    let at = 0;
    for (; at + 4 <= this.#tailLength; at += 4) {
      hash = Math.imul(rotate((hash + Math.imul(word(this.#tail, at), P3)) | 0, 17), P4);
    }
    for (; at < this.#tailLength; at += 1)
      hash = Math.imul(rotate((hash + Math.imul(this.#tail[at]!, P5)) | 0, 11), P1);
    hash = Math.imul(hash ^ (hash >>> 15), P2);
    hash = Math.imul(hash ^ (hash >>> 13), P3);
    return (hash ^ (hash >>> 16)) >>> 0;
  }
}

function word(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}
