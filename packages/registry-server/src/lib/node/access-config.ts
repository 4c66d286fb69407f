import { readFileSync } from "node:fs";
import { parseAccess, type AccessFile } from "../access/access-file.ts";
import { AccessPolicy } from "../access/access-policy.ts";
import type { RegistrySettings } from "../settings.ts";
import { RegistryError } from "../registry-error.ts";

/** The setting that names the access file. */
export const ACCESS_FILE_KEY = "access.file";

/** What the server's configuration file and the access file say about access. */
export interface AccessConfig {
  /** Of the two that are settings as well: value and file. */
  readonly settings: ReadonlyMap<string, { readonly text: string; readonly file: string }>;
  readonly access?: RegistrySettings["access"];
}

/** Keys of a flattened configuration file that belong to the access rules and not to the settings. */
export function isAccessKey(key: string): boolean {
  return key === "access.admin_users" || key === "access.packages" || key.startsWith("access.packages.");
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new RegistryError({
      code: "ACCESS_RULES_INVALID",
      message: `Cannot use the access rules in "${file}": ${(cause as Error).message}`,
      hint: "REGISTRY_ACCESS_FILE or --access-file names a TOML file that the server may read",
      cause,
    });
  }
}

function both(key: string, first: string, second: string): RegistryError {
  return new RegistryError({
    code: "SERVER_CONFIG_CONTRADICTION",
    message: `Cannot use "${key}" in "${first}" together with "${key}" in "${second}": one of the two would not hold`,
    hint: "Keep the access rules in one file",
  });
}

function merged(configuration: AccessFile, own: AccessFile, files: readonly [string, string]): AccessFile {
  for (const [key, property] of [
    ["access.packages", "packages"],
    ["access.admin_users", "adminUsers"],
    ["access.read_public", "readPublic"],
    ["access.write_requires_auth", "writeRequiresAuth"],
  ] as const) {
    if (configuration[property] !== undefined && own[property] !== undefined) throw both(key, ...files);
  }
  return { ...configuration, ...own };
}

/**
 * Reads the access rules: the section of the server's configuration file, and the access file.
 * @throws {RegistryError} `ACCESS_RULES_INVALID`, `SERVER_CONFIG_CONTRADICTION`
 */
export function readAccessConfig(configuration: string | undefined, accessFile: string | undefined): AccessConfig {
  const section =
    configuration === undefined ? {} : parseAccess(readText(configuration), { file: configuration, others: true });
  const own = accessFile === undefined ? {} : parseAccess(readText(accessFile), { file: accessFile });
  const {
    readPublic,
    writeRequiresAuth,
    adminUsers = [],
    packages = [],
  } = merged(section, own, [configuration ?? "", accessFile ?? ""]);
  // Two rules of equal rank are told before anything is opened.
  void new AccessPolicy({ readPublic: true, writeRequiresAuth: true, adminUsers, packages });
  const settings = new Map<string, { text: string; file: string }>();
  const file = accessFile ?? "";
  if (own.readPublic !== undefined) settings.set("access.read_public", { text: String(readPublic), file });
  if (own.writeRequiresAuth !== undefined)
    settings.set("access.write_requires_auth", { text: String(writeRequiresAuth), file });
  const isEmpty = adminUsers.length === 0 && packages.length === 0;
  return { settings, ...(isEmpty ? {} : { access: { adminUsers, packages } }) };
}
