import { defineConfig } from "tsup";

/** One file from the sources, for engines that know neither TypeScript nor this workspace. */
export default defineConfig({
  format: "cjs",
  platform: "node",
  target: "node22",
  splitting: false,
  noExternal: [/^(?!lz4-napi)/],
  external: ["lz4-napi"],
  outExtension: () => ({ js: ".cjs" }),
  esbuildOptions(options) {
    options.conditions = ["@lading/source"];
  },
});
