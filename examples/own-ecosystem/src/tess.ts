#!/usr/bin/env -S node -C @lading/source
import { readFileSync } from "node:fs";
import { createCli } from "@lading/cli";
import { parseProfile } from "@lading/core-manifest";

const file = new URL("../profile.toml", import.meta.url);
await createCli(() => parseProfile(readFileSync(file, "utf8"), "profile.toml"), { bin: "tess" }).main();
