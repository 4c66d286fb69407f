import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  KNOWN_FAULTS,
  ManifestError,
  MANIFEST_DIAGNOSTICS,
  detectDialect,
  dialectOf,
  formatDiagnostic,
  parseManifest,
  readManifest,
  writeManifest,
  type DialectId,
} from "../index.ts";
import { EVERYTHING_TOML, PACK, PYPROJECT, REVITPY } from "../../test/manifest-fixtures.ts";

const DIALECTS: readonly DialectId[] = [
  "lading.toml",
  "vitte.toml",
  "gal.toml",
  "revitpy.toml",
  "pyproject.toml",
  "pack.yaml",
];

function codes(text: string, dialect: DialectId = "lading.toml"): string[] {
  return readManifest(text, { file: dialect, dialect }).diagnostics.map(
    ({ code, key, location }) => `${code} ${key} ${location.line}:${location.column}`,
  );
}

const HEAD = '[package]\nname = "a"\nversion = "1.0.0"\n';

describe("readManifest()", () => {
  it("reads every section of a GAL manifest into the model", () => {
    const manifest = parseManifest(EVERYTHING_TOML, { file: "gal.toml", dialect: "gal.toml" });
    expect(manifest.package).toMatchObject({
      name: "orbit-scheduler",
      version: "2.1.0-rc.1",
      edition: "2024",
      categories: ["actors"],
      publish: ["company"],
    });
    expect(manifest.hosts).toEqual({ gal: ">=1.0.0", revit: ">=2024.0.0 <2026.0.0" });
    expect(manifest.dependencies.map(({ kind, name }) => `${kind} ${name}`)).toEqual([
      "normal courier",
      "normal metronome",
      "normal near",
      "normal far",
      "normal both",
      "normal company/ledger",
      "normal spare",
      "dev probe",
      "build forge",
      "peer stage",
    ]);
    expect(manifest.dependencies[1]).toMatchObject({
      requirement: "0.5",
      canonicalRequirement: ">=0.5.0 <0.6.0-0",
      features: ["cron"],
      defaultFeatures: false,
    });
    expect(manifest.dependencies[3]).toMatchObject({
      source: { type: "git", url: "https://example.com/far.git", tag: "v1.0" },
    });
    expect(manifest.features["default"]).toEqual(["standard"]);
    expect(manifest.profiles["release"]).toMatchObject({
      optimizationLevel: 3,
      lto: "fat",
      chaosProfile: "calm",
      inherits: "dev",
      extra: { strip: true },
    });
    expect(manifest.chaosProfiles["wild"]).toMatchObject({
      allowedFaults: KNOWN_FAULTS,
      chaosSeed: 12_345,
      maxFaultDurationMs: 60_000,
    });
    expect(manifest.chaosProfiles["wild"]?.faultSchedule[1]).toEqual({
      faultType: "network_partition",
      trigger: "cron:0 */5 * * * *",
      probability: 1,
      durationMs: 30_000,
    });
    expect(manifest.security).toMatchObject({ maxRiskLevel: "medium", allowedLicenses: ["MIT"] });
    expect(manifest.runtimes).toEqual([{ runtime: "python3", requirement: ">=3.8" }, { runtime: "shell" }]);
  });

  it("reads pyproject: PEP 621, extras as features, markers as conditions, sources applied", () => {
    const { manifest, diagnostics } = readManifest(PYPROJECT, { file: "pyproject.toml", dialect: "pyproject.toml" });
    expect(diagnostics).toEqual([]);
    expect(manifest?.dependencies[2]).toMatchObject({ name: "winreg", targets: ["*-windows"] });
    expect(manifest?.package).toMatchObject({
      name: "wall-tools",
      licenseFile: "LICENSE",
      authors: ["Ada <ada@example.com>"],
      homepage: "https://example.com",
      extra: { classifiers: ["Topic :: Software Development"], urls: { Issues: "https://example.com/issues" } },
    });
    expect(manifest?.hosts).toEqual({
      python: ">=3.9.0 <4.0.0-0",
      revit: ">=2023.0.0 <2025.0.0 || >=2026.0.0 <2027.0.0",
    });
    expect(
      manifest?.dependencies.map(({ kind, name, optional, features }) => [kind, name, optional, features.join()]),
    ).toEqual([
      ["normal", "pyyaml", false, ""],
      ["normal", "requests", false, "socks"],
      ["normal", "winreg", false, ""],
      ["normal", "nearby", false, ""],
      ["normal", "pytest", true, ""],
      ["dev", "ruff", false, ""],
      ["build", "compiler", false, ""],
    ]);
    expect(manifest?.dependencies[3]?.source).toEqual({ type: "path", path: "../nearby" });
    expect(manifest?.features).toEqual({ test: ["pytest"] });
    expect(Object.keys((manifest?.extra["tool"] as object | undefined) ?? {})).toEqual(["black"]);
  });

  it("reads pyproject: an extra that names extras of its own package is a feature of those features", () => {
    const text = (all: string): string =>
      `[project]\nname = "Wall_Tools"\nversion = "1.0.0"\n\n[project.optional-dependencies]\nall = [${all}]\nplot = ["matplotlib>=3.5"]\ntest = ["pytest"]\n`;
    const read = (all: string): ReturnType<typeof readManifest> =>
      readManifest(text(all), { file: "pyproject.toml", dialect: "pyproject.toml" });
    const { manifest, diagnostics } = read('"wall-tools[plot,test]", "tqdm"');
    expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
    expect(manifest?.features).toEqual({ all: ["plot", "test", "tqdm"], plot: ["matplotlib"], test: ["pytest"] });
    expect(manifest?.dependencies.map(({ name }) => name)).toEqual(["tqdm", "matplotlib", "pytest"]);
    expect(read('"wall-tools[gone]"').diagnostics).toContainEqual(
      expect.objectContaining({ code: "MANIFEST_REFERENCE_UNKNOWN" }),
    );
    expect(read(`"wall-tools[plot]; sys_platform == 'win32'"`).diagnostics).toContainEqual(
      expect.objectContaining({ code: "MANIFEST_DIALECT_LOSS", key: "project.optional-dependencies.all[0]" }),
    );
  });

  it("reads a pack: list and object forms of dependencies are one set", () => {
    const list = parseManifest(PACK, { file: "pack.yaml", dialect: "pack.yaml" });
    expect(list.package).toMatchObject({
      name: "mail",
      title: "Mail",
      authors: ["Ops <ops@example.com>"],
      keywords: ["smtp", "mail"],
      categories: ["messaging"],
      license: "MIT",
    });
    expect(list.runtimes).toEqual([{ runtime: "python3", requirement: ">=3.8" }, { runtime: "shell" }]);
    expect(Object.keys(list.extra)).toEqual(["enabled", "conf_schema", "meta"]);
    const plain = (text: string): unknown =>
      parseManifest(`ref: a\nversion: "1.0.0"\ndependencies:${text}`, {
        file: "pack.yaml",
        dialect: "pack.yaml",
      }).dependencies.map(({ name, canonicalRequirement }) => [name, canonicalRequirement]);
    const expected = [
      ["core", "*"],
      ["http", "=1.2.0"],
      ["queue", ">=2.0.0"],
    ];
    expect(plain("\n  - core\n  - http@1.2.0\n  - queue>=2.0\n")).toEqual(expected);
    expect(plain('\n  core:\n  http: "1.2.0"\n  queue: { version: ">=2.0" }\n')).toEqual(expected);
    expect(
      plain('\n  packs: [core, { ref: http, version: "1.2.0" }, "queue >=2.0"]\n  attune_version: ">=1.0"\n'),
    ).toEqual(expected);
  });

  it("reads RevitPy's own file with its range of hosts", () => {
    const manifest = parseManifest(REVITPY, { file: "revitpy.toml", dialect: "revitpy.toml" });
    expect(manifest.hosts).toEqual({ revit: ">=2022.0.0 <2025.0.0-0" });
    expect(manifest.package).toMatchObject({
      authors: ["Ada"],
      extra: { desktop: { package_type: "addon" }, revit_compatibility: { tested_versions: ["2022", "2024"] } },
    });
  });

  it.each([
    [
      "a wrong type, with the value to quote",
      '[package]\nname = "a"\nversion = 1.0\n',
      "MANIFEST_TYPE_WRONG package.version 3:11",
    ],
    ["a short version", '[package]\nname = "a"\nversion = "1.0"\n', "MANIFEST_VERSION_INVALID package.version 3:11"],
    ["a missing version", '[package]\nname = "a"\n', "MANIFEST_KEY_MISSING package.version 1:2"],
    ["an upper-case name", '[package]\nname = "A"\nversion = "1.0.0"\n', "MANIFEST_NAME_INVALID package.name 2:8"],
    ["no package at all", "", "MANIFEST_KEY_MISSING package 1:1"],
    [
      "a bad requirement",
      `${HEAD}[dependencies]\nb = ">=1.0 <<2"\n`,
      "MANIFEST_REQUIREMENT_INVALID dependencies.b 5:5",
    ],
    [
      "a misspelt key of a dependency",
      `${HEAD}[dependencies]\nb = { verison = "1" }\n`,
      "MANIFEST_KEY_UNKNOWN dependencies.b.verison 5:7",
    ],
    [
      "path and git together",
      `${HEAD}[dependencies]\nb = { path = "x", git = "https://x.y/z" }\n`,
      "MANIFEST_KEY_CONFLICT dependencies.b.git 5:19",
    ],
    [
      "a tag without git",
      `${HEAD}[dependencies]\nb = { version = "1", tag = "v1" }\n`,
      "MANIFEST_KEY_CONFLICT dependencies.b.tag 5:22",
    ],
    [
      "a Git address that is an option",
      `${HEAD}[dependencies]\nb = { git = "--upload-pack=x" }\n`,
      "MANIFEST_URL_INVALID dependencies.b.git 5:13",
    ],
    [
      "a Git transport that runs programs",
      `${HEAD}[dependencies]\nb = { git = "ext::sh -c x" }\n`,
      "MANIFEST_URL_INVALID dependencies.b.git 5:13",
    ],
    [
      "a Git reference that is an option",
      `${HEAD}[dependencies]\nb = { git = "https://x.y/z", rev = "-x" }\n`,
      "MANIFEST_VALUE_INVALID dependencies.b.rev 5:36",
    ],
    [
      "a path with backslashes",
      `${HEAD}[dependencies]\nb = { path = '..\\b' }\n`,
      "MANIFEST_PATH_INVALID dependencies.b.path 5:14",
    ],
    [
      "two spellings of one package",
      `${HEAD}[dependencies]\nb-c = "1"\nb_c = "1"\n`,
      "MANIFEST_KEY_DUPLICATE dependencies.b_c 6:1",
    ],
    ["a table that is nearly known", `${HEAD}[dependences]\nb = "1"\n`, "MANIFEST_KEY_UNKNOWN dependences 4:2"],
    ["a feature that is not there", `${HEAD}[features]\nx = ["y"]\n`, "MANIFEST_REFERENCE_UNKNOWN features.x[0] 5:6"],
    [
      "a chaos profile that is not there",
      `${HEAD}[profile.dev]\nchaos_profile = "x"\n`,
      "MANIFEST_REFERENCE_UNKNOWN profile.dev.chaos_profile 5:17",
    ],
    [
      "a bad optimization level",
      `${HEAD}[profile.dev]\noptimization_level = 9\n`,
      "MANIFEST_VALUE_INVALID profile.dev.optimization_level 5:22",
    ],
    [
      "a profile that inherits from itself",
      `${HEAD}[profile.x]\ninherits = "x"\n`,
      "MANIFEST_INHERITANCE_CYCLE profile.x.inherits 5:12",
    ],
    [
      "a rate above one",
      `${HEAD}[chaos-profile.x]\nfault_injection_rate = 1.5\n`,
      "MANIFEST_RATE_OUT_OF_RANGE chaos-profile.x.fault_injection_rate 5:24",
    ],
    [
      "an unknown fault",
      `${HEAD}[chaos-profile.x]\nallowed_faults = ["network_dely"]\n`,
      "MANIFEST_FAULT_UNKNOWN chaos-profile.x.allowed_faults[0] 5:19",
    ],
    [
      "a duration without unit",
      `${HEAD}[chaos-profile.x]\nmax_fault_duration = "5"\n`,
      "MANIFEST_DURATION_INVALID chaos-profile.x.max_fault_duration 5:22",
    ],
    [
      "a fault longer than the maximum",
      `${HEAD}[chaos-profile.x]\nmax_fault_duration = "1s"\nfault_schedule = [{ fault_type = "packet_loss", trigger = "on_send", duration = "2s" }]\n`,
      "MANIFEST_DURATION_TOO_LONG chaos-profile.x.fault_schedule[0].duration 6:81",
    ],
    [
      "cron with five fields",
      `${HEAD}[chaos-profile.x]\nfault_schedule = [{ fault_type = "packet_loss", trigger = "cron:*/5 * * * *" }]\n`,
      "MANIFEST_TRIGGER_INVALID chaos-profile.x.fault_schedule[0].trigger 5:59",
    ],
    [
      "a value that the workspace should have",
      '[package]\nname = "a"\nversion.workspace = true\n',
      "MANIFEST_WORKSPACE_VALUE_MISSING package.version 3:1",
    ],
    [
      "a key that would reach a prototype",
      `${HEAD}[features.__proto__]\nx = []\n`,
      "MANIFEST_KEY_FORBIDDEN features.__proto__ 4:11",
    ],
    ["a key that occurs twice", `${HEAD}name = "b"\n`, "MANIFEST_KEY_DUPLICATE  4:1"],
    ["broken TOML", `${HEAD}x = \n`, "MANIFEST_SYNTAX  4:3"],
    [
      "a value with terminal escapes",
      `${HEAD}description = "\\u001b[31m"\n`,
      "MANIFEST_VALUE_INVALID package.description 4:15",
    ],
    ["lists nested too deep", `${HEAD}x = ${"[".repeat(100)}${"]".repeat(100)}\n`, "MANIFEST_TOO_DEEP  4:68"],
    ["lists nested deeper than any stack", `x = ${"[".repeat(200_000)}`, "MANIFEST_TOO_DEEP  1:1005"],
  ])("names the place of %s", (_what, text, expected) => {
    const { manifest, diagnostics } = readManifest(text, { file: "lading.toml", dialect: "lading.toml" });
    expect(codes(text)).toContain(expected);
    expect(manifest).toBeUndefined();
    for (const diagnostic of diagnostics) {
      expect(Object.hasOwn(MANIFEST_DIAGNOSTICS, diagnostic.code)).toBe(true);
      expect(diagnostic.message).not.toMatch(/\.$/);
    }
  });

  it.each([
    ["a key that occurs twice", "ref: a\nref: b\n", "MANIFEST_KEY_DUPLICATE ref 2:1"],
    ["a version that is a number", "ref: a\nversion: 1.0\n", "MANIFEST_TYPE_WRONG version 2:10"],
    ["no ref", 'version: "1.0.0"\n', "MANIFEST_KEY_MISSING ref 1:1"],
    ["two documents", "ref: a\n---\nref: b\n", "MANIFEST_SYNTAX  2:1"],
    ["a tag that makes objects", "ref: !!python/object a\n", "MANIFEST_SYNTAX  1:6"],
    ["an alias inside its own anchor", "ref: a\nx: &x [*x]\n", "MANIFEST_SYNTAX x[0] 2:8"],
    [
      "aliases that expand to a billion values",
      `ref: a\na0: &a0 [x,x,x,x,x,x,x,x,x,x]\n${[1, 2, 3, 4, 5, 6].map((level) => `a${level}: &a${level} [${`*a${level - 1},`.repeat(10)}]\n`).join("")}`,
      "MANIFEST_TOO_LARGE ",
    ],
    [
      "blocks nested too deep",
      `ref: a\nx:\n${Array.from({ length: 80 }, (_, level) => `${" ".repeat(level + 1)}a:\n`).join("")}`,
      "MANIFEST_TOO_DEEP ",
    ],
  ])("names the place of %s in YAML", (_what, text, expected) => {
    expect(codes(text, "pack.yaml").join("\n")).toContain(expected);
  });

  it("reports every mistake at once, with what is meant", () => {
    const text =
      '[package]\nname = "A"\nversion = "1"\nlicence = "MIT"\n[dependencies]\nb = 1\n[security]\nmax_risk_level = "hihg"\nnew_rule = 1\n';
    const { diagnostics } = readManifest(text, { file: "gal.toml", dialect: "gal.toml" });
    expect(diagnostics.map(formatDiagnostic).join("\n")).toMatchInlineSnapshot(`
      "gal.toml:2:8: error: Cannot read "package.name" in "gal.toml": the name breaks the name rules, found "A", allowed is a-z, 0-9 and single "-", "_" or "." between them, after at most one "namespace/" [MANIFEST_NAME_INVALID]
        hint: Write "a"
      gal.toml:3:11: error: Cannot read "package.version" in "gal.toml": it is not a SemVer version, found "1", allowed is MAJOR.MINOR.PATCH with optional -pre-release and +build [MANIFEST_VERSION_INVALID]
        hint: Did you mean "1.0.0"?
      gal.toml:4:1: warning: Cannot read "package.licence" in "gal.toml": this key is not known here, found "licence", allowed is name, version, authors, repository, homepage, metadata, title, description, license, license-file, documentation, readme, keywords, categories, edition, include, exclude, executables, publish, self-modifying, exclusive-features, gal-version [MANIFEST_KEY_UNKNOWN]
        hint: Did you mean "license"?
      gal.toml:6:5: error: Cannot read "dependencies.b" in "gal.toml": its value has the wrong type, found a whole number 1, allowed is a version requirement or a table [MANIFEST_TYPE_WRONG]
        hint: Quote it: "1"
      gal.toml:8:18: error: Cannot read "security.max_risk_level" in "gal.toml": it is not one of the values known, found "hihg", allowed is "info", "low", "medium", "high", "critical" [MANIFEST_VALUE_INVALID]
        hint: Did you mean "high"?
      gal.toml:9:1: warning: Cannot read "security.new_rule" in "gal.toml": this key is not known here, found "new_rule", allowed is require_signatures, max_risk_level, vulnerability_scan, dependency_audit, allowed_licenses, allow_self_modifying [MANIFEST_KEY_UNKNOWN]"
    `);
  });

  it("accepts a byte order mark and CRLF, and refuses what is not UTF-8", () => {
    const text = `\uFEFF${HEAD.replaceAll("\n", "\r\n")}`;
    expect(
      parseManifest(new TextEncoder().encode(text), { file: "lading.toml", dialect: "lading.toml" }).package?.name,
    ).toBe("a");
    const bad = Uint8Array.of(0x5b, 0x0a, 0xff, 0xfe);
    expect(readManifest(bad, { file: "lading.toml", dialect: "lading.toml" }).diagnostics).toMatchObject([
      { code: "MANIFEST_ENCODING", location: { line: 2, column: 1 } },
    ]);
    expect(codes("x = '\uD800'")).toEqual(["MANIFEST_ENCODING  1:6"]);
    expect(codes(" ".repeat(1024 * 1024 + 1))).toEqual(["MANIFEST_TOO_LARGE  1:1"]);
  });

  it("warns of a licence that is not SPDX, and keeps what [security] does not know", () => {
    const text = `${HEAD}license = "GPL"\n[security]\nrequire_signature = true\n`;
    const { manifest, diagnostics } = readManifest(text, { file: "gal.toml", dialect: "gal.toml" });
    expect(diagnostics).toMatchObject([
      { code: "MANIFEST_LICENSE_INVALID", severity: "warning", key: "package.license" },
      { code: "MANIFEST_KEY_UNKNOWN", severity: "warning", hint: 'Did you mean "require_signatures"?' },
    ]);
    expect(manifest?.security?.extra).toEqual({ require_signature: true });
  });

  it("lists at most 200 mistakes", () => {
    const text = `${HEAD}[dependencies]\n${Array.from({ length: 500 }, (_, index) => `b${index} = 1\n`).join("")}`;
    const { diagnostics } = readManifest(text, { file: "lading.toml", dialect: "lading.toml" });
    expect(diagnostics).toHaveLength(201);
    expect(diagnostics.at(-1)?.code).toBe("MANIFEST_TOO_MANY_MISTAKES");
  });

  it("fills in what a member takes from its workspace, and writes the marks again", () => {
    const root = parseManifest(
      '[workspace]\nmembers = ["a"]\n[workspace.package]\nversion = "3.0.0"\n[workspace.dependencies]\nb = { version = "1.2", features = ["x"] }\n',
      { file: "lading.toml", dialect: "lading.toml" },
    );
    const text =
      '[package]\nname = "a"\nversion.workspace = true\n\n[dependencies]\nb = { workspace = true, features = ["y"] }\n';
    const member = parseManifest(text, { file: "a/lading.toml", dialect: "lading.toml", workspace: root.workspace! });
    expect(member.package).toMatchObject({ version: "3.0.0", inherited: ["version"] });
    expect(member.dependencies[0]).toMatchObject({
      canonicalRequirement: ">=1.2.0 <2.0.0-0",
      features: ["x", "y"],
      workspace: true,
    });
    expect(writeManifest(member, "lading.toml").text).toContain("version = { workspace = true }");
    expect(writeManifest(member, "lading.toml").lost).toEqual([]);
  });

  it("never throws, whatever the text is", () => {
    const pieces = fc.constantFrom(
      "[",
      "]",
      "{",
      "}",
      "=",
      '"',
      "'",
      "\n",
      "\r\n",
      "a",
      "package",
      "dependencies",
      ".",
      ",",
      "#",
      ":",
      "- ",
      "&x",
      "*x",
      "1",
      "true",
      " ",
      "\t",
      "!!",
      "|",
      "\\",
      "__proto__",
      "constructor",
      "version",
      "workspace",
      "\u0000",
      "😀",
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 40 }), fc.constantFrom(...DIALECTS), (parts, dialect) => {
        const { manifest, diagnostics } = readManifest(parts.join(""), { file: "f", dialect });
        expect(manifest === undefined).toBe(diagnostics.some(({ severity }) => severity === "error"));
      }),
      { numRuns: 400 },
    );
  });
});

describe("parseManifest()", () => {
  it("throws MANIFEST_INVALID with the place of the first mistake and all of them", () => {
    const read = (): unknown =>
      parseManifest('[package]\nname = "A"\nversion = "1"\n', { file: "gal.toml", dialect: "gal.toml" });
    expect(read).toThrow(ManifestError);
    expect(read).toThrow(
      expect.objectContaining({
        code: "MANIFEST_INVALID",
        exitCode: 3,
        location: expect.objectContaining({ line: 2, column: 8 }),
        diagnostics: [expect.anything(), expect.anything()],
      }),
    );
  });
});

describe("writeManifest()", () => {
  it.each([
    ["gal.toml", EVERYTHING_TOML],
    ["pyproject.toml", PYPROJECT],
    ["pack.yaml", PACK],
    ["revitpy.toml", REVITPY],
  ] as const)("loses nothing in a round trip through %s", (dialect, text) => {
    const manifest = parseManifest(text, { file: dialect, dialect });
    const written = writeManifest(manifest, dialect);
    expect(written.lost).toEqual([]);
    expect(writeManifest(parseManifest(written.text, { file: dialect, dialect }), dialect).text).toBe(written.text);
  });

  it.each(DIALECTS)("says what %s cannot express, and nothing else", (dialect) => {
    const manifest = parseManifest(EVERYTHING_TOML, { file: "gal.toml", dialect: "gal.toml" });
    expect(writeManifest(manifest, dialect).lost.map(({ key }) => key)).toMatchSnapshot();
  });
});

describe("dialectOf() and detectDialect()", () => {
  it("go by the name, then by what only one dialect has", () => {
    expect(["x/gal.toml", "C:\\x\\pack.yml", "Cargo.toml"].map(dialectOf)).toEqual([
      "gal.toml",
      "pack.yaml",
      undefined,
    ]);
    expect(detectDialect("-", "[tool.revitpy]\n")).toBe("pyproject.toml");
    expect(detectDialect("-", PACK)).toBe("pack.yaml");
    expect(() => detectDialect("notes.txt", "hello")).toThrow(
      expect.objectContaining({ code: "MANIFEST_DIALECT_UNKNOWN" }),
    );
  });
});
