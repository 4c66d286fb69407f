import type * as TomlLibrary from "toml-eslint-parser";
import type * as YamlLibrary from "yaml";
import type { DialectId } from "../manifest.ts";

// Both parsers cost more to load than most commands take to run, and a command needs at most one of
// them. So they are loaded at first use: without await where the runtime can (Node, Deno, Bun), and
// through `loadDialect` where it cannot (a browser, a single-file bundle).
let toml: typeof TomlLibrary | undefined;
let yaml: typeof YamlLibrary | undefined;

interface ModuleBuiltin {
  createRequire(url: string): (id: string) => unknown;
}

interface RuntimeWithBuiltins {
  readonly process?: { getBuiltinModule?(id: "node:module"): ModuleBuiltin | undefined };
}

function loadNow(id: string): unknown {
  const builtin = (globalThis as RuntimeWithBuiltins).process?.getBuiltinModule?.("node:module");
  if (builtin === undefined)
    throw new Error(`await loadDialect(dialect) before a manifest is read: "${id}" cannot be loaded on demand here`);
  return builtin.createRequire(import.meta.url)(id);
}

/** @throws {Error} where nothing can be loaded without await and `loadDialect` was not called. */
export function tomlLibrary(): typeof TomlLibrary {
  toml ??= loadNow("toml-eslint-parser") as typeof TomlLibrary;
  return toml;
}

/** @throws {Error} where nothing can be loaded without await and `loadDialect` was not called. */
export function yamlLibrary(): typeof YamlLibrary {
  yaml ??= loadNow("yaml") as typeof YamlLibrary;
  return yaml;
}

/**
 * Loads the parser that a dialect needs. Only browsers and single-file bundles have to call it before
 * the first manifest is read; elsewhere parsers load themselves at first use.
 */
export async function loadDialect(dialect: DialectId): Promise<void> {
  if (dialect === "pack.yaml") yaml ??= await import("yaml");
  else toml ??= await import("toml-eslint-parser");
}
