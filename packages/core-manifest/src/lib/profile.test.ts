import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BUILTIN_PROFILE_DATA } from "./builtin-profiles-data.ts";
import { builtinProfile, profiles, type BuiltinProfileId } from "./builtin-profiles.ts";
import { isLadingError } from "./error.ts";
import type { Diagnostic } from "./manifest.ts";
import { PROFILE_COMMANDS, parseProfile } from "./profile-read.ts";

const IDS = Object.keys(BUILTIN_PROFILE_DATA) as BuiltinProfileId[];

function source(id: BuiltinProfileId): string {
  return readFileSync(new URL(`../../profiles/${id}.toml`, import.meta.url), "utf8");
}

function diagnosticsOf(text: string): readonly Diagnostic[] {
  try {
    parseProfile(text, "my.toml");
  } catch (error) {
    if (!isLadingError(error) || error.code !== "PROFILE_INVALID") throw error;
    return error.details["diagnostics"] as readonly Diagnostic[];
  }
  return [];
}

function spellings(id: BuiltinProfileId, bin: string): Record<string, string> {
  const commands = builtinProfile(id).bins.find(({ name }) => name === bin)!.commands;
  return Object.fromEntries(commands.map(({ spelling, command }) => [spelling, command]));
}

describe("builtinProfile()", () => {
  it.each(IDS)("%s is what its TOML file says (else run scripts/generate-profiles.ts)", (id) => {
    expect(builtinProfile(id)).toEqual(parseProfile(source(id), `profiles/${id}.toml`));
    expect(builtinProfile(id).id).toBe(id);
    expect(profiles[id]).toBe(builtinProfile(id));
  });

  it("cannot be changed by one caller for the others", () => {
    expect(() => {
      (profiles.lading.bins as unknown[]).push({});
    }).toThrow(TypeError);
  });

  it("has the file names, formats and ports of the documents", () => {
    const facts = (id: BuiltinProfileId): unknown[] => {
      const { manifest, lockfile, package: files, registry } = profiles[id];
      return [
        manifest.files[0]!.name,
        lockfile,
        files.binary.extension,
        files.source.extension,
        files.outputDirectory,
        registry.port,
      ];
    };
    expect(facts("lading")).toEqual(["lading.toml", "lading.lock", ".lpk", ".lmod", "target/package", 8080]);
    expect(facts("vitte")).toEqual(["vitte.toml", "vitte.lock", ".vitpkg", ".vitmod", "target", 8080]);
    expect(facts("gal")).toEqual(["gal.toml", "gal.lock", ".galpkg", ".galmod", "target", 8080]);
    expect(facts("attune")).toEqual(["pack.yaml", "pack.lock", ".tar.gz", ".tar.gz", "dist", 8080]);
    expect(facts("revitpy")).toEqual(["revitpy.toml", "revitpy.lock", ".tar.gz", ".tar.gz", "dist", 8000]);
  });

  it("covers the documented commands of vitte, and lists packages for `registry list`", () => {
    expect(spellings("vitte", "vitte")).toEqual({
      "packager build": "pack",
      "packager sign": "sign",
      "packager verify": "verify",
      "packager publish": "publish",
      "package publish": "publish",
      "registry publish": "publish",
      "registry search": "search",
      "registry fetch": "fetch",
      "registry list": "search",
    });
    expect(profiles.vitte.bins[0]!.commands[0]!.flags).toEqual({ out: "output" });
  });

  it("leaves gal-pkg the commands of Lading, whose `registry list` lists registries", () => {
    expect(profiles.gal.bins).toEqual([{ name: "gal-pkg", inherit: true, commands: [] }]);
    expect(profiles.gal.tokenVariables[0]).toBe("GAL_REGISTRY_TOKEN");
  });

  it("covers the documented commands of attune and revitpy", () => {
    expect(spellings("attune", "attune")).toMatchObject({ "pack install": "install" });
    expect(profiles.attune.bins[0]!.inherit).toBe(false);
    expect(spellings("revitpy", "revitpy-build")).toMatchObject({
      package: "pack",
      publish: "publish",
      "generate-key": "keygen",
      sign: "sign",
    });
    const install = profiles.revitpy.bins[0]!;
    expect([install.name, install.inherit, install.commands[0]!.flags]).toEqual([
      "revitpy-install",
      true,
      { "index-url": "registry" },
    ]);
    expect(profiles.revitpy.hosts.map(({ axis, flag }) => [axis, flag])).toEqual([
      ["revit", "--revit-version"],
      ["python", "--python-version"],
    ]);
  });
});

describe("parseProfile()", () => {
  it("reads [resolver], and refuses what is no age", () => {
    const rule = '\n[resolver]\nminimum-release-age = "24h"\nminimum-release-age-exclude = ["company/*"]\n';
    expect(parseProfile(source("vitte") + rule, "vitte.toml").resolver).toEqual({
      minimumReleaseAge: "24h",
      minimumReleaseAgeExclude: ["company/*"],
    });
    expect(diagnosticsOf(source("vitte") + rule.replace("24h", "a day")).map(({ key }) => key)).toEqual([
      "resolver.minimum-release-age",
    ]);
  });

  it("lists every mistake at once, each with line, column, key, what was found and what is allowed", () => {
    const text = source("vitte")
      .replace("lockfile =", "lokfile =")
      .replace('codec = "zstd"', 'codec = "zst"')
      .replace("port = 8080", 'port = "http"')
      .replace('"packager sign" = "sign"', '"packager sign" = "sing"');
    expect(
      diagnosticsOf(text).map(({ code, key, location, found }) => [code, key, location.line, location.column, found]),
    ).toEqual([
      ["PROFILE_KEY_MISSING", "lockfile", 1, 1, "nothing"],
      ["PROFILE_KEY_UNKNOWN", "lokfile", 8, 1, '"lokfile"'],
      ["PROFILE_VALUE_INVALID", "package.binary.codec", 18, 35, '"zst"'],
      ["PROFILE_VALUE_INVALID", "registry.port", 30, 1, '"http"'],
      ["PROFILE_VALUE_INVALID", 'bins[0].commands."packager sign"', 43, 1, '"sing"'],
    ]);
    expect(diagnosticsOf(text)[1]!.hint).toBe('Did you mean "lockfile"?');
    expect(diagnosticsOf(text)[2]!.allowed).toBe('one of "zstd", "gzip", "lz4", "none"');
  });

  it.each<[string, string, string, string]>([
    ["another schema", "schema = 1", "schema = 2", "schema"],
    ["an id in upper case", 'id = "vitte"', 'id = "Vitte"', "id"],
    ["a title of two lines", 'title = "Vitte packages"', 'title = "a\\nb"', "title"],
    ["a prefix in lower case", '"VITTE"', '"vitte"', "environment-prefix"],
    ["a lock file in a directory", '"vitte.lock"', '"../vitte.lock"', "lockfile"],
    ["an extension without a dot", '".vitpkg"', '"vitpkg"', "package.binary.extension"],
    [
      "an output directory outside",
      'output-directory = "target"',
      'output-directory = "../target"',
      "package.output-directory",
    ],
    ["an install directory outside", '"vitte_packages"\nco', '"a/../../b"\nco', "install.directory"],
    ["an unknown layout", '"linked"', '"flat"', "install.layout"],
    ["an unknown dialect", 'dialect = "vitte.toml"', 'dialect = "vitte.json"', "manifest.files[0].dialect"],
    ["no manifest file", 'files = [{ name = "vitte.toml", dialect = "vitte.toml" }]', "files = []", "manifest.files"],
    ["the requirement syntax that authors do not write", '"caret"', '"canonical"', "manifest.requirements"],
    ["a URL without scheme", '"https://registry.vitte.dev"', '"registry.vitte.dev"', "registry.default-url"],
    ["a flag with dashes", "{ out =", '{ "--out" =', 'bins[0].commands."packager build".flags.--out'],
    ["a spelling that is a flag", '"registry fetch"', '"--fetch"', "bins[0].commands.--fetch"],
    ["no bin", '[[bins]]\nname = "vitte"\ninherit = true\n\n[bins.commands]', "[other]", "bins"],
  ])("refuses %s", (_what, from, to, key) => {
    const text = source("vitte");
    expect(text).toContain(from);
    expect(diagnosticsOf(text.replace(from, to)).map((diagnostic) => diagnostic.key)).toContain(key);
  });

  it("refuses two bins or hosts of one name, and a default that is not among the versions", () => {
    const twice = source("revitpy")
      .replace('"revitpy-build"', '"revitpy-install"')
      .replace('axis = "python"', 'axis = "revit"\ndefault = "2"\n');
    expect(diagnosticsOf(twice).map(({ key }) => key)).toEqual(["hosts[1].axis", "bins[1].name"]);
    const fallback = source("revitpy").replace('flag = "--revit-version"', 'default = "1999"');
    expect(diagnosticsOf(fallback).map(({ key, found }) => [key, found])).toEqual([["hosts[0].default", '"1999"']]);
  });

  it("reads optional keys where they are given", () => {
    const text = `${source("lading")}summary = "Own"\n[bins.commands]\nbuild = { command = "pack", defaults = { kind = "source" } }\n`;
    expect(parseProfile(text, "my.toml").bins[0]).toEqual({
      name: "lading",
      summary: "Own",
      inherit: true,
      commands: [{ spelling: "build", command: "pack", defaults: { kind: "source" } }],
    });
  });

  it("reports text that is no TOML with its place", () => {
    expect(diagnosticsOf("schema = 1\nid = [\n")[0]).toMatchObject({
      code: "PROFILE_SYNTAX",
      location: { file: "my.toml" },
    });
    expect(diagnosticsOf("a = 1\na = 2\n")[0]).toMatchObject({ location: { line: 2 } });
  });

  it("names each command that a spelling may mean once", () => {
    expect(new Set(PROFILE_COMMANDS).size).toBe(PROFILE_COMMANDS.length);
  });

  it("throws PROFILE_INVALID with located diagnostics or answers, whatever the text", () => {
    const valid = source("revitpy");
    const lines = valid.split("\n").length;
    const mutated = fc
      .tuple(fc.nat({ max: valid.length - 1 }), fc.nat({ max: 12 }), fc.string({ maxLength: 6 }))
      .map(([at, length, inserted]) => valid.slice(0, at) + inserted + valid.slice(at + length));
    fc.assert(
      fc.property(fc.oneof(mutated, fc.string()), (text) => {
        for (const { location, message } of diagnosticsOf(text)) {
          expect(location.line).toBeGreaterThan(0);
          expect(location.line).toBeLessThanOrEqual(lines + 6);
          expect(message).not.toBe("");
        }
      }),
    );
  });
});
