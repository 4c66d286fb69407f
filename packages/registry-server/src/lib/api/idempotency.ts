import { createHash } from "node:crypto";
import type { MiddlewareHandler } from "hono";
import { RegistryError } from "../registry-error.ts";
import { principalOf } from "./access.ts";
import type { Env, RouteContext, Services } from "./context.ts";

const KEY_FORM = /^[\x21-\x7e]{1,255}$/;

function idempotencyKey(context: RouteContext): string | undefined {
  const key = context.req.header("idempotency-key");
  if (key === undefined || KEY_FORM.test(key)) return key;
  const message = "expected 1 to 255 visible ASCII characters";
  throw new RegistryError({
    code: "REQUEST_INVALID",
    message: `Cannot read the request: header.idempotency-key: ${message}`,
    errors: [{ field: "header.idempotency-key", message }],
  });
}

function sha256(...parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part).update("\0");
  return hash.digest("hex");
}

/**
 * Answers a write, from what is kept where its `Idempotency-Key` says so. Keys belong to the account; `content` is what
 * makes two requests the same, besides method and path.
 */
export async function answerOnce(
  services: Services,
  context: RouteContext,
  content: readonly (string | Uint8Array)[],
  work: () => Promise<Response>,
): Promise<Response> {
  const key = idempotencyKey(context);
  if (key === undefined) return work();
  const fingerprint = sha256(context.req.method, context.req.path, ...content);
  return services.answers.answer(sha256(principalOf(context).account.id, key), fingerprint, work);
}

/** {@link answerOnce} for routes with a JSON body, to stand behind their guard. */
export function idempotent(services: Services): MiddlewareHandler<Env> {
  return async (context, next) =>
    answerOnce(services, context, [new Uint8Array(await context.req.arrayBuffer())], async () => {
      await next();
      return context.res;
    });
}
