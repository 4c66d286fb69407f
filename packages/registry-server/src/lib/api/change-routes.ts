import { createRoute, z } from "@hono/zod-openapi";
import type { CanonicalName, VersionStatus } from "@lading/core-manifest";
import { TEAM_PREFIX, groupOf, type Team } from "../organisations/organisation.ts";
import type { OwnerOutcome, OwnersCheck } from "../organisations/package-owners.ts";
import type { Account, AuditEntry, PackageSummary, VersionRecord } from "../records.ts";
import { contentRemoved } from "../governance/blob-gate.ts";
import { RegistryError } from "../registry-error.ts";
import { principalOf, readers, smallBody, writers } from "./access.ts";
import { auditEntry, baseUrl, type App, type RouteContext, type Services } from "./context.ts";
import {
  requireAccount,
  requireOwner,
  requirePackage,
  requireTeam,
  requireVersion,
  versionNotFound,
} from "./guards.ts";
import { idempotent } from "./idempotency.ts";
import { versionDetailsView } from "./package-views.ts";
import { ownersEtag, requireMatch, versionEtag } from "./preconditions.ts";
import { SECURED, jsonResponse, nameParam, problems, versionParam } from "./schemas.ts";
import { trustOf } from "./version-trust.ts";

const TAGS = ["packages"];
const statusResult = z
  .object({ name: z.string(), version: z.string(), status: z.string() })
  .loose()
  .openapi("VersionStatusResult");
const yankBody = z.object({ reason: z.string().trim().min(1).max(500) }).openapi("Yank");
const deprecateBody = z
  .object({ reason: z.string().trim().min(1).max(500), replacement: z.string().max(140).optional() })
  .openapi("Deprecate");
const ownersBody = z
  .object({
    name: z.string(),
    items: z.array(z.object({ username: z.string().optional(), team: z.string().optional() })),
  })
  .openapi("Owners");

interface Change {
  readonly action: string;
  readonly status: VersionStatus;
  /** Statuses from which the change may start. */
  readonly from: readonly VersionStatus[];
  readonly reason?: string;
  readonly replacement?: string;
}

async function change(services: Services, context: RouteContext, wanted: Change): Promise<Response> {
  const principal = principalOf(context);
  const { name = "", version = "" } = context.req.param() as { name?: string; version?: string };
  const summary = await requirePackage(services, name);
  await requireOwner(services, principal, summary, "yank");
  const before = await requireVersion(services, summary, version);
  requireMatch(context, versionEtag(before));
  requirePresent(summary, before);
  // Undoing what is not done changes nothing: `DELETE …/yank` of a deprecated version keeps the deprecation.
  if (!wanted.from.includes(before.status)) return versionAnswer(services, context, summary, before);
  const { action, status, reason, replacement } = wanted;
  const details = {
    from: before.status,
    ...(reason === undefined ? {} : { reason }),
    ...(replacement === undefined ? {} : { replacement }),
  };
  const record = await services.metadata.setStatus({
    canonical: summary.canonical,
    version: before.version,
    status,
    ...(reason === undefined ? {} : { reason }),
    ...(replacement === undefined ? {} : { replacement }),
    audit: auditEntry(services, context, { action, package: summary.name, version: before.version, details }),
    check: (current) => {
      requireMatch(context, versionEtag(current));
      requirePresent(summary, current);
    },
  });
  if (record === undefined) throw versionNotFound(summary.name, version);
  await services.index.refresh(summary.canonical);
  services.index.saveSoon();
  services.trust?.changedSoon();
  return versionAnswer(services, context, summary, record);
}

// What was removed is the registry's to bring back, not its owners'.
function requirePresent({ name }: PackageSummary, { version, removed }: VersionRecord): void {
  if (removed !== undefined) throw contentRemoved(`Cannot change "${name}" ${version}`, removed.reason);
}

async function versionAnswer(
  services: Services,
  context: RouteContext,
  summary: PackageSummary,
  record: VersionRecord,
): Promise<Response> {
  context.header("etag", versionEtag(record));
  const trust = await trustOf(services, summary.canonical, record);
  return context.json(versionDetailsView(baseUrl(services, context), summary.name, record, trust));
}

function statusRoutes(app: App, services: Services): void {
  const params = z.object({ name: nameParam, version: versionParam });
  const responses = {
    200: jsonResponse(statusResult, "The version as it is now"),
    ...problems(400, 401, 403, 404, 409, 412, 413, 422),
  };
  const body = (schema: z.ZodType) => ({ required: true, content: { "application/json": { schema } } });
  app.openapi(
    createRoute({
      method: "post",
      path: "/api/v1/packages/{name}/versions/{version}/yank",
      middleware: [writers(services, "yank"), smallBody, idempotent(services)],
      tags: TAGS,
      summary: "Yank a version: it stays for locks that have it, and is never chosen anew",
      security: SECURED,
      request: { params, body: body(yankBody) },
      responses,
    }),
    async (context): Promise<Response> => {
      const { reason } = yankBody.parse(context.req.valid("json"));
      return change(services, context, {
        action: "version.yank",
        status: "yanked",
        from: ["active", "deprecated", "yanked"],
        reason,
      });
    },
  );
  app.openapi(
    createRoute({
      method: "delete",
      path: "/api/v1/packages/{name}/versions/{version}/yank",
      middleware: writers(services, "yank"),
      tags: TAGS,
      summary: "Undo a yank",
      security: SECURED,
      request: { params },
      responses,
    }),
    async (context): Promise<Response> =>
      change(services, context, { action: "version.unyank", status: "active", from: ["yanked"] }),
  );
  app.openapi(
    createRoute({
      method: "post",
      path: "/api/v1/packages/{name}/versions/{version}/deprecate",
      middleware: [writers(services, "yank"), smallBody, idempotent(services)],
      tags: TAGS,
      summary: "Deprecate a version: it can be chosen, with a warning that names the replacement",
      security: SECURED,
      request: { params, body: body(deprecateBody) },
      responses,
    }),
    async (context): Promise<Response> => {
      const { reason, replacement } = deprecateBody.parse(context.req.valid("json"));
      const named = replacement === undefined ? {} : { replacement };
      return change(services, context, {
        action: "version.deprecate",
        status: "deprecated",
        from: ["active", "deprecated"],
        reason,
        ...named,
      });
    },
  );
  app.openapi(
    createRoute({
      method: "delete",
      path: "/api/v1/packages/{name}/versions/{version}/deprecate",
      middleware: writers(services, "yank"),
      tags: TAGS,
      summary: "Undo a deprecation",
      security: SECURED,
      request: { params },
      responses,
    }),
    async (context): Promise<Response> =>
      change(services, context, { action: "version.undeprecate", status: "active", from: ["deprecated"] }),
  );
}

async function ownersAnswer(services: Services, context: RouteContext, summary: PackageSummary): Promise<Response> {
  const owners = await services.rights.ownersOf(summary.canonical);
  context.header("etag", ownersEtag(owners));
  const items = owners.map((owner) =>
    owner.startsWith(TEAM_PREFIX) ? { team: owner.slice(TEAM_PREFIX.length) } : { username: owner },
  );
  return context.json({ name: summary.name, items });
}

type Owner = { readonly account: Account } | { readonly team: Team };

/** @throws {RegistryError} `USER_NOT_FOUND`, `TEAM_NOT_FOUND` */
async function findOwner(services: Services, text: string, action: "add" | "remove"): Promise<Owner> {
  if (text.startsWith(TEAM_PREFIX)) return { team: await requireTeam(services, text.slice(TEAM_PREFIX.length)) };
  // The owners of a tree of private packages may name who has no account any more.
  const known = action === "remove" ? await services.metadata.accountByName(text) : undefined;
  return { account: known ?? (await requireAccount(services, text)) };
}

/**
 * In an organisation's namespace only its members and teams are owners.
 * @throws {RegistryError} `NOT_MEMBER`
 */
export async function requireMayOwn(services: Services, summary: PackageSummary, owner: Owner): Promise<void> {
  const namespace = await services.rights.namespaceOf(summary.canonical);
  if (namespace === undefined) return;
  const { organisation } = namespace;
  const may =
    "team" in owner
      ? owner.team.organisation === organisation
      : await services.rights.isMember(owner.account, organisation);
  if (may) return;
  throw new RegistryError({
    code: "NOT_MEMBER",
    message: `Cannot make ${"team" in owner ? `team "${groupOf(owner.team)}"` : `"${owner.account.username}"`} an owner of "${summary.name}": its namespace belongs to organisation "${organisation}", whose members and teams alone own packages in it`,
    hint: "Invite them to the organisation first",
  });
}

function applyOwner(
  { metadata }: Services,
  canonical: CanonicalName,
  owner: Owner,
  {
    action,
    audit,
    check,
  }: { readonly action: "add" | "remove"; readonly audit: AuditEntry; readonly check: OwnersCheck },
): Promise<OwnerOutcome> {
  if ("team" in owner) {
    const { organisations } = metadata;
    return action === "add"
      ? organisations.addOwnerTeam(canonical, owner.team, audit, check)
      : organisations.removeOwnerTeam(canonical, owner.team, audit, check);
  }
  return action === "add"
    ? metadata.addOwner(canonical, owner.account, audit, check)
    : metadata.removeOwner(canonical, owner.account, audit, check);
}

async function changeOwner(services: Services, context: RouteContext, action: "add" | "remove"): Promise<Response> {
  const principal = principalOf(context);
  const { name = "", user = "" } = context.req.param() as { name?: string; user?: string };
  const summary = await requirePackage(services, name);
  await requireOwner(services, principal, summary, "owner");
  const owner = await findOwner(services, user, action);
  if (action === "add") await requireMayOwn(services, summary, owner);
  const audit = auditEntry(services, context, {
    action: `owner.${action}`,
    package: summary.name,
    details: "team" in owner ? { team: groupOf(owner.team) } : { user: owner.account.username },
  });
  const check = (owners: readonly string[]): void => requireMatch(context, ownersEtag(owners));
  const outcome = await applyOwner(services, summary.canonical, owner, { action, audit, check });
  if (outcome === "last-owner") {
    throw new RegistryError({
      code: "LAST_OWNER",
      message: `Cannot remove "${user}" from package "${summary.name}": it would have no owner left`,
      hint: "Add another owner first",
    });
  }
  if (outcome === "changed") services.trust?.changedSoon();
  return ownersAnswer(services, context, summary);
}

function ownerRoutes(app: App, services: Services): void {
  const params = z.object({
    name: nameParam,
    user: z
      .string()
      .max(140)
      .openapi({ description: "User name, or team:organisation/team; a slash is URL-encoded", example: "ada" }),
  });
  const responses = {
    200: jsonResponse(ownersBody, "The owners as they are now"),
    ...problems(401, 403, 404, 409, 412),
  };
  app.openapi(
    createRoute({
      method: "get",
      path: "/api/v1/packages/{name}/owners",
      middleware: readers(services),
      tags: TAGS,
      summary: "Owners of a package, in order of their addition",
      request: { params: z.object({ name: nameParam }) },
      responses,
    }),
    async (context): Promise<Response> => {
      const summary = await requirePackage(services, context.req.valid("param").name);
      return ownersAnswer(services, context, summary);
    },
  );
  app.openapi(
    createRoute({
      method: "put",
      path: "/api/v1/packages/{name}/owners/{user}",
      middleware: writers(services, "owner"),
      tags: TAGS,
      summary: "Add an owner",
      security: SECURED,
      request: { params },
      responses,
    }),
    async (context): Promise<Response> => changeOwner(services, context, "add"),
  );
  app.openapi(
    createRoute({
      method: "delete",
      path: "/api/v1/packages/{name}/owners/{user}",
      middleware: writers(services, "owner"),
      tags: TAGS,
      summary: "Remove an owner; the last one stays",
      security: SECURED,
      request: { params },
      responses,
    }),
    async (context): Promise<Response> => changeOwner(services, context, "remove"),
  );
}

/** Registers the routes that change versions and owners. */
export function registerChangeRoutes(app: App, services: Services): void {
  statusRoutes(app, services);
  ownerRoutes(app, services);
}
