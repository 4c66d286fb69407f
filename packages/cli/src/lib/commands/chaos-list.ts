import { MEMBER_FLAGS } from "./member-flags.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "List the chaos profiles of this package and when their faults come next",
  examples: ["chaos list"],
  flags: { package: MEMBER_FLAGS.package },
  async run({ flags, context }) {
    const { chaosList } = await import("@lading/engine/package");
    const profiles = await chaosList({ package: flags.package }, await context());
    return {
      data: profiles,
      rows: profiles,
      text: (style) =>
        profiles.length === 0
          ? ["This package has no chaos profile"]
          : profiles.flatMap(({ name, document, schedule }) => [
              style.bold(name),
              `  ${describe(document)}`,
              ...schedule.map(({ faultType, trigger, next }) => `  ${faultType} ${trigger}${times(next)}`),
            ]),
    };
  },
});

function describe(document: {
  readonly fault_injection_rate: number;
  readonly allowed_faults: readonly string[];
  readonly chaos_seed?: number;
}): string {
  const seed = document.chaos_seed === undefined ? "" : `, seed ${document.chaos_seed}`;
  return `rate ${document.fault_injection_rate} of ${document.allowed_faults.length} faults${seed}`;
}

function times(next: readonly string[]): string {
  return next.length === 0 ? "" : `: next ${next.join(", ")}`;
}
