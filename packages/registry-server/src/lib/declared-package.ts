import type { Digest } from "@lading/core-manifest";

/** What the uploader says that the package part holds. */
export interface DeclaredPackage {
  readonly blob: Digest;
  readonly size: number;
  readonly tree?: Digest;
  /** Channel that is to name the version, in place of `latest`. */
  readonly channel?: string;
  /** Address of the registry that it is promoted from, for the audit trail. */
  readonly origin?: string;
}
