import { requireFlag } from "./require-flag.ts";
import { PLACE_FLAGS, TO_FLAG } from "./static-place.ts";
import { bytes } from "../render/table.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Hand packages in to the maintainers of a static registry",
  description:
    "Needs none of the registry's keys: the packages and your statements wait below submissions/ of the place (the registry's own, a fork of its repository, a directory) until a maintainer accepts them with index-accept. The signature of each is beside it, as `sign` writes it, or made now with --key.",
  examples: [
    "index-submit target/package/tool-1.0.0.lpk --key ann.pem --to git+ssh://git@github.com/ann/registry.git",
    "index-submit tool-1.0.0.lpk --to inbox",
  ],
  arguments: [{ name: "FILE", summary: "A package file", many: true, kind: "file" }],
  flags: {
    to: { ...TO_FLAG.to, summary: "Where to: a directory, or a git+, s3+ or releases+ address" },
    branch: PLACE_FLAGS.branch,
    key: { type: "text", summary: "Sign the packages with this private key", placeholder: "FILE" },
    address: {
      type: "text",
      summary: "Address of the registry: what is signed now counts for it alone",
      placeholder: "URL",
    },
  },
  async run({ args, flags, context }) {
    const { staticSubmit } = await import("@lading/engine/static");
    const { branch, key, address } = flags;
    const to = requireFlag(flags.to, "index-submit", "to", "PLACE");
    const result = await staticSubmit({ to, branch, files: args, key, address }, await context());
    return {
      data: result,
      rows: result.submitted,
      text: (style) =>
        result.submitted.flatMap(({ name, version, size, digest, signers }) => [
          `${style.green("✓")} Handed in ${style.bold(`${name} ${version}`)} to ${result.location} (${bytes(size)})`,
          `  submission ${digest}`,
          ...signers.map((signer) => `  signer     ${signer}`),
        ]),
    };
  },
});
