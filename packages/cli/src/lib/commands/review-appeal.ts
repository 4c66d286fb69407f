import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Answer the rejection of your publication: it waits again",
  examples: ['review appeal 3f6c0a --text "the tests are in another package"'],
  arguments: [{ name: "REVIEW", summary: "Id of the review" }],
  flags: { text: { type: "text", summary: "What you answer", placeholder: "TEXT" } },
  async run({ args, flags, context }) {
    const { reviewStep } = await import("@lading/engine/registry");
    const { reviewText } = await import("./review-text.ts");
    const review = await reviewStep({ id: args[0]!, step: "appeal", text: flags.text }, await context());
    return { data: review, text: (style) => reviewText(review, style) };
  },
});
