import type { Credential } from "@lading/registry-client";
import { defineCommand, type CommandSpec, type Invocation } from "../spec.ts";
import { askSecret, askText, readSecretFromInput } from "./secrets.ts";
import { warnToken } from "./publish.ts";

interface LoginFlags {
  readonly token: string | undefined;
  readonly "token-stdin": boolean;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly "password-stdin": boolean;
}

export const command: CommandSpec = defineCommand({
  summary: "Prove who you are to a registry, and store its token",
  description:
    "Tokens are stored in one file of mode 0600, each for exactly one registry address. Passwords are not stored.",
  examples: ["login --registry company --token-stdin", "login --username alice"],
  flags: {
    token: { type: "text", summary: "The token; better: --token-stdin", placeholder: "TOKEN" },
    "token-stdin": { type: "boolean", summary: "Read the token from standard input" },
    username: { type: "text", summary: "Log in with a password instead", placeholder: "USER" },
    password: { type: "text", summary: "The password; better: --password-stdin", placeholder: "PASSWORD" },
    "password-stdin": { type: "boolean", summary: "Read the password from standard input" },
  },
  async run({ flags, io, profile, context }) {
    const { login } = await import("@lading/engine/registry");
    const engine = await context();
    if (flags.token !== undefined || flags.password !== undefined) warnToken(engine.onEvent);
    const variables = profile.tokenVariables;
    const result = await login({ credential: await credentialFrom(flags, io, variables) }, engine);
    return { data: result, text: (style) => [`Logged in to ${result.url} as ${style.bold(result.user)}`] };
  },
});

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
    return { type: "basic", username: flags.username, password };
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
