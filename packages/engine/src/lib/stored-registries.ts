import type { RegistryClient } from "@lading/registry-client";
import { plainRegistry, readRegistries } from "./configured-registries.ts";
import { createContext } from "./context.ts";
import type { EngineContext } from "./engine-context.ts";
import { openClients } from "./registries.ts";

/** Clients of registries that what is installed came from. */
export interface KnownRegistries {
  readonly clients: readonly RegistryClient[];
  close(): Promise<void>;
}

/**
 * What is stored of registries, by their addresses: as they are configured where they are, else by the address alone, which
 * a lock names as well. Works offline only, so that nobody is asked, and told a token, because a lock names him.
 */
export async function openStored(context: EngineContext, urls: Iterable<string>): Promise<KnownRegistries> {
  const { profile, cwd, env, signal, home, now } = context;
  const fetch = context.fetch === undefined ? {} : { fetch: context.fetch };
  const own = createContext({ profile, cwd, env, signal, home, now, offline: true, ...fetch });
  const { registries } = await readRegistries(own);
  const wanted = await Promise.all(
    [...new Set(urls)].map(
      async (url) => registries.find((one) => one.url === url) ?? (await plainRegistry(own, new URL(url).host, url)),
    ),
  );
  const opened = await openClients(own, wanted, "");
  return {
    clients: opened.clients,
    async close() {
      await opened.close();
      await own.close();
    },
  };
}
