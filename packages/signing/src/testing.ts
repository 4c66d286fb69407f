export { acceptedFlips, flipRegistry } from "./lib/testing/bit-flips.ts";
export { testSigner, testStatement, testTrust } from "./lib/testing/builders.ts";
export { verifierContract, type ContractCase, type SignedMessage } from "./lib/testing/verifier-contract.ts";
export {
  TEST_NOW_MS,
  TEST_ROLES,
  TEST_ROOT_ROLES,
  memorySource,
  testRepository,
  testRoot,
  testTarget,
} from "./lib/testing/test-repository.ts";
