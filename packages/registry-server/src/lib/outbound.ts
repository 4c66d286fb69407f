/** A request that the server makes of its own. */
export interface OutboundRequest {
  /** `GET` unless given. */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** `follow` goes along up to five times, and every address is judged as the first was; default: `error`. */
  readonly redirect?: "error" | "manual" | "follow";
  /** Ends the request, also while the body of the answer is read. */
  readonly signal?: AbortSignal;
}

/**
 * The one way in which the server asks addresses that others named: webhooks, upstream registries, issuers. Connections go to
 * public addresses, or to hosts that the operator allowed; the address that was judged is the one that is connected to, so
 * that a name which resolves to something else a moment later gains nothing.
 */
export interface Outbound {
  /**
   * Judges an address by its form, and by what its host resolves to now.
   * @throws {RegistryError} `OUTBOUND_REFUSED`, also where the host's name is unknown
   */
  check(url: string): Promise<void>;
  /**
   * Makes a request; the body of the answer comes as it is sent, without its length being limited.
   * @throws {RegistryError} `OUTBOUND_REFUSED`: the address, or one that it redirects to, is none to connect to
   * @throws {Error} what the connection says, where it fails
   */
  fetch(url: string | URL, request?: OutboundRequest): Promise<Response>;
  /** The same, for hosts that the operator named elsewhere in the configuration besides those of the allow-list. */
  allowing(hosts: readonly string[]): Outbound;
}
