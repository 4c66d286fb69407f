type Role = "owner" | "maintainer" | "member";
type TeamRole = "maintain" | "publish" | "read";
type Nothing = Readonly<Record<string, never>>;
/** An organisation, by its name. */
export interface InOrganisation {
  readonly organisation: string;
}
/** A team of an organisation. */
export interface InTeam extends InOrganisation {
  readonly team: string;
}

/** Whose events a webhook hears: of a package, of an organisation, or of the whole registry. */
export type WebhookOf =
  | { readonly package: string; readonly organisation?: never }
  | { readonly organisation: string; readonly package?: never }
  | { readonly package?: never; readonly organisation?: never };

/** A webhook by its id. */
export interface OneWebhook {
  readonly of: WebhookOf;
  readonly id: string;
}

/** What a management call takes, by its name: the noun, then what is done. */
export interface ManagementInputs {
  "organisation.list": { readonly page?: number };
  "organisation.create": InOrganisation & { readonly title?: string };
  "organisation.info": InOrganisation;
  "organisation.title": InOrganisation & { readonly title: string | null };
  "organisation.remove": InOrganisation;
  "member.list": InOrganisation;
  "member.role": InOrganisation & { readonly user: string; readonly role: Role };
  "member.remove": InOrganisation & { readonly user: string };
  "team.put": InTeam & { readonly role: TeamRole; readonly title?: string };
  "team.remove": InTeam;
  "team.members": InTeam;
  "team.add": InTeam & { readonly user: string; readonly role: "maintainer" | "member" };
  "team.drop": InTeam & { readonly user: string };
  "namespace.claim": InOrganisation & {
    readonly namespace: string;
    readonly proof?:
      | { readonly kind: "dns"; readonly domain: string }
      | { readonly kind: "ci"; readonly token: string };
  };
  "namespace.challenge": InOrganisation & { readonly namespace: string; readonly domain: string };
  "namespace.team": InOrganisation & { readonly namespace: string; readonly team: string | null };
  "namespace.release": InOrganisation & { readonly namespace: string };
  "report.usage": { readonly of: WebhookOf; readonly since?: string | undefined; readonly until?: string | undefined };
  "report.licenses": Nothing;
  "webhook.list": { readonly of: WebhookOf };
  "webhook.add": { readonly of: WebhookOf; readonly url: string; readonly events?: readonly string[] };
  "webhook.change": OneWebhook & {
    readonly url?: string;
    readonly events?: readonly string[];
    readonly enabled?: boolean;
  };
  "webhook.remove": OneWebhook;
  "webhook.rotate": OneWebhook;
  "webhook.test": OneWebhook;
  "webhook.deliveries": OneWebhook & { readonly state?: string | undefined; readonly page?: number | undefined };
  "webhook.redeliver": OneWebhook & { readonly delivery: string };
  "configuration.list": InOrganisation;
  "configuration.put": InOrganisation & {
    readonly name: string;
    readonly text: string;
    readonly public: boolean;
    /** Revision that must be the newest one; 0: there must be none. */
    readonly revision?: number | undefined;
  };
  "configuration.remove": InOrganisation & { readonly name: string };
  "invitation.list": Nothing;
  "invitation.sent": InOrganisation;
  "invitation.create": InOrganisation & {
    readonly username?: string;
    readonly email?: string;
    readonly role: Role;
    readonly team?: string;
    readonly days?: number;
  };
  "invitation.revoke": InOrganisation & { readonly id: string };
  "invitation.answer": { readonly invitation: string; readonly answer: "accept" | "decline" };
  "second-factor.status": Nothing;
  "second-factor.enrol": Nothing;
  "second-factor.confirm": { readonly code: string };
  "second-factor.remove": { readonly code: string };
  "second-factor.codes": { readonly code: string };
  "passkey.list": Nothing;
  "passkey.remove": { readonly id: string };
  "session.list": Nothing;
  "session.end": { readonly id: string };
  "session.end-others": Nothing;
  "account.password": { readonly current: string; readonly password: string; readonly otp?: string };
  "account.delete": { readonly username: string; readonly password?: string; readonly otp?: string };
  "user.reset-password": { readonly user: string };
  "user.reset-second-factor": { readonly user: string };
  "transfer.offer": { readonly package: string } & ({ readonly username: string } | { readonly organisation: string });
  "transfer.list": Nothing;
  "transfer.answer": {
    readonly id: string;
    readonly answer: "accept" | "decline" | "withdraw";
    readonly team?: string;
  };
  "claim.create": { readonly package: string; readonly reason: string };
  "claim.list": Nothing;
  "claim.decide": {
    readonly id: string;
    readonly decision: "object" | "withdraw" | "approve" | "reject";
    readonly note?: string;
  };
  "trusted-publisher.list": { readonly name: string };
  "trusted-publisher.add": {
    readonly name: string;
    readonly issuer: string;
    readonly claims: Readonly<Record<string, string>>;
  };
  "trusted-publisher.remove": { readonly name: string; readonly id: string };
}

/** Name of a management call. */
export type ManagementCall = keyof ManagementInputs;
