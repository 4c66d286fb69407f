import { environmentsOf } from "./environments.ts";
import {
  plainInput,
  plainOverrides,
  recordProvider,
  recordedProviderOf,
  recordedReads,
  type RecordedReads,
  type ResolutionRecording,
} from "./recording.ts";
import type { DependencyProvider, PackageKey } from "./types.ts";
import type { TargetEnvironment, UniversalInput, UniversalResolution } from "./universal-types.ts";

/** A version that the lock has, as plain JSON. */
export interface RecordedLock {
  readonly key: PackageKey;
  readonly version: string;
  /** Environments in which the lock has it, as indexes into their order in the specification. Absent: all. */
  readonly environments?: readonly number[];
}

/** A question for a grid as plain JSON. */
export type RecordedUniversalInput = Omit<UniversalInput, "exclude" | "suggest" | "wording" | "locked"> & {
  readonly locked?: readonly RecordedLock[];
};

/** A resolution for a grid as a file: the question, what was read for it, and the answer of every environment. */
export interface UniversalRecording extends RecordedReads {
  readonly format: "lading-resolution/2";
  readonly clock?: string;
  readonly policies?: Readonly<Record<string, string>>;
  readonly input: RecordedUniversalInput;
  readonly answer: RecordedUniversalAnswer;
}

/** What came out, to compare a replay with. */
export type RecordedUniversalAnswer =
  /** Ids by environment, in the order of the specification. */
  | { readonly status: "solved"; readonly environments: readonly (readonly string[])[] }
  | { readonly status: "unsolvable"; readonly explanation: string };

/** A question for a grid under observation. */
export interface UniversalRecorder {
  readonly provider: DependencyProvider;
  recording(answer: UniversalResolution, about?: Pick<ResolutionRecording, "clock" | "policies">): UniversalRecording;
}

/** Watches a whole question: resolve `input` with `provider`, then ask for the recording. */
export function recordUniversal(input: UniversalInput, inner: DependencyProvider): UniversalRecorder {
  const watched = recordProvider(inner);
  return {
    provider: watched.provider,
    recording: (answer, about = {}) => ({
      format: "lading-resolution/2",
      ...about,
      input: plainUniversalInput(input),
      ...recordedReads(input, watched, inner),
      answer: universalAnswerOf(answer),
    }),
  };
}

function plainUniversalInput(input: UniversalInput): RecordedUniversalInput {
  const { exclude: _exclude, suggest: _suggest, wording: _wording, locked, ...rest } = input;
  const environments = environmentsOf(input.environments);
  return {
    ...rest,
    ...plainInput(input),
    ...plainOverrides(input),
    ...(locked === undefined
      ? {}
      : {
          locked: locked.map(({ key, version, appliesTo }) => {
            if (appliesTo === undefined) return { key, version };
            const own = environments.flatMap((environment, index) => (appliesTo(environment) ? [index] : []));
            return { key, version, environments: own };
          }),
        }),
  };
}

/** What of an answer a replay must give again. */
export function universalAnswerOf(resolution: UniversalResolution): RecordedUniversalAnswer {
  if (resolution.status === "unsolvable") return { status: "unsolvable", explanation: resolution.explanation };
  const environments: string[][] = resolution.environments.map(() => []);
  for (const { cells, resolution: answer } of resolution.answers)
    for (const cell of cells) environments[cell] = answer.packages.map(({ id }) => id);
  return { status: "solved", environments };
}

/** The question of a recording with a provider that knows what was read, and nothing else. */
export function replayUniversal(recording: UniversalRecording): {
  readonly input: UniversalInput;
  readonly provider: DependencyProvider;
} {
  const { locked, ...rest } = recording.input;
  const order = environmentsOf(recording.input.environments).map(textOf);
  return {
    input: {
      ...rest,
      ...(locked === undefined
        ? {}
        : {
            locked: locked.map(({ key, version, environments }) => {
              if (environments === undefined) return { key, version };
              const own = new Set(environments.map((index) => order[index]));
              return { key, version, appliesTo: (one: TargetEnvironment) => own.has(textOf(one)) };
            }),
          }),
    },
    provider: recordedProviderOf(recording),
  };
}

function textOf(environment: TargetEnvironment): string {
  return JSON.stringify(Object.entries(environment).toSorted(([left], [right]) => (left < right ? -1 : 1)));
}
