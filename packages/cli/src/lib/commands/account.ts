import { CliError } from "../cli-error.ts";
import type { CliIo } from "../io.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";
import { count } from "../render/table.ts";
import { USER, cell, listing, managed } from "./managed.ts";
import { askSecret, canAsk, readSecretFromInput, readSecretsFromInput } from "./secrets.ts";

const OTP = { type: "text", summary: "Code of the second factor, or a recovery code", placeholder: "CODE" } as const;

export const sessions: CommandSpec = managed({
  summary: "List your open sessions, newest first; tokens are listed by token list",
  examples: ["account session list"],
  flags: {},
  request: () => ["session.list", {}],
  text: (answer, style) => listing(answer, style, ["id", "created", "expires", "current"], "You have no open session"),
});

export const passkeys: CommandSpec = managed({
  summary: "List your passkeys; browsers make and use them",
  examples: ["account passkey list"],
  flags: {},
  request: () => ["passkey.list", {}],
  text: (answer, style) => listing(answer, style, ["id", "name", "created", "last_used"], "You have no passkeys"),
});

export const removePasskey: CommandSpec = managed({
  summary: "Remove one of your passkeys; it opens nothing any more",
  examples: ["account passkey remove hJ3kZr0vQm2Xw"],
  arguments: [{ name: "ID", summary: "Id of the passkey, as account passkey list shows it" }],
  flags: {},
  request: ([id]) => ["passkey.remove", { id: id! }],
  text: (_, style, [id]) => [`Removed passkey ${style.bold(id!)}`],
});

export const endSession: CommandSpec = managed({
  summary: "End one of your sessions, or all but this one",
  examples: ["account session end FY0heHBN5mwE9Q85", "account session end --others"],
  arguments: [{ name: "ID", summary: "Id of the session, as account session list shows it", optional: true }],
  flags: { others: { type: "boolean", summary: "End all but this one" } },
  request: ([id], { others }) => {
    if ((id === undefined) === others) return others ? ["session.end-others", {}] : ["session.end", { id: id! }];
    throw new CliError({
      code: "CLI_ARGUMENT_UNEXPECTED",
      message: `Cannot end sessions: ${others ? "an id and --others were given" : "neither an id nor --others was given"}`,
      hint: "Give the id that account session list shows, or --others",
    });
  },
  text: (answer, style, [id]) => [
    id === undefined ? `Ended ${count(Number(answer["ended"]), "session")}` : `Ended session ${style.bold(id)}`,
  ],
});

async function passwords(io: CliIo, fromInput: boolean): Promise<{ current: string; password: string }> {
  if (fromInput) {
    const [current, password] = await readSecretsFromInput(io, "--password-stdin", 2);
    return { current: current!, password: password! };
  }
  const current = await askSecret(io, "Present password", "--password-stdin");
  const password = await askSecret(io, "New password", "--password-stdin");
  if (password === (await askSecret(io, "New password once more", "--password-stdin"))) return { current, password };
  throw new CliError({ code: "CLI_FLAG_INVALID", message: "Cannot change the password: the new ones differ" });
}

export const password: CommandSpec = defineCommand({
  summary: "Change your password, which ends your other sessions; tokens stay",
  examples: ["account password", "account password --password-stdin"],
  flags: {
    "password-stdin": {
      type: "boolean",
      summary: "Read the present and the new password from standard input, a line each",
    },
    otp: OTP,
  },
  async run({ flags, io, context }) {
    const { manage } = await import("@lading/engine/registry");
    const given = await passwords(io, flags["password-stdin"]);
    const otp = flags.otp === undefined ? {} : { otp: flags.otp };
    const answer = await manage("account.password", { ...given, ...otp }, await context());
    return {
      data: answer,
      text: () => [`Changed the password; ${count(Number(answer["ended"]), "other session")} ended`],
    };
  },
});

async function ownPassword(io: CliIo, fromInput: boolean): Promise<{ readonly password?: string }> {
  if (fromInput) return { password: await readSecretFromInput(io, "--password-stdin") };
  // Whoever logs in through a provider has none here.
  const given = canAsk(io) ? await askSecret(io, "Password (empty where you have none here)", "--password-stdin") : "";
  return given === "" ? {} : { password: given };
}

export const remove: CommandSpec = defineCommand({
  summary: "Delete your account for ever",
  description:
    "Refused while you alone own a package or an organisation: hand them over first. What you published stays, and nobody can have your name again.",
  examples: ["account delete alice", "account delete alice --password-stdin"],
  arguments: [{ name: "NAME", summary: "Your user name, to confirm" }],
  flags: {
    "password-stdin": { type: "boolean", summary: "Read the password from standard input" },
    otp: OTP,
  },
  async run({ args, flags, io, context }) {
    const { logout, manage } = await import("@lading/engine/registry");
    const engine = await context();
    const username = args[0]!;
    const given = await ownPassword(io, flags["password-stdin"]);
    const otp = flags.otp === undefined ? {} : { otp: flags.otp };
    await manage("account.delete", { username, ...given, ...otp }, engine);
    // What is stored opens nothing any more.
    await logout({}, engine);
    return { data: { username, deleted: true }, text: (style) => [`Deleted account ${style.bold(username)}`] };
  },
});

export const resetPassword: CommandSpec = managed({
  summary: "Give somebody a new password, shown this once, and end their sessions; for admins of the registry",
  examples: ["account reset-password alice"],
  arguments: [USER],
  flags: {},
  request: ([user]) => ["user.reset-password", { user: user! }],
  text: (answer) => [cell(answer, "password")],
});

export const resetOtp: CommandSpec = managed({
  summary: "Remove the second factor of somebody who lost it; for admins of the registry",
  examples: ["account reset-otp alice"],
  arguments: [USER],
  flags: {},
  request: ([user]) => ["user.reset-second-factor", { user: user! }],
  text: (_, style, [user]) => [`${style.bold(user!)} has no second factor any more`],
});
