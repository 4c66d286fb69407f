import type { CanonicalName } from "@lading/core-manifest";
import { treeOf, type AccessControl } from "../access/access-control.ts";
import { isPrivate, treeName, type AccessAction, type AccessPolicy, type AccessRule } from "../access/access-policy.ts";
import { administers, administersSome, type Principal } from "../authentication.ts";
import type { MetadataStore } from "../ports.ts";
import type { Account } from "../records.ts";
import { RegistryError } from "../registry-error.ts";
import { introduce } from "./tree-metadata-store.ts";

/** Where a tree of private packages is served, below the address of its registry. */
export function mountOf(name: string): string {
  return `/trees/${name}`;
}

/** A tree that is open: what serves it, and what it knows. */
export interface OpenTree<Server> {
  readonly name: string;
  readonly server: Server;
  readonly metadata: MetadataStore;
  start(): Promise<void>;
  stop(): Promise<void>;
}

function rulesByTree(policy: AccessPolicy): ReadonlyMap<string, AccessRule> {
  return new Map(policy.rules.packages.filter(isPrivate).map((rule) => [treeName(rule)!, rule]));
}

function misplaced(name: string, now: string | undefined, wanted: string | undefined): RegistryError {
  const words = (tree: string | undefined): string => (tree === undefined ? "the public packages" : `tree "${tree}"`);
  return new RegistryError({
    code: "ACCESS_RULES_INVALID",
    message: `Cannot use the access rules: package "${name}" is in ${words(now)}, and would belong to ${words(wanted)}`,
    hint: "What was published stays in the log that tells of it; write a rule that does not match its name, or publish it under another one",
  });
}

/**
 * The trees of private packages of a registry. Each is a registry of its own, with its own metadata, log and files, behind
 * those who may read it: what is public cannot tell of it, since it does not know of it.
 */
export class PrivateTrees<Server> {
  readonly #access: AccessControl;
  readonly #public: MetadataStore;
  readonly #openOne: (name: string, rule: AccessRule) => Promise<OpenTree<Server>>;
  readonly #introduced = new Set<string>();
  #adopting: Promise<void> = Promise.resolve();
  readonly #trees = new Map<string, OpenTree<Server>>();

  constructor(options: {
    readonly access: AccessControl;
    /** The store of the packages that are not private. */
    readonly metadata: MetadataStore;
    readonly open: (name: string, rule: AccessRule) => Promise<OpenTree<Server>>;
  }) {
    this.#access = options.access;
    this.#public = options.metadata;
    this.#openOne = options.open;
  }

  /**
   * Opens and starts the trees of a policy and goes by it from now on, or does nothing of it. One after the other: two that
   * open the same tree would both write to it.
   * @throws {RegistryError} `ACCESS_RULES_INVALID`: a package would have to move
   */
  async adopt(policy: AccessPolicy): Promise<void> {
    const before = this.#adopting;
    const adopting = before.catch(() => {}).then(() => this.#adopt(policy));
    this.#adopting = adopting;
    await adopting;
  }

  async #adopt(policy: AccessPolicy): Promise<void> {
    const opened: OpenTree<Server>[] = [];
    try {
      for (const [name, rule] of rulesByTree(policy)) {
        if (this.#trees.has(name)) continue;
        const tree = await this.#openOne(name, rule);
        opened.push(tree);
        await tree.start();
      }
      await this.#requirePlaces(policy, opened);
    } catch (error) {
      for (const tree of opened) await tree.stop();
      throw error;
    }
    for (const tree of opened) this.#trees.set(tree.name, tree);
    this.#access.replace(policy);
  }

  async #requirePlaces(policy: AccessPolicy, opened: readonly OpenTree<Server>[]): Promise<void> {
    if (policy.rules.packages.length === 0 && this.#trees.size === 0) return;
    const places = [...this.#trees.values(), ...opened].map(({ name, metadata }) => [name, metadata] as const);
    for (const [tree, metadata] of [[undefined, this.#public] as const, ...places]) {
      for (const name of await metadata.packageNames()) {
        const wanted = treeOf(policy, name);
        if (wanted !== tree) throw misplaced(name, tree, wanted);
      }
    }
  }

  /** The tree of that name, where the principal may read it; who may not cannot tell it from one that is not there. */
  async readable(name: string, principal: Principal | undefined): Promise<OpenTree<Server> | undefined> {
    const rule = rulesByTree(this.#access.policy).get(name);
    const admin = principal !== undefined && rule !== undefined && administersSome(principal, rule.pattern);
    return this.#permitted(rule, "read", { principal, admin });
  }

  /** The tree of a package, where the principal may do `action` in it. */
  async treeOf(
    canonical: CanonicalName,
    action: AccessAction,
    principal: Principal | undefined,
  ): Promise<OpenTree<Server> | undefined> {
    const rule = this.#access.policy.ruleOf(canonical);
    const admin = principal !== undefined && administers(principal, canonical);
    return this.#permitted(rule !== undefined && isPrivate(rule) ? rule : undefined, action, { principal, admin });
  }

  async #permitted(
    rule: AccessRule | undefined,
    action: AccessAction,
    { principal, admin }: { readonly principal: Principal | undefined; readonly admin: boolean },
  ): Promise<OpenTree<Server> | undefined> {
    // Whose groups are looked up whatever was asked for, so that the time tells nothing.
    const subject = await this.#access.subjectOf(principal, admin);
    if (rule === undefined || !this.#access.policy.mayUnder(rule, action, subject)) return undefined;
    const tree = this.#trees.get(treeName(rule)!);
    if (tree !== undefined && principal !== undefined) await this.#introduce(tree, principal.account);
    return tree;
  }

  async #introduce({ name, metadata }: OpenTree<Server>, account: Account): Promise<void> {
    const key = `${name} ${account.id}`;
    if (this.#introduced.has(key)) return;
    await introduce(metadata, account);
    this.#introduced.add(key);
  }

  /** Every open tree. */
  get all(): readonly OpenTree<Server>[] {
    return [...this.#trees.values()];
  }
}
