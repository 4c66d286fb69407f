import { ParseError, getStaticTOMLValue, parseTOML, type AST } from "toml-eslint-parser";
import { isPackagePattern } from "../package-pattern.ts";
import { RegistryError } from "../registry-error.ts";
import { AUTHENTICATED, EVERYONE, isPrivate, treeName, type AccessRule } from "./access-policy.ts";

/** What a file says about access; what it does not say is absent. */
export interface AccessFile {
  readonly readPublic?: boolean;
  readonly writeRequiresAuth?: boolean;
  readonly adminUsers?: readonly string[];
  readonly packages?: readonly AccessRule[];
}

/** A value with the keys that lead to it, and its line. */
interface Entry {
  readonly path: readonly string[];
  readonly value: unknown;
  readonly line: number;
}

interface Source {
  readonly file: string;
  /** Keys that belong to others, by their first part. */
  readonly others: boolean;
}

const SECTION_KEYS = ["read_public", "write_requires_auth", "admin_users", "packages"];
const RULE_KEYS = ["read_groups", "write_groups", "admin_groups", "tree"];
const TREE = /^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/;

function invalid({ file }: Source, line: number, problem: string, cause?: unknown): RegistryError {
  return new RegistryError({
    code: "ACCESS_RULES_INVALID",
    message: `Cannot use the access rules in "${file}" line ${line}: ${problem}`,
    hint: "docs/spec/access.md describes every key",
    file,
    line,
    ...(cause === undefined ? {} : { cause }),
  });
}

const quoted = (texts: readonly string[]): string => texts.map((text) => `"${text}"`).join(", ");

function keyParts(key: AST.TOMLKey): string[] {
  return key.keys.map((part) => (part.type === "TOMLBare" ? part.name : part.value));
}

function entriesOf(node: AST.TOMLKeyValue | AST.TOMLTable, prefix: readonly string[]): Entry[] {
  if (node.type === "TOMLTable") {
    const path = node.resolvedKey.map(String);
    const own: Entry = { path, value: undefined, line: node.loc.start.line };
    return [own, ...node.body.flatMap((child) => entriesOf(child, path))];
  }
  const path = [...prefix, ...keyParts(node.key)];
  if (node.value.type === "TOMLInlineTable") {
    return [
      { path, value: undefined, line: node.loc.start.line },
      ...node.value.body.flatMap((child) => entriesOf(child, path)),
    ];
  }
  return [{ path, value: getStaticTOMLValue(node.value), line: node.loc.start.line }];
}

function readEntries(text: string, source: Source): readonly Entry[] {
  try {
    return parseTOML(text, { tomlVersion: "1.0" }).body[0].body.flatMap((node) => entriesOf(node, []));
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    throw invalid(source, error.lineNumber, error.message, error);
  }
}

function flag(source: Source, { path, value, line }: Entry): boolean {
  if (typeof value === "boolean") return value;
  throw invalid(source, line, `"${path.at(-1)}" is not true or false`);
}

function texts(source: Source, { path, value, line }: Entry): readonly string[] {
  const isText = (item: unknown): item is string => typeof item === "string" && item.trim() !== "";
  if (Array.isArray(value) && value.every(isText)) return [...new Set(value)];
  throw invalid(source, line, `"${path.at(-1)}" is not a list of texts`);
}

function groups(source: Source, entry: Entry): readonly string[] {
  const builtIn = entry.path.at(-1) === "read_groups" ? [EVERYONE, AUTHENTICATED] : [AUTHENTICATED];
  const found = texts(source, entry);
  const unknown = found.find((group) => group.startsWith("@") && !builtIn.includes(group));
  if (unknown === undefined) return found;
  throw invalid(
    source,
    entry.line,
    `"${entry.path.at(-1)}" names "${unknown.slice(0, 60)}", allowed of the groups that begin with "@" are ${quoted(builtIn)}`,
  );
}

function treeOf(source: Source, { value, line }: Entry): string {
  if (typeof value === "string" && TREE.test(value)) return value;
  throw invalid(source, line, '"tree" is not a name of up to 40 letters of a to z, digits, and "-" between them');
}

class RuleDraft {
  readonly pattern: string;
  readonly line: number;
  #rule: Partial<Record<"readGroups" | "writeGroups" | "adminGroups", readonly string[]>> & { tree?: string } = {};

  constructor(pattern: string, line: number) {
    this.pattern = pattern;
    this.line = line;
  }

  take(source: Source, entry: Entry): void {
    const key = entry.path.at(-1)!;
    if (key === "read_groups") this.#rule.readGroups = groups(source, entry);
    else if (key === "write_groups") this.#rule.writeGroups = groups(source, entry);
    else if (key === "admin_groups") this.#rule.adminGroups = groups(source, entry);
    else this.#rule.tree = treeOf(source, entry);
  }

  finish(source: Source): AccessRule {
    const { readGroups = [], writeGroups = [], adminGroups = [], tree } = this.#rule;
    if (readGroups.length + writeGroups.length + adminGroups.length === 0) {
      throw invalid(source, this.line, `the rule "${this.pattern}" names no group: nobody could do anything`);
    }
    const place = `"${source.file}" line ${this.line}`;
    return {
      pattern: this.pattern,
      readGroups,
      writeGroups,
      adminGroups,
      place,
      ...(tree === undefined ? {} : { tree }),
    };
  }
}

function collectRules(source: Source, entries: readonly Entry[]): readonly AccessRule[] {
  const drafts = new Map<string, RuleDraft>();
  for (const entry of entries) {
    const [pattern, key, ...more] = entry.path.slice(2);
    if (pattern === undefined) {
      if (entry.value !== undefined) throw invalid(source, entry.line, '"packages" is not a table of rules by pattern');
      continue;
    }
    if (!isPackagePattern(pattern)) {
      throw invalid(
        source,
        entry.line,
        `"${pattern.slice(0, 60)}" is no package pattern: a name in lower case, in which "*" stands for anything but "/" and "**" for anything`,
      );
    }
    const draft = drafts.get(pattern) ?? new RuleDraft(pattern, entry.line);
    drafts.set(pattern, draft);
    if (key === undefined) {
      if (entry.value !== undefined) throw invalid(source, entry.line, `the rule "${pattern}" is not a table`);
      continue;
    }
    if (!RULE_KEYS.includes(key) || more.length > 0) {
      const found = [key, ...more].join(".").slice(0, 60);
      throw invalid(source, entry.line, `unknown key "${found}", allowed are ${quoted(RULE_KEYS)}`);
    }
    draft.take(source, entry);
  }
  const rules = [...drafts.values()].map((draft) => draft.finish(source));
  checkTrees(source, rules, drafts);
  return rules;
}

/** Private packages of two rules never share a tree: its files tell the names of all. */
function checkTrees(source: Source, rules: readonly AccessRule[], drafts: ReadonlyMap<string, RuleDraft>): void {
  const seen = new Map<string, string>();
  for (const rule of rules.filter(isPrivate)) {
    const { line } = drafts.get(rule.pattern)!;
    const name = treeName(rule);
    if (name === undefined || !TREE.test(name)) {
      throw invalid(source, line, `the pattern "${rule.pattern}" gives no name for its tree; give it one with "tree"`);
    }
    const other = seen.get(name);
    if (other !== undefined) {
      throw invalid(
        source,
        line,
        `the rules "${other}" and "${rule.pattern}" have one tree, "${name}"; give one of them another with "tree"`,
      );
    }
    seen.set(name, rule.pattern);
  }
}

/**
 * Reads `[access]` and its rules from TOML (`docs/spec/access.md`). With `others`, the file has further tables, which are left
 * alone; else unknown keys are refused.
 * @throws {RegistryError} `ACCESS_RULES_INVALID`, with file and line
 */
export function parseAccess(text: string, options: { readonly file: string; readonly others?: boolean }): AccessFile {
  const source: Source = { file: options.file, others: options.others ?? false };
  const entries = readEntries(text, source);
  const foreign = entries.find(({ path }) => path[0] !== "access");
  if (foreign !== undefined && !source.others) {
    throw invalid(source, foreign.line, `unknown key "${foreign.path.join(".").slice(0, 60)}", allowed is "access"`);
  }
  const own = entries.filter(({ path, value }) => path[0] === "access" && (path.length > 1 || value !== undefined));
  const found: { -readonly [Key in keyof AccessFile]: AccessFile[Key] } = {};
  for (const entry of own) {
    const [, key = "access", ...more] = entry.path;
    const isKnown = SECTION_KEYS.includes(key) && (key === "packages" || more.length === 0);
    if (key === "read_public" && isKnown) found.readPublic = flag(source, entry);
    else if (key === "write_requires_auth" && isKnown) found.writeRequiresAuth = flag(source, entry);
    else if (key === "admin_users" && isKnown) found.adminUsers = texts(source, entry);
    else if (!isKnown && !source.others) {
      const name = [key, ...more].join(".").slice(0, 60);
      throw invalid(source, entry.line, `unknown key "${name}", allowed are ${quoted(SECTION_KEYS)}`);
    }
  }
  const rules = collectRules(
    source,
    own.filter(({ path }) => path[1] === "packages"),
  );
  return rules.length === 0 ? found : { ...found, packages: rules };
}
