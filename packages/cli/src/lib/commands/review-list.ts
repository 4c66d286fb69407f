import { defineCommand, type CommandSpec } from "../spec.ts";
import { table } from "../render/table.ts";

export const command: CommandSpec = defineCommand({
  summary: "List publications that wait for a reviewer, or did: those that concern you",
  examples: ["review list", "review list --state held", "review list --package company/tool"],
  arguments: [],
  flags: {
    state: { type: "enum", summary: "Only this state", values: ["held", "rejected", "appealed", "published"] },
    package: { type: "text", summary: "Only this package", placeholder: "NAME" },
    page: { type: "number", summary: "Page to show, from 1" },
  },
  async run({ flags, context }) {
    const { reviewList } = await import("@lading/engine/registry");
    const found = await reviewList({ state: flags.state, package: flags.package, page: flags.page }, await context());
    return {
      data: found,
      rows: found.items,
      text: (style) =>
        found.items.length === 0
          ? ["Nothing waits for a reviewer that concerns you"]
          : table(
              style,
              ["REVIEW", "PACKAGE", "VERSION", "STATE", "PUBLISHER", "SINCE"],
              found.items.map(({ id, name, version, state, publisher, updated }) => [
                id,
                name,
                version,
                state,
                publisher,
                updated,
              ]),
            ),
    };
  },
});
