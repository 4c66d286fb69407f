import type { AccessRules } from "./access/access-policy.ts";
import type { PublisherDemand } from "./package-policy.ts";

import type { PurgeHook } from "./deliveries/purge-channel.ts";
import type { OidcOptions } from "./identity/oidc-login.ts";
import type { DirectoryTeam } from "./organisations/groups.ts";
import type { PublicationRule } from "./governance/publication-policy.ts";
import type { RetentionPolicy } from "./retention/retention-policy.ts";
import type { QuotaKind, QuotaLimits } from "./quotas/quota.ts";
import type { UploadOptions } from "./uploads/upload-options.ts";
import type { CiIssuer } from "./identity/trusted-publisher.ts";

/** How a registry behaves; `lading-registry --help` explains each with its default. */
export interface RegistrySettings {
  /** Shown to people. */
  readonly name: string;
  /** Version of the server's release. */
  readonly version: string;
  /** `development` is marked as such to every client. */
  readonly mode: "development" | "production";
  /** Base URL of links, without trailing slash; absent: the origin of each request. */
  readonly publicUrl?: string;
  /** Base URL, without trailing slash, that serves `/blobs/` from a cache of this registry; absent: none. */
  readonly cdnUrl?: string;
  /** Who is told what caches must forget; absent: nobody. */
  readonly cdnPurge?: PurgeHook;
  readonly signatures: "required" | "optional";
  /** Whether people may create their own accounts. */
  readonly registration: "open" | "closed";
  /** Whether index, blobs and package pages are readable without credentials. */
  readonly readPublic: boolean;
  /** `false` lets everybody publish, as the account `anonymous`. */
  readonly writeRequiresAuth: boolean;
  /** Who administers packages, and who may do what with those whose names match; unless given, owners decide. */
  readonly access?: Pick<AccessRules, "adminUsers" | "packages">;
  /** Largest package file, in bytes. */
  readonly packageBytes: number;
  /** How much each account, organisation and package, and all together, may hold; what is absent is not limited. */
  readonly quotas?: Readonly<Partial<Record<QuotaKind, QuotaLimits>>>;
  /** What is removed after a time; absent: nothing. */
  readonly retention?: RetentionPolicy;
  /** How packages that come in parts are taken; what is absent is as in `DEFAULT_UPLOADS`. */
  readonly uploads?: Partial<UploadOptions>;
  /** Signs session tokens; at least 32 bytes. */
  readonly jwtSecret: Uint8Array;
  /** Names that nobody may publish, in canonical form. */
  readonly reservedNames: readonly string[];
  /** Believe `X-Forwarded-For` and `X-Forwarded-Proto` of the peer. */
  readonly trustProxy: boolean;
  /** API requests that one address may make in a minute; 0: no limit. */
  readonly requestsPerMinute: number;
  /** Log-ins and registrations that one address may try in a minute; 0: no limit. */
  readonly loginsPerMinute: number;
  /** Days that the recovery of a lost key waits, in which the old one can object; 7 unless given, 1 to 90. */
  readonly recoveryWaitDays?: number;
  /** What is demanded of the publishers of packages whose names match; all that match hold. */
  readonly publishers?: readonly PublisherDemand[];
  /** What publications must be like, and which of them wait for a reviewer; all that match hold. */
  readonly publicationRules?: readonly PublicationRule[];
  /** Build systems whose identity tokens are exchanged for tokens that publish. */
  readonly ciIssuers: readonly CiIssuer[];
  /** Audience that their tokens must have; the registry's base URL unless given. */
  readonly ciAudience?: string;
  /** The provider that people log in through; absent: none. */
  readonly oidc?: OidcOptions;
  /** Groups of the directory or provider whose members are members of teams. */
  readonly directoryTeams: readonly DirectoryTeam[];
  /** Memory for rendered index documents, in bytes. */
  readonly indexMemoryBytes: number;
}

/** Bytes of UTF-8 text. */
export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
