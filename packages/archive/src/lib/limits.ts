/**
 * What a reader is willing to accept (`docs/spec/archive.md` §limits). Every value is checked before memory or disk
 * is spent on what it bounds.
 */
export interface ArchiveLimits {
  /** Members of one archive, directories included. */
  readonly entries: number;
  /** Bytes of one file. */
  readonly fileBytes: number;
  /** Bytes of the decompressed archive, headers and padding included. */
  readonly totalBytes: number;
  /** Decompressed bytes for one stored byte; asked only once more than `ratioFloorBytes` came out. */
  readonly ratio: number;
  /** Decompressed bytes below which `ratio` is not asked: small, very regular trees are honest. */
  readonly ratioFloorBytes: number;
  /** UTF-8 bytes of one path. */
  readonly pathBytes: number;
  /** UTF-8 bytes of one part of a path. */
  readonly partBytes: number;
  /** Characters of all paths together: bounds what the reader remembers of them. */
  readonly pathsBytes: number;
  /** Parts of one path. */
  readonly depth: number;
  /** Bytes of window that a compressed frame may ask a decoder to keep. */
  readonly windowBytes: number;
  /** Bytes of `.lading/package.json`. */
  readonly recordBytes: number;
}

/** The limits of every reader that was not given others. */
export const DEFAULT_LIMITS: ArchiveLimits = {
  entries: 100_000,
  fileBytes: 4 * 2 ** 30,
  totalBytes: 8 * 2 ** 30,
  ratio: 250,
  ratioFloorBytes: 8 * 2 ** 20,
  pathBytes: 400,
  partBytes: 200,
  pathsBytes: 16 * 2 ** 20,
  depth: 32,
  windowBytes: 2 ** 27,
  recordBytes: 4 * 2 ** 20,
};

/** `limits` over {@link DEFAULT_LIMITS}. */
export function withDefaultLimits(limits?: Partial<ArchiveLimits>): ArchiveLimits {
  return { ...DEFAULT_LIMITS, ...limits };
}
