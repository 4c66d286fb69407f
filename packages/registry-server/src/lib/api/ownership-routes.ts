import { z } from "@hono/zod-openapi";
import { administers } from "../authentication.ts";
import { timestamp } from "../index-model.ts";
import {
  ABANDONED_AFTER_DAYS,
  CLAIM_WAIT_DAYS,
  TRANSFER_DAYS,
  type NameClaim,
  type Transfer,
} from "../organisations/ownership.ts";
import type { NewOwner } from "../organisations/ownership-store.ts";
import type { PackageSummary } from "../records.ts";
import { RegistryError } from "../registry-error.ts";
import { randomId } from "../token.ts";
import { callers, organisers, principalOf } from "./access.ts";
import { requireMayOwn } from "./change-routes.ts";
import { auditEntry, type App, type RouteContext, type Services } from "./context.ts";
import { requireAccount, requireOrganisation, requireOwner, requirePackage, requireTeam } from "./guards.ts";
import { register, type Route } from "./route-table.ts";

const TAGS = ["ownership"];
const DAY_MS = 24 * 60 * 60 * 1000;

const packageName = z.string().max(140);
const offerBody = z
  .object({
    package: packageName,
    username: z.string().max(64).optional(),
    organisation: z.string().max(64).optional(),
  })
  .refine(
    (body) => (body.username === undefined) !== (body.organisation === undefined),
    "one of username and organisation is needed",
  )
  .openapi("OfferPackage");
const transferAnswer = z
  .object({
    answer: z.enum(["accept", "decline", "withdraw"]),
    team: z.string().max(64).optional().openapi({ description: "Team that gets it, of an offer to an organisation" }),
  })
  .openapi("AnswerTransfer");
const claimBody = z.object({ package: packageName, reason: z.string().trim().min(20).max(2000) }).openapi("ClaimName");
const decisionBody = z
  .object({
    decision: z.enum(["object", "withdraw", "approve", "reject"]),
    note: z.string().trim().min(1).max(2000).optional(),
  })
  .openapi("DecideClaim");
const transferView = z
  .object({
    id: z.string(),
    package: z.string(),
    sender: z.string(),
    username: z.string().optional(),
    organisation: z.string().optional(),
    created: z.string(),
    expires: z.string(),
  })
  .openapi("Transfer");
const claimView = z
  .object({
    id: z.string(),
    package: z.string(),
    claimant: z.string(),
    reason: z.string(),
    created: z.string(),
    decidable: z.string(),
    state: z.string(),
    note: z.string().optional(),
    decided: z.string().optional(),
  })
  .openapi("NameClaim");

function viewTransfer(transfer: Transfer): z.infer<typeof transferView> {
  const { state: _, ...shown } = transfer;
  return { ...shown, created: timestamp(transfer.created), expires: timestamp(transfer.expires) };
}

function viewClaim({ decided, ...claim }: NameClaim): z.infer<typeof claimView> {
  const times = { created: timestamp(claim.created), decidable: timestamp(claim.decidable) };
  return { ...claim, ...times, ...(decided === undefined ? {} : { decided: timestamp(decided) }) };
}

function id(context: RouteContext): string {
  return context.req.param("id" as never);
}

function transferRoutes(services: Services): readonly Route[] {
  return [
    {
      method: "post",
      path: "/transfers",
      guard: organisers(services),
      summary: "Offer a package to an account or organisation, which becomes its only owner when it accepts",
      body: offerBody,
      status: 201,
      answer: transferView,
      failures: [403, 404, 409],
      handle: async (context, body) => offer(services, context, offerBody.parse(body)),
    },
    {
      method: "get",
      path: "/transfers",
      guard: callers(services),
      summary: "Offers that wait for one's own answer, or that one made",
      answer: z.object({ items: z.array(transferView) }),
      failures: [],
      handle: async (context) => {
        const { account } = principalOf(context);
        const { organisations } = await services.groups.membershipsOf(account.id);
        const owned = organisations.filter(({ role }) => role === "owner").map(({ name }) => name);
        const items = await services.metadata.ownership.transfersFor(account.id, owned, services.clock.now());
        return context.json({ items: items.map(viewTransfer) });
      },
    },
    {
      method: "post",
      path: "/transfers/{id}/answer",
      guard: organisers(services),
      summary: "Accept, decline or withdraw an offer",
      params: { id: z.string().max(64) },
      body: transferAnswer,
      status: 204,
      failures: [403, 404, 410],
      handle: async (context, body) => answerTransfer(services, context, transferAnswer.parse(body)),
    },
  ];
}

async function offer(services: Services, context: RouteContext, body: z.infer<typeof offerBody>): Promise<Response> {
  const principal = principalOf(context);
  const summary = await requirePackage(services, body.package);
  await requireOwner(services, principal, summary, "owner");
  const account = body.username === undefined ? undefined : await requireAccount(services, body.username);
  const organisation =
    body.organisation === undefined ? undefined : await requireOrganisation(services, body.organisation);
  if (account !== undefined) await requireMayOwn(services, summary, { account });
  const created = services.clock.now();
  const transfer = {
    id: randomId(),
    canonical: summary.canonical,
    senderId: principal.account.id,
    ...(account === undefined ? {} : { accountId: account.id }),
    ...(organisation === undefined ? {} : { organisationId: organisation.id }),
    created,
    expires: created + TRANSFER_DAYS * DAY_MS,
  };
  const details = { id: transfer.id, to: account?.username ?? organisation!.name };
  const audit = auditEntry(services, context, { action: "package.offer", package: summary.name, details });
  if ((await services.metadata.ownership.offerTransfer(transfer, audit)) === "offered")
    return context.json(viewTransfer((await services.metadata.ownership.transfer(transfer.id))!), 201);
  throw new RegistryError({
    code: "TRANSFER_EXISTS",
    message: `Cannot offer package "${summary.name}": an offer of it waits for an answer`,
  });
}

function transferClosed(text: string): RegistryError {
  return new RegistryError({
    code: "TRANSFER_CLOSED",
    message: `Cannot answer offer "${text.slice(0, 64)}": there is none for you that waits for an answer`,
  });
}

/** Whether an offer is for the account: by name, or as an owner of the organisation. */
async function isReceiver(services: Services, context: RouteContext, transfer: Transfer): Promise<boolean> {
  const { account } = principalOf(context);
  if (transfer.organisation === undefined) return transfer.username === account.username;
  const { organisations } = await services.groups.membershipsOf(account.id);
  return organisations.some(({ name, role }) => name === transfer.organisation && role === "owner");
}

async function receiverOf(
  services: Services,
  context: RouteContext,
  { organisation }: Transfer,
  team: string | undefined,
): Promise<NewOwner> {
  if (organisation === undefined) return { account: principalOf(context).account };
  if (team !== undefined) return { team: await requireTeam(services, `${organisation}/${team}`) };
  const message = `an offer to organisation "${organisation}" is accepted for one of its teams`;
  throw new RegistryError({
    code: "REQUEST_INVALID",
    message: `Cannot accept the package: ${message}`,
    errors: [{ field: "body.team", message }],
  });
}

async function answerTransfer(
  services: Services,
  context: RouteContext,
  { answer, team }: z.infer<typeof transferAnswer>,
): Promise<Response> {
  const { ownership } = services.metadata;
  const transfer = await ownership.transfer(id(context));
  const mine =
    transfer !== undefined &&
    (answer === "withdraw"
      ? transfer.sender === principalOf(context).account.username
      : await isReceiver(services, context, transfer));
  if (!mine) throw transferClosed(id(context));
  const summary = await requirePackage(services, transfer.package);
  const audit = auditEntry(services, context, {
    action: `package.transfer.${answer}`,
    package: summary.name,
    details: { id: transfer.id, from: transfer.sender, ...(team === undefined ? {} : { team }) },
  });
  if (answer !== "accept") {
    const state = answer === "decline" ? "declined" : "withdrawn";
    if ((await ownership.closeTransfer(transfer.id, state, audit)) === "closed") throw transferClosed(transfer.id);
    return context.body(null, 204);
  }
  const owner = await receiverOf(services, context, transfer, team);
  await requireMayOwn(services, summary, owner);
  await requireSenderOwns(services, transfer, summary);
  if ((await ownership.acceptTransfer(transfer.id, owner, audit)) === "closed") throw transferClosed(transfer.id);
  services.trust?.changedSoon();
  return context.body(null, 204);
}

// Whoever lost a package after offering it has nothing to give any more.
async function requireSenderOwns(services: Services, transfer: Transfer, summary: PackageSummary): Promise<void> {
  const sender = await services.metadata.accountByName(transfer.sender);
  if (sender?.admin === true) return;
  const rights = sender && (await services.rights.on(sender, summary.canonical));
  if (rights?.scopes.has("owner") !== true) throw transferClosed(transfer.id);
}

function claimRoutes(services: Services): readonly Route[] {
  return [
    {
      method: "post",
      path: "/claims",
      guard: organisers(services),
      summary: "Ask for the name of a package that seems abandoned; its owners may object",
      body: claimBody,
      status: 201,
      answer: claimView,
      failures: [403, 404, 409],
      handle: async (context, body) => claimName(services, context, claimBody.parse(body)),
    },
    {
      method: "get",
      path: "/claims",
      guard: callers(services),
      summary: "Claims of one's own, and of packages that one owns; for admins, all that are open",
      answer: z.object({ items: z.array(claimView) }),
      failures: [],
      handle: async (context) => {
        const principal = principalOf(context);
        const { account } = principal;
        const { ownership } = services.metadata;
        const lists = administers(principal)
          ? [await ownership.claims({ state: "open" })]
          : [await ownership.claims({ claimantId: account.id }), await ownership.claims({ ownerId: account.id })];
        const items = new Map(lists.flat().map((claim) => [claim.id, claim]));
        return context.json({ items: [...items.values()].map(viewClaim) });
      },
    },
    {
      method: "post",
      path: "/claims/{id}/decision",
      guard: organisers(services),
      summary: "Object as an owner, withdraw as the claimant, approve after the waiting period or reject as an admin",
      params: { id: z.string().max(64) },
      body: decisionBody,
      answer: claimView,
      failures: [403, 404, 409],
      handle: async (context, body) => decide(services, context, decisionBody.parse(body)),
    },
  ];
}

async function claimName(
  services: Services,
  context: RouteContext,
  body: z.infer<typeof claimBody>,
): Promise<Response> {
  const { reason } = body;
  const { account } = principalOf(context);
  const summary = await requirePackage(services, body.package);
  const now = services.clock.now();
  const refuse = (problem: string): RegistryError =>
    new RegistryError({ code: "CLAIM_REFUSED", message: `Cannot claim "${summary.name}": ${problem}` });
  const free = summary.updated + ABANDONED_AFTER_DAYS * DAY_MS;
  if (free > now)
    throw refuse(`it changed at ${timestamp(summary.updated)}, and is abandoned after ${timestamp(free)}`);
  if ((await services.rights.on(account, summary.canonical)).scopes.has("owner")) throw refuse("it is yours");
  await requireMayOwn(services, summary, { account });
  const claim = {
    id: randomId(),
    canonical: summary.canonical,
    accountId: account.id,
    reason,
    created: now,
    decidable: now + CLAIM_WAIT_DAYS * DAY_MS,
  };
  const audit = auditEntry(services, context, {
    action: "name.claim",
    package: summary.name,
    details: { id: claim.id, reason },
  });
  if ((await services.metadata.ownership.createClaim(claim, audit)) === "exists")
    throw refuse("somebody has claimed it already");
  return context.json(viewClaim((await services.metadata.ownership.claim(claim.id))!), 201);
}

type Decision = z.infer<typeof decisionBody>["decision"];

const STATES = { object: "objected", withdraw: "withdrawn", approve: "approved", reject: "rejected" } as const;

async function mayDecide(
  services: Services,
  context: RouteContext,
  claim: NameClaim,
  { decision, summary }: { readonly decision: Decision; readonly summary: PackageSummary },
): Promise<boolean> {
  const principal = principalOf(context);
  const { account } = principal;
  if (decision === "withdraw") return claim.claimant === account.username;
  if (decision === "object") return (await services.rights.on(account, summary.canonical)).scopes.has("owner");
  return administers(principal, summary.canonical);
}

function claimClosed(claim: string, problem: string): RegistryError {
  return new RegistryError({
    code: "CLAIM_CLOSED",
    message: `Cannot decide claim "${claim.slice(0, 64)}": ${problem}`,
  });
}

/** Nothing happened since the claim that shows that the package is in use. */
function requireStillAbandoned(claim: NameClaim, summary: PackageSummary, now: number): void {
  if (now < claim.decidable) throw claimClosed(claim.id, `its owners may object until ${timestamp(claim.decidable)}`);
  if (summary.updated > claim.created)
    throw claimClosed(claim.id, `the package changed at ${timestamp(summary.updated)}, after the claim`);
}

async function decide(
  services: Services,
  context: RouteContext,
  { decision, note }: z.infer<typeof decisionBody>,
): Promise<Response> {
  const { ownership } = services.metadata;
  const claim = await ownership.claim(id(context));
  if (claim === undefined)
    throw new RegistryError({ code: "NOT_FOUND", message: `Cannot find claim "${id(context).slice(0, 64)}"` });
  const summary = await requirePackage(services, claim.package);
  if (!(await mayDecide(services, context, claim, { decision, summary })))
    throw new RegistryError({
      code: "FORBIDDEN",
      message: `Cannot ${decision} claim "${claim.id}": owners of "${summary.name}" object, "${claim.claimant}" withdraws, admins approve and reject`,
    });
  if (claim.state !== "open") throw claimClosed(claim.id, `it is ${claim.state}`);
  if (decision === "approve") requireStillAbandoned(claim, summary, services.clock.now());
  const owner = decision === "approve" ? await services.metadata.accountByName(claim.claimant) : undefined;
  const audit = auditEntry(services, context, {
    action: `name.claim.${decision}`,
    package: summary.name,
    details: { id: claim.id, claimant: claim.claimant, ...(note === undefined ? {} : { note }) },
  });
  const end = {
    state: STATES[decision],
    ...(note === undefined ? {} : { note }),
    ...(owner === undefined ? {} : { owner }),
  };
  if ((await ownership.closeClaim(claim.id, end, audit)) === "closed") throw claimClosed(claim.id, "it is not open");
  if (owner !== undefined) services.trust?.changedSoon();
  return context.json(viewClaim((await ownership.claim(claim.id))!));
}

/** Registers the routes by which packages change hands. */
export function registerOwnershipRoutes(app: App, services: Services): void {
  for (const route of [...transferRoutes(services), ...claimRoutes(services)]) register(app, TAGS, route);
}
