import {
  canonicalName,
  parseDigest,
  parsePackageName,
  type CanonicalName,
  type Digest,
  type Version,
} from "@lading/core-manifest";
import { encodeLogEvent, type LogEvent, type LoggedArtifact } from "@lading/signing/log";
import type { AuditHead } from "../governance/audit-trail.ts";
import { timestamp } from "../index-model.ts";
import { TEAM_PREFIX, groupOf, type Team } from "../organisations/organisation.ts";
import type { Publication, StatusChange } from "../ports.ts";
import type { ArtifactRecord, AuditEntry, KeyStatementRecord } from "../records.ts";

const SIGNERS_MAX = 16;

/** What an entry of the registry's own policy names. */
export const ALL_PACKAGES = "**";

function common({ at, actor }: Pick<AuditEntry, "at" | "actor">): { readonly time: string; readonly actor?: string } {
  // What the server does by itself has no actor.
  return { time: timestamp(at), ...(actor === "system" || actor === "" ? {} : { actor }) };
}

function logged({ target, blob, tree, statement, signers }: ArtifactRecord): LoggedArtifact {
  const known = [...new Set(signers)].filter((signer) => /^ed25519:[0-9a-f]{64}$/.test(signer)).sort();
  return {
    target,
    blob,
    tree,
    ...(statement === undefined ? {} : { envelope: statement }),
    ...(known.length === 0 ? {} : { signers: known.slice(0, SIGNERS_MAX) }),
  };
}

/** The entry of a published artefact, under the package's canonical name. */
export function publishEntry(
  publication: Pick<Publication, "canonical" | "version" | "kind" | "artifact"> & {
    readonly audit: Pick<AuditEntry, "at" | "actor">;
  },
): Uint8Array {
  const { canonical, version, kind, artifact, audit } = publication;
  return encodeLogEvent({
    ...common(audit),
    type: "publish",
    name: canonical,
    version,
    kind,
    artifacts: [logged(artifact)],
  });
}

/** The entry of a yank, a deprecation, or the end of one. */
export function statusEntry(
  change: Pick<StatusChange, "canonical" | "version" | "status" | "reason"> & {
    readonly audit: Pick<AuditEntry, "at" | "actor">;
  },
): Uint8Array {
  const { canonical, version, status, reason, audit } = change;
  const event: LogEvent = { ...common(audit), type: "status", name: canonical, version, status };
  return encodeLogEvent(reason === undefined || reason === "" ? event : { ...event, reason });
}

/** The entry of a change of owners. */
export function ownerEntry(
  change: "add" | "remove",
  name: CanonicalName,
  account: string,
  audit: Pick<AuditEntry, "at" | "actor">,
): Uint8Array {
  return encodeLogEvent({ ...common(audit), type: "owner", name, change, account });
}

/** The entry of a change of owners that is about a team, which stands as `team:o/t` where accounts stand. */
export function teamOwnerEntry(
  change: "add" | "remove",
  name: CanonicalName,
  team: Pick<Team, "organisation" | "name">,
  audit: Pick<AuditEntry, "at" | "actor">,
): Uint8Array {
  return ownerEntry(change, name, `${TEAM_PREFIX}${groupOf(team)}`, audit);
}

/** The entry of a publisher's key that was registered or removed. */
export function keyEntry(change: "add" | "revoke", key: string, audit: AuditEntry): Uint8Array {
  const { account } = audit.details;
  const whose = typeof account === "string" ? account : audit.actor;
  return encodeLogEvent({ ...common(audit), type: "key", change, account: whose, key });
}

const CHANGES = { rotation: "rotate", recovery: "recover", revocation: "revoke" } as const;

/** The entry of a signed statement about a key. */
export function keyStatementEntry(
  record: Omit<KeyStatementRecord, "leaf">,
  audit: Pick<AuditEntry, "at" | "actor">,
): Uint8Array {
  const { kind, account, key, previous, statement, effective } = record;
  return encodeLogEvent({
    ...common(audit),
    type: "key",
    change: CHANGES[kind],
    account,
    key,
    ...(previous === undefined ? {} : { previous }),
    statement,
    ...(effective === undefined ? {} : { effective: timestamp(effective) }),
  });
}

/** The entry of a channel that names a version from now on, or none. */
export function channelEntry(
  { channel, version }: { readonly channel: string; readonly version?: Version },
  name: CanonicalName,
  audit: Pick<AuditEntry, "at" | "actor">,
): Uint8Array {
  const named = version === undefined ? {} : { version };
  return encodeLogEvent({ ...common(audit), type: "channel", name, channel, ...named });
}

/** The entry of what is demanded from now on: of all packages, or of those that a pattern names. */
export function policyEntry(
  policy: Digest,
  audit: Pick<AuditEntry, "at" | "actor">,
  names: string = ALL_PACKAGES,
): Uint8Array {
  return encodeLogEvent({ ...common(audit), type: "policy", names, policy });
}

/** The entry of a configuration that an organisation shares from now on, or without a digest no more. */
export function configurationEntry(
  named: { readonly organisation: string; readonly configuration: string; readonly revision: number },
  digest: Digest | undefined,
  audit: Pick<AuditEntry, "at" | "actor">,
): Uint8Array {
  const said = digest === undefined ? {} : { digest };
  return encodeLogEvent({ ...common(audit), type: "configuration", ...named, ...said });
}

/** The entry that states how far the audit trail went. */
export function auditHeadEntry({ record, hash }: AuditHead, at: number): Uint8Array {
  return encodeLogEvent({ time: timestamp(at), type: "audit", record, head: parseDigest(`sha256:${hash}`) });
}

/** The canonical name that an entry of the database has. */
export function entryName(canonical: string): CanonicalName {
  return canonicalName(parsePackageName(canonical));
}
