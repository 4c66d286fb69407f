import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isLadingError, tryParseRequirement, tryParseVersion } from "@lading/core-manifest";
import {
  resolve,
  type Candidate,
  type Dependency,
  type PackageMetadata,
  type Resolution,
  type ResolveInput,
  type SolvedResolution,
} from "@lading/resolver";
import { memoryProvider } from "@lading/resolver/testing";

/** The same registries in every run; another number finds others. */
const FUZZ = { seed: Number(process.env["FUZZ_SEED"] ?? 1), numRuns: 3000 };

/** Names that are properties of every object, or of none. */
const NAMES = ["a", "b", "__proto__", "constructor", "toString", "hasOwnProperty", "é", ""];

const GOOD_VERSIONS = ["1.0.0", "1.1.0", "2.0.0", "2.0.0-rc.1"];
const BAD_VERSIONS = ["", "1", "01.0.0", "1.0.0-", "v1.0.0", "1.0.0 ", "💥", "__proto__", `${"9".repeat(300)}.0.0`];
const GOOD_REQUIREMENTS = ["*", "=1.0.0", ">=1.0.0 <2.0.0", "<1.0.0", ">=2.0.0-rc.1", "=1.0.0 || =2.0.0"];
const BAD_REQUIREMENTS = ["", "^1", "latest", ">=", "1.0.0 -", "💥", ">".repeat(4096), `${">=1.0.0 ".repeat(512)}x`];

const name = fc.constantFrom(...NAMES);
const rarely = <T>(good: readonly T[], bad: readonly T[]): fc.Arbitrary<T> =>
  fc.oneof({ weight: 12, arbitrary: fc.constantFrom(...good) }, { weight: 1, arbitrary: fc.constantFrom(...bad) });
const requirement = rarely(GOOD_REQUIREMENTS, BAD_REQUIREMENTS);
const version = rarely(GOOD_VERSIONS, BAD_VERSIONS);
const feature = fc.constantFrom(
  "x",
  "y",
  "default",
  "__proto__",
  "constructor",
  "dep:a",
  "a/x",
  "b?/y",
  "a/",
  "/",
  "dep:",
  "💥",
);

const plainDependency: fc.Arbitrary<Dependency> = fc.record({ key: name, requirement });

const wildDependency: fc.Arbitrary<Dependency> = fc.record(
  {
    key: name,
    requirement,
    name,
    kind: fc.constantFrom("normal" as const, "dev" as const, "build" as const, "peer" as const),
    features: fc.array(feature, { maxLength: 2 }),
    defaultFeatures: fc.boolean(),
    optional: fc.boolean(),
    ifPossible: fc.boolean(),
    targets: fc.array(fc.constantFrom("linux", "windows"), { maxLength: 1 }),
  },
  { requiredKeys: ["key", "requirement"] },
);

const features = fc
  .array(fc.tuple(feature, fc.array(feature, { maxLength: 3 })), { maxLength: 3 })
  .map((entries) => Object.fromEntries(entries));

const wildCandidate: fc.Arbitrary<Candidate> = fc.record(
  {
    version,
    dependencies: fc.array(wildDependency, { maxLength: 3 }),
    features,
    hosts: fc.dictionary(fc.constantFrom("revit", "__proto__"), requirement, { maxKeys: 2 }),
    excluded: fc.constantFrom([], [{ reason: "yanked" as const, text: "it was withdrawn" }]),
  },
  { requiredKeys: ["version", "dependencies"] },
);

const plainCandidate: fc.Arbitrary<Candidate> = fc.record({
  version,
  dependencies: fc.array(plainDependency, { maxLength: 3 }),
});

/** A registry of few packages; each version mostly once. */
function registry(candidate: fc.Arbitrary<Candidate>): fc.Arbitrary<ReadonlyMap<string, PackageMetadata>> {
  const often = fc.uniqueArray(candidate, { maxLength: 4, selector: (one) => one.version });
  const candidates = fc.oneof(
    { weight: 20, arbitrary: often },
    { weight: 1, arbitrary: fc.array(candidate, { maxLength: 4 }) },
  );
  return fc.array(fc.tuple(name, fc.record({ candidates })), { maxLength: 6 }).map((entries) => new Map(entries));
}

function ask(dependencies: readonly Dependency[], more: Partial<ResolveInput> = {}): ResolveInput {
  return { roots: [{ name: "project", dependencies }], ...more };
}

const EXPECTED: ReadonlySet<string> = new Set([
  "RESOLVE_INPUT_INVALID",
  "RESOLVE_METADATA_INVALID",
  "RESOLVE_BUDGET_EXCEEDED",
]);

/** The answer, or the code of a typed error that says what is wrong with what it was given. */
async function outcome(
  input: ResolveInput,
  packages: ReadonlyMap<string, PackageMetadata>,
): Promise<Resolution | string> {
  try {
    return await resolve(input, memoryProvider(packages, false));
  } catch (error) {
    if (!isLadingError(error) || !EXPECTED.has(error.code)) throw error;
    return error.code;
  }
}

function accepts(text: string, version: string): boolean {
  const candidate = tryParseVersion(version);
  return candidate !== undefined && (tryParseRequirement(text, "canonical")?.matches(candidate) ?? false);
}

/** Checks what was chosen against the documents, knowing nothing of the resolver. */
function expectSound(answer: SolvedResolution, packages: ReadonlyMap<string, PackageMetadata>): void {
  const byId = new Map(answer.packages.map((one) => [one.id, one]));
  for (const one of answer.packages) {
    const offered = packages.get(one.key)!.candidates.filter((candidate) => candidate.version === one.version);
    expect(offered).toHaveLength(1);
    expect(tryParseVersion(one.version)).toBeDefined();
    expect(offered[0]!.excluded ?? []).toEqual([]);
  }
  for (const { dependencies } of [...answer.packages, ...answer.roots]) {
    for (const edge of dependencies) {
      const target = byId.get(edge.id)!;
      expect(target.key).toBe(edge.key);
      expect(accepts(edge.requirement, target.version), `${edge.key} ${edge.requirement}`).toBe(true);
    }
  }
}

/** Whether some choice meets every requirement: tries all of them. A version that asks for what cannot be read is none. */
function isSolvable(wanted: readonly Dependency[], packages: ReadonlyMap<string, PackageMetadata>): boolean {
  const readable = (text: string): boolean => tryParseRequirement(text, "canonical") !== undefined;
  const search = (open: readonly Dependency[], chosen: ReadonlyMap<string, Candidate>): boolean => {
    const [first, ...rest] = open;
    if (first === undefined) return true;
    const text = first.requirement as string;
    const known = chosen.get(first.key);
    if (known !== undefined) return accepts(text, known.version) && search(rest, chosen);
    return (packages.get(first.key)?.candidates ?? []).some(
      (one) =>
        accepts(text, one.version) &&
        one.dependencies.every((dependency) => readable(dependency.requirement as string)) &&
        search([...rest, ...one.dependencies], new Map([...chosen, [first.key, one]])),
    );
  };
  return search(wanted, new Map());
}

describe("resolve() of hostile documents", () => {
  test("any document gives a sound answer or a typed error", async () => {
    const seen = new Map<string, number>();
    const wanted = fc.array(wildDependency, { minLength: 1, maxLength: 3 });
    const coexistence = fc.constantFrom("single" as const, "per-major" as const);
    await fc.assert(
      fc.asyncProperty(registry(wildCandidate), wanted, coexistence, async (packages, dependencies, policy) => {
        const input = ask(dependencies, { coexistence: policy, hosts: { revit: ["2024"] }, targets: ["linux"] });
        const answer = await outcome(input, packages);
        const kind = typeof answer === "string" ? answer : answer.status;
        seen.set(kind, (seen.get(kind) ?? 0) + 1);
        if (typeof answer !== "string" && answer.status === "solved") expectSound(answer, packages);
      }),
      FUZZ,
    );
    console.log([...seen].map(([kind, count]) => `${count} ${kind}`).join(", "));
    expect(seen.get("solved")).toBeGreaterThan(FUZZ.numRuns / 20);
    expect(seen.get("unsolvable")).toBeGreaterThan(FUZZ.numRuns / 20);
  });

  test("a version that cannot be read rules itself out, and nothing else", async () => {
    const wanted = fc.array(fc.record({ key: name, requirement: fc.constantFrom(...GOOD_REQUIREMENTS) }), {
      minLength: 1,
      maxLength: 3,
    });
    await fc.assert(
      fc.asyncProperty(registry(plainCandidate), wanted, async (packages, dependencies) => {
        const answer = await outcome(ask(dependencies, { prereleases: "named" }), packages);
        if (answer === "RESOLVE_METADATA_INVALID") return;
        if (typeof answer === "string") throw new Error(answer);
        expect(answer.status).toBe(isSolvable(dependencies, packages) ? "solved" : "unsolvable");
      }),
      FUZZ,
    );
  });

  test.each(NAMES.filter((one) => one !== ""))("a package called %j is a package like any other", async (key) => {
    const packages = new Map<string, PackageMetadata>([
      [key, { candidates: [{ version: "1.0.0", dependencies: [{ key: "a0", requirement: "*" }] }] }],
      [
        "a0",
        {
          candidates: [
            { version: "1.0.0", dependencies: [] },
            { version: "2.0.0", dependencies: [{ key, requirement: ">1.0.0" }] },
          ],
        },
      ],
    ]);
    const answer = await outcome(ask([{ key, requirement: "*" }]), packages);
    if (typeof answer === "string" || answer.status !== "solved") throw new Error(JSON.stringify(answer));
    expect(answer.packages.map(({ id }) => id).sort()).toEqual([`${key} 1.0.0`, "a0 1.0.0"].sort());
  });

  test("features in a circle end", async () => {
    const around = { x: ["y"], y: ["a/z"] };
    const packages = new Map<string, PackageMetadata>([
      ["b", { candidates: [{ version: "1.0.0", features: around, dependencies: [{ key: "a", requirement: "*" }] }] }],
      [
        "a",
        {
          candidates: [
            {
              version: "1.0.0",
              features: { z: ["b/x"], default: ["z", "default"] },
              dependencies: [{ key: "b", requirement: "*", features: ["x"] }],
            },
          ],
        },
      ],
    ]);
    const answer = await outcome(ask([{ key: "a", requirement: "*" }]), packages);
    if (typeof answer === "string" || answer.status !== "solved") throw new Error(JSON.stringify(answer));
    expect(answer.packages.map(({ id, features: on }) => [id, on])).toEqual([
      ["a 1.0.0", ["default", "z"]],
      ["b 1.0.0", ["x", "y"]],
    ]);
  });

  test("a dependency that names the feature default of a package without features is met", async () => {
    const packages = new Map<string, PackageMetadata>([
      [
        "app",
        { candidates: [{ version: "1.0.0", dependencies: [{ key: "lib", requirement: "*", features: ["default"] }] }] },
      ],
      ["lib", { candidates: [{ version: "1.0.0", dependencies: [] }] }],
    ]);
    const answer = await outcome(ask([{ key: "app", requirement: "*", features: ["default"] }]), packages);
    expect(answer).toMatchObject({ status: "solved", packages: [{ id: "app 1.0.0" }, { id: "lib 1.0.0" }] });
  });

  test("an optional package whose requirement cannot be read is left out, or rules out its dependent", async () => {
    const dependencies = [{ key: "lib", requirement: "^x", ifPossible: true }];
    const packages = new Map<string, PackageMetadata>([["app", { candidates: [{ version: "1.0.0", dependencies }] }]]);
    expect(await outcome(ask([{ key: "app", requirement: "*" }]), packages)).toHaveProperty("status");
  });

  test("a package of 100,000 versions is read in one piece", async () => {
    const candidates = Array.from({ length: 100_000 }, (_, number): Candidate => {
      const dependencies = [{ key: "other", requirement: number === 7 ? "*" : `=1.${number % 100}.1` }];
      return { version: `1.${Math.floor(number / 1000)}.${number % 1000}`, dependencies };
    });
    const packages = new Map<string, PackageMetadata>([
      ["big", { candidates }],
      [
        "other",
        { candidates: Array.from({ length: 100 }, (_, minor) => ({ version: `1.${minor}.0`, dependencies: [] })) },
      ],
    ]);
    const answer = await outcome(ask([{ key: "big", requirement: "*" }]), packages);
    if (typeof answer === "string" || answer.status !== "solved")
      throw new Error(JSON.stringify(answer).slice(0, 1000));
    expect(answer.packages.map(({ id }) => id)).toEqual(["big 1.0.7", "other 1.99.0"]);
  });

  test("a requirement of 4 KB is read, a longer one rules out its version", async () => {
    const alternatives = Array.from({ length: 60 }, (_, patch) =>
      patch < 3 ? `=1.0.${patch}` : `=1.0.${patch}-${"x".repeat(58)}`,
    );
    const long = alternatives.join(" || ");
    const packages = new Map<string, PackageMetadata>([
      ["lib", { candidates: [0, 1, 2].map((patch) => ({ version: `1.0.${patch}`, dependencies: [] })) }],
      [
        "app",
        {
          candidates: [
            { version: "1.0.0", dependencies: [{ key: "lib", requirement: long }] },
            { version: "2.0.0", dependencies: [{ key: "lib", requirement: `${long} || =1.0.0-${"x".repeat(200)}` }] },
          ],
        },
      ],
    ]);
    expect(long.length).toBeGreaterThan(3900);
    const answer = await outcome(ask([{ key: "app", requirement: "*" }]), packages);
    if (typeof answer === "string" || answer.status !== "solved")
      throw new Error(JSON.stringify(answer).slice(0, 1000));
    expect(answer.packages.map(({ id }) => id)).toEqual(["app 1.0.0", "lib 1.0.2"]);
  });

  test.each(["1.0", "", "one"])("a document that lists version %j is refused by name", async (text) => {
    const packages = new Map([["lib", { candidates: [{ version: text, dependencies: [] }] }]]);
    expect(await outcome(ask([{ key: "lib", requirement: "*" }]), packages)).toBe("RESOLVE_METADATA_INVALID");
  });
});
