import type { CallOptions } from "../client-types.ts";

interface Group<Key, Value> {
  readonly options: CallOptions;
  readonly keys: Key[];
  readonly answers: Promise<readonly Value[]>;
}

/**
 * Collects what is asked for at one moment, and asks for it together. What belongs to calls that are aborted apart stays
 * apart.
 * @param load answers in the order asked for
 */
export function gathered<Key, Value>(
  load: (keys: readonly Key[], options: CallOptions) => Promise<readonly Value[]>,
): (key: Key, options?: CallOptions) => Promise<Value> {
  const groups = new Map<AbortSignal | undefined, Group<Key, Value>>();
  const begin = (options: CallOptions): Group<Key, Value> => {
    const keys: Key[] = [];
    const answers = new Promise((resolve) => setImmediate(resolve)).then(() => {
      groups.delete(options.signal);
      return load(keys, options);
    });
    const group = { options, keys, answers };
    groups.set(options.signal, group);
    return group;
  };
  return async (key, options = {}) => {
    const { keys, answers } = groups.get(options.signal) ?? begin(options);
    const place = keys.push(key) - 1;
    return (await untilAborted(answers, options.signal))[place]!;
  };
}

/** What is shared goes on for others; whoever gives up no longer waits for it. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    void work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
