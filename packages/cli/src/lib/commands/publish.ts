import { MEMBER_FLAGS } from "./member-flags.ts";
import type { EngineContext, MemberChoice } from "@lading/engine";
import { defineCommand, type CommandSpec, type Outcome } from "../spec.ts";
import { bytes, table } from "../render/table.ts";
import { passphraseFor } from "./secrets.ts";

export const command: CommandSpec = defineCommand({
  summary: "Publish a package to a registry",
  description:
    "Without FILE, the package file of this version is taken from the output directory, or packed now. The same content again is accepted; other content of a published version never is.",
  examples: ["publish", "publish --dry-run", "publish --sign ./my-key.pem --registry company"],
  arguments: [{ name: "FILE", summary: "A package file", optional: true, kind: "file" }],
  flags: {
    sign: { type: "text", summary: "Sign with this private key (same as --key)", placeholder: "FILE" },
    key: { type: "text", summary: "Sign with this private key", placeholder: "FILE" },
    token: { type: "text", summary: "Token to use; better: the environment variable or login", placeholder: "TOKEN" },
    channel: { type: "text", summary: "Channel that is to name the version, in place of latest", placeholder: "NAME" },
    "any-registry": {
      type: "boolean",
      summary: "Sign for every registry; without it the signature counts for this one alone",
    },
    "no-wait": { type: "boolean", summary: "Do not wait until the version is visible" },
    manifest: { type: "text", summary: "The manifest; default: the one here or above", placeholder: "FILE" },
    output: { type: "text", alias: "o", summary: "Directory of package files", placeholder: "DIR" },
    kind: { type: "enum", summary: "Which package file", values: ["binary", "source"] },
    release: { type: "boolean", summary: "Pack to the smallest file, at more time" },
    target: { type: "text", summary: "Platform that it is for; default: any", placeholder: "TRIPLE" },
    list: { type: "boolean", summary: "Say which packages would be published, in their order, and send nothing" },
    test: { type: "boolean", summary: "Run the package's tests first, and send nothing where they fail" },
    ...MEMBER_FLAGS,
  },
  async run(invocation) {
    const { args, flags, options, context } = invocation;
    const { publish } = await import("@lading/engine/package");
    const engine = await context();
    if (flags.list) return listed({ package: flags.package, workspace: flags.workspace }, engine);
    if (flags.token !== undefined) warnToken(engine.onEvent);
    const published = await passphraseFor(invocation, (passphrase) =>
      publish(
        {
          file: args[0],
          key: flags.key ?? flags.sign,
          passphrase,
          token: flags.token,
          channel: flags.channel,
          anyRegistry: flags["any-registry"],
          wait: !flags["no-wait"],
          manifest: flags.manifest,
          output: flags.output,
          ...(flags.kind === undefined ? {} : { kind: flags.kind as "binary" | "source" }),
          release: flags.release,
          target: flags.target,
          package: flags.package,
          workspace: flags.workspace,
          dryRun: options.dryRun,
          test: flags.test,
        },
        engine,
      ),
    );
    return {
      data: published.length === 1 ? published[0] : published,
      rows: published,
      text: (style) =>
        published.flatMap(({ outcome, name, version, registry, size, checksum, signers, visible, log, review }) => [
          outcome === "dry-run"
            ? `Would publish ${style.bold(`${name} ${version}`)} to ${registry} (${bytes(size)})`
            : outcome === "held"
              ? `${style.bold(`${name} ${version}`)} is at ${registry} (${bytes(size)}) and waits for a reviewer; nobody else sees it`
              : outcome === "created"
                ? `Published ${style.bold(`${name} ${version}`)} to ${registry} (${bytes(size)})${visible ? "" : ", not visible yet"}`
                : `${style.bold(`${name} ${version}`)} is published already, with the same content`,
          ...(review === undefined ? [] : [`  review   ${review}; follow it with: review show ${review}`]),
          `  checksum ${checksum}`,
          ...(signers.length === 0 ? ["  not signed"] : signers.map((signer) => `  signer   ${signer}`)),
          ...(log === undefined ? [] : [`  log      entry ${log.index} of ${log.origin}, proven`]),
        ]),
    };
  },
});

async function listed(choice: MemberChoice, engine: EngineContext): Promise<Outcome> {
  const { publishList } = await import("@lading/engine/package");
  const steps = await publishList(choice, engine);
  return {
    data: steps,
    rows: steps,
    text: (style) =>
      table(
        style,
        ["", "PACKAGE", "VERSION", "STATE", "AFTER"],
        steps.map(({ name, version, state, after }, index) => [
          String(index + 1),
          name,
          version,
          state,
          after.join(", "),
        ]),
      ),
  };
}

/** Other users of the machine can read a command line. */
export function warnToken(
  onEvent: (event: { type: "warning"; message: string; hint: string }) => void,
  secret: "token" | "password" = "token",
): void {
  onEvent({
    type: "warning",
    message: `A ${secret} on the command line can be seen by other users of this machine and stays in the shell's history`,
    hint:
      secret === "token" ? "Use the environment variable, or `login --token-stdin`" : "Use `login --password-stdin`",
  });
}
