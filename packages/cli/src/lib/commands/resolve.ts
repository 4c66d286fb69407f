import type { AnswerPackage } from "@lading/engine";
import { count } from "../render/table.ts";
import type { Style } from "../render/style.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";
import { RECORD_FLAGS, RESOLVE_FLAGS, resolveInput } from "./shared.ts";

export const command: CommandSpec = defineCommand({
  summary: "Resolve, print the answer, and change nothing",
  description:
    "`--explain` says of every package who asks for it and why it is not newer. `--replay` answers a recording, without any network.",
  examples: ["resolve", "resolve --explain", "resolve --record resolution.json", "resolve --replay resolution.json"],
  flags: {
    explain: { type: "boolean", summary: "Say who asks for each package, and why it is not newer" },
    replay: { type: "text", summary: "Answer this recording in place of the project", placeholder: "FILE" },
    ...RECORD_FLAGS,
    ...RESOLVE_FLAGS,
  },
  async run({ flags, options, context }) {
    const { resolve } = await import("@lading/engine/inspect");
    const { record, replay, explain } = flags;
    const result = await resolve({ ...resolveInput(flags, options), explain, record, replay }, await context());
    return {
      data: result,
      rows: result.packages,
      text: (style) => [
        ...result.packages.flatMap((one) => packageLines(one, style)),
        style.dim(summary(result.packages)),
        ...(record === undefined ? [] : [`Recorded the resolution in ${record}`]),
        ...(result.replay === undefined ? [] : [replayLine(result.replay.same, replay ?? "")]),
      ],
    };
  },
});

function packageLines({ name, version, choice, environments = [] }: AnswerPackage, style: Style): string[] {
  const where = environments.map((one) =>
    Object.entries(one)
      .map(([axis, value]) => `${axis}=${value}`)
      .join(" "),
  );
  if (choice === undefined)
    return [`${name} ${version}${where.length === 0 ? "" : style.dim(` (${where.join(", ")})`)}`];
  const asked = choice.requiredBy.map(
    ({ dependent, requirement, kind }) =>
      `  asked for by ${dependent}: ${requirement}${kind === "normal" ? "" : ` (${kind})`}`,
  );
  const newer =
    choice.whyNotNewest === undefined ? [] : [`  not ${choice.newest}: ${choice.whyNotNewest.split("\n").join(" ")}`];
  return [style.bold(`${name} ${version}`), ...asked, ...newer];
}

function summary(packages: readonly AnswerPackage[]): string {
  return `${count(packages.length, "package")}, ${packages.filter(({ direct }) => direct).length} named by manifests`;
}

function replayLine(same: boolean, file: string): string {
  return same ? `The same answer as recorded in ${file}` : `Another answer than the one recorded in ${file}`;
}
