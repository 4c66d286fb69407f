import type { JudgedSubmission } from "@lading/engine/static";
import { requireFlag } from "./require-flag.ts";
import { AUTHOR_FLAGS, PLACE_FLAGS, PUBLISHER_FLAG, TO_FLAG } from "./static-place.ts";
import type { Style } from "../render/style.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";

const WORDS: Readonly<Record<JudgedSubmission["outcome"], string>> = {
  accepted: "published",
  exists: "published already, with the same content",
  acceptable: "can be accepted",
  refused: "refused, and waits on",
  rejected: "taken away unpublished",
};

export const command: CommandSpec = defineCommand({
  summary: "Verify what was handed in to a static registry, and publish it",
  description:
    "Each package is read strictly, its statement verified by the keys that its name is delegated to, that signed it before, or that --public-key gives, and published under its author's signature. What does not hold waits on, with the reason. --dry-run judges and changes nothing.",
  examples: [
    "index-accept --to registry --dry-run",
    "index-accept --to registry --public-key ann.pub",
    "index-accept 3b5d5c37 --from inbox --to registry",
    "index-accept 3b5d5c37 --reject --to registry",
  ],
  arguments: [
    {
      name: "SUBMISSION",
      summary: "Digest of a package file, or how it begins; default: all",
      many: true,
      optional: true,
    },
  ],
  flags: {
    ...TO_FLAG,
    ...PLACE_FLAGS,
    from: { type: "text", summary: "Where it was handed in; default: the registry's own place", placeholder: "PLACE" },
    ...AUTHOR_FLAGS,
    ...PUBLISHER_FLAG,
    reject: { type: "boolean", summary: "Take them away without publishing them" },
  },
  async run({ args, flags, context, options }) {
    const { staticAccept } = await import("@lading/engine/static");
    const { keys, branch, from, publisher, reject } = flags;
    const to = requireFlag(flags.to, "index-accept", "to", "PLACE");
    const result = await staticAccept(
      {
        to,
        keys,
        branch,
        from,
        submissions: args,
        publicKeys: flags["public-key"],
        acceptKey: flags["accept-key"],
        addresses: flags.address,
        publisher,
        reject,
        dryRun: options.dryRun,
      },
      await context(),
    );
    const { submissions } = result;
    return {
      data: result,
      rows: submissions,
      exitCode: submissions.some(({ outcome }) => outcome === "refused") ? 1 : 0,
      text: (style) =>
        submissions.length === 0
          ? [`Nothing was handed in at ${result.from}`]
          : submissions.flatMap((one) => lines(one, style)),
    };
  },
});

function lines({ digest, name, version, outcome, signers = [], problem }: JudgedSubmission, style: Style): string[] {
  const mark = outcome === "refused" ? style.red("✗") : style.green("✓");
  const what = name === undefined ? digest : `${name} ${version ?? ""}`.trim();
  return [
    `${mark} ${style.bold(what)} ${WORDS[outcome]}`,
    `  submission ${digest}`,
    ...signers.map((signer) => `  signer     ${signer}`),
    ...(problem === undefined ? [] : [`  ${problem.code}: ${problem.message}`]),
  ];
}
