import { PLACE_FLAGS, signedLine } from "./static-place.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Make a static registry: an empty flat index, or with --native a signed one",
  description:
    "With --native, DIR may also be a git+, s3+ or releases+ address. Keys are made where there are none; with --root-key the root is to be signed offline first, and the same command then makes the registry.",
  examples: [
    'index-init registry --name "Our packs" --url https://packs.example.com',
    "index-init registry --native --url https://packages.example.com --root-key ann.pub,bob.pub,carol.pub",
  ],
  arguments: [{ name: "DIR", summary: "Directory; made where there is none", kind: "file" }],
  flags: {
    name: { type: "text", summary: "Name of the registry", placeholder: "TEXT" },
    url: { type: "text", summary: "HTTPS address that it will be served from", placeholder: "URL" },
    native: { type: "boolean", summary: "A registry with signed metadata and a log, for packages" },
    ...PLACE_FLAGS,
    "root-key": { type: "list", summary: "Public key files of the offline root", placeholder: "FILE" },
    threshold: { type: "number", summary: "How many root keys must sign; default: 2", placeholder: "N" },
    signatures: { type: "enum", summary: "Whether packages must be signed", values: ["required", "optional"] },
    "expires-days": { type: "number", summary: "Days for which signatures are good; default: 30", placeholder: "N" },
  },
  async run({ args, flags, options, context }) {
    if (!flags.native) {
      const { indexInit } = await import("@lading/engine/package");
      const input = { directory: args[0]!, name: flags.name, url: flags.url, dryRun: options.dryRun };
      const result = await indexInit(input, await context());
      const verb = options.dryRun ? "Would write" : "Wrote";
      return { data: result, text: () => result.files.map((file) => `${verb} ${file}`) };
    }
    const { staticInit } = await import("@lading/engine/static");
    const made = await staticInit(
      {
        to: args[0]!,
        keys: flags.keys,
        branch: flags.branch,
        name: flags.name,
        url: flags.url,
        rootKeys: flags["root-key"],
        threshold: flags.threshold,
        signatures: flags.signatures as "required" | "optional" | undefined,
        expiryDays: flags["expires-days"],
      },
      await context(),
    );
    return {
      data: made,
      text: (style) =>
        made.maintained === undefined
          ? [
              `Wrote the keys of the registry into ${made.keys}, and the unsigned root ${made.draft}`,
              "  Its holders sign it with: index-root sign FILE --key KEY",
              "  Then run index-root install FILE, and this command again",
            ]
          : [
              `${style.green("✓")} Made the registry at ${made.location}`,
              `  root ${made.root}${made.development === true ? " (development: its one key is in the key directory)" : ""}`,
              `  keys ${made.keys}`,
              signedLine(made.maintained),
            ],
    };
  },
});
