import { administers, type Principal } from "../authentication.ts";
import type { Groups } from "../organisations/groups.ts";
import { RegistryError } from "../registry-error.ts";
import { isPrivate, treeName, type AccessAction, type AccessPolicy, type AccessSubject } from "./access-policy.ts";

/** What the rules say of an action on a package; `owners`: no rule is about it, and its owners' rights decide. */
export type AccessVerdict = "allowed" | "denied" | "owners";

/** The access rules in force, asked by who makes a request. */
export class AccessControl {
  #policy: AccessPolicy;
  readonly #groups: Groups;

  constructor(policy: AccessPolicy, groups: Groups) {
    this.#policy = policy;
    this.#groups = groups;
  }

  get policy(): AccessPolicy {
    return this.#policy;
  }

  /** Goes by other rules from now on. */
  replace(policy: AccessPolicy): void {
    this.#policy = policy;
  }

  /**
   * Who the rules take somebody for: `undefined` without credentials. Whether the credentials are an administrator's depends
   * on what they are used for, and whoever asks knows it.
   */
  async subjectOf(principal: Principal | undefined, admin: boolean): Promise<AccessSubject | undefined> {
    if (principal === undefined || principal.method === "anonymous") return undefined;
    const { account } = principal;
    const groups = await this.#groups.groupsOf(account.id);
    // Whoever registers can claim any address; one that a directory or provider gave is the person's.
    const email = account.origin === undefined ? undefined : account.email;
    const known = { username: account.username, groups, admin };
    return email === undefined ? known : { ...known, email };
  }

  /** What the rules say; a package by its canonical name. */
  async verdict(action: AccessAction, principal: Principal, canonical: string): Promise<AccessVerdict> {
    if (administers(principal, canonical)) return "allowed";
    const policy = this.#policy;
    const rule = policy.ruleOf(canonical);
    // Most registries have no rules, and then nobody's groups matter.
    if (rule === undefined && policy.rules.adminUsers.length === 0) return "owners";
    const subject = await this.subjectOf(principal, false);
    if (rule === undefined) return policy.isAdmin(subject) ? "allowed" : "owners";
    return policy.mayUnder(rule, action, subject) ? "allowed" : "denied";
  }

  /** The tree of private packages that a name belongs to; `undefined`: that of everybody. */
  treeOf(canonical: string): string | undefined {
    return treeOf(this.#policy, canonical);
  }
}

/** The tree of private packages that a name belongs to by a policy; `undefined`: that of everybody. */
export function treeOf(policy: AccessPolicy, canonical: string): string | undefined {
  const rule = policy.ruleOf(canonical);
  return rule === undefined || !isPrivate(rule) ? undefined : treeName(rule);
}

const DONE = { read: "read", write: "publish to", admin: "change" } as const;

/** The error of whom the rules deny an action; the same whether the package is there or not. */
export function accessDenied(action: AccessAction, principal: Principal, canonical: string): RegistryError {
  return new RegistryError({
    code: "FORBIDDEN",
    message: `Cannot ${DONE[action]} "${canonical}": the access rules do not let "${principal.account.username}" do that`,
    hint: "Ask the registry's operator for a group that may",
    needed: action,
  });
}
