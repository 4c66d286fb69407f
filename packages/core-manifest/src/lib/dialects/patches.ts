import type { ManifestPatch } from "../manifest.ts";
import { readDependencies } from "./dependencies.ts";
import { emptyTable, joinKey, type LocatedEntry, type LocatedNode, type LocatedTable } from "./located.ts";
import { asTable, shown, type Reading } from "./reading.ts";
import { registryName } from "./values.ts";

const SOURCES = ["version", "path", "git"] as const;

/** Whether an entry of `[patch]` is a package and no table of a registry's packages. */
function isPackage({ node }: LocatedEntry): boolean {
  if (node.kind !== "table") return true;
  return SOURCES.some((key) => node.entries.get(key)?.node.kind === "string");
}

/**
 * `[patch]`: packages of the default registry that others stand in for; in a table of its own, `[patch.REGISTRY]`, those of
 * another one.
 */
export function readPatches(reading: Reading, node: LocatedNode, key: string): ManifestPatch[] | undefined {
  const table = asTable(reading, node, key);
  if (table === undefined) return undefined;
  const own = emptyTable(table);
  const patches: ManifestPatch[] = [];
  for (const entry of table.entries.values()) {
    if (isPackage(entry)) {
      own.entries.set(entry.key, entry);
      continue;
    }
    const path = joinKey(key, entry.key);
    const inner = asTable(reading, entry.node, path);
    const registry = registryName(reading, { kind: "string", value: entry.key, ...entry.keySpan }, path);
    if (inner === undefined || registry === undefined) continue;
    patches.push(...patchesIn(reading, inner, path).map((patch) => ({ ...patch, of: registry })));
  }
  return [...patchesIn(reading, own, key), ...patches];
}

function patchesIn(reading: Reading, table: LocatedTable, key: string): ManifestPatch[] {
  return readDependencies({ reading, kind: "normal", key }, table).flatMap((dependency) => {
    const { name, requirement, canonicalRequirement, source, location } = dependency;
    const idle =
      dependency.optional ||
      dependency.workspace ||
      !dependency.defaultFeatures ||
      dependency.package !== undefined ||
      dependency.features.length > 0 ||
      dependency.targets !== undefined ||
      dependency.hosts !== undefined;
    if (idle) {
      reading.report(table.entries.get(name)?.keySpan ?? table, {
        code: "MANIFEST_KEY_CONFLICT",
        key: joinKey(key, name),
        problem: "a patch says where a package comes from, and nothing else",
        found: shown(name),
        allowed: "version, path, git with tag, branch or rev, registry",
      });
      return [];
    }
    return [
      {
        name,
        ...(requirement === undefined ? {} : { requirement }),
        ...(canonicalRequirement === undefined ? {} : { canonicalRequirement }),
        source,
        ...(location === undefined ? {} : { location }),
      },
    ];
  });
}
