import type { Fetch } from "./ports.ts";

/** The runtime's own `fetch`, looked up at each call so that it may be replaced. */
export const globalFetch: Fetch = (url, init) => {
  const { purpose: _, ...rest } = init;
  // `duplex` is required for a streamed body (Fetch standard) and missing from the DOM-free types.
  return globalThis.fetch(url, { ...rest, duplex: "half" } as unknown as RequestInit);
};
