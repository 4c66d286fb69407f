import { z } from "@hono/zod-openapi";
import type { AccountNeeds } from "../identity/account-store.ts";
import { removePasskeys } from "../identity/passkeys.ts";
import { timestamp } from "../index-model.ts";
import type { Account, SessionRecord } from "../records.ts";
import { RegistryError } from "../registry-error.ts";
import { randomId } from "../token.ts";
import { limitLogins, newPassword } from "./account-routes.ts";
import { administrators, callers, principalOf } from "./access.ts";
import { auditEntry, type App, type RouteContext, type Services } from "./context.ts";
import { requireAccount, requireLogin } from "./guards.ts";
import { credentialAnswerSchema } from "./passkey-schemas.ts";
import { requireAgain, storedAccount } from "./require-again.ts";
import { register, type Route } from "./route-table.ts";

const TAGS = ["accounts"];
const RESET_PASSWORD_LENGTH = 24;

const sessionView = z
  .object({
    id: z.string(),
    created: z.string(),
    expires: z.string(),
    current: z.boolean().openapi({ description: "Whether it is the one that asks" }),
  })
  .openapi("OwnSession");
const endedView = z.object({ ended: z.number().int() }).openapi("EndedSessions");
const givenPassword = z.string().max(256);
const otp = z.string().trim().max(32).optional();
const passkey = credentialAnswerSchema
  .optional()
  .openapi({ description: "Answer of one of the account's passkeys, in the place of a code" });
const passwordBody = z
  .object({ current: givenPassword, password: newPassword, otp, passkey })
  .openapi("ChangePassword");
const codesBody = z.object({ code: z.string().trim().min(1).max(32) }).openapi("RenewRecoveryCodes");
const codesView = z
  .object({ recovery_codes: z.array(z.string()).openapi({ description: "Shown this once; each opens once" }) })
  .openapi("RenewedRecoveryCodes");
const deletionBody = z
  .object({
    username: z.string().max(64).openapi({ description: "The account's own name, to confirm" }),
    password: givenPassword.optional().openapi({ description: "Needed where the account has one here" }),
    otp,
    passkey,
  })
  .openapi("DeleteAccount");
const resetView = z
  .object({
    username: z.string(),
    password: z.string().openapi({ description: "Shown this once" }),
    ended: z.number().int().openapi({ description: "Sessions that ended" }),
  })
  .openapi("PasswordReset");
const username = z.string().max(64);

function viewSession(session: SessionRecord, current: string | undefined): z.infer<typeof sessionView> {
  const { id, created, expires } = session;
  return { id, created: timestamp(created), expires: timestamp(expires), current: id === current };
}

function parameter(context: RouteContext, name: string): string {
  return context.req.param(name as never);
}

function requireLocal({ username: name, passwordHash, origin }: Account): void {
  if (passwordHash !== "" && origin === undefined) return;
  throw new RegistryError({
    code: "FORBIDDEN",
    message: `Cannot change the password of "${name}": ${origin === undefined ? "no password opens the account" : `it is kept by "${origin}"`}`,
    hint: "Change it where the person logs in",
    needed: "password",
  });
}

function sessionRoutes(services: Services): readonly Route[] {
  const guard = callers(services, requireLogin);
  return [
    {
      method: "get",
      path: "/account/sessions",
      guard: callers(services),
      summary: "The account's open sessions, newest first",
      answer: z.object({ items: z.array(sessionView) }),
      failures: [],
      handle: async (context) => {
        const { account, sessionId } = principalOf(context);
        const sessions = await services.metadata.accounts.sessionsOf(account.id, services.clock.now());
        return context.json({ items: sessions.map((session) => viewSession(session, sessionId)) });
      },
    },
    {
      method: "delete",
      path: "/account/sessions",
      guard,
      summary: "End all sessions but this one",
      answer: endedView,
      failures: [403],
      handle: async (context) => {
        const { account, sessionId } = principalOf(context);
        const audit = auditEntry(services, context, { action: "session.end", details: { others: true } });
        const ended = await services.metadata.accounts.endSessions(account.id, { except: sessionId! }, audit);
        await services.authentication.forget({ sessions: ended });
        return context.json({ ended: ended.length });
      },
    },
    {
      method: "delete",
      path: "/account/sessions/{id}",
      guard,
      summary: "End one session: at once on this server, on replicas within five seconds",
      params: { id: z.string().max(64) },
      status: 204,
      failures: [403, 404],
      handle: async (context) => {
        const { account } = principalOf(context);
        const id = parameter(context, "id");
        const audit = auditEntry(services, context, { action: "session.end", details: { id } });
        const ended = await services.metadata.accounts.endSessions(account.id, { id }, audit);
        if (ended.length === 0)
          throw new RegistryError({
            code: "NOT_FOUND",
            message: `Cannot find session "${id}" among the open ones of "${account.username}"`,
          });
        await services.authentication.forget({ sessions: ended });
        return context.body(null, 204);
      },
    },
  ];
}

async function changePassword(
  services: Services,
  context: RouteContext,
  body: z.infer<typeof passwordBody>,
): Promise<Response> {
  const account = await storedAccount(services, context);
  requireLocal(account);
  await requireAgain(services, context, { ...body, account, password: body.current });
  const passwordHash = await services.hasher.hash(body.password);
  const audit = auditEntry(services, context, { action: "account.password" });
  const change = { passwordHash, keep: principalOf(context).sessionId! };
  const ended = await services.metadata.accounts.changePassword(account.id, change, audit);
  await services.authentication.forget({ sessions: ended });
  return context.json({ ended: ended.length });
}

function needed(account: Account, { packages, organisations, lastAdmin }: AccountNeeds): RegistryError {
  const list = (names: readonly string[]): string => {
    const shown = names.slice(0, 10).map((name) => `"${name}"`);
    return names.length > shown.length
      ? `${shown.join(", ")} and ${names.length - shown.length} more`
      : shown.join(", ");
  };
  const reasons = [
    ...(packages.length === 0 ? [] : [`it is the only owner of ${list(packages)}`]),
    ...(organisations.length === 0 ? [] : [`it is the last owner of organisation ${list(organisations)}`]),
    ...(lastAdmin ? ["it is the last administrator of the registry"] : []),
  ];
  return new RegistryError({
    code: "ACCOUNT_IN_USE",
    message: `Cannot delete account "${account.username}": ${reasons.join("; ")}`,
    hint: "Transfer the packages, or add owners; make another member an owner of the organisation, or remove it",
  });
}

async function deleteAccount(
  services: Services,
  context: RouteContext,
  body: z.infer<typeof deletionBody>,
): Promise<Response> {
  const account = await storedAccount(services, context);
  if (body.username !== account.username) {
    const message = `"${body.username}" is not the name of this account, "${account.username}"`;
    throw new RegistryError({
      code: "REQUEST_INVALID",
      message: `Cannot delete the account: ${message}`,
      errors: [{ field: "body.username", message }],
    });
  }
  await requireAgain(services, context, { ...body, account });
  const audit = auditEntry(services, context, { action: "account.delete", details: { username: account.username } });
  const outcome = await services.metadata.accounts.deleteAccount(account.id, audit);
  if (outcome.status === "needed") throw needed(account, outcome.needs);
  await services.authentication.forget({ ...outcome.ended, accountId: account.id });
  await services.groups.forget(account.id);
  services.trust?.changedSoon();
  return context.body(null, 204);
}

function ownRoutes(services: Services): readonly Route[] {
  const guard = callers(services, requireLogin);
  return [
    {
      method: "post",
      path: "/account/password",
      guard,
      summary: "Change the account's password, which ends its other sessions; tokens stay",
      body: passwordBody,
      answer: endedView,
      failures: [403],
      handle: async (context, body) => changePassword(services, context, passwordBody.parse(body)),
    },
    {
      method: "post",
      path: "/account/second-factor/recovery-codes",
      guard,
      summary: "Make new recovery codes in the place of all old ones, with a code of the second factor",
      body: codesBody,
      answer: codesView,
      failures: [403, 404],
      handle: async (context, body) => {
        const { account } = principalOf(context);
        await limitLogins(services, context, account.username);
        const audit = auditEntry(services, context, { action: "second-factor.codes" });
        const codes = await services.secondFactors.renewCodes(account, codesBody.parse(body).code, audit);
        return context.json({ recovery_codes: [...codes] });
      },
    },
    {
      method: "post",
      path: "/account/delete",
      guard,
      summary: "Delete the account for ever, unless something has no other owner; its name stays taken",
      body: deletionBody,
      status: 204,
      failures: [403, 409],
      handle: async (context, body) => deleteAccount(services, context, deletionBody.parse(body)),
    },
  ];
}

async function resetPassword(services: Services, context: RouteContext): Promise<Response> {
  const account = await requireAccount(services, parameter(context, "username"));
  requireLocal(account);
  const password = randomId(RESET_PASSWORD_LENGTH);
  const passwordHash = await services.hasher.hash(password);
  const details = { username: account.username };
  const audit = auditEntry(services, context, { action: "account.password-reset", details });
  const ended = await services.metadata.accounts.changePassword(account.id, { passwordHash }, audit);
  await services.authentication.forget({ sessions: ended });
  // Whoever was in the account may have left one; it would open the account as the old password did.
  await removePasskeys(services.metadata, account, { ...audit, action: "passkey.remove" });
  return context.json({ username: account.username, password, ended: ended.length });
}

async function resetSecondFactor(services: Services, context: RouteContext): Promise<Response> {
  const account = await requireAccount(services, parameter(context, "username"));
  const details = { username: account.username };
  const audit = auditEntry(services, context, { action: "second-factor.reset", details });
  const passkeys = await removePasskeys(services.metadata, account, audit);
  const { identities } = services.metadata;
  if ((await identities.removeSecondFactor(account.id, audit)) || passkeys > 0) return context.body(null, 204);
  throw new RegistryError({
    code: "NOT_FOUND",
    message: `Cannot remove the second factor of "${account.username}": it has neither one nor a passkey`,
  });
}

function resetRoutes(services: Services): readonly Route[] {
  const guard = administrators(services);
  return [
    {
      method: "post",
      path: "/users/{username}/password-reset",
      guard,
      summary: "Give an account a new password, shown this once, end its sessions and remove its passkeys; for admins",
      params: { username },
      answer: resetView,
      failures: [403, 404],
      handle: async (context) => resetPassword(services, context),
    },
    {
      method: "post",
      path: "/users/{username}/second-factor-reset",
      guard,
      summary: "Remove second factor and passkeys of an account whose authenticator is lost; for admins",
      params: { username },
      status: 204,
      failures: [403, 404],
      handle: async (context) => resetSecondFactor(services, context),
    },
  ];
}

/** Registers the routes of sessions, passwords, recovery codes, and of the end of accounts. */
export function registerCredentialRoutes(app: App, services: Services): void {
  for (const route of [...sessionRoutes(services), ...ownRoutes(services), ...resetRoutes(services)])
    register(app, TAGS, route);
}
