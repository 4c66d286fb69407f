import type { SourceLocation } from "./source-location.ts";

/**
 * What kind of failure an error is. Each has one process exit code, so that a script can tell
 * "the manifest is wrong" from "the registry was down" without reading text.
 *
 * | category | exit | meaning |
 * |---|---|---|
 * | `check` | 1 | the check ran and found something |
 * | `usage` | 2 | the command line or configuration is wrong |
 * | `manifest` | 3 | a manifest or lock file is invalid |
 * | `resolution` | 4 | no set of versions satisfies the requirements |
 * | `io` | 5 | network, registry or disk |
 * | `auth` | 6 | who you are, or what you may do |
 * | `integrity` | 7 | a digest or signature does not hold |
 * | `refused` | 8 | policy or conflict: the thing exists already, or is not allowed |
 * | `internal` | 70 | a fault of ours |
 */
export type ErrorCategory =
  | "check"
  | "usage"
  | "manifest"
  | "resolution"
  | "io"
  | "auth"
  | "integrity"
  | "refused"
  | "internal";

/** Process exit code of each category (`docs/spec/cli.md` §exit codes). */
export const EXIT_CODES: Readonly<Record<ErrorCategory, number>> = {
  check: 1,
  usage: 2,
  manifest: 3,
  resolution: 4,
  io: 5,
  auth: 6,
  integrity: 7,
  refused: 8,
  internal: 70,
};

/** What `docs/errors.md` and `explain CODE` say of one code. */
export interface ErrorCatalogueEntry {
  readonly category: ErrorCategory;
  /** One sentence: what happened. */
  readonly summary: string;
  /** One or two sentences: what to do about it. */
  readonly help: string;
}

/** A package's closed set of codes with their explanations. */
export type ErrorCatalogue<Code extends string = string> = Readonly<Record<Code, ErrorCatalogueEntry>>;

/** What every error of Lading is made from; further keys become structured `details`. */
export interface LadingErrorInit<Code extends string> {
  readonly code: Code;
  /** The failed action with quoted names and actual and allowed values; no final period. */
  readonly message: string;
  /** The next step, preferably a command to paste. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
  /** Where in a file of the user's the trouble is. */
  readonly location?: SourceLocation | undefined;
  readonly [detail: string]: unknown;
}

/** The same error as plain JSON, as `--format json` prints it. */
export interface LadingErrorJson {
  readonly code: string;
  readonly category: ErrorCategory;
  readonly message: string;
  readonly hint?: string;
  readonly location?: SourceLocation;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly causes?: readonly string[];
}

/**
 * The base of every error that Lading throws on purpose. Match on `code`, never on the class,
 * when the error crosses a package boundary.
 */
export class LadingError<Code extends string = string> extends Error {
  readonly code: Code;
  readonly category: ErrorCategory;
  readonly hint: string | undefined;
  readonly location: SourceLocation | undefined;
  /** The structured facts of the message: names, sizes, limits. Never holds a secret. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(catalogue: ErrorCatalogue<Code>, init: LadingErrorInit<Code>) {
    const { code, message, hint, cause, location, ...details } = init;
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.code = code;
    this.category = catalogue[code].category;
    this.hint = hint;
    this.location = location;
    this.details = details;
  }

  /** Exit code of the process when this error ends it. */
  get exitCode(): number {
    return EXIT_CODES[this.category];
  }

  toJSON(): LadingErrorJson {
    const causes = causeMessages(this);
    return {
      code: this.code,
      category: this.category,
      message: this.message,
      ...(this.hint === undefined ? {} : { hint: this.hint }),
      ...(this.location === undefined ? {} : { location: this.location }),
      ...(Object.keys(this.details).length === 0 ? {} : { details: this.details }),
      ...(causes.length === 0 ? {} : { causes }),
    };
  }
}

/** Messages of the chain of causes below `error`, outermost first. */
export function causeMessages(error: unknown): string[] {
  const messages: string[] = [];
  let current: unknown = error instanceof Error ? error.cause : undefined;
  while (current !== undefined && messages.length < 16) {
    messages.push(messageOf(current));
    current = current instanceof Error ? current.cause : undefined;
  }
  return messages;
}

function messageOf(cause: unknown): string {
  if (cause instanceof Error) return cause.message;
  return typeof cause === "string" ? cause : `a thrown ${cause === null ? "null" : typeof cause}`;
}

/** Whether `error` is one of ours, whichever copy of this package made it. */
export function isLadingError(error: unknown): error is LadingError {
  return (
    error instanceof Error &&
    typeof (error as { code?: unknown }).code === "string" &&
    typeof (error as { category?: unknown }).category === "string" &&
    (error as unknown as { category: string }).category in EXIT_CODES
  );
}
