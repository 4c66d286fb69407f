import { isLadingError } from "@lading/core-manifest";
import type { ForeignSink } from "../foreign-tar-reader.ts";
import { withDefaultLimits } from "../limits.ts";
import { readForeign } from "./foreign.ts";

/** What the strict foreign reader says of one file. */
export interface ArchiveVerdict {
  readonly file: string;
  readonly verdict: "accept" | "refuse";
  /** Code of the first rule that is broken. */
  readonly code?: string;
  readonly reason?: string;
}

const nowhere: ForeignSink = { member() {}, data() {}, memberEnd() {}, directory() {} };

/**
 * Holds a plain archive (tar, tar.gz, tar.zst, tar.lz4, zip) against the strict foreign reader, which demands no package
 * record and otherwise takes nothing that two readers could understand differently; stricter than
 * `importForeignArchive`, see `docs/spec/archive.md` §foreign. Writes nothing.
 * @throws only what is no verdict: that the file cannot be read
 */
export async function judgeArchive(path: string): Promise<ArchiveVerdict> {
  try {
    await readForeign(path, nowhere, { limits: withDefaultLimits(), strict: true });
    return { file: path, verdict: "accept" };
  } catch (error) {
    if (!isLadingError(error) || error.category === "io" || error.code === "ARCHIVE_SOURCE_MISSING") throw error;
    return { file: path, verdict: "refuse", code: error.code, reason: error.message };
  }
}
