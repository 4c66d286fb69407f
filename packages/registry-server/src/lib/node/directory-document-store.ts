import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { DocumentStore } from "../ports.ts";
import { makeDirectory, writeDurably } from "./durable-file.ts";

/** Rendered documents as files below one directory, in the layout in which a static host would serve them. */
export class DirectoryDocumentStore implements DocumentStore {
  readonly #directory: string;
  readonly #temporary: string;

  /** `directory` holds `index/…`; temporary files go to `tmp/` in it. */
  constructor(directory: string) {
    this.#directory = directory;
    this.#temporary = join(directory, "tmp");
  }

  async get(path: string): Promise<Uint8Array | undefined> {
    try {
      return await readFile(join(this.#directory, path));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT" || code === "ENOTDIR") return undefined;
      throw error;
    }
  }

  async put(path: string, bytes: Uint8Array): Promise<void> {
    await makeDirectory(this.#temporary);
    await writeDurably(join(this.#directory, path), bytes, { temporary: this.#temporary });
  }

  async clear(): Promise<void> {
    await rm(join(this.#directory, "index"), { recursive: true, force: true });
  }
}
