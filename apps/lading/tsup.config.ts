import { readFileSync } from "node:fs";
import { defineConfig } from "tsup";

// The command is one bundle of all our packages: only what a command uses is in the files that it loads. The packages of
// others stay imports, so package.json lists those that any of ours depends on (a test compares the two).
const { optionalDependencies } = JSON.parse(readFileSync("package.json", "utf8")) as {
  optionalDependencies: Record<string, string>;
};

export default defineConfig({
  entry: ["src/main.ts"],
  format: ["esm"],
  clean: true,
  target: "node22",
  platform: "node",
  splitting: true,
  metafile: true,
  noExternal: [/^@lading\//],
  external: Object.keys(optionalDependencies),
  esbuildOptions(options) {
    options.conditions = ["@lading/source"];
  },
});
