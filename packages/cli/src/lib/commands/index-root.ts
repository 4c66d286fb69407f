import type { StaticRootInput, StaticRootResult } from "@lading/engine/static";
import { requireFlag } from "./require-flag.ts";
import { dayOf } from "./static-place.ts";
import type { Style } from "../render/style.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";

const ROLES = ["targets", "snapshot", "timestamp"] as const;

export const command: CommandSpec = defineCommand({
  summary: "Draft, sign and install the root of a static registry",
  description:
    "status [FILE]: how far a root is signed. draft: the next root, with new root keys or new online keys. sign FILE: on the machine of a holder of a root key. install FILE...: signed copies of one root, put into force.",
  examples: [
    "index-root status --keys registry-keys",
    "index-root draft --keys registry-keys --rotate timestamp --out root.json",
    "index-root sign root.json --key ann.pem",
    "index-root install root.json --keys registry-keys",
  ],
  arguments: [{ name: "ACTION", summary: "status, draft, sign or install, and its files", many: true, kind: "file" }],
  flags: {
    keys: { type: "text", summary: "Directory of the registry's keys", placeholder: "DIR" },
    key: { type: "text", summary: "Private key of a holder", placeholder: "FILE" },
    out: { type: "text", summary: "The file to write", placeholder: "FILE" },
    "root-key": { type: "list", summary: "Public key files of the new root", placeholder: "FILE" },
    threshold: { type: "number", summary: "How many root keys must sign; default: 2", placeholder: "N" },
    rotate: {
      type: "list",
      summary: "Online roles that get a new key: targets, snapshot, timestamp",
      placeholder: "ROLE",
    },
    "expires-days": { type: "number", summary: "Days for which the root is good; default: 365", placeholder: "N" },
  },
  async run({ args, flags, context }) {
    const [action, ...files] = args as [string, ...string[]];
    const keys = (): string => requireFlag(flags.keys, `index-root ${action}`, "keys", "DIR");
    const input = async (): Promise<StaticRootInput> => {
      if (action === "status") return { action, keys: keys(), file: files[0] };
      if (action === "install" && files.length > 0) return { action, keys: keys(), files };
      if (action === "sign" && files.length === 1) {
        const key = requireFlag(flags.key, "index-root sign", "key", "FILE");
        return { action, file: files[0]!, key, output: flags.out };
      }
      if (action === "draft" && files.length === 0) {
        return {
          action,
          keys: keys(),
          output: requireFlag(flags.out, "index-root draft", "out", "FILE"),
          rootKeys: flags["root-key"],
          threshold: flags.threshold,
          rotate: await rolesOf(flags.rotate),
          expiresDays: flags["expires-days"],
        };
      }
      throw await unexpected(
        `index-root ${args.join(" ").slice(0, 60)}`,
        "status [FILE], draft, sign FILE and install FILE...",
      );
    };
    const { staticRoot } = await import("@lading/engine/static");
    const result = await staticRoot(await input(), await context());
    return { data: result, text: (style) => lines(result, style) };
  },
});

async function unexpected(line: string, allowed: string): Promise<Error> {
  const { CliError } = await import("../cli-error.ts");
  return new CliError({ code: "CLI_ARGUMENT_UNEXPECTED", message: `Cannot run "${line}": allowed are ${allowed}` });
}

async function rolesOf(words: readonly string[]): Promise<(typeof ROLES)[number][]> {
  const roles: (typeof ROLES)[number][] = [];
  for (const word of words) {
    const role = ROLES.find((one) => one === word);
    if (role === undefined) throw await unexpected(`index-root draft --rotate ${word.slice(0, 40)}`, ROLES.join(", "));
    roles.push(role);
  }
  return roles;
}

function lines({ file, version, view, signed }: StaticRootResult, style: Style): string[] {
  if (signed !== undefined) {
    const whose = signed.named ? "" : ", which this root does not name";
    return [`${style.green("✓")} Signed root ${version} (${file}) with key ${signed.key}${whose}`];
  }
  if (view === undefined) return [];
  const mark = view.complete ? style.green("✓") : style.yellow("⚠");
  const development = view.development ? ", for development" : "";
  return [
    `${mark} root ${version} (${file})${development}, good until ${dayOf(view.expiresMs)}: ${view.complete ? "complete" : "signatures are missing"}`,
    ...view.progress.flatMap(({ by, threshold, signed, missing, broken }) => [
      `  ${by}: ${signed.length} of ${threshold} signatures`,
      ...missing.map((key) => `    can still sign: ${key}`),
      ...broken.map((key) => `    does not hold: ${key}`),
    ]),
  ];
}
