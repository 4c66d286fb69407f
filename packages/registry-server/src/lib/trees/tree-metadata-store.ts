import type { MetadataStore } from "../ports.ts";
import { RegistryError } from "../registry-error.ts";
import type { Account, KeyRecord, KeyStatementRecord } from "../records.ts";

/** What a tree has from the registry that it belongs to: people are the same everywhere. */
const PEOPLE: ReadonlySet<PropertyKey> = new Set<keyof MetadataStore>([
  "identities",
  "uploads",
  "accounts",
  "configurations",
  "quotas",
  "createAccount",
  "accountByName",
  "accountById",
  "accountCount",
  "setPassword",
  "createToken",
  "tokenByHash",
  "tokensOf",
  "revokeToken",
  "touchTokens",
  "createSession",
  "session",
  "endSession",
]);

/** Whether a key was registered with the registry and nothing was ever stated about it that would end it. */
function isPlain(key: KeyRecord, statements: readonly KeyStatementRecord[]): boolean {
  return !statements.some(
    ({ kind, key: subject, previous }) =>
      previous === key.fingerprint || (subject === key.fingerprint && kind !== "rotation"),
  );
}

/** A key as one that was registered by hand. */
function registered(key: KeyRecord): KeyRecord {
  const { origin: _, ...rest } = key;
  return rest;
}

/** An object in which `overrides` come first, and everything else is that of what `holderOf` says. */
function layered<Target extends object>(
  target: Target,
  overrides: Partial<Target>,
  holderOf: (key: PropertyKey) => Target = () => target,
): Target {
  return new Proxy(target, {
    get(_, key): unknown {
      if (Object.hasOwn(overrides, key)) return overrides[key as keyof Target];
      const holder = holderOf(key);
      const value: unknown = Reflect.get(holder, key, holder);
      return typeof value === "function" ? (value as (...given: unknown[]) => unknown).bind(holder) : value;
    },
  });
}

type Overrides = Partial<MetadataStore>;

/** Writes down who an account is, for the rows of a tree that name it; its credentials stay where they are. */
export async function introduce(own: MetadataStore, account: Account): Promise<void> {
  if ((await own.accountById(account.id)) !== undefined) return;
  const { id, username, created } = account;
  const audit = { at: created, actor: "system", action: "account.know", details: { username } };
  await own.createAccount({ id, username, passwordHash: "", admin: false, created }, audit);
}

/** Organisations of the registry; in a tree the access rules decide, and no team owns a package. */
function organisationsOf(people: MetadataStore): MetadataStore["organisations"] {
  const refused = async (): Promise<never> => {
    throw new RegistryError({
      code: "FORBIDDEN",
      message: "Cannot change the teams that own this package: it is private, and the access rules say who may do what",
      hint: "Name the team in the rule's groups as organisation/team",
    });
  };
  const overrides: Partial<MetadataStore["organisations"]> = {
    ownerTeams: async () => [],
    addOwnerTeam: refused,
    removeOwnerTeam: refused,
  };
  return layered(people.organisations, overrides);
}

/** Private packages stay where the access rules put them. */
function ownershipOf(own: MetadataStore): MetadataStore["ownership"] {
  const refused = async (): Promise<never> => {
    throw new RegistryError({
      code: "FORBIDDEN",
      message: "Cannot hand this package over: it is private, and the access rules say who may do what",
      hint: "Change its owners, or the rule",
    });
  };
  return layered(own.ownership, { offerTransfer: refused, createClaim: refused });
}

function overridesOf(people: MetadataStore, own: MetadataStore): Overrides {
  return {
    organisations: organisationsOf(people),
    ownership: ownershipOf(own),
    addOwner: async (canonical, account, ...rest) => {
      await introduce(own, account);
      return own.addOwner(canonical, account, ...rest);
    },
    keysOf: async (accountId) => {
      const [mine, theirs, statements] = await Promise.all([
        own.keysOf(accountId),
        people.keysOf(accountId),
        people.keyStatementsOf(accountId),
      ]);
      const known = new Set(mine.map(({ fingerprint }) => fingerprint));
      // A key that a statement brought is here one that was registered: the statement is in another log.
      const added = theirs.filter((key) => !known.has(key.fingerprint) && isPlain(key, statements)).map(registered);
      return [...mine, ...added];
    },
  };
}

/**
 * A store in which packages, log and metadata are those of `own`, a tree of private packages, and accounts, tokens and
 * sessions those of `people`. What neither list names is the tree's: a method that is added to the port cannot make the one
 * tell of the other's packages.
 */
export function joinTree(people: MetadataStore, own: MetadataStore): MetadataStore {
  return layered(own, overridesOf(people, own), (key) => (PEOPLE.has(key) ? people : own));
}
