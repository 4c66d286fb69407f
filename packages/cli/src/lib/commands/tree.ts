import type { TreeNode } from "@lading/engine";
import { MEMBER_FLAGS } from "./member-flags.ts";
import { HERE_FLAGS, hereInput } from "./shared.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";
import type { Style } from "../render/style.ts";

export const command: CommandSpec = defineCommand({
  summary: "Show the dependency tree, from the lock file alone",
  examples: ["tree", "tree --depth 3", "tree --invert actor-utils", "tree --duplicates"],
  flags: {
    depth: { type: "number", summary: "Levels to show", placeholder: "N" },
    invert: { type: "text", summary: "Show who depends on this package, and who on them", placeholder: "NAME" },
    duplicates: { type: "boolean", summary: "List packages that are there in several versions" },
    ...HERE_FLAGS,
    ...MEMBER_FLAGS,
  },
  async run({ flags, context }) {
    const { duplicates, invertedTree, tree } = await import("@lading/engine/inspect");
    if (flags.duplicates) {
      const found = await duplicates(await context(), hereInput(flags));
      return {
        data: found,
        rows: found,
        text: (style) => [
          ...(found.length === 0 ? ["No package is there in several versions"] : []),
          ...found.flatMap(({ name, versions }) => [
            style.bold(name),
            ...versions.map(({ version, requiredBy }) => `  ${version} required by ${requiredBy.join(", ")}`),
          ]),
        ],
      };
    }
    const asked = { ...hereInput(flags), depth: flags.depth };
    const result =
      flags.invert === undefined
        ? await tree({ ...asked, package: flags.package, workspace: flags.workspace }, await context())
        : await invertedTree({ ...asked, name: flags.invert }, await context());
    return {
      data: result,
      rows: result.roots,
      text: (style) => result.roots.flatMap((root) => rootLines(root, style)),
    };
  },
});

function rootLines(root: TreeNode, style: Style): string[] {
  return [style.bold(label(root)), ...childLines(root.dependencies, "", style)];
}

function childLines(nodes: readonly TreeNode[], indent: string, style: Style): string[] {
  return nodes.flatMap((node, index) => {
    const last = index === nodes.length - 1;
    const line = `${indent}${last ? "└── " : "├── "}${label(node)}${node.repeated ? style.dim(" (*)") : ""}`;
    return [line, ...childLines(node.dependencies, `${indent}${last ? "    " : "│   "}`, style)];
  });
}

function label({ name, version, source }: TreeNode): string {
  return `${name}${version === "" ? "" : ` ${version}`}${source === undefined ? "" : ` (${source})`}`;
}
