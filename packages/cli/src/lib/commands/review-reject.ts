import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Reject what waits for a reviewer, with a reason for its publisher",
  examples: ['review reject 3f6c0a --reason "no tests"'],
  arguments: [{ name: "REVIEW", summary: "Id of the review" }],
  flags: { reason: { type: "text", summary: "Why", placeholder: "TEXT" } },
  async run({ args, flags, context }) {
    const { reviewStep } = await import("@lading/engine/registry");
    const { reviewText } = await import("./review-text.ts");
    const review = await reviewStep({ id: args[0]!, step: "reject", text: flags.reason }, await context());
    return { data: review, text: (style) => reviewText(review, style) };
  },
});
