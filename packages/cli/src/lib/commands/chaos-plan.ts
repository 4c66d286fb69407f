import { count } from "../render/table.ts";
import { MEMBER_FLAGS } from "./member-flags.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Plan the faults of a chaos profile: the same profile, time and seed give the same plan everywhere",
  examples: ["chaos plan testing --from 2026-01-31T12:00:00Z --for 10m"],
  arguments: [{ name: "PROFILE", summary: "Name of the chaos profile" }],
  flags: {
    from: { type: "text", summary: "When the plan begins; default: now", placeholder: "TIME" },
    for: { type: "text", summary: "How long it is, at most a day; default: 1m", placeholder: "DURATION" },
    seed: { type: "number", summary: "Seed, where the profile has none", placeholder: "NUMBER" },
    package: MEMBER_FLAGS.package,
  },
  async run({ args, flags, context }) {
    const { chaosPlan } = await import("@lading/engine/package");
    const input = { package: flags.package, profile: args[0]!, from: flags.from, span: flags.for, seed: flags.seed };
    const plan = await chaosPlan(input, await context());
    return {
      data: plan,
      rows: plan.faults,
      text: () => [
        ...plan.faults.map(({ start, faultType, durationMs }) => `${start}  ${faultType} for ${durationMs} ms`),
        `${count(plan.faults.length, "fault")} from ${plan.from} until ${plan.until} (profile ${plan.profile}, seed ${plan.seed})`,
      ],
    };
  },
});
