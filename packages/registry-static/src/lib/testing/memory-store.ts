import { readFile } from "node:fs/promises";
import type { PlacedFile, RegistryStore, StoreSession } from "../store.ts";

/** A store in memory, whose files can be looked at. */
export interface MemoryStore extends RegistryStore {
  readonly files: Map<string, Uint8Array>;
}

async function bytesOf({ content }: PlacedFile): Promise<Uint8Array> {
  return content instanceof Uint8Array ? content : new Uint8Array(await readFile(content.file));
}

/** A store that lasts as long as the process. Sessions run at once; the timestamp is compared and swapped. */
export function memoryStore(): MemoryStore {
  const files = new Map<string, Uint8Array>();
  return {
    location: "memory",
    files,
    open: () => {
      const staged = new Map<string, Uint8Array>();
      const seen = new Map<string, Uint8Array | undefined>();
      const session: StoreSession = {
        read: (path) => {
          seen.set(path, files.get(path));
          return Promise.resolve(staged.get(path) ?? files.get(path));
        },
        has: (path) => Promise.resolve(staged.has(path) || files.has(path)),
        put: async (placed) => {
          for (const file of placed) staged.set(file.path, await bytesOf(file));
        },
        commit: ({ path, content }) => {
          if (files.get(path) !== seen.get(path)) return Promise.resolve("conflict");
          for (const [one, bytes] of staged) files.set(one, bytes);
          files.set(path, content);
          return Promise.resolve("committed");
        },
        list: (prefix) =>
          Promise.resolve(
            [...files].flatMap(([path, bytes]) => (path.startsWith(prefix) ? [{ path, size: bytes.length }] : [])),
          ),
        remove: (paths) => {
          for (const path of paths) files.delete(path);
          return Promise.resolve("committed");
        },
        close: () => Promise.resolve(),
      };
      return Promise.resolve(session);
    },
  };
}
