import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { dayOf } from "./static-place.ts";
import type { Style } from "../render/style.ts";
import { count } from "../render/table.ts";
import { defineCommand, type CommandSpec, type Outcome } from "../spec.ts";
import type { EngineContext } from "@lading/engine";

export const command: CommandSpec = defineCommand({
  summary: "List every mistake of flat index files, or of a static registry's directory",
  description:
    "A directory is checked as a stranger would: the signed metadata from its first root on, every document, package file, signature and entry of the log.",
  examples: ["index-validate index.json", "index-validate registry --root sha256:DIGEST"],
  arguments: [{ name: "INDEX", summary: "An index file, or the directory of a registry", many: true, kind: "file" }],
  flags: {
    strict: { type: "boolean", summary: "Fail on what only the published schema refuses, and on warnings, too" },
    root: { type: "text", summary: "Digest of the first root, where it is known", placeholder: "DIGEST" },
  },
  async run({ args, flags, context }) {
    const engine = await context();
    if (args.length === 1 && (await isDirectory(resolve(engine.cwd, args[0]!))))
      return checkDirectory(args[0]!, flags, engine);
    const { indexValidate } = await import("@lading/engine/package");
    const files = await indexValidate({ files: args }, engine);
    const fatal = files.some(({ problems }) => problems.some(({ severity }) => flags.strict || severity === "error"));
    return {
      data: files,
      rows: files,
      exitCode: fatal ? 1 : 0,
      text: (style) =>
        files.flatMap(({ file, packs, problems }) =>
          problems.length === 0
            ? [`${style.green("✓")} ${file}: ${count(packs, "pack")}`]
            : [`${file}: ${count(problems.length, "problem")}`, ...problemLines(problems, style)],
        ),
    };
  },
});

function isDirectory(file: string): Promise<boolean> {
  return stat(file).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

interface Problem {
  readonly severity: string;
  readonly path: string;
  readonly message: string;
}

function problemLines(problems: readonly Problem[], style: Style): string[] {
  return problems.map(({ severity, path, message }) => {
    const mark = severity === "error" ? style.red("✗") : style.yellow("⚠");
    return `  ${mark} ${path === "" ? "" : `${path}: `}${message}`;
  });
}

async function checkDirectory(
  directory: string,
  flags: { readonly strict: boolean; readonly root: string | undefined },
  context: EngineContext,
): Promise<Outcome> {
  const { staticCheck } = await import("@lading/engine/static");
  const { parseDigest } = await import("@lading/core-manifest");
  const root = flags.root === undefined ? undefined : parseDigest(flags.root);
  const checked = await staticCheck({ directory, root }, context);
  const { packages, versions, logSize, expiresMs, problems } = checked;
  const fatal = problems.some(({ severity }) => flags.strict || severity === "error");
  return {
    data: checked,
    exitCode: fatal ? 1 : 0,
    text: (style) => [
      problems.length === 0
        ? `${style.green("✓")} ${checked.directory}: ${count(packages, "package")}, ${count(versions, "version")}, ${logSize} in the log`
        : `${checked.directory}: ${count(problems.length, "problem")}`,
      ...(expiresMs === undefined ? [] : [`  good until ${dayOf(expiresMs)}`]),
      ...problemLines(problems, style),
    ],
  };
}
