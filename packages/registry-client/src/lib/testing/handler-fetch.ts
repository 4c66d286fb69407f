import type { Fetch } from "../ports.ts";

/** Makes a {@link Fetch} of a server's `(Request) => Response` handler: the whole client against it, without a socket. */
export function fetchFromHandler(handler: (request: Request) => Promise<Response> | Response): Fetch {
  return async (url, init) => {
    const { purpose: _, ...rest } = init;
    init.signal.throwIfAborted();
    const request = new Request(url, { ...rest, duplex: "half" } as unknown as RequestInit);
    const response = await handler(request);
    init.signal.throwIfAborted();
    return response;
  };
}
