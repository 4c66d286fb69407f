import { isLadingError } from "@lading/core-manifest";
import { REGISTRY_ERRORS, RegistryError, statusOf } from "./registry-error.ts";

/** One field that breaks a request's schema. */
export interface FieldProblem {
  /** `body`, `query` or `path`, and the dotted path of the field. */
  readonly field: string;
  readonly message: string;
}

/** RFC 9457 problem details, with our `code` and the request's trace id. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly traceId: string;
  readonly hint?: string;
  readonly reason?: string;
  readonly errors?: readonly FieldProblem[];
  /** How much was found, where that was more or less than allowed. */
  readonly found?: number;
  readonly allowed?: number;
}

/** The problem that answers `error`; what is not ours is told as `INTERNAL` without its text. */
export function problemOf(error: unknown, traceId: string): Problem {
  const known =
    error instanceof RegistryError
      ? error
      : new RegistryError({
          code: "INTERNAL",
          message: "Cannot answer: a fault of the server",
          hint: "Report it with the trace id",
        });
  const { reason, errors, found, allowed } = known.details as Partial<Problem>;
  const entry = REGISTRY_ERRORS[known.code];
  return {
    type: `urn:lading:error:${known.code}`,
    title: entry.summary,
    status: statusOf(known.code),
    detail: known.message,
    code: known.code,
    traceId,
    hint: known.hint ?? entry.help,
    ...(reason === undefined ? {} : { reason }),
    ...(errors === undefined ? {} : { errors }),
    ...(typeof found === "number" && typeof allowed === "number" ? { found, allowed } : {}),
  };
}

/** Headers that go with the problem that answers `error`; seconds in its `details.retryAfter` are told. */
export function problemHeaders(problem: Problem, error: unknown): Record<string, string> {
  const { retryAfter } = (error instanceof RegistryError ? error.details : {}) as { retryAfter?: number };
  return {
    ...(retryAfter === undefined ? {} : { "retry-after": String(retryAfter) }),
    "content-type": "application/problem+json",
    "cache-control": "no-store",
    ...(problem.status === 401
      ? { "www-authenticate": 'Bearer realm="lading", Basic realm="lading", charset="UTF-8"' }
      : {}),
  };
}

/** Whether an error is an expected answer, not a fault to log with its stack. */
export function isExpected(error: unknown): boolean {
  return isLadingError(error) && error.code !== "INTERNAL";
}
