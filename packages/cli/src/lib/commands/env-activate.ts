import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Print the lines that make an environment this shell's",
  description:
    "An activated environment is worked in wherever no project is at or above the working directory. The lines define a function that takes all of it back.",
  examples: ["env activate my-project --shell bash"],
  arguments: [{ name: "NAME", summary: "Name or path of an environment" }],
  flags: {
    shell: {
      type: "enum",
      summary: "Shell that reads the lines; default: by $SHELL",
      values: ["bash", "zsh", "fish", "powershell"],
    },
  },
  async run({ args, flags, context, bin, io }) {
    const { activateEnvironment } = await import("@lading/engine/machine");
    const shell = flags.shell as "bash" | "zsh" | "fish" | "powershell" | undefined;
    const activation = await activateEnvironment({ name: args[0]!, shell }, await context());
    if (io.stdout.isTTY === true) {
      const { name } = activation.environment;
      const how = {
        bash: `eval "$(${bin} env activate ${name})"`,
        zsh: `eval "$(${bin} env activate ${name})"`,
        fish: `${bin} env activate ${name} | source`,
        powershell: `${bin} env activate ${name} | Out-String | Invoke-Expression`,
      }[activation.shell];
      io.stderr.write(`These lines do nothing by themselves; your shell reads them with: ${how}\n`);
    }
    return { data: activation, text: () => activation.script.trimEnd().split("\n") };
  },
});
