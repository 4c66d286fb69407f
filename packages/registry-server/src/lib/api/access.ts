import type { MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { administers, requireScope, type Principal } from "../authentication.ts";
import type { Scope } from "../records.ts";
import { RegistryError } from "../registry-error.ts";
import type { Env, RouteContext, Services } from "./context.ts";
import { pathName, requirePrincipal, requireReader, requireWriter } from "./guards.ts";

type Guard = MiddlewareHandler<Env>;

// These run before the validators of path, query and body: whoever may not do a thing hears that, and neither what was
// wrong with the request nor whether the thing exists.

/** Lets whoever may read go on: everybody where reading is public, else credentials with scope `read`. */
export function readers(services: Services): Guard {
  return async (context, next) => {
    await requireReader(services, context);
    await next();
  };
}

/** Lets whoever has credentials go on that `allowed` does not refuse. */
export function callers(services: Services, allowed: (principal: Principal) => void = () => {}): Guard {
  return async (context, next) => {
    allowed(await requirePrincipal(services, context));
    await next();
  };
}

/**
 * Lets credentials with `scope` go on, limited to the package of the path where it names one. What is about the whole
 * registry stands behind {@link administrators}.
 */
export function writers(services: Services, scope: Scope): Guard {
  return async (context, next) => {
    const principal = await requireWriter(services, context, scope);
    const name = context.req.param("name");
    if (name !== undefined) requireScope(principal, scope, pathName(name).canonical);
    await next();
  };
}

function limitedToPackages({ packages }: Principal, needed: Scope): RegistryError {
  return new RegistryError({
    code: "FORBIDDEN",
    message: `Cannot do this with this token: it is limited to ${packages.map((pattern) => `"${pattern}"`).join(", ")}`,
    hint: `Log in, or use a token with scope "${needed}" and without package patterns`,
    needed,
  });
}

/**
 * Lets credentials with scope `owner` go on that are not limited to packages: rights in an organisation reach further than
 * any package.
 */
export function organisers(services: Services): Guard {
  return async (context, next) => {
    const principal = await requirePrincipal(services, context, "owner");
    if (principal.packages.length > 0) throw limitedToPackages(principal, "owner");
    await next();
  };
}

/** Lets administrators of the whole registry go on: scope `admin`, not limited to packages. */
export function administrators(services: Services): Guard {
  return async (context, next) => {
    const principal = await requirePrincipal(services, context, "admin");
    if (!administers(principal)) throw limitedToPackages(principal, "admin");
    await next();
  };
}

/** Lets people register where they may, and admins anywhere. */
export function registrants(services: Services): Guard {
  return async (context, next) => {
    if (services.settings.registration === "closed") await requireAdmin(services, context);
    await next();
  };
}

/** Whether a request has the credentials of a server's administrator. */
export async function isAdminCall(services: Services, context: RouteContext): Promise<boolean> {
  if (context.req.header("authorization") === undefined) return false;
  return administers(await requirePrincipal(services, context));
}

async function requireAdmin(services: Services, context: RouteContext): Promise<void> {
  if (await isAdminCall(services, context)) return;
  throw new RegistryError({
    code: "REGISTRATION_CLOSED",
    message: "Cannot create an account: this server does not let people register themselves",
  });
}

/** Largest body of a request that is not an upload, in bytes. */
export const JSON_MAX_BYTES: number = 256 * 1024;

/** Refuses what is larger than any JSON body of this API, before it is read whole. Stands behind the guard. */
export const smallBody: Guard = bodyLimit({
  maxSize: JSON_MAX_BYTES,
  onError: () => {
    throw new RegistryError({
      code: "PAYLOAD_TOO_LARGE",
      message: `Cannot read the request: its body is larger than ${JSON_MAX_BYTES} bytes`,
      hint: "Send less",
      limit: JSON_MAX_BYTES,
    });
  },
});

/** Who makes this request, on a route behind {@link callers} or {@link writers}. */
export function principalOf(context: RouteContext): Principal {
  const principal = context.get("principal");
  if (principal === undefined) throw new Error(`${context.req.path} has no guard`);
  return principal;
}
