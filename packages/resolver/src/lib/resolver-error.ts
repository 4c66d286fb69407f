import { LadingError, type ErrorCatalogue, type LadingErrorInit } from "@lading/core-manifest";

/** Codes of the resolver. That no solution exists is not among them: it is a value. */
export type ResolverErrorCode =
  | "RESOLVE_INPUT_INVALID"
  | "RESOLVE_ENVIRONMENTS_TOO_MANY"
  | "RESOLVE_METADATA_INVALID"
  | "RESOLVE_METADATA_INCOMPLETE"
  | "RESOLVE_BUDGET_EXCEEDED"
  | "RESOLVE_RECORDING_INVALID"
  | "RESOLVE_INTERNAL";

/** Explanations of {@link ResolverErrorCode}. */
export const RESOLVER_ERRORS: ErrorCatalogue<ResolverErrorCode> = {
  RESOLVE_INPUT_INVALID: {
    category: "usage",
    summary: "What is to be resolved contradicts itself or cannot be read.",
    help: "Correct the requirement, feature, override or host version that the message names.",
  },
  RESOLVE_ENVIRONMENTS_TOO_MANY: {
    category: "usage",
    summary: "The grid of environments has more combinations than can be resolved for.",
    help: "Name fewer versions of a host, or fewer targets; the product of all axes counts.",
  },
  RESOLVE_METADATA_INVALID: {
    category: "io",
    summary: "What a registry says of a package cannot be read.",
    help: "Report it to the owner of the package named; an override of the package, or another version, may go round it.",
  },
  RESOLVE_METADATA_INCOMPLETE: {
    category: "internal",
    summary: "A dependency provider returned from loading without having loaded.",
    help: "This is a fault in the provider; after `load`, `get` must know every key that was asked for.",
  },
  RESOLVE_BUDGET_EXCEEDED: {
    category: "resolution",
    summary: "The search took more steps than its budget allows, and found neither an answer nor a proof.",
    help: "Narrow the requirements of the packages that have many versions in conflict, or raise `budget` of the input.",
  },
  RESOLVE_RECORDING_INVALID: {
    category: "usage",
    summary: "A file is no recording of a resolution, or one of a form that this release does not read.",
    help: "Write it again with `resolve --record FILE`; the message names the place of the first fault.",
  },
  RESOLVE_INTERNAL: {
    category: "internal",
    summary: "An answer of the solver did not pass its independent check, and was thrown away.",
    help: "Please report it with a recording of the provider (`resolve --record FILE`).",
  },
};

/** An error of the resolver's. */
export class ResolverError extends LadingError<ResolverErrorCode> {
  constructor(init: LadingErrorInit<ResolverErrorCode>) {
    super(RESOLVER_ERRORS, init);
  }
}
