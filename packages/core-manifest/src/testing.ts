export {
  aDigest,
  aLockPackage,
  aLockfile,
  aPackageRecord,
  anIndexArtifact,
  anIndexDocument,
  anIndexVersion,
  recordEvents,
  type RecordedEvents,
} from "./lib/testing-builders.ts";
export { errorCodeOf } from "./lib/testing-outcome.ts";
