import { requireFlag } from "./require-flag.ts";
import { PLACE_FLAGS, PUBLISHER_FLAG, TO_FLAG, signedLine } from "./static-place.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";

export const command: CommandSpec = defineCommand({
  summary: "Say who may sign which packages of a static registry",
  description:
    "From then on packages of these names are taken only where enough of the keys have signed, and clients refuse any other. Where several patterns match, the longest decides. Keys that are left out stay good for what they have signed. Without PATTERN, what is delegated is listed.",
  examples: [
    "index-delegate 'company/*' --public-key ann.pub,bob.pub --to registry",
    "index-delegate 'company/*' --remove --to registry",
    "index-delegate --to registry",
  ],
  arguments: [{ name: "PATTERN", summary: 'A name, or one whose last part has "*": company/*', optional: true }],
  flags: {
    ...TO_FLAG,
    ...PLACE_FLAGS,
    "public-key": { type: "list", summary: "Public keys that may sign", placeholder: "FILE" },
    threshold: { type: "number", summary: "How many of them must sign; default: 1", placeholder: "N" },
    remove: { type: "boolean", summary: "Take the delegation back" },
    ...PUBLISHER_FLAG,
  },
  async run({ args, flags, context }) {
    const { staticDelegate } = await import("@lading/engine/static");
    const [pattern] = args;
    const { keys, branch, threshold, remove, publisher, "public-key": publicKeys } = flags;
    const to = requireFlag(flags.to, "index-delegate", "to", "PLACE");
    const result = await staticDelegate(
      { to, keys, branch, pattern, publicKeys, threshold, remove, publisher },
      await context(),
    );
    const { changed, delegations, maintained } = result;
    return {
      data: result,
      rows: delegations,
      text: (style) => [
        ...(pattern === undefined
          ? []
          : [
              changed
                ? `${style.green("✓")} ${style.bold(pattern)} is ${remove ? "no longer delegated" : "delegated"}`
                : `${pattern} is so already`,
            ]),
        ...(pattern === undefined && delegations.length === 0 ? ["Nothing is delegated"] : []),
        ...delegations.flatMap((one) => [
          `  ${style.bold(one.pattern)}  ${one.threshold} of ${one.keys.length}, since ${one.since.slice(0, 10)}`,
          ...one.keys.map((key) => `    ${key}`),
          ...one.former.map(({ key, until }) => `    ${key}, until ${until.slice(0, 10)}`),
        ]),
        ...(maintained === undefined ? [] : [signedLine(maintained)]),
      ],
    };
  },
});
