import { requireFlag } from "./require-flag.ts";
import { AUTHOR_FLAGS, PLACE_FLAGS, PUBLISHER_FLAG, TO_FLAG, signedLine } from "./static-place.ts";
import { bytes } from "../render/table.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Publish package files to a static registry",
  description:
    "All files are published by one change. The signature of each is beside it, as `sign` writes it, or made now with --key. The same content again is accepted; other content of a published version never is.",
  examples: [
    "index-publish target/package/tool-1.0.0.lpk --to registry",
    "index-publish tool-2.0.0-rc.1.lpk --to registry --channel beta",
    "index-publish tool-1.0.0.lpk --to git+https://github.com/org/registry.git --keys keys --public-key ann.pub",
  ],
  arguments: [{ name: "FILE", summary: "A package file", many: true, kind: "file" }],
  flags: {
    ...TO_FLAG,
    ...PLACE_FLAGS,
    key: { type: "text", summary: "Sign the packages with this private key", placeholder: "FILE" },
    ...AUTHOR_FLAGS,
    ...PUBLISHER_FLAG,
    channel: { type: "text", summary: "Let this channel name what is published, not latest", placeholder: "NAME" },
  },
  async run({ args, flags, context }) {
    const { staticPublish } = await import("@lading/engine/static");
    const to = requireFlag(flags.to, "index-publish", "to", "PLACE");
    const result = await staticPublish(
      {
        to,
        keys: flags.keys,
        branch: flags.branch,
        files: args,
        key: flags.key,
        publicKeys: flags["public-key"],
        acceptKey: flags["accept-key"],
        addresses: flags.address,
        publisher: flags.publisher,
        channel: flags.channel,
      },
      await context(),
    );
    const { published, maintained, location } = result;
    return {
      data: result,
      rows: published,
      text: (style) => [
        ...published.flatMap(({ outcome, name, version, size, signers }) => [
          outcome === "created"
            ? `${style.green("✓")} Published ${style.bold(`${name} ${version}`)} to ${location} (${bytes(size)})`
            : `${style.bold(`${name} ${version}`)} is published already, with the same content`,
          ...(signers.length === 0 ? ["  not signed"] : signers.map((signer) => `  signer   ${signer}`)),
        ]),
        ...(maintained === undefined ? [] : [signedLine(maintained)]),
      ],
    };
  },
});
