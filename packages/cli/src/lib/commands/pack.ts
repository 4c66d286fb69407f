import { MEMBER_FLAGS } from "./member-flags.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";
import { bytes, count } from "../render/table.ts";

export const command: CommandSpec = defineCommand({
  summary: "Build the package file",
  examples: ["pack", "pack --manifest lading.toml --output target/", "pack --kind source --compress gzip"],
  flags: {
    manifest: { type: "text", summary: "The manifest; default: the one here or above", placeholder: "FILE" },
    source: { type: "text", summary: "Directory of the package; default: here", placeholder: "DIR" },
    output: { type: "text", alias: "o", summary: "Directory for the file", placeholder: "DIR" },
    kind: { type: "enum", summary: "What it is", values: ["binary", "source"] },
    compress: { type: "enum", summary: "Compression", values: ["zstd", "gzip", "lz4", "none"] },
    release: { type: "boolean", summary: "Smallest file, at more time" },
    target: { type: "text", summary: "Platform that it is for; default: any", placeholder: "TRIPLE" },
    list: { type: "boolean", summary: "List the files" },
    ...MEMBER_FLAGS,
  },
  async run({ flags, options, context }) {
    const { pack } = await import("@lading/engine/package");
    const { list, kind, compress, ...rest } = flags;
    const packed = await pack(
      {
        ...rest,
        ...(kind === undefined ? {} : { kind: kind as "binary" | "source" }),
        ...(compress === undefined ? {} : { compress: compress as "zstd" | "gzip" | "lz4" | "none" }),
        dryRun: options.dryRun,
      },
      await context(),
    );
    const data = packed.map(({ path: _path, contents, ...facts }) => (list ? { ...facts, contents } : facts));
    return {
      data: data.length === 1 ? data[0] : data,
      rows: data,
      text: (style) =>
        packed.flatMap(({ file, files, size, plainSize, checksum, tree, contents }) => [
          ...(list ? contents.map((path) => `  ${path}`) : []),
          size === undefined
            ? `Would pack ${count(files, "file")} into ${style.bold(file)}`
            : `Packed ${count(files, "file")} into ${style.bold(file)} (${bytes(size)}, ${bytes(plainSize!)} unpacked)`,
          ...(checksum === undefined ? [] : [`  checksum ${checksum}`, `  tree     ${tree!}`]),
        ]),
    };
  },
});
