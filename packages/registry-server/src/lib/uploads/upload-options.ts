/** How uploads in parts go; see `RegistrySettings.uploads`. */
export interface UploadOptions {
  /** Size from which on a package is better sent in parts, in bytes. */
  readonly fromBytes: number;
  /** How many bytes a request should carry at most. */
  readonly partBytes: number;
  /** How long an upload waits for its next bytes, in milliseconds. */
  readonly leaseMs: number;
}

/** {@link UploadOptions} of a registry that is not told others. */
export const DEFAULT_UPLOADS: UploadOptions = {
  fromBytes: 32 * 2 ** 20,
  partBytes: 8 * 2 ** 20,
  leaseMs: 24 * 60 * 60 * 1000,
};
