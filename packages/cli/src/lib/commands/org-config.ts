import { defineCommand, type CommandSpec } from "../spec.ts";
import { printable } from "../render/table.ts";
import { CliError } from "../cli-error.ts";
import { ORGANISATION, cell, listing, managed } from "./managed.ts";

const NAME = { name: "NAME", summary: "The configuration, as ORGANISATION/NAME" };
const REVISION = {
  type: "number",
  summary: "Refuse unless this revision is the newest one; 0: unless there is none",
} as const;

export const set: CommandSpec = defineCommand({
  summary: "Share a file of settings with an organisation's projects, as an owner",
  description:
    "Whoever sets team.config to NAME goes by it, below their own configuration. What says whom a machine trusts or what runs on it is refused. Members may read it, with --public everybody.",
  examples: ["org config set acme/default team.toml", "org config set acme/default team.toml --if-revision 3"],
  arguments: [NAME, { name: "FILE", summary: "Settings, in the form of the user's configuration file" }],
  flags: {
    public: { type: "boolean", summary: "Let whoever reads the registry read it" },
    "if-revision": REVISION,
  },
  async run({ args, flags, context }) {
    const { sharedConfigSet } = await import("@lading/engine/registry");
    const { public: isPublic, "if-revision": revision } = flags;
    const input = { name: args[0]!, file: args[1]!, public: isPublic, revision };
    const answer = await sharedConfigSet(input, await context());
    const { log: _, text: __, ...data } = answer;
    return {
      data,
      text: (style) => [
        `Shared ${style.bold(printable(args[0]!))}, revision ${cell(answer, "revision")}`,
        `Projects name it with [config.team] config = "${printable(args[0]!)}", people with: config set team.config ${printable(args[0]!)}`,
      ],
    };
  },
});

export const get: CommandSpec = defineCommand({
  summary: "Print a shared configuration, as the registry's log states it",
  examples: ["org config get acme/default", "org config get acme/default --revision 2"],
  arguments: [NAME],
  flags: { revision: { type: "number", summary: "Which revision; default: the newest one" } },
  async run({ args, flags, context }) {
    const { sharedConfigGet } = await import("@lading/engine/registry");
    const found = await sharedConfigGet({ name: args[0]!, revision: flags.revision }, await context());
    return { data: found, text: () => found.text.replace(/\n$/, "").split("\n").map(printable) };
  },
});

export const list: CommandSpec = managed({
  summary: "List the configurations that an organisation shares",
  examples: ["org config list acme"],
  arguments: [ORGANISATION],
  flags: {},
  request: ([organisation]) => ["configuration.list", { organisation: organisation! }],
  text: (answer, style) =>
    listing(answer, style, ["name", "revision", "public", "author", "created"], "No configuration is shared"),
});

export const remove: CommandSpec = managed({
  summary: "Share a configuration no more, as an owner",
  description: "Whoever names it hears that it is gone; copies that were kept stand in for it no longer.",
  examples: ["org config remove acme/default"],
  arguments: [NAME],
  flags: {},
  request: ([text]) => {
    const [organisation, name, ...rest] = text!.split("/");
    if (!organisation || !name || rest.length > 0)
      throw new CliError({
        code: "CLI_ARGUMENT_UNEXPECTED",
        message: `Cannot use ${JSON.stringify(printable(text!).slice(0, 140))} as a shared configuration: it is not of the form ORGANISATION/NAME`,
      });
    return ["configuration.remove", { organisation, name }];
  },
  text: (_, style, [name]) => [`${style.bold(printable(name!))} is shared no more`],
});
