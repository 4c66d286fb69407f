import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { judge } from "./fuzz-target.ts";

const SECONDS = 20;
const corpora = ["corpus", "fuzz-corpus"].map((name) => join(import.meta.dirname, "../../packages/archive/test", name));
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "lading-fuzz-test-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it("readers of archives throw nothing but their own errors upon every input that fuzzing kept", async () => {
  const files = corpora.flatMap((place) => readdirSync(place).map((name) => join(place, name)));
  expect(files.length).toBeGreaterThan(100);
  const problems: (string | undefined)[] = [];
  for (const file of files) problems.push(await judge(new Uint8Array(readFileSync(file)), folder));
  expect(problems.filter((problem) => problem !== undefined)).toEqual([]);
});

it(`fuzzing by coverage for ${SECONDS} s finds nothing`, () => {
  const script = join(import.meta.dirname, "fuzz-archives.ts");
  const seed = String(1 + Math.floor(Date.now() / 86_400_000));
  const run = spawnSync(process.execPath, ["-C", "@lading/source", script, String(SECONDS), "--seed", seed], {
    encoding: "utf8",
  });
  expect({ status: run.status, problems: run.stdout.match(/BROKEN.*/g) ?? [] }).toEqual({ status: 0, problems: [] });
});
