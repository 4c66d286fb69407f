/** What this process has done with packages since it began. */
export interface PackageMetrics {
  /** Packages in the content stores that were opened: at this moment while one is open, at its closing afterwards. */
  cachedPackages(): number;
  /** HTTP requests to registries and for remote files of theirs, answered or not. */
  registryRequests(): number;
  /** Share of look-ups of index documents that the cache answered, 0 to 1; 0 where nothing was looked up. */
  cacheHitRate(): number;
}

interface Counters {
  requests: number;
  lookups: number;
  hits: number;
}

const counters: Counters = { requests: 0, lookups: 0, hits: 0 };
/** Directory of a store -> packages in it, counted now or when it was closed. */
const stores = new Map<string, () => number>();

const metrics: PackageMetrics = {
  cachedPackages: () => [...stores.values()].reduce((sum, count) => sum + count(), 0),
  registryRequests: () => counters.requests,
  cacheHitRate: () => (counters.lookups === 0 ? 0 : counters.hits / counters.lookups),
};

/** The one object of this process. */
export function packageMetrics(): PackageMetrics {
  return metrics;
}

/** A share as a percentage with two decimals: `87.50%`. */
export function formatRate(rate: number): string {
  return `${(rate * 100).toFixed(2)}%`;
}

export function countRequest(): void {
  counters.requests += 1;
}

export function countLookup(hit: boolean): void {
  counters.lookups += 1;
  if (hit) counters.hits += 1;
}

/** Counts a store's packages while it is open. @returns to be called before it is closed. */
export function watchStore(directory: string, count: () => number): () => void {
  stores.set(directory, count);
  return () => {
    const last = count();
    stores.set(directory, () => last);
  };
}
