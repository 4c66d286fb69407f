import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Make the directory of a static registry with an empty flat index",
  examples: ['index-init registry --name "Our packs" --url https://packs.example.com'],
  arguments: [{ name: "DIR", summary: "Directory; made where there is none", kind: "file" }],
  flags: {
    name: { type: "text", summary: "Name of the registry", placeholder: "TEXT" },
    url: { type: "text", summary: "HTTPS address that it will be served from", placeholder: "URL" },
  },
  async run({ args, flags, options, context }) {
    const { indexInit } = await import("@lading/engine/package");
    const input = { directory: args[0]!, name: flags.name, url: flags.url, dryRun: options.dryRun };
    const result = await indexInit(input, await context());
    const verb = options.dryRun ? "Would write" : "Wrote";
    return { data: result, text: () => result.files.map((file) => `${verb} ${file}`) };
  },
});
