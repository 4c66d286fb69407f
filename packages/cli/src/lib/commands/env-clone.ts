import { defineCommand, type CommandSpec } from "../spec.ts";
import { count } from "../render/table.ts";
import { hostsText } from "./environment-text.ts";

export const command: CommandSpec = defineCommand({
  summary: "Copy an environment, and install in the copy what its lock file names",
  examples: ["env clone my-project my-project-try"],
  arguments: [
    { name: "FROM", summary: "Name or path of an environment" },
    { name: "TO", summary: "Name or path of the copy" },
  ],
  flags: {},
  async run({ args, context, options, profile, io, signal }) {
    const { cloneEnvironment, deleteEnvironment } = await import("@lading/engine/machine");
    const outer = await context();
    const made = await cloneEnvironment({ from: args[0]!, to: args[1]! }, outer);
    let packages = 0;
    if (made.locked) {
      const { createContext } = await import("@lading/engine/context");
      const { install } = await import("@lading/engine/install");
      const { onEvent } = outer;
      const inner = createContext({
        profile,
        cwd: made.directory,
        env: io.env,
        onEvent,
        signal,
        offline: options.offline,
        environment: made.directory,
      });
      try {
        packages = (await install({ mode: "frozen" }, inner)).install?.packages ?? 0;
      } catch (error) {
        // A copy without its packages is none.
        await deleteEnvironment({ name: made.directory }, outer);
        throw error;
      } finally {
        await inner.close();
      }
    }
    return {
      data: { ...made, packages },
      text: (style) => [
        `Made environment ${style.bold(made.name)}${hostsText(made.hosts)} in ${made.directory} (${count(packages, "package")})`,
      ],
    };
  },
});
