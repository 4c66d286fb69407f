import { defineCommand, type CommandSpec } from "../spec.ts";
import { count, printable, table } from "../render/table.ts";

export const command: CommandSpec = defineCommand({
  summary: "Search the registry; without words, list its packages",
  examples: [
    'search "actor system"',
    "search actor --category concurrency --page 2",
    "search geometry --host revit=2025",
  ],
  arguments: [{ name: "QUERY", summary: "Words to look for", optional: true, many: true }],
  flags: {
    page: { type: "number", summary: "Page to show, from 1" },
    "per-page": { type: "number", summary: "Packages on a page (20)" },
    category: { type: "text", summary: "Only of this category" },
    keyword: { type: "text", summary: "Only with this keyword" },
    host: {
      type: "list",
      summary: "Only packages with a version for this host, at the newest such version",
      placeholder: "AXIS=VERSION",
    },
    sort: { type: "enum", summary: "Order", values: ["relevance", "downloads", "updated", "name"] },
  },
  async run({ args, flags, context }) {
    const { search } = await import("@lading/engine/registry");
    const { page, "per-page": perPage, category, keyword, sort } = flags;
    const found = await search(
      { query: args.join(" "), page, perPage: perPage ?? 20, category, keyword, sort, hosts: flags.host },
      await context(),
    );
    const rows = found.items.map(({ raw: _raw, ...item }) => item);
    return {
      data: {
        items: rows,
        page: found.page,
        perPage: found.perPage,
        total: found.total,
        ...(found.hosts === undefined ? {} : { hosts: found.hosts }),
      },
      rows,
      text: (style) => [
        ...table(
          style,
          ["PACKAGE", "VERSION", "DESCRIPTION"],
          rows.map(({ name, version, description }) => [name, version, printable(description ?? "").slice(0, 100)]),
        ),
        style.dim(`${count(found.total, "package")}${found.total > rows.length ? `, page ${found.page}` : ""}`),
      ],
    };
  },
});
