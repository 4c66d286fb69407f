import { createHash, type Hash } from "node:crypto";
import type { Digest, PackageRecord } from "@lading/core-manifest";
import type { MemberSink } from "../canonical-reader.ts";
import type { MemberHeader } from "../tar-header.ts";
import { digestOf } from "./files.ts";
import type { PackageFile } from "./types.ts";

/** Which members' contents to keep: paths, or a question asked once the record is known. */
export type KeepMembers = readonly string[] | ((path: string, record: PackageRecord) => boolean);

/** Writes members somewhere while they are read. */
export interface MemberWriter {
  begin(member: MemberHeader): void;
  write(chunk: Uint8Array): void;
  end(): void;
}

export interface CollectorOptions {
  readonly keep: (path: string) => boolean;
  /** Kept contents larger than this are left out. */
  readonly keepBytes: number;
  readonly writer?: MemberWriter | undefined;
  readonly onMember?: ((file: PackageFile) => void) | undefined;
}

/** Digests every member of a package, and writes or keeps it where asked. */
export class MemberCollector implements MemberSink {
  readonly files: PackageFile[] = [];
  readonly members: Map<string, Uint8Array> = new Map();
  readonly #options: CollectorOptions;
  #member: MemberHeader | undefined;
  #hash: Hash | undefined;
  #digest: Digest | undefined;
  #kept: Uint8Array[] | undefined;

  constructor(options: CollectorOptions) {
    this.#options = options;
  }

  member(member: MemberHeader): void {
    this.#member = member;
    this.#hash = undefined;
    this.#digest = member.size === 0 ? digestOf(new Uint8Array(0)) : undefined;
    this.#kept = member.size <= this.#options.keepBytes && this.#options.keep(member.path) ? [] : undefined;
    this.#options.writer?.begin(member);
  }

  data(chunk: Uint8Array): void {
    if (chunk.length === this.#member!.size) this.#digest = digestOf(chunk);
    else (this.#hash ??= createHash("sha256")).update(chunk);
    this.#kept?.push(chunk.slice());
    this.#options.writer?.write(chunk);
  }

  memberEnd(): void {
    const { path, size, executable } = this.#member!;
    const sha256 = this.#digest ?? (`sha256:${this.#hash!.digest("hex")}` as Digest);
    const file: PackageFile = { path, size, sha256, executable };
    if (this.#kept !== undefined) {
      this.members.set(path, this.#kept.length === 1 ? this.#kept[0]! : Uint8Array.from(Buffer.concat(this.#kept)));
    }
    this.#options.writer?.end();
    this.files.push(file);
    this.#options.onMember?.(file);
  }
}
