import { createHash } from "node:crypto";
import { lstatSync, readFileSync, readdirSync, readlinkSync } from "node:fs";
import path from "node:path";
import { apiJson, type RegistryProcess } from "./harness.ts";

/** Every file below a directory with its digest, every link with its target; caches of downloads and of what registries say of themselves aside. */
export function stateOf(directory: string): Record<string, string> {
  const state: Record<string, string> = {};
  const visit = (at: string): void => {
    for (const name of readdirSync(at).sort()) {
      const file = path.join(at, name);
      const relative = path.relative(directory, file);
      if (/^home\/(?:\.cache|\.local\/share\/[^/]+\/(?:store|trust))(?:\/|$)/.test(relative)) continue;
      const found = lstatSync(file);
      if (found.isSymbolicLink()) state[relative] = `-> ${readlinkSync(file)}`;
      else if (found.isDirectory()) visit(file);
      else state[relative] = createHash("sha256").update(readFileSync(file)).digest("hex");
    }
  };
  visit(directory);
  return state;
}

/** Names of a registry's packages, each with its latest version. */
export async function registryState(registry: RegistryProcess): Promise<readonly string[]> {
  const { items } = await apiJson<{ items: { name: string; latest: string }[] }>(registry, "/api/v1/packages/");
  return items.map(({ name, latest }) => `${name} ${latest}`).sort();
}
