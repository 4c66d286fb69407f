import type { CanonicalName, PackageKind, PackageName, PublishedManifest, Version } from "@lading/core-manifest";
import type { QuotaCheck } from "./quotas/quota.ts";
import type { Account, ArtifactRecord, AuditEntry, VersionRecord } from "./records.ts";

/** A version to publish; see `MetadataStore.publish`. */
export interface Publication {
  readonly name: PackageName;
  readonly canonical: CanonicalName;
  /** Form under which look-alike names are equal. */
  readonly skeleton: string;
  readonly version: Version;
  readonly kind: PackageKind;
  readonly manifest: PublishedManifest;
  readonly artifact: ArtifactRecord;
  readonly account: Account;
  /** Channel that names the version from now on, in place of `latest`. */
  readonly channel?: string;
  /** The account may publish to packages it does not own. */
  readonly override: boolean;
  /** Limits that hold for it when it is made, or begins to wait; they are not kept with what waits. */
  readonly quotas?: readonly QuotaCheck[];
  readonly audit: AuditEntry;
}

/** How `MetadataStore.publish` ended. `first` is what the registry holds. */
export type PublishOutcome =
  | { readonly status: "created" | "same"; readonly sequence: number; readonly version: VersionRecord }
  | { readonly status: "conflict"; readonly reason: "bytes" | "kind" | "manifest"; readonly version: VersionRecord }
  | { readonly status: "not-owner" };
