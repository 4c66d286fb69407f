import { spawnSync } from "node:child_process";
import path from "node:path";
import { beforeAll, describe, expect, test } from "vitest";

const ROOT = path.join(import.meta.dirname, "..");
const NUMBER = String.raw`\d+\.\d+`;

let report: string;

// What they print on little data; how fast anything is, a test on a machine that does other things cannot say.
beforeAll(() => {
  const command = ["-C", "@lading/source", "bench/main.ts", "codecs", "transfer", "--quick"];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { cwd: ROOT, encoding: "utf8" });
  if (status !== 0) throw new Error(`the benchmark ended with ${status}:\n${stdout}${stderr}`);
  report = stdout;
}, 180_000);

/** The part of the report that a title begins, to the next blank line. */
function section(title: string): string {
  const found = report.split("\n\n").find((part) => part.startsWith(title));
  if (found === undefined) throw new Error(`there is no "${title}" in the report:\n${report}`);
  return found;
}

describe("pnpm bench", () => {
  test("[PRF-09] prints ratio and megabytes a second of each codec", () => {
    const ratios = Object.fromEntries(
      ["zstd", "lz4", "gzip", "none"].map((codec) => {
        const line = new RegExp(`^  ${codec} +(${NUMBER}) +${NUMBER} +${NUMBER}$`, "m").exec(section("codecs"));
        return [codec, Number(line?.[1])];
      }),
    );
    // Headers and padding of many small files.
    expect(ratios["none"]).toBeGreaterThan(0.5);
    expect(ratios["none"]).toBeLessThan(1);
    expect(ratios["lz4"]).toBeGreaterThan(1.5);
    expect(ratios["zstd"]).toBeGreaterThan(ratios["lz4"]!);
    expect(ratios["gzip"]).toBeGreaterThan(ratios["lz4"]!);
  });

  test("[PRF-10] prints the speed of uploads beside curl's", () => {
    for (const name of ["lading", "curl"])
      expect(section("upload")).toMatch(new RegExp(`^  ${name} +[\\d.]+ MB/s +\\([\\d.]+ to [\\d.]+\\)`, "m"));
  });

  test("[PRF-11] prints p50 and p95 of a publication and of a fetch", () => {
    for (const name of ["publish", "fetch"])
      expect(section("5 small packages")).toMatch(
        new RegExp(`^  ${name}, .+ p50 +${NUMBER} ms +p95 +${NUMBER} ms$`, "m"),
      );
  });
});
