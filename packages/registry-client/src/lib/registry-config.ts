import type { Digest } from "@lading/core-manifest";

/** How a registry wants to be told who is there. */
export type AuthType = "token" | "basic" | "none";

/** One `[registries.NAME]` table of `registries.toml` (`docs/spec/client-configuration.md`). */
export interface RegistryConfig {
  readonly name: string;
  /** Canonical, see `canonicalRegistryUrl`. */
  readonly url: string;
  readonly authType: AuthType;
  readonly verifySignatures: boolean;
  /** Whether plain `http:` to another machine is acceptable. */
  readonly allowInsecure: boolean;
  /** A registry that is silent for this long has failed. */
  readonly timeoutMs: number;
  /** Attempts after the first. */
  readonly maxRetries: number;
  /** Public keys that may sign this registry's packages: PEM text or `ed25519:` fingerprints. */
  readonly publicKeys: readonly string[];
  /** Accounts whose packages are accepted; empty: all. */
  readonly trustedPublishers: readonly string[];
  /**
   * Further addresses that statements of its packages may name: its own other names, and those of registries that it
   * mirrors.
   */
  readonly aliases: readonly string[];
  /** Digest of a root of its signed metadata, by which it is trusted; absent: by first use. */
  readonly root?: Digest;
  /** For how long the registry's signatures may have run out, milliseconds; absent: not at all. */
  readonly staleMs?: number;
  /** Keys of witnesses (`<name>+<hash>+<key>`, C2SP cosignature/v1) that must have seen the registry's log. */
  readonly witnesses: readonly string[];
  /** How many of them must have cosigned; absent: all. */
  readonly witnessThreshold?: number;
  /** PEM file of certificate authorities beside the system's. */
  readonly caFile?: string;
  /** URL of a proxy, in place of HTTPS_PROXY and HTTP_PROXY. */
  readonly proxy?: string;
}

/** A whole `registries.toml`. */
export interface RegistriesFile {
  /** Name of the registry that answers where a dependency names none. */
  readonly defaultRegistry: string;
  /** Registries asked, in order, for a name that the default registry does not have. Default: none. */
  readonly fallback: readonly string[];
  readonly registries: readonly RegistryConfig[];
}
