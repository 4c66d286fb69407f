import { MEMBER_FLAGS } from "./member-flags.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Print a chaos profile for a runner, as JSON or as environment variables",
  description: "A build profile's name stands for the chaos profile that it chooses.",
  examples: ["chaos export testing", "chaos export testing --as env > chaos.env"],
  arguments: [{ name: "PROFILE", summary: "Name of the chaos profile, or of a build profile" }],
  flags: {
    as: { type: "enum", summary: "What to print; default: json", values: ["json", "env"] },
    package: MEMBER_FLAGS.package,
  },
  async run({ args, flags, context }) {
    const { chaosExport } = await import("@lading/engine/package");
    const { document, environment } = await chaosExport({ package: flags.package, profile: args[0]! }, await context());
    const lines = Object.entries(environment).map(([name, value]) => `${name}=${quoted(value)}`);
    return flags.as === "env"
      ? { data: environment, text: () => lines }
      : { data: document, text: () => JSON.stringify(document, undefined, 2).split("\n") };
  },
});

/** As a POSIX shell and docker's env files both read it where nothing needs quoting; else for a shell. */
function quoted(value: string): string {
  return /^[\w.,:+/-]*$/.test(value) ? value : `'${value.replaceAll("'", "'\\''")}'`;
}
