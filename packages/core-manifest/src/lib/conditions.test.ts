import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  addDependency,
  conditionText,
  parseCondition,
  parseIndexDocument,
  parseManifest,
  publishedManifest,
  readManifest,
  removeDependency,
  renderIndexDocument,
  writeManifest,
  type DialectId,
  type ManifestDependency,
} from "../index.ts";
import { conditionKey, type Condition } from "./dialects/condition-algebra.ts";
import { markerText, parseMarker } from "./dialects/marker.ts";

const on = (targets: readonly string[], hosts: Readonly<Record<string, string>> = {}): Condition => ({
  targets,
  hosts,
});

describe("parseCondition()", () => {
  it.each([
    ["x86_64-linux", on(["x86_64-linux"])],
    ["*-linux", on(["*-linux"])],
    ["x86_64-unknown-linux-gnu", on(["x86_64-linux"])],
    ["aarch64-apple-darwin", on(["arm64-macos"])],
    ["cfg(windows)", on(["*-windows"])],
    ["cfg(unix)", on(["!*-windows", "!wasm*"])],
    ["cfg(not(windows))", on(["!*-windows"])],
    ['cfg(target_os = "macos")', on(["*-macos"])],
    ['cfg(all(target_os = "linux", target_arch = "aarch64"))', on(["arm64-linux"])],
    ['cfg(any(windows, target_os = "linux"))', on(["*-windows", "*-linux"])],
    ['cfg(all(unix, target_arch = "x86_64"))', on(["x86_64-*", "!*-windows", "!wasm*"])],
    ['cfg(revit = ">=2025")', on([], { revit: ">=2025.0.0" })],
    ['cfg(all(revit = ">=2024", revit = "<2026"))', on([], { revit: ">=2024.0.0 <2026.0.0-0" })],
    ['cfg(any(revit = "2021", revit = "2024"))', on([], { revit: ">=2021.0.0 <2022.0.0-0 || >=2024.0.0 <2025.0.0-0" })],
    ['cfg(not(python = ">=3.9"))', on([], { python: "<3.9.0" })],
    ['cfg(all(windows, python = ">=3.9"))', on(["*-windows"], { python: ">=3.9.0" })],
  ] as const)("reads %s", (text, expected) => {
    expect(parseCondition(text)).toEqual(expected);
  });

  it.each([
    ["", "neither a target nor cfg"],
    ["cfg()", "has no condition"],
    ["cfg(", "a condition is missing"],
    ["cfg(windows", "is not closed"],
    ["cfg(windows) x", "something follows"],
    ['cfg(feature = "x")', '"feature" says nothing'],
    ['cfg(target_env = "gnu")', '"target_env" says nothing'],
    ["cfg(debug_assertions)", "says nothing"],
    ['cfg(any(windows, revit = "2025"))', "alternatives are possible"],
    ['cfg(not(all(windows, revit = "2025")))', "opposite"],
    ['cfg(all(target_os = "linux", windows))', "no target is both"],
    ['cfg(revit = "nonsense")', "revit"],
    ["cfg(windows, unix)", "takes one condition"],
    ["cfg(not())", "has no condition"],
    ["cfg(%)", "characters"],
  ])("refuses %s", (text, problem) => {
    expect(parseCondition(text)).toEqual({ problem: expect.stringContaining(problem) as string });
  });

  it("refuses one that is nested too deep, and one that is too long", () => {
    expect(parseCondition(`cfg(${"not(".repeat(30)}windows${")".repeat(31)}`)).toHaveProperty("problem");
    expect(parseCondition(`cfg(${"windows,".repeat(200)})`)).toHaveProperty("problem");
  });

  it("never throws", () => {
    const token = fc.constantFrom(
      "cfg",
      "(",
      ")",
      "all",
      "any",
      "not",
      ",",
      "=",
      '"2025"',
      '"*-linux"',
      "revit",
      "windows",
      '"',
      " ",
      "target",
    );
    fc.assert(fc.property(fc.array(token, { maxLength: 24 }), (tokens) => void parseCondition(tokens.join(""))));
  });
});

const conditions: fc.Arbitrary<Condition> = fc.record({
  targets: fc.oneof(
    fc.uniqueArray(fc.constantFrom("*-linux", "*-windows", "x86_64-*", "arm64-macos", "wasm32"), { maxLength: 3 }),
    fc.uniqueArray(fc.constantFrom("!*-linux", "!*-windows", "!arm64-*"), { maxLength: 2 }),
  ),
  hosts: fc.dictionary(
    fc.constantFrom("revit", "python", "attune"),
    fc.constantFrom(">=2024.0.0", ">=3.9.0 <4.0.0-0", "=1.2.3", ">=1.0.0 <2.0.0-0 || >=3.0.0 <4.0.0-0"),
    { maxKeys: 2 },
  ),
});

it("conditionText() reads back as the same condition", () => {
  fc.assert(
    fc.property(conditions, (condition) => {
      fc.pre(condition.targets.length + Object.keys(condition.hosts).length > 0);
      const back = parseCondition(conditionText(condition));
      expect("problem" in back ? back : conditionKey(back)).toEqual(conditionKey(condition));
    }),
  );
});

it("markerText() reads back as the same condition, or says that markers have no words for it", () => {
  fc.assert(
    fc.property(conditions, (condition) => {
      const text = markerText(condition);
      fc.pre(text !== undefined);
      const back = parseMarker(text);
      expect("problem" in back ? back : conditionKey(back)).toEqual(conditionKey(condition));
    }),
  );
});

describe("parseMarker()", () => {
  it.each([
    ['python_version >= "3.9"', on([], { python: ">=3.9.0" })],
    ['python_version > "3.8"', on([], { python: ">=3.9.0" })],
    ['python_version <= "3.8"', on([], { python: "<3.9.0-0" })],
    ["'3.9' <= python_version", on([], { python: ">=3.9.0" })],
    ["sys_platform == 'win32' and python_version < '4'", on(["*-windows"], { python: "<4.0.0-0" })],
    ["(sys_platform == 'linux' or sys_platform == 'darwin')", on(["*-linux", "*-macos"])],
    ["platform_machine == 'AMD64'", on(["x86_64-*"])],
    ["os_name != 'nt'", on(["!*-windows"])],
  ] as const)("reads %s", (text, expected) => {
    expect(parseMarker(text)).toEqual(expected);
  });

  it.each(["extra == 'test'", "python_version in '3.8 3.9'", "sys_platform", "'a' == 'b'", "(os_name == 'nt'", ""])(
    "says what is wrong with %j",
    (text) => {
      expect(parseMarker(text)).toHaveProperty("problem");
    },
  );
});

const LADING = `[package]
name = "app"
version = "1.0.0"
exclusive-features = [["cpu", "cuda"]]

[dependencies]
geometry = { version = "1", hosts = { revit = "2024", python = ">=3.9" }, targets = ["*-windows"] }
plain = "1"

[target.'cfg(revit = ">=2025")'.dependencies]
geometry = { version = "2", features = ["fast"] }

[target.'*-linux'.dev-dependencies]
probe = "1"

[features]
cpu = []
cuda = []
`;

const where = ({ name, requirement, targets, hosts, condition }: ManifestDependency): unknown[] => [
  name,
  requirement,
  targets,
  hosts && { ...hosts },
  condition,
];

describe("dependencies under conditions", () => {
  it("are read in the plain dialects: keys of the dependency, and tables of a condition", () => {
    for (const dialect of ["lading.toml", "vitte.toml", "gal.toml"] as const) {
      const { dependencies, package: info } = parseManifest(LADING, { file: dialect, dialect });
      expect(dependencies.map(where)).toEqual([
        ["geometry", "1", ["*-windows"], { revit: ">=2024.0.0 <2025.0.0-0", python: ">=3.9.0" }, undefined],
        ["plain", "1", undefined, undefined, undefined],
        ["geometry", "2", undefined, { revit: ">=2025.0.0" }, 'cfg(revit = ">=2025")'],
        ["probe", "1", ["*-linux"], undefined, "*-linux"],
      ]);
      expect(info?.exclusiveFeatures).toEqual([["cpu", "cuda"]]);
    }
  });

  it("go from every dialect to every other and back without a loss", () => {
    const origin = parseManifest(LADING, { file: "lading.toml", dialect: "lading.toml" });
    const dialects: DialectId[] = [
      "vitte.toml",
      "gal.toml",
      "revitpy.toml",
      "pyproject.toml",
      "pack.yaml",
      "lading.toml",
    ];
    for (const dialect of dialects) {
      const there = writeManifest(origin, dialect);
      expect([dialect, there.lost.map(({ key }) => key)]).toEqual([dialect, []]);
      const read = parseManifest(there.text, { file: dialect, dialect });
      for (const other of dialects) {
        const back = writeManifest(read, other);
        expect([dialect, other, back.lost.map(({ key }) => key)]).toEqual([dialect, other, []]);
      }
    }
  });

  it("are markers in pyproject where PEP 508 has words for them", () => {
    const text = `[project]
name = "app"
version = "1.0.0"
dependencies = ["wall>=1,<2 ; python_version < '3.9'", "wall>=2,<3 ; python_version >= '3.9'", "reg ; sys_platform == 'win32'"]

[tool.revitpy.sources]
reg = { hosts = { revit = ">=2024" } }

[tool.revitpy.target.'cfg(revit = ">=2025")']
dependencies = ["wall>=3"]
`;
    const manifest = parseManifest(text, { file: "pyproject.toml", dialect: "pyproject.toml" });
    expect(manifest.dependencies.map(({ name, targets, hosts }) => [name, targets, hosts && { ...hosts }])).toEqual([
      ["wall", undefined, { python: "<3.9.0-0" }],
      ["wall", undefined, { python: ">=3.9.0" }],
      ["reg", ["*-windows"], { revit: ">=2024.0.0" }],
      ["wall", undefined, { revit: ">=2025.0.0" }],
    ]);
    const written = writeManifest(manifest, "pyproject.toml");
    expect(written.lost).toEqual([]);
    expect(written.text).toContain(`"wall>=1,<2 ; python_version < \\"3.9\\""`);
  });

  it("are items of a list in pack.yaml, each condition once", () => {
    const text = `ref: app
version: "1.0.0"
dependencies:
  - { ref: http, version: "1.0.0", hosts: { attune: "<2" } }
  - { ref: http, version: "2.0.0", hosts: { attune: ">=2" } }
`;
    const { dependencies } = parseManifest(text, { file: "pack.yaml", dialect: "pack.yaml" });
    expect(dependencies.map(({ canonicalRequirement, hosts }) => [canonicalRequirement, { ...hosts }])).toEqual([
      ["=1.0.0", { attune: "<2.0.0-0" }],
      ["=2.0.0", { attune: ">=2.0.0" }],
    ]);
    const twice = readManifest(text.replace("<2", ">=2"), { file: "pack.yaml", dialect: "pack.yaml" });
    expect(twice.diagnostics.map(({ code }) => code)).toEqual(["MANIFEST_KEY_DUPLICATE"]);
  });

  it.each([
    [`[target.'cfg(feature = "x")'.dependencies]\na = "1"`, "MANIFEST_VALUE_INVALID", 'target.cfg(feature = "x")'],
    [`[target.'*-linux']\nfeatures = {}`, "MANIFEST_KEY_UNKNOWN", "target.*-linux.features"],
    [
      `[target.'*-linux'.dependencies]\na = { version = "1", targets = ["*-windows"] }`,
      "MANIFEST_KEY_CONFLICT",
      "target.*-linux.dependencies.a",
    ],
    [`[dependencies]\na = { version = "1", targets = ["Win"] }`, "MANIFEST_VALUE_INVALID", "dependencies.a.targets[0]"],
    [
      `[dependencies]\na = { version = "1", hosts = { revit = "nope" } }`,
      "MANIFEST_REQUIREMENT_INVALID",
      "dependencies.a.hosts.revit",
    ],
  ])("are refused with the place: %s", (text, code, key) => {
    const { manifest, diagnostics } = readManifest(`[package]\nname = "a"\nversion = "1.0.0"\n${text}\n`, {
      file: "lading.toml",
      dialect: "lading.toml",
    });
    expect(manifest).toBeUndefined();
    expect(diagnostics.map((one) => [one.code, one.key.replaceAll(/["'\\]/g, "")])).toContainEqual([
      code,
      key.replaceAll(/["']/g, ""),
    ]);
  });

  it("are published and listed in the index", () => {
    const manifest = parseManifest(LADING, { file: "lading.toml", dialect: "lading.toml" });
    const published = publishedManifest(manifest, { file: "lading.toml" });
    expect(published).toMatchObject({
      exclusiveFeatures: [["cpu", "cuda"]],
      dependencies: [
        { name: "geometry", targets: ["*-windows"], hosts: { revit: ">=2024.0.0 <2025.0.0-0", python: ">=3.9.0" } },
        { name: "plain" },
        { name: "geometry", hosts: { revit: ">=2025.0.0" } },
      ],
    });
    const entry = {
      schema: 1,
      version: "1.0.0",
      kind: "source",
      artifacts: [{ target: "any", blob: `sha256:${"a".repeat(64)}`, size: 1, tree: `sha256:${"b".repeat(64)}` }],
      dependencies: published.dependencies,
      exclusiveFeatures: published.exclusiveFeatures,
      published: "2026-01-01T00:00:00Z",
    };
    const document = parseIndexDocument({ schema: 1, name: "app", sequence: 1, channels: {}, versions: [entry] });
    const again = parseIndexDocument(JSON.parse(renderIndexDocument(document)));
    expect(again.versions).toEqual(document.versions);
    expect(again.versions[0]).toMatchObject({
      exclusiveFeatures: [["cpu", "cuda"]],
      dependencies: published.dependencies,
    });
  });
});

describe("edits of dependencies under conditions", () => {
  const options = { file: "lading.toml", dialect: "lading.toml" } as const;
  const dependencies = (text: string): ManifestDependency[] => [...parseManifest(text, options).dependencies];

  it("addDependency() changes the one in its own table and leaves the other", () => {
    const { canonicalRequirement: _, location: __, ...second } = dependencies(LADING)[2]!;
    const text = addDependency(LADING, { ...options, dependency: { ...second, requirement: "^2.4.0" } });
    expect(text).toBe(LADING.replace('version = "2"', 'version = "^2.4.0"'));
  });

  it("addDependency() writes hosts of a new one", () => {
    const [first] = dependencies(LADING);
    const text = addDependency('[package]\nname = "a"\nversion = "1.0.0"\n', { ...options, dependency: first! });
    expect(dependencies(text).map(where)).toEqual([where(first!)]);
  });

  it("removeDependency() takes every condition of a package away", () => {
    expect(dependencies(removeDependency(LADING, { ...options, name: "geometry" })).map(({ name }) => name)).toEqual([
      "plain",
      "probe",
    ]);
  });
});

describe("[patch]", () => {
  const PATCHED = `[package]
name = "app"
version = "1.0.0"

[patch]
near = { path = "../near" }
far = { git = "https://example.com/far.git", tag = "v1.0" }
exact = "=1.2.3"
mirrored = { version = ">=1, <3", registry = "mirror" }

[patch.company]
ledger = { path = "../ledger" }
`;

  it("is read with whose package is replaced, and goes through every dialect", () => {
    const origin = parseManifest(PATCHED, { file: "lading.toml", dialect: "lading.toml" });
    expect(
      origin.patches?.map(({ name, of, source, canonicalRequirement }) => [
        name,
        of,
        source.type,
        canonicalRequirement,
      ]),
    ).toEqual([
      ["near", undefined, "path", undefined],
      ["far", undefined, "git", undefined],
      ["exact", undefined, "registry", "=1.2.3"],
      ["mirrored", undefined, "registry", ">=1.0.0 <3.0.0-0"],
      ["ledger", "company", "path", undefined],
    ]);
    const dialects: DialectId[] = ["vitte.toml", "revitpy.toml", "pyproject.toml", "pack.yaml", "lading.toml"];
    for (const dialect of dialects) {
      const { text, lost } = writeManifest(origin, dialect);
      expect([dialect, lost]).toEqual([dialect, []]);
      const back = writeManifest(parseManifest(text, { file: dialect, dialect }), "lading.toml");
      expect([dialect, back.lost]).toEqual([dialect, []]);
    }
    expect(publishedManifest(origin, { file: "lading.toml" }).extra).toBeUndefined();
  });
});

describe("exclusive-features", () => {
  const read = (line: string): string[] =>
    readManifest(`[package]\nname = "a"\nversion = "1.0.0"\n${line}\n[features]\na = []\nb = []\n`, {
      file: "lading.toml",
      dialect: "lading.toml",
    }).diagnostics.map(({ message }) => message);

  it("is read as uv writes it, too", () => {
    expect(read('exclusive-features = [[{ extra = "a" }, { extra = "b" }]]')).toEqual([]);
  });

  it("is refused where it names one feature, or one that is not there", () => {
    expect(read('exclusive-features = [["a"]]')[0]).toContain("there are two or more");
    expect(read('exclusive-features = [["a", "bb"]]')[0]).toContain("there is no such feature");
  });
});
