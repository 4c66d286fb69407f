import { readFileSync } from "node:fs";
import { defineConfig } from "tsup";
import { directImports } from "./direct-imports.ts";
import { nativeCode } from "./native-code.ts";
import { thirdPartyLicenses } from "./third-party.ts";

// The command is one bundle of all our packages: only what a command uses is in the files that it loads. The packages of
// others stay imports, so package.json lists those that any of ours depends on (a test compares the two); but those of many
// small files that every lock needs are inside, for each file costs about what its contents cost.
const inside = ["semver", "smol-toml", "spdx-expression-parse", "spdx-license-ids", "spdx-exceptions"];
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
  noExternal: [/^@lading\//, ...inside.map((name) => new RegExp(`^${name}(?:/|$)`))],
  esbuildPlugins: [nativeCode(), directImports(), thirdPartyLicenses()],
  external: Object.keys(optionalDependencies),
  // Names stay, for the traces in reports; what goes is a third of what Node would read at every start.
  esbuildOptions(options) {
    options.minifyWhitespace = true;
    options.minifySyntax = true;
    options.conditions = ["@lading/source"];
  },
});
