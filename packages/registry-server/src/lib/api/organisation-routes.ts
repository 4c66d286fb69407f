import { z } from "@hono/zod-openapi";
import { namedOrganisations } from "../access/named-teams.ts";
import { administers } from "../authentication.ts";
import { timestamp } from "../index-model.ts";
import { dnsChallenge, parseNamespace } from "../organisations/namespace-claim.ts";
import {
  ORGANISATION_NAME,
  ORGANISATION_NAME_MAX_LENGTH,
  groupOf,
  type Invitation,
  type Member,
  type Namespace,
  type Organisation,
  type Team,
} from "../organisations/organisation.ts";
import type { InvitationOutcome, MemberOutcome, NewInvitation } from "../organisations/organisation-store.ts";
import { nameSkeleton, reservedReason } from "../package-name-rules.ts";
import type { Account } from "../records.ts";
import { RegistryError } from "../registry-error.ts";
import { hashToken, randomId } from "../token.ts";
import { administrators, callers, organisers, principalOf, readers } from "./access.ts";
import { auditEntry, type App, type RouteContext, type Services } from "./context.ts";
import { requireAccount, requireOrganisation, requireRole, requireTeam } from "./guards.ts";
import { ownUrl } from "./identity-routes.ts";
import { pageBody } from "./paging.ts";
import { register, type Route } from "./route-table.ts";
import { pageShape } from "./schemas.ts";

const TAGS = ["organisations"];
const DAY_MS = 24 * 60 * 60 * 1000;

/** How long an invitation waits for an answer, in days, where the inviter does not say. */
export const INVITATION_DEFAULT_DAYS = 14;
/** Longest life of an invitation, in days. */
export const INVITATION_MAX_DAYS = 90;
const INVITATION_CODE_LENGTH = 40;

const organisationName = z
  .string()
  .max(ORGANISATION_NAME_MAX_LENGTH)
  .regex(ORGANISATION_NAME, "allowed are a-z, 0-9 and single hyphens between them");
const title = z.string().trim().min(1).max(200);
const role = z.enum(["owner", "maintainer", "member"]);
const teamRole = z.enum(["maintain", "publish", "read"]);
const teamMemberRole = z.enum(["maintainer", "member"]);
const username = z.string().max(64);

const createBody = z.object({ name: organisationName, title: title.optional() }).openapi("CreateOrganisation");
const titleBody = z.object({ title: title.nullable() }).openapi("SetTitle");
const roleBody = z.object({ role }).openapi("SetRole");
const teamBody = z.object({ role: teamRole, title: title.optional() }).openapi("PutTeam");
const teamRoleBody = z.object({ role: teamMemberRole.default("member") }).openapi("SetTeamRole");
const claimBody = z
  .object({
    namespace: z.string().min(1).max(70),
    proof: z
      .discriminatedUnion("kind", [
        z.object({ kind: z.literal("dns"), domain: z.string().max(253) }),
        z.object({ kind: z.literal("ci"), token: z.string().min(1).max(20_000) }),
      ])
      .optional(),
  })
  .openapi("ClaimNamespace");
const namespaceTeamBody = z.object({ team: organisationName.nullable() }).openapi("SetNamespaceTeam");
const inviteBody = z
  .object({
    username: username.optional(),
    email: z.email().max(254).optional(),
    role: role.default("member"),
    team: organisationName.optional(),
    expires_in_days: z.number().int().min(1).max(INVITATION_MAX_DAYS).default(INVITATION_DEFAULT_DAYS),
  })
  .refine((body) => (body.username === undefined) !== (body.email === undefined), "one of username and email is needed")
  .openapi("Invite");
const answerBody = z
  .object({
    invitation: z
      .string()
      .min(1)
      .max(100)
      .openapi({ description: "Id of the invitation, or the code that came by mail" }),
    answer: z.enum(["accept", "decline"]),
  })
  .openapi("AnswerInvitation");

const organisationView = z
  .object({ name: z.string(), title: z.string().optional(), created: z.string() })
  .openapi("Organisation");
const teamView = z
  .object({ name: z.string(), title: z.string().optional(), role: teamRole, created: z.string() })
  .openapi("Team");
const namespaceView = z
  .object({ name: z.string(), team: z.string().optional(), proof: z.string(), created: z.string() })
  .openapi("Namespace");
const detailsView = organisationView
  .extend({ teams: z.array(teamView), namespaces: z.array(namespaceView) })
  .openapi("OrganisationDetails");
const memberView = z.object({ username: z.string(), role: z.string(), since: z.string() }).openapi("Member");
const membersView = z.object({ items: z.array(memberView) });
const invitationView = z
  .object({
    id: z.string(),
    organisation: z.string(),
    team: z.string().optional(),
    role,
    username: z.string().optional(),
    email: z.string().optional(),
    inviter: z.string(),
    created: z.string(),
    expires: z.string(),
    code: z.string().optional().openapi({ description: "Opens an invitation by mail; shown this once" }),
  })
  .openapi("Invitation");
const invitationsView = z.object({ items: z.array(invitationView) });

function viewOrganisation({ name, title: text, created }: Organisation): z.infer<typeof organisationView> {
  return { name, ...(text === undefined ? {} : { title: text }), created: timestamp(created) };
}

function viewTeam({ name, title: text, role: own, created }: Team): z.infer<typeof teamView> {
  return { name, ...(text === undefined ? {} : { title: text }), role: own, created: timestamp(created) };
}

function viewNamespace({ name, team, proof, created }: Namespace): z.infer<typeof namespaceView> {
  return { name, ...(team === undefined ? {} : { team }), proof, created: timestamp(created) };
}

function viewMembers(members: readonly Member<string>[]): z.infer<typeof membersView> {
  return { items: members.map((member) => ({ ...member, since: timestamp(member.since) })) };
}

function viewInvitation(known: Invitation): z.infer<typeof invitationView> {
  const { state: _, ...invitation } = known;
  return { ...invitation, created: timestamp(invitation.created), expires: timestamp(invitation.expires) };
}

const inOrganisation = { organisation: z.string().max(ORGANISATION_NAME_MAX_LENGTH) };
const inTeam = { ...inOrganisation, team: z.string().max(ORGANISATION_NAME_MAX_LENGTH) };

function param(context: RouteContext, name: string): string {
  return context.req.param(name as never);
}

async function organisationOf(services: Services, context: RouteContext): Promise<Organisation> {
  return requireOrganisation(services, param(context, "organisation"));
}

async function teamOf(services: Services, context: RouteContext): Promise<Team> {
  await organisationOf(services, context);
  return requireTeam(services, `${param(context, "organisation")}/${param(context, "team")}`);
}

function refuseMember(outcome: MemberOutcome, account: Account, where: string): void {
  if (outcome === "last-owner")
    throw new RegistryError({
      code: "LAST_OWNER",
      message: `Cannot take the role "owner" from "${account.username}": ${where} would have no owner left`,
      hint: "Make another member an owner first",
    });
  if (outcome === "not-member")
    throw new RegistryError({
      code: "NOT_MEMBER",
      message: `Cannot do this to "${account.username}": the account is no member of ${where}`,
      hint: "Invite it with POST /api/v1/organisations/{organisation}/invitations",
    });
}

function organisationRoutes(services: Services): readonly Route[] {
  const { organisations } = services.metadata;
  return [
    {
      method: "get",
      path: "/organisations",
      guard: readers(services),
      summary: "Organisations, by name",
      query: pageShape,
      answer: z.object({ items: z.array(organisationView) }).loose(),
      failures: [400],
      handle: async (context) => {
        const query = z.object(pageShape).parse(context.req.query());
        const request = { page: query.page, perPage: query.per_page };
        const page = await organisations.organisations(request);
        return context.json(pageBody(services, context, request, { ...page, items: page.items.map(viewOrganisation) }));
      },
    },
    {
      method: "post",
      path: "/organisations",
      guard: organisers(services),
      summary: "Create an organisation, and own it",
      body: createBody,
      status: 201,
      answer: organisationView,
      failures: [403, 409],
      handle: async (context, body) => createOrganisation(services, context, createBody.parse(body)),
    },
    {
      method: "get",
      path: "/organisations/{organisation}",
      guard: readers(services),
      summary: "An organisation with its teams and namespaces",
      params: inOrganisation,
      answer: detailsView,
      failures: [404],
      handle: async (context) => {
        const organisation = await organisationOf(services, context);
        const [teams, namespaces] = await Promise.all([
          organisations.teams(organisation.id),
          organisations.namespacesOf(organisation.id),
        ]);
        return context.json({
          ...viewOrganisation(organisation),
          teams: teams.map(viewTeam),
          namespaces: namespaces.map(viewNamespace),
        });
      },
    },
    {
      method: "put",
      path: "/organisations/{organisation}",
      guard: organisers(services),
      summary: "Set what people read as its name",
      params: inOrganisation,
      body: titleBody,
      answer: organisationView,
      failures: [403, 404],
      handle: async (context, body) => {
        const organisation = await organisationOf(services, context);
        await requireRole(services, principalOf(context), organisation, "owner");
        const text = titleBody.parse(body).title ?? undefined;
        const details = { organisation: organisation.name, title: text ?? null };
        await organisations.setTitle(
          organisation.id,
          text,
          auditEntry(services, context, { action: "organisation.update", details }),
        );
        return context.json(viewOrganisation((await organisations.organisation(organisation.name))!));
      },
    },
    {
      method: "delete",
      path: "/organisations/{organisation}",
      guard: organisers(services),
      summary: "Remove an organisation that has no namespaces and whose teams own no packages",
      params: inOrganisation,
      status: 204,
      failures: [403, 404, 409],
      handle: async (context) => removeOrganisation(services, context),
    },
  ];
}

const reservedView = z.object({ name: z.string(), removed: z.string() }).openapi("ReservedOrganisation");

function reservationRoutes(services: Services): readonly Route[] {
  const { organisations } = services.metadata;
  const guard = administrators(services);
  const path = "/reserved-organisations";
  return [
    {
      method: "get",
      path,
      guard,
      summary: "Names of organisations that were removed: nobody but admins can take them",
      answer: z.object({ items: z.array(reservedView) }),
      failures: [403],
      handle: async (context) => {
        const items = (await organisations.reservedOrganisations()).map(({ name, removed }) => ({
          name,
          removed: timestamp(removed),
        }));
        return context.json({ items });
      },
    },
    {
      method: "delete",
      path: `${path}/{organisation}`,
      guard,
      summary: "Let anybody take the name of an organisation that was removed",
      params: inOrganisation,
      status: 204,
      failures: [403, 404],
      handle: async (context) => {
        const name = param(context, "organisation").toLowerCase();
        const audit = auditEntry(services, context, {
          action: "organisation.release",
          details: { organisation: name },
        });
        if (await organisations.releaseOrganisation(name, audit)) return context.body(null, 204);
        throw new RegistryError({
          code: "ORGANISATION_NOT_FOUND",
          message: `Cannot release the name "${name.slice(0, 100)}": no organisation of that name was removed`,
        });
      },
    },
  ];
}

/** Why only an admin may create an organisation of that name. */
function reservation({ settings, access }: Services, name: string): string | undefined {
  const namespace = parseNamespace(name)!;
  const rules = {
    access: access.policy.rules.packages,
    publication: settings.publicationRules ?? [],
    directoryTeams: settings.directoryTeams,
  };
  // Its creator would be whom the rules mean.
  if (namedOrganisations(rules).has(name)) return "the rules of this registry give rights to its teams";
  return reservedReason(`${namespace}/name` as typeof namespace, settings.reservedNames);
}

async function createOrganisation(
  services: Services,
  context: RouteContext,
  body: z.infer<typeof createBody>,
): Promise<Response> {
  const principal = principalOf(context);
  const { account } = principal;
  const admin = administers(principal);
  const named = admin ? undefined : reservation(services, body.name);
  const organisation: Organisation = {
    id: randomId(),
    name: body.name,
    ...(body.title === undefined ? {} : { title: body.title }),
    created: services.clock.now(),
  };
  const audit = auditEntry(services, context, {
    action: "organisation.create",
    details: { organisation: body.name, owner: account.username },
  });
  const { organisations } = services.metadata;
  const created =
    named === undefined &&
    (await organisations.createOrganisation(organisation, account, audit, { takesReserved: admin }));
  const reason = created === "reserved" ? "an organisation of that name was removed, and its name is kept" : named;
  if (created !== "created")
    throw new RegistryError({
      code: "ORGANISATION_EXISTS",
      message: `Cannot create organisation "${body.name}": ${reason ?? "the name is taken"}`,
    });
  await services.groups.forget(account.id);
  return context.json(viewOrganisation(organisation), 201);
}

async function removeOrganisation(services: Services, context: RouteContext): Promise<Response> {
  const organisation = await organisationOf(services, context);
  await requireRole(services, principalOf(context), organisation, "owner");
  const audit = auditEntry(services, context, {
    action: "organisation.remove",
    details: { organisation: organisation.name },
  });
  if ((await services.metadata.organisations.removeOrganisation(organisation.id, audit)) === "removed")
    return context.body(null, 204);
  throw new RegistryError({
    code: "ORGANISATION_IN_USE",
    message: `Cannot remove organisation "${organisation.name}": it has namespaces, or a team of it owns packages`,
    hint: "Give the namespaces up and transfer the packages first",
  });
}

function memberRoutes(services: Services): readonly Route[] {
  const member = { ...inOrganisation, user: username };
  const path = "/organisations/{organisation}/members";
  return [
    {
      method: "get",
      path,
      guard: callers(services),
      summary: "Members of an organisation; for members",
      params: inOrganisation,
      answer: membersView,
      failures: [403, 404],
      handle: async (context) => membersAnswer(services, context, await organisationOf(services, context)),
    },
    {
      method: "put",
      path: `${path}/{user}`,
      guard: organisers(services),
      summary: "Change a member's role; the last owner stays. Who is no member is invited instead, but by admins",
      params: member,
      body: roleBody,
      answer: membersView,
      failures: [403, 404, 409],
      handle: async (context, body) => setMember(services, context, roleBody.parse(body)),
    },
    {
      method: "delete",
      path: `${path}/{user}`,
      guard: organisers(services),
      summary: "Remove a member, or leave; the last owner stays",
      params: member,
      answer: membersView,
      failures: [403, 404, 409],
      handle: async (context) => removeMember(services, context),
    },
  ];
}

async function membersAnswer(services: Services, context: RouteContext, organisation: Organisation): Promise<Response> {
  await requireRole(services, principalOf(context), organisation, "member");
  return context.json(viewMembers(await services.metadata.organisations.members(organisation.id)));
}

async function setMember(services: Services, context: RouteContext, body: z.infer<typeof roleBody>): Promise<Response> {
  const principal = principalOf(context);
  const organisation = await organisationOf(services, context);
  await requireRole(services, principal, organisation, "owner");
  const account = await requireAccount(services, param(context, "user"));
  const { organisations } = services.metadata;
  const members = await organisations.members(organisation.id);
  const known = members.some((member) => member.username === account.username);
  // Nobody becomes a member without having said so; admins of the registry speak for everybody.
  if (!known && !administers(principal)) refuseMember("not-member", account, `"${organisation.name}"`);
  const details = { organisation: organisation.name, user: account.username, role: body.role };
  const audit = auditEntry(services, context, { action: "organisation.member", details });
  refuseMember(
    await organisations.setMember(organisation.id, account, body.role, audit),
    account,
    `organisation "${organisation.name}"`,
  );
  await services.groups.forget(account.id);
  return context.json(viewMembers(await organisations.members(organisation.id)));
}

async function removeMember(services: Services, context: RouteContext): Promise<Response> {
  const principal = principalOf(context);
  const organisation = await organisationOf(services, context);
  const account = await requireAccount(services, param(context, "user"));
  await requireRole(services, principal, organisation, account.id === principal.account.id ? "member" : "owner");
  const { organisations } = services.metadata;
  const details = { organisation: organisation.name, user: account.username };
  const audit = auditEntry(services, context, { action: "organisation.leave", details });
  refuseMember(
    await organisations.removeMember(organisation.id, account, audit),
    account,
    `organisation "${organisation.name}"`,
  );
  await services.groups.forget(account.id);
  return context.json(viewMembers(await organisations.members(organisation.id)));
}

function teamRoutes(services: Services): readonly Route[] {
  const path = "/organisations/{organisation}/teams/{team}";
  const member = { ...inTeam, user: username };
  return [
    {
      method: "put",
      path,
      guard: organisers(services),
      summary: "Create a team, or change its role and title",
      params: inTeam,
      body: teamBody,
      answer: teamView,
      failures: [403, 404],
      handle: async (context, body) => putTeam(services, context, teamBody.parse(body)),
    },
    {
      method: "delete",
      path,
      guard: organisers(services),
      summary: "Remove a team; not the only owner of a package",
      params: inTeam,
      status: 204,
      failures: [403, 404, 409],
      handle: async (context) => removeTeam(services, context),
    },
    {
      method: "get",
      path: `${path}/members`,
      guard: callers(services),
      summary: "Members of a team; for members of the organisation",
      params: inTeam,
      answer: membersView,
      failures: [403, 404],
      handle: async (context) => {
        const organisation = await organisationOf(services, context);
        await requireRole(services, principalOf(context), organisation, "member");
        const team = await teamOf(services, context);
        return context.json(viewMembers(await services.metadata.organisations.teamMembers(team.id)));
      },
    },
    {
      method: "put",
      path: `${path}/members/{user}`,
      guard: organisers(services),
      summary: "Put a member of the organisation in the team, or change the role in it",
      params: member,
      body: teamRoleBody,
      answer: membersView,
      failures: [403, 404],
      handle: async (context, body) => changeTeamMember(services, context, teamRoleBody.parse(body).role),
    },
    {
      method: "delete",
      path: `${path}/members/{user}`,
      guard: organisers(services),
      summary: "Take somebody out of a team",
      params: member,
      answer: membersView,
      failures: [403, 404],
      handle: async (context) => changeTeamMember(services, context, undefined),
    },
  ];
}

async function putTeam(services: Services, context: RouteContext, body: z.infer<typeof teamBody>): Promise<Response> {
  const organisation = await organisationOf(services, context);
  await requireRole(services, principalOf(context), organisation, "owner");
  const { organisations } = services.metadata;
  const name = organisationName.safeParse(param(context, "team"));
  if (!name.success)
    throw new RegistryError({
      code: "REQUEST_INVALID",
      message: `Cannot create team "${param(context, "team").slice(0, 70)}": allowed are a-z, 0-9 and single hyphens between them`,
      errors: [{ field: "path.team", message: "allowed are a-z, 0-9 and single hyphens between them" }],
    });
  const details = { team: `${organisation.name}/${name.data}`, role: body.role };
  const audit = auditEntry(services, context, { action: "team.update", details });
  const text = body.title === undefined ? {} : { title: body.title };
  const team = { id: randomId(), organisationId: organisation.id, name: name.data, role: body.role, ...text };
  const outcome = await organisations.createTeam(
    { ...team, created: services.clock.now() },
    { ...audit, action: "team.create" },
  );
  if (outcome === "exists") {
    const known = (await organisations.team(organisation.name, name.data))!;
    await organisations.updateTeam(known.id, { title: body.title ?? known.title, role: body.role }, audit);
  }
  return context.json(viewTeam((await organisations.team(organisation.name, name.data))!));
}

async function removeTeam(services: Services, context: RouteContext): Promise<Response> {
  const organisation = await organisationOf(services, context);
  await requireRole(services, principalOf(context), organisation, "owner");
  const team = await teamOf(services, context);
  const audit = auditEntry(services, context, { action: "team.remove", details: { team: groupOf(team) } });
  if ((await services.metadata.organisations.removeTeam(team.id, audit)) === "removed") {
    services.trust?.changedSoon();
    return context.body(null, 204);
  }
  throw new RegistryError({
    code: "LAST_OWNER",
    message: `Cannot remove team "${groupOf(team)}": a package would have no owner left`,
    hint: "Add another owner to its packages first",
  });
}

async function requireTeamMaintainer(services: Services, context: RouteContext, team: Team): Promise<void> {
  const principal = principalOf(context);
  const { teams } = await services.groups.membershipsOf(principal.account.id);
  if (teams.some((own) => groupOf(own) === groupOf(team) && own.memberRole === "maintainer")) return;
  await requireRole(services, principal, await requireOrganisation(services, team.organisation), "owner");
}

async function changeTeamMember(
  services: Services,
  context: RouteContext,
  wanted: "maintainer" | "member" | undefined,
): Promise<Response> {
  const team = await teamOf(services, context);
  await requireTeamMaintainer(services, context, team);
  const account = await requireAccount(services, param(context, "user"));
  const { organisations } = services.metadata;
  const details = { team: groupOf(team), user: account.username, ...(wanted === undefined ? {} : { role: wanted }) };
  const outcome =
    wanted === undefined
      ? await organisations.removeTeamMember(
          team.id,
          account,
          auditEntry(services, context, { action: "team.leave", details }),
        )
      : await organisations.setTeamMember(
          team.id,
          account,
          wanted,
          auditEntry(services, context, { action: "team.member", details }),
        );
  refuseMember(outcome, account, wanted === undefined ? `team "${groupOf(team)}"` : `"${team.organisation}"`);
  await services.groups.forget(account.id);
  return context.json(viewMembers(await organisations.teamMembers(team.id)));
}

function namespaceRoutes(services: Services): readonly Route[] {
  const path = "/organisations/{organisation}/namespaces";
  const one = { ...inOrganisation, namespace: z.string().max(70) };
  return [
    {
      method: "post",
      path,
      guard: organisers(services),
      summary: "Claim a namespace: by the organisation's own name, a TXT record, or an identity token of a repository",
      params: inOrganisation,
      body: claimBody,
      status: 201,
      answer: namespaceView,
      failures: [403, 404, 409, 422, 503],
      handle: async (context, body) => claimNamespace(services, context, claimBody.parse(body)),
    },
    {
      method: "get",
      path: `${path}/{namespace}/challenge`,
      guard: callers(services),
      summary: "The TXT record that shows that a domain's holder wants the organisation to have the namespace",
      params: one,
      query: { domain: z.string().max(253) },
      answer: z.object({ name: z.string(), value: z.string() }),
      failures: [400, 403, 404],
      handle: async (context) => {
        const organisation = await organisationOf(services, context);
        await requireRole(services, principalOf(context), organisation, "owner");
        const namespace = namedNamespace(param(context, "namespace"));
        const domain = context.req.query("domain")!.toLowerCase();
        return context.json(await dnsChallenge(organisation, { namespace, domain }));
      },
    },
    {
      method: "put",
      path: `${path}/{namespace}`,
      guard: organisers(services),
      summary: "Name the only team that creates packages in the namespace, or every team with null",
      params: one,
      body: namespaceTeamBody,
      answer: namespaceView,
      failures: [403, 404],
      handle: async (context, body) => setNamespaceTeam(services, context, namespaceTeamBody.parse(body).team),
    },
    {
      method: "delete",
      path: `${path}/{namespace}`,
      guard: organisers(services),
      summary: "Give a namespace up; its packages keep their owners",
      params: one,
      status: 204,
      failures: [403, 404],
      handle: async (context) => {
        const { organisation, namespace } = await ownNamespace(services, context);
        const details = { organisation: organisation.name, namespace: namespace.name };
        const audit = auditEntry(services, context, { action: "namespace.release", details });
        await services.metadata.organisations.releaseNamespace(namespace.name, audit);
        return context.body(null, 204);
      },
    },
  ];
}

function namedNamespace(text: string): string {
  const namespace = parseNamespace(text);
  if (namespace !== undefined) return namespace;
  const message = "allowed are a-z, 0-9 and single hyphens, underscores and dots between them";
  throw new RegistryError({
    code: "REQUEST_INVALID",
    message: `Cannot use "${text.slice(0, 70)}" as a namespace: ${message}`,
    errors: [{ field: "body.namespace", message }],
  });
}

async function claimNamespace(
  services: Services,
  context: RouteContext,
  body: z.infer<typeof claimBody>,
): Promise<Response> {
  const principal = principalOf(context);
  const organisation = await organisationOf(services, context);
  await requireRole(services, principal, organisation, "owner");
  const namespace = namedNamespace(body.namespace);
  const proof = await services.namespaceClaims.verify(
    {
      organisation,
      namespace,
      ...(body.proof === undefined ? {} : { proof: body.proof }),
      admin: administers(principal),
    },
    () => services.settings.ciAudience ?? ownUrl(services),
  );
  const details = { organisation: organisation.name, namespace, proof };
  const record = { name: namespace, proof, created: services.clock.now() };
  const outcome = await services.metadata.organisations.claimNamespace(
    { ...record, organisationId: organisation.id, skeleton: nameSkeleton(namespace as never) },
    auditEntry(services, context, { action: "namespace.claim", details }),
  );
  if (outcome === "claimed") return context.json(viewNamespace({ ...record, organisation: organisation.name }), 201);
  const holder = await services.metadata.organisations.namespace(namespace);
  throw new RegistryError({
    code: "NAMESPACE_TAKEN",
    message: `Cannot claim namespace "${namespace}": it belongs to organisation "${holder?.organisation ?? organisation.name}"`,
  });
}

async function ownNamespace(services: Services, context: RouteContext) {
  const organisation = await organisationOf(services, context);
  await requireRole(services, principalOf(context), organisation, "owner");
  const name = param(context, "namespace");
  const namespace = await services.metadata.organisations.namespace(parseNamespace(name) ?? "");
  if (namespace?.organisation === organisation.name) return { organisation, namespace };
  throw new RegistryError({
    code: "NOT_FOUND",
    message: `Cannot find namespace "${name.slice(0, 70)}" among those of "${organisation.name}"`,
  });
}

async function setNamespaceTeam(services: Services, context: RouteContext, name: string | null): Promise<Response> {
  const { organisation, namespace } = await ownNamespace(services, context);
  const team = name === null ? undefined : await requireTeam(services, `${organisation.name}/${name}`);
  const details = { organisation: organisation.name, namespace: namespace.name, team: name };
  const audit = auditEntry(services, context, { action: "namespace.team", details });
  await services.metadata.organisations.setNamespaceTeam(namespace.name, team?.id, audit);
  return context.json(viewNamespace((await services.metadata.organisations.namespace(namespace.name))!));
}

function invitationRoutes(services: Services): readonly Route[] {
  const { organisations } = services.metadata;
  const path = "/organisations/{organisation}/invitations";
  return [
    {
      method: "get",
      path,
      guard: organisers(services),
      summary: "Invitations of an organisation that wait for an answer",
      params: inOrganisation,
      answer: invitationsView,
      failures: [403, 404],
      handle: async (context) => {
        const organisation = await organisationOf(services, context);
        await requireRole(services, principalOf(context), organisation, "maintainer");
        const items = await organisations.invitationsOf(organisation.id, services.clock.now());
        return context.json({ items: items.map(viewInvitation) });
      },
    },
    {
      method: "post",
      path,
      guard: organisers(services),
      summary: "Invite an account, or whoever gets the code by mail",
      params: inOrganisation,
      body: inviteBody,
      status: 201,
      answer: invitationView,
      failures: [403, 404],
      handle: async (context, body) => invite(services, context, inviteBody.parse(body)),
    },
    {
      method: "delete",
      path: `${path}/{id}`,
      guard: organisers(services),
      summary: "Revoke an invitation",
      params: { ...inOrganisation, id: z.string().max(64) },
      status: 204,
      failures: [403, 404, 410],
      handle: async (context) => revokeInvitation(services, context),
    },
    {
      method: "get",
      path: "/invitations",
      guard: callers(services),
      summary: "Invitations of one's own that wait for an answer",
      answer: invitationsView,
      failures: [],
      handle: async (context) => {
        const items = await organisations.invitationsFor(principalOf(context).account.id, services.clock.now());
        return context.json({ items: items.map(viewInvitation) });
      },
    },
    {
      method: "post",
      path: "/invitations/answers",
      guard: organisers(services),
      summary: "Accept or decline an invitation",
      body: answerBody,
      status: 204,
      failures: [403, 410],
      handle: async (context, body) => answerInvitation(services, context, answerBody.parse(body)),
    },
  ];
}

async function invite(services: Services, context: RouteContext, body: z.infer<typeof inviteBody>): Promise<Response> {
  const principal = principalOf(context);
  const organisation = await organisationOf(services, context);
  // Maintainers bring members; whoever brings higher roles has to have the highest.
  await requireRole(services, principal, organisation, body.role === "member" ? "maintainer" : "owner");
  const account = body.username === undefined ? undefined : await requireAccount(services, body.username);
  const team = body.team === undefined ? undefined : await requireTeam(services, `${organisation.name}/${body.team}`);
  const created = services.clock.now();
  const code = account === undefined ? randomId(INVITATION_CODE_LENGTH) : undefined;
  const invitation: NewInvitation = {
    id: randomId(),
    organisationId: organisation.id,
    ...(team === undefined ? {} : { teamId: team.id }),
    ...(account === undefined ? {} : { accountId: account.id }),
    ...(body.email === undefined ? {} : { email: body.email }),
    ...(code === undefined ? {} : { codeHash: await hashToken(code) }),
    role: body.role,
    inviterId: principal.account.id,
    created,
    expires: created + body.expires_in_days * DAY_MS,
  };
  const details = {
    id: invitation.id,
    organisation: organisation.name,
    role: body.role,
    ...(team === undefined ? {} : { team: team.name }),
    ...(account === undefined ? { email: body.email } : { user: account.username }),
  };
  const audit = auditEntry(services, context, { action: "invitation.create", details });
  await services.metadata.organisations.createInvitation(invitation, audit);
  const stored = (await services.metadata.organisations.invitation(invitation.id))!;
  return context.json({ ...viewInvitation(stored), ...(code === undefined ? {} : { code }) }, 201);
}

function closed(text: string): RegistryError {
  return new RegistryError({
    code: "INVITATION_CLOSED",
    message: `Cannot answer invitation "${text}": there is none for you that waits for an answer`,
  });
}

async function revokeInvitation(services: Services, context: RouteContext): Promise<Response> {
  const organisation = await organisationOf(services, context);
  const own = await requireRole(services, principalOf(context), organisation, "maintainer");
  const id = param(context, "id");
  const invitation = await services.metadata.organisations.invitation(id);
  const mine = invitation?.organisation === organisation.name && (own === "owner" || invitation.role === "member");
  const audit = auditEntry(services, context, {
    action: "invitation.revoke",
    details: { id, organisation: organisation.name },
  });
  if (mine && (await services.metadata.organisations.closeInvitation(id, "revoked", audit)) === "done")
    return context.body(null, 204);
  throw closed(id.slice(0, 64));
}

/** An invitation to the account by name, or by the code that it brings. */
async function invitationFor(services: Services, account: Account, text: string): Promise<Invitation | undefined> {
  const byCode = await services.metadata.organisations.invitationByCode(await hashToken(text));
  if (byCode !== undefined) return byCode;
  const byId = await services.metadata.organisations.invitation(text);
  return byId?.username === account.username ? byId : undefined;
}

async function answerInvitation(
  services: Services,
  context: RouteContext,
  body: z.infer<typeof answerBody>,
): Promise<Response> {
  const { account } = principalOf(context);
  const { organisations } = services.metadata;
  const invitation = await invitationFor(services, account, body.invitation);
  // A code is a secret: what failed is told without it.
  const shown = invitation?.id ?? (body.invitation.length >= INVITATION_CODE_LENGTH ? "(code)" : body.invitation);
  if (invitation === undefined) throw closed(shown);
  const details = { id: invitation.id, organisation: invitation.organisation, user: account.username };
  const audit = auditEntry(services, context, { action: `invitation.${body.answer}`, details });
  const outcome: InvitationOutcome =
    body.answer === "accept"
      ? await organisations.acceptInvitation(invitation.id, account, audit)
      : await organisations.closeInvitation(invitation.id, "declined", audit);
  if (outcome === "closed") throw closed(shown);
  await services.groups.forget(account.id);
  return context.body(null, 204);
}

/** Registers the routes of organisations, members, teams, namespaces and invitations. */
export function registerOrganisationRoutes(app: App, services: Services): void {
  const routes = [organisationRoutes, reservationRoutes, memberRoutes, teamRoutes, namespaceRoutes, invitationRoutes];
  for (const route of routes.flatMap((group) => group(services))) register(app, TAGS, route);
}
