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
// What signed metadata says is not there stays so without network; of a name that was never asked for, nothing is known.
const names = mode === "offline" ? ["missing", "never-asked"] : ["missing"];
for (const name of names) {
  const answer = await client.packageDocument(name).catch((error: unknown) => (error as { code: string }).code);
  console.log(answer ?? "none");
}
await client.close();
