import { readFileSync } from "node:fs";
import { defineConfig } from "tsup";

// Run from a package's folder (`tsup --config ../../tsup.config.ts`): one ES module per public entry
// of its package.json. Declarations come from `tsc`, which is several times faster than a bundler of them.
const manifest = JSON.parse(readFileSync("package.json", "utf8")) as {
  exports?: Record<string, string | Record<string, string>>;
  bin?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
};
const sources = Object.values(manifest.exports ?? {}).flatMap((target) =>
  typeof target === "string" ? [] : [target["@lading/source"]!],
);

export default defineConfig({
  entry: sources.length > 0 ? sources : ["src/main.ts"],
  format: ["esm"],
  dts: false,
  clean: true,
  sourcemap: true,
  target: "node22",
  platform: "node",
  treeshake: true,
  splitting: true,
  // Dependencies stay imports by tsup's own rule; optional ones it would bundle, with every platform's binary.
  external: Object.keys(manifest.optionalDependencies ?? {}),
});
