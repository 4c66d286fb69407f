#!/usr/bin/env node
import { createCli } from "@lading/cli";
import { builtinProfile } from "@lading/core-manifest";

await createCli(builtinProfile("gal"), { bin: "gal-pkg" }).main();
