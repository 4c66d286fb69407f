import type { CiProvider } from "@lading/engine/package";
import { defineCommand, type CommandSpec } from "../spec.ts";

const PROVIDERS = ["github", "gitlab", "jenkins", "script"] as const;

export const command: CommandSpec = defineCommand({
  summary: "Write pipelines that test and publish packages",
  description:
    "For GitHub Actions, GitLab CI or Jenkins: test every change, publish when a version is tagged, repositories of several packages, upkeep of a static registry. `script` writes one for a person at a terminal.",
  examples: ["ci init github", "ci init gitlab --publish-to index", "ci init jenkins --dry-run", "ci init script"],
  arguments: [{ name: "SERVICE", summary: "github, gitlab, jenkins or script" }],
  flags: {
    output: { type: "text", summary: "Directory of the repository; default: here", placeholder: "DIR" },
    "publish-to": { type: "enum", summary: "How versions are published", values: ["registry", "index"] },
    force: { type: "boolean", summary: "Replace files that are there" },
  },
  async run({ args, flags, options, context }) {
    const { ciInit } = await import("@lading/engine/package");
    const files = await ciInit(
      {
        provider: await neededProvider(args[0]!),
        output: flags.output,
        ...(flags["publish-to"] === undefined ? {} : { publishTo: flags["publish-to"] as "registry" | "index" }),
        force: flags.force,
        dryRun: options.dryRun,
      },
      await context(),
    );
    return {
      data: files,
      rows: files,
      text: (style) =>
        files.map(({ file, purpose }) => `${options.dryRun ? "Would write" : "Wrote"} ${style.bold(file)}: ${purpose}`),
    };
  },
});

async function neededProvider(text: string): Promise<CiProvider> {
  const found = PROVIDERS.find((one) => one === text);
  if (found !== undefined) return found;
  const { CliError } = await import("../cli-error.ts");
  throw new CliError({
    code: "CLI_ARGUMENT_UNEXPECTED",
    message: `Cannot write pipelines for "${text}": allowed are ${PROVIDERS.map((one) => `"${one}"`).join(", ")}`,
  });
}
