import { canonicalName, parsePackageName, type CanonicalName } from "@lading/core-manifest";
import type { CiExchange } from "../identity/ci-exchange.ts";
import { nameSkeleton, reservedReason } from "../package-name-rules.ts";
import type { MetadataStore } from "../ports.ts";
import { RegistryError } from "../registry-error.ts";
import { sha256Hex } from "../token.ts";
import type { Organisation } from "./organisation.ts";

/** Texts of the TXT records of a name; empty where there are none. Rejects where they cannot be asked for. */
export type TxtResolver = (name: string) => Promise<readonly string[]>;

/** What somebody brings to show that a namespace is theirs to claim. */
export type NamespaceProof =
  | { readonly kind: "dns"; readonly domain: string }
  | { readonly kind: "ci"; readonly token: string };

/** A claim of a namespace. */
export interface NamespaceClaim {
  readonly organisation: Organisation;
  /** In canonical form. */
  readonly namespace: string;
  readonly proof?: NamespaceProof;
  /** An admin needs no proof, and may hand out what looks like another's. */
  readonly admin: boolean;
}

const DOMAIN = /^(?=.{4,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+$/;

function unproven(namespace: string, problem: string, hint: string, cause?: unknown): RegistryError {
  return new RegistryError({
    code: "NAMESPACE_UNPROVEN",
    message: `Cannot claim namespace "${namespace}": ${problem}`,
    hint,
    ...(cause === undefined ? {} : { cause }),
  });
}

/** The namespace that a text names, in canonical form; a leading `@` and a trailing slash do not count. */
export function parseNamespace(text: string): CanonicalName | undefined {
  const bare = text.replace(/^@/, "").replace(/\/$/, "");
  try {
    return bare.includes("/") ? undefined : canonicalName(parsePackageName(bare));
  } catch {
    return undefined;
  }
}

/** The TXT record that shows that whoever has a domain wants an organisation to have a namespace. */
export async function dnsChallenge(
  organisation: Organisation,
  { namespace, domain }: { readonly namespace: string; readonly domain: string },
): Promise<{ readonly name: string; readonly value: string }> {
  const text = ["lading namespace", organisation.id, namespace, domain].join("\n");
  const digest = await sha256Hex(new TextEncoder().encode(text));
  return { name: `_lading-challenge.${domain}`, value: `lading-namespace=${digest.slice(0, 40)}` };
}

/** Whether a domain stands for a namespace: `acme.example` for `acme-example`, and without subdomains for `acme`. */
export function domainMatches(domain: string, namespace: string): boolean {
  if (!DOMAIN.test(domain)) return false;
  const labels = domain.split(".");
  return labels.join("-") === namespace || (labels.length === 2 && labels[0] === namespace);
}

/** Decides whether an organisation may have a namespace. */
export class NamespaceClaims {
  readonly #metadata: Pick<MetadataStore, "organisations">;
  readonly #builds: CiExchange;
  readonly #resolveTxt: TxtResolver | undefined;
  readonly #reserved: readonly string[];

  constructor(options: {
    readonly metadata: Pick<MetadataStore, "organisations">;
    readonly builds: CiExchange;
    readonly resolveTxt: TxtResolver | undefined;
    readonly reservedNames: readonly string[];
  }) {
    this.#metadata = options.metadata;
    this.#builds = options.builds;
    this.#resolveTxt = options.resolveTxt;
    this.#reserved = options.reservedNames;
  }

  /**
   * How the claim is proven, as the namespace's record says it.
   * @throws {RegistryError} `NAME_RESERVED`, `NAME_CONFUSABLE`, `NAMESPACE_TAKEN`, `NAMESPACE_UNPROVEN`,
   * `IDENTITY_TOKEN_REFUSED`, `ISSUER_UNAVAILABLE`
   */
  async verify(claim: NamespaceClaim, audience: () => string): Promise<string> {
    const reason = reservedReason(`${claim.namespace}/name` as CanonicalName, this.#reserved);
    if (reason !== undefined)
      throw new RegistryError({
        code: "NAME_RESERVED",
        message: `Cannot claim namespace "${claim.namespace}": ${reason}`,
      });
    if (claim.admin) return "admin";
    await this.#requireNoStrangers(claim);
    await this.#requireDistinct(claim);
    if (claim.proof?.kind === "dns") return this.#byDomain(claim, claim.proof.domain.toLowerCase());
    if (claim.proof?.kind === "ci") return this.#byBuild(claim, claim.proof.token, audience());
    if (claim.namespace === claim.organisation.name) return "name";
    throw unproven(
      claim.namespace,
      `organisation "${claim.organisation.name}" has another name, and no proof was given`,
      "Prove it with a TXT record or an identity token of a repository, or ask an admin of the registry",
    );
  }

  // With the claim, whoever is no member loses the packages that are in the namespace.
  async #requireNoStrangers({ organisation, namespace }: NamespaceClaim): Promise<void> {
    const [owners, members] = await Promise.all([
      this.#metadata.organisations.namespaceOwners(namespace),
      this.#metadata.organisations.members(organisation.id),
    ]);
    const strangers = owners.filter((owner) => !members.some(({ username }) => username === owner));
    if (strangers.length === 0) return;
    throw new RegistryError({
      code: "NAMESPACE_TAKEN",
      message: `Cannot claim namespace "${namespace}": it has packages of ${strangers
        .slice(0, 5)
        .map((owner) => `"${owner}"`)
        .join(", ")}, who are no members of "${organisation.name}"`,
      hint: "Invite them, or ask an admin of the registry",
    });
  }

  async #requireDistinct({ organisation, namespace }: NamespaceClaim): Promise<void> {
    const similar = await this.#metadata.organisations.similarNamespaces(
      nameSkeleton(namespace as CanonicalName),
      namespace,
    );
    for (const other of similar) {
      if ((await this.#metadata.organisations.namespace(other))?.organisation === organisation.name) continue;
      throw new RegistryError({
        code: "NAME_CONFUSABLE",
        message: `Cannot claim namespace "${namespace}": it looks like "${other}", which belongs to others`,
        similar: other,
      });
    }
  }

  async #byDomain({ organisation, namespace }: NamespaceClaim, domain: string): Promise<string> {
    if (!domainMatches(domain, namespace))
      throw unproven(
        namespace,
        `domain "${domain.slice(0, 253)}" does not stand for it`,
        "The domain's labels joined by hyphens are the namespace; of a domain of two labels, also the first alone",
      );
    if (this.#resolveTxt === undefined)
      throw unproven(namespace, "this registry does not ask the DNS", "Ask an admin of the registry");
    const { name, value } = await dnsChallenge(organisation, { namespace, domain });
    const hint = `Put a TXT record at ${name} with the text ${value}`;
    const records = await this.#resolveTxt(name).catch((cause: unknown) => {
      throw unproven(namespace, `the TXT records of "${name}" cannot be had`, hint, cause);
    });
    if (records.includes(value)) return `dns:${domain}`;
    throw unproven(namespace, `none of ${records.length} TXT records of "${name}" is the one that shows it`, hint);
  }

  async #byBuild({ namespace }: NamespaceClaim, token: string, audience: string): Promise<string> {
    const { issuer, owner } = await this.#builds.projectOwner(token, audience);
    if (owner !== undefined && parseNamespace(owner.toLowerCase()) === namespace) return `${issuer} ${owner}`;
    throw unproven(
      namespace,
      `the token is of a project of ${owner === undefined ? "nobody" : `"${owner.slice(0, 100)}"`} at "${issuer}"`,
      "Take the token of a run in a repository that belongs to an organisation or group of that name",
    );
  }
}
