// Reads one index document through a cache on disk: `offline-client.ts URL CACHE online|offline`.
import { createRegistryClient, registryConfig } from "@lading/registry-client";
import { createDiskCache, createTrustDirectory } from "@lading/registry-client/node";

const [url = "", cache = "", mode] = process.argv.slice(2);
const client = createRegistryClient({
  registry: registryConfig({ name: "test", url }),
  cache: createDiskCache(cache),
  trust: createTrustDirectory(`${cache}-trust`),
  offline: mode === "offline",
});
const document = await client.packageDocument("cached");
console.log(document?.versions.map(({ version }) => version).join(" "));
// What signed metadata says is not there stays so without network; a search is the registry's to answer.
console.log((await client.packageDocument("missing")) ?? "none");
const found = await client.search("cached").catch((error: unknown) => (error as { code: string }).code);
console.log(typeof found === "string" ? found : `${found.total} found`);
await client.close();
