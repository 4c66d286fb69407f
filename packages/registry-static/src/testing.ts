export { memoryStore, type MemoryStore } from "./lib/testing/memory-store.ts";
export { storeContract, type StoreContractCase } from "./lib/testing/store-contract.ts";
export { startReleasesHost, type ReleasesHost } from "./lib/testing/releases-host.ts";
