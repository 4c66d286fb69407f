import type { AuthType } from "@lading/registry-client";
import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Configure a registry under a name",
  examples: ["registry add company https://packages.example.com", "registry add local http://localhost:8080 --default"],
  arguments: [
    { name: "NAME", summary: "Name to give it" },
    { name: "URL", summary: "Its address" },
  ],
  flags: {
    default: { type: "boolean", summary: "Make it the default registry; the first one is anyway" },
    fallback: { type: "boolean", summary: "Ask it for names that the default registry does not have" },
    "verify-signatures": {
      type: "enum",
      summary: "Refuse unsigned packages; default: what the registry says",
      values: ["true", "false"],
    },
    "auth-type": { type: "enum", summary: "How it wants to know who is there", values: ["token", "basic", "none"] },
    "allow-insecure": { type: "boolean", summary: "Allow plain http: to another machine" },
    timeout: { type: "number", summary: "Seconds of silence after which it has failed" },
    "public-key": {
      type: "list",
      summary: "Fingerprints of the only keys that may sign its packages",
      placeholder: "KEY",
    },
    "trusted-publisher": {
      type: "list",
      summary: "The only accounts whose packages are accepted",
      placeholder: "USER",
    },
    root: {
      type: "text",
      summary: "Root file that its operator publishes, or its digest: what it is trusted by",
      placeholder: "FILE|sha256:...",
    },
    "ca-file": { type: "text", summary: "Certificate authorities beside the system's", placeholder: "FILE" },
  },
  async run({ args, flags, context }) {
    const { registryAdd } = await import("@lading/engine/registry");
    const verify = flags["verify-signatures"];
    const result = await registryAdd(
      {
        name: args[0]!,
        url: args[1]!,
        makeDefault: flags.default,
        fallback: flags.fallback,
        verifySignatures: verify === undefined ? undefined : verify === "true",
        authType: flags["auth-type"] as AuthType | undefined,
        allowInsecure: flags["allow-insecure"] ? true : undefined,
        timeoutSeconds: flags.timeout,
        publicKeys: flags["public-key"].length === 0 ? undefined : flags["public-key"],
        trustedPublishers: flags["trusted-publisher"].length === 0 ? undefined : flags["trusted-publisher"],
        caFile: flags["ca-file"],
        root: flags.root,
      },
      await context(),
    );
    return {
      data: result,
      text: (style) => [
        `Added registry ${style.bold(result.name)}: ${result.url}${result.default ? " (default)" : ""}${result.verifySignatures ? ", signatures required" : ""}`,
        ...(result.root === undefined ? [] : [`  trusted by root ${result.root}`]),
      ],
    };
  },
});
