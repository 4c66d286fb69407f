export {
  ONLINE_ROLES,
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
  type OnlineRole,
  type RootView,
} from "./lib/node/key-directory.ts";
export { directoryStore } from "./lib/node/directory-store.ts";
