import { deflateSync } from "fflate";
import { concatBytes } from "./build-tar.ts";

/** A zip entry as a test wants it, right or wrong. */
export interface ZipEntrySpec {
  readonly name: string;
  readonly content?: string;
  /** 0 stored (default), 8 deflate, or anything to be refused. */
  readonly method?: number;
  readonly flags?: number;
  /** Unix mode in the external attributes. */
  readonly mode?: number;
  readonly dosAttributes?: number;
  readonly extra?: Uint8Array;
  /** Values that only the local header has. */
  readonly local?: { readonly name?: string; readonly size?: number; readonly crc?: number; readonly method?: number };
  /** Values that only the directory has. */
  readonly central?: {
    readonly offset?: number;
    readonly size?: number;
    readonly crc?: number;
    readonly disk?: number;
  };
  /** Whether a data descriptor follows and the local header has zeros. */
  readonly descriptor?: boolean;
  /** Bytes after the deflate data that count as stored. */
  readonly slack?: Uint8Array;
  /** Bytes between this entry and the next record. */
  readonly gap?: Uint8Array;
}

/** What stands around the entries. */
export interface ZipSpec {
  readonly before?: Uint8Array;
  readonly comment?: Uint8Array;
  readonly after?: Uint8Array;
  readonly entries?: number;
  readonly directoryOffset?: number;
  readonly disk?: number;
}

const utf8 = new TextEncoder();
const u16 = (...values: readonly number[]): Uint8Array =>
  Uint8Array.from(values.flatMap((v) => [v & 255, (v >> 8) & 255]));
const u32 = (...values: readonly number[]): Uint8Array =>
  Uint8Array.from(values.flatMap((v) => [v & 255, (v >>> 8) & 255, (v >>> 16) & 255, (v >>> 24) & 255]));

/** CRC-32 as zip and gzip have it. */
export function crc32Of(bytes: Uint8Array): number {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

/** Builds a zip. */
export function buildZip(specs: readonly ZipEntrySpec[], around: ZipSpec = {}): Uint8Array {
  const before = around.before ?? new Uint8Array(0);
  const locals: Uint8Array[] = [before];
  const centrals: Uint8Array[] = [];
  let offset = before.length;
  for (const spec of specs) {
    const parts = buildEntry(spec, offset);
    locals.push(parts.local);
    centrals.push(parts.central);
    offset += parts.local.length;
  }
  const directory = concatBytes(centrals);
  const comment = around.comment ?? new Uint8Array(0);
  const count = around.entries ?? specs.length;
  const end = concatBytes([
    u32(0x06054b50),
    u16(around.disk ?? 0, 0, count, count),
    u32(directory.length, around.directoryOffset ?? offset),
    u16(comment.length),
    comment,
  ]);
  return concatBytes([...locals, directory, end, around.after ?? new Uint8Array(0)]);
}

function buildEntry(spec: ZipEntrySpec, offset: number): { local: Uint8Array; central: Uint8Array } {
  const plain = utf8.encode(spec.content ?? "");
  const method = spec.method ?? 0;
  const stored = concatBytes([method === 8 ? deflateSync(plain) : plain, spec.slack ?? new Uint8Array(0)]);
  const crc = crc32Of(plain);
  const flags = spec.flags ?? 0x0800 | (spec.descriptor === true ? 8 : 0);
  const extra = spec.extra ?? new Uint8Array(0);
  const name = utf8.encode(spec.name);
  const localName = utf8.encode(spec.local?.name ?? spec.name);
  const sizes =
    spec.descriptor === true ? [0, 0, 0] : [spec.local?.crc ?? crc, stored.length, spec.local?.size ?? plain.length];
  const local = concatBytes([
    u32(0x04034b50),
    u16(20, flags, spec.local?.method ?? method, 0, 0x21),
    u32(...sizes),
    u16(localName.length, extra.length),
    localName,
    extra,
    stored,
    spec.descriptor === true ? u32(0x08074b50, crc, stored.length, plain.length) : new Uint8Array(0),
    spec.gap ?? new Uint8Array(0),
  ]);
  const attributes = (((spec.mode ?? 0o100644) << 16) | (spec.dosAttributes ?? 0)) >>> 0;
  const central = concatBytes([
    u32(0x02014b50),
    u16(0x031e, 20, flags, method, 0, 0x21),
    u32(spec.central?.crc ?? crc, stored.length, spec.central?.size ?? plain.length),
    u16(name.length, extra.length, 0, spec.central?.disk ?? 0, 0),
    u32(attributes, spec.central?.offset ?? offset),
    name,
    extra,
  ]);
  return { local, central };
}
