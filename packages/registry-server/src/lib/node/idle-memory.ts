import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

type Collect = (options: {
  readonly type: "major";
  readonly execution: "sync";
  readonly flavor: "last-resort";
}) => void;

/** When a process counts as idle, and as worth cleaning up after. */
export interface IdleMemoryOptions {
  /** Milliseconds between looks. */
  readonly intervalMs: number;
  /** Share of one processor, 0 to 1, below which a process is idle. */
  readonly idleShare: number;
  /** Milliseconds of processor time after which there is garbage worth a collection. */
  readonly busyMs: number;
}

const DEFAULTS: IdleMemoryOptions = { intervalMs: 2000, idleShare: 0.02, busyMs: 300 };

function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

// Node has no other way to the collector that also gives back the young generation's pages, which V8 keeps at the size
// that its busiest moment needed (a start alone leaves 32 MB of them).
function collector(): Collect {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as Collect;
  setFlagsFromString("--no-expose-gc");
  return collect;
}

/**
 * Gives the process's unused memory back to the system each time it falls idle after work, its start included. Measures
 * processor time, so nothing is counted while requests are answered, and keeps no process alive.
 * @returns ends it
 */
export function releaseMemoryWhenIdle(options: Partial<IdleMemoryOptions> = {}): () => void {
  const { intervalMs, idleShare, busyMs } = { ...DEFAULTS, ...options };
  let collect: Collect | undefined;
  let released = 0;
  let seen = processorMs();
  const timer = setInterval(() => {
    const now = processorMs();
    const isIdle = now - seen < intervalMs * idleShare;
    seen = now;
    if (!isIdle || now - released < busyMs) return;
    collect ??= collector();
    collect({ type: "major", execution: "sync", flavor: "last-resort" });
    seen = processorMs();
    released = seen;
  }, intervalMs);
  timer.unref();
  return () => clearInterval(timer);
}
