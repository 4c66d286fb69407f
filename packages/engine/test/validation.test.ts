import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { builtinProfile } from "@lading/core-manifest";
import { afterAll, describe, expect, test } from "vitest";
import { createContext, detectRuntime, detectVersion, validatePackages, type EngineContext } from "../src/index.ts";
import { versionIn } from "../src/lib/detect.ts";

const root = mkdtempSync(path.join(tmpdir(), "lading-validation-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** A machine that has these programs, each of which prints its text, and no other. */
function machine(programs: Readonly<Record<string, string>>): EngineContext {
  const bin = mkdtempSync(path.join(root, "bin-"));
  mkdirSync(bin, { recursive: true });
  for (const [name, text] of Object.entries(programs)) {
    const file = path.join(bin, name);
    writeFileSync(file, `#!/bin/sh\necho '${text}'\necho x >> ${bin}/asked\n`);
    chmodSync(file, 0o755);
  }
  return createContext({ profile: builtinProfile("attune"), cwd: root, home: root, env: { PATH: bin, HOME: root } });
}

describe("versionIn()", () => {
  test.each([
    ["Python 3.11.4", "3.11.4"],
    ["v20.9.0", "20.9.0"],
    ["Python 3.13.0rc1", "3.13.0"],
    ['openjdk version "21.0.2" 2024-01-16', "21.0.2"],
    ["go version go1.22 linux/amd64", "1.22.0"],
    ["galc 007.01.2", "7.1.2"],
    ["no version here", undefined],
    ["built 20240101", undefined],
  ])("reads %j as %s", (text, expected) => {
    expect(versionIn(text)).toBe(expected);
  });
});

describe("detectRuntime()", () => {
  test("asks each program once, and tells found, missing and unknown apart", async () => {
    const context = machine({ python3: "Python 3.7.9" });
    expect(await detectRuntime(context, "python3")).toEqual({ state: "found", version: "3.7.9" });
    expect(await detectRuntime(context, "python")).toEqual({ state: "found", version: "3.7.9" });
    expect(await detectRuntime(context, "nodejs")).toEqual({ state: "missing" });
    expect(await detectRuntime(context, "toString")).toEqual({ state: "unknown" });
  });

  test("takes a python of the second generation for no python3", async () => {
    const context = machine({ python: "Python 2.7.18" });
    expect(await detectRuntime(context, "python3")).toEqual({ state: "missing" });
    expect(await detectRuntime(context, "python")).toEqual({ state: "found", version: "2.7.18" });
  });

  test("runs nothing that a package names but the table does not", async () => {
    const context = machine({ evil: "evil 1.0.0" });
    expect(await detectRuntime(context, "evil")).toEqual({ state: "unknown" });
    expect(await detectVersion(context, ["evil"])).toBe("1.0.0");
  });
});

describe("runtimes without a version", () => {
  test("are satisfied where any will do, and unknown where one is asked for", async () => {
    const context = machine({});
    expect(await detectRuntime(context, "shell")).toEqual({ state: "found" });
    const runtimes = [{ runtime: "shell" }, { runtime: "sh", requirement: ">=5" }];
    const packages = [{ name: "p", version: "1.0.0", runtimes, hosts: {}, dependencies: [] }];
    const result = await validatePackages(context, { packages, hosts: {}, present: new Map() });
    expect(result.runtimes.map(({ state }) => state)).toEqual(["satisfied", "unknown"]);
    expect(result).toMatchObject({ valid: true, warnings: [expect.stringContaining('"sh"')] });
  });
});

describe("validatePackages()", () => {
  const pack = (facts: object) => ({
    name: "p",
    version: "1.0.0",
    runtimes: [],
    hosts: {},
    dependencies: [],
    ...facts,
  });

  test("reports found and wanted of runtimes, hosts and packages, and all problems at once", async () => {
    const context = machine({ python3: "Python 3.7.9", node: "v18.2.0" });
    const result = await validatePackages(context, {
      packages: [
        pack({
          runtimes: [
            { runtime: "python3", requirement: ">=3.8" },
            { runtime: "nodejs", requirement: ">=14.0" },
            { runtime: "bun" },
            { runtime: "cobol" },
          ],
          hosts: { revit: ">=2024.0.0", python: ">=3.0.0" },
          dependencies: [
            { name: "core", kind: "normal", requirement: "^1.0.0" },
            { name: "tests", kind: "dev", requirement: "^1.0.0" },
          ],
        }),
      ],
      hosts: { revit: "2023" },
      present: new Map([["core", ["1.4.0"]]]),
    });
    const by = { requiredBy: "p 1.0.0" };
    expect(result).toEqual({
      valid: false,
      runtimes: [
        { name: "python3", wanted: ">=3.8", found: "3.7.9", state: "mismatch", ...by },
        { name: "nodejs", wanted: ">=14.0", found: "18.2.0", state: "satisfied", ...by },
        { name: "bun", state: "missing", ...by },
        { name: "cobol", state: "unknown", ...by },
      ],
      hosts: [
        { name: "revit", wanted: ">=2024.0.0", found: "2023", state: "mismatch", ...by },
        { name: "python", wanted: ">=3.0.0", state: "unknown", ...by },
      ],
      packages: [{ name: "core", wanted: "^1.0.0", found: "1.4.0", state: "satisfied", ...by }],
      warnings: [`"p 1.0.0" needs runtime "cobol", which cannot be looked for here`],
      errors: [
        `"p 1.0.0" needs runtime python3 >=3.8, found is 3.7.9`,
        `"p 1.0.0" needs runtime bun, it was not found`,
        `"p 1.0.0" needs host revit >=2024.0.0, found is 2023`,
      ],
    });
  });

  test.each([
    [">=3.8", "3.8.0", "satisfied"],
    [">=3.8", "3.10.1", "satisfied"],
    [">=3.8", "3.7.9", "mismatch"],
    [">=3.8,<4", "4.0.0", "mismatch"],
    ["==3.8", "3.8.0", "satisfied"],
    ["==3.8", "3.9.0", "mismatch"],
    ["3.8.1", "3.8.1", "satisfied"],
    ["~=3.8", "3.12.0", "satisfied"],
    ["!=3.9.1", "3.9.1", "mismatch"],
    ["", "3.9.1", "satisfied"],
  ])("compares python3%s with %s: %s", async (requirement, version, state) => {
    const context = machine({ python3: `Python ${version}` });
    const runtimes = [{ runtime: "python3", ...(requirement === "" ? {} : { requirement }) }];
    const result = await validatePackages(context, { packages: [pack({ runtimes })], hosts: {}, present: new Map() });
    expect(result.runtimes[0]).toMatchObject({ found: version, state });
  });
});
