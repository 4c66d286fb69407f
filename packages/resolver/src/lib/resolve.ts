import type { EventListener } from "@lading/core-manifest";
import { ResolverError } from "./resolver-error.ts";
import type { DependencyProvider, Resolution, ResolveInput, Resolver } from "./types.ts";

/** What surrounds a resolution. */
export interface ResolveOptions {
  /** Aborts between two steps and is handed to the provider's `load`. */
  readonly signal?: AbortSignal;
  /** Receives `resolving` with the number of packages known and of loads so far. */
  readonly onEvent?: EventListener;
}

/**
 * Starts a resolution without IO.
 * @throws {ResolverError} `RESOLVE_INPUT_INVALID`
 */
export function createResolver(input: ResolveInput, provider: DependencyProvider): Resolver {
  throw new ResolverError({ code: "RESOLVE_INTERNAL", message: `Cannot resolve ${input.roots.length} roots`, provider });
}

/** Resolves: finds a set of versions that satisfies everything, or a proof that there is none. */
export async function resolve(input: ResolveInput, provider: DependencyProvider, options: ResolveOptions = {}): Promise<Resolution> {
  const resolver = createResolver(input, provider);
  for (;;) {
    options.signal?.throwIfAborted();
    const step = resolver.step();
    if (step.status === "done") return step.resolution;
    await provider.load(step.packages, { speculative: step.speculative, ...(options.signal && { signal: options.signal }) });
  }
}
