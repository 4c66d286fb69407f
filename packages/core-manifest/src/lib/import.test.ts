import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { errorCodeOf } from "../testing.ts";
import { importCargoManifest, importNpmManifest, writeManifest, type Diagnostic } from "../index.ts";

function brief(findings: readonly Diagnostic[]): string[] {
  return findings.map(({ severity, code, key, location }) => `${severity} ${code} ${key} ${location.line}`);
}

const CARGO = `[package]
name = "vitte-pack"
version = "0.1.0"
edition = "2021"
rust-version = "1.82"
readme = false
build = "build.rs"

[dependencies]
core = { path = "../core", version = "0.1.0" }
reqwest = { version = "0.12", features = ["json"], default-features = false }
tar = "0.4"
renamed = { package = "real-one", version = "=1.2.3", optional = true }
shared = { workspace = true }
odd = { version = "1", artifact = "bin" }

[dev_dependencies]
probe = ">=1, <3"

[target.'cfg(windows)'.dependencies]
winapi = "0.3"

[target.'cfg(feature = "x")'.dependencies]
gone = "1"

[features]
default = ["net"]
net = ["dep:renamed", "reqwest/stream", "winapi/std", "gone/std"]

[profile.release]
opt-level = 3
lto = "fat"
codegen-units = 1

[workspace]
members = ["crates/*"]
resolver = "2"
[workspace.dependencies]
shared = "2"

[[bin]]
name = "x"
`;

describe("importCargoManifest()", () => {
  it("takes over what has a counterpart and finds everything else", () => {
    const { manifest, findings } = importCargoManifest(CARGO, { file: "Cargo.toml", dialect: "gal.toml" });
    expect(manifest).toMatchObject({
      dialect: "gal.toml",
      package: { name: "vitte-pack", edition: "2021" },
      hosts: { rust: ">=1.82.0" },
      workspace: { members: ["crates/*"] },
    });
    expect(
      manifest.dependencies.map(({ kind, name, canonicalRequirement }) => [kind, name, canonicalRequirement]),
    ).toEqual([
      ["normal", "core", ">=0.1.0 <0.2.0-0"],
      ["normal", "reqwest", ">=0.12.0 <0.13.0-0"],
      ["normal", "tar", ">=0.4.0 <0.5.0-0"],
      ["normal", "renamed", "=1.2.3"],
      ["normal", "shared", ">=2.0.0 <3.0.0-0"],
      ["normal", "odd", ">=1.0.0 <2.0.0-0"],
      ["dev", "probe", ">=1.0.0 <3.0.0-0"],
      ["normal", "winapi", ">=0.3.0 <0.4.0-0"],
    ]);
    expect(manifest.dependencies.at(-1)).toMatchObject({ targets: ["*-windows"], condition: "cfg(windows)" });
    expect(manifest.features).toEqual({ default: ["net"], net: ["dep:renamed", "reqwest/stream", "winapi/std"] });
    expect(manifest.profiles["release"]).toMatchObject({ optimizationLevel: 3, lto: "fat", extra: {} });
    expect(brief(findings)).toEqual([
      'warning IMPORT_KEY_DROPPED target.cfg(feature = "x").dependencies 23',
      "warning IMPORT_KEY_DROPPED package.build 7",
      "warning IMPORT_KEY_DROPPED dependencies.odd.artifact 15",
      "warning IMPORT_KEY_DROPPED features.net 28",
      "warning IMPORT_KEY_DROPPED profile.release.codegen-units 33",
      "warning IMPORT_KEY_DROPPED workspace.resolver 37",
      "warning IMPORT_KEY_DROPPED bin 41",
    ]);
    expect(writeManifest(manifest, "gal.toml").lost).toEqual([]);
  });

  it("never changes a name silently, but takes one that is chosen", () => {
    const text = '[package]\nname = "Inflector"\nversion = "1.0"\n';
    expect(brief(importCargoManifest(text, { file: "Cargo.toml" }).findings)).toEqual([
      "error IMPORT_NAME_INVALID package.name 2",
      "error IMPORT_VERSION_INVALID package.version 3",
    ]);
    expect(importCargoManifest(text, { file: "Cargo.toml", name: "inflector", version: "1.0.0" })).toMatchObject({
      findings: [],
      manifest: { package: { name: "inflector", version: "1.0.0" } },
    });
    expect(() => importCargoManifest("[", { file: "Cargo.toml" })).toThrow(
      expect.objectContaining({
        code: "MANIFEST_INVALID",
        diagnostics: [expect.objectContaining({ code: "IMPORT_SYNTAX" })],
      }),
    );
  });
});

function npm(parts: Record<string, unknown>): ReturnType<typeof importNpmManifest> {
  return importNpmManifest(JSON.stringify({ name: "a", version: "1.0.0", ...parts }, undefined, 2), {
    file: "package.json",
  });
}

describe("importNpmManifest()", () => {
  it("takes over package, engines, bin, files and all kinds of dependencies", () => {
    const { manifest, findings } = npm({
      name: "@company/tool",
      author: { name: "Ada", email: "ada@example.com" },
      contributors: ["Grace <grace@example.com> (https://example.com)"],
      license: "MIT",
      repository: { type: "git", url: "git+https://github.com/company/tool.git" },
      keywords: ["x"],
      bin: { tool: "./bin/tool.js" },
      files: ["dist/", "!dist/*.map"],
      engines: { node: ">=20", npm: ">=10" },
      dependencies: { ms: "^2.1.0", "@scope/x": "1.2.3", real: "npm:other@~1.4.0" },
      optionalDependencies: { fsevents: "2.x" },
      devDependencies: { vitest: "~3.1.0" },
      peerDependencies: { react: "^18 || ^19" },
      peerDependenciesMeta: { react: { optional: true } },
      os: ["linux"],
      scripts: { postinstall: "node x", test: "y" },
      main: "x.js",
      type: "module",
    });
    expect(manifest).toMatchObject({
      package: {
        name: "company/tool",
        authors: ["Ada <ada@example.com>", "Grace <grace@example.com>"],
        repository: "https://github.com/company/tool.git",
        include: ["dist/"],
        exclude: ["dist/*.map"],
        executables: ["bin/tool.js"],
      },
      hosts: { node: ">=20.0.0" },
    });
    expect(
      manifest.dependencies.map(({ kind, name, package: real, requirement, optional }) => [
        kind,
        name,
        real,
        requirement,
        optional,
      ]),
    ).toEqual([
      ["normal", "ms", undefined, "^2.1.0", false],
      ["normal", "scope/x", undefined, "=1.2.3", false],
      ["normal", "real", "other", ">=1.4.0, <1.5.0-0", false],
      ["normal", "fsevents", undefined, "^2.0.0", true],
      ["dev", "vitest", undefined, ">=3.1.0, <3.2.0-0", false],
      ["peer", "react", undefined, ">=18.0.0 <19.0.0-0 || >=19.0.0 <20.0.0-0", true],
    ]);
    expect(brief(findings).map((line) => line.replace(/ \d+$/, ""))).toEqual([
      "warning IMPORT_VALUE_UNSUPPORTED optionalDependencies",
      "warning IMPORT_KEY_DROPPED engines.npm",
      "warning IMPORT_KEY_DROPPED os",
      "warning IMPORT_KEY_DROPPED scripts.postinstall",
      "warning IMPORT_KEY_DROPPED main",
    ]);
    expect(writeManifest(manifest, "lading.toml").lost).toEqual([]);
  });

  it.each([
    ["", "*"],
    ["*", "*"],
    ["x", "*"],
    [">= 2.1.2 < 3.0.0", ">=2.1.2 <3.0.0"],
    ["^1 || ^2", ">=1.0.0 <2.0.0-0 || >=2.0.0 <3.0.0-0"],
    ["1.2.3 - 2", ">=1.2.3 <3.0.0-0"],
    ["v1.2.3", "=1.2.3"],
    ["~1.2", ">=1.2.0 <1.3.0-0"],
  ])("keeps the meaning of the range %j", (range, canonical) => {
    expect(npm({ dependencies: { b: range } }).manifest.dependencies[0]).toMatchObject({
      canonicalRequirement: canonical,
    });
  });

  it.each([
    ["file:../b", { type: "path", path: "../b" }],
    ["link:./b", { type: "path", path: "./b" }],
    ["github:u/r#v1", { type: "git", url: "https://github.com/u/r", rev: "v1" }],
    ["u/r", { type: "git", url: "https://github.com/u/r" }],
    ["git+ssh://git@example.com/u/r.git#abc", { type: "git", url: "ssh://git@example.com/u/r.git", rev: "abc" }],
    ["git@example.com:u/r.git", { type: "git", url: "git@example.com:u/r.git" }],
    ["https://example.com/r.git", { type: "git", url: "https://example.com/r.git" }],
  ])("reads the source %j", (spec, source) => {
    expect(npm({ dependencies: { b: spec } })).toMatchObject({
      findings: [],
      manifest: { dependencies: [{ source }] },
    });
  });

  it.each([
    ["latest", "IMPORT_REQUIREMENT_UNSUPPORTED"],
    ["catalog:", "IMPORT_REQUIREMENT_UNSUPPORTED"],
    [">=1 <<2", "IMPORT_REQUIREMENT_UNSUPPORTED"],
    ["https://example.com/x.tgz", "IMPORT_SOURCE_UNSUPPORTED"],
    ["file:x.tgz", "IMPORT_SOURCE_UNSUPPORTED"],
    ["github:u/r#semver:^1", "IMPORT_SOURCE_UNSUPPORTED"],
    ["git+https://example.com/r.git#--upload-pack=x", "IMPORT_SOURCE_UNSUPPORTED"],
    ["npm:JSONStream@1", "IMPORT_NAME_INVALID"],
  ])("refuses %j with a reason", (spec, code) => {
    expect(npm({ dependencies: { b: spec } })).toMatchObject({
      findings: [{ code, severity: "error", key: "dependencies.b" }],
      manifest: { dependencies: [] },
    });
  });

  it("never changes a name silently and says where it is", () => {
    const { manifest, findings } = npm({ name: "JSONStream", dependencies: { Upper: "1" } });
    expect(manifest.package).toBeUndefined();
    expect(brief(findings)).toEqual([
      "error IMPORT_NAME_INVALID name 2",
      "error IMPORT_NAME_INVALID dependencies.Upper 5",
    ]);
  });

  it("throws nothing but MANIFEST_INVALID, whatever the value is", () => {
    const key = fc.constantFrom(
      "name",
      "version",
      "dependencies",
      "peerDependenciesMeta",
      "optionalDependencies",
      "bin",
      "files",
      "engines",
      "author",
      "contributors",
      "license",
      "licenses",
      "repository",
      "workspaces",
      "scripts",
      "__proto__",
    );
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), fc.dictionary(key, fc.jsonValue()), fc.string()), (value) => {
        const code = errorCodeOf(() =>
          importNpmManifest(typeof value === "string" ? value : JSON.stringify(value), { file: "package.json" }),
        );
        expect([undefined, "MANIFEST_INVALID"]).toContain(code);
      }),
      { numRuns: 300 },
    );
  });
});
