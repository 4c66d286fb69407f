import {
  canonicalName,
  parsePackageName,
  parseVersion,
  tryParsePackageName,
  type CanonicalName,
  type PackageName,
  type Version,
} from "@lading/core-manifest";
import { accessDenied } from "../access/access-control.ts";
import { administers, requireScope, type Principal } from "../authentication.ts";
import {
  ORGANISATION_ROLES,
  parseTeamName,
  type Organisation,
  type OrganisationRole,
  type Team,
} from "../organisations/organisation.ts";
import type { Account, PackageSummary, Scope, VersionRecord } from "../records.ts";
import { RegistryError } from "../registry-error.ts";
import type { RouteContext, Services } from "./context.ts";

/** Name of the account that writes belong to where no credentials are demanded. */
export const ANONYMOUS = "anonymous";

async function anonymousWriter(services: Services): Promise<Principal> {
  const existing = await services.metadata.accountByName(ANONYMOUS);
  const account = existing ?? {
    id: ANONYMOUS,
    username: ANONYMOUS,
    passwordHash: "",
    admin: false,
    created: services.clock.now(),
  };
  if (existing === undefined) {
    await services.metadata.createAccount(account, {
      at: account.created,
      actor: "system",
      action: "account.create",
      details: { username: ANONYMOUS },
    });
  }
  return { account, method: "anonymous", scopes: new Set<Scope>(["read", "publish", "yank"]), packages: [] };
}

/**
 * Who makes this request; credentials are demanded.
 * @throws {RegistryError} `AUTHENTICATION_REQUIRED` and what {@link Authentication.principal} throws
 */
export async function requirePrincipal(services: Services, context: RouteContext, scope?: Scope): Promise<Principal> {
  const principal = await optionalPrincipal(services, context);
  if (principal === undefined) {
    throw new RegistryError({
      code: "AUTHENTICATION_REQUIRED",
      message: `Cannot do this without credentials: ${context.req.method} ${context.req.path}`,
      hint: "Log in, or send Authorization: Bearer <token>",
    });
  }
  if (scope !== undefined) requireScope(principal, scope);
  return principal;
}

/**
 * As {@link requirePrincipal}, for what `write_requires_auth = false` opens to everybody: publishing and yanking, never what
 * owners or administrators do.
 */
export async function requireWriter(services: Services, context: RouteContext, scope: Scope): Promise<Principal> {
  const principal = await optionalPrincipal(services, context);
  if (principal !== undefined || services.settings.writeRequiresAuth) return requirePrincipal(services, context, scope);
  const writer = await anonymousWriter(services);
  requireScope(writer, scope);
  context.set("principal", writer);
  return writer;
}

/** Who makes this request, where it has credentials. */
export async function optionalPrincipal(services: Services, context: RouteContext): Promise<Principal | undefined> {
  const known = context.get("principal");
  if (known !== undefined) return known;
  const principal = await services.authentication.principal(
    context.req.header("authorization"),
    context.req.raw,
    context.get("client"),
  );
  if (principal !== undefined) context.set("principal", principal);
  return principal;
}

/** Lets the request read: everybody where reading is public, else whoever has scope `read`. */
export async function requireReader(services: Services, context: RouteContext): Promise<Principal | undefined> {
  if (!services.settings.readPublic) return requirePrincipal(services, context, "read");
  return optionalPrincipal(services, context);
}

/**
 * Demands a session. Whoever holds a stolen token must not be able to lock its owner out.
 * @throws {RegistryError} `FORBIDDEN`
 */
export function requireLogin(principal: Principal): void {
  if (principal.method === "session") return;
  throw new RegistryError({
    code: "FORBIDDEN",
    message: "Cannot change how the account logs in with these credentials: a session is needed",
    hint: "Log in with user name and password",
    needed: "session",
  });
}

/**
 * The account of that name, unless it was deleted.
 * @throws {RegistryError} `USER_NOT_FOUND`
 */
export async function requireAccount(services: Services, name: string): Promise<Account> {
  const account = await services.metadata.accountByName(name);
  if (account !== undefined && account.deleted === undefined) return account;
  throw new RegistryError({ code: "USER_NOT_FOUND", message: `Cannot find account "${name.slice(0, 100)}"` });
}

/** The name in a path; what cannot be one is not found. */
export function pathName(text: string): { readonly name: PackageName; readonly canonical: CanonicalName } {
  const name = tryParsePackageName(text);
  if (name === undefined) throw packageNotFound(text);
  return { name, canonical: canonicalName(name) };
}

/** The name in a body. */
export function bodyName(text: string): { readonly name: PackageName; readonly canonical: CanonicalName } {
  try {
    const name = parsePackageName(text);
    return { name, canonical: canonicalName(name) };
  } catch (cause) {
    throw new RegistryError({
      code: "REQUEST_INVALID",
      message: (cause as Error).message,
      errors: [{ field: "body.name", message: (cause as Error).message }],
      cause,
    });
  }
}

export function packageNotFound(name: string): RegistryError {
  return new RegistryError({ code: "PACKAGE_NOT_FOUND", message: `Cannot find package "${name.slice(0, 140)}"` });
}

/** @throws {RegistryError} `PACKAGE_NOT_FOUND` */
export async function requirePackage(services: Services, text: string): Promise<PackageSummary> {
  const summary = await services.metadata.package(pathName(text).canonical);
  if (summary === undefined) throw packageNotFound(text);
  return summary;
}

/** @throws {RegistryError} `VERSION_NOT_FOUND` */
export async function requireVersion(
  services: Services,
  summary: PackageSummary,
  text: string,
): Promise<VersionRecord> {
  const record = await services.metadata.version(summary.canonical, pathVersion(text, summary));
  if (record === undefined) throw versionNotFound(summary.name, text);
  return record;
}

function pathVersion(text: string, summary: PackageSummary): Version {
  try {
    return parseVersion(text);
  } catch {
    throw versionNotFound(summary.name, text);
  }
}

export function versionNotFound(name: string, version: string): RegistryError {
  return new RegistryError({
    code: "VERSION_NOT_FOUND",
    message: `Cannot find version "${version.slice(0, 100)}" of package "${name}"`,
  });
}

/**
 * Demands `scope` for the package, and that the access rules let the account do it; where no rule is about the package, that
 * the account has it: as an owner, through a team or organisation, or as an admin.
 */
export async function requireOwner(
  services: Services,
  principal: Principal,
  summary: PackageSummary,
  scope: Scope,
): Promise<void> {
  requireScope(principal, scope, summary.canonical);
  const action = scope === "publish" ? "write" : "admin";
  const verdict = await services.access.verdict(action, principal, summary.canonical);
  if (verdict === "allowed") return;
  if (verdict === "denied") throw accessDenied(action, principal, summary.canonical);
  const { scopes } = await services.rights.on(principal.account, summary.canonical);
  if (scopes.has(scope)) return;
  const owners = await services.rights.ownersOf(summary.canonical);
  throw new RegistryError({
    code: "NOT_OWNER",
    message: `Cannot change package "${summary.name}": it belongs to ${owners.map((owner) => `"${owner}"`).join(", ")}`,
    hint: "Ask an owner to add you",
  });
}

/** @throws {RegistryError} `ORGANISATION_NOT_FOUND` */
export async function requireOrganisation(services: Services, name: string): Promise<Organisation> {
  const organisation = await services.metadata.organisations.organisation(name.toLowerCase());
  if (organisation !== undefined) return organisation;
  throw new RegistryError({
    code: "ORGANISATION_NOT_FOUND",
    message: `Cannot find organisation "${name.slice(0, 100)}"`,
  });
}

/**
 * The team that `o/t` names.
 * @throws {RegistryError} `TEAM_NOT_FOUND`
 */
export async function requireTeam(services: Services, text: string): Promise<Team> {
  const named = parseTeamName(text.toLowerCase());
  const team = named && (await services.metadata.organisations.team(named.organisation, named.team));
  if (team !== undefined) return team;
  throw new RegistryError({
    code: "TEAM_NOT_FOUND",
    message: `Cannot find team "${text.slice(0, 140)}"${named === undefined ? ": it is not of the form organisation/team" : ""}`,
  });
}

/**
 * Demands that the account is in the organisation with this role or a higher one, or is an admin of the registry.
 * @throws {RegistryError} `NOT_MEMBER`
 */
export async function requireRole(
  services: Services,
  principal: Principal,
  organisation: Organisation,
  role: OrganisationRole,
): Promise<OrganisationRole> {
  if (administers(principal)) return "owner";
  const { organisations } = await services.groups.membershipsOf(principal.account.id);
  const own = organisations.find(({ name }) => name === organisation.name)?.role;
  if (own !== undefined && ORGANISATION_ROLES.indexOf(own) >= ORGANISATION_ROLES.indexOf(role)) return own;
  throw new RegistryError({
    code: "NOT_MEMBER",
    message: `Cannot do this in organisation "${organisation.name}": role "${role}" is needed, "${principal.account.username}" ${own === undefined ? "is no member" : `is "${own}"`}`,
    hint: "Ask one of its owners",
  });
}
