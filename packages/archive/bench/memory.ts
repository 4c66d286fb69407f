// Packs, checks and unpacks one large package and prints how far the process's memory grows in each step.
// Run: node -C @lading/source packages/archive/bench/memory.ts [MEGABYTES] [CODEC...]
import { createHash } from "node:crypto";
import { mkdtempSync, openSync, closeSync, mkdirSync, rmSync, statSync, writeFileSync, writeSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { DecodeBudget, inspectPackage, packDirectory, unpackPackage } from "@lading/archive/node";
import { sampleRecord } from "@lading/archive/testing";
import type { ArchiveCodec } from "@lading/archive";

const [megabytes = "1024", ...codecs] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), "lading-memory-"));
const directory = join(folder, "tree");
const MiB = 2 ** 20;

/** Half noise, half text: files of 64 MiB, so that codecs have something to do. */
function makeTree(bytes: number): void {
  mkdirSync(directory);
  writeFileSync(join(directory, "lading.toml"), "[package]\n");
  const noise = Buffer.alloc(MiB / 2);
  const text = Buffer.alloc(MiB / 2);
  for (let file = 0; file * 64 * MiB < bytes; file += 1) {
    const fd = openSync(join(directory, `part-${String(file).padStart(3, "0")}.bin`), "w");
    for (let part = 0; part < 64; part += 1) {
      for (let at = 0; at < noise.length; at += 64)
        createHash("sha512").update(`${file}/${part}/${at}`).digest().copy(noise, at);
      for (let at = 0; at < text.length; at += 32) text.write(`line ${file} ${part} ${at}`.padEnd(31, ".") + "\n", at);
      writeSync(fd, noise);
      writeSync(fd, text);
    }
    closeSync(fd);
  }
}

async function measured<T>(what: string, run: () => Promise<T>): Promise<T> {
  (globalThis as { gc?: () => void }).gc?.();
  const before = process.memoryUsage.rss();
  let peak = before;
  const timer = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 20);
  const start = performance.now();
  const result = await run();
  clearInterval(timer);
  peak = Math.max(peak, process.memoryUsage.rss());
  const seconds = (performance.now() - start) / 1000;
  console.log(
    `${what.padEnd(16)} ${seconds.toFixed(1).padStart(6)} s   RSS +${((peak - before) / MiB).toFixed(0)} MiB (peak ${(peak / MiB).toFixed(0)})`,
  );
  return result;
}

console.log(`node ${process.version}, ${cpus().length} x ${cpus()[0]?.model}, ${megabytes} MiB`);
try {
  makeTree(Number(megabytes) * MiB);
  for (const codec of (codecs.length > 0 ? codecs : ["zstd"]) as ArchiveCodec[]) {
    const output = join(folder, `package.${codec}`);
    const packed = await measured(`pack ${codec}`, () =>
      packDirectory({ directory, record: sampleRecord(), output, codec }),
    );
    console.log(`${"".padEnd(16)} ${(statSync(output).size / MiB).toFixed(0)} MiB stored`);
    await measured(`inspect ${codec}`, () =>
      inspectPackage(output, { expect: packed, decodeBudget: new DecodeBudget(256 * MiB) }),
    );
    await measured(`unpack ${codec}`, () =>
      unpackPackage({ source: output, destination: join(folder, `out-${codec}`), expect: packed }),
    );
    rmSync(join(folder, `out-${codec}`), { recursive: true });
    rmSync(output);
  }
} finally {
  rmSync(folder, { recursive: true });
}
