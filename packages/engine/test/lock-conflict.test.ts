import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { install, tree } from "../src/index.ts";
import { hasConflict, sidesOf } from "../src/lib/lock-conflict.ts";
import { createSandbox, type Sandbox } from "../src/testing.ts";

let box: Sandbox;
beforeEach(async () => {
  box = await createSandbox();
  for (const name of ["left", "right", "shared"])
    for (const version of ["1.0.0", "1.1.0", "1.2.0"]) await box.registry.publish({ name, version });
});
afterEach(() => box.remove());

const manifest = (lines: string): string => `[package]\nname = "app"\nversion = "1.0.0"\n\n[dependencies]\n${lines}`;

/** The lock that a manifest gives, with the newest versions that it allows. */
async function lockOf(lines: string): Promise<string> {
  await box.write({ "lading.toml": manifest(lines), "lading.lock": "" });
  const { rm } = await import("node:fs/promises");
  await rm(`${box.project}/lading.lock`);
  await box.use((context) => install({}, context));
  return box.read("lading.lock");
}

const conflict = (ours: string, theirs: string): string =>
  `<<<<<<< HEAD\n${ours}||||||| base\nversion = 1\n=======\n${theirs}>>>>>>> feature\n`;

describe("install() of a lock with both sides of a merge", () => {
  test("locks anew, keeps what each side had and takes the higher of both", async () => {
    const ours = await lockOf('left = "=1.0.0"\nshared = "=1.1.0"\n');
    const theirs = await lockOf('right = "=1.0.0"\nshared = "=1.0.0"\n');
    await box.write({
      "lading.toml": manifest('left = "1"\nright = "1"\nshared = "1"\n'),
      "lading.lock": conflict(ours, theirs),
    });
    await expect(box.use((context) => tree({}, context))).rejects.toMatchObject({ code: "LOCK_CONFLICTED" });
    for (const mode of ["locked", "frozen"] as const)
      await expect(box.use((context) => install({ mode }, context))).rejects.toMatchObject({ code: "LOCK_CONFLICTED" });
    const { lock } = await box.use((context) => install({}, context));
    expect(lock.lock.packages.map(({ name, version }) => `${name} ${version}`)).toEqual([
      "left 1.0.0",
      "right 1.0.0",
      "shared 1.1.0",
    ]);
    expect(hasConflict(await box.read("lading.lock"))).toBe(false);
    expect((await box.use((context) => install({ mode: "locked" }, context))).lock.fresh).toBe(true);
  });

  test("says which side is no lock", async () => {
    const ours = await lockOf('left = "1"\n');
    await box.write({ "lading.lock": conflict(ours, "no lock at all\n") });
    await expect(box.use((context) => install({}, context))).rejects.toMatchObject({ code: "LOCKFILE_INVALID" });
  });
});

describe("sidesOf()", () => {
  test("gives both texts back, whatever they are", () => {
    const line = fc.string({ unit: fc.constantFrom("a", "=", " ", "<") }).filter((text) => !/^[<=>|]{7}/.test(text));
    const lines = fc.array(line, { maxLength: 5 });
    fc.assert(
      fc.property(lines, lines, lines, (before, ours, theirs) => {
        const text = [...before, "<<<<<<< a", ...ours, "=======", ...theirs, ">>>>>>> b"].join("\n");
        expect(sidesOf(text)).toEqual({
          ours: [...before, ...ours].join("\n"),
          theirs: [...before, ...theirs].join("\n"),
        });
      }),
    );
  });
});
