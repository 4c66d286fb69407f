import { LadingError, type LadingErrorInit } from "@lading/core-manifest";
import { CLI_ERRORS, type CliErrorCode } from "./cli-errors.ts";

/** A mistake on the command line. */
export class CliError extends LadingError<CliErrorCode> {
  constructor(init: LadingErrorInit<CliErrorCode>) {
    super(CLI_ERRORS, init);
  }
}
