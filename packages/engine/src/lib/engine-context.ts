import { parseSize, type EcosystemProfile, type EventListener } from "@lading/core-manifest";
import type { Store } from "@lading/installer";
import type { InputContent } from "@lading/installer/state";
import type { Fetch, RegistrySet } from "@lading/registry-client";
import type { Directories } from "./directories.ts";
import type { Settings } from "./settings.ts";

export { storeDirectory } from "./directories.ts";

/** Input of an operation that needs none; an object, so that every operation is called alike. */
export type NoInput = Readonly<Record<string, never>>;

/** What surrounds every operation. */
export interface ContextInput {
  readonly profile: EcosystemProfile;
  /** Absolute. Manifests are searched from here upwards. */
  readonly cwd: string;
  /** Default: the process's. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Default: silent. */
  readonly onEvent?: EventListener;
  /** Aborts whatever runs; what was begun is undone or harmless. */
  readonly signal?: AbortSignal;
  /** Open no socket. */
  readonly offline?: boolean;
  /** Name or URL of the registry that stands in for the default one. */
  readonly registry?: string;
  /** Name or path of the named environment to work in, in place of the project around `cwd`. */
  readonly environment?: string;
  /** Default: the user's home directory by `HOME`, else the system's answer. */
  readonly home?: string;
  /** Default: Node's, with pools, proxies and private CAs. Tests give one that calls a handler in this process. */
  readonly fetch?: Fetch;
  /** Milliseconds since the epoch. Default: the system's clock. */
  readonly now?: () => number;
}

/** A context with its lazily opened services. Close it when the last operation is done. */
export interface EngineContext {
  readonly profile: EcosystemProfile;
  readonly cwd: string;
  readonly home: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly onEvent: EventListener;
  readonly signal: AbortSignal;
  readonly offline: boolean;
  readonly registry: string | undefined;
  readonly environment?: string | undefined;
  /** Axis -> version of the named environment that the project is; filled when it is loaded. */
  readonly pinnedHosts: Map<string, string>;
  /** Addresses of the registries that the lock at hand names; filled when it is to be installed or brought up to date. */
  readonly lockAddresses: Set<string>;
  /** Replaces {@link fetch}; must come before {@link registries} are opened. */
  readonly useFetch: (fetch: Fetch) => void;
  /** Run by {@link close}, after everything else. */
  readonly closing: (() => Promise<void>)[];
  readonly fetch: Fetch | undefined;
  readonly directories: Directories;
  readonly now: () => number;
  /** Settings in force; those of the project count once {@link useProjectSettings} was told of them. */
  readonly settings: () => Promise<Settings>;
  /**
   * The same without what a team shares: for what must be known to reach the registry that it is shared at. Nothing of that
   * can be shared.
   */
  readonly localSettings: () => Promise<Settings>;
  /** Tells of the project's own `[config]` table; must come before the first use of settings. */
  readonly useProjectSettings: (table: Readonly<Record<string, unknown>>, file: string) => void;
  readonly registries: () => Promise<RegistrySet>;
  /** What the file of registries held before {@link registries} were opened from it; `undefined` while they are not. */
  readonly registriesRead: () => InputContent | undefined;
  /** Every manifest that was looked for, absolute, with its text, or `undefined` where there was none. */
  readonly manifestsSeen: Map<string, string | undefined>;
  readonly store: () => Promise<Store>;
  readonly close: () => Promise<void>;
}

/** Directory of index documents and downloads. */
export async function cacheDirectory(context: EngineContext): Promise<string> {
  return (await context.localSettings()).string("installer.cache_dir") ?? context.directories.cache;
}

/** Bytes that the store may hold, where a limit is configured. */
export async function storeLimit(context: EngineContext): Promise<number | undefined> {
  const size = (await context.settings()).string("installer.max_cache_size");
  return size === undefined ? undefined : parseSize(size);
}

/** What a step came to; `failed` where it did its work and found that what it looked at is not well. */
export interface StepOutcome {
  readonly message: string;
  readonly failed: boolean;
}

/** Runs one named step between its two events. */
export async function step<Value>(
  context: EngineContext,
  name: string,
  message: string,
  run: () => Promise<Value>,
  done: (value: Value) => string | StepOutcome = () => message,
): Promise<Value> {
  context.signal.throwIfAborted();
  const started = performance.now();
  context.onEvent({ type: "step-started", step: name, message });
  const value = await run();
  const durationMs = Math.round(performance.now() - started);
  const found = done(value);
  const outcome = typeof found === "string" ? { message: found, failed: false } : found;
  context.onEvent({
    type: "step-completed",
    step: name,
    message: outcome.message,
    durationMs,
    ...(outcome.failed ? { failed: true } : {}),
  });
  return value;
}

/** `1 package`, `2 packages`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
