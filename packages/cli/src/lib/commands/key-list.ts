import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "List an account's signing keys: which are in use, which wait, and what became of the others",
  examples: ["key list", "key list ann"],
  arguments: [{ name: "ACCOUNT", summary: "Whose keys; default: yours", optional: true }],
  flags: {},
  async run({ args, context }) {
    const { keyList } = await import("@lading/engine/package");
    const [account] = args;
    const list = await keyList(account === undefined ? {} : { account }, await context());
    return {
      data: list,
      rows: list.keys,
      text: (style) =>
        list.keys.length === 0
          ? [`${list.account} has no signing keys at ${list.registry}`]
          : list.keys.map(
              ({ fingerprint, state, previous, effective }) =>
                `${fingerprint} ${style.bold(state)}${state === "pending" && effective !== undefined ? ` until ${effective}` : ""}${previous === undefined ? "" : `, follows ${previous}`}`,
            ),
    };
  },
});
