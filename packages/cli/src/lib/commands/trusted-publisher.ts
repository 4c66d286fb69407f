import { CliError } from "../cli-error.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";
import { cell, listing, managed } from "./managed.ts";

const NAME = { name: "NAME", summary: "Name of the package", kind: "package" } as const;

export const list: CommandSpec = managed({
  summary: "List the projects whose builds may publish a package",
  examples: ["trusted-publisher list acme/tool"],
  arguments: [NAME],
  flags: {},
  request: ([name]) => ["trusted-publisher.list", { name: name! }],
  text: (answer, style) =>
    listing(answer, style, ["id", "issuer", "claims", "account"], "No project's builds may publish it"),
});

export const add: CommandSpec = defineCommand({
  summary: "Let the builds of a project publish a package, without a stored token",
  description:
    "Looks up the ids of the project, which stay with it when its name is given to another, and binds the package to them. What a private project's ids are, say with --claim.",
  examples: [
    "trusted-publisher add acme/tool --github acme/tool --workflow release.yml",
    "trusted-publisher add acme/tool --issuer https://ci.example.org --claim sub=project:7",
  ],
  arguments: [NAME],
  flags: {
    github: { type: "text", summary: "Repository at GitHub", placeholder: "OWNER/REPOSITORY" },
    gitlab: { type: "text", summary: "Project at GitLab", placeholder: "GROUP/PROJECT" },
    issuer: { type: "text", summary: "Issuer of another build system's identity tokens", placeholder: "URL" },
    workflow: { type: "text", summary: "File name of the workflow that alone publishes", placeholder: "FILE" },
    environment: { type: "text", summary: "Deployment environment that alone publishes", placeholder: "NAME" },
    claim: { type: "list", summary: "Claims that tokens must have", placeholder: "NAME=VALUE" },
  },
  async run({ args, flags, context }) {
    const { trustPublisher } = await import("@lading/engine/registry");
    const { github, gitlab, issuer, workflow, environment, claim } = flags;
    const claims = Object.fromEntries(claim.map(claimOf));
    const input = { name: args[0]!, github, gitlab, issuer, workflow, environment, claims };
    const added = await trustPublisher(input, await context());
    return {
      data: added,
      text: (style) => [`Builds of ${cell(added, "claims")} may publish ${style.bold(args[0]!)}`],
    };
  },
});

function claimOf(text: string): readonly [string, string] {
  const at = text.indexOf("=");
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw new CliError({
    code: "CLI_FLAG_INVALID",
    message: `Cannot read --claim ${JSON.stringify(text.slice(0, 100))}: it is not of the form NAME=VALUE`,
  });
}

export const remove: CommandSpec = managed({
  summary: "No longer let the builds of a project publish a package",
  examples: ["trusted-publisher remove acme/tool 4mXbQ0v2kYpLr8sT"],
  arguments: [NAME, { name: "ID", summary: "Id of the publisher, as trusted-publisher list shows it" }],
  flags: {},
  request: ([name, id]) => ["trusted-publisher.remove", { name: name!, id: id! }],
  text: (_, style, [name]) => [`Builds of that project no longer publish ${style.bold(name!)}`],
});
