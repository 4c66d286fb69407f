import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  addDependency,
  parseManifest,
  removeDependency,
  setValue,
  type DialectId,
  type ManifestDependency,
} from "../index.ts";
import { EVERYTHING_TOML, PACK, PYPROJECT, REVITPY } from "../../test/manifest-fixtures.ts";

type Wish = Partial<ManifestDependency> & { readonly name: string };

function wish(parts: Wish): ManifestDependency {
  return {
    kind: "normal",
    source: { type: "registry" },
    features: [],
    defaultFeatures: true,
    optional: false,
    workspace: false,
    ...parts,
  };
}

function add(text: string, dialect: DialectId, parts: Wish): string {
  return addDependency(text, { file: dialect, dialect, dependency: wish(parts) });
}

/** Lines that one text has and the other has not, in order. */
function changed(before: string, after: string): string[] {
  const [old, now] = [before.split("\n"), after.split("\n")];
  return [
    ...old.filter((line) => !now.includes(line)).map((line) => `- ${line}`),
    ...now.filter((line) => !old.includes(line)).map((line) => `+ ${line}`),
  ];
}

const SMALL = '[package]\nname = "a"\nversion = "1.0.0"\n';

describe("addDependency()", () => {
  it("changes one line and nothing else", () => {
    expect(changed(EVERYTHING_TOML, add(EVERYTHING_TOML, "gal.toml", { name: "fresh", requirement: "^1.0" }))).toEqual([
      '+ fresh = "^1.0"',
    ]);
    expect(
      changed(
        EVERYTHING_TOML,
        add(EVERYTHING_TOML, "gal.toml", {
          name: "fresh",
          kind: "dev",
          requirement: "1",
          features: ["x"],
          optional: false,
        }),
      ),
    ).toEqual(['+ fresh = { version = "1", features = ["x"] }']);
    expect(changed(PACK, add(PACK, "pack.yaml", { name: "fresh", requirement: "1.0.0" }))).toEqual([
      '+   - "fresh@1.0.0"',
    ]);
    expect(changed(PYPROJECT, add(PYPROJECT, "pyproject.toml", { name: "fresh", requirement: ">=1,<2" }))).toEqual([
      '+     "fresh>=1,<2",',
    ]);
    expect(
      changed(REVITPY, add(REVITPY, "revitpy.toml", { name: "fresh", source: { type: "path", path: "../fresh" } })),
    ).toEqual(['+ fresh = { path = "../fresh" }']);
  });

  it("gives a dependency that is there new values in its own form and spelling", () => {
    expect(changed(EVERYTHING_TOML, add(EVERYTHING_TOML, "gal.toml", { name: "courier", requirement: "^2" }))).toEqual([
      '- courier = "^1.2.0"',
      '+ courier = "^2"',
    ]);
    const table = add(EVERYTHING_TOML, "gal.toml", {
      name: "spare",
      requirement: "2",
      optional: true,
      package: "spare-parts",
    });
    expect(changed(EVERYTHING_TOML, table)).toEqual([
      '- version = "1"',
      '- targets = ["x86_64-linux"]',
      '+ version = "2"',
    ]);
    const rooted = `dependencies.b_c.version = "1" # why\n${SMALL}`;
    expect(add(rooted, "lading.toml", { name: "b-c", requirement: "2" })).toBe(rooted.replace('"1"', '"2"'));
    expect(add(rooted, "lading.toml", { name: "d", requirement: "2" })).toBe(
      rooted.replace("# why\n", '# why\ndependencies.d = "2"\n'),
    );
    expect(changed(PACK, add(PACK, "pack.yaml", { name: "http", requirement: ">=2" }))).toEqual([
      "-   - http@1.2.0   # exact",
      '+   - "http>=2"   # exact',
    ]);
    expect(changed(PYPROJECT, add(PYPROJECT, "pyproject.toml", { name: "pyyaml", requirement: ">=7" }))).toEqual([
      '-     "PyYAML>=6.0",  # configuration',
      '+     "pyyaml>=7",  # configuration',
    ]);
  });

  it("keeps CRLF, and makes a table at the end where there is none", () => {
    const windows = SMALL.replaceAll("\n", "\r\n");
    expect(add(windows, "lading.toml", { name: "b", requirement: "1" })).toBe(
      `${windows}\r\n[dependencies]\r\nb = "1"\r\n`,
    );
    expect(add(SMALL.trimEnd(), "lading.toml", { name: "x/b", requirement: "1", kind: "peer" })).toBe(
      `${SMALL}\n[peer-dependencies]\n"x/b" = "1"\n`,
    );
    expect(add("ref: a\r\nversion: '1.0.0'", "pack.yaml", { name: "b" })).toBe(
      "ref: a\r\nversion: '1.0.0'\r\ndependencies:\r\n  - b\r\n",
    );
  });

  it.each([
    ["dependencies: []\n", "dependencies: [b]\n"],
    ["dependencies: [c] # x\n", "dependencies: [c, b] # x\n"],
    ["dependencies:\n", "dependencies: [b]\n"],
    ["dependencies:\n- c # x\n", "dependencies:\n- c # x\n- b\n"],
    ["dependencies:\n  - c\n\n# tail\n", "dependencies:\n  - c\n  - b\n\n# tail\n"],
    ["dependencies:\n  c: '1' # x\n", "dependencies:\n  c: '1' # x\n  b: \"*\"\n"],
    ["dependencies: { c: '1' }\n", "dependencies: { c: '1', b: \"*\" }\n"],
    [
      "dependencies:\n  packs:\n    - c\n  attune_version: '>=1'\n",
      "dependencies:\n  packs:\n    - c\n    - b\n  attune_version: '>=1'\n",
    ],
    [
      "dependencies:\n  - ref: c\n    version: '1'\nlabel: x\n",
      "dependencies:\n  - ref: c\n    version: '1'\n  - b\nlabel: x\n",
    ],
  ])("follows the form of a pack's list: %j", (form, expected) => {
    const head = 'ref: a\nversion: "1.0.0"\n';
    const after = add(head + form, "pack.yaml", { name: "b" });
    expect(after).toBe(head + expected);
    const back = parseManifest(removeDependency(after, { file: "pack.yaml", dialect: "pack.yaml", name: "b" }), {
      file: "pack.yaml",
      dialect: "pack.yaml",
    });
    expect(back.dependencies.map(({ name }) => name)).toEqual(/\bc\b/.test(form) ? ["c"] : []);
  });

  it("puts an optional dependency of pyproject into an extra and a source beside PEP 508", () => {
    const optional = add(PYPROJECT, "pyproject.toml", { name: "fresh", requirement: ">=1", optional: true });
    expect(changed(PYPROJECT, optional)).toEqual(['+ fresh = ["fresh>=1"]']);
    const git = add(PYPROJECT, "pyproject.toml", {
      name: "fresh",
      source: { type: "git", url: "https://example.com/f", tag: "v1" },
    });
    expect(changed(PYPROJECT, git)).toEqual([
      '+     "fresh",',
      '+ fresh = { git = "https://example.com/f", tag = "v1" }',
    ]);
    expect(removeDependency(git, { file: "pyproject.toml", dialect: "pyproject.toml", name: "fresh" })).toBe(PYPROJECT);
  });

  it("refuses what the dialect cannot say", () => {
    expect(() => add(PYPROJECT, "pyproject.toml", { name: "x/y", requirement: ">=1" })).toThrow(
      expect.objectContaining({ code: "MANIFEST_NOT_EXPRESSIBLE" }),
    );
    expect(() => add(REVITPY, "revitpy.toml", { name: "y", canonicalRequirement: "=1.0.0 || =3.0.0" })).toThrow(
      expect.objectContaining({ code: "MANIFEST_NOT_EXPRESSIBLE" }),
    );
    expect(() => add(SMALL, "lading.toml", { name: "b", requirement: "<<1" })).toThrow(
      expect.objectContaining({ code: "MANIFEST_EDIT_FAILED" }),
    );
    expect(() => add("x = ", "lading.toml", { name: "b" })).toThrow(
      expect.objectContaining({ code: "MANIFEST_INVALID" }),
    );
  });
});

describe("removeDependency()", () => {
  it("removes the line with its comment, in every form", () => {
    const remove = (text: string, dialect: DialectId, name: string): string[] =>
      changed(text, removeDependency(text, { file: dialect, dialect, name }));
    expect(remove(EVERYTHING_TOML, "gal.toml", "near")).toEqual(['- near = { path = "../near" }']);
    expect(remove(EVERYTHING_TOML, "gal.toml", "probe")).toEqual(['- probe = "^2.0"']);
    expect(remove(PACK, "pack.yaml", "http")).toEqual(["-   - http@1.2.0   # exact"]);
    expect(remove(PYPROJECT, "pyproject.toml", "nearby")).toEqual([
      '-     "nearby",',
      '- nearby = { path = "../nearby" }',
    ]);
    expect(
      removeDependency(
        '[package]\nname="a"\nversion="1.0.0"\n[dependencies]\n# c\n[dependencies.b]\nversion = "1"\n# d\n',
        { file: "lading.toml", dialect: "lading.toml", name: "b" },
      ),
    ).toBe('[package]\nname="a"\nversion="1.0.0"\n[dependencies]\n# c\n# d\n');
    const inline = 'dependencies = { b = "1", c = "2" }\npackage = { name = "a", version = "1.0.0" }\n';
    expect(removeDependency(inline, { file: "lading.toml", dialect: "lading.toml", name: "c" })).toContain(
      '{ b = "1" }',
    );
    expect(removeDependency(inline, { file: "lading.toml", dialect: "lading.toml", name: "b" })).toContain(
      '{ c = "2" }',
    );
  });

  it("refuses what is not there, and what a feature still names", () => {
    expect(() => removeDependency(EVERYTHING_TOML, { file: "gal.toml", dialect: "gal.toml", name: "absent" })).toThrow(
      expect.objectContaining({ code: "MANIFEST_DEPENDENCY_NOT_FOUND" }),
    );
    expect(() =>
      removeDependency(EVERYTHING_TOML, { file: "gal.toml", dialect: "gal.toml", name: "near", kinds: ["dev"] }),
    ).toThrow(expect.objectContaining({ code: "MANIFEST_DEPENDENCY_NOT_FOUND" }));
    expect(() => removeDependency(EVERYTHING_TOML, { file: "gal.toml", dialect: "gal.toml", name: "spare" })).toThrow(
      expect.objectContaining({ code: "MANIFEST_EDIT_FAILED", message: expect.stringContaining("features.extra[0]") }),
    );
  });
});

describe("setValue()", () => {
  it("sets, adds and removes one value", () => {
    const set = (text: string, dialect: DialectId, path: string[], value: unknown): string[] =>
      changed(text, setValue(text, { file: dialect, dialect, path, value }));
    expect(set(EVERYTHING_TOML, "gal.toml", ["package", "version"], "2.1.0")).toEqual([
      '- version     = "2.1.0-rc.1"',
      '+ version     = "2.1.0"',
    ]);
    expect(set(EVERYTHING_TOML, "gal.toml", ["package", "homepage"], undefined)).toEqual([
      '- homepage    = "https://example.com"',
    ]);
    expect(set(EVERYTHING_TOML, "gal.toml", ["dependencies", "metronome", "optional"], true)).toEqual([
      '- metronome = { version = "0.5", features = ["cron"], default-features = false }',
      '+ metronome = { version = "0.5", features = ["cron"], default-features = false, optional = true }',
    ]);
    expect(set(EVERYTHING_TOML, "gal.toml", ["features", "tiny"], [])).toEqual(["+ tiny = []"]);
    expect(set(PACK, "pack.yaml", ["version"], "1.5.0")).toEqual(['- version: "1.4.0"', '+ version: "1.5.0"']);
    expect(set(PACK, "pack.yaml", ["meta", "license"], "Apache-2.0")).toEqual([
      "-   license: MIT",
      "+   license: Apache-2.0",
    ]);
    expect(set(PACK, "pack.yaml", ["email"], undefined)).toEqual(['- email: "ops@example.com"']);
  });

  it("refuses a value that is not allowed", () => {
    expect(() =>
      setValue(SMALL, { file: "lading.toml", dialect: "lading.toml", path: ["package", "version"], value: "1" }),
    ).toThrow(expect.objectContaining({ code: "MANIFEST_EDIT_FAILED" }));
  });
});

// Pieces of hand-made files: odd spacing, comments, quoting, forms of tables.
const toml = fc
  .record({
    newline: fc.constantFrom("\n", "\r\n"),
    bom: fc.boolean(),
    end: fc.boolean(),
    head: fc.constantFrom(
      '[package]\nname = "a"\nversion = "1.0.0"',
      "[ package ] # x\nname='a'\n  version   =\t'1.0.0'   # y",
      'package = { name = "a", version = "1.0.0" } # one line',
      'package.name = "a"\npackage.version = "1.0.0"',
    ),
    gap: fc.constantFrom("", "\n", "\n# [dependencies]\n", "\n   \n#\n"),
    entries: fc.uniqueArray(fc.constantFrom("b", "c", "d-e", "f"), { maxLength: 4 }),
    form: fc.constantFrom("table", "inline", "sub"),
    tail: fc.constantFrom(
      "",
      '\n[features]\nx = []  # "[dependencies]"',
      "\n[tool.x]\ny = '''\n[dependencies]\nq = \"1\"\n'''",
    ),
  })
  .map(({ newline, bom, end, head, gap, entries, form, tail }) => {
    const table = entries.map((name, index) =>
      index % 2 === 0 ? `  ${name}  =  "1.${index}"  # ${name}` : `"${name}" = { version = '1', features = [ "z" ] }`,
    );
    const sections = {
      table: `[dependencies]\n${table.join("\n")}`,
      inline: `[dependencies] # none\n${table.join("\n\n")}`,
      sub: entries.map((name) => `[dependencies.${name}]\nversion = "1" # ${name}`).join("\n"),
    };
    const text = `${head}\n${gap}\n${sections[form]}${tail}${end ? "\n" : ""}`.replaceAll("\n", newline);
    return { text: bom ? `\uFEFF${text}` : text, entries };
  });

describe("edits over generated files", () => {
  it("add one dependency so that removing it gives every byte back", () => {
    const kinds = fc.constantFrom<ManifestDependency["kind"]>("normal", "dev");
    fc.assert(
      fc.property(toml, kinds, fc.boolean(), ({ text, entries }, kind, withFeatures) => {
        const after = add(text, "lading.toml", {
          name: "new",
          requirement: "^2",
          kind,
          features: withFeatures ? ["k"] : [],
        });
        const names = parseManifest(after, { file: "f", dialect: "lading.toml" }).dependencies.map(({ name }) => name);
        expect(names.toSorted()).toEqual([...entries, "new"].toSorted());
        const back = removeDependency(after, { file: "f", dialect: "lading.toml", name: "new" });
        // A table that had to be made stays behind, empty, at the end.
        expect(
          back.startsWith(text) &&
            parseManifest(back, { file: "f", dialect: "lading.toml" }).dependencies.length === entries.length,
        ).toBe(true);
        expect(back.slice(text.length)).toMatch(/^(?:(?:\r?\n)*\[(?:dev-)?dependencies\](?:\r?\n)?)?$/);
      }),
      { numRuns: 150 },
    );
  });

  it("change only the lines of the dependency that is updated or removed", () => {
    fc.assert(
      fc.property(toml, fc.nat(), ({ text, entries }, pick) => {
        fc.pre(entries.length > 0);
        const name = entries[pick % entries.length]!;
        const untouched = (line: string): boolean =>
          !line.includes(name) && !line.includes("version") && line.trim() !== "";
        const updated = add(text, "lading.toml", { name, requirement: "=7.7.7" });
        expect(updated.split(/\r?\n/).filter(untouched)).toEqual(text.split(/\r?\n/).filter(untouched));
        const removed = removeDependency(text, { file: "f", dialect: "lading.toml", name });
        expect(removed.split(/\r?\n/).filter(untouched)).toEqual(text.split(/\r?\n/).filter(untouched));
      }),
      { numRuns: 150 },
    );
  });
});
