import { randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { link, open, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { UploadPart, UploadStore } from "../uploads/upload-store.ts";
import { makeDirectory, makeDurableDirectory, syncDirectory } from "./durable-file.ts";
import { tellingFull } from "./storage-full.ts";

const PLACE = "the disk of the registry";

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** Uploads under way as files: `uploads/<id>/<offset>`; what is being written is below `tmp/`. */
export class DirectoryUploadStore implements UploadStore {
  readonly #uploads: string;
  readonly #temporary: string;

  /** Keeps everything below `directory`; both folders must be on one file system. */
  constructor(directory: string) {
    this.#uploads = join(directory, "uploads");
    this.#temporary = join(directory, "tmp");
  }

  async parts(upload: string): Promise<readonly UploadPart[]> {
    const folder = join(this.#uploads, upload);
    const names = (await namesIn(folder)).filter((name) => /^\d+$/.test(name));
    const parts = names.map(async (name) => ({
      offset: Number(name),
      size: (await stat(join(folder, name))).size,
    }));
    return (await Promise.all(parts)).sort((left, right) => left.offset - right.offset);
  }

  async put(upload: string, offset: number, bytes: AsyncIterable<Uint8Array>): Promise<number | "taken"> {
    await makeDirectory(this.#temporary);
    const file = join(this.#temporary, `part-${randomUUID()}`);
    try {
      const size = await this.#write(file, bytes);
      return await this.#keep(file, { upload, offset, size });
    } finally {
      await rm(file, { force: true });
    }
  }

  async #write(file: string, bytes: AsyncIterable<Uint8Array>): Promise<number> {
    const handle = await tellingFull(PLACE, () => open(file, "wx", 0o644));
    try {
      let size = 0;
      for await (const chunk of bytes) {
        // `writeFile` on a handle goes on from where it is, and writes all of it.
        await tellingFull(PLACE, () => handle.writeFile(chunk));
        size += chunk.length;
      }
      await tellingFull(PLACE, () => handle.sync());
      return size;
    } finally {
      await handle.close();
    }
  }

  async #keep(
    file: string,
    { upload, offset, size }: UploadPart & { readonly upload: string },
  ): Promise<number | "taken"> {
    const folder = join(this.#uploads, upload);
    await makeDurableDirectory(folder);
    try {
      // In place of a rename, which would replace what is there.
      await link(file, join(folder, String(offset)));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") return "taken";
      throw error;
    }
    await syncDirectory(folder);
    return size;
  }

  async *read(upload: string, { offset }: UploadPart): AsyncIterable<Uint8Array> {
    yield* createReadStream(join(this.#uploads, upload, String(offset)), { highWaterMark: 256 * 1024 });
  }

  async remove(upload: string): Promise<void> {
    await rm(join(this.#uploads, upload), { force: true, recursive: true });
  }

  async *uploads(): AsyncIterable<string> {
    for (const name of await namesIn(this.#uploads)) yield name;
  }
}
