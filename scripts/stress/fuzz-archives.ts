/**
 * Fuzzes the archive reader, guided by coverage, and keeps what reached something new:
 *
 *     node -C @lading/source scripts/stress/fuzz-archives.ts [SECONDS] [--seed N] [--keep]
 *
 * Begins with `packages/archive/test/corpus` and `packages/archive/test/fuzz-corpus`; `--keep` writes finds to the latter,
 * which the long tests replay. Coverage is V8's own, block by block with counts in powers of two, so that nothing has to be
 * installed or compiled. Broken is an input upon which anything but an `ArchiveError` is thrown, or a package's tar that is
 * accepted and does not encode to the same bytes again.
 */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { Session, type Profiler } from "node:inspector";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { judge } from "./fuzz-target.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seed: { type: "string", default: "1" }, keep: { type: "boolean", default: false } },
});
const seconds = Number(positionals[0] ?? 60);
const KEPT = new URL("../../packages/archive/test/fuzz-corpus/", import.meta.url).pathname;
const SEEDS = new URL("../../packages/archive/test/corpus/", import.meta.url).pathname;
const INPUT_MAX = 8192;
/** What a mutation may write: numbers and bytes on which formats turn. */
const INTERESTING = [
  0, 1, 0x7f, 0x80, 0xff, 0x20, 0x30, 0x37, 0x2f, 0x2e, 0x5c, 0x78, 0x67, 0x28, 0xb5, 0x1f, 0x8b, 0x50,
];

/** xorshift32: the same seed makes the same run on every machine. */
let state = Number(values.seed) >>> 0 || 1;
function random(below: number): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % below;
}

const session = new Session();
session.connect();
session.post("Profiler.enable");
session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });

/** Blocks of the archive package that ran since the last call, each with its count's power of two. */
function covered(): string[] {
  let blocks: string[] = [];
  session.post("Profiler.takePreciseCoverage", (_error, { result }) => {
    const ours = result.filter(({ url }: Profiler.ScriptCoverage) => url.includes("/packages/archive/src/"));
    blocks = ours.flatMap(({ scriptId, functions }) =>
      functions.flatMap(({ ranges }) =>
        ranges
          .filter(({ count }) => count > 0)
          .map(({ startOffset, count }) => `${scriptId}:${startOffset}:${Math.floor(Math.log2(count))}`),
      ),
    );
  });
  return blocks;
}

function mutate(parent: Uint8Array, other: Uint8Array): Uint8Array {
  let bytes = Buffer.from(parent);
  for (let times = 1 + random(6); times > 0; times -= 1) {
    const at = random(Math.max(1, bytes.length));
    const kind = random(7);
    if (bytes.length === 0) bytes = Buffer.from(other);
    else if (kind === 0) bytes[at]! ^= 1 << random(8);
    else if (kind === 1) bytes[at] = INTERESTING[random(INTERESTING.length)]!;
    else if (kind === 2) bytes[at] = random(256);
    else if (kind === 3) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random(512))]);
    else if (kind === 4)
      bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at, at + 1 + random(512)), bytes.subarray(at)]);
    else if (kind === 5)
      bytes = Buffer.concat([bytes.subarray(0, at), other.subarray(random(Math.max(1, other.length)))]);
    else bytes.set(other.subarray(0, Math.min(other.length, bytes.length - at)), at);
  }
  return new Uint8Array(bytes.subarray(0, INPUT_MAX));
}

const folder = mkdtempSync(join(tmpdir(), "lading-fuzz-"));
mkdirSync(KEPT, { recursive: true });
const corpus: Uint8Array[] = [SEEDS, KEPT].flatMap((place) =>
  readdirSync(place).map((name) => new Uint8Array(readFileSync(join(place, name)))),
);
const seen = new Set<string>();
let [runs, kept, broken] = [0, 0, 0];

async function tryOne(bytes: Uint8Array, fresh: boolean): Promise<void> {
  const problem = await judge(bytes, folder);
  runs += 1;
  const added = covered().filter((block) => !seen.has(block));
  for (const block of added) seen.add(block);
  const name = createHash("sha256").update(bytes).digest("hex").slice(0, 16);
  if (problem !== undefined) {
    broken += 1;
    const file = join(tmpdir(), `lading-fuzz-broken-${name}`);
    writeFileSync(file, bytes);
    console.log(`BROKEN ${file}: ${problem}`);
  }
  if (!fresh || added.length === 0) return;
  corpus.push(bytes);
  kept += 1;
  if (values.keep) writeFileSync(join(KEPT, name), bytes);
}

try {
  for (const bytes of corpus) await tryOne(bytes, false);
  const base = seen.size;
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    // Recent finds first: what reached something new leads on more often than what everything began with.
    const recent = random(2) === 0 ? Math.max(0, corpus.length - 16) : 0;
    const parent = corpus[recent + random(corpus.length - recent)]!;
    await tryOne(mutate(parent, corpus[random(corpus.length)]!), true);
  }
  console.log(`${runs} inputs in ${seconds} s; ${base} blocks by the corpus, ${seen.size} after; ${kept} finds`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(`${runs - broken} passed, ${broken} failed`);
process.exitCode = broken === 0 ? 0 : 1;
