import { canonicalName, splitName, tryParsePackageName, type CanonicalName } from "@lading/core-manifest";
import type { MetadataStore } from "../ports.ts";
import type { Account, AuditEntry } from "../records.ts";
import {
  QUOTA_KINDS,
  quotaSubject,
  requireRoom,
  type QuotaCheck,
  type QuotaKind,
  type QuotaLimits,
  type QuotaRecord,
  type Usage,
  type UsageScope,
} from "./quota.ts";

interface Ports {
  readonly metadata: Pick<MetadataStore, "quotas" | "usage" | "organisations" | "accountByName">;
  /** Limits of subjects that nobody set others for. */
  readonly defaults: Readonly<Partial<Record<QuotaKind, QuotaLimits>>>;
}

/** What is known of a subject's quota. */
export interface QuotaReport {
  readonly subject: string;
  readonly scope: UsageScope;
  readonly limits: QuotaLimits;
  /** Whether an administrator set the limits; else they are those of the configuration. */
  readonly own: boolean;
  readonly usage: Usage;
}

/** Limits of what accounts, organisations, packages and the registry may hold, and what they hold. */
export class QuotaService {
  readonly #ports: Ports;

  constructor(ports: Ports) {
    this.#ports = ports;
  }

  async #organisationOf(canonical: CanonicalName): Promise<UsageScope | undefined> {
    const { namespace } = splitName(canonical);
    const claimed = namespace && (await this.#ports.metadata.organisations.namespace(namespace));
    return claimed ? this.#organisation(claimed.organisation) : undefined;
  }

  async #organisation(name: string): Promise<UsageScope | undefined> {
    const { organisations } = this.#ports.metadata;
    const organisation = await organisations.organisation(name);
    if (organisation === undefined) return undefined;
    const namespaces = (await organisations.namespacesOf(organisation.id)).map((one) => one.name);
    return { kind: "organisation", name: organisation.name, namespaces };
  }

  /** The limits that a publication of an account under a name must stay within. */
  async checksFor(account: Account, canonical: CanonicalName): Promise<readonly QuotaCheck[]> {
    const organisation = await this.#organisationOf(canonical);
    const scopes: readonly UsageScope[] = [
      { kind: "user", username: account.username, accountId: account.id },
      ...(organisation === undefined ? [] : [organisation]),
      { kind: "package", canonical },
      { kind: "registry" },
    ];
    const checks = await this.#limited(scopes);
    return checks.filter(({ limits }) => Object.keys(limits).length > 0);
  }

  async #limited(scopes: readonly UsageScope[]): Promise<readonly (QuotaCheck & { readonly own: boolean })[]> {
    const { metadata, defaults } = this.#ports;
    const own = new Map((await metadata.quotas.limits(scopes.map(quotaSubject))).map((one) => [one.subject, one]));
    return scopes.map((scope) => {
      const record = own.get(quotaSubject(scope));
      return { scope, limits: record?.limits ?? defaults[scope.kind] ?? {}, own: record !== undefined };
    });
  }

  /**
   * Demands that there is room for a publication, before it is made; the transaction of the publication asks again.
   * @throws {RegistryError} `QUOTA_EXCEEDED`
   */
  async require(
    checks: readonly QuotaCheck[],
    what: { readonly name: string; readonly version: string },
    added: Usage,
  ): Promise<void> {
    for (const check of checks)
      requireRoom(what, check, { usage: await this.#ports.metadata.usage(check.scope), added });
  }

  /** What `text` names, `undefined` where there is no such subject. */
  async scopeOf(text: string): Promise<UsageScope | undefined> {
    const [kind, name] = text.split(/:(.*)/s);
    if (text === "registry") return { kind: "registry" };
    if (name === undefined || !(QUOTA_KINDS as readonly string[]).includes(kind ?? "")) return undefined;
    if (kind === "package") {
      const parsed = tryParsePackageName(name);
      return parsed && { kind, canonical: canonicalName(parsed) };
    }
    if (kind === "organisation") return this.#organisation(name.toLowerCase());
    const account = kind === "user" ? await this.#ports.metadata.accountByName(name) : undefined;
    return account && { kind: "user", username: account.username, accountId: account.id };
  }

  async report(scope: UsageScope): Promise<QuotaReport> {
    const [check] = await this.#limited([scope]);
    const { limits, own } = check!;
    return { subject: quotaSubject(scope), scope, limits, own, usage: await this.#ports.metadata.usage(scope) };
  }

  /** Limits that administrators set, in order of their subjects. */
  async all(): Promise<readonly QuotaRecord[]> {
    return this.#ports.metadata.quotas.all();
  }

  /** Sets all limits of a subject in place of those of the configuration; `undefined` goes back to those. */
  async set(scope: UsageScope, limits: QuotaLimits | undefined, audit: AuditEntry): Promise<void> {
    const subject = quotaSubject(scope);
    const details = limits === undefined ? { subject } : { subject, ...limits };
    await this.#ports.metadata.quotas.set(subject, limits, { ...audit, details });
  }
}
