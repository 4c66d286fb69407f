import { isObject, optionalString, type JsonObject } from "./json.ts";
import { RegistryClientError, type RegistryClientErrorCode } from "./registry-client-error.ts";

/** An answer that is not a success, with what the error needs. */
export interface ProblemContext {
  /** What the user is doing: `publish "tool-1.0.0.lpk"`. */
  readonly action: string;
  readonly registry: string;
  readonly status: number;
  /** At most the first kilobytes. */
  readonly body: string;
  readonly contentType: string | null;
  readonly retryAfterMs: number | undefined;
  /** Whether a credential was sent. */
  readonly authenticated: boolean;
  /** Where that came from, in words. */
  readonly origin?: string | undefined;
}

/** The typed error for an answer with status >= 400, by RFC 9457 where the body is a problem document. */
export function errorFromProblem(context: ProblemContext): RegistryClientError {
  const problem = parseProblem(context);
  const serverCode = optionalString(problem?.code);
  const detail = optionalString(problem?.detail) ?? optionalString(problem?.title) ?? plainDetail(context);
  const code = codeOf(context, serverCode);
  return new RegistryClientError({
    code,
    message: `Cannot ${context.action}: registry "${context.registry}" answered ${context.status}${code === "REGISTRY_AUTH_FAILED" && context.origin !== undefined ? ` to the credential from ${context.origin}` : ""}${detail === "" ? "" : `: ${withoutPeriod(detail)}`}${listed(problem)}`,
    hint: loginHint(code, context, serverCode) ?? optionalString(problem?.hint) ?? hintOf(code, context),
    registry: context.registry,
    status: context.status,
    ...(code !== "REGISTRY_AUTH_FAILED" || context.origin === undefined ? {} : { origin: context.origin }),
    ...(serverCode === undefined ? {} : { serverCode }),
    ...(optionalString(problem?.traceId) === undefined ? {} : { traceId: problem?.traceId }),
    ...(context.retryAfterMs === undefined ? {} : { retryAfterMs: context.retryAfterMs }),
    ...(problem?.errors === undefined ? {} : { errors: problem.errors }),
  });
}

function parseProblem(context: ProblemContext): JsonObject | undefined {
  if (!/[/+]json/i.test(context.contentType ?? "")) return undefined;
  try {
    const value: unknown = JSON.parse(context.body);
    return isObject(value) ? value : undefined;
  } catch (error) {
    // A broken problem document still has its status, which decides the code.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function codeOf(context: ProblemContext, serverCode: string | undefined): RegistryClientErrorCode {
  const { status } = context;
  if (status === 401) return context.authenticated ? "REGISTRY_AUTH_FAILED" : "REGISTRY_AUTH_REQUIRED";
  if (status === 403) return "REGISTRY_FORBIDDEN";
  if (status === 404 || status === 410) return "REGISTRY_NOT_FOUND";
  if (status === 409) return serverCode === "VERSION_EXISTS" ? "PUBLISH_VERSION_EXISTS" : "REGISTRY_REFUSED";
  if (status === 429) return "REGISTRY_RATE_LIMITED";
  if (status === 408 || status === 425 || status >= 500) return "REGISTRY_UNAVAILABLE";
  if (status === 400 || status === 413 || status === 415 || status === 422) return "REGISTRY_REQUEST_INVALID";
  return "REGISTRY_REFUSED";
}

// What the server advises here speaks of HTTP headers; whoever reads this has a command line.
function loginHint(
  code: RegistryClientErrorCode,
  context: ProblemContext,
  serverCode: string | undefined,
): string | undefined {
  if (code === "REGISTRY_AUTH_REQUIRED") return `Run "login" for registry "${context.registry}"`;
  if (code === "REGISTRY_AUTH_FAILED" && (serverCode === undefined || serverCode === "TOKEN_INVALID"))
    return context.origin?.startsWith("the variable ") === true
      ? `The credential is mistyped, expired or revoked: set ${context.origin} anew, or unset it and run "login" for registry "${context.registry}"`
      : `The credential is mistyped, expired or revoked: run "login" for registry "${context.registry}" again`;
  return undefined;
}

function hintOf(code: RegistryClientErrorCode, context: ProblemContext): string | undefined {
  if (code === "PUBLISH_VERSION_EXISTS") return "Published versions never change: raise the version and publish again";
  if (context.retryAfterMs !== undefined)
    return `The registry asks to wait ${Math.ceil(context.retryAfterMs / 1000)} s`;
  return undefined;
}

// A proxy's or a static host's page: only short plain text says anything to the user.
function plainDetail(context: ProblemContext): string {
  const text = context.body.trim();
  return /^text\/plain/i.test(context.contentType ?? "") && text.length <= 200 && !text.includes("\n") ? text : "";
}

function listed(problem: JsonObject | undefined): string {
  if (!Array.isArray(problem?.errors)) return "";
  const lines = (problem.errors as unknown[])
    .map((item) =>
      isObject(item) ? (optionalString(item.message) ?? optionalString(item.detail)) : optionalString(item),
    )
    .filter((line): line is string => line !== undefined);
  return lines.length === 0 ? "" : ` (${lines.slice(0, 10).map(withoutPeriod).join("; ")})`;
}

function withoutPeriod(text: string): string {
  return text.slice(0, 1000).replace(/\.\s*$/, "");
}
