export { createDiskCache } from "./lib/node/disk-cache.ts";
export { createCredentialsFile } from "./lib/node/credentials-file.ts";
export { createNodeFetch, type NodeFetchOptions } from "./lib/node/node-fetch.ts";
export { directoryTransport } from "./lib/directory-transport.ts";
