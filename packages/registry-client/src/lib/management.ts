import type { ApiObject, CallOptions } from "./client-types.ts";
import { answerReader, optional } from "./json.ts";
import type { InOrganisation, InTeam, ManagementCall, ManagementInputs } from "./management-inputs.ts";
import type { Session, SessionCall } from "./session.ts";

const id = encodeURIComponent;
const organisationPath = ({ organisation }: InOrganisation): string => `organisations/${id(organisation)}`;
const memberPath = (input: InOrganisation & { readonly user: string }): string =>
  `${organisationPath(input)}/members/${id(input.user)}`;
const teamPath = (input: InTeam): string => `${organisationPath(input)}/teams/${id(input.team)}`;
const namespacePath = (input: InOrganisation & { readonly namespace: string }): string =>
  `${organisationPath(input)}/namespaces/${id(input.namespace)}`;
const publisherPath = (name: string): string => `packages/${id(name)}/trusted-publishers`;
const FACTOR = "account/second-factor";

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
  const { status, body } = await session.demand(call, options);
  return status === 204 ? undefined : answerReader(call.action, session.registry.name).object(body, "the answer");
}
