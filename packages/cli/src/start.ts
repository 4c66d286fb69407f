// What a bin loads to answer `--version`; the rest when it is needed.
export { createCli, type Cli } from "./lib/app.ts";
export type { CliOptions, ProfileInput } from "./lib/options.ts";
