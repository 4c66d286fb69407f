export { testSigner, testStatement, testTrust } from "./lib/testing/builders.ts";
export { verifierContract, type ContractCase } from "./lib/testing/verifier-contract.ts";
