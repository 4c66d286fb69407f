import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Show what a registry is trusted by, or begin to trust it by a root file",
  examples: ["registry trust", "registry trust company --root 1.root.json", "registry trust company --forget"],
  arguments: [{ name: "NAME", summary: "A configured registry; default: the default one", optional: true }],
  flags: {
    root: { type: "text", summary: "Root file that its operator publishes", placeholder: "FILE" },
    replace: { type: "boolean", summary: "Put that root in the place of the one that is trusted" },
    forget: { type: "boolean", summary: "Forget what it is trusted by" },
  },
  async run({ args, flags, context }) {
    const { registryTrust } = await import("@lading/engine/registry");
    const found = await registryTrust(
      { name: args[0], root: flags.root, replace: flags.replace, forget: flags.forget },
      await context(),
    );
    const { trust } = found;
    return {
      data: found,
      text: (style) => {
        const title = `${style.bold(found.name)} ${found.url}`;
        if (found.mode === "forgotten") return [`${title} is trusted by nothing any more`];
        if (trust === undefined) return [`${title} has no signed metadata: it is taken at its word`];
        const { anchor, root, log } = trust;
        const how = { configured: "as configured", file: "by a root file", "first-use": "at first use" }[anchor.how];
        return [
          `${title} is trusted since ${anchor.at.slice(0, 10)}, ${how}`,
          `  began    root ${anchor.version} ${anchor.digest}`,
          `  root     ${root.version} ${root.digest}, ${root.threshold} of ${root.keys.length} keys${root.development ? style.yellow(" (development: they lie on the server)") : ""}, until ${root.expires}`,
          `  metadata timestamp ${trust.versions.timestamp}, seen ${trust.checked}, until ${trust.expires}`,
          log === undefined ? "  log      none" : `  log      ${log.origin}, ${log.size} entries, root ${log.root}`,
        ];
      },
    };
  },
});
