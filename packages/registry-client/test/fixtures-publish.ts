// Run as a process of its own by the tests of publish(): prints by how many MiB its memory grew.
import type { Digest } from "@lading/core-manifest";
import { createRegistryClient, registryConfig } from "@lading/registry-client";
import { createNodeFetch } from "@lading/registry-client/node";

const [url, artifact, blob, size] = process.argv.slice(2);
const { fetch, close } = createNodeFetch({ env: {} });
const client = createRegistryClient({ registry: registryConfig({ name: "test", url: url! }), fetch });
await client.describe();
await import("undici");
const before = process.memoryUsage.rss();
await client.publish({ artifact: artifact!, blob: blob as Digest, size: Number(size), wait: false });
console.log(Math.round((process.resourceUsage().maxRSS * 1024 - before) / 2 ** 20));
await close();
