#!/usr/bin/env -S node -C @lading/source
import path from "node:path";
import { builtinProfile } from "@lading/core-manifest/profiles";
import { createInstallService } from "@lading/engine";
import { runRegistry } from "@lading/registry-server/node";

const profile = builtinProfile("attune");
process.exitCode = await runRegistry(process.argv.slice(2), {
  name: "attune-registry",
  defaultPort: profile.registry.port,
  // `POST /packs/install` installs below ATTUNE_PACKS_DIR.
  install: ({ env, url }) =>
    createInstallService({
      profile,
      directory: path.resolve(env["ATTUNE_PACKS_DIR"] ?? "attune-packs"),
      env,
      registry: url,
    }),
});
