import type { CanonicalName } from "@lading/core-manifest";
import type { AuditEntry, SessionRecord } from "../records.ts";

/** What would have nobody left if an account were gone. */
export interface AccountNeeds {
  /** Packages that it alone owns, in order. */
  readonly packages: readonly CanonicalName[];
  /** Organisations that it is the last owner of, in order. */
  readonly organisations: readonly string[];
  /** Whether it is the last one that administers the registry. */
  readonly lastAdmin: boolean;
}

/** What stopped working, for those who remember it. */
export interface EndedCredentials {
  /** Ids of sessions. */
  readonly sessions: readonly string[];
  /** Hashes of tokens. */
  readonly tokens: readonly string[];
}

/** How the deletion of an account went. */
export type DeletionOutcome =
  | { readonly status: "needed"; readonly needs: AccountNeeds }
  | { readonly status: "deleted"; readonly ended: EndedCredentials };

/**
 * How accounts go on and end: their logins, changes of what opens them, and their deletion. Changes are one transaction with
 * their audit record, and survive a power failure when they resolve.
 */
export interface AccountStore {
  /** Sessions that are open at `now`, newest first. */
  sessionsOf(accountId: string, now: number): Promise<readonly SessionRecord[]>;
  /** Ends one session of the account, or without `id` all but `except`; ids of those that were open. */
  endSessions(
    accountId: string,
    which: { readonly id: string } | { readonly except?: string },
    audit: AuditEntry,
  ): Promise<readonly string[]>;
  /** Another password, and the end of all sessions but `keep`, whose ids are answered. */
  changePassword(
    accountId: string,
    change: { readonly passwordHash: string; readonly keep?: string },
    audit: AuditEntry,
  ): Promise<readonly string[]>;
  /** Other recovery codes (SHA-256 in hexadecimal) in the place of all; `false` where there is no confirmed second factor. */
  replaceRecoveryCodes(accountId: string, hashes: readonly string[], audit: AuditEntry): Promise<boolean>;
  /**
   * Ends an account for ever, unless it is needed. Its name stays taken. Tokens, sessions, second factors, what the directory
   * said of it, memberships, trusted publishers that act in its name, and its open invitations, offers and claims go; its open reviews are rejected; packages
   * that it owned with others are logged to have lost an owner. Its signing keys and what it published stay.
   */
  deleteAccount(accountId: string, audit: AuditEntry): Promise<DeletionOutcome>;
}
