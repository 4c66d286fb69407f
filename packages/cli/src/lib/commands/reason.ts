import { CliError } from "../cli-error.ts";

/**
 * The reason that a mark on a version needs, since everybody who has the version is shown it.
 * @throws {CliError} `CLI_FLAG_INVALID`
 */
export function requireReason(reason: string | undefined, command: string): string {
  if (reason !== undefined && reason.trim() !== "") return reason;
  throw new CliError({
    code: "CLI_FLAG_INVALID",
    message: `Cannot ${command} without a reason: --reason is ${reason === undefined ? "missing" : "empty"}`,
    hint: `Say why, such as --reason "Security vulnerability"`,
  });
}
