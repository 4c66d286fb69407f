import { yamlLibrary } from "./dialects/library.ts";
import { tomlDocument } from "./dialects/toml-text.ts";
import type { DialectId, PackageManifest } from "./manifest.ts";
import { readManifest } from "./manifest-read.ts";
import { workspaceOf, writeManifest, type WrittenManifest } from "./manifest-write.ts";

/** Tables that commands read by themselves and that mean the same in every dialect. */
const SHARED_TABLES = ["testing", "scripts"] as const;

/**
 * A manifest of one dialect as text of another: {@link writeManifest}, and beside it the tables of commands (`testing`,
 * `scripts`), which every dialect has, `pyproject.toml` below `[tool.revitpy]`. `lost` lists all that could not be carried.
 */
export function convertManifest(manifest: PackageManifest, dialect: DialectId): WrittenManifest {
  const written = writeManifest(manifest, dialect);
  if (manifest.dialect === dialect) return written;
  const tables = sharedTables(manifest);
  if (Object.keys(tables).length === 0) return written;
  const text = `${written.text}${rendered(tables, dialect)}`;
  const workspace = workspaceOf(manifest);
  const options = { file: dialect, dialect, ...(workspace === undefined ? {} : { workspace }) };
  const back = readManifest(text, options).manifest;
  if (back === undefined) return written;
  const kept = new Set(Object.keys(sharedTables(back)).map((key) => `extra.${key}`));
  return { text, lost: written.lost.filter(({ key }) => !kept.has(key)) };
}

function sharedTables({ extra }: PackageManifest): Record<string, unknown> {
  const own = extra["revitpy"];
  const below = typeof own === "object" && own !== null ? (own as Record<string, unknown>) : {};
  return Object.fromEntries(
    SHARED_TABLES.flatMap((key) => {
      const value = extra[key] ?? below[key];
      return typeof value === "object" && value !== null ? [[key, value]] : [];
    }),
  );
}

function rendered(tables: Readonly<Record<string, unknown>>, dialect: DialectId): string {
  if (dialect === "pack.yaml") return yamlLibrary().stringify(tables, { lineWidth: 0, version: "1.2", schema: "core" });
  return `\n${tomlDocument(dialect === "pyproject.toml" ? { tool: { revitpy: tables } } : tables)}`;
}
