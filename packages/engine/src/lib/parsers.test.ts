import fc from "fast-check";
import { parse } from "smol-toml";
import { describe, expect, it } from "vitest";
import { isLadingError, profiles } from "@lading/core-manifest";
import { resolveDirectories } from "./directories.ts";
import { compatibleRequirement } from "./edit.ts";
import { checkGitReference, checkGitUrl, looksLikeGit, redactUrl } from "./git.ts";
import { findCycle } from "./local-packages.ts";
import { formatOf, artefactName } from "./operations/pack.ts";
import { parsePackageSpec, parseVersionSpec } from "./package-spec.ts";
import { parseToml, readSetting, settingKey } from "./settings.ts";
import { editToml } from "./toml-edit.ts";

const codeOf = (run: () => unknown): string => {
  try {
    run();
    return "ok";
  } catch (error) {
    return isLadingError(error) ? error.code : `unexpected: ${String(error)}`;
  }
};

describe("parsePackageSpec()", () => {
  it("separates name and requirement at the first @", () => {
    expect(parsePackageSpec("company/tool@^1.2, <1.9")).toEqual({ name: "company/tool", text: "^1.2, <1.9" });
    expect(parsePackageSpec("tool")).toEqual({ name: "tool", text: undefined });
    expect(codeOf(() => parsePackageSpec("tool@"))).toBe("SPEC_INVALID");
    expect(codeOf(() => parseVersionSpec("tool"))).toBe("SPEC_INVALID");
  });

  it("throws nothing but its own errors", () => {
    fc.assert(
      fc.property(fc.string(), (text) =>
        ["ok", "SPEC_INVALID", "NAME_INVALID"].includes(codeOf(() => parsePackageSpec(text))),
      ),
    );
  });
});

describe("checkGitUrl() and checkGitReference()", () => {
  it.each([
    "https://example.org/org/pack.git",
    "ssh://git@example.org/x",
    "git@example.org:org/pack.git",
    "file:///srv/x",
    "/srv/x",
    "git+https://example.org/x",
  ])("accept %s", (url) => {
    expect(checkGitUrl(url)).toBe(url.replace(/^git\+/, ""));
  });

  it.each([
    "--upload-pack=x",
    "ext::sh",
    "http://example.org/x",
    "git://example.org/x",
    "a b",
    "-oProxyCommand=x:y",
    "ssh://-oProxyCommand=x/y",
    "x\n",
  ])("refuse %j", (url) => {
    expect(codeOf(() => checkGitUrl(url))).toBe("GIT_SOURCE_REFUSED");
  });

  it("never let through what git could read as an option", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((text) => `-${text}`),
        ),
        (text) => {
          expect(["ok", "GIT_SOURCE_REFUSED"]).toContain(codeOf(() => checkGitUrl(text)));
          expect(codeOf(() => checkGitUrl(text)) === "ok" && text.startsWith("-")).toBe(false);
          expect(codeOf(() => checkGitReference(text)) === "ok" && /^-|\.\.|\s/.test(text)).toBe(false);
        },
      ),
    );
  });

  it("tell Git addresses from names and archives, and show no password", () => {
    expect(["https://h/x.git", "file:///x", "git@h:x/y", "ssh://h/x"].map(looksLikeGit)).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect(
      ["tool", "company/tool@1.0.0", "tool@^1", "https://h/x.zip", "https://h/x.tar.gz?y"].map(looksLikeGit),
    ).toEqual([false, false, false, false, false]);
    expect(redactUrl("https://user:secret@h/x")).toBe("https://h/x");
  });
});

describe("editToml()", () => {
  const text = '# top\nname = "x"  # why\n\n[signing]\nauto = true # yes\n\n[other]\na = 1\n';

  it("changes the one line, keeps its comment, adds keys and tables, deletes", () => {
    expect(editToml(text, ["signing", "auto"], false, "f")).toBe(text.replace("auto = true", "auto = false"));
    expect(editToml(text, ["name"], "y", "f")).toBe(text.replace('"x"', '"y"'));
    expect(editToml(text, ["signing", "key"], "k", "f")).toBe(text.replace("# yes\n", '# yes\nkey = "k"\n'));
    expect(editToml(text, ["new", "k"], 1, "f")).toBe(`${text}\n[new]\nk = 1\n`);
    expect(editToml(text, ["signing", "auto"], undefined, "f")).toBe(text.replace("auto = true # yes\n", ""));
    expect(editToml("", ["a", "b"], "c", "f")).toBe('[a]\nb = "c"\n');
    expect(editToml("a = 1\r\n", ["b"], 2, "f")).toContain("\r\n");
  });

  it("refuses what is not on a line of its own rather than rewriting it", () => {
    expect(codeOf(() => editToml("signing = { auto = true }\n", ["signing", "auto"], false, "f"))).toMatch(
      /CONFIG_(EDIT_FAILED|FILE_INVALID)/,
    );
    expect(codeOf(() => editToml("not toml", ["a"], 1, "f"))).toBe("CONFIG_FILE_INVALID");
  });

  it("always has exactly the asked effect, or refuses", () => {
    const key = fc.stringMatching(/^[a-z]{1,4}$/);
    const value = fc.oneof(fc.boolean(), fc.integer({ min: 0, max: 1000 }), fc.string({ maxLength: 10 }));
    fc.assert(
      fc.property(fc.array(fc.tuple(key, key, value), { maxLength: 8 }), (edits) => {
        const expected: Record<string, Record<string, unknown>> = {};
        let current = "# kept\n";
        for (const [table, name, wanted] of edits) {
          current = editToml(current, [table, name], wanted, "f");
          (expected[table] ??= {})[name] = wanted;
        }
        expect(JSON.parse(JSON.stringify(parse(current)))).toEqual(JSON.parse(JSON.stringify(expected)));
        expect(current.startsWith("# kept\n")).toBe(true);
      }),
      { numRuns: 60 },
    );
  });
});

describe("settings", () => {
  it("settingKey() knows every spelling of a key", () => {
    expect(
      ["default-registry", "default_registry", "registry.default"].map((key) => settingKey(key, profiles.gal)),
    ).toEqual(["registry.default", "registry.default", "registry.default"]);
    expect(settingKey("auth.token", profiles.revitpy)).toBe("registry.token");
    expect(settingKey("hosts.revit", profiles.revitpy)).toBe("hosts.revit");
    expect(codeOf(() => settingKey("hosts.revit", profiles.lading))).toBe("CONFIG_KEY_UNKNOWN");
  });

  it("readSetting() checks types and expands ~", () => {
    expect(readSetting("signing.key", "~/k.pem", "", "/home/x")).toBe("/home/x/k.pem");
    expect(readSetting("signing.auto", "true", "", "/")).toBe(true);
    expect(codeOf(() => readSetting("registry.timeout", "soon", "ENV", "/"))).toBe("CONFIG_VALUE_INVALID");
  });

  it("parseToml() says where a file is wrong", () => {
    expect(() => parseToml("a = 1\nb = = 2\n", "c.toml")).toThrow(
      expect.objectContaining({
        code: "CONFIG_FILE_INVALID",
        location: expect.objectContaining({ file: "c.toml", line: 2 }) as unknown,
      }),
    );
  });

  it("resolveDirectories() follows variables, then XDG, then the profile", () => {
    expect(resolveDirectories(profiles.gal, {}, "/home/x")).toEqual({
      config: "/home/x/.config/gal",
      data: "/home/x/.local/share/gal",
      cache: "/home/x/.cache/gal",
      keys: "/home/x/.config/gal/keys",
    });
    expect(
      resolveDirectories(profiles.gal, { XDG_CONFIG_HOME: "/c", XDG_DATA_HOME: "relative", GAL_CACHE_DIR: "/k" }, "/h"),
    ).toMatchObject({ config: "/c/gal", data: "/h/.local/share/gal", cache: "/k" });
    expect(resolveDirectories(profiles.revitpy, {}, "/h").config).toBe("/h/.revitpy");
  });
});

describe("small rules", () => {
  it("compatibleRequirement() speaks the dialect's syntax", () => {
    expect(compatibleRequirement("1.2.3", "caret")).toBe("^1.2.3");
    expect([
      compatibleRequirement("1.2.3", "pep440"),
      compatibleRequirement("0.2.3", "pep440"),
      compatibleRequirement("0.0.3", "pep440"),
    ]).toEqual([">=1.2.3,<2", ">=0.2.3,<0.3", ">=0.0.3,<0.0.4"]);
  });

  it("artefactName() and formatOf() name files", () => {
    expect(artefactName({ name: "company/tool", version: "1.0.0", target: "any", extension: ".lpk" })).toBe(
      "company-tool-1.0.0.lpk",
    );
    expect(artefactName({ name: "tool", version: "1.0.0", target: "x86_64-linux", extension: ".lpk" })).toBe(
      "tool-1.0.0-x86_64-linux.lpk",
    );
    expect(formatOf({ extension: ".tar.gz", codec: "gzip" }, "zstd")).toEqual({ extension: ".tar.zst", codec: "zstd" });
    expect(formatOf({ extension: ".lpk", codec: "zstd" }, "gzip")).toEqual({ extension: ".lpk", codec: "gzip" });
  });

  it("findCycle() finds one where there is one, and none in a long chain", () => {
    expect(
      findCycle(
        new Map([
          ["a", new Set(["b"])],
          ["b", new Set(["c", "a"])],
        ]),
      ),
    ).toEqual(["a", "b", "a"]);
    const chain = new Map(Array.from({ length: 20_000 }, (_, index) => [`${index}`, new Set([`${index + 1}`])]));
    expect(findCycle(chain)).toBeUndefined();
  });
});
