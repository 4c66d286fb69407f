import type { Writable } from "node:stream";
import { isLadingError } from "@lading/core-manifest";
import { CliError } from "../cli-error.ts";
import type { CliIo } from "../io.ts";
import type { Invocation } from "../spec.ts";

/** Whether a person can be asked. */
export function canAsk(io: CliIo): boolean {
  return io.terminal !== undefined && io.stdin.isTTY === true && io.stderr.isTTY === true;
}

function terminalOf(io: CliIo, message: string, instead: string): Writable {
  if (io.terminal === undefined || !canAsk(io)) throw impossible(message, instead);
  return io.terminal();
}

/**
 * Runs something that may need a key's passphrase: without one at first, which a plain key and the environment variable
 * answer, then with one that is asked for.
 */
export async function passphraseFor<Value>(
  { io }: Pick<Invocation, "io">,
  run: (passphrase: string | undefined) => Promise<Value>,
): Promise<Value> {
  try {
    return await run(undefined);
  } catch (error) {
    if (!isLadingError(error) || error.code !== "KEY_PASSPHRASE_REQUIRED" || !canAsk(io)) throw error;
    return run(await askSecret(io, "Passphrase of the key", "--key"));
  }
}

/**
 * Asks for a secret on the terminal, without echo.
 * @throws {CliError} `CLI_PROMPT_IMPOSSIBLE`
 */
export async function askSecret(io: CliIo, message: string, instead: string): Promise<string> {
  const output = terminalOf(io, message, instead);
  const { isCancel, password } = await import("@clack/prompts");
  const answer = await password({ message, input: io.stdin, output });
  if (isCancel(answer)) throw impossible(message, instead);
  return answer;
}

/** Asks for a line of text. */
export async function askText(io: CliIo, message: string, instead: string): Promise<string> {
  const output = terminalOf(io, message, instead);
  const { isCancel, text } = await import("@clack/prompts");
  const answer = await text({ message, input: io.stdin, output });
  if (isCancel(answer)) throw impossible(message, instead);
  return answer;
}

/**
 * Standard input up to its first line break.
 * @throws {CliError} `CLI_FLAG_INVALID` where that is empty: a variable that is not set, a file that is not there yet
 */
export async function readSecretFromInput(io: CliIo, flag: string): Promise<string> {
  return (await readSecretsFromInput(io, flag, 1))[0]!;
}

const ORDINALS = ["first", "second", "third"];

/** The first lines of standard input, each a secret; as {@link readSecretFromInput}. */
export async function readSecretsFromInput(io: CliIo, flag: string, count: number): Promise<readonly string[]> {
  let text = "";
  for await (const chunk of io.stdin) {
    text += String(chunk);
    if (text.split("\n").length > count || text.length > 65_536) break;
  }
  const lines = text.split(/\r?\n/);
  return Array.from({ length: count }, (_, at) => {
    const secret = lines[at] ?? "";
    if (secret.trim() !== "") return secret;
    throw new CliError({
      code: "CLI_FLAG_INVALID",
      message: `Cannot use ${flag}: the ${ORDINALS[at]} line of standard input is empty`,
      hint: `Pipe the secret in, such as \`< FILE\` after ${flag}`,
    });
  });
}

function impossible(message: string, instead: string): CliError {
  return new CliError({
    code: "CLI_PROMPT_IMPOSSIBLE",
    message: `Cannot ask for "${message}": there is no terminal, or the question was cancelled`,
    hint: `Give it with ${instead}`,
  });
}
