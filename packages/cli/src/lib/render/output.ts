import type { Outcome } from "../spec.ts";
import type { Style } from "./style.ts";

/** Renders a command's result in the asked format, ending in a newline unless it is empty. */
export async function renderOutcome(
  outcome: Outcome,
  format: "text" | "json" | "yaml" | "ndjson",
  style: Style,
): Promise<string> {
  switch (format) {
    case "json":
      return `${JSON.stringify(outcome.data, null, 2)}\n`;
    case "ndjson":
      return (outcome.rows ?? [outcome.data]).map((row) => `${JSON.stringify(row)}\n`).join("");
    case "yaml": {
      const { stringify } = await import("yaml");
      // Through JSON first, so that both formats drop and keep the same keys.
      return stringify(JSON.parse(JSON.stringify(outcome.data)), { lineWidth: 0, aliasDuplicateObjects: false });
    }
    case "text":
      return outcome
        .text(style)
        .map((line) => `${line}\n`)
        .join("");
  }
}
