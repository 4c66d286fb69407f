import { homedir } from "node:os";
import { ignoreEvents } from "@lading/core-manifest";
import type { InputContent } from "@lading/installer/state";
import { resolveDirectories, storeDirectory } from "./directories.ts";
import type { ContextInput, EngineContext } from "./engine-context.ts";
import { watchStore } from "./package-metrics.ts";
import { loadSettings } from "./settings.ts";

/** Makes a context. Nothing is read or opened before an operation needs it. */
export function createContext(input: ContextInput): EngineContext {
  const env = input.env ?? process.env;
  const home = input.home ?? env["HOME"] ?? homedir();
  const directories = resolveDirectories(input.profile, env, home);
  let project: { table: Readonly<Record<string, unknown>>; file: string } | undefined;
  let { fetch } = input;
  let settle: (() => void) | undefined;
  let registriesRead: InputContent | undefined;
  const layers = () => ({ profile: input.profile, configDirectory: directories.config, env, home, project });
  const local = once(() => loadSettings(layers()));
  const settings = once(async () => {
    const own = await local.get();
    if (own.string("team.config") === undefined) return own;
    const { teamConfiguration } = await import("./team-configuration.ts");
    return loadSettings({ ...layers(), team: await teamConfiguration(context) });
  });
  const context: EngineContext = {
    profile: input.profile,
    cwd: input.cwd,
    home,
    env,
    onEvent: input.onEvent ?? ignoreEvents,
    signal: input.signal ?? new AbortController().signal,
    offline: input.offline ?? false,
    registry: input.registry,
    environment: input.environment,
    pinnedHosts: new Map(),
    lockAddresses: new Set(),
    get fetch() {
      return fetch;
    },
    useFetch(other) {
      fetch = other;
    },
    closing: [],
    directories,
    now: input.now ?? Date.now,
    settings: settings.get,
    localSettings: local.get,
    useProjectSettings(table, file) {
      if (!local.opened()) project = { table, file };
    },
    registries: async () => registries.get(),
    registriesRead: () => registriesRead,
    manifestsSeen: new Map(),
    store: async () => store.get(),
    async close() {
      if (store.opened()) {
        const opened = await store.get();
        settle?.();
        opened.close();
      }
      if (registries.opened()) await (await registries.get()).close();
      for (const close of context.closing) await close();
    },
  };
  const registries = once(async () => {
    const { registriesPath } = await import("./configured-registries.ts");
    const { openRegistries } = await import("./registries.ts");
    const { readContent } = await import("@lading/installer/state");
    registriesRead = readContent(registriesPath(context));
    return openRegistries(context);
  });
  const store = once(async () => {
    const { openStore } = await import("@lading/installer");
    const opened = openStore(storeDirectory(context));
    settle = watchStore(opened.directory, () => opened.size().packages);
    return opened;
  });
  return context;
}

function once<Value>(make: () => Promise<Value>): { get: () => Promise<Value>; opened: () => boolean } {
  let value: Promise<Value> | undefined;
  return { get: () => (value ??= make()), opened: () => value !== undefined };
}
