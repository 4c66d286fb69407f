import type { CommandSpec } from "../spec.ts";
import { defineCommand } from "../spec.ts";
import { cell, managed } from "./managed.ts";
import { requireFlag } from "./require-flag.ts";
import { askText, canAsk } from "./secrets.ts";

export const status: CommandSpec = managed({
  summary: "Show whether your account has a second factor, and how many recovery codes are left",
  examples: ["account otp status"],
  flags: {},
  request: () => ["second-factor.status", {}],
  text: (answer) =>
    answer["enabled"] === true
      ? [`Your account has a second factor; ${cell(answer, "recovery_codes")} recovery codes are left`]
      : ["Your account has no second factor"],
});

export const enable: CommandSpec = defineCommand({
  summary: "Add a second factor to your account",
  description:
    "Shows the secret for your authenticator and asks for its first code, then shows recovery codes, this once. Without a terminal the first run shows the secret, and a second one with --code confirms it.",
  examples: ["account otp enable", "account otp enable --code 123456"],
  flags: {
    code: { type: "text", summary: "First code of the authenticator, to confirm", placeholder: "CODE" },
  },
  async run({ flags, io, context }) {
    const { manage } = await import("@lading/engine/registry");
    const engine = await context();
    let { code } = flags;
    if (code === undefined) {
      const enrolment = await manage("second-factor.enrol", {}, engine);
      const lines = [
        "Add this account to your authenticator:",
        `  ${cell(enrolment, "uri")}`,
        `or type the secret in: ${cell(enrolment, "secret")}`,
      ];
      if (!canAsk(io)) {
        const next = "Then run: account otp enable --code CODE";
        return { data: enrolment, text: () => [...lines, next] };
      }
      io.stderr.write(`${lines.join("\n")}\n`);
      code = await askText(io, "Code that it shows", "--code");
    }
    const confirmed = await manage("second-factor.confirm", { code }, engine);
    const codes = confirmed["recovery_codes"] as readonly string[];
    return {
      data: confirmed,
      text: (style) => [
        "Your account has a second factor from now on",
        style.bold("Recovery codes, shown this once; each opens once where the authenticator is lost:"),
        ...codes.map((each) => `  ${each}`),
      ],
    };
  },
});

export const codes: CommandSpec = managed({
  summary: "Make new recovery codes; the old ones open nothing any more",
  examples: ["account otp codes --code 123456"],
  flags: { code: { type: "text", summary: "A code of the second factor, or a recovery code", placeholder: "CODE" } },
  request: (_, { code }) => ["second-factor.codes", { code: requireFlag(code, "account otp codes", "code", "CODE") }],
  text: (answer, style) => [
    style.bold("Recovery codes, shown this once; each opens once where the authenticator is lost:"),
    ...(answer["recovery_codes"] as readonly string[]).map((each) => `  ${each}`),
  ],
});

export const disable: CommandSpec = managed({
  summary: "Remove the second factor of your account",
  examples: ["account otp disable --code 123456"],
  flags: { code: { type: "text", summary: "A code of it, or a recovery code", placeholder: "CODE" } },
  request: (_, { code }) => ["second-factor.remove", { code: code ?? "" }],
  text: () => ["Your account has no second factor any more"],
});
