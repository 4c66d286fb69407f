import { runRegistry } from "@lading/registry-server/node";

process.exitCode = await runRegistry(process.argv.slice(2), { name: "lading-registry", defaultPort: 8080 });
