import type { ExternalUser } from "../identity/external-user.ts";
import type { IdentityStore, SecondFactor } from "../identity/identity-store.ts";
import type { Passkey } from "../identity/passkey.ts";
import type { TrustedPublisher } from "../identity/trusted-publisher.ts";
import type { Account, AuditEntry } from "../records.ts";

interface KnownPublisher {
  readonly publisher: TrustedPublisher;
  readonly anchor: string;
}

interface KnownFactor {
  readonly secret: string;
  confirmed: boolean;
  lastStep: number;
  codes: Set<string>;
}

function sameClaims(left: TrustedPublisher, right: TrustedPublisher): boolean {
  const text = (claims: Readonly<Record<string, string>>): string =>
    JSON.stringify(Object.entries(claims).sort(([one], [other]) => (one < other ? -1 : 1)));
  return left.package === right.package && left.issuer === right.issuer && text(left.claims) === text(right.claims);
}

/** The {@link IdentityStore} in memory, over the accounts of the metadata store in memory. */
export class MemoryIdentityStore implements IdentityStore {
  readonly #accounts: Map<string, Account>;
  readonly #record: (audit: AuditEntry) => void;
  readonly #external = new Map<string, string>();
  readonly #groups = new Map<string, readonly string[]>();
  readonly #factors = new Map<string, KnownFactor>();
  readonly #used = new Map<string, number>();
  readonly #passkeys = new Map<string, Passkey>();
  #publishers: KnownPublisher[] = [];

  constructor(accounts: Map<string, Account>, record: (audit: AuditEntry) => void) {
    this.#accounts = accounts;
    this.#record = record;
  }

  /** Forgets second factor, groups, trusted publishers and where the person is known. */
  forget(accountId: string): void {
    this.#factors.delete(accountId);
    this.#groups.delete(accountId);
    for (const passkey of this.#passkeys.values())
      if (passkey.accountId === accountId) this.#passkeys.delete(passkey.id);
    for (const [key, id] of this.#external) if (id === accountId) this.#external.delete(key);
    this.#publishers = this.#publishers.filter(({ publisher }) => publisher.accountId !== accountId);
  }

  /** Whether there is a confirmed second factor, which has these codes now. */
  replaceRecoveryCodes(accountId: string, hashes: readonly string[]): boolean {
    const factor = this.#factors.get(accountId);
    if (factor?.confirmed !== true) return false;
    factor.codes = new Set(hashes);
    return true;
  }

  async externalAccount(user: ExternalUser, id: string, audit: AuditEntry): Promise<Account | "name-taken"> {
    const key = JSON.stringify([user.origin, user.subject]);
    const known = this.#accounts.get(this.#external.get(key) ?? "");
    const { email: _, ...rest } = known ?? {
      id,
      username: user.username,
      passwordHash: "",
      created: audit.at,
      admin: false,
    };
    const account: Account = {
      ...rest,
      ...(user.email === undefined ? {} : { email: user.email }),
      admin: user.admin,
      origin: user.origin,
    };
    const groups = [...user.groups].sort();
    if (known === undefined) {
      const folded = user.username.toLowerCase();
      if ([...this.#accounts.values()].some(({ username }) => username.toLowerCase() === folded)) return "name-taken";
      this.#external.set(key, id);
      this.#record({ ...audit, action: "account.create" });
    } else if (
      JSON.stringify([known.email, known.admin, this.#groups.get(known.id)]) !==
      JSON.stringify([account.email, account.admin, groups])
    )
      this.#record({ ...audit, action: "account.update" });
    this.#accounts.set(account.id, account);
    this.#groups.set(account.id, groups);
    return account;
  }

  async groupsOf(accountId: string): Promise<readonly string[]> {
    return this.#groups.get(accountId) ?? [];
  }

  async secondFactor(accountId: string): Promise<SecondFactor | undefined> {
    const factor = this.#factors.get(accountId);
    if (factor === undefined) return undefined;
    const { secret, confirmed, lastStep, codes } = factor;
    return { secret, confirmed, lastStep, recoveryCodes: codes.size };
  }

  async enrolSecondFactor(accountId: string, secret: string, audit: AuditEntry): Promise<"started" | "exists"> {
    if (this.#factors.get(accountId)?.confirmed === true) return "exists";
    this.#factors.set(accountId, { secret, confirmed: false, lastStep: 0, codes: new Set() });
    this.#record(audit);
    return "started";
  }

  async confirmSecondFactor(
    accountId: string,
    { step, recoveryCodes }: { readonly step: number; readonly recoveryCodes: readonly string[] },
    audit: AuditEntry,
  ): Promise<boolean> {
    const factor = this.#factors.get(accountId);
    if (factor === undefined || factor.confirmed) return false;
    factor.confirmed = true;
    factor.lastStep = step;
    factor.codes = new Set(recoveryCodes);
    this.#record(audit);
    return true;
  }

  async removeSecondFactor(accountId: string, audit: AuditEntry): Promise<boolean> {
    if (!this.#factors.delete(accountId)) return false;
    this.#record(audit);
    return true;
  }

  async useStep(accountId: string, step: number): Promise<boolean> {
    const factor = this.#factors.get(accountId);
    if (factor === undefined || factor.lastStep >= step) return false;
    factor.lastStep = step;
    return true;
  }

  async useRecoveryCode(accountId: string, hash: string, audit: AuditEntry): Promise<boolean> {
    if (this.#factors.get(accountId)?.codes.delete(hash) !== true) return false;
    this.#record(audit);
    return true;
  }

  async passkeysOf(accountId: string): Promise<readonly Passkey[]> {
    return [...this.#passkeys.values()].filter((passkey) => passkey.accountId === accountId);
  }

  async passkey(id: string): Promise<Passkey | undefined> {
    return this.#passkeys.get(id);
  }

  async addPasskey(passkey: Passkey, audit: AuditEntry): Promise<"created" | "exists"> {
    if (this.#passkeys.has(passkey.id)) return "exists";
    this.#passkeys.set(passkey.id, passkey);
    this.#record(audit);
    return "created";
  }

  async removePasskey(accountId: string, id: string, audit: AuditEntry): Promise<boolean> {
    if (this.#passkeys.get(id)?.accountId !== accountId) return false;
    this.#passkeys.delete(id);
    this.#record(audit);
    return true;
  }

  async usePasskey(id: string, { counter, at }: { readonly counter: number; readonly at: number }): Promise<boolean> {
    const passkey = this.#passkeys.get(id);
    if (passkey === undefined || (counter === 0 ? passkey.counter !== 0 : passkey.counter >= counter)) return false;
    this.#passkeys.set(id, { ...passkey, counter, lastUsed: at });
    return true;
  }

  async addTrustedPublisher(
    publisher: TrustedPublisher,
    anchor: string,
    audit: AuditEntry,
  ): Promise<"created" | "exists"> {
    if (this.#publishers.some((known) => sameClaims(known.publisher, publisher))) return "exists";
    this.#publishers.push({ publisher, anchor });
    this.#record(audit);
    return "created";
  }

  async trustedPublishersOf(canonical: string): Promise<readonly TrustedPublisher[]> {
    return this.#publishers.map(({ publisher }) => publisher).filter((publisher) => publisher.package === canonical);
  }

  async trustedPublishersAt(issuer: string, anchor: string): Promise<readonly TrustedPublisher[]> {
    return this.#publishers
      .filter((known) => known.publisher.issuer === issuer && known.anchor === anchor)
      .map(({ publisher }) => publisher);
  }

  async removeTrustedPublisher(canonical: string, id: string, audit: AuditEntry): Promise<boolean> {
    const before = this.#publishers.length;
    this.#publishers = this.#publishers.filter(
      ({ publisher }) => publisher.package !== canonical || publisher.id !== id,
    );
    if (this.#publishers.length === before) return false;
    this.#record(audit);
    return true;
  }

  async useOnce(id: string, { expires, now }: { readonly expires: number; readonly now: number }): Promise<boolean> {
    for (const [known, end] of this.#used) if (end < now) this.#used.delete(known);
    if (this.#used.has(id)) return false;
    this.#used.set(id, expires);
    return true;
  }
}
