export { createCli, type Cli } from "./lib/app.ts";
export type { CliOptions, ProfileInput } from "./lib/options.ts";
export { CLI_ERRORS, type CliErrorCode } from "./lib/cli-errors.ts";
export { CLI_VERSION } from "./lib/version.ts";
export type { CliIo, CliStream } from "./lib/io.ts";
