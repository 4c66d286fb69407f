import fc from "fast-check";
import semver from "semver";
import { describe, expect, it } from "vitest";
import {
  importNpmManifest,
  importPyprojectManifest,
  parseManifest,
  parseRequirement,
  parseVersion,
  writeManifest,
} from "../index.ts";
import { convertManifest } from "./manifest-convert.ts";
import type { DialectId } from "./manifest.ts";

const VERSIONS = [
  "0.0.1",
  "0.0.3",
  "0.1.0",
  "0.2.3",
  "0.2.9",
  "1.0.0",
  "1.2.0",
  "1.2.3",
  "1.2.9",
  "1.9.0",
  "2.0.0",
  "2.3.4",
  "3.0.0",
  "10.0.0",
];
const number = fc.constantFrom(0, 1, 2, 3);
const partial = fc.oneof(
  fc.tuple(number, number, number).map((parts) => parts.join(".")),
  fc.tuple(number, number).map((parts) => parts.join(".")),
  number.map(String),
  fc.tuple(number, number).map(([major, minor]) => `${major}.${minor}.x`),
);
const simple = fc
  .tuple(fc.constantFrom("", "^", "~", ">=", "<", "<=", ">", "="), partial)
  .map((parts) => parts.join(""));
const range = fc.oneof(
  { weight: 4, arbitrary: simple },
  { weight: 2, arbitrary: fc.tuple(simple, simple).map((parts) => parts.join(" ")) },
  { weight: 1, arbitrary: fc.tuple(partial, partial).map((parts) => parts.join(" - ")) },
  { weight: 1, arbitrary: fc.tuple(simple, simple).map((parts) => parts.join(" || ")) },
  { weight: 1, arbitrary: fc.constantFrom("*", "", "x", "1.x", "latest") },
);

/** What a range of npm's is taken for after it went through a manifest of this dialect; absent: it was reported. */
function throughDialect(text: string, dialect: DialectId): ((version: string) => boolean) | undefined {
  const source = JSON.stringify({ name: "p", version: "1.0.0", dependencies: { dep: text } });
  const imported = importNpmManifest(source, { file: "package.json", dialect });
  const written = writeManifest(imported.manifest, dialect);
  const [dependency] = parseManifest(written.text, { file: dialect, dialect }).dependencies;
  if (dependency === undefined) {
    if (imported.findings.some(({ key }) => key === "dependencies.dep")) return undefined;
    throw new Error(`"${text}" was dropped without a word`);
  }
  const requirement = parseRequirement(dependency.canonicalRequirement!, "canonical");
  return (version) => requirement.matches(parseVersion(version));
}

describe("ranges of package.json", () => {
  it.each<DialectId>(["lading.toml", "gal.toml", "vitte.toml", "pack.yaml", "revitpy.toml", "pyproject.toml"])(
    "mean in %s what node-semver takes them for, or are reported",
    (dialect) => {
      fc.assert(
        fc.property(range, (text) => {
          const matches = throughDialect(text, dialect);
          if (matches === undefined) return;
          for (const version of VERSIONS)
            expect([text, version, matches(version)]).toEqual([text, version, semver.satisfies(version, text)]);
        }),
        { numRuns: 60 },
      );
    },
  );
});

const POETRY = `[tool.poetry]
name = "My-Tool"
version = "1.2.0"
description = "A tool"
authors = ["Ada <ada@example.com>"]
license = "MIT"
packages = [{ include = "tool" }]

[tool.poetry.dependencies]
python = "^3.9"
requests = "^2.28"
Click = "8.1.0"
rich = { version = ">=12,<14", optional = true }
local = { path = "../local", develop = true }
many = [{ version = "1", python = "<3.10" }, { version = "2", python = ">=3.10" }]

[tool.poetry.extras]
pretty = ["Rich"]

[tool.poetry.group.dev.dependencies]
pytest = "~7.2"

[tool.poetry.group.docs.dependencies]
sphinx = "*"
`;

describe("importPyprojectManifest()", () => {
  it("reads Poetry's tables, in which a bare version is exactly that one", () => {
    const { manifest, findings } = importPyprojectManifest(POETRY, { file: "pyproject.toml" });
    expect(manifest.package).toMatchObject({ name: "my-tool", version: "1.2.0", license: "MIT" });
    expect(manifest.hosts).toEqual({ python: ">=3.9.0 <4.0.0-0" });
    expect(
      manifest.dependencies.map(({ name, kind, canonicalRequirement }) => [name, kind, canonicalRequirement]),
    ).toEqual([
      ["requests", "normal", ">=2.28.0 <3.0.0-0"],
      ["click", "normal", "=8.1.0"],
      ["rich", "normal", ">=12.0.0 <14.0.0-0"],
      ["local", "normal", undefined],
      ["pytest", "dev", ">=7.2.0 <7.3.0-0"],
    ]);
    expect(manifest.features).toEqual({ pretty: ["rich"] });
    expect(findings.map(({ key }) => key).toSorted()).toEqual([
      "dependencies.many",
      "tool.poetry.dependencies.local.develop",
      "tool.poetry.group.docs",
      "tool.poetry.packages",
    ]);
  });

  it("reads the standard tables of any project, and reports the settings of other tools", () => {
    const text = `[project]\nname = "Web_App"\nversion = "1.0.0"\nrequires-python = ">=3.10"\ndependencies = ["requests>=2.28,<3"]\n\n[tool.black]\nline-length = 100\n`;
    const { manifest, findings } = importPyprojectManifest(text, { file: "pyproject.toml" });
    expect(manifest.dependencies[0]).toMatchObject({ name: "requests", canonicalRequirement: ">=2.28.0 <3.0.0-0" });
    expect(findings.map(({ key, severity }) => [key, severity])).toEqual([["tool.black", "warning"]]);
  });

  it("refuses what is no TOML", () => {
    expect(() => importPyprojectManifest("[project", { file: "pyproject.toml" })).toThrow("pyproject.toml");
  });
});

describe("convertManifest()", () => {
  const testing = { runners: { shell: { type: "script", entry_point: "tests/run.sh" } } };
  const pack = `ref: demo\nversion: "1.0.0"\nsystem: true\ntesting: ${JSON.stringify(testing)}\n`;
  const manifest = parseManifest(pack, { file: "pack.yaml", dialect: "pack.yaml" });

  it.each<DialectId>(["gal.toml", "vitte.toml", "lading.toml", "pyproject.toml", "revitpy.toml"])(
    "carries tables of commands to %s and back, and reports the rest",
    (dialect) => {
      const { text, lost } = convertManifest(manifest, dialect);
      expect(lost.map(({ key }) => key)).toEqual(["extra.system"]);
      const there = parseManifest(text, { file: dialect, dialect });
      const back = convertManifest(there, "pack.yaml");
      expect(parseManifest(back.text, { file: "pack.yaml", dialect: "pack.yaml" }).extra["testing"]).toEqual(testing);
    },
  );
});
