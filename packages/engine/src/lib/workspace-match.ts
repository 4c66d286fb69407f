import path from "node:path";

/** Patterns of a workspace's members. */
export interface WorkspacePatterns {
  readonly members: readonly string[];
  readonly exclude: readonly string[];
}

/** The absolute paths below `root` that the patterns match, sorted. */
export async function matchDirectories(root: string, { members, exclude }: WorkspacePatterns): Promise<string[]> {
  if (members.length === 0) return [];
  const { glob } = await import("node:fs/promises");
  const found = new Set<string>();
  for (const pattern of members) {
    for await (const entry of glob(pattern, { cwd: root, exclude: [...exclude, "**/node_modules/**", "**/.git/**"] })) {
      found.add(path.join(root, entry));
    }
  }
  return [...found].sort();
}
