import { defineCommand, type CommandSpec } from "../spec.ts";
import type { RegistryLayer } from "@lading/engine/package";
import { count, printable } from "../render/table.ts";
import type { Style } from "../render/style.ts";

export const command: CommandSpec = defineCommand({
  summary: "Verify a package file and its signature, or without FILE what is installed",
  examples: [
    "verify target/package/my-package-1.0.0.lpk",
    "verify target/package/my-package-1.0.0.lpk --key ./my-key.pub",
    "verify my-file --signature my-file.minisig --key ./minisign.pub",
    "verify",
  ],
  arguments: [
    { name: "FILE", summary: "A package file; default: the installed packages", optional: true, kind: "file" },
  ],
  flags: {
    key: { type: "text", summary: "Public key file; default: the keys that you trust", placeholder: "FILE" },
    signature: {
      type: "text",
      summary: "Signature file, ours or of minisign, signify or ssh-keygen; default: FILE.sig",
      placeholder: "FILE",
    },
    quick: { type: "boolean", summary: "Compare sizes and times of installed files, not every byte" },
  },
  async run({ args, flags, context }) {
    const { verifyEnvironment, verifyForeign, verifyPackage } = await import("@lading/engine/package");
    const [file] = args;
    if (file === undefined) {
      const found = await verifyEnvironment({ full: !flags.quick }, await context());
      return {
        data: { ok: true, ...found },
        text: (style) => [
          `${style.green("✓")} ${count(found.packages, "installed package")} of generation ${found.generation} verified: ${count(found.files, "file")}`,
          ...found.layers.flatMap(({ name, version, text }) => [
            `  ${style.bold(`${name} ${version}`)}`,
            ...text.map((line) => `    ${printable(line)}`),
          ]),
          ...found.registries.flatMap((registry) => registryLines(style, registry)),
        ],
      };
    }
    const foreign =
      flags.signature === undefined
        ? undefined
        : await verifyForeign({ file, signature: flags.signature, key: flags.key }, await context());
    if (foreign !== undefined) {
      const { checksum, format, signers, trustedComment } = foreign;
      return {
        data: { ok: true, ...foreign },
        text: (style) => [
          `${style.green("✓")} ${style.bold(foreign.file)}: the signature of ${format} holds`,
          `  checksum ${checksum}`,
          ...signers.map((signer) => `  signer   ${signer}`),
          ...(trustedComment === undefined ? [] : [`  comment  ${printable(trustedComment)}`]),
        ],
      };
    }
    const verified = await verifyPackage({ file, key: flags.key, signature: flags.signature }, await context());
    return {
      data: { ok: true, ...verified },
      text: (style) => [
        `${style.green("✓")} ${style.bold(verified.file)}: ${verified.name} ${verified.version} (${verified.kind}, ${verified.target}), ${count(verified.files, "file")}`,
        `  checksum ${verified.checksum}`,
        `  tree     ${verified.tree}`,
        ...verified.signers.map((signer) => `  signer   ${signer}`),
        ...(verified.log === undefined
          ? []
          : [
              `  log      entry ${verified.log.index} of ${verified.log.origin}, ${verified.log.time}${verified.log.actor === undefined ? "" : ` by ${printable(verified.log.actor)}`}, proven against ${verified.log.size} entries`,
            ]),
      ],
    };
  },
});

/** What the registry is trusted by, in plain words. */
function registryLines(style: Style, { name, url, mode, trust, problem }: RegistryLayer): string[] {
  const title = `  registry ${style.bold(name)} ${url}`;
  if (mode === "refused") return [title, `    ${style.yellow(printable(problem ?? ""))}`];
  if (trust === undefined) return [title, "    it has no signed metadata: its index was taken at its word"];
  const { anchor, root, checked, log } = trust;
  const how = { configured: "a configured root", file: "a root file", "first-use": "first use" }[anchor.how];
  return [
    title,
    `    its index was held to root ${root.version} ${root.digest}, signed by ${root.threshold} of ${root.keys.length} keys${root.development ? style.yellow(" that lie on the server (development)") : ""}`,
    `    that root is trusted by ${how} since ${anchor.at.slice(0, 10)}; its metadata was seen ${checked}`,
    ...(log === undefined
      ? []
      : [`    its log ${log.origin} had ${log.size} entries then, one history since it was seen first`]),
  ];
}
