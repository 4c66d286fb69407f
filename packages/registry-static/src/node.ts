export {
  createKeyDirectory,
  defaultKeyDirectory,
  draftStaticRoot,
  installStaticRoot,
  readKeyDirectory,
  signStaticRoot,
  staticRootStatus,
  type CreateKeysOptions,
  type DraftRootOptions,
  type KeyDirectoryOptions,
  type RootView,
} from "./lib/node/key-directory.ts";
export { directoryStore, readRegistryFile } from "./lib/node/directory-store.ts";
export { gitStore, type GitStoreOptions } from "./lib/node/git-store.ts";
export { s3Store, type S3StoreOptions } from "./lib/node/s3-store.ts";
export { releasesStore, type ReleasesStoreOptions } from "./lib/node/releases-store.ts";
export { openStore, type OpenStoreOptions } from "./lib/node/open-store.ts";
