export { createResolver, resolve, type ResolveOptions } from "./lib/resolve.ts";
export { explainDerivation, type ExplainOptions } from "./lib/explain.ts";
export { ResolverError, RESOLVER_ERRORS, type ResolverErrorCode } from "./lib/resolver-error.ts";
export {
  createUniversalResolver,
  resolveUniversal,
  type UniversalResolver,
  type UniversalStep,
} from "./lib/universal.ts";
export { environmentsOf } from "./lib/environments.ts";
export {
  MOST_ENVIRONMENTS,
  TARGET_AXIS,
  type EnvironmentGrid,
  type EnvironmentSuggestion,
  type LockedInEnvironments,
  type LockedSlotInEnvironments,
  type MetSlot,
  type TargetEnvironment,
  type UniversalAnswer,
  type UniversalDependency,
  type UniversalFailure,
  type UniversalInput,
  type UniversalPackage,
  type UniversalResolution,
  type UniversalRoot,
  type UniversalSolution,
  type UniversalStatistics,
} from "./lib/universal-types.ts";
export type {
  Candidate,
  CoexistencePolicy,
  Dependency,
  DependencyProvider,
  Derivation,
  Exclusion,
  ExclusionReason,
  LockedPackage,
  LockedSlot,
  Override,
  PackageKey,
  PackageMetadata,
  PeerPolicy,
  PrereleasePolicy,
  ProofCause,
  ProofStatement,
  ProofTerm,
  ReachKind,
  Resolution,
  ResolutionNote,
  ResolutionStatistics,
  ResolvedDependency,
  ResolvedPackage,
  ResolvedRoot,
  ResolveInput,
  Resolver,
  ResolverStep,
  ResolverWorking,
  RootPackage,
  SolvedResolution,
  Suggestion,
  UnsolvableResolution,
  VersionPreference,
  VersionRequirement,
} from "./lib/types.ts";
export {
  answerOf,
  recordProvider,
  recordResolution,
  replayProvider,
  replayResolution,
  type ProviderRecording,
  type RecordedAnswer,
  type RecordedInput,
  type RecordedReads,
  type RecordedProvider,
  type ResolutionRecorder,
  type ResolutionRecording,
} from "./lib/recording.ts";
export {
  recordUniversal,
  replayUniversal,
  universalAnswerOf,
  type RecordedLock,
  type RecordedUniversalAnswer,
  type RecordedUniversalInput,
  type UniversalRecorder,
  type UniversalRecording,
} from "./lib/recording-universal.ts";
export { parseRecording, parseResolutionRecording, renderResolutionRecording } from "./lib/recording-text.ts";
export { lockedSlotsOf } from "./lib/locked-slots.ts";
export { whyNot, type WhyNotAnswer, type WhyNotChange, type WhyNotVerdict } from "./lib/why-not.ts";
export { explainChoices, type PackageChoice } from "./lib/choices.ts";
