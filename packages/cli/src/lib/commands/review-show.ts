import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Show a publication that waits for a reviewer: its state, and why it waits",
  description:
    "For its publisher, the package's owners, its reviewers and admins. Everybody else hears that there is none.",
  examples: ["review show 3f6c0a", "review show 3f6c0a --output tool.lpk"],
  arguments: [{ name: "REVIEW", summary: "Id of the review" }],
  flags: {
    output: { type: "text", alias: "o", summary: "Write the package file there", placeholder: "FILE" },
  },
  async run({ args, flags, context }) {
    const { reviewShow } = await import("@lading/engine/registry");
    const { reviewText } = await import("./review-text.ts");
    const review = await reviewShow({ id: args[0]!, output: flags.output }, await context());
    return { data: review, text: (style) => reviewText(review, style) };
  },
});
