import { defineCommand, type CommandSpec } from "../spec.ts";
import { bytes, count, table } from "../render/table.ts";

export const command: CommandSpec = defineCommand({
  summary: "Show where caches and stored packages are, and how large",
  examples: ["cache info", "cache info --json"],
  flags: {},
  async run({ context }) {
    const { cacheInfo } = await import("@lading/engine/machine");
    const { cache, store } = await cacheInfo({}, await context());
    const limit = store.limitBytes === undefined ? "" : ` of at most ${bytes(store.limitBytes)}`;
    return {
      data: { cache, store },
      text: (style) =>
        table(
          style,
          ["WHAT", "SIZE", "CONTENT", "DIRECTORY"],
          [
            ["cache", bytes(cache.bytes), count(cache.files, "file"), cache.directory],
            [
              "store",
              `${bytes(store.bytes)}${limit}`,
              `${count(store.packages, "package")}, ${count(store.files, "file")}`,
              store.directory,
            ],
          ],
        ),
    };
  },
});
