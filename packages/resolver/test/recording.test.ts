import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  answerOf,
  parseRecording,
  parseResolutionRecording,
  recordResolution,
  recordUniversal,
  renderResolutionRecording,
  replayResolution,
  replayUniversal,
  resolve,
  ResolverError,
  resolveUniversal,
  universalAnswerOf,
  type ResolutionRecording,
  type ResolveInput,
  type UniversalInput,
} from "../src/index.ts";
import { dependencyList, universe } from "../src/testing.ts";

const world = universe()
  .package("a", "1.0.0", { b: "*" })
  .package("a", "2.0.0", { b: ">=2.0.0" })
  .package("b", "1.0.0", { dependencies: {}, features: { fast: [] }, hosts: { os: "*" }, data: { secret: 1 } })
  .package("b", "2.0.0")
  .package("far", "1.0.0");

const inputOf = (wanted: Readonly<Record<string, string>>, more: Partial<ResolveInput> = {}): ResolveInput => ({
  roots: [{ name: "myapp", dependencies: dependencyList(wanted) }],
  ...more,
});

async function record(input: ResolveInput): Promise<ResolutionRecording> {
  const recorder = recordResolution(input, world.lazyProvider());
  const answer = await resolve(recorder.input, recorder.provider);
  return recorder.recording(answer, { clock: "2026-01-01T00:00:00Z" });
}

async function replay(recording: ResolutionRecording): Promise<ReturnType<typeof answerOf>> {
  const { input, provider } = replayResolution(recording);
  return answerOf(await resolve(input, provider));
}

describe("recordResolution()", () => {
  test("through a file and back gives the same answer, solved or not, and holds only what was read", async () => {
    for (const wanted of [{ a: "*" }, { a: ">=2.0.0", b: "<2.0.0" }, { gone: "*" }]) {
      const recording = await record(inputOf(wanted));
      const read = parseResolutionRecording(renderResolutionRecording(recording));
      expect(await replay(read)).toEqual(recording.answer);
      expect(Object.keys(read.packages)).not.toContain("far");
    }
  });

  test("writes the reasons of a policy beside the candidates", async () => {
    const exclude: ResolveInput["exclude"] = (key, { version }) =>
      key === "a" && version === "2.0.0"
        ? [{ reason: "cooldown", text: "it is new", until: "2026-01-02T00:00:00Z" }]
        : [];
    const recording = await record(inputOf({ a: "*" }, { exclude }));
    expect(recording.answer).toEqual({ status: "solved", packages: ["a 1.0.0", "b 2.0.0"] });
    expect(await replay(recording)).toEqual(recording.answer);
    expect(JSON.stringify(recording)).not.toContain("secret");
  });

  test("tells what was known from what was loaded, and replays it so", async () => {
    expect((await record(inputOf({ a: "*" }))).known).toBeUndefined();
    const eager = recordResolution(inputOf({ a: "*" }), world.provider());
    const recording = eager.recording(await resolve(eager.input, eager.provider));
    expect(recording.known).toEqual(["a", "b"]);
    expect(replayResolution(recording).provider.get("a")).toBeDefined();
    const { known: _, ...lazy } = recording;
    expect(replayResolution(lazy).provider.get("a")).toBeUndefined();
  });

  test("renderResolutionRecording() cuts out credentials and directories", async () => {
    const recording = await record(inputOf({ a: "*" }));
    const text = renderResolutionRecording({
      ...recording,
      packages: { "x@https://user:pass@example.com/": { candidates: [], missing: "not in file:///home/me/registry" } },
    });
    expect(text).not.toMatch(/user|pass|home/);
    expect(parseResolutionRecording(text).packages).toHaveProperty("x@https://example.com/");
  });
});

describe("parseResolutionRecording()", () => {
  const fault = (text: string): ResolverError => {
    try {
      parseResolutionRecording(text, "bug.json");
    } catch (error) {
      return error as ResolverError;
    }
    throw new Error("it was read");
  };
  const small = {
    format: "lading-resolution/1",
    input: { roots: [] },
    packages: {},
    answer: { status: "solved", packages: [] },
  };

  test.each<[string, unknown, string]>([
    ["no JSON", undefined, "it is no JSON"],
    ["a list", [], "[] is not an object"],
    ["another format", { ...small, format: "lading-resolution/2" }, 'format: "lading-resolution/2" is not'],
    ["no packages", { ...small, packages: undefined }, "packages: it is missing"],
    ["a root without name", { ...small, input: { roots: [{}] } }, "input.roots[0].name: it is missing"],
    ["a wrong policy", { ...small, input: { roots: [], prefer: "best" } }, 'input.prefer: "best" is not one of'],
    [
      "a wrong package",
      { ...small, packages: { "a/b": { candidates: 1 } } },
      'packages["a/b"].candidates: 1 is not a list',
    ],
    ["a wrong answer", { ...small, answer: { status: "maybe" } }, 'answer.status: "maybe" is not one of'],
    [
      "a wrong reason",
      {
        ...small,
        packages: { a: { candidates: [{ version: "1", dependencies: [], excluded: [{ reason: "no", text: "" }] }] } },
      },
      "packages.a.candidates[0].excluded[0].reason",
    ],
  ])("refuses %s and names the place", (_, value, text) => {
    const error = fault(value === undefined ? "{" : JSON.stringify(value));
    expect(error).toBeInstanceOf(ResolverError);
    expect(error.code).toBe("RESOLVE_RECORDING_INVALID");
    expect(error.message).toContain('Cannot replay "bug.json": ');
    expect(error.message).toContain(text);
  });

  test("ignores fields that it does not know", () => {
    expect(parseResolutionRecording(JSON.stringify({ ...small, later: 1 }))).toMatchObject(small);
  });

  test("reads anything or throws its own error", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.record({ ...fields() }).map((one) => JSON.stringify(one)),
        ),
        (text) => readOrOwnError(text),
      ),
    );
  });

  /** Whether it was read, or refused by the resolver's own error; anything else is thrown on. */
  function readOrOwnError(text: string): boolean {
    try {
      parseResolutionRecording(text);
    } catch (error) {
      if (!(error instanceof ResolverError)) throw error;
    }
    return true;
  }

  function fields(): Record<string, fc.Arbitrary<unknown>> {
    return {
      format: fc.constant("lading-resolution/1"),
      input: fc.oneof(fc.constant({ roots: [] }), fc.jsonValue()),
      packages: fc.oneof(fc.constant({}), fc.jsonValue()),
      answer: fc.jsonValue(),
    };
  }
});

describe("a recording of a grid", () => {
  const hosts = universe()
    .package("a", "1.0.0", { hosts: { h: "<2.0.0" } })
    .package("a", "2.0.0", { hosts: { h: ">=2.0.0" } });
  const input: UniversalInput = {
    roots: [{ name: "myapp", dependencies: [{ key: "a", requirement: "*" }] }],
    environments: { hosts: { h: ["1", "2"] } },
    locked: [{ key: "a", version: "1.0.0", appliesTo: ({ h }) => h === "1" }],
  };

  test("replayUniversal() asks the same again, locks by environment included", async () => {
    const recorder = recordUniversal(input, hosts.lazyProvider());
    const answer = await resolveUniversal(input, recorder.provider);
    const recording = parseRecording(renderResolutionRecording(recorder.recording(answer)));
    if (recording.format !== "lading-resolution/2") throw new Error("expected a recording of a grid");
    expect(recording.answer).toEqual({ status: "solved", environments: [["a 2.0.0"], ["a 1.0.0"]] });
    expect(recording.input.locked).toEqual([{ key: "a", version: "1.0.0", environments: [1] }]);
    const replay = replayUniversal(recording);
    const again = await resolveUniversal(replay.input, replay.provider);
    expect(universalAnswerOf(again)).toEqual(recording.answer);
  });

  test.each([
    ['{"format":"lading-resolution/3"}', "format"],
    ['{"format":"lading-resolution/2","packages":{},"input":{"roots":[]},"answer":{}}', "input.environments"],
    [
      '{"format":"lading-resolution/2","packages":{},"input":{"roots":[],"environments":{}},"answer":{"status":"solved"}}',
      "answer.environments",
    ],
  ])("parseRecording() refuses %s with the place", (text, place) => {
    expect(() => parseRecording(text)).toThrow(expect.objectContaining({ code: "RESOLVE_RECORDING_INVALID" }) as Error);
    expect(() => parseRecording(text)).toThrow(place);
  });

  test("parseResolutionRecording() refuses it: its question is another one", () => {
    expect(() => parseResolutionRecording('{"format":"lading-resolution/2"}')).toThrow("format");
  });
});
