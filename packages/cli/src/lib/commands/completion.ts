import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Print a shell completion script, which asks this program for proposals",
  examples: ["completion bash", "completion zsh"],
  arguments: [{ name: "SHELL", summary: "bash, zsh or fish", kind: "shell" }],
  flags: {},
  async run({ args, bin }) {
    const script = SCRIPTS[args[0]!];
    if (script === undefined) {
      const { CliError } = await import("../cli-error.ts");
      throw new CliError({
        code: "CLI_ARGUMENT_UNEXPECTED",
        message: `Cannot complete for "${args[0]!}": allowed are bash, zsh and fish`,
      });
    }
    return { data: { shell: args[0]!, script: script(bin) }, text: () => script(bin).trimEnd().split("\n") };
  },
});

const identifier = (bin: string): string => `_${bin.replaceAll(/[^A-Za-z0-9]/g, "_")}_complete`;

// A stub and no more: what can be completed is asked for when it is needed, so it never goes stale.
const SCRIPTS: Readonly<Record<string, (bin: string) => string>> = {
  bash: (bin) => `${identifier(bin)}() {
  local IFS=$'\\n'
  COMPREPLY=($(${bin} complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F ${identifier(bin)} ${bin}
`,
  zsh: (bin) => `#compdef ${bin}
${identifier(bin)}() {
  local -a proposals
  proposals=("\${(@f)$(${bin} complete -- "\${words[@]:1:$((CURRENT - 1))}" 2>/dev/null)}")
  compadd -a proposals
}
compdef ${identifier(bin)} ${bin}
`,
  fish: (bin) => `complete -c ${bin} -f -a '(${bin} complete -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
`,
};
