// What is loaded when registries are opened: a bundler keeps only what these reach.
export {
  canonicalRegistryUrl,
  createEnvironmentCredentials,
  createRegistryClient,
  createRegistrySet,
  layerCredentials,
  parseRegistries,
  parseStaticAddress,
  registryConfig,
  registryProvider,
  systemClock,
} from "@lading/registry-client";
export {
  createCredentialsFile,
  createDiskCache,
  createNodeFetch,
  createTrustDirectory,
  directoryTransport,
} from "@lading/registry-client/node";
export { tracedCache, tracedFetch } from "./trace.ts";
