import type { RequestListener, Server } from "node:http";

/** How long requests wait at most, in milliseconds, while connections are taken. */
const HOLD_MS = 20;

/**
 * A listener that answers no request while connections wait to be taken. Node takes one connection in each turn of its loop,
 * and a turn lasts until every request that has come is answered: with many busy connections, new ones would wait for
 * seconds. Requests that come in a turn that took a connection wait for the first turn that takes none, and for no longer
 * than `holdMs`.
 */
export function acceptFirst(
  server: Pick<Server, "on">,
  listener: RequestListener,
  { holdMs = HOLD_MS }: { readonly holdMs?: number } = {},
): RequestListener {
  let waiting: Parameters<RequestListener>[] = [];
  let taken = 0;
  let since: number | undefined;

  const answerWaiting = (): void => {
    since = undefined;
    const due = waiting;
    waiting = [];
    // Whoever went away meanwhile waits for no answer.
    for (const [incoming, outgoing] of due) if (!outgoing.destroyed) listener(incoming, outgoing);
  };
  const look = (before: number): void => {
    if (taken === before || performance.now() - since! >= holdMs) answerWaiting();
    else setImmediate(look, taken);
  };
  server.on("connection", () => {
    taken += 1;
    if (since !== undefined) return;
    since = performance.now();
    setImmediate(look, taken - 1);
  });
  return (incoming, outgoing) => {
    if (since === undefined) listener(incoming, outgoing);
    else waiting.push([incoming, outgoing]);
  };
}
