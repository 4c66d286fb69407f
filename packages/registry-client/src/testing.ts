export { createFakeClock, type FakeClock } from "./lib/testing/fake-clock.ts";
export { fetchFromHandler } from "./lib/testing/handler-fetch.ts";
export { metadataCacheContract, type ContractCase } from "./lib/testing/metadata-cache-contract.ts";
export { credentialStoreContract } from "./lib/testing/credential-store-contract.ts";
export { transportContract, transportFixture, type TransportUnderTest } from "./lib/testing/transport-contract.ts";
export {
  startTestRegistry,
  type ReceivedRequest,
  type TestPublication,
  type TestRegistry,
  type TestRegistryOptions,
} from "./lib/testing/test-registry.ts";
