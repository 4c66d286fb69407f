import type { EventListener } from "@lading/core-manifest";
import type { CallOptions } from "../client-types.ts";
import type { Clock, RegistryDescription, Transport } from "../ports.ts";
import type { RegistryConfig } from "../registry-config.ts";

/** What walking a registry's trust needs of a session. */
export interface TrustPorts {
  readonly registry: RegistryConfig;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly offline: boolean;
  readonly onEvent: EventListener;
  retrying<T>(options: CallOptions, attempt: () => Promise<T>): Promise<T>;
  describe(options: CallOptions): Promise<RegistryDescription>;
  /** As `describe`, and the registry is asked even where the cache has an answer. */
  describeAgain(options: CallOptions): Promise<RegistryDescription>;
  /** @throws {RegistryClientError} `REGISTRY_OFFLINE` */
  requireOnline(action: string, missing: string): void;
}
