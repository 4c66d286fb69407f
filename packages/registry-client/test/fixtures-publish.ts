// Run as a process of its own by the tests of publish(): prints its highest resident memory, in MiB.
import type { Digest } from "@lading/core-manifest";
import { createRegistryClient, registryConfig } from "@lading/registry-client";
import { createNodeFetch } from "@lading/registry-client/node";

const [url, artifact, blob, size] = process.argv.slice(2);
const { fetch, close } = createNodeFetch({ env: {} });
const client = createRegistryClient({ registry: registryConfig({ name: "test", url: url! }), fetch });
await client.publish({ artifact: artifact!, blob: blob as Digest, size: Number(size) });
console.log(Math.round(process.resourceUsage().maxRSS / 1024));
await close();
