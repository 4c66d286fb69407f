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
import type { DependencyProvider, LockedSlot, PackageKey } from "./types.ts";
import type {
  LockedInEnvironments,
  TargetEnvironment,
  UniversalInput,
  UniversalResolution,
} from "./universal-types.ts";

/** A version that the lock has, as plain JSON. */
export interface RecordedLock {
  readonly key: PackageKey;
  readonly version: string;
  /** Environments in which the lock has it, as indexes into their order in the specification. Absent: all. */
  readonly environments?: readonly number[];
}

/** A slot that the lock has met a requirement in, as plain JSON. */
export interface RecordedSlot extends LockedSlot {
  /** As in {@link RecordedLock}. */
  readonly environments?: readonly number[];
}

/** A question for a grid as plain JSON. */
export type RecordedUniversalInput = Omit<
  UniversalInput,
  "exclude" | "suggest" | "wording" | "locked" | "lockedSlots"
> & {
  readonly locked?: readonly RecordedLock[];
  readonly lockedSlots?: readonly RecordedSlot[];
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
  const { exclude: _exclude, suggest: _suggest, wording: _wording, locked, lockedSlots, ...rest } = input;
  const environments = environmentsOf(input.environments);
  const where = ({ appliesTo }: Pick<LockedInEnvironments, "appliesTo">): Pick<RecordedLock, "environments"> =>
    appliesTo === undefined
      ? {}
      : { environments: environments.flatMap((environment, index) => (appliesTo(environment) ? [index] : [])) };
  return {
    ...rest,
    ...plainInput(input),
    ...plainOverrides(input),
    ...(locked === undefined
      ? {}
      : { locked: locked.map((one) => ({ key: one.key, version: one.version, ...where(one) })) }),
    ...(lockedSlots === undefined
      ? {}
      : {
          lockedSlots: lockedSlots.map((one) => {
            const { key, requirement, version } = one;
            return { key, requirement, version, ...where(one) };
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
  const { locked, lockedSlots, ...rest } = recording.input;
  const order = environmentsOf(recording.input.environments).map(textOf);
  const placed = <One extends Pick<RecordedLock, "environments">>({ environments, ...one }: One) => {
    if (environments === undefined) return one;
    const own = new Set(environments.map((index) => order[index]));
    return { ...one, appliesTo: (environment: TargetEnvironment) => own.has(textOf(environment)) };
  };
  return {
    input: {
      ...rest,
      ...(locked === undefined ? {} : { locked: locked.map(placed) }),
      ...(lockedSlots === undefined ? {} : { lockedSlots: lockedSlots.map(placed) }),
    },
    provider: recordedProviderOf(recording),
  };
}

function textOf(environment: TargetEnvironment): string {
  return JSON.stringify(Object.entries(environment).toSorted(([left], [right]) => (left < right ? -1 : 1)));
}
