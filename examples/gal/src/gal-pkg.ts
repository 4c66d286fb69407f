#!/usr/bin/env -S node -C @lading/source
import { createCli } from "@lading/cli";
import { builtinProfile } from "@lading/core-manifest/profiles";

await createCli(() => builtinProfile("gal"), { bin: "gal-pkg" }).main();
