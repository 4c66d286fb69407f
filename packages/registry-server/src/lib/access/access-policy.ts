import { matchesPackagePattern } from "../package-pattern.ts";
import { RegistryError } from "../registry-error.ts";
import { patternsOverlap } from "../pattern-overlap.ts";
import { compareSpecificity } from "./pattern-rank.ts";

/** What is asked for: `admin` includes `write`, and `write` includes `read`. */
export type AccessAction = "read" | "write" | "admin";

/** Group of everybody, with and without credentials; of readers only. */
export const EVERYONE = "@everyone";
/** Group of everybody with credentials. */
export const AUTHENTICATED = "@authenticated";

/** Who may do what with the packages whose names match; nobody else may do anything with them. */
export interface AccessRule {
  /** Package pattern, as it was written. */
  readonly pattern: string;
  readonly readGroups: readonly string[];
  readonly writeGroups: readonly string[];
  readonly adminGroups: readonly string[];
  /** Name under which private packages are served; derived from the pattern unless given. */
  readonly tree?: string;
  /** Where it was written, for messages. */
  readonly place?: string;
}

/** The access rules of a registry (`docs/spec/access.md`). */
export interface AccessRules {
  readonly readPublic: boolean;
  readonly writeRequiresAuth: boolean;
  /** User names, and e-mail addresses of people that a directory or identity provider vouches for. */
  readonly adminUsers: readonly string[];
  readonly packages: readonly AccessRule[];
}

/** Who asks; `undefined` in its place is somebody without credentials. */
export interface AccessSubject {
  readonly username: string;
  /** Only where somebody vouches for it: whoever registers can claim any. */
  readonly email?: string;
  /** Groups of directories and identity providers, and teams as `organisation/team`. */
  readonly groups: readonly string[];
  /** Administrator of the server. */
  readonly admin: boolean;
}

function ambiguous(first: AccessRule, second: AccessRule): RegistryError {
  const at = (rule: AccessRule): string => (rule.place === undefined ? "" : ` (${rule.place})`);
  return new RegistryError({
    code: "ACCESS_RULES_INVALID",
    message: `Cannot use the access rules "${first.pattern}"${at(first)} and "${second.pattern}"${at(second)}: both match the same names and neither is more specific`,
    hint: "Write one of the two with more letters before its first wildcard",
  });
}

/** Name of the tree of private packages that a rule has, or `undefined` where its pattern gives none. */
export function treeName({ tree, pattern }: AccessRule): string | undefined {
  const name = tree ?? pattern.replaceAll(/[^a-z0-9]+/g, "-").replaceAll(/^-|-$/g, "");
  return name === "" ? undefined : name;
}

/**
 * The access rules as they are evaluated. Of the rules whose pattern matches a name the most specific one decides alone; who
 * is not named in it may do nothing. Where no rule matches, `read_public` and `write_requires_auth` decide, and the rights of a
 * package's owners, which the rules do not know.
 */
export class AccessPolicy {
  readonly rules: AccessRules;
  readonly #ordered: readonly AccessRule[];
  readonly #adminUsers: ReadonlySet<string>;

  /** @throws {RegistryError} `ACCESS_RULES_INVALID`: two rules of equal rank match the same names */
  constructor(rules: AccessRules) {
    this.rules = rules;
    this.#adminUsers = new Set(rules.adminUsers.map((user) => user.toLowerCase()));
    const ordered = rules.packages.toSorted((left, right) => compareSpecificity(left.pattern, right.pattern));
    for (const [at, rule] of ordered.entries()) {
      for (const other of ordered.slice(at + 1)) {
        if (compareSpecificity(rule.pattern, other.pattern) !== 0) break;
        if (patternsOverlap(rule.pattern, other.pattern)) throw ambiguous(rule, other);
      }
    }
    this.#ordered = ordered;
  }

  /** The rule that decides on a package, by its canonical name. */
  ruleOf(canonical: string): AccessRule | undefined {
    return this.#ordered.find(({ pattern }) => matchesPackagePattern(pattern, canonical));
  }

  /** Whether the subject is an administrator of the server or of all packages. */
  isAdmin(subject: AccessSubject | undefined): boolean {
    if (subject === undefined) return false;
    if (subject.admin || this.#adminUsers.has(subject.username.toLowerCase())) return true;
    return subject.email !== undefined && this.#adminUsers.has(subject.email.toLowerCase());
  }

  /** Whether a name is that of an administrator of all packages. */
  namesAdmin(username: string): boolean {
    return this.#adminUsers.has(username.toLowerCase());
  }

  /** Whether the rules allow an action on a package; where no rule matches, its owners may do more. */
  may(action: AccessAction, subject: AccessSubject | undefined, canonical: string): boolean {
    const rule = this.ruleOf(canonical);
    if (rule !== undefined) return this.mayUnder(rule, action, subject);
    if (this.isAdmin(subject)) return true;
    if (action === "admin") return false;
    return subject !== undefined || (action === "read" ? this.rules.readPublic : !this.rules.writeRequiresAuth);
  }

  /** Whether a rule allows an action on the packages that it decides on. */
  mayUnder(rule: AccessRule, action: AccessAction, subject: AccessSubject | undefined): boolean {
    if (this.isAdmin(subject)) return true;
    const granting = {
      admin: rule.adminGroups,
      write: [...rule.adminGroups, ...rule.writeGroups],
      read: [...rule.adminGroups, ...rule.writeGroups, ...rule.readGroups],
    }[action];
    if (subject === undefined) return granting.includes(EVERYONE);
    const own = new Set([...subject.groups, EVERYONE, AUTHENTICATED]);
    return granting.some((group) => own.has(group));
  }
}

/** Names of the trees that rules need. */
export function treeNames(rules: readonly AccessRule[]): readonly string[] {
  return rules.filter(isPrivate).flatMap((rule) => treeName(rule) ?? []);
}

/** Whether the packages of a rule are kept from the public. */
export function isPrivate(rule: AccessRule): boolean {
  return !rule.readGroups.includes(EVERYONE);
}
