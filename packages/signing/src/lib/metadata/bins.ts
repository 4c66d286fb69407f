import { sha256 } from "../hashes.ts";
import { encodeHex, encodeUtf8 } from "../bytes.ts";
import type { SuccinctRoles } from "./metadata-file.ts";

/** Fewest and most entries that a bin should have on average; outside of it, the bins are made anew. */
export const BIN_ENTRIES: { readonly least: number; readonly most: number } = { least: 16, most: 64 };
/** Bits of the largest number of bins that is ever chosen: 65,536 bins hold four million packages. */
export const MAX_BIT_LENGTH = 16;

/** Which bin a target path is in: the first bits of the SHA-256 of the path (TAP 15). */
export function binIndex(path: string, bitLength: number): number {
  const digest = sha256(encodeUtf8(path));
  const head = new DataView(digest.buffer, digest.byteOffset).getUint32(0);
  return head >>> (32 - bitLength);
}

/** The role name of a bin: prefix, `-`, index in as many hexadecimal digits as the last one needs (TAP 15). */
export function binName(namePrefix: string, bitLength: number, index: number): string {
  return `${namePrefix}-${index.toString(16).padStart(Math.ceil(bitLength / 4), "0")}`;
}

/** The role that a path is delegated to. */
export function succinctRoleOf(roles: SuccinctRoles, path: string): string {
  return binName(roles.namePrefix, roles.bitLength, binIndex(path, roles.bitLength));
}

/**
 * How many bits of bins a number of entries needs. What is in use stays while the average is from 16 to 64 entries a bin, so
 * that re-binning, which renews every bin, happens once per doubling at most; otherwise the power of two that is nearest
 * to 32 a bin.
 * @param current bits in use; absent where the bins are made for the first time
 * @returns 1 to {@link MAX_BIT_LENGTH}
 */
export function chooseBitLength(entries: number, current?: number): number {
  const fitting = Math.min(MAX_BIT_LENGTH, Math.max(1, Math.round(Math.log2(Math.max(1, entries) / 32))));
  if (current === undefined) return fitting;
  const average = entries / 2 ** current;
  const tooFull = average > BIN_ENTRIES.most;
  const tooEmpty = average < BIN_ENTRIES.least && current > 1;
  return tooFull || tooEmpty ? fitting : current;
}

/** Whether the SHA-256 of a path starts with one of the prefixes (TUF 1.0 §4.5, `path_hash_prefixes`). */
export function hasHashPrefix(path: string, prefixes: readonly string[]): boolean {
  const digest = encodeHex(sha256(encodeUtf8(path)));
  return prefixes.some((prefix) => digest.startsWith(prefix));
}
