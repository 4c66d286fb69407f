import type { Digest } from "@lading/core-manifest";
import type { Organisation } from "../organisations/organisation.ts";
import type { AuditEntry } from "../records.ts";

/** Longest text of a shared configuration, in bytes of UTF-8. */
export const CONFIGURATION_MAX_BYTES: number = 64 * 1024;

/** One revision of a configuration that an organisation gives to its projects. */
export interface SharedConfiguration {
  /** Name within the organisation. */
  readonly name: string;
  /** Rises by one with every change of the configuration, also over its removal. */
  readonly revision: number;
  /** TOML, as clients read their own configuration. */
  readonly text: string;
  /** SHA-256 of the text, which the log states. */
  readonly digest: Digest;
  /** Whether everybody who reads the registry may read it; else members of the organisation. */
  readonly isPublic: boolean;
  /** User name. */
  readonly author: string;
  /** Milliseconds since the epoch. */
  readonly created: number;
  /** Index of its entry in the log. */
  readonly leaf: number;
}

/** A configuration that is to be another one, or without `content` to be removed. */
export interface ConfigurationChange {
  readonly organisation: Pick<Organisation, "id" | "name">;
  readonly name: string;
  readonly content?: Pick<SharedConfiguration, "text" | "digest" | "isPublic">;
  readonly audit: AuditEntry;
  /** Called in the transaction with the configuration as it is; what it throws ends the transaction without a change. */
  readonly check: (current: SharedConfiguration | undefined) => void;
}

/**
 * Configurations that organisations share. A change is one transaction with its audit record and its entry in the log, and
 * survives a power failure when it resolves. "Not found" is `undefined`.
 */
export interface ConfigurationStore {
  /** The newest revision of each that is not removed, by name. */
  configurations(organisationId: string): Promise<readonly SharedConfiguration[]>;
  /** A revision, or the newest one; none of a configuration that is removed. */
  configuration(organisationId: string, name: string, revision?: number): Promise<SharedConfiguration | undefined>;
  /**
   * Makes a new revision and answers it; what changes nothing leaves no trace. A removal answers the revision that was the
   * last, `undefined` where there was none.
   */
  change(change: ConfigurationChange): Promise<SharedConfiguration | undefined>;
}

/** Whether a change would leave a configuration as it is. */
export function isUnchanged(
  current: SharedConfiguration | undefined,
  content: ConfigurationChange["content"],
): current is SharedConfiguration {
  if (current === undefined || content === undefined) return false;
  return current.digest === content.digest && current.isPublic === content.isPublic;
}
