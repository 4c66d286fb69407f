import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  ArchiveError,
  CanonicalTarReader,
  DEFAULT_LIMITS,
  encodeMemberHeader,
  endOfArchive,
  paddingOf,
  type MemberHeader,
} from "@lading/archive";
import { inspectPackage, judgeArchive } from "@lading/archive/node";

/** A package's tar, read and encoded again; the error where it is refused. */
function decodedAndEncoded(tar: Uint8Array): Uint8Array | ArchiveError {
  const parts: Uint8Array[] = [];
  let member: MemberHeader;
  const reader = new CanonicalTarReader(
    {
      member: (next) => void parts.push(encodeMemberHeader((member = next))),
      data: (chunk) => void parts.push(chunk.slice()),
      memberEnd: () => void parts.push(new Uint8Array(paddingOf(member.size))),
    },
    DEFAULT_LIMITS,
  );
  try {
    reader.push(tar);
    reader.finish();
    return new Uint8Array(Buffer.concat([...parts, endOfArchive()]));
  } catch (error) {
    if (error instanceof ArchiveError) return error;
    throw error;
  }
}

async function onlyArchiveErrors(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof ArchiveError)) throw error;
  }
}

/** Gives an input to every reader; what is wrong with their verdicts, or `undefined`. */
export async function judge(bytes: Uint8Array, folder: string): Promise<string | undefined> {
  const file = join(folder, "input");
  try {
    const again = decodedAndEncoded(bytes);
    if (!(again instanceof ArchiveError) && Buffer.compare(again, bytes) !== 0) {
      return "a tar is accepted that does not encode to the same bytes";
    }
    writeFileSync(file, bytes);
    await onlyArchiveErrors(() => inspectPackage(file));
    await onlyArchiveErrors(() => judgeArchive(file));
    return undefined;
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  }
}
