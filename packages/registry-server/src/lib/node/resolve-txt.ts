import { Resolver } from "node:dns/promises";
import type { TxtResolver } from "../organisations/namespace-claim.ts";

const ABSENT = new Set(["ENOTFOUND", "ENODATA"]);
const TIMEOUT_MS = 3000;

/** Asks these name servers (`address` or `address:port`), those of the machine where there are none. */
export function createTxtResolver(servers: readonly string[]): TxtResolver {
  return async (name) => {
    const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: 2 });
    if (servers.length > 0) resolver.setServers(servers);
    try {
      // A record comes in pieces of 255 bytes that are one text (RFC 7208 §3.3 says so of those that people know).
      return (await resolver.resolveTxt(name)).map((pieces) => pieces.join(""));
    } catch (error) {
      if (ABSENT.has((error as NodeJS.ErrnoException).code ?? "")) return [];
      throw error;
    }
  };
}
