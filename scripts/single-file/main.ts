/**
 * Writes a command line as one file that needs Node and nothing else, to be downloaded in CI:
 * `node scripts/single-file/main.ts lading|attune|gal-pkg|vitte|revitpy-install|revitpy-build|FILE.ts OUTPUT`.
 */
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { build, type Options } from "tsup";

const ROOT = path.join(import.meta.dirname, "../..");
const ENTRIES: Readonly<Record<string, string>> = {
  lading: "apps/lading/src/main.ts",
  attune: "examples/attune/src/attune.ts",
  "gal-pkg": "examples/gal/src/gal-pkg.ts",
  vitte: "examples/vitte/src/vitte.ts",
  "revitpy-install": "examples/revitpy/src/revitpy-install.ts",
  "revitpy-build": "examples/revitpy/src/revitpy-build.ts",
};

/** Libraries that the sources load by name at first use, which a bundle has to carry. */
const LAZY = ["toml-eslint-parser", "yaml"];

type Plugin = NonNullable<Options["esbuildPlugins"]>[number];

const lazyLibraries: Plugin = {
  name: "lazy-libraries",
  setup(bundle) {
    bundle.onLoad({ filter: /dialects[\\/]library\.ts$/ }, ({ path: file }) => {
      const source = readFileSync(file, "utf8");
      const call = "builtin.createRequire(import.meta.url)(id)";
      if (!source.includes(call)) throw new Error(`"${file}" does not load its libraries by ${call} any more`);
      const choices = LAZY.map((name) => `id === ${JSON.stringify(name)} ? require(${JSON.stringify(name)})`).join(
        " : ",
      );
      return { contents: source.replace(call, `(${choices} : ${call})`), loader: "ts", resolveDir: path.dirname(file) };
    });
  },
};

/** Optional native libraries are not carried; without them the same is done in JavaScript. */
const external = Object.keys(
  (JSON.parse(readFileSync(path.join(ROOT, "apps/lading/package.json"), "utf8")) as { optionalDependencies?: object })
    .optionalDependencies ?? {},
);

export async function singleFile(name: string, output: string): Promise<void> {
  const entry = path.resolve(ROOT, ENTRIES[name] ?? name);
  const directory = mkdtempSync(path.join(tmpdir(), "single-file-"));
  try {
    await build({
      entry: [entry],
      outDir: directory,
      format: ["esm"],
      platform: "node",
      target: "node22",
      config: false,
      silent: true,
      splitting: false,
      removeNodeProtocol: false,
      treeshake: false,
      minify: true,
      sourcemap: false,
      clean: false,
      dts: false,
      noExternal: [new RegExp(`^(?!(?:${["node:", ...external].join("|")}))`)],
      external,
      esbuildPlugins: [lazyLibraries],
      // Libraries of CommonJS ask for Node's own modules by `require`.
      banner: {
        js: 'import { createRequire as makeRequire } from "node:module"; const require = makeRequire(import.meta.url);',
      },
      esbuildOptions(options) {
        options.conditions = ["@lading/source", "node", "import"];
        options.legalComments = "none";
      },
    });
    const [made] = readdirSync(directory).filter((file) => /\.m?js$/.test(file));
    const code = readFileSync(path.join(directory, made!), "utf8").replace(/^#!.*\n/, "");
    mkdirSync(path.dirname(path.resolve(output)), { recursive: true });
    const temporary = `${output}.tmp`;
    writeFileSync(temporary, `#!/usr/bin/env node\n${code}`);
    chmodSync(temporary, 0o755);
    renameSync(temporary, output);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const [name, output] = process.argv.slice(2);
if (import.meta.main) {
  if (name === undefined || output === undefined) {
    process.stderr.write(`Usage: single-file NAME|ENTRY.ts OUTPUT; names: ${Object.keys(ENTRIES).join(", ")}\n`);
    process.exitCode = 2;
  } else await singleFile(name, path.resolve(output));
}
