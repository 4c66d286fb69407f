import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** Files of the API browser, from the installed `swagger-ui-dist`; nothing is loaded from another host. */
export async function readDocsAsset(name: string): Promise<Uint8Array | undefined> {
  const folder = dirname(createRequire(import.meta.url).resolve("swagger-ui-dist/package.json"));
  return readFile(join(folder, name));
}
