import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  answerOf,
  createResolver,
  parseResolutionRecording,
  recordResolution,
  renderResolutionRecording,
  replayResolution,
  resolve,
  whyNot,
  type Dependency,
  type Resolution,
  type ResolveInput,
  type UnsolvableResolution,
} from "../src/index.ts";
import { isContradiction } from "../src/lib/minimal-proof.ts";
import type { ProofStep } from "../src/lib/proof.ts";
import { bruteForce, universe, type UniverseBuilder } from "../src/testing.ts";

const KEYS = ["a", "b", "c", "d"];
const VERSIONS = ["1.0.0", "1.1.0", "2.0.0"];
const REQUIREMENTS = ["*", ">=1.0.0 <2.0.0", ">=2.0.0", "<2.0.0", "=1.0.0", ">=9.0.0"];

const dependencies = fc
  .array(fc.record({ key: fc.constantFrom(...KEYS), requirement: fc.constantFrom(...REQUIREMENTS) }), { maxLength: 3 })
  .map((list): Dependency[] => [...new Map(list.map((one) => [one.key, one])).values()]);

const world: fc.Arbitrary<UniverseBuilder> = fc
  .array(
    fc.record({
      key: fc.constantFrom(...KEYS),
      version: fc.constantFrom(...VERSIONS),
      dependencies,
      excluded: fc
        .constantFrom(0, 0, 0, 1)
        .map((n) => (n === 0 ? [] : [{ reason: "yanked" as const, text: "it was yanked" }])),
    }),
    { minLength: 4, maxLength: 12 },
  )
  .map((list) => {
    const unique = new Map(list.map((one) => [`${one.key} ${one.version}`, one]));
    return [...unique.values()].reduce(
      (builder, { key, version, ...candidate }) => builder.package(key, version, candidate),
      universe(),
    );
  });

const question: fc.Arbitrary<ResolveInput> = dependencies
  .filter((list) => list.length > 0)
  .map((list) => ({ roots: [{ name: "myapp", dependencies: list }] }));

function solve(input: ResolveInput, builder: UniverseBuilder): Resolution {
  const step = createResolver(input, builder.provider()).step();
  if (step.status === "needs") throw new Error("an eager provider needs no loading");
  return step.resolution;
}

function withRequirement(input: ResolveInput, key: string, requirement: string): ResolveInput {
  const roots = input.roots.map((root) => ({
    ...root,
    dependencies: root.dependencies.map((one) => (one.key === key ? { ...one, requirement } : one)),
  }));
  return { ...input, roots };
}

/** The input with a suggestion followed; `undefined` for the kinds that are not about the input alone. */
function followed(
  input: ResolveInput,
  one: { type: string; key?: string; requirement?: string },
): ResolveInput | undefined {
  const { type, key = "", requirement = "" } = one;
  if (type === "loosen-root") return withRequirement(input, key, requirement);
  if (type === "add-override") return { ...input, overrides: [{ key, requirement }] };
  if (type !== "remove-root") return undefined;
  const roots = input.roots.map((root) => ({
    ...root,
    dependencies: root.dependencies.filter((dependency) => dependency.key !== key),
  }));
  return { ...input, roots };
}

describe("suggestions", () => {
  test("really give what they promise", () => {
    let followedOnes = 0;
    fc.assert(
      fc.property(world, question, (builder, input) => {
        const failure = solve(input, builder);
        for (const one of failure.status === "unsolvable" ? failure.suggestions : []) {
          const changed = followed(input, one);
          if (changed === undefined) continue;
          followedOnes++;
          const answer = solve(changed, builder);
          expect(answer.status).toBe("solved");
          const versions = answer.status === "solved" ? answer.packages.filter(({ key }) => key === one.key) : [];
          expect(versions.map(({ version }) => version)).toEqual(one.version === undefined ? [] : [one.version]);
        }
      }),
      { numRuns: 80 },
    );
    expect(followedOnes).toBeGreaterThan(10);
  });

  test("are there for every failure that a root can be blamed for", () => {
    fc.assert(
      fc.property(world, question, (builder, input) => {
        const failure = solve(input, builder);
        const alone = input.roots[0]!.dependencies.length === 1;
        expect(failure.status === "solved" || !alone || failure.suggestions.length > 0).toBe(true);
      }),
      { numRuns: 40 },
    );
  });
});

describe("whyNot()", () => {
  test("calls a version impossible exactly where exhaustive search finds no solution with it", async () => {
    await fc.assert(
      fc.asyncProperty(
        world,
        question,
        fc.constantFrom(...KEYS),
        fc.constantFrom(...VERSIONS),
        async (builder, input, key, version) => {
          const { verdict, chosen } = await whyNot({ input, provider: builder.provider() }, key, version);
          const base = bruteForce(input, builder.metadata());
          const asked = {
            ...input,
            roots: [...input.roots, { name: "q", dependencies: [{ key, requirement: `=${version}` }] }],
          };
          const exists =
            builder
              .metadata()
              .get(key)
              ?.candidates.some((one) => one.version === version) ?? false;
          const expected =
            base === undefined
              ? "unsolvable"
              : base.get(key) === version
                ? "chosen"
                : !exists
                  ? "unknown"
                  : bruteForce(asked, builder.metadata()) === undefined
                    ? "impossible"
                    : "possible";
          expect(["unneeded", "locked", "outranked"].includes(verdict) ? "possible" : verdict).toBe(expected);
          expect(chosen).toEqual(base?.get(key) === undefined ? [] : [base.get(key)]);
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe("recordings", () => {
  test("replay to the same answer and the same words", async () => {
    await fc.assert(
      fc.asyncProperty(world, question, async (builder, input) => {
        const recorder = recordResolution(input, builder.lazyProvider());
        const answer = await resolve(recorder.input, recorder.provider);
        const recording = parseResolutionRecording(renderResolutionRecording(recorder.recording(answer)));
        const replayed = replayResolution(recording);
        expect(answerOf(await resolve(replayed.input, replayed.provider))).toEqual(recording.answer);
      }),
      { numRuns: 40 },
    );
  });
});

describe("a proof", () => {
  type Fact = readonly { readonly package: string; readonly values: ReadonlySet<string> }[];

  /** What a proof rests on, over the versions that there are. */
  function factsOf(failure: UnsolvableResolution): Fact[] {
    return failure.proof.statements
      .filter(({ cause }) => cause.type !== "derived")
      .map(({ terms }) =>
        terms.map((term) => ({
          package: term.package,
          values: new Set([...term.versions, ...(term.absent ? ["absent"] : [])]),
        })),
      );
  }

  function isSatisfiable(facts: readonly Fact[], builder: UniverseBuilder): boolean {
    const names = [...new Set(facts.flatMap((fact) => fact.map((term) => term.package)))];
    const valuesOf = (name: string): string[] => [
      "absent",
      ...(builder
        .metadata()
        .get(name)
        ?.candidates.map(({ version }) => version) ?? [""]),
    ];
    const extend = (chosen: ReadonlyMap<string, string>, at: number): boolean => {
      const name = names[at];
      if (name === undefined)
        return facts.every((fact) => fact.some((term) => !term.values.has(chosen.get(term.package)!)));
      return valuesOf(name).some((value) => extend(new Map([...chosen, [name, value]]), at + 1));
    };
    return extend(new Map(), 0);
  }

  test("rests on facts that exclude each other, none of which can be left out", () => {
    let proofs = 0;
    fc.assert(
      fc.property(world, question, (builder, input) => {
        const failure = solve({ ...input, suggest: false }, builder);
        if (failure.status === "solved") return;
        const facts = factsOf(failure);
        proofs++;
        expect(isSatisfiable(facts, builder)).toBe(false);
        for (const fact of facts) {
          expect(
            isSatisfiable(
              facts.filter((one) => one !== fact),
              builder,
            ),
          ).toBe(true);
        }
      }),
      { numRuns: 150 },
    );
    expect(proofs).toBeGreaterThan(20);
  });

  // Of dense worlds like these the search's own proof cites more than it needs in every second case.
  test("is minimal where the search has cited more than it needs", () => {
    let proofs = 0;
    for (let seed = 1; seed <= 150; seed++) {
      const { builder, input } = denseWorld(seed);
      const failure = solve({ ...input, suggest: false }, builder);
      if (failure.status === "solved") continue;
      proofs++;
      const facts = factsOf(failure);
      const isNeeded = facts.map((fact) =>
        isSatisfiable(
          facts.filter((one) => one !== fact),
          builder,
        ),
      );
      expect([seed, isSatisfiable(facts, builder), isNeeded.includes(false)]).toEqual([seed, false, false]);
    }
    expect(proofs).toBeGreaterThan(8);
  });

  /** Four packages of three versions with up to two dependencies each: the same for the same seed. */
  function denseWorld(seed: number): { builder: UniverseBuilder; input: ResolveInput } {
    let state = seed;
    const below = (limit: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
      return Math.floor((state / 0x7fff_ffff) * limit) % limit;
    };
    below(10);
    let builder = universe();
    for (const key of KEYS) {
      for (const version of ["1.0.0", "2.0.0", "3.0.0"]) {
        const wanted: Record<string, string> = {};
        for (let i = 0; i < 2; i++) {
          const [other, low] = [KEYS[below(KEYS.length)]!, 1 + below(3)];
          const range = [`>=${low}.0.0`, `<${low + 1}.0.0`, `=${low}.0.0`][below(3)]!;
          if (other !== key) wanted[other] = range;
        }
        builder = builder.package(key, version, wanted);
      }
    }
    const roots = [...new Set([below(KEYS.length), below(KEYS.length)])].map((i) => ({
      key: KEYS[i]!,
      requirement: "*",
    }));
    return { builder, input: { roots: [{ name: "myapp", dependencies: roots }] } };
  }
});

describe("isContradiction()", () => {
  const SIZES = [2, 3, 4];

  test("says so exactly where no choice of values keeps to every fact", () => {
    const set = (size: number): fc.Arbitrary<number> => fc.integer({ min: 1, max: 2 ** size - 2 });
    const fact = fc.record({ use: fc.integer({ min: 1, max: 7 }), sets: fc.tuple(...SIZES.map(set)) });
    let contradictions = 0;
    fc.assert(
      fc.property(fc.array(fact, { maxLength: 10 }), (facts) => {
        const steps = facts.map(({ use, sets }): ProofStep => {
          const terms = sets.flatMap((bits, node) =>
            (use & (1 << node)) === 0 ? [] : [[node, Int32Array.of(bits)] as const],
          );
          return { terms: new Map(terms), cause: undefined, left: -1, right: -1, pivot: -1 };
        });
        const refuted = isContradiction(steps, (node) => SIZES[node]!);
        expect(refuted).toBe(!anyChoice(steps));
        contradictions += refuted ? 1 : 0;
      }),
      { numRuns: 300 },
    );
    expect(contradictions).toBeGreaterThan(10);
  });

  function anyChoice(facts: readonly ProofStep[]): boolean {
    const values = [0, 1, 2, 3];
    return values.some((c) =>
      values
        .slice(0, 3)
        .some((b) =>
          values
            .slice(0, 2)
            .some((a) =>
              facts.every(({ terms }) => [...terms].some(([node, bits]) => (bits[0]! & (1 << [a, b, c][node]!)) === 0)),
            ),
        ),
    );
  }
});
