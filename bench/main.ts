/**
 * Benchmarks beside peers, in one run:
 *
 *     pnpm bench [NAME...]      one of: index-get, registry-load, transfer, codecs, pack-unpack, cli-start, install, resolver
 *     pnpm bench resolver [--vectors DIR] [--only LETTERS] [--cpu]
 *     pnpm bench codecs transfer --quick    little data, from the sources: shows that they run, the figures say nothing
 *
 * The peers are installed into `bench/node_modules` first. Times are medians with the range; ratios count,
 * since they survive a change of machine.
 */
import { join } from "node:path";
import { printMachine, program } from "../scripts/bench/measure.ts";
import { pnpmPath } from "./lib/peers.ts";

interface Benchmark {
  readonly run: (options: { readonly quick: boolean }) => Promise<void>;
}

const benchmarks: Readonly<Record<string, () => Promise<Benchmark>>> = {
  "cli-start": () => import("./cli-start.ts"),
  codecs: () => import("../scripts/bench/codecs.ts"),
  "index-get": () => import("./index-get.ts"),
  "pack-unpack": () => import("./pack-unpack.ts"),
  install: () => import("./install.ts"),
  "registry-load": () => import("./registry-load.ts"),
  resolver: () => import("./resolver.ts"),
  transfer: () => import("../scripts/bench/transfer.ts"),
};
/** Those that compare with nothing that has to be installed first. */
const WITHOUT_PEERS: ReadonlySet<string> = new Set(["codecs", "transfer"]);

const here = import.meta.dirname;
const WITH_VALUE: ReadonlySet<string | undefined> = new Set(["--vectors", "--only"]);
const args = process.argv.slice(2);
const wanted = args.filter((name, at) => !name.startsWith("-") && !WITH_VALUE.has(args[at - 1]));
const unknown = wanted.filter((name) => !(name in benchmarks));
if (unknown.length > 0) {
  console.error(`No benchmark "${unknown.join('", "')}"; there are ${Object.keys(benchmarks).join(", ")}`);
  process.exit(2);
}
const names = wanted.length > 0 ? wanted : Object.keys(benchmarks);
const quick = args.includes("--quick");
const limited = names.filter((name) => !WITHOUT_PEERS.has(name));
if (quick && limited.length > 0) {
  console.error(`"${limited.join('", "')}" cannot be quick; those that can are ${[...WITHOUT_PEERS].join(", ")}`);
  process.exit(2);
}
// Also where there is an installation: it may be of an earlier state of bench/package.json.
if (limited.length > 0) program(pnpmPath(), ["install", "--dir", here, "--frozen-lockfile", "--prefer-offline"]);
// Measured is what users run: the built bundles.
if (!quick) program(pnpmPath(), ["run", "build"], { cwd: join(here, "..") });

printMachine();
for (const name of names) {
  const { run } = await benchmarks[name]!();
  await run({ quick });
}
