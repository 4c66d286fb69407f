import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, it } from "vitest";
import { MemoryCache } from "../src/index.ts";
import { DirectoryBlobStore, DirectoryDocumentStore, DirectoryUploadStore, SqliteMetadataStore } from "../src/node.ts";
import {
  MemoryBlobStore,
  MemoryDocumentStore,
  MemoryMetadataStore,
  MemoryUploadStore,
  blobStoreContract,
  cacheContract,
  documentStoreContract,
  metadataStoreContract,
  uploadStoreContract,
} from "../src/testing.ts";

const test = { describe, it };
const directories: string[] = [];
const fresh = async (): Promise<string> => {
  const directory = await mkdtemp(join(tmpdir(), "lading-ports-"));
  directories.push(directory);
  return directory;
};
afterAll(async () => {
  for (const directory of directories) await rm(directory, { recursive: true, force: true });
});

describe("in memory", () => {
  metadataStoreContract(test, async () => new MemoryMetadataStore());
  blobStoreContract(test, async () => new MemoryBlobStore());
  documentStoreContract(test, async () => new MemoryDocumentStore());
  uploadStoreContract(test, async () => new MemoryUploadStore());
  cacheContract(test, async (clock) => new MemoryCache(clock));
});

describe("SQLite and directory", () => {
  metadataStoreContract(test, async () => new SqliteMetadataStore(join(await fresh(), "registry.db")));
  blobStoreContract(test, async () => {
    const store = new DirectoryBlobStore(await fresh());
    await store.recover();
    return store;
  });
  documentStoreContract(test, async () => new DirectoryDocumentStore(await fresh()));
  uploadStoreContract(test, async () => new DirectoryUploadStore(await fresh()));
});
