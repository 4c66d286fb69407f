import { StaticRegistryError } from "./static-error.ts";
import type { RegistryStore, StoreSession } from "./store.ts";

const ATTEMPTS = 10;

/**
 * Works on a place in sessions of its own, again from the beginning where another writer was first.
 * @param attempt resolves with `conflict` where what it read is no longer what is there; `conflicts` were before it
 * @param place what the place is, in the message of a failure
 * @throws {StaticRegistryError} `STATIC_REGISTRY_BUSY` where others were first each time
 */
export async function retried<T>(
  { store, signal }: { readonly store: RegistryStore; readonly signal?: AbortSignal | undefined },
  attempt: (session: StoreSession, conflicts: number) => Promise<T | "conflict">,
  place = "registry at",
): Promise<T> {
  for (let conflicts = 0; conflicts < ATTEMPTS; conflicts++) {
    signal?.throwIfAborted();
    const session = await store.open({ signal });
    try {
      const result = await attempt(session, conflicts);
      if (result !== "conflict") return result;
    } finally {
      await session.close();
    }
  }
  throw new StaticRegistryError({
    code: "STATIC_REGISTRY_BUSY",
    message: `Cannot change the ${place} "${store.location}": other writers were first ${ATTEMPTS} times`,
    place: store.location,
  });
}
