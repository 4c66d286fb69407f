import path from "node:path";
import { renderLockfile } from "@lading/core-manifest";
import type { EngineContext } from "../engine-context.ts";
import { displayPath, readTextIfExists, writeFileAtomic } from "../files.ts";
import { readLock } from "../lock-file.ts";
import { tryLoadProject } from "../project.ts";
import { parseToml, settingKey, TOKEN_KEY } from "../settings.ts";
import { SETTINGS } from "../settings-table.ts";
import { editToml } from "../toml-edit.ts";

/** A file of this tool that was looked at. */
export interface UpgradedFile {
  readonly file: string;
  readonly kind: "lock" | "configuration";
  readonly changed: boolean;
  /** What was done, or would be. */
  readonly changes: readonly string[];
  /** Copy of the file as it was, where it was changed. */
  readonly backup?: string;
}

/**
 * Brings files that an earlier release or another tool of the ecosystem wrote into today's form, where it differs: the
 * project's lock file and this user's settings. What they mean stays the same. The old file is kept beside the new one.
 * @throws {CoreError} `LOCKFILE_INVALID`, `LOCKFILE_VERSION_UNSUPPORTED`; {EngineError} `CONFIG_FILE_INVALID`
 */
export async function upgradeFiles(
  input: { readonly dryRun?: boolean | undefined },
  context: EngineContext,
): Promise<readonly UpgradedFile[]> {
  const wanted = [await upgradedLock(context), await upgradedConfiguration(context)].filter((one) => one !== undefined);
  const results: UpgradedFile[] = [];
  for (const { file, kind, before, after, changes, mode } of wanted) {
    const changed = after !== before;
    const shown = { file: displayPath(file, context.cwd), kind, changed, changes: changed ? changes : [] };
    if (!changed || input.dryRun === true) {
      results.push(shown);
      continue;
    }
    await writeFileAtomic(`${file}.bak`, before, mode);
    await writeFileAtomic(file, after, mode);
    results.push({ ...shown, backup: displayPath(`${file}.bak`, context.cwd) });
  }
  return results;
}

interface Upgrade {
  readonly file: string;
  readonly kind: UpgradedFile["kind"];
  readonly before: string;
  readonly after: string;
  readonly changes: readonly string[];
  readonly mode: number;
}

/** A lock of the documents' first form has no sources, no dependencies by version and no digest of its inputs. */
async function upgradedLock(context: EngineContext): Promise<Upgrade | undefined> {
  const project = await tryLoadProject(context);
  const read = project === undefined ? undefined : await readLock(context, project);
  if (project === undefined || read === undefined) return undefined;
  return {
    file: project.lockFile,
    kind: "lock",
    before: read.text,
    after: renderLockfile(read.lock),
    changes: ["written in today's order and form; run `lock` to add what the old form did not record"],
    mode: 0o644,
  };
}

/** Settings under another spelling of their key, which stay valid, move to the key that `config` shows. */
async function upgradedConfiguration(context: EngineContext): Promise<Upgrade | undefined> {
  const file = path.join(context.directories.config, context.profile.config.file);
  const before = await readTextIfExists(file);
  if (before === undefined) return undefined;
  const shown = displayPath(file, context.cwd);
  const changes: string[] = [];
  let after = before;
  for (const [key, value] of leaves(parseToml(before, file))) {
    const known = knownKey(key, context);
    if (known === undefined || known === key) continue;
    after = editToml(editToml(after, key.split("."), undefined, shown), known.split("."), value, shown);
    changes.push(`"${key}" is "${known}"`);
  }
  return { file, kind: "configuration", before, after, changes, mode: 0o600 };
}

/** Today's key where it lives in this file; the default registry and tokens live in files of their own. */
function knownKey(key: string, context: EngineContext): string | undefined {
  const aliases = context.profile.config.keyAliases;
  if (!Object.hasOwn(aliases, key) && !/[_-]/.test(key)) return undefined;
  try {
    const known = settingKey(key, context.profile);
    return known === TOKEN_KEY || known === "registry.default" || !Object.hasOwn(SETTINGS, known) ? undefined : known;
  } catch {
    // A key of another tool's is left as it is.
    return undefined;
  }
}

type Leaf = string | number | boolean | readonly string[];

function* leaves(table: Readonly<Record<string, unknown>>, prefix = ""): Generator<[string, Leaf]> {
  for (const [key, value] of Object.entries(table)) {
    if (typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date)) {
      yield* leaves(value as Record<string, unknown>, `${prefix}${key}.`);
    } else if (["string", "number", "boolean"].includes(typeof value)) yield [`${prefix}${key}`, value as Leaf];
  }
}
