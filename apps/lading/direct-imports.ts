import { readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Options } from "tsup";

/** A plugin of the bundler that tsup runs. */
export type BundlerPlugin = NonNullable<Options["esbuildPlugins"]>[number];

const packages = join(import.meta.dirname, "../../packages");

/**
 * Makes imports of our packages name the files that define what is imported, in place of the entry that lists all of it.
 * Without this, whatever one command uses of a package is loaded by every command that uses anything of it: the bundler
 * follows all that an entry names. Entries hold nothing but named re-exports, so nothing is skipped.
 */
export function directImports(): BundlerPlugin {
  const entries = readEntries();
  return {
    name: "direct-imports",
    setup(build) {
      build.onLoad({ filter: /[/\\](?:packages|apps)[/\\][^/\\]+[/\\]src[/\\].*\.ts$/ }, ({ path }) => ({
        contents: direct(readFileSync(path, "utf8"), entries),
        loader: "ts",
        resolveDir: dirname(path),
      }));
    },
  };
}

/** Exported name -> file that defines it and its name there. */
type Entry = ReadonlyMap<string, { readonly file: string; readonly name: string }>;

/** Specifier -> what its entry exports; types are left out. */
function readEntries(): ReadonlyMap<string, Entry> {
  const entries = new Map<string, Entry>();
  for (const folder of readdirSync(packages)) {
    const { name, exports } = JSON.parse(readFileSync(join(packages, folder, "package.json"), "utf8")) as {
      name: string;
      exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
    };
    for (const [key, target] of Object.entries(exports)) {
      if (typeof target === "string") continue;
      entries.set(name + key.slice(1), readEntry(join(packages, folder, target["@lading/source"])));
    }
  }
  return entries;
}

function readEntry(file: string): Entry {
  const entry = new Map<string, { readonly file: string; readonly name: string }>();
  for (const [, names, from] of readFileSync(file, "utf8").matchAll(/^export \{([^}]*)\} from "(\.[^"]+)";$/gm)) {
    for (const { name, alias } of values(names, " as ")) entry.set(alias, { file: join(dirname(file), from), name });
  }
  return entry;
}

/** The names between braces that are no types. */
function values(names: string, separator: string): { readonly name: string; readonly alias: string }[] {
  return names
    .split(",")
    .map((text) => text.trim())
    .filter((text) => text !== "" && !text.startsWith("type "))
    .map((text) => {
      const [name, alias = name] = text.split(separator) as [string, string?];
      return { name, alias };
    });
}

function direct(text: string, entries: ReadonlyMap<string, Entry>): string {
  return text.replaceAll(
    /^import \{([^}]*)\} from "(@lading\/[^"]+)";$/gm,
    (whole, names: string, specifier: string) => {
      const wanted = values(names, " as ");
      const entry = entries.get(specifier);
      if (entry === undefined || !wanted.every(({ name }) => entry.has(name))) return whole;
      return wanted.map(({ name, alias }) => importOf(entry.get(name)!, alias)).join(" ");
    },
  );
}

function importOf({ file, name }: { readonly file: string; readonly name: string }, alias: string): string {
  return `import { ${name} as ${alias} } from ${JSON.stringify(file)};`;
}
