import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { LadingError } from "./error.ts";
import { renderLockfile } from "./lockfile-render.ts";
import { conditionalReferences, lockForEnvironment, lockGrid } from "./lockfile-environments.ts";
import { lockSourceString, type LockPackage, type LockSource, type Lockfile } from "./lockfile-model.ts";
import { lockReferences } from "./lockfile-references.ts";
import { compareLockPackages, parseLockSource, parseLockfile } from "./lockfile.ts";
import { aDigest, aLockPackage, aLockfile } from "./testing-builders.ts";
import { errorCodeOf } from "./testing-outcome.ts";

const GAL_SHORT_FORM = `version = 1
root = "my-package"

[[packages]]
name = "actor-utils"
version = "1.2.3"
checksum = "${aDigest("actor-utils")}"
features = ["default"]

[[packages]]
name = "chaos-lib"
version = "0.5.2"
checksum = "${aDigest("chaos-lib")}"
features = ["scheduling"]
dependencies = ["rand"]

[[packages]]
name = "rand"
version = "0.8.5"
checksum = "${aDigest("rand")}"
`;

function errorOf(run: () => unknown): LadingError {
  try {
    run();
  } catch (error) {
    return error as LadingError;
  }
  throw new Error("nothing was thrown");
}

const text = fc.string({ unit: "grapheme", minLength: 1, maxLength: 10 });
const name = fc.constantFrom("rand", "actor-utils", "company/tool", "a.b", "z9");
const version = fc.constantFrom("0.8.5", "1.2.3", "1.10.0", "1.9.0", "2.0.0-rc.1", "2.0.0+b");
const digest = fc.string().map(aDigest);
const source: fc.Arbitrary<LockSource> = fc.oneof(
  fc.constant<LockSource>({ type: "registry", url: "https://registry.example/" }),
  fc.constantFrom("../local dep", "members/a", "ü").map<LockSource>((path) => ({ type: "path", path })),
  fc
    .tuple(fc.constantFrom("https://example.com/r.git", "git@example.com:o/r.git"), fc.constantFrom("a", "0"))
    .map<LockSource>(([url, digit]) => ({ type: "git", url, commit: digit.repeat(40) })),
);
const sortedTexts = fc.uniqueArray(text, { maxLength: 3 }).map((list) => list.toSorted());
const tomlValue = fc.oneof(text, fc.maxSafeInteger(), fc.boolean(), fc.array(text, { maxLength: 2 }));
const extra = fc.dictionary(fc.constantFrom("future", "x y", 'q"', "0"), tomlValue, {
  minKeys: 1,
  maxKeys: 3,
  noNullPrototype: true,
});
const artifact = fc.record({
  target: fc.constantFrom("any", "x86_64-linux", "wasm32"),
  checksum: digest,
  tree: digest,
  size: fc.maxSafeNat(),
});
const lockPackage: fc.Arbitrary<LockPackage> = fc
  .record(
    {
      name,
      version,
      features: sortedTexts,
      dependencies: fc.constant<readonly string[]>([]),
      source,
      checksum: digest,
      tree: digest,
      publisher: fc.constant(`ed25519:${"ab".repeat(32)}`),
      kinds: fc.subarray(["dev", "build", "peer", "optional"] as const),
      artifacts: fc
        .uniqueArray(artifact, { selector: ({ target }) => target, maxLength: 3 })
        .map((list) => list.toSorted((left, right) => (left.target < right.target ? -1 : 1))),
      extra,
    },
    { requiredKeys: ["name", "version", "features", "dependencies"] },
  )
  .map(({ artifacts, ...rest }) => (artifacts === undefined || artifacts.length === 0 ? rest : { ...rest, artifacts }));
const lists = fc.dictionary(fc.constantFrom("revit", "my-package", "a b"), sortedTexts, {
  maxKeys: 2,
  noNullPrototype: true,
});

/** Packages in the order of a lock, some of which depend on the one before. */
function linked(packages: readonly LockPackage[]): LockPackage[] {
  const sorted = packages.toSorted(compareLockPackages);
  const references = lockReferences(sorted);
  return sorted.map((entry, index) =>
    index % 2 === 1 ? { ...entry, dependencies: [references.reference(sorted[index - 1]!)] } : entry,
  );
}

const lockfile: fc.Arbitrary<Lockfile> = fc.record(
  {
    version: fc.constant(1 as const),
    root: text,
    packages: fc
      .uniqueArray(lockPackage, {
        selector: ({ name: of, version: at, source: from }) =>
          `${of} ${at} ${from === undefined ? "" : lockSourceString(from)}`,
        maxLength: 5,
      })
      .map(linked),
    inputs: digest,
    environment: lists,
    members: lists,
    extra,
  },
  { requiredKeys: ["version", "root", "packages"] },
);

describe("parseLockfile()", () => {
  it("reads GAL's short form", () => {
    const lock = parseLockfile(GAL_SHORT_FORM, "gal.lock");
    expect(lock.root).toBe("my-package");
    expect(lock.packages.map((entry) => entry.name)).toEqual(["actor-utils", "chaos-lib", "rand"]);
    expect(lock.packages[1]).toEqual({
      name: "chaos-lib",
      version: "0.5.2",
      checksum: aDigest("chaos-lib"),
      features: ["scheduling"],
      dependencies: ["rand"],
    });
  });

  it("reads what renderLockfile() writes", () => {
    fc.assert(
      fc.property(lockfile, (lock) => {
        const rendered = renderLockfile(lock);
        expect(parseLockfile(rendered, "x.lock")).toEqual(lock);
        expect(renderLockfile(parseLockfile(rendered, "x.lock"))).toBe(rendered);
        expect(parseLockfile(rendered.replaceAll("\n", "\r\n"), "x.lock")).toEqual(lock);
      }),
    );
  });

  it("sorts packages by name, then by SemVer, whatever the file's order", () => {
    const packages = [aLockPackage("b", "1.10.0"), aLockPackage("b", "1.9.0"), aLockPackage("a", "2.0.0")];
    const blocks = packages.map((entry) => renderLockfile(aLockfile([entry])).split("\n\n")[1]!);
    const lock = parseLockfile(`version = 1\nroot = "r"\n\n${blocks.join("\n")}`, "x.lock");
    expect(lock.packages.map((entry) => `${entry.name} ${entry.version}`)).toEqual(["a 2.0.0", "b 1.9.0", "b 1.10.0"]);
  });

  it("names file, line, field, what it found and what is allowed for a shortened digest", () => {
    const shortened = GAL_SHORT_FORM.replace(aDigest("chaos-lib"), "sha256:def456...");
    const error = errorOf(() => parseLockfile(shortened, "gal.lock"));
    expect(error).toMatchObject({ code: "LOCKFILE_INVALID", location: { file: "gal.lock", line: 13, column: 1 } });
    expect(error.message).toBe(
      'Cannot read lock file "gal.lock": "packages[1].checksum" is "sha256:def456...", expected "sha256:" and 64 lower-case hexadecimal digits',
    );
    expect(error.exitCode).toBe(3);
  });

  it.each([
    ["no TOML", "version = 1\nroot = [", 2],
    ["a bad version", GAL_SHORT_FORM.replace('"0.5.2"', '"0.5"'), 12],
    ["a bad name", GAL_SHORT_FORM.replace('"rand"\nversion', '"Rand"\nversion'), 18],
    ["a reference to nothing", GAL_SHORT_FORM.replace('["rand"]', '["rnd"]'), 15],
    ["a package twice", GAL_SHORT_FORM.replace('"chaos-lib"', '"actor-utils"').replace("0.5.2", "1.2.3"), 11],
    ["a bad source", `${GAL_SHORT_FORM}source = "ftp"\n`, 21],
    ["a bad publisher", `${GAL_SHORT_FORM}publisher = "rsa:00"\n`, 21],
    ["a bad kind", `${GAL_SHORT_FORM}kinds = ["other"]\n`, 21],
    ["a bad artefact", `${GAL_SHORT_FORM}\n[[packages.artifacts]]\ntarget = "any"\nsize = -1\n`, 22],
    ["features of another type", GAL_SHORT_FORM.replace('["default"]', '"default"'), 8],
    ["bad inputs", GAL_SHORT_FORM.replace("\n\n", '\ninputs = "x"\n\n'), 3],
    ["bad members", GAL_SHORT_FORM.replace("\n\n", "\n[members]\na = 1\n\n"), 4],
    ["no root", "version = 1\n", 1],
    ["no version", 'root = "a"\n', 1],
    ["a fractional version", "version = 1.5\n", 1],
    ["packages that are no list", 'version = 1\nroot = "a"\npackages = 3\n', 3],
    ["a key that reaches into prototypes", 'version = 1\nroot = "a"\n[__proto__]\nx = 1\n', 1],
  ])("refuses %s with its line", (_what, lock, line) => {
    expect(errorOf(() => parseLockfile(lock, "x.lock"))).toMatchObject({
      code: "LOCKFILE_INVALID",
      category: "manifest",
      location: { file: "x.lock", line },
    });
  });

  it("refuses another format version by its own code", () => {
    expect(errorOf(() => parseLockfile("# later\nversion = 2\n", "x.lock"))).toMatchObject({
      code: "LOCKFILE_VERSION_UNSUPPORTED",
      location: { line: 2 },
      details: { found: 2, known: 1 },
    });
  });

  it("throws LOCKFILE_* or answers, whatever the text", () => {
    const cut = fc.tuple(lockfile, fc.nat(), fc.string({ maxLength: 3 })).map(([lock, at, inserted]) => {
      const rendered = renderLockfile(lock);
      const place = at % rendered.length;
      return rendered.slice(0, place) + inserted + rendered.slice(place + inserted.length);
    });
    fc.assert(
      fc.property(fc.oneof(cut, fc.string()), (input) => {
        expect(errorCodeOf(() => parseLockfile(input, "x.lock")) ?? "LOCKFILE_").toMatch(/^LOCKFILE_/);
      }),
      { numRuns: 300 },
    );
  });
});

describe("renderLockfile()", () => {
  it("writes the layout of the specification", () => {
    const lock = aLockfile(
      [
        aLockPackage("chaos-lib", "0.5.2", {
          dependencies: ["rand", "serde"],
          features: ["scheduling"],
          kinds: ["dev"],
        }),
        aLockPackage("rand", "0.8.5", { source: { type: "registry", url: "https://registry.example/" } }),
        aLockPackage("serde", "1.0.0", {
          source: { type: "git", url: "https://example.com/s.git", commit: "a".repeat(40) },
        }),
      ],
      { inputs: aDigest("inputs"), environment: { revit: ["2024", "2025"] }, members: { "my-package": ["chaos-lib"] } },
    );
    expect(renderLockfile(lock)).toMatchSnapshot();
  });

  it("keeps unrelated blocks byte-identical, comments and alignment included", () => {
    const previous = GAL_SHORT_FORM.replace('name = "rand"', '# pinned by hand\nname    = "rand"');
    const lock = parseLockfile(previous, "gal.lock");
    const changed = {
      ...lock,
      packages: lock.packages.map((entry) => (entry.name === "actor-utils" ? { ...entry, version: "1.2.4" } : entry)),
    };
    const rendered = renderLockfile(changed, previous);
    expect(rendered).toContain('# pinned by hand\nname    = "rand"\nversion = "0.8.5"\n');
    expect(rendered).toContain('version = "1.2.4"');
    expect(parseLockfile(rendered, "gal.lock")).toEqual(changed);
  });

  it("changes nothing of its own text but the block that changed", () => {
    fc.assert(
      fc.property(lockfile, fc.nat(), (lock, at) => {
        fc.pre(lock.packages.length > 1);
        const before = renderLockfile(lock);
        const chosen = lock.packages[at % lock.packages.length]!;
        const packages = lock.packages.map((entry) => (entry === chosen ? { ...entry, features: ["changed"] } : entry));
        const after = renderLockfile({ ...lock, packages }, before);
        const untouched = before
          .split("[[packages]]\n")
          .filter((_, index) => index !== packages.findIndex((entry) => entry.features[0] === "changed") + 1);
        for (const block of untouched) expect(after).toContain(block.trimEnd());
      }),
    );
  });

  it("keeps the line ends of the previous text", () => {
    const previous = GAL_SHORT_FORM.replaceAll("\n", "\r\n");
    const rendered = renderLockfile(parseLockfile(previous, "gal.lock"), previous);
    expect(rendered.replaceAll("\r\n", "")).not.toContain("\n");
  });

  it("does not write a table twice that followed the last package", () => {
    const previous = `${GAL_SHORT_FORM}\n[metadata]\nnote = "kept"\n`;
    const rendered = renderLockfile(parseLockfile(previous, "gal.lock"), previous);
    expect(parseLockfile(rendered, "gal.lock").extra).toEqual({ metadata: { note: "kept" } });
  });

  it("is not influenced by a previous text that cannot be read", () => {
    const lock = parseLockfile(GAL_SHORT_FORM, "gal.lock");
    expect(renderLockfile(lock, "<<<<<<< ours\n")).toBe(renderLockfile(lock));
  });
});

describe("lockReferences()", () => {
  const registry: LockSource = { type: "registry", url: "https://registry.example/" };
  const packages = [
    aLockPackage("a", "1.0.0", { source: registry }),
    aLockPackage("b", "1.0.0", { source: registry }),
    aLockPackage("b", "2.0.0", { source: registry }),
    aLockPackage("c", "1.0.0", { source: registry }),
    aLockPackage("c", "1.0.0", { source: { type: "path", path: "../c" } }),
  ];

  it("gives the shortest reference that means one package", () => {
    const references = lockReferences(packages);
    expect(packages.map((entry) => references.reference(entry))).toEqual([
      "a",
      "b 1.0.0",
      "b 2.0.0",
      "c 1.0.0 registry+https://registry.example/",
      "c 1.0.0 path+../c",
    ]);
    for (const entry of packages) expect(references.find(references.reference(entry))).toBe(entry);
  });

  it("finds nothing for an ambiguous or unknown reference", () => {
    expect(["b", "c", "c 1.0.0", "d"].map((text) => lockReferences(packages).find(text))).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe("parseLockSource()", () => {
  it("reads what lockSourceString() writes", () => {
    fc.assert(
      fc.property(source, (value) => {
        expect(parseLockSource(lockSourceString(value))).toEqual(value);
      }),
    );
  });

  it.each([
    "",
    "registry",
    "registry+",
    "git+https://example.com/r.git",
    "git+https://example.com/r.git#v1",
    "path+",
    "path+a\\b",
  ])("refuses %j", (value) => {
    expect(errorOf(() => parseLockSource(value)).code).toBe("LOCKFILE_INVALID");
  });
});

const GRID = { revit: ["2023", "2024", "2025"], target: ["arm64-linux", "x86_64-linux"], features: ["extra"] };
const grid = lockGrid(GRID);
const someCells = fc
  .uniqueArray(fc.nat({ max: grid.environments.length - 1 }), { minLength: 1 })
  .map((cells) => new Set(cells));

describe("lockGrid()", () => {
  it("has every combination of the axes, and takes what is no axis for none", () => {
    expect(grid.axes.map(({ name }) => name)).toEqual(["revit", "target"]);
    expect(grid.environments).toHaveLength(6);
    expect(grid.environments.map((one) => grid.indexOf({ ...one, python: "3.12" }))).toEqual([0, 1, 2, 3, 4, 5]);
    expect(grid.indexOf({ revit: "2026", target: "x86_64-linux" })).toBeUndefined();
    expect(lockGrid(undefined).environments).toEqual([{}]);
  });

  it.each([
    [["revit=2024", "revit=2025"], ["revit=2024|2025"]],
    [["target=arm64-linux & revit=2025"], ["revit=2025 & target=arm64-linux"]],
    [
      ["revit=2023", "target=x86_64-linux"],
      ["revit=2023", "revit=2024|2025 & target=x86_64-linux"],
    ],
  ])("writes %j in one way only", (given, canonical) => {
    const cells = new Set(given.flatMap((condition) => [...grid.cellsOf(condition)!]));
    expect(grid.conditionsOf(cells)).toEqual(canonical);
  });

  it("reads back what it writes, for every set of environments", () => {
    fc.assert(
      fc.property(someCells, (cells) => {
        const conditions = grid.conditionsOf(cells);
        const all =
          conditions === undefined ? grid.environments.keys() : conditions.flatMap((one) => [...grid.cellsOf(one)!]);
        expect(new Set(all)).toEqual(cells);
      }),
    );
  });

  it.each([
    "",
    "revit",
    "revit=",
    "revit=2026",
    "python=3.12",
    "features=extra",
    "revit=2024 & revit=2025",
    "revit=2024=x",
  ])("knows no environment by %j", (condition) => expect(grid.cellsOf(condition)).toBeUndefined());
});

/** A lock in which packages are for some environments, and each depends on the one before where both are. */
const universalLock: fc.Arbitrary<Lockfile> = fc
  .tuple(
    fc.array(fc.option(someCells, { nil: undefined }), { minLength: 1, maxLength: 5 }),
    fc.option(someCells, { nil: undefined }),
  )
  .map(([packages, edge]): Lockfile => {
    const conditions = (cells: ReadonlySet<number> | undefined) =>
      cells === undefined ? undefined : grid.conditionsOf(cells);
    const entries = packages.map((cells, index) => {
      const environments = conditions(cells);
      return aLockPackage("lib", `1.${index}.0`, environments === undefined ? {} : { environments });
    });
    const linked = entries.map((entry, index) =>
      index === 0
        ? entry
        : { ...entry, dependencies: conditionalReferences(`lib 1.${index - 1}.0`, conditions(edge)).toSorted() },
    );
    const members = { app: entries.map(({ version: at }) => `lib ${at}`) };
    return aLockfile(packages.length === 1 ? [{ ...linked[0]! }] : linked, {
      environment: GRID,
      ...(packages.length === 1 ? {} : { members }),
    });
  });

describe("a lock for several environments", () => {
  it("is read as it is written", () => {
    fc.assert(
      fc.property(universalLock, (lock) => {
        const rendered = renderLockfile(lock);
        expect(parseLockfile(rendered, "x.lock")).toEqual(lock);
        expect(renderLockfile(parseLockfile(rendered, "x.lock"), rendered)).toBe(rendered);
      }),
    );
  });

  it("is, for one environment, a lock without conditions that is whole", () => {
    fc.assert(
      fc.property(universalLock, (lock) => {
        for (const [cell, environment] of grid.environments.entries()) {
          const own = lockForEnvironment(lock, environment)!;
          const there = lock.packages.filter(
            ({ environments }) =>
              environments === undefined || environments.some((one) => grid.cellsOf(one)!.has(cell)),
          );
          expect(own.packages.map(({ version: at }) => at)).toEqual(there.map(({ version: at }) => at));
          expect(own.packages.every(({ environments }) => environments === undefined)).toBe(true);
          const known = lockReferences(own.packages);
          const references = [
            ...own.packages.flatMap(({ dependencies }) => dependencies),
            ...(own.members?.["app"] ?? []),
          ];
          expect(references.filter((reference) => known.find(reference) === undefined)).toEqual([]);
          expect(parseLockfile(renderLockfile(own), "x.lock")).toEqual(own);
        }
      }),
    );
  });

  it("covers its own environments only", () => {
    const lock = aLockfile([aLockPackage("a", "1.0.0")], { environment: { revit: ["2024"] } });
    expect(lockForEnvironment(lock, { revit: "2024", python: "3.12" })?.packages).toHaveLength(1);
    expect(lockForEnvironment(lock, { revit: "2025" })).toBeUndefined();
    expect(lockForEnvironment(lock, {})).toBeUndefined();
  });

  const head = `version = 1\nroot = "r"\n\n[environment]\nrevit = ["2024", "2025"]\n\n`;
  const block = `[[packages]]\nname = "rand"\nversion = "0.8.5"\n`;

  it.each([
    ["a condition on an axis that it lacks", `${head}${block}environments = ["python=3.12"]\n`, 10],
    ["a condition on a value that it lacks", `${head}${block}environments = ["revit=2026"]\n`, 10],
    ["no condition", `${head}${block}environments = []\n`, 10],
    ["a condition without axes", `version = 1\nroot = "r"\n${block}environments = ["revit=2024"]\n`, 6],
    ["a reference with a bad condition", `${head}${block}dependencies = ["[revit=1] rand"]\n`, 10],
    ["a member with a bad condition", `${head}[members]\nr = ["[revit=1] rand"]\n\n${block}`, 8],
  ])("is refused with %s", (_what, lock, line) => {
    expect(errorOf(() => parseLockfile(lock, "x.lock"))).toMatchObject({
      code: "LOCKFILE_INVALID",
      location: { line },
    });
  });

  it("is refused with more environments than anybody resolves for", () => {
    const years = JSON.stringify(Array.from({ length: 33 }, (_, index) => String(2000 + index)));
    const lock = `version = 1\nroot = "r"\n[environment]\na = ${years}\nb = ${years}\n`;
    expect(errorOf(() => parseLockfile(lock, "x.lock"))).toMatchObject({ code: "LOCKFILE_INVALID" });
  });
});
