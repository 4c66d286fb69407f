import type { ErrorCatalogue } from "@lading/core-manifest";

/** Codes of the command line itself. */
export type CliErrorCode =
  | "CLI_COMMAND_UNKNOWN"
  | "CLI_FLAG_UNKNOWN"
  | "CLI_FLAG_INVALID"
  | "CLI_ARGUMENT_MISSING"
  | "CLI_ARGUMENT_UNEXPECTED"
  | "CLI_CODE_UNKNOWN"
  | "CLI_PROMPT_IMPOSSIBLE"
  | "CLI_BIN_UNKNOWN"
  | "CLI_INTERRUPTED"
  | "CLI_INTERNAL";

/**
 * Explanations of {@link CliErrorCode}. Plain data: importing it loads nothing, so that `--help` and
 * `--version` stay as fast as the router.
 */
export const CLI_ERRORS: ErrorCatalogue<CliErrorCode> = {
  CLI_COMMAND_UNKNOWN: {
    category: "usage",
    summary: "There is no such command.",
    help: "Run with `--help` to see every command.",
  },
  CLI_FLAG_UNKNOWN: {
    category: "usage",
    summary: "The command has no such flag.",
    help: "Run the command with `--help` to see its flags; what follows `--` is never read as a flag.",
  },
  CLI_FLAG_INVALID: {
    category: "usage",
    summary: "A flag lacks its value, or the value is not one of those allowed.",
    help: "Run the command with `--help` to see what each flag takes.",
  },
  CLI_ARGUMENT_MISSING: {
    category: "usage",
    summary: "The command needs an argument that was not given.",
    help: "Run the command with `--help` to see its arguments and an example.",
  },
  CLI_ARGUMENT_UNEXPECTED: {
    category: "usage",
    summary: "The command was given more arguments than it takes.",
    help: "Quote arguments that contain spaces, or run the command with `--help`.",
  },
  CLI_CODE_UNKNOWN: {
    category: "usage",
    summary: "`explain` was asked for a code that no package of this release throws.",
    help: "Copy the code from between the brackets of the error message.",
  },
  CLI_PROMPT_IMPOSSIBLE: {
    category: "usage",
    summary: "A value is needed, and there is no terminal to ask for it.",
    help: "Give the value by its flag, by standard input or by the environment variable that the message names.",
  },
  CLI_BIN_UNKNOWN: {
    category: "usage",
    summary: "A program was started under a name that its ecosystem profile does not list.",
    help: "Pass `bin` to `createCli` with one of the names of the profile's `bins`.",
  },
  CLI_INTERRUPTED: {
    category: "internal",
    summary: "A signal ended the command before it was done. The process ends with 128 and the signal's number.",
    help: "Run the command again: what it had begun was undone.",
  },
  CLI_INTERNAL: {
    category: "internal",
    summary: "Something failed that should not be able to fail: a fault of this program.",
    help: "Run again with `--verbose` and report the stack trace that it prints.",
  },
};
