import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Forget the stored token of a registry",
  examples: ["logout", "logout --registry company"],
  flags: {},
  async run({ context }) {
    const { logout } = await import("@lading/engine/registry");
    const result = await logout({}, await context());
    return {
      data: result,
      text: () => [result.removed ? `Logged out of ${result.url}` : `Nothing was stored for ${result.url}`],
    };
  },
});
