import { isLadingError } from "@lading/core-manifest";
import type { ProviderInstructions } from "@lading/engine/registry";
import type { Credential } from "@lading/registry-client";
import { defineCommand, type CommandSpec, type Invocation } from "../spec.ts";
import { askSecret, askText, canAsk, readSecretFromInput } from "./secrets.ts";
import { warnToken } from "./publish.ts";

interface LoginFlags {
  readonly token: string | undefined;
  readonly "token-stdin": boolean;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly "password-stdin": boolean;
  readonly otp: string | undefined;
  readonly oauth2: boolean;
  readonly device: boolean;
}

export const command: CommandSpec = defineCommand({
  summary: "Prove who you are to a registry, and store its token",
  description:
    "Tokens are stored in one file of mode 0600, each for exactly one registry address. Passwords are not stored.",
  examples: ["login --registry company --token-stdin", "login --username alice", "login --oauth2"],
  flags: {
    token: { type: "text", summary: "The token; better: --token-stdin", placeholder: "TOKEN" },
    "token-stdin": { type: "boolean", summary: "Read the token from standard input" },
    username: { type: "text", summary: "Log in with a password instead", placeholder: "USER" },
    password: { type: "text", summary: "The password; better: --password-stdin", placeholder: "PASSWORD" },
    "password-stdin": { type: "boolean", summary: "Read the password from standard input" },
    otp: { type: "text", summary: "Code of the second factor, or a recovery code", placeholder: "CODE" },
    oauth2: { type: "boolean", summary: "Log in through the registry's OpenID provider, in a browser" },
    device: { type: "boolean", summary: "With --oauth2: show a code for a browser on any machine" },
  },
  async run({ flags, io, profile, context }) {
    const { login, loginThroughProvider } = await import("@lading/engine/registry");
    const engine = await context();
    if (flags.oauth2 || flags.device) {
      const announce = (todo: ProviderInstructions): void => void io.stderr.write(`${instructions(todo).join("\n")}\n`);
      const result = await loginThroughProvider({ flow: flags.device ? "device" : "browser", announce }, engine);
      return { data: result, text: (style) => [`Logged in to ${result.url} as ${style.bold(result.user)}`] };
    }
    if (flags.token !== undefined) warnToken(engine.onEvent);
    if (flags.password !== undefined) warnToken(engine.onEvent, "password");
    const variables = profile.tokenVariables;
    const credential = await credentialFrom(flags, io, variables);
    const result = await withSecondFactor(credential, io, (given) => login({ credential: given }, engine));
    return { data: result, text: (style) => [`Logged in to ${result.url} as ${style.bold(result.user)}`] };
  },
});

function instructions(todo: ProviderInstructions): string[] {
  if (todo.flow === "browser") return ["Open this address in a browser on this machine:", `  ${todo.url}`];
  const minutes = Math.max(1, Math.round(todo.expiresSeconds / 60));
  return [
    "Open this address in a browser, on any machine:",
    `  ${todo.url}`,
    `and enter ${todo.code} (good for ${minutes} min)`,
  ];
}

/** Asks for the code of a second factor where the registry wants one. */
async function withSecondFactor<Result>(
  credential: Credential,
  io: Invocation["io"],
  run: (credential: Credential) => Promise<Result>,
): Promise<Result> {
  try {
    return await run(credential);
  } catch (error) {
    const wanted = isLadingError(error) && error.details["serverCode"] === "SECOND_FACTOR_REQUIRED";
    if (!wanted || credential.type !== "basic" || credential.otp !== undefined || !canAsk(io)) throw error;
    return run({ ...credential, otp: await askText(io, "Code of the second factor", "--otp") });
  }
}

async function credentialFrom(
  flags: LoginFlags,
  io: Invocation["io"],
  variables: readonly string[],
): Promise<Credential> {
  if (flags.username !== undefined) {
    const password =
      flags.password ??
      (flags["password-stdin"]
        ? await readSecretFromInput(io, "--password-stdin")
        : await askSecret(io, `Password of ${flags.username}`, "--password-stdin"));
    const { otp } = flags;
    return { type: "basic", username: flags.username, password, ...(otp === undefined ? {} : { otp }) };
  }
  if (flags.token !== undefined) return { type: "token", token: flags.token };
  if (flags["token-stdin"]) return { type: "token", token: (await readSecretFromInput(io, "--token-stdin")).trim() };
  const variable = variables.find((name) => (io.env[name] ?? "") !== "");
  if (variable !== undefined) return { type: "token", token: io.env[variable]! };
  const username = await askText(
    io,
    "User name",
    `--token-stdin, --username or the variable ${variables[0] ?? "LADING_TOKEN"}`,
  );
  return { type: "basic", username, password: await askSecret(io, "Password", "--password-stdin") };
}
