import { CoreError } from "./core-error.ts";
import { yamlLibrary } from "./dialects/library.ts";
import type { PackComponent } from "./pack-index.ts";

/**
 * Reads the YAML file of an action, sensor, trigger, rule or workflow as a flat index lists it: its name without
 * the pack's, and its description.
 * @throws {CoreError} `PACK_COMPONENT_INVALID`
 */
export function parsePackComponent(
  text: string,
  source: { readonly file: string; readonly pack: string },
): PackComponent {
  const value = parseYaml(text, source.file);
  if (typeof value !== "object" || value === null || Array.isArray(value)) refuse(source.file, "it is no table");
  const { ref, name, description } = value as Readonly<Record<string, unknown>>;
  const named = [ref, name].find((one): one is string => typeof one === "string" && one.trim() !== "");
  if (named === undefined) refuse(source.file, 'it has no "ref" and no "name"');
  const prefix = `${source.pack}.`;
  return {
    name: named.startsWith(prefix) ? named.slice(prefix.length) : named,
    description: typeof description === "string" ? description.trim() : "",
  };
}

function parseYaml(text: string, file: string): unknown {
  try {
    // Aliases could multiply a small file into a huge value.
    return yamlLibrary().parse(text, { maxAliasCount: 0 });
  } catch (error) {
    return refuse(file, `it is no YAML: ${error instanceof Error ? error.message.split("\n")[0] : String(error)}`);
  }
}

function refuse(file: string, problem: string): never {
  throw new CoreError({
    code: "PACK_COMPONENT_INVALID",
    message: `Cannot read the pack component "${file}": ${problem}`,
    file,
  });
}
