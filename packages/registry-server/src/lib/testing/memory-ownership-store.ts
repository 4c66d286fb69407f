import type { CanonicalName } from "@lading/core-manifest";
import type { ClaimState, NameClaim, Transfer, TransferState } from "../organisations/ownership.ts";
import type { NewNameClaim, NewOwner, NewTransfer, OwnershipStore } from "../organisations/ownership-store.ts";
import type { Account, AuditEntry } from "../records.ts";

/** What changing hands needs of the rest of the store. */
export interface Hands {
  readonly record: (audit: AuditEntry) => void;
  readonly username: (accountId: string) => string;
  readonly organisation: (organisationId: string) => string;
  readonly owns: (canonical: CanonicalName, accountId: string) => boolean;
  /** Makes `owner` the only owner, with entries in the log. */
  readonly replaceOwners: (canonical: CanonicalName, owner: NewOwner, audit: AuditEntry) => void;
}

/** The {@link OwnershipStore} in memory. */
export class MemoryOwnershipStore implements OwnershipStore {
  readonly #hands: Hands;
  readonly #transfers = new Map<string, NewTransfer & { state: TransferState }>();
  readonly #claims = new Map<string, NewNameClaim & { state: ClaimState; note?: string; decided?: number }>();

  constructor(hands: Hands) {
    this.#hands = hands;
  }

  /** Withdraws open offers and claims of an account, and offers to it. */
  forget(accountId: string, at: number): void {
    for (const transfer of this.#transfers.values())
      if (transfer.state === "open" && [transfer.accountId, transfer.senderId].includes(accountId))
        transfer.state = "withdrawn";
    for (const claim of this.#claims.values())
      if (claim.state === "open" && claim.accountId === accountId)
        Object.assign(claim, { state: "withdrawn", decided: at });
  }

  async offerTransfer(transfer: NewTransfer, audit: AuditEntry): Promise<"offered" | "exists"> {
    const { canonical, created } = transfer;
    for (const known of this.#transfers.values())
      if (known.canonical === canonical && known.state === "open" && known.expires > created) return "exists";
    this.#transfers.set(transfer.id, { ...transfer, state: "open" });
    this.#hands.record(audit);
    return "offered";
  }

  #transfer(known: NewTransfer & { readonly state: TransferState }): Transfer {
    const { id, canonical, senderId, accountId, organisationId, created, expires, state } = known;
    return {
      id,
      package: canonical,
      sender: this.#hands.username(senderId),
      ...(accountId === undefined ? {} : { username: this.#hands.username(accountId) }),
      ...(organisationId === undefined ? {} : { organisation: this.#hands.organisation(organisationId) }),
      created,
      expires,
      state,
    };
  }

  async transfer(id: string): Promise<Transfer | undefined> {
    const known = this.#transfers.get(id);
    return known && this.#transfer(known);
  }

  async transfersFor(accountId: string, organisations: readonly string[], now: number): Promise<readonly Transfer[]> {
    const open = [...this.#transfers.values()].filter(({ state, expires }) => state === "open" && expires > now);
    const mine = open.filter(
      (transfer) =>
        transfer.accountId === accountId ||
        transfer.senderId === accountId ||
        (transfer.organisationId !== undefined &&
          organisations.includes(this.#hands.organisation(transfer.organisationId))),
    );
    return mine.map((transfer) => this.#transfer(transfer));
  }

  #end(id: string, state: TransferState, { at }: AuditEntry): NewTransfer | undefined {
    const known = this.#transfers.get(id);
    if (known?.state !== "open" || known.expires <= at) return undefined;
    known.state = state;
    return known;
  }

  async acceptTransfer(id: string, owner: NewOwner, audit: AuditEntry): Promise<"done" | "closed"> {
    const known = this.#end(id, "accepted", audit);
    if (known === undefined) return "closed";
    this.#hands.replaceOwners(known.canonical, owner, audit);
    this.#hands.record(audit);
    return "done";
  }

  async closeTransfer(id: string, state: TransferState, audit: AuditEntry): Promise<"done" | "closed"> {
    if (this.#end(id, state, audit) === undefined) return "closed";
    this.#hands.record(audit);
    return "done";
  }

  async createClaim(claim: NewNameClaim, audit: AuditEntry): Promise<"created" | "exists"> {
    for (const known of this.#claims.values())
      if (known.canonical === claim.canonical && known.state === "open") return "exists";
    this.#claims.set(claim.id, { ...claim, state: "open" });
    this.#hands.record(audit);
    return "created";
  }

  async claim(id: string): Promise<NameClaim | undefined> {
    const known = this.#claims.get(id);
    if (known === undefined) return undefined;
    const { canonical, accountId, ...claim } = known;
    return { ...claim, package: canonical, claimant: this.#hands.username(accountId) };
  }

  async claims(filter: Parameters<OwnershipStore["claims"]>[0]): Promise<readonly NameClaim[]> {
    const { state, claimantId, ownerId } = filter;
    const found = [...this.#claims.values()]
      .filter((claim) => state === undefined || claim.state === state)
      .filter((claim) => claimantId === undefined || claim.accountId === claimantId)
      .filter((claim) => ownerId === undefined || this.#hands.owns(claim.canonical, ownerId));
    return Promise.all(found.map(async ({ id }) => (await this.claim(id))!));
  }

  async closeClaim(
    id: string,
    { state, note, owner }: { readonly state: ClaimState; readonly note?: string; readonly owner?: Account },
    audit: AuditEntry,
  ): Promise<"done" | "closed"> {
    const known = this.#claims.get(id);
    if (known?.state !== "open") return "closed";
    Object.assign(known, { state, decided: audit.at, ...(note === undefined ? {} : { note }) });
    if (owner !== undefined) this.#hands.replaceOwners(known.canonical, { account: owner }, audit);
    this.#hands.record(audit);
    return "done";
  }
}
