export { testSigner, testStatement, testTrust } from "./lib/testing/builders.ts";
export { verifierContract, type ContractCase, type SignedMessage } from "./lib/testing/verifier-contract.ts";
