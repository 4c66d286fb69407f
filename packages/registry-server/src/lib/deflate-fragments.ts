import { promisify } from "node:util";
import { constants, crc32, deflateRaw, deflateRawSync } from "node:zlib";

/** RFC 1952 §2.3: deflate, no name, no time, unknown system. */
const GZIP_HEADER = Buffer.from("1f8b08000000000000ff", "hex");
/** RFC 1951 §3.2.4: an empty last block. */
const LAST_BLOCK = Buffer.from("010000ffff", "hex");
/** Below this, compressing gains nothing. */
const COMPRESS_MIN_BYTES = 256;
/** From here on, compressing is done beside the event loop: others' requests do not wait for it. */
const ASIDE_MIN_BYTES = 32_768;
/** Below this, compressing all of it anew costs little, and saves more. */
const FRAGMENTS_MIN_BYTES = 8192;

/**
 * Bytes as blocks of a deflate stream that ends at a byte and refers to nothing before: such fragments, one after the other,
 * are one stream (RFC 1951 §3.2). What is served often is compressed once, whatever it is served together with.
 */
export async function deflateFragment(bytes: Uint8Array): Promise<Uint8Array> {
  const options = { finishFlush: constants.Z_SYNC_FLUSH };
  return bytes.length < ASIDE_MIN_BYTES ? deflateRawSync(bytes, options) : deflateAside(bytes, options);
}

const deflateAside = promisify(deflateRaw);

/** A block that is stored as it is (RFC 1951 §3.2.4); at most 65,535 bytes. */
function storedBlock(bytes: Uint8Array): Uint8Array {
  const header = Buffer.alloc(5);
  header.writeUInt16LE(bytes.length, 1);
  header.writeUInt16LE(bytes.length ^ 0xffff, 3);
  return Buffer.concat([header, bytes]);
}

/** A part of an answer. */
export interface AnswerPart {
  readonly bytes: Uint8Array;
  /** As {@link deflateFragment} made it, where that is worth keeping; what has none is compressed with its neighbours. */
  readonly fragment?: (() => Promise<Uint8Array> | undefined) | undefined;
}

/** One gzip member (RFC 1952) of parts, some of which are compressed already. */
export async function gzipOfParts(parts: readonly AnswerPart[]): Promise<Uint8Array<ArrayBuffer>> {
  const blocks: Promise<Uint8Array>[] = [];
  let loose: Uint8Array[] = [];
  const settle = (): void => {
    const bytes = Buffer.concat(loose);
    loose = [];
    if (bytes.length > 0)
      blocks.push(bytes.length < COMPRESS_MIN_BYTES ? Promise.resolve(storedBlock(bytes)) : deflateFragment(bytes));
  };
  const length = parts.reduce((sum, { bytes }) => sum + bytes.length, 0);
  for (const part of parts) {
    const fragment = length < FRAGMENTS_MIN_BYTES ? undefined : part.fragment?.();
    if (fragment === undefined) loose.push(part.bytes);
    else {
      settle();
      blocks.push(fragment);
    }
  }
  settle();
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(
    parts.reduce((crc, { bytes }) => crc32(bytes, crc), 0),
    0,
  );
  trailer.writeUInt32LE(length % 2 ** 32, 4);
  return Buffer.concat([GZIP_HEADER, ...(await Promise.all(blocks)), LAST_BLOCK, trailer]);
}
