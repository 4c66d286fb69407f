// Reads one index document through a cache on disk: `offline-client.ts URL CACHE online|offline`.
import { createRegistryClient, registryConfig } from "@lading/registry-client";
import { createDiskCache } from "@lading/registry-client/node";

const [url = "", cache = "", mode] = process.argv.slice(2);
const client = createRegistryClient({
  registry: registryConfig({ name: "test", url }),
  cache: createDiskCache(cache),
  offline: mode === "offline",
});
const document = await client.packageDocument("cached");
console.log(document?.versions.map(({ version }) => version).join(" "));
const missing = await client.packageDocument("missing").catch((error: unknown) => (error as { code: string }).code);
console.log(missing ?? "none");
await client.close();
