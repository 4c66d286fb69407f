import type { ApiObject, CallOptions } from "./client-types.ts";
import { answerReader, optional } from "./json.ts";
import { keepPassword } from "./keep-password.ts";
import type {
  InOrganisation,
  InTeam,
  ManagementCall,
  ManagementInputs,
  OneWebhook,
  WebhookOf,
} from "./management-inputs.ts";
import type { Session, SessionCall } from "./session.ts";

const id = encodeURIComponent;
const organisationPath = ({ organisation }: InOrganisation): string => `organisations/${id(organisation)}`;
const memberPath = (input: InOrganisation & { readonly user: string }): string =>
  `${organisationPath(input)}/members/${id(input.user)}`;
const teamPath = (input: InTeam): string => `${organisationPath(input)}/teams/${id(input.team)}`;
const namespacePath = (input: InOrganisation & { readonly namespace: string }): string =>
  `${organisationPath(input)}/namespaces/${id(input.namespace)}`;
const configurationsPath = (input: InOrganisation): string => `${organisationPath(input)}/configurations`;
function webhooksPath(of: WebhookOf): string {
  if (of.package !== undefined) return `packages/${id(of.package)}/webhooks`;
  return of.organisation === undefined ? "webhooks" : `${organisationPath({ organisation: of.organisation })}/webhooks`;
}
function usagePath(of: WebhookOf): string {
  if (of.package !== undefined) return `packages/${id(of.package)}/usage`;
  return of.organisation === undefined
    ? "reports/usage"
    : `${organisationPath({ organisation: of.organisation })}/usage`;
}
const webhookPath = ({ of, id: webhook }: OneWebhook): string => `${webhooksPath(of)}/${id(webhook)}`;
const publisherPath = (name: string): string => `packages/${id(name)}/trusted-publishers`;
const FACTOR = "account/second-factor";
const SESSIONS = "account/sessions";
const PASSKEYS = "account/passkeys";
/** Calls whose bodies have a password. */
const WITH_PASSWORD: ReadonlySet<ManagementCall> = new Set<ManagementCall>(["account.password", "account.delete"]);

/** Every call as a request; the answer of each is a JSON object, or nothing. */
const CALLS: { readonly [Name in ManagementCall]: (input: ManagementInputs[Name]) => SessionCall } = {
  "organisation.list": ({ page = 1 }) => ({
    method: "GET",
    path: "organisations",
    query: { page, per_page: 100 },
    action: "list the organisations",
  }),
  "organisation.create": ({ organisation, title }) => ({
    method: "POST",
    path: "organisations",
    body: { name: organisation, ...optional("title", title) },
    action: `create organisation "${organisation}"`,
  }),
  "organisation.info": (input) => ({
    method: "GET",
    path: organisationPath(input),
    action: `show organisation "${input.organisation}"`,
  }),
  "organisation.title": (input) => ({
    method: "PUT",
    path: organisationPath(input),
    body: { title: input.title },
    action: `set the title of organisation "${input.organisation}"`,
  }),
  "organisation.remove": (input) => ({
    method: "DELETE",
    path: organisationPath(input),
    action: `remove organisation "${input.organisation}"`,
  }),
  "member.list": (input) => ({
    method: "GET",
    path: `${organisationPath(input)}/members`,
    action: `list the members of "${input.organisation}"`,
  }),
  "member.role": (input) => ({
    method: "PUT",
    path: memberPath(input),
    body: { role: input.role },
    action: `make "${input.user}" a ${input.role} of "${input.organisation}"`,
  }),
  "member.remove": (input) => ({
    method: "DELETE",
    path: memberPath(input),
    action: `remove "${input.user}" from "${input.organisation}"`,
  }),
  "team.put": (input) => ({
    method: "PUT",
    path: teamPath(input),
    body: { role: input.role, ...optional("title", input.title) },
    action: `set up team "${input.organisation}/${input.team}"`,
  }),
  "team.remove": (input) => ({
    method: "DELETE",
    path: teamPath(input),
    action: `remove team "${input.organisation}/${input.team}"`,
  }),
  "team.members": (input) => ({
    method: "GET",
    path: `${teamPath(input)}/members`,
    action: `list the members of team "${input.organisation}/${input.team}"`,
  }),
  "team.add": (input) => ({
    method: "PUT",
    path: `${teamPath(input)}/members/${id(input.user)}`,
    body: { role: input.role },
    action: `put "${input.user}" in team "${input.organisation}/${input.team}"`,
  }),
  "team.drop": (input) => ({
    method: "DELETE",
    path: `${teamPath(input)}/members/${id(input.user)}`,
    action: `take "${input.user}" out of team "${input.organisation}/${input.team}"`,
  }),
  "namespace.claim": (input) => ({
    method: "POST",
    path: `${organisationPath(input)}/namespaces`,
    body: { namespace: input.namespace, ...optional("proof", input.proof) },
    action: `claim namespace "${input.namespace}"`,
  }),
  "namespace.challenge": (input) => ({
    method: "GET",
    path: `${namespacePath(input)}/challenge`,
    query: { domain: input.domain },
    action: `ask how namespace "${input.namespace}" is proven`,
  }),
  "namespace.team": (input) => ({
    method: "PUT",
    path: namespacePath(input),
    body: { team: input.team },
    action: `set who creates packages in "${input.namespace}"`,
  }),
  "namespace.release": (input) => ({
    method: "DELETE",
    path: namespacePath(input),
    action: `give up namespace "${input.namespace}"`,
  }),
  "report.usage": ({ of, since, until }) => ({
    method: "GET",
    path: usagePath(of),
    query: { since, until },
    action: "report how packages are used",
  }),
  "report.licenses": () => ({ method: "GET", path: "reports/licenses", action: "report which licences are in use" }),
  "webhook.list": ({ of }) => ({ method: "GET", path: webhooksPath(of), action: "list webhooks" }),
  "webhook.add": ({ of, url, events }) => ({
    method: "POST",
    path: webhooksPath(of),
    body: { url, ...optional("events", events) },
    action: "add a webhook",
  }),
  "webhook.change": ({ of, id: webhook, ...change }) => ({
    method: "PUT",
    path: webhookPath({ of, id: webhook }),
    body: change,
    action: `change webhook "${webhook}"`,
  }),
  "webhook.remove": (input) => ({
    method: "DELETE",
    path: webhookPath(input),
    action: `remove webhook "${input.id}"`,
  }),
  "webhook.rotate": (input) => ({
    method: "POST",
    path: `${webhookPath(input)}/secret`,
    action: `give webhook "${input.id}" a new secret`,
  }),
  "webhook.test": (input) => ({
    method: "POST",
    path: `${webhookPath(input)}/test`,
    action: `test webhook "${input.id}"`,
  }),
  "webhook.deliveries": ({ state, page = 1, ...input }) => ({
    method: "GET",
    path: `${webhookPath(input)}/deliveries`,
    query: { state, page, per_page: 100 },
    action: `list the deliveries of webhook "${input.id}"`,
  }),
  "webhook.redeliver": ({ delivery, ...input }) => ({
    method: "POST",
    path: `${webhookPath(input)}/deliveries/${id(delivery)}/redeliver`,
    action: `send delivery "${delivery}" again`,
  }),
  "configuration.list": (input) => ({
    method: "GET",
    path: configurationsPath(input),
    action: `list the configurations that "${input.organisation}" shares`,
  }),
  "configuration.put": ({ organisation, name, text, public: isPublic, revision }) => ({
    method: "PUT",
    path: `${configurationsPath({ organisation })}/${id(name)}`,
    body: { text, public: isPublic },
    action: `share configuration "${organisation}/${name}"`,
    ...(revision === undefined ? {} : { ifMatch: `"${revision}"` }),
  }),
  "configuration.remove": ({ organisation, name }) => ({
    method: "DELETE",
    path: `${configurationsPath({ organisation })}/${id(name)}`,
    action: `remove the shared configuration "${organisation}/${name}"`,
  }),
  "invitation.list": () => ({ method: "GET", path: "invitations", action: "list your invitations" }),
  "invitation.sent": (input) => ({
    method: "GET",
    path: `${organisationPath(input)}/invitations`,
    action: `list the invitations of "${input.organisation}"`,
  }),
  "invitation.create": ({ organisation, username, email, role, team, days }) => ({
    method: "POST",
    path: `${organisationPath({ organisation })}/invitations`,
    body: {
      ...optional("username", username),
      ...optional("email", email),
      role,
      ...optional("team", team),
      ...optional("expires_in_days", days),
    },
    action: `invite "${username ?? email ?? ""}" to "${organisation}"`,
  }),
  "invitation.revoke": (input) => ({
    method: "DELETE",
    path: `${organisationPath(input)}/invitations/${id(input.id)}`,
    action: `revoke invitation "${input.id}"`,
  }),
  "invitation.answer": ({ invitation, answer }) => ({
    method: "POST",
    path: "invitations/answers",
    body: { invitation, answer },
    action: `${answer} an invitation`,
  }),
  "second-factor.status": () => ({ method: "GET", path: FACTOR, action: "ask whether you have a second factor" }),
  "second-factor.enrol": () => ({ method: "POST", path: FACTOR, action: "start to add a second factor" }),
  "second-factor.confirm": ({ code }) => ({
    method: "POST",
    path: `${FACTOR}/confirm`,
    body: { code },
    action: "confirm the second factor",
  }),
  "second-factor.remove": ({ code }) => ({
    method: "POST",
    path: `${FACTOR}/remove`,
    body: { code },
    action: "remove the second factor",
  }),
  "second-factor.codes": ({ code }) => ({
    method: "POST",
    path: `${FACTOR}/recovery-codes`,
    body: { code },
    action: "make new recovery codes",
  }),
  "passkey.list": () => ({ method: "GET", path: PASSKEYS, action: "list your passkeys" }),
  "passkey.remove": ({ id: passkey }) => ({
    method: "DELETE",
    path: `${PASSKEYS}/${id(passkey)}`,
    action: `remove passkey "${passkey}"`,
  }),
  "session.list": () => ({ method: "GET", path: SESSIONS, action: "list your sessions" }),
  "session.end": ({ id: session }) => ({
    method: "DELETE",
    path: `${SESSIONS}/${id(session)}`,
    action: `end session "${session}"`,
  }),
  "session.end-others": () => ({ method: "DELETE", path: SESSIONS, action: "end your other sessions" }),
  "account.password": ({ current, password, otp }) => ({
    method: "POST",
    path: "account/password",
    body: { current, password, ...optional("otp", otp) },
    action: "change your password",
  }),
  "account.delete": ({ username, password, otp }) => ({
    method: "POST",
    path: "account/delete",
    body: { username, ...optional("password", password), ...optional("otp", otp) },
    action: `delete account "${username}"`,
  }),
  "user.reset-password": ({ user }) => ({
    method: "POST",
    path: `users/${id(user)}/password-reset`,
    action: `reset the password of "${user}"`,
  }),
  "user.reset-second-factor": ({ user }) => ({
    method: "POST",
    path: `users/${id(user)}/second-factor-reset`,
    action: `remove the second factor of "${user}"`,
  }),
  "transfer.offer": (input) => ({
    method: "POST",
    path: "transfers",
    body: input,
    action: `offer package "${input.package}"`,
  }),
  "transfer.list": () => ({ method: "GET", path: "transfers", action: "list offers of packages" }),
  "transfer.answer": ({ id: offer, answer, team }) => ({
    method: "POST",
    path: `transfers/${id(offer)}/answer`,
    body: { answer, ...optional("team", team) },
    action: `${answer} offer "${offer}"`,
  }),
  "claim.create": (input) => ({
    method: "POST",
    path: "claims",
    body: input,
    action: `claim the name of "${input.package}"`,
  }),
  "claim.list": () => ({ method: "GET", path: "claims", action: "list claims of names" }),
  "claim.decide": ({ id: claim, decision, note }) => ({
    method: "POST",
    path: `claims/${id(claim)}/decision`,
    body: { decision, ...optional("note", note) },
    action: `${decision === "object" ? "object to" : decision} claim "${claim}"`,
  }),
  "trusted-publisher.list": ({ name }) => ({
    method: "GET",
    path: publisherPath(name),
    action: `list the trusted publishers of "${name}"`,
  }),
  "trusted-publisher.add": ({ name, issuer, claims }) => ({
    method: "POST",
    path: publisherPath(name),
    body: { issuer, claims },
    action: `add a trusted publisher to "${name}"`,
  }),
  "trusted-publisher.remove": ({ name, id: publisher }) => ({
    method: "DELETE",
    path: `${publisherPath(name)}/${id(publisher)}`,
    action: `remove a trusted publisher from "${name}"`,
  }),
};

/** Makes a management call; `undefined` where its answer has no body. */
export async function manage<Name extends ManagementCall>(
  session: Session,
  name: Name,
  input: ManagementInputs[Name],
  options: CallOptions,
): Promise<ApiObject | undefined> {
  const call = CALLS[name](input);
  if (WITH_PASSWORD.has(name)) await keepPassword(session, call.action, options);
  const { status, body } = await session.demand(call, options);
  return status === 204 ? undefined : answerReader(call.action, session.registry.name).object(body, "the answer");
}
