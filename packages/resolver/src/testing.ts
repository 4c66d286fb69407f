export { bruteForce, type BruteForceAnswer } from "./lib/testing/brute-force.ts";
export {
  solveConformanceFile,
  tallySuggestions,
  type CaseAnswer,
  type ConformanceResult,
  type SuggestionTally,
} from "./lib/testing/conformance.ts";
export { followSuggestion, type Question } from "./lib/testing/follow-suggestion.ts";
export { recordProvider, replayProvider, type ProviderRecording, type RecordedProvider } from "./lib/recording.ts";
export {
  dependencyList,
  memoryProvider,
  universe,
  type FakeCandidate,
  type FakeProvider,
  type FakeProviderOptions,
  type UniverseBuilder,
} from "./lib/testing/universe.ts";
export type { SolvedRoots } from "./lib/testing/whole-universe.ts";
