/** What the socket knows of a request and the request itself does not. */
export interface Connection {
  /** The peer's IP address. */
  readonly remoteAddress?: string;
  /** Whether the bytes between peer and server are encrypted. */
  readonly secure?: boolean;
}

/** Whether an IP address is this machine's own. */
export function isLoopback(address: string): boolean {
  const plain = address.startsWith("::ffff:") ? address.slice(7) : address;
  return plain === "::1" || plain === "localhost" || /^127(?:\.\d{1,3}){3}$/.test(plain);
}

/**
 * Whether a password may travel over this connection: encrypted, or within this machine. Without a
 * connection (embedded use) the request's own URL decides.
 */
export function isConfidential(request: { readonly url: string }, connection: Connection): boolean {
  if (connection.secure === true) return true;
  if (connection.remoteAddress !== undefined) return isLoopback(connection.remoteAddress);
  const url = new URL(request.url);
  return url.protocol === "https:" || isLoopback(url.hostname.replaceAll(/[[\]]/g, ""));
}

/** What a reverse proxy adds to a request. */
export interface ForwardedHeaders {
  readonly "x-forwarded-for"?: string | undefined;
  readonly "x-forwarded-proto"?: string | undefined;
}

/**
 * The connection between the client and a trusted reverse proxy, where the proxy tells of one. The last address
 * counts: those before it are what the client claims.
 */
export function behindProxy(connection: Connection, headers: ForwardedHeaders): Connection {
  const address = headers["x-forwarded-for"]?.split(",").at(-1)?.trim();
  const protocol = headers["x-forwarded-proto"]?.split(",").at(-1)?.trim().toLowerCase();
  return {
    ...connection,
    ...(address === undefined || address === "" ? {} : { remoteAddress: address }),
    ...(protocol === undefined ? {} : { secure: protocol === "https" }),
  };
}
