/** How often the buffers are looked at: a look takes microseconds, and the fastest streams read 4 MB meanwhile. */
const LOOK_EVERY_MS = 10;
/** Bytes of buffers beyond those that are in use before they are collected. */
const GARBAGE_BYTES = 8 * 2 ** 20;

type Collect = (options: { readonly type: "minor" }) => void;

/**
 * Keeps the used-up buffers of streams few while large files are packed, read and sent. V8 counts a buffer as a small
 * object whatever it holds, and would let 32 MiB and more of them pile up; to collect the young generation takes a
 * millisecond. Does not keep the process alive. Returns what ends it.
 */
export function boundBufferMemory(): () => void {
  let allowed = GARBAGE_BYTES;
  let collect: Collect | undefined;
  const timer = setInterval(() => {
    const { arrayBuffers } = process.memoryUsage();
    // V8 frees what it has collected a little later, so what is in use shows at a later look.
    allowed = Math.min(allowed, arrayBuffers + GARBAGE_BYTES);
    if (arrayBuffers < allowed) return;
    collect ??= youngCollector();
    collect({ type: "minor" });
    // What stays is in use, and collecting it again gives nothing.
    allowed = process.memoryUsage().arrayBuffers + GARBAGE_BYTES;
  }, LOOK_EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}

/** V8's own collector, which Node gives to new contexts once the flag is set; nothing where a runtime has none. */
function youngCollector(): Collect {
  process.getBuiltinModule("node:v8").setFlagsFromString("--expose-gc");
  const collect: unknown = process.getBuiltinModule("node:vm").runInNewContext("globalThis.gc");
  return typeof collect === "function" ? (collect as Collect) : () => {};
}
