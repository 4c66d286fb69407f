import { count } from "../render/table.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";
import { entries } from "./entries.ts";

export const command: CommandSpec = defineCommand({
  summary: "Verify a registry's transparency log, and the proofs beside the lock against it",
  examples: ["log verify", "log verify --full", "log verify --registry company"],
  flags: { full: { type: "boolean", summary: "Read every entry and hash it again" } },
  async run({ flags, context }) {
    const { logVerify } = await import("@lading/engine/registry");
    const found = await logVerify({ full: flags.full }, await context());
    const types = Object.entries(found.entries ?? {}).map(([type, number]) => `${number} ${type}`);
    return {
      data: found,
      text: (style) => [
        `${style.green("✓")} ${style.bold(found.origin)}: ${entries(found.size)}, one history since it was seen first`,
        `  root     ${found.root}`,
        `  key      ${found.key}`,
        found.full ? `  entries  all hashed again: ${types.join(", ")}` : "  entries  not read one by one; --full does",
        ...((found.keyChanges ?? 0) === 0
          ? []
          : [`  keys     ${count(found.keyChanges!, "change")} of this project's publishers, listed in the index`]),
        ...(found.proofs === 0 ? [] : [`  proofs   ${count(found.proofs, "proof")} beside the lock hold`]),
      ],
    };
  },
});
