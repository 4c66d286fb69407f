import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Publish what waits for a reviewer; never your own publication",
  examples: ["review approve 3f6c0a"],
  arguments: [{ name: "REVIEW", summary: "Id of the review" }],
  flags: {},
  async run({ args, context }) {
    const { reviewStep } = await import("@lading/engine/registry");
    const { reviewText } = await import("./review-text.ts");
    const review = await reviewStep({ id: args[0]!, step: "approve" }, await context());
    return { data: review, text: (style) => reviewText(review, style) };
  },
});
