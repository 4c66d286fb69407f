// Questions about a project that change nothing.
export {
  resolve,
  whyNot,
  type AnswerPackage,
  type ResolveProjectInput,
  type ResolveProjectResult,
  type WhyNotInput,
} from "./lib/operations/resolve.ts";
export {
  WHY_MAX_PATHS,
  duplicates,
  invertedTree,
  outdated,
  tree,
  why,
  type DuplicatePackage,
  type InvertedTreeInput,
  type OutdatedPackage,
  type TreeInput,
  type TreeNode,
  type TreeResult,
  type WhyResult,
} from "./lib/operations/inspect-lock.ts";
export {
  licenses,
  type DependencyLicense,
  type LicenseReport,
  type LicenseVerdict,
} from "./lib/operations/licenses.ts";
export { check, type CheckResult } from "./lib/operations/check.ts";
