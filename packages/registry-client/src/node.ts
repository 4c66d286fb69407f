export { createDiskCache } from "./lib/node/disk-cache.ts";
export { createTrustDirectory } from "./lib/node/trust-directory.ts";
export { createCredentialsFile } from "./lib/node/credentials-file.ts";
export { createNodeFetch, type NodeFetchOptions } from "./lib/node/node-fetch.ts";
export { directoryTransport } from "./lib/directory-transport.ts";
export { gitTransport, type GitTransportOptions } from "./lib/node/git-transport.ts";
export { signedFetch, type BucketCredentials } from "./lib/node/signed-fetch.ts";
export { loginWithProvider, type ProviderInstructions, type ProviderLogin } from "./lib/node/provider-login.ts";
