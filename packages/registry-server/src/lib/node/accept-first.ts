import type { RequestListener, Server } from "node:http";

/** Connections that are taken, at most, before requests that wait are answered: some 80 milliseconds of work. */
const MOST = 1024;

/** A listener that may have requests wait. */
export interface AcceptFirst {
  readonly listener: RequestListener;
  /** Has those that wait answered now, before whatever comes next. */
  readonly answerWaiting: () => void;
}

/**
 * A listener that answers no request while connections wait to be taken. Node takes one connection in each turn of its loop,
 * and a turn lasts until every request that has come is answered: with many busy connections, new ones would wait for
 * seconds. Requests that come in a turn that took a connection wait for the first turn that takes none, and for no more than
 * `most` connections.
 */
export function acceptFirst(
  server: Pick<Server, "on">,
  listener: RequestListener,
  { most = MOST }: { readonly most?: number } = {},
): AcceptFirst {
  let waiting: Parameters<RequestListener>[] = [];
  // Connections that were taken since requests wait; none wait while it is 0.
  let taken = 0;

  const answerWaiting = (): void => {
    taken = 0;
    const due = waiting;
    waiting = [];
    // Whoever went away meanwhile waits for no answer.
    for (const [incoming, outgoing] of due) if (!outgoing.destroyed) listener(incoming, outgoing);
  };
  const look = (before: number): void => {
    if (taken === before || taken >= most) answerWaiting();
    else setImmediate(look, taken);
  };
  server.on("connection", () => {
    taken += 1;
    if (taken === 1) setImmediate(look, 0);
  });
  return {
    listener: (incoming, outgoing) => {
      if (taken === 0) listener(incoming, outgoing);
      else waiting.push([incoming, outgoing]);
    },
    answerWaiting,
  };
}
