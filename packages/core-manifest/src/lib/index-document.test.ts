import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { LadingError } from "./error.ts";
import { parseIndexDocument, renderIndexDocument, type IndexDocument, type IndexVersion } from "./index-document.ts";
import type { RecordedDependency } from "./package-record.ts";
import { aDigest, anIndexArtifact, anIndexDocument, anIndexVersion } from "./testing-builders.ts";
import { compareVersions, type Version } from "./version.ts";
import { errorCodeOf } from "./testing-outcome.ts";

function errorOf(value: unknown): LadingError {
  try {
    parseIndexDocument(value);
  } catch (error) {
    return error as LadingError;
  }
  throw new Error("nothing was thrown");
}

const small = fc.integer({ min: 0, max: 4 });
const versionText = fc
  .tuple(small, small, small, fc.constantFrom("", "", "-rc.1", "+b"))
  .map(([major, minor, patch, end]) => `${major}.${minor}.${patch}${end}`);
const digest = fc.nat({ max: 50 }).map((seed) => aDigest(String(seed)));
const size = fc.oneof(fc.nat(), fc.maxSafeNat());
const artifact = fc.record(
  {
    target: fc.constant("any"),
    blob: digest,
    size,
    tree: digest,
    statement: fc.oneof(digest, fc.constant("beside" as const)),
  },
  { requiredKeys: ["target", "blob", "size", "tree"] },
);
const artifacts = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(artifact) },
  {
    weight: 1,
    arbitrary: fc
      .array(artifact, { maxLength: 3 })
      .map((list) => list.map((item, index) => ({ ...item, target: ["source", "wasm32", "x86_64-linux"][index]! }))),
  },
);
const dependency: fc.Arbitrary<RecordedDependency> = fc.record(
  {
    name: fc.constantFrom("rand", "serde", "company/tool"),
    package: fc.constant("real-name"),
    kind: fc.constantFrom("normal", "dev", "build", "peer"),
    requirement: fc.constantFrom("*", ">=1.0.0 <2.0.0-0", "=1.0.0 || >=3.0.0"),
    features: fc.constantFrom<readonly string[]>([], ["derive"]),
    defaultFeatures: fc.boolean(),
    optional: fc.boolean(),
    targets: fc.constant(["wasm32"]),
    registry: fc.constant("https://other.example/"),
  },
  { requiredKeys: ["name", "kind", "requirement"] },
);
const extra = fc.dictionary(
  fc.constantFrom("future", "targets", "rows"),
  fc.oneof(fc.string(), fc.integer(), fc.constant(null)),
  { minKeys: 1, maxKeys: 2, noNullPrototype: true },
);
const indexVersion: fc.Arbitrary<IndexVersion> = fc.record(
  {
    schema: fc.constant(1),
    version: versionText,
    kind: fc.constantFrom("binary", "source"),
    artifacts,
    dependencies: fc.array(dependency, { maxLength: 3 }),
    features: fc.constantFrom<IndexVersion["features"]>({}, { default: ["std"], std: [] }),
    hosts: fc.constantFrom<IndexVersion["hosts"]>({}, { revit: ">=2024.0.0" }),
    published: fc
      .integer({ min: 0, max: 253_402_300_799 })
      .map((seconds) => `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`),
    status: fc.constantFrom("active", "yanked", "deprecated", "held", "removed"),
    reason: fc.constantFrom("a bug", ""),
    replacement: fc.constant("other"),
    license: fc.constantFrom("MIT", "MIT OR Apache-2.0"),
    signers: fc.subarray(["ab", "cd", "ef"].map((byte) => `ed25519:${byte.repeat(32)}`)),
    publisher: fc.constantFrom("ana", "bo"),
    extra,
  },
  {
    requiredKeys: [
      "schema",
      "version",
      "kind",
      "artifacts",
      "dependencies",
      "features",
      "hosts",
      "published",
      "status",
      "signers",
    ],
  },
);
const indexDocument: fc.Arbitrary<IndexDocument> = fc.record(
  {
    schema: fc.constant(1 as const),
    name: fc.constantFrom("tool", "Company".toLowerCase(), "a/b"),
    sequence: fc.maxSafeNat(),
    channels: fc.constantFrom<IndexDocument["channels"]>({}, { latest: "1.0.0", beta: "2.0.0-rc.1" }),
    versions: fc
      .uniqueArray(indexVersion, { selector: ({ version }) => version, maxLength: 8 })
      .map((list) =>
        list.toSorted((left, right) => compareVersions(left.version as Version, right.version as Version)),
      ),
    newer: fc.constant([{ schema: 2, version: "9.0.0", anything: { goes: [1.5, null] } }]),
    extra: fc.dictionary(
      fc.constantFrom("future", "x"),
      fc.oneof(
        fc.string(),
        fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0),
      ),
      { minKeys: 1, noNullPrototype: true },
    ),
  },
  { requiredKeys: ["schema", "name", "sequence", "channels", "versions"] },
);

describe("renderIndexDocument()", () => {
  it("writes what parseIndexDocument() expands to the same document", () => {
    fc.assert(
      fc.property(indexDocument, (document) => {
        const text = renderIndexDocument(document);
        expect(parseIndexDocument(JSON.parse(text))).toEqual(document);
        expect(renderIndexDocument(parseIndexDocument(JSON.parse(text)))).toBe(text);
      }),
      { numRuns: 150 },
    );
  });

  it("keeps 500 signed versions below 60 kB, with dependencies and signers that change", () => {
    const signers = ["a1", "b2", "c3"].map((byte) => `ed25519:${byte.repeat(32)}`);
    const names = ["rand", "serde", "tokio", "bytes"];
    const versions = Array.from({ length: 500 }, (_, index) => {
      const version = `${Math.floor(index / 100)}.${Math.floor(index / 10) % 10}.${index % 10}`;
      // Four dependencies, one of whose requirements moves with every twentieth release.
      const dependencies = names.map((name, at) => {
        const minor = Math.floor((index + 20 * at) / 80);
        return { name, kind: "normal" as const, requirement: `>=1.${minor}.0 <2.0.0-0` };
      });
      return anIndexVersion(version, {
        artifacts: [anIndexArtifact(version, { size: 100_000 + index * 373, statement: "beside" })],
        dependencies: [...dependencies, { name: "test-kit", kind: "dev", requirement: ">=2.0.0 <3.0.0-0" }],
        features: { default: ["std"], std: [] },
        published: `${new Date(1_600_000_000_000 + index * 86_412_345).toISOString().slice(0, 19)}Z`,
        ...(index % 50 === 7 ? { status: "yanked" as const, reason: "it loses data on restart" } : {}),
        license: index < 100 ? "MIT" : "MIT OR Apache-2.0",
        signers: [signers[index % 50 < 5 ? 1 : Math.floor(index / 250) * 2]!],
        publisher: index % 50 < 5 ? "bo" : "ana",
      });
    });
    const document = anIndexDocument(versions, { channels: { latest: "4.9.9" } });
    const text = renderIndexDocument(document);
    expect(new TextEncoder().encode(text).length).toBeLessThan(60_000);
    expect(parseIndexDocument(JSON.parse(text))).toEqual(document);
  });

  it("writes nothing that can be said once a second time", () => {
    const document = anIndexDocument([
      anIndexVersion("1.0.0", { license: "MIT" }),
      anIndexVersion("1.1.0", { license: "MIT" }),
      anIndexVersion("1.2.0", { license: "MIT", status: "yanked", reason: "broken" }),
      anIndexVersion("1.3.0"),
    ]);
    const rendered = JSON.parse(renderIndexDocument(document)) as {
      defaults: unknown;
      groups: { versions: string[] }[];
    };
    expect(rendered.defaults).toEqual({ kind: "source", license: "MIT" });
    expect(rendered.groups.map(({ versions, ...own }) => [own, versions.length])).toEqual([
      [{}, 2],
      [{ reason: "broken", status: "yanked" }, 1],
      [{ license: null }, 1],
    ]);
  });

  it("refuses a moment that is not RFC 3339 in UTC and whole seconds", () => {
    for (const published of [
      "2025-01-31T12:00:00.5Z",
      "2025-01-31",
      "2025-01-31T12:00:00+01:00",
      "2025-02-30T00:00:00Z",
    ]) {
      expect(() => renderIndexDocument(anIndexDocument([anIndexVersion("1.0.0", { published })]))).toThrow(
        expect.objectContaining({ code: "INDEX_DOCUMENT_INVALID" }),
      );
    }
  });
});

const entry = {
  version: "1.0.0",
  kind: "source",
  artifacts: [anIndexArtifact("1.0.0")],
  published: "2025-01-31T12:00:00Z",
};
const plain = (change: Record<string, unknown> = {}): unknown => ({
  schema: 1,
  name: "tool",
  sequence: 1,
  versions: [{ ...entry, ...change }],
});

describe("parseIndexDocument()", () => {
  it("reads self-contained entries, which need no tables", () => {
    expect(parseIndexDocument(plain()).versions).toEqual([anIndexVersion("1.0.0")]);
  });

  it("leaves out entries of a newer schema, keeps them, and still reads the others", () => {
    const newer = { schema: 2, version: "2.0.0", artifacts: "otherwise" };
    const document = parseIndexDocument({ schema: 1, name: "tool", sequence: 1, versions: [newer, entry] });
    expect(document.versions.map(({ version }) => version)).toEqual(["1.0.0"]);
    expect(document.newer).toEqual([newer]);
    expect(parseIndexDocument(JSON.parse(renderIndexDocument(document)))).toEqual(document);
  });

  it("keeps unknown fields of the document and of versions", () => {
    const document = parseIndexDocument({ ...(plain({ later: { a: 1 } }) as object), mirror: "eu" });
    expect(document.extra).toEqual({ mirror: "eu" });
    expect(document.versions[0]!.extra).toEqual({ later: { a: 1 } });
    expect(parseIndexDocument(JSON.parse(renderIndexDocument(document)))).toEqual(document);
  });

  it("refuses a document of a newer schema by its own code", () => {
    expect(errorOf({ ...(plain() as object), schema: 2 }).code).toBe("INDEX_DOCUMENT_SCHEMA_UNSUPPORTED");
  });

  const row = `1.0.0 s44we8 rs ${"A".repeat(86)}`;
  const group = (change: Record<string, unknown>): unknown => ({
    schema: 1,
    name: "tool",
    sequence: 1,
    groups: [{ kind: "source", versions: [row], ...change }],
  });

  it("reads a row", () => {
    expect(parseIndexDocument(group({})).versions[0]).toMatchObject({
      version: "1.0.0",
      published: "2023-11-14T22:13:20Z",
      artifacts: [{ size: 1000 }],
    });
  });

  it("reads signers that are written out, and statements by digest, as rows had them first", () => {
    const old = `1.0.0 s44we8 rs ${"A".repeat(128)}`;
    expect(parseIndexDocument(group({ signers: ["ed25519:aa"], versions: [old] })).versions[0]).toMatchObject({
      signers: ["ed25519:aa"],
      artifacts: [{ statement: `sha256:${"0".repeat(64)}` }],
    });
  });

  it("reads which artefacts of a group have their statement beside the file", () => {
    const two = `${row} rs ${"A".repeat(86)}`;
    const places = (beside: unknown): unknown[] =>
      parseIndexDocument(group({ targets: ["source", "wasm32"], versions: [two], beside })).versions[0]!.artifacts.map(
        ({ statement }) => statement,
      );
    expect(places(true)).toEqual(["beside", "beside"]);
    expect(places(["wasm32"])).toEqual([undefined, "beside"]);
    expect(places(undefined)).toEqual([undefined, undefined]);
  });

  it.each<[string, unknown, RegExp]>([
    ["a signer out of range", group({ signers: [0] }), /signers\[0\]" is 0, expected an index below 0/],
    ["signers of both kinds", group({ signers: ["ed25519:aa", 0] }), /an index below 0/],
    ["a statement beside a file that is not there", group({ beside: ["wasm32"] }), /beside" is "wasm32"/],
    ["a wrong place of a statement", group({ beside: false }), /beside" is false/],
    [
      "a bad statement",
      plain({ artifacts: [{ ...anIndexArtifact("x"), statement: "below" }] }),
      /statement" is "below"/,
    ],
    ["no object", [], /"document" is a list of 0, expected a table/],
    ["null", null, /"document" is null/],
    ["no name", { schema: 1, sequence: 1 }, /"name" is nothing/],
    ["a bad name", { schema: 1, name: "../x", sequence: 1 }, /"name" is "..\/x", expected a package name/],
    ["a fractional sequence", { schema: 1, name: "tool", sequence: 0.5 }, /"sequence" is 0.5/],
    ["a bad channel", { schema: 1, name: "tool", sequence: 1, channels: { latest: "1" } }, /"channels.latest" is "1"/],
    ["a bad version", plain({ version: "1.0" }), /"versions\[0\].version" is "1.0", expected MAJOR/],
    ["a bad digest", plain({ artifacts: [{ ...anIndexArtifact("x"), blob: "sha256:00" }] }), /blob" is "sha256:00"/],
    ["a negative size", plain({ artifacts: [{ ...anIndexArtifact("x"), size: -1 }] }), /size" is -1/],
    ["a bad target", plain({ artifacts: [{ ...anIndexArtifact("x"), target: "../x" }] }), /target" is/],
    [
      "a bad requirement",
      plain({ dependencies: [{ name: "a", requirement: "^1" }] }),
      /requirement" is "\^1", expected a requirement in canonical syntax/,
    ],
    ["a bad host", plain({ hosts: { revit: "2024" } }), /"versions\[0\].hosts.revit" is "2024"/],
    ["a bad status", plain({ status: "gone" }), /expected one of "active"/],
    ["a bad time", plain({ published: "2025-02-30T00:00:00Z" }), /published"/],
    ["a version twice", { schema: 1, name: "tool", sequence: 1, versions: [entry, entry] }, /each version once/],
    ["a reference out of range", group({ dependencies: [0] }), /an index below 0/],
    ["a row that is no text", group({ versions: [1] }), /"groups\[0\].versions\[0\]" is 1/],
    ["a row without digests", group({ versions: ["1.0.0 s44we8 rs"] }), /a row of version/],
    ["a row with a bad version", group({ versions: [row.replace("1.0.0", "1.0")] }), /a row of version/],
    ["a row with a bad size", group({ versions: [row.replace(" rs ", " -1 ")] }), /a row of version/],
    ["a row with a leading zero", group({ versions: [row.replace(" rs ", " 0rs ")] }), /a row of version/],
    ["a row beyond the year 9999", group({ versions: [row.replace("s44we8", "zzzzzzzz")] }), /a row of version/],
    ["a row whose digests have spare bits", group({ versions: [row.slice(0, -1) + "B"] }), /a row of version/],
    ["a row with an artefact too many", group({ versions: [`${row} rs ${"A".repeat(86)}`] }), /a row of version/],
    ["too deep nesting", plain({ later: JSON.parse(`${"[".repeat(50)}${"]".repeat(50)}`) }), /nesting is too deep/],
    ["a huge list", plain({ signers: Array.from({ length: 100_000 }, () => "x") }), /at most 64 entries/],
    ["a huge text", plain({ reason: "x".repeat(100_000) }), /at most 4096 characters/],
    ["a group that is no table", { schema: 1, name: "tool", sequence: 1, groups: [null] }, /groups\[0\]" is null/],
  ])("refuses %s", (_what, value, message) => {
    const error = errorOf(value);
    expect(error.code).toBe("INDEX_DOCUMENT_INVALID");
    expect(error.message).toMatch(message);
  });

  it.each(["__proto__", "constructor", "prototype"])("refuses the key %s anywhere", (key) => {
    const places = [
      `{"schema":1,"name":"tool","sequence":1,"${key}":{}}`,
      `{"schema":1,"name":"tool","sequence":1,"channels":{"${key}":"1.0.0"}}`,
      `{"schema":1,"name":"tool","sequence":1,"groups":[{"features":{"${key}":[]},"versions":[]}]}`,
      `{"schema":1,"name":"tool","sequence":1,"later":[{"deep":{"${key}":1}}]}`,
    ];
    for (const text of places) expect(errorOf(JSON.parse(text)).code).toBe("INDEX_DOCUMENT_INVALID");
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  it("throws INDEX_DOCUMENT_* or answers, whatever the value", () => {
    const mutated = fc.tuple(indexDocument, fc.nat(), fc.json()).map(([document, at, json]) => {
      const text = renderIndexDocument(document);
      const keys = [...text.matchAll(/(?<=:|\[|,)(?:\d+|"[^"]*"|\[\]|\{\})/g)];
      const chosen = keys[at % keys.length]!;
      const changed = text.slice(0, chosen.index) + json + text.slice(chosen.index + chosen[0].length);
      try {
        return JSON.parse(changed) as unknown;
      } catch {
        return changed;
      }
    });
    fc.assert(
      fc.property(fc.oneof(mutated, fc.jsonValue()), (value) => {
        expect(errorCodeOf(() => parseIndexDocument(value)) ?? "INDEX_DOCUMENT_").toMatch(/^INDEX_DOCUMENT_/);
      }),
      { numRuns: 300 },
    );
  });
});
