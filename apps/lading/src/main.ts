#!/usr/bin/env node
import { createCli } from "@lading/cli/start";

const cli = createCli(async () => (await import("@lading/core-manifest/profiles")).builtinProfile("lading"), {
  bin: "lading",
  title: "Lading: a package manager and registry for any ecosystem",
  ownCommands: true,
});
await cli.main();
