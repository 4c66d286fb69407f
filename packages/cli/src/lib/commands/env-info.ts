import { defineCommand, type CommandSpec } from "../spec.ts";
import { count, table } from "../render/table.ts";
import type { HostsInformation } from "@lading/engine";
import { hostsText } from "./environment-text.ts";

export const command: CommandSpec = defineCommand({
  summary: "Show what an environment is made for and holds; without a name, the hosts here",
  description:
    "Without a name: this machine's target, and the version of each host with where it comes from. A version that nobody chose is asked of the program that the profile names.",
  examples: ["env info", "env info my-project"],
  arguments: [{ name: "NAME", summary: "Name or path of an environment", optional: true }],
  flags: {},
  async run({ args, context }) {
    const { environmentInfo, hostsInfo } = await import("@lading/engine/machine");
    const [name] = args;
    if (name === undefined) {
      const here = await hostsInfo({}, await context());
      return { data: here, text: () => hereLines(here) };
    }
    const found = await environmentInfo({ name }, await context());
    return {
      data: found,
      text: (style) => [
        `${style.bold(found.name)}${hostsText(found.hosts)}${found.active ? ", active" : ""}`,
        `  directory  ${found.directory}`,
        `  created    ${found.created.replace(/\.\d+Z$/, "Z")}`,
        `  lock file  ${found.locked ? "yes" : "none yet"}`,
        `  installed  ${count(found.packages.length, "package")}${found.generation === undefined ? "" : `, generation ${found.generation}`}`,
        ...table(
          style,
          ["PACKAGE", "VERSION", "SOURCE"],
          found.packages.map(({ name, version, source }) => [name, version, source]),
        ),
      ],
    };
  },
});

const ORIGINS = {
  environment: "of this environment",
  flag: "from the command line",
  setting: "from the settings",
  profile: "the ecosystem's default",
} as const;

function hereLines({ target, hosts, undetected }: HostsInformation): string[] {
  return [
    `target   ${target}`,
    ...hosts.map(({ axis, version, origin, detected }) => {
      const where = origin === undefined ? "found on this machine, not chosen" : ORIGINS[origin];
      return `${axis.padEnd(8)} ${version}  ${where}${detected && origin !== undefined ? ", detected" : ""}`;
    }),
    ...undetected.map(({ axis, problem }) => `${axis.padEnd(8)} unknown  ${problem}`),
  ];
}
