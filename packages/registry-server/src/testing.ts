export { MemoryMetadataStore } from "./lib/testing/memory-metadata-store.ts";
export { MemoryBlobStore } from "./lib/testing/memory-blob-store.ts";
export { MemoryUploadStore } from "./lib/testing/memory-upload-store.ts";
export { MemoryDocumentStore } from "./lib/testing/memory-document-store.ts";
export { MemoryTreeHost } from "./lib/testing/memory-tree-host.ts";
export {
  FakeClock,
  fakeAccount,
  fakeAudit,
  fakeDigest,
  fakeKeyStatement,
  fakePublication,
} from "./lib/testing/fixtures.ts";
export type { ContractTest } from "./lib/testing/contract.ts";
export { metadataStoreContract } from "./lib/testing/metadata-store-contract.ts";
export { blobStoreContract } from "./lib/testing/blob-store-contract.ts";
export { uploadStoreContract } from "./lib/testing/upload-store-contract.ts";
export { documentStoreContract } from "./lib/testing/document-store-contract.ts";
export { cacheContract } from "./lib/testing/cache-contract.ts";
export { MemoryCoordinator } from "./lib/testing/memory-coordination.ts";
export { coordinationContract } from "./lib/testing/coordination-contract.ts";
export { POSTGRES_MIGRATIONS } from "./lib/node/postgres-migrations.ts";
