import { CliError } from "../cli-error.ts";

/** @throws {CliError} `CLI_FLAG_INVALID` */
export function requireFlag(value: string | undefined, command: string, flag: string, placeholder: string): string {
  if (value !== undefined && value !== "") return value;
  throw new CliError({
    code: "CLI_FLAG_INVALID",
    message: `Cannot run ${command} without --${flag}: it is ${value === undefined ? "missing" : "empty"}`,
    hint: `Give --${flag} ${placeholder}`,
  });
}
