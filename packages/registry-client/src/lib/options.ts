import type { EventListener } from "@lading/core-manifest";
import type { Clock, CredentialStore, Fetch, MetadataCache, Transport } from "./ports.ts";
import type { RegistryConfig } from "./registry-config.ts";
import type { TrustStore } from "./trust/trust-store.ts";

export interface CreateRegistryClientOptions {
  readonly registry: RegistryConfig;
  /** Default: nothing outlives the client. */
  readonly cache?: MetadataCache | undefined;
  /** Default: no credentials. */
  readonly credentials?: CredentialStore | undefined;
  /** Default: `httpTransport` over `fetch`. */
  readonly transport?: Transport | undefined;
  /** Default: the global `fetch`. `createNodeFetch` of the node entry adds pools, proxies and private CAs. */
  readonly fetch?: Fetch | undefined;
  /** Default: the system's. */
  readonly clock?: Clock | undefined;
  /** Whether to work from the cache alone: no socket is opened. Default: false. */
  readonly offline?: boolean | undefined;
  /** Where is kept what each registry is trusted by. Default: nothing outlives the client. */
  readonly trust?: TrustStore | undefined;
  /** How old the state of a registry's signed metadata may be that is worked from offline, milliseconds. Default: 30 days. */
  readonly offlineMaxAgeMs?: number | undefined;
  readonly onEvent?: EventListener | undefined;
  /** Sent as `user-agent`: `gal-pkg/1.2.0`. Default: `lading`. */
  readonly userAgent?: string | undefined;
}
