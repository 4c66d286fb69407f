import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";

const PROBE_MS = 1000;
const BLOCK = Buffer.alloc(4096);

/** Pairs of small writes a second, each made durable, of this disk now: what a durable publication cannot do without. */
export function syncPairs(directory: string): number {
  const path = join(directory, "probe");
  const file = openSync(path, "w");
  const started = performance.now();
  let pairs = 0;
  for (; performance.now() - started < PROBE_MS; pairs += 1) {
    for (let time = 0; time < 2; time += 1) {
      writeSync(file, BLOCK, 0, BLOCK.length, pairs * BLOCK.length);
      fdatasyncSync(file);
    }
  }
  const seconds = (performance.now() - started) / 1000;
  closeSync(file);
  rmSync(path);
  return pairs / seconds;
}
