/** Runs at most `limit` tasks at a time; the others wait their turn, first come first served. */
export function createLimiter(limit: number): <T>(task: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (task) => {
    if (running >= limit) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      return await task();
    } finally {
      // The place passes to the next in line without becoming free between.
      const next = waiting.shift();
      if (next === undefined) running--;
      else next();
    }
  };
}
