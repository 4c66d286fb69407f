export { nodeSigner } from "./lib/node/signer.ts";
export { nodeDigests } from "./lib/node/digests.ts";
export { nodeVerifier } from "./lib/node/verifier.ts";
export {
  generateKeyPair,
  publicKeyPath,
  readKeyFile,
  readPrivateKeyFile,
  readPublicKeyFile,
  writeKeyFiles,
  type ReadKeyOptions,
  type WrittenKeyFiles,
} from "./lib/node/key-files.ts";
export {
  ONLINE_ROLES,
  ROOT_DAYS,
  ROOT_DRAFT,
  createRegistryKeys,
  hasRegistryKeys,
  hasRegistryRoot,
  missingOnlineRole,
  nextLogKeyFile,
  readOnlineSigners,
  readRegistryKeys,
  readRegistryRoots,
  registryKeyFiles,
  type CreateRegistryKeysOptions,
  type OnlineRole,
  type RegistryKeys,
} from "./lib/node/registry-keys.ts";
export { openTrustStore, type TrustStore } from "./lib/node/trust-store.ts";
export { digestFile, readSideFile, sideFilePath, signFile, verifyFile, type SignedFile } from "./lib/node/side-file.ts";
