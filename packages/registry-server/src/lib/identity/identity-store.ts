import type { Account, AuditEntry } from "../records.ts";
import type { ExternalUser } from "./external-user.ts";
import type { Passkey } from "./passkey.ts";
import type { TrustedPublisher } from "./trusted-publisher.ts";

/** A second factor of an account. */
export interface SecondFactor {
  /** Sealed; see `SecretBox`. */
  readonly secret: string;
  /** Whether its owner proved to have it; before that it protects nothing. */
  readonly confirmed: boolean;
  /** Latest time step whose code was used. */
  readonly lastStep: number;
  /** Recovery codes that were not used. */
  readonly recoveryCodes: number;
}

/**
 * Who people and builds are beside their passwords and tokens. Changes are one transaction with their audit record, and
 * survive a power failure when they resolve.
 */
export interface IdentityStore {
  /**
   * The account of a person who is known elsewhere, found by origin and subject and created at first sight, with e-mail,
   * groups and admin right as they are there now. `name-taken` where another account has the user name. The audit record is
   * written where anything changed.
   */
  externalAccount(user: ExternalUser, id: string, audit: AuditEntry): Promise<Account | "name-taken">;
  /** Sorted. */
  groupsOf(accountId: string): Promise<readonly string[]>;

  secondFactor(accountId: string): Promise<SecondFactor | undefined>;
  /** Starts an enrolment, in place of one that was not confirmed; `exists` where a confirmed one is there. */
  enrolSecondFactor(accountId: string, secret: string, audit: AuditEntry): Promise<"started" | "exists">;
  /** Confirms the enrolment with a code of `step`; recovery codes are SHA-256 in hexadecimal. */
  confirmSecondFactor(
    accountId: string,
    confirmation: { readonly step: number; readonly recoveryCodes: readonly string[] },
    audit: AuditEntry,
  ): Promise<boolean>;
  removeSecondFactor(accountId: string, audit: AuditEntry): Promise<boolean>;
  /** Uses up a time step and all before it; `false` where it is used up already. */
  useStep(accountId: string, step: number): Promise<boolean>;
  /** Uses up a recovery code; `false` where there is none of that hash. */
  useRecoveryCode(accountId: string, hash: string, audit: AuditEntry): Promise<boolean>;

  /** Oldest first. */
  passkeysOf(accountId: string): Promise<readonly Passkey[]>;
  passkey(id: string): Promise<Passkey | undefined>;
  /** `exists` where any account has a passkey of that id. */
  addPasskey(passkey: Passkey, audit: AuditEntry): Promise<"created" | "exists">;
  removePasskey(accountId: string, id: string, audit: AuditEntry): Promise<boolean>;
  /**
   * Notes a use; `false`, and nothing noted, where the counter did not rise (and one of both counts), or the passkey is gone.
   * Without audit record.
   */
  usePasskey(id: string, use: { readonly counter: number; readonly at: number }): Promise<boolean>;

  /** `exists` where the package trusts a publisher of the same issuer and claims. */
  addTrustedPublisher(publisher: TrustedPublisher, anchor: string, audit: AuditEntry): Promise<"created" | "exists">;
  /** Those of a package, oldest first. */
  trustedPublishersOf(canonical: string): Promise<readonly TrustedPublisher[]>;
  /** Those of an issuer whose anchor claim has this value. */
  trustedPublishersAt(issuer: string, anchor: string): Promise<readonly TrustedPublisher[]>;
  removeTrustedPublisher(canonical: string, id: string, audit: AuditEntry): Promise<boolean>;

  /** Whether this is the first use of `id`; ids that expired before `now` are forgotten. */
  useOnce(id: string, times: { readonly expires: number; readonly now: number }): Promise<boolean>;
}
