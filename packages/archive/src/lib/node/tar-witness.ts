import { extract, type Extract, type Header } from "tar-stream";
import { ArchiveError, quote } from "../archive-error.ts";

/** What a reader understood of one file; directories carry nothing that could be smuggled. */
export interface WitnessedMember {
  readonly path: string;
  readonly size: number;
}

/** Headers without magic are read too, as ours does. tar-stream's types leave this option out. */
const OPTIONS: Parameters<typeof extract>[0] & { allowUnknownFormat: boolean } = { allowUnknownFormat: true };

/**
 * A second, independent reader (tar-stream) of the same bytes. What ours has let pass must mean the same to it: a
 * difference is an attack on one of the two, or a fault in one.
 */
export class TarWitness {
  readonly #extract: Extract = extract(OPTIONS);
  readonly #seen: WitnessedMember[] = [];
  readonly #finished: Promise<void>;
  #failure: unknown;

  constructor() {
    this.#extract.on("entry", (headers, stream, next) => {
      if (headers.type !== "directory") this.#seen.push(witnessed(headers));
      stream.on("end", next);
      stream.resume();
    });
    this.#finished = new Promise((resolve) => {
      this.#extract.on("finish", () => resolve());
      this.#extract.on("error", (error: unknown) => {
        this.#failure = error;
        resolve();
      });
    });
  }

  /** Gives a chunk that ours has accepted. */
  async push(chunk: Uint8Array): Promise<void> {
    if (this.#failure !== undefined || this.#extract.write(chunk)) return;
    await Promise.race([new Promise<void>((resolve) => this.#extract.once("drain", () => resolve())), this.#finished]);
  }

  /**
   * Compares all members.
   * @throws {ArchiveError} `ARCHIVE_PARSERS_DISAGREE`
   */
  async compare(ours: readonly WitnessedMember[]): Promise<void> {
    this.#extract.end(null);
    await this.#finished;
    if (this.#failure !== undefined) throw disagree("the second reader refuses it", this.#failure);
    compareMembers(ours, this.#seen);
  }

  /** Ends it early. */
  destroy(): void {
    this.#extract.destroy();
  }
}

/**
 * Compares what two readers saw.
 * @throws {ArchiveError} `ARCHIVE_PARSERS_DISAGREE`
 */
export function compareMembers(ours: readonly WitnessedMember[], theirs: readonly WitnessedMember[]): void {
  for (const [i, own] of ours.entries()) {
    const other = theirs[i];
    if (other?.path !== own.path || other.size !== own.size) {
      throw disagree(`one sees ${describe(own)}, the other ${describe(other)}`);
    }
  }
  if (theirs.length > ours.length) throw disagree(`one sees the end, the other ${describe(theirs[ours.length])}`);
}

function describe(member: WitnessedMember | undefined): string {
  return member === undefined ? "the end" : `${quote(member.path)} with ${member.size} bytes`;
}

function disagree(why: string, cause?: unknown): ArchiveError {
  return new ArchiveError({
    code: "ARCHIVE_PARSERS_DISAGREE",
    message: `Cannot accept the archive: two readers understand it differently: ${why}`,
    cause,
  });
}

function witnessed(headers: Header): WitnessedMember {
  return { path: headers.name.replace(/^(?:\.\/+)+/, ""), size: headers.size ?? 0 };
}
