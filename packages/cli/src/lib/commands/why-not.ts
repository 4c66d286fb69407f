import { defineCommand, type CommandSpec } from "../spec.ts";
import { hintLines, RESOLVE_FLAGS, resolveInput } from "./shared.ts";

export const command: CommandSpec = defineCommand({
  summary: "Show why a version of a package is not the one that is chosen",
  description:
    "Resolves again with that version: either no solution has it, and the conflict is shown, or one has it, and what is preferred to it is named.",
  examples: ["why-not rand@2.0.0"],
  arguments: [{ name: "NAME@VERSION", summary: "Version to ask about", kind: "package" }],
  flags: RESOLVE_FLAGS,
  async run({ args, flags, options, context }) {
    const { whyNot } = await import("@lading/engine/inspect");
    const answer = await whyNot({ ...resolveInput(flags, options), spec: args[0]! }, await context());
    const { name, version, verdict, chosen, reason, changes, suggestions } = answer;
    return {
      data: answer,
      text: (style) => [
        style.bold(`${name} ${version}: ${VERDICTS[verdict]}`),
        ...reason.split("\n").map((line) => `  ${line}`),
        ...(chosen.length === 0 || verdict === "chosen" ? [] : [`Chosen is ${name} ${chosen.join(" and ")}`]),
        ...(changes.length === 0 ? [] : [`With ${name} ${version}:`]),
        ...changes.map((one) => `  ${style.yellow("~")} ${one.name} ${one.from ?? "(none)"} -> ${one.to ?? "(none)"}`),
        ...hintLines(suggestions, style),
      ],
    };
  },
});

const VERDICTS = {
  chosen: "it is chosen",
  unknown: "there is no such version",
  unsolvable: "nothing can be chosen, with it or without",
  impossible: "no solution has it",
  unneeded: "nobody takes it",
  locked: "it is allowed, and the lock has another",
  outranked: "it is allowed, and another is preferred",
} as const;
