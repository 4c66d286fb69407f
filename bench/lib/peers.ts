import { basename } from "node:path";
import { spawnSync } from "node:child_process";

/**
 * The pnpm that runs this benchmark: the binary itself, for `npx` in front of it would cost more than what is measured.
 */
export function pnpmPath(): string {
  const caller = process.env["npm_execpath"];
  return caller !== undefined && /^pnpm(?:\.exe)?$/.test(basename(caller)) ? caller : "pnpm";
}

/** First line of what a program answers to `--version`. */
export function versionOf(command: string, args: readonly string[] = ["--version"]): string {
  const { error, stdout, stderr } = spawnSync(command, args, { encoding: "utf8" });
  if (error !== undefined) throw new Error(`"${command}" is needed for this benchmark`, { cause: error });
  return `${stdout}${stderr}`.trim().split("\n")[0]!;
}

/** An environment of a user of their own: nothing of the caller's configuration reaches what is measured. */
export function cleanEnvironment(home: string, more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  return { HOME: home, PATH: process.env["PATH"], NO_COLOR: "1", ...more };
}
