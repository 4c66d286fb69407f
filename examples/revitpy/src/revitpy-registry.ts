#!/usr/bin/env -S node -C @lading/source
import { builtinProfile } from "@lading/core-manifest/profiles";
import { runRegistry } from "@lading/registry-server/node";

const { port } = builtinProfile("revitpy").registry;
process.exitCode = await runRegistry(process.argv.slice(2), { name: "revitpy-registry", defaultPort: port });
