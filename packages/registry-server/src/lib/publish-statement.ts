import { canonicalName } from "@lading/core-manifest";
import { matchesNamePattern } from "@lading/signing";
import { judgePublisher, type PublisherRule } from "@lading/signing/publisher";
import type { Principal } from "./authentication.ts";
import { rulesFor as rulesForPublication } from "./governance/publication-policy.ts";
import type { PackageRights } from "./organisations/package-rights.ts";
import { ruleOf } from "./package-policy.ts";
import type {
  Clock,
  MetadataStore,
  SignerKey,
  StatementSubject,
  StatementVerdict,
  StatementVerifier,
} from "./ports.ts";
import type { Account, PackageSummary } from "./records.ts";
import { RegistryError } from "./registry-error.ts";
import type { RegistrySettings } from "./settings.ts";
import { keyContext, publisherKeys, type PublisherKey } from "./trust/publisher-keys.ts";
import type { TrustService } from "./trust/trust-service.ts";

interface Ports {
  readonly metadata: MetadataStore;
  readonly rights: Pick<PackageRights, "on">;
  readonly statements: StatementVerifier;
  readonly settings: RegistrySettings;
  readonly clock: Clock;
  readonly trust: TrustService | undefined;
}

/** What is published, by whom, and what the registry has of the package. */
export interface StatementQuestion {
  readonly principal: Principal;
  readonly subject: StatementSubject;
  /** Absent for a new package. */
  readonly existing: PackageSummary | undefined;
  readonly statement: Uint8Array | undefined;
}

function rulesFor({ settings }: Ports, { subject, existing }: StatementQuestion): readonly PublisherRule[] {
  const configured = (settings.publishers ?? []).map((demand, i) =>
    ruleOf(demand, demand.names, `this registry's rule ${i + 1} about publishers`),
  );
  const { policy } = existing ?? {};
  const own = policy === undefined ? [] : [ruleOf(policy, [subject.name], `the policy of package "${subject.name}"`)];
  const matching = (rule: PublisherRule): boolean =>
    rule.names.some((pattern) => matchesNamePattern(pattern, subject.name));
  return [...configured, ...own].filter(matching);
}

async function keysOf(ports: Ports, accountId: string): Promise<readonly PublisherKey[]> {
  const { metadata } = ports;
  const [keys, statements] = await Promise.all([metadata.keysOf(accountId), metadata.keyStatementsOf(accountId)]);
  return publisherKeys({ keys, statements }, keyContext(ports));
}

async function ownersOf(
  { metadata, rights }: Ports,
  { existing, principal }: StatementQuestion,
): Promise<readonly Account[]> {
  if (existing === undefined) return [];
  const names = await metadata.owners(existing.canonical);
  const others = names.filter((name) => name !== principal.account.username);
  const accounts = await Promise.all(others.map((name) => metadata.accountByName(name)));
  const owners: Account[] = [];
  // Whoever left the organisation of the package's namespace owns it no more, and signs for it no more.
  for (const account of accounts.filter((known) => known !== undefined))
    if ((await rights.on(account, existing.canonical)).direct) owners.push(account);
  return owners;
}

function signerKeys(account: Account, keys: readonly PublisherKey[]): readonly SignerKey[] {
  const active = keys.filter(({ state }) => state === "active");
  return active.map(({ record }) => ({ ...record, publisher: account.username }));
}

function judge(rules: readonly PublisherRule[], { subject, principal }: StatementQuestion): void {
  const verdict = judgePublisher(rules, subject.name, principal.account.username);
  if (verdict.ok) return;
  throw new RegistryError({
    code: "PUBLISHER_REFUSED",
    message: `Cannot publish "${subject.name}" ${subject.version}: ${verdict.reason}`,
    hint: "Publish with an account that is trusted for this package, or ask its owners to change GET …/policy",
  });
}

function unsigned({ subject }: StatementQuestion, why: string): RegistryError {
  return new RegistryError({
    code: "SIGNATURE_REQUIRED",
    message: `Cannot publish "${subject.name}" ${subject.version}: it is not signed, and ${why}`,
    hint: "Make a key with keygen, register it, and publish with it",
  });
}

const STATES = {
  active: "which this package's signers do not include",
  pending: "whose waiting period runs",
  replaced: "which another key has replaced",
  revoked: "which was revoked",
  lapsed: "whose recovery never took effect",
} as const;

function signerUnknown(
  { subject, principal }: StatementQuestion,
  signers: readonly string[],
  keys: readonly PublisherKey[],
): RegistryError {
  const named = signers.map((signer) => {
    const known = keys.find(({ record }) => record.fingerprint === signer);
    const until = known?.state === "pending" ? ` until ${new Date(known.effective ?? 0).toISOString()}` : "";
    const why =
      known === undefined
        ? `which is not a registered key of "${principal.account.username}"`
        : `${STATES[known.state]}${until}`;
    return `"${signer}", ${why}`;
  });
  return new RegistryError({
    code: "SIGNER_UNKNOWN",
    message: `Cannot publish "${subject.name}" ${subject.version}: it is signed by ${named.join(" and ")}`,
    hint: "Register the public key with POST /api/v1/keys, or sign with a key that is in use: GET /api/v1/accounts/{username}/keys",
  });
}

/**
 * Judges the statement of a publication by the keys that are in use, by what this registry demands of publishers, and by
 * what the package's owners demand. `undefined` for one that may go unsigned.
 * @throws {RegistryError} `PUBLISHER_REFUSED`, `SIGNATURE_REQUIRED`, `SIGNER_UNKNOWN`, `STATEMENT_REFUSED`
 */
export async function judgeStatement(ports: Ports, question: StatementQuestion): Promise<StatementVerdict | undefined> {
  const { principal, subject, statement } = question;
  const rules = rulesFor(ports, question);
  judge(rules, question);
  const { canonical = canonicalName(subject.name), latest } = question.existing ?? {};
  const rulesOfPolicy = rulesForPublication(ports.settings.publicationRules ?? [], {
    canonical,
    isNew: latest === undefined,
  });
  const demanded = rulesOfPolicy.some(({ requireSignatures }) => requireSignatures === true);
  const required = ports.settings.signatures === "required" || demanded;
  // Whoever says which keys count, or how many, says that there must be one.
  const ruled = rules.find(({ publicKeys, threshold }) => publicKeys !== undefined || threshold !== undefined);
  if (statement === undefined) {
    if (!required && ruled === undefined) return undefined;
    throw unsigned(
      question,
      ruled === undefined
        ? demanded
          ? "a rule of this registry accepts signed packages only"
          : "this registry accepts signed packages only"
        : `${ruled.source} says who must sign`,
    );
  }
  const own = await keysOf(ports, principal.account.id);
  const keys = [...signerKeys(principal.account, own)];
  // Where several must sign, the package's other owners can: their keys say who they are.
  for (const owner of ruled === undefined ? [] : await ownersOf(ports, question)) {
    keys.push(...signerKeys(owner, await keysOf(ports, owner.id)));
  }
  const verdict = await ports.statements.verify(statement, subject, keys, rules);
  const inactive = own.filter(
    ({ state, record }) => state !== "active" && verdict.signers.includes(record.fingerprint),
  );
  if (verdict.verified || (!required && ruled === undefined && inactive.length === 0)) return verdict;
  throw signerUnknown(question, verdict.signers, own);
}
